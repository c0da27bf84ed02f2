/* handle_jobs: submit, read, list, cancel and retry jobs. */
#include "server/handle.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/clock.h"
#include "schema/base/json_fields.h"
#include "server/submit.h"

enum { DRY_RUN_BYTES_MAX = 64 << 20 };

/* ---- submit ------------------------------------------------------------------------------------------------ */
static void free_submission(void *state)
{
    submission_free(state);
}

static void submitted(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    const struct submission *s = http_state(r);
    if (handle_failed(r, reply)) return;
    handle_take(r, reply->existed ? 200 : 201, "application/json", reply);
    if (!s->is_array) {
        char location[64];
        err_print(location, sizeof location, "/v1/jobs/%s", reply->id);
        http_reply_header(r, "Location", location);
        handle_etag(r, reply->version);
    }
    if (reply->existed) http_reply_header(r, "Idempotent-Replayed", "true");
    http_finish(r);
}

static void dry_workers(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    const struct submission *s = http_state(r);
    if (handle_failed(r, reply)) return;
    struct err_list errors = {0};
    struct buf body;
    buf_init(&body, DRY_RUN_BYTES_MAX);
    submission_check_workers(s, reply->json, &errors);
    enum err e = errors.count ? OK : submission_dry_run(s, &body);
    if (!e) e = buf_text(&body, "\n");
    size_t length = body.length;
    if (errors.count)
        handle_refuse_all(r, &errors);
    else if (e)
        handle_refuse(r, e, NULL);
    else {
        http_reply_take(r, 200, "application/json", buf_take(&body), length);
        http_finish(r);
    }
    buf_free(&body);
}

static void dry_checked(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (handle_failed(r, reply)) return;
    handle_posted(r, queue_workers(handle_app(r)->queue, NULL, dry_workers, r));
}

static bool read_dry_run(struct http_request *r, bool *dry_run)
{
    int64_t value;
    if (!handle_query(r, "dry_run", 0, 1, 0, &value)) return false;
    *dry_run = value == 1;
    return true;
}

static bool idempotency_key_fits(const char *key)
{
    if (!key) return true;
    size_t length = strlen(key);
    return length >= 1 && length <= 128;
}

void handle_job_submit(struct http_request *r)
{
    struct app *app = handle_app(r);
    struct err_note note = {0};
    bool dry_run;
    const char *key = http_header(r, "Idempotency-Key");
    if (!read_dry_run(r, &dry_run)) return;
    if (!idempotency_key_fits(key)) {
        handle_refuse(r, err_set(&note, ERR_BAD_REQUEST, "Idempotency-Key", "1 to 128 characters are allowed"), &note);
        return;
    }
    static _Thread_local struct err_list errors; /* 64 KiB, which are not to be cleared for every submit */
    struct submission *s = submission_new();
    errors.count = errors.dropped = 0;
    http_set_state(r, s, free_submission);
    size_t length;
    const char *body = http_body(r, &length);
    enum err e = submission_read(s, body, length, &errors, &note);
    if (!e) submission_check_memory(s, app->job_memory_max, "this server (--job-memory-max)", &errors);
    if (errors.count) {
        handle_refuse_all(r, &errors);
        return;
    }
    if (e) {
        handle_refuse(r, e, &note);
        return;
    }
    struct queue_submit args = {.jobs = s->jobs, .count = s->count, .is_array = s->is_array, .dry_run = dry_run,
                                .idempotency_key = dry_run ? NULL : key, .body_sha256 = s->body_sha256,
                                .token_id = http_caller(r)->id};
    handle_posted(r, queue_submit(app->queue, &args, dry_run ? dry_checked : submitted, r));
}

/* ---- one job: read, and wait for a change --------------------------------------------------------------------- */
struct job_get {
    struct stream_watch *watch; /* NULL: does not wait (any more) */
    int64_t until_mono_ms;
    int64_t known;              /* version that the client has; -1: the one that is read first */
};

static void got_job(void *context, struct queue_reply *reply);

static void job_woken(struct http_request *r, enum http_wake why, void *context)
{
    struct job_get *get = context;
    struct app *app = handle_app(r);
    if (why == HTTP_GONE) {
        http_finish(r);
        return;
    }
    const char *id = http_param(r, "id");
    get->watch = why == HTTP_WOKEN ? stream_watch(app->hub, r, id) : NULL;
    enum err e = queue_get(app->queue, id, handle_owner(r), got_job, r);
    if (e && get->watch) stream_unwatch(get->watch);
    handle_posted(r, e);
}

