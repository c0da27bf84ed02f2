/* http_rig: the HTTP floor with routes of its own, a thread that completes requests, and a log of events. */
#ifndef TESTS_SERVER_HTTP_RIG_H
#define TESTS_SERVER_HTTP_RIG_H
#include <pthread.h>
#include <stdatomic.h>
#include "server/http.h"
#include "server/stream.h"

enum { RIG_EVENTS_MAX = 20000, RIG_QUEUE = 4096 };
struct rig {
    struct http *http;
    struct stream_hub *hub;
    struct http_config config; /* set before rig_start; app, hosts are the rig's */
    /* the thread that plays the store: jobs in, in order */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct {
        void (*run)(void *context);
        void *context;
    } queue[RIG_QUEUE];
    size_t first, count;
    bool leaves;
    int padding; /* bytes in each event; up to 8000 */
    int surprises; /* so many streams meet an event between their page and their going live */
    long last_event_id; /* events 1..last are "rows"; that thread's alone */
    atomic_int served, gone, timeouts, woken, stopped, broken, uploads;
    atomic_ulong uploaded_bytes;
    atomic_bool sink_waits; /* the sink says "not now" until this is cleared */
    struct http_request *_Atomic sink_request, *_Atomic unfinished;
    char file[256];
};
struct rig *rig_new(void);
void rig_start(struct rig *rig);
int rig_port(const struct rig *rig);
void rig_enqueue(struct rig *rig, void (*run)(void *context), void *context);
void rig_publish(struct rig *rig, int count); /* so many more events of topic "job" */
/* Lets a sink that said "not now" go on. */
void rig_let_upload_go(struct rig *rig);
size_t rig_stop(struct rig *rig); /* http, then the thread; frees; returns what http_stop gave */
/* Waits until *value reaches `want`; fails the test after 10 s. */
void rig_wait(atomic_int *value, int want);
#endif
