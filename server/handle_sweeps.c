/* handle_sweeps: submit, preview, read, extend and cancel sweeps. */
#include "server/handle.h"

#include <stdlib.h>
#include <string.h>
#include "schema/base/json_fields.h"
#include "server/sweep_request.h"

static void free_request(void *state)
{
    sweep_request_free(state);
}

/* The body as a request that is the request's state, or NULL: it was refused. */
static struct sweep_request *read_sweep(struct http_request *r)
{
    struct err_note note = {0};
    struct err_list errors = {0};
    size_t length;
    const char *body = http_body(r, &length);
    struct sweep_request *s = sweep_request_new();
    http_set_state(r, s, free_request);
    enum err e = sweep_request_read(s, body, length, &errors, &note);
    if (!e) submission_check_memory(s->jobs, handle_app(r)->job_memory_max, "this server (--job-memory-max)", &errors);
    if (errors.count)
        handle_refuse_all(r, &errors);
    else if (e)
        handle_refuse(r, e, &note);
    if (e || errors.count) return NULL;
    s->args.token_id = http_caller(r)->id;
    return s;
}

static void sent(struct http_request *r, struct queue_reply *reply, int status)
{
    if (handle_failed(r, reply)) return;
    handle_take(r, reply->existed ? 200 : status, "application/json", reply);
    char location[64];
    err_print(location, sizeof location, "/v1/sweeps/%s", reply->id);
    http_reply_header(r, "Location", location);
    http_finish(r);
}

static void created(void *context, struct queue_reply *reply)
{
    sent(context, reply, 201);
}

static void changed(void *context, struct queue_reply *reply)
{
    sent(context, reply, 202);
}

void handle_sweep_submit(struct http_request *r)
{
    struct err_note note = {0};
    const char *key = http_header(r, "Idempotency-Key");
    if (key && (!*key || strlen(key) > 128)) {
        handle_refuse(r, err_set(&note, ERR_BAD_REQUEST, "Idempotency-Key", "1 to 128 characters are allowed"), &note);
        return;
    }
    struct sweep_request *s = read_sweep(r);
    if (!s) return;
    s->args.idempotency_key = key;
    handle_posted(r, queue_sweep_create(handle_app(r)->queue, &s->args, created, r));
}

void handle_sweep_extend(struct http_request *r)
{
    struct sweep_request *s = read_sweep(r);
    if (s) handle_posted(r, queue_sweep_extend(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), &s->args, changed, r));
}

/* The data sets are there: what was read can be told. */
static void previewed(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (!handle_failed(r, reply)) handle_reply(r, 200, sweep_request_preview(http_state(r)));
}

void handle_sweep_preview(struct http_request *r)
{
    struct sweep_request *s = read_sweep(r);
    if (!s) return;
    struct queue_submit args = {.jobs = s->jobs->jobs, .count = s->jobs->count, .is_array = true, .dry_run = true, .token_id = s->args.token_id};
    handle_posted(r, queue_submit(handle_app(r)->queue, &args, previewed, r));
}

void handle_sweep_list(struct http_request *r)
{
    int64_t limit, cursor;
    if (!handle_query(r, "limit", 1, 200, 50, &limit) || !handle_query(r, "cursor", 1, INT64_MAX, 0, &cursor)) return;
    handle_posted(r, queue_sweep_list(handle_app(r)->queue, handle_owner(r), http_query(r, "project"), (int)limit, cursor, handle_done_200, r));
}

void handle_sweep_get(struct http_request *r)
{
    handle_posted(r, queue_sweep_get(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), handle_done_200, r));
}

struct cancel_body {
    double grace_s;
};
static const struct field cancel_fields[] = {
    {.name = "grace_s", .type = FIELD_REAL, FIELD_AT(struct cancel_body, grace_s), .min = 0, .max = 3600, .help = "what the workers get to stop in"},
    {0},
};

void handle_sweep_cancel(struct http_request *r)
{
    struct cancel_body body = {0};
    if (!handle_read(r, cancel_fields, true, &body, NULL)) return;
    handle_posted(r, queue_sweep_cancel(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), (int64_t)(body.grace_s * 1000), changed, r));
}
