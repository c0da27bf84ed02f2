/* app: what the handlers of the daemon share: made by tandemd before the first request, gone after the last one. */
#ifndef SERVER_APP_H
#define SERVER_APP_H
#include <stdint.h>
#include "server/blob.h"
#include "server/desk.h"
#include "server/http.h"
#include "server/queue.h"
#include "server/store.h"
#include "server/stream.h"

struct app {
    struct store *store;
    struct queue *queue;
    struct blob_store *blobs;
    struct stream_hub *hub;
    struct desk *desk;          /* where reports are written */
    struct http *http;          /* set once http_start has returned: /metrics may come before it is */
    int64_t job_memory_max;     /* predicted peak above which a job is refused at submit; 0 = none */
    int64_t started_mono_ms;
};

/* Topics of the hub beside the ids of the jobs. */
#define TOPIC_QUEUE "queue"         /* something can be claimed */
enum { TOPIC_BYTES = 64 };
void app_command_topic(const char *job_id, char topic[TOPIC_BYTES]); /* a command waits for the worker of this job */

/* What a stream's client gets as data: {id, job, kind, data}; the caller frees it. Words and ids need no escaping. */
char *app_event_text(int64_t event_id, const char *job_id, const char *kind, const char *data);
/* What the store tells after a commit (struct store_settings); context is the app. */
void app_on_event(void *context, int64_t event_id, const char *job_id, const char *owner, const char *kind, const char *json);
void app_on_claimable(void *context, size_t jobs);
void app_on_command(void *context, const char *job_id);
#endif