static void got_job(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    struct job_get *get = http_state(r);
    int64_t left_ms = get->until_mono_ms - clock_mono_ms();
    if (get->watch && get->known < 0) get->known = reply->version;
    if (get->watch && !reply->error && reply->version <= get->known && left_ms > 0) {
        stream_park(get->watch, left_ms, job_woken, get);
        return;
    }
    if (get->watch) stream_unwatch(get->watch);
    if (handle_failed(r, reply)) return;
    char etag[24];
    err_print(etag, sizeof etag, "%" PRId64, reply->version);
    if (http_not_modified(r, etag))
        http_reply_empty(r, 304);
    else
        handle_take(r, 200, "application/json", reply);
    handle_etag(r, reply->version);
    http_finish(r);
}

/* The version in ?after=, else in If-None-Match ("17", W/"17"), else -1. */
static bool known_version(struct http_request *r, int64_t *known)
{
    if (!handle_query(r, "after", 0, INT64_MAX, -1, known)) return false;
    const char *etag = http_header(r, "If-None-Match");
    if (*known >= 0 || !etag) return true;
    etag += strncmp(etag, "W/", 2) ? 0 : 2;
    if (*etag == '"') *known = strtoll(etag + 1, NULL, 10);
    return true;
}

void handle_job_get(struct http_request *r)
{
    struct app *app = handle_app(r);
    int64_t wait_s, known;
    if (!handle_wait_s(r, &wait_s) || !known_version(r, &known)) return;
    struct job_get *get = calloc(1, sizeof *get);
    if (!get) {
        handle_refuse(r, ERR_NO_MEMORY, NULL);
        return;
    }
    *get = (struct job_get){.until_mono_ms = clock_mono_ms() + wait_s * 1000, .known = known};
    http_set_state(r, get, free);
    const char *id = http_param(r, "id");
    if (wait_s) get->watch = stream_watch(app->hub, r, id);
    enum err e = queue_get(app->queue, id, handle_owner(r), got_job, r);
    if (e && get->watch) stream_unwatch(get->watch);
    handle_posted(r, e);
}

/* ---- list -------------------------------------------------------------------------------------------------------- */
void handle_job_list(struct http_request *r)
{
    int64_t limit, cursor;
    if (!handle_query(r, "limit", 1, 500, 50, &limit) || !handle_query(r, "cursor", 1, INT64_MAX, 0, &cursor)) return;
    struct queue_list list = {.owner = handle_owner(r), .states = http_query(r, "state"), .project = http_query(r, "project"), .tag = http_query(r, "tag"),
                              .strategy = http_query(r, "strategy"), .name = http_query(r, "name"), .sweep = http_query(r, "sweep"),
                              .limit = (int)limit, .cursor = cursor};
    handle_posted(r, queue_list(handle_app(r)->queue, &list, handle_done_200, r));
}

/* ---- cancel and retry ---------------------------------------------------------------------------------------------- */
static void steered(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (handle_failed(r, reply)) return;
    handle_take(r, reply->existed ? 200 : 202, "application/json", reply);
    handle_etag(r, reply->version);
    http_finish(r);
}

struct cancel_body {
    double grace_s;
};
static const struct field cancel_fields[] = {
    {.name = "grace_s", .type = FIELD_REAL, FIELD_AT(struct cancel_body, grace_s), .min = 0, .max = 3600,
     .help = "what the worker gets to stop in"},
    {0},
};

void handle_job_cancel(struct http_request *r)
{
    struct cancel_body body = {0};
    if (!handle_read(r, cancel_fields, true, &body, NULL)) return;
    handle_posted(r, queue_cancel(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), (int64_t)(body.grace_s * 1000), steered, r));
}

enum retry_from { FROM_CHECKPOINT, FROM_START };
struct retry_body {
    enum retry_from from;
};
static const char *const retry_words[] = {"checkpoint", "start", NULL};
static const struct field retry_fields[] = {
    {.name = "from", .type = FIELD_WORD, FIELD_AT(struct retry_body, from), .words = retry_words,
     .help = "checkpoint: go on; start: forget the checkpoints"},
    {0},
};

void handle_job_retry(struct http_request *r)
{
    struct retry_body body = {FROM_CHECKPOINT};
    if (!handle_read(r, retry_fields, true, &body, NULL)) return;
    handle_posted(r, queue_retry(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), body.from == FROM_START, steered, r));
}
