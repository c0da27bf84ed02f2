/* handle_work: a worker takes and keeps a job: register, claim, heartbeat. What it reports is in handle_report. */
#include "server/handle.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/clock.h"
#include "schema/base/json_fields.h"
#include "schema/job/job_state.h"
#include "server/json_body.h"
#include "server/must.h"

/* ---- register ------------------------------------------------------------------------------------------------ */
struct register_body {
    int64_t protocol, pid, threads, memory_bytes;
    char name[129], host[257], version[65];
    bool data_paths;
};
static const struct field capacity_fields[] = {
    {.name = "threads", .type = FIELD_INT64, FIELD_AT(struct register_body, threads), .min = 1, .max = 65536, .standard = 1},
    {.name = "memory_bytes", .type = FIELD_INT64, FIELD_AT(struct register_body, memory_bytes), .min = 0, .max = 9e15},
    {0},
};
static const struct field register_fields[] = {
    {.name = "protocol", .type = FIELD_INT64, FIELD_AT(struct register_body, protocol), .min = 0, .max = INT_MAX, .required = true},
    {.name = "name", .type = FIELD_TEXT, FIELD_AT(struct register_body, name), .required = true, .one_line = true},
    {.name = "host", .type = FIELD_TEXT, FIELD_AT(struct register_body, host), .one_line = true},
    {.name = "pid", .type = FIELD_INT64, FIELD_AT(struct register_body, pid), .min = 0, .max = INT_MAX},
    {.name = "version", .type = FIELD_TEXT, FIELD_AT(struct register_body, version), .one_line = true},
    {.name = "labels", .type = FIELD_OTHER},
    {.name = "capacity", .type = FIELD_OBJECT, .offset = 0, .fields = capacity_fields},
    {.name = "data_paths", .type = FIELD_BOOL, FIELD_AT(struct register_body, data_paths)},
    {0},
};

/* Asked before anything else of the body: another protocol may well have other keys. */
static bool speaks_protocol(struct http_request *r)
{
    json_t *body = NULL;
    struct err_note note = {0};
    if (http_json_body(r, &body, NULL)) return true; /* the reading proper says what is wrong */
    const json_t *protocol = json_object_get(body, "protocol");
    bool same = !json_is_integer(protocol) || json_integer_value(protocol) == 1;
    if (!same) err_set(&note, ERR_UPGRADE, "/protocol", "this server speaks worker protocol 1, not %lld", (long long)json_integer_value(protocol));
    json_decref(body);
    if (!same) handle_refuse(r, ERR_UPGRADE, &note);
    return same;
}

static bool labels_fit(struct http_request *r, const json_t *labels)
{
    struct err_list errors = {0};
    const char *key;
    json_t *value;
    if (labels && !json_is_object(labels)) json_fields_refuse(&errors, ERR_TYPE, "/labels", labels, "an object of texts", "");
    json_object_foreach((json_t *)(size_t)labels, key, value) {
        char pointer[192];
        json_pointer_join(pointer, sizeof pointer, "/labels", key);
        if (!json_is_string(value)) json_fields_refuse(&errors, ERR_TYPE, pointer, value, "a text", "");
    }
    if (errors.count) handle_refuse_all(r, &errors);
    return !errors.count;
}

void handle_worker_register(struct http_request *r)
{
    struct register_body body = {0};
    json_t *json = NULL;
    if (!speaks_protocol(r) || !handle_read(r, register_fields, false, &body, &json)) return;
    if (labels_fit(r, json_object_get(json, "labels"))) {
        char *labels = handle_text_of(json, "labels");
        struct queue_register args = {.protocol = (int)body.protocol, .name = body.name, .host = body.host, .version = body.version,
                                      .labels_json = labels, .pid = body.pid, .threads = (int)body.threads,
                                      .memory_bytes = body.memory_bytes, .data_paths = body.data_paths, .token_id = http_caller(r)->id};
        handle_posted(r, queue_register(handle_app(r)->queue, &args, handle_done_201, r));
        free(labels);
    }
    json_decref(json);
}

/* ---- claim: parked until something can be claimed ---------------------------------------------------------------- */
struct claim {
    struct stream_watch *watch; /* NULL: does not wait (any more) */
    int64_t until_mono_ms;
    char worker_id[UUID_TEXT + 1], claim_key[65];
};
static const struct field claim_fields[] = {
    {.name = "worker_id", .type = FIELD_TEXT, FIELD_AT(struct claim, worker_id), .required = true},
    {.name = "claim_key", .type = FIELD_TEXT, FIELD_AT(struct claim, claim_key), .required = true},
    {0},
};

static void claimed(void *context, struct queue_reply *reply);

static void claim_again(struct http_request *r, struct claim *claim)
{
    enum err e = queue_claim(handle_app(r)->queue, claim->worker_id, claim->claim_key, claimed, r);
    if (e && claim->watch) stream_unwatch(claim->watch);
    handle_posted(r, e);
}

static void claim_woken(struct http_request *r, enum http_wake why, void *context)
{
    struct claim *claim = context;
    struct app *app = handle_app(r);
    claim->watch = NULL;
    if (why == HTTP_GONE || why == HTTP_STOPPING) {
        /* The wake may have been meant for this one: pass it on, so that no free job waits for nobody. */
        stream_wake(app->hub, TOPIC_QUEUE, 1);
        http_reply_empty(r, 204);
        http_finish(r);
        return;
    }
    if (why == HTTP_WOKEN) claim->watch = stream_watch(app->hub, r, TOPIC_QUEUE);
    claim_again(r, claim);
}

