/* app: hands what the store tells after a commit to those who wait for it. */
#include "server/app.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "server/must.h"

void app_command_topic(const char *job_id, char topic[TOPIC_BYTES])
{
    err_print(topic, TOPIC_BYTES, "command:%s", job_id);
}

char *app_event_text(int64_t event_id, const char *job_id, const char *kind, const char *data)
{
    size_t size = strlen(data) + strlen(job_id) + strlen(kind) + 80;
    char *text = must_realloc(NULL, size);
    err_print(text, size, "{\"id\":%" PRId64 ",\"job\":\"%s\",\"kind\":\"%s\",\"data\":%s}", event_id, job_id, kind, data);
    return text;
}

void app_on_event(void *context, int64_t event_id, const char *job_id, const char *owner, const char *kind, const char *json)
{
    struct app *app = context;
    char *whole = app_event_text(event_id, job_id, kind, json);
    stream_publish(app->hub, job_id, owner, event_id, kind, whole);
    free(whole);
}

void app_on_claimable(void *context, size_t jobs)
{
    struct app *app = context;
    stream_wake(app->hub, TOPIC_QUEUE, jobs);
}

void app_on_command(void *context, const char *job_id)
{
    struct app *app = context;
    char topic[TOPIC_BYTES];
    app_command_topic(job_id, topic);
    stream_wake(app->hub, topic, SIZE_MAX);
}