static void claimed(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    struct claim *claim = http_state(r);
    int64_t left_ms = claim->until_mono_ms - clock_mono_ms();
    if (!reply->error && reply->idle && claim->watch && left_ms > 0) {
        stream_park(claim->watch, left_ms, claim_woken, claim);
        return;
    }
    if (claim->watch) stream_unwatch(claim->watch);
    if (handle_failed(r, reply)) return;
    if (reply->idle)
        http_reply_empty(r, 204);
    else
        handle_take(r, 200, "application/json", reply);
    http_finish(r);
}

void handle_worker_claim(struct http_request *r)
{
    int64_t wait_s;
    if (!handle_wait_s(r, &wait_s)) return;
    struct claim *claim = must_calloc(1, sizeof *claim);
    http_set_state(r, claim, free);
    if (!handle_read(r, claim_fields, false, claim, NULL)) return;
    claim->until_mono_ms = clock_mono_ms() + wait_s * 1000;
    if (wait_s) claim->watch = stream_watch(handle_app(r)->hub, r, TOPIC_QUEUE);
    claim_again(r, claim);
}

/* ---- heartbeat: parked until a command comes or the next beat is due ------------------------------------------------ */
struct heartbeat {
    struct stream_watch *watch;
    int64_t until_mono_ms;
    char lease_token[HANDLE_LEASE_TOKEN_BYTES], phase[16], topic[TOPIC_BYTES];
    int64_t epoch, epochs, step;
    double eta_s;
    char *kernels;
    struct queue_heartbeat args; /* points into the rest */
};
static void free_heartbeat(void *state)
{
    free(((struct heartbeat *)state)->kernels);
    free(state);
}
static bool phase_fits(const char *text)
{
    return job_phase_of_word(text) > 0;
}
static const struct field heartbeat_fields[] = {
    {.name = "lease_token", .type = FIELD_TEXT, FIELD_AT(struct heartbeat, lease_token), .required = true},
    {.name = "phase", .type = FIELD_TEXT, FIELD_AT(struct heartbeat, phase), .text_fits = phase_fits,
     .allowed = "one of: staging, tuning, training, evaluating, uploading"},
    {.name = "epoch", .type = FIELD_INT64, FIELD_AT(struct heartbeat, epoch), .min = 0, .max = 9e15, .standard = -1},
    {.name = "epochs", .type = FIELD_INT64, FIELD_AT(struct heartbeat, epochs), .min = 0, .max = 9e15, .standard = -1},
    {.name = "step", .type = FIELD_INT64, FIELD_AT(struct heartbeat, step), .min = 0, .max = 9e15, .standard = -1},
    {.name = "kernels", .type = FIELD_OTHER, .help = "what this job trains with, once: its sweep shares it"},
    {.name = "eta_s", .type = FIELD_REAL, FIELD_AT(struct heartbeat, eta_s), .min = 0, .max = 1e12, .nullable = true, .null_value = -1, .standard = -1},
    {0},
};

static void beat(void *context, struct queue_reply *reply);

static void beat_again(struct http_request *r, struct heartbeat *h)
{
    enum err e = queue_heartbeat(handle_app(r)->queue, &h->args, beat, r);
    if (e && h->watch) stream_unwatch(h->watch);
    handle_posted(r, e);
}

static void beat_woken(struct http_request *r, enum http_wake why, void *context)
{
    struct heartbeat *h = context;
    h->watch = NULL;
    if (why == HTTP_GONE) {
        http_finish(r);
        return;
    }
    if (why == HTTP_WOKEN) h->watch = stream_watch(handle_app(r)->hub, r, h->topic);
    h->args.look = true;
    beat_again(r, h);
}

static void beat(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    struct heartbeat *h = http_state(r);
    int64_t left_ms = h->until_mono_ms - clock_mono_ms();
    if (!reply->error && reply->idle && h->watch && left_ms > 0) {
        stream_park(h->watch, left_ms, beat_woken, h);
        return;
    }
    if (h->watch) stream_unwatch(h->watch);
    handle_done_200(r, reply);
}

static bool read_heartbeat(struct http_request *r, struct heartbeat *h)
{
    json_t *json = NULL;
    struct err_list errors = {0};
    if (!handle_read(r, heartbeat_fields, false, h, &json)) return false;
    const json_t *kernels = json_object_get(json, "kernels");
    bool fits = !kernels || json_is_null(kernels) || json_is_object(kernels);
    if (fits) h->kernels = handle_text_of(json, "kernels");
    else json_fields_refuse(&errors, ERR_TYPE, "/kernels", kernels, "an object", "");
    json_decref(json);
    if (!fits) handle_refuse_all(r, &errors);
    return fits;
}

void handle_attempt_heartbeat(struct http_request *r)
{
    struct app *app = handle_app(r);
    int64_t wait_s;
    if (!handle_wait_s(r, &wait_s)) return;
    struct heartbeat *h = must_calloc(1, sizeof *h);
    http_set_state(r, h, free_heartbeat);
    if (!read_heartbeat(r, h)) return;
    if (!handle_lease(r, h->lease_token, &h->args.lease)) return;
    h->args.phase = *h->phase ? h->phase : NULL;
    h->args.epoch = h->epoch;
    h->args.epochs = h->epochs;
    h->args.step = h->step;
    h->args.eta_s = h->eta_s;
    h->args.kernels_json = h->kernels;
    int64_t due_ms = queue_heartbeat_ms(app->queue);
    h->until_mono_ms = clock_mono_ms() + (wait_s * 1000 < due_ms ? wait_s * 1000 : due_ms);
    app_command_topic(h->args.lease.job_id, h->topic);
    if (wait_s) h->watch = stream_watch(app->hub, r, h->topic);
    beat_again(r, h);
}

void handle_worker_list(struct http_request *r)
{
    handle_posted(r, queue_workers(handle_app(r)->queue, handle_owner(r), handle_done_200, r));
}
