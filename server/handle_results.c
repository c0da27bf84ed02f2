/* handle_results: what a job produced and went through: metrics, logs, events, attempts, the list of its files. */
#include "server/handle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "server/must.h"

void handle_job_attempts(struct http_request *r)
{
    handle_posted(r, queue_attempts(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), handle_done_200, r));
}

void handle_job_artifacts(struct http_request *r)
{
    handle_posted(r, queue_artifacts(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), handle_done_200, r));
}

/* ---- metrics ------------------------------------------------------------------------------------------------- */
static void send_metrics(struct http_request *r, struct queue_reply *reply, const char *type)
{
    if (handle_failed(r, reply)) return;
    char etag[24];
    err_print(etag, sizeof etag, "%" PRId64, reply->version);
    if (http_not_modified(r, etag))
        http_reply_empty(r, 304);
    else
        handle_take(r, 200, type, reply);
    handle_etag(r, reply->version);
    http_reply_header(r, "Vary", "Accept");
    http_finish(r);
}

static void metrics_json(void *context, struct queue_reply *reply)
{
    send_metrics(context, reply, "application/json");
}

static void metrics_csv(void *context, struct queue_reply *reply)
{
    send_metrics(context, reply, "text/csv");
}

static bool read_format(struct http_request *r, bool *csv)
{
    const char *format = http_query(r, "format");
    *csv = format ? !strcmp(format, "csv") : http_accepts(r, "text/csv");
    if (!format || *csv || !strcmp(format, "json")) return true;
    handle_refuse_word(r, "format", format, "json or csv");
    return false;
}

void handle_job_metrics(struct http_request *r)
{
    struct queue_read_metrics args = {.job_id = http_param(r, "id"), .owner = handle_owner(r), .series = http_query(r, "series")};
    if (!handle_query(r, "from", 0, INT64_MAX, 0, &args.from) || !handle_query(r, "to", 0, INT64_MAX, -1, &args.to)) return;
    if (!read_format(r, &args.csv)) return;
    handle_posted(r, queue_read_metrics(handle_app(r)->queue, &args, args.csv ? metrics_csv : metrics_json, r));
}

/* ---- logs ---------------------------------------------------------------------------------------------------- */
static void logs_text(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (handle_failed(r, reply)) return;
    char next[24];
    err_print(next, sizeof next, "%" PRId64, reply->next);
    handle_take(r, 200, "text/plain; charset=utf-8", reply);
    http_reply_header(r, "Tandem-Next", next);
    http_reply_header(r, "Vary", "Accept");
    http_finish(r);
}

static void logs_json(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (handle_failed(r, reply)) return;
    json_t *text = json_stringn_nocheck(reply->json ? reply->json : "", reply->json ? reply->json_bytes : 0);
    handle_reply(r, 200, json_pack("{s:o, s:I}", "text", text, "next", (json_int_t)reply->next));
}

void handle_job_logs(struct http_request *r)
{
    int64_t after, limit;
    if (!handle_query(r, "after", 0, INT64_MAX, 0, &after) || !handle_query(r, "limit", 1024, 1 << 20, 256 << 10, &limit)) return;
    bool json = http_accepts(r, "application/json");
    handle_posted(r, queue_read_logs(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), after, limit, json ? logs_json : logs_text, r));
}

/* ---- events: one page as JSON, or a stream ---------------------------------------------------------------------- */
enum { EVENTS_PAGE = 200 };

/* One client's stream while it catches up with the table; after that the hub feeds it and this is gone. */
struct feed {
    struct app *app;
    struct http_request *request;      /* until the stream is open */
    struct stream_follower *follower;  /* NULL when the stream is over */
    bool open;
    char job_id[UUID_TEXT];            /* "" = all jobs */
};

static bool open_feed(struct feed *f)
{
    if (!f->open && f->follower && !stream_open(f->follower)) f->follower = NULL;
    f->open = true;
    return f->follower;
}

static void feed_row(void *context, int64_t event_id, const char *job_id, const char *kind, const char *data)
{
    struct feed *f = context;
    if (!open_feed(f)) return;
    char *whole = app_event_text(event_id, job_id, kind, data);
    if (!stream_row(f->follower, event_id, kind, whole)) f->follower = NULL;
    free(whole);
}

static void feed_page(void *context, struct queue_reply *reply);

static void next_page(struct stream_follower *follower, void *context)
{
    struct feed *f = context;
    const char *id = *f->job_id ? f->job_id : NULL;
    enum err e = queue_each_event(f->app->queue, id, stream_owner(follower), stream_last_id(follower), EVENTS_PAGE, feed_row, feed_page, f);
    if (!e) return;
    stream_unfollow(follower); /* the client comes back with Last-Event-ID */
    free(f);
}

static void refuse_feed(struct feed *f, struct queue_reply *reply)
{
    if (f->follower) stream_unfollow(f->follower);
    if (!f->open) handle_refuse(f->request, reply->error, &reply->note);
    free(f);
}

static void feed_page(void *context, struct queue_reply *reply)
{
    struct feed *f = context;
    if (reply->error) {
        refuse_feed(f, reply);
        return;
    }
    enum stream_step step = STREAM_OVER;
    if (open_feed(f)) {
        stream_passed(f->follower, reply->next);
        step = reply->idle ? stream_live(f->follower) : STREAM_BEHIND;
    }
    if (step == STREAM_BEHIND)
        stream_when_drained(f->follower, next_page, f);
    else
        free(f);
}

static void start_feed(struct http_request *r, const char *job_id, int64_t after)
{
    struct feed *f = must_calloc(1, sizeof *f);
    f->app = handle_app(r);
    f->request = r;
    if (job_id) err_print(f->job_id, sizeof f->job_id, "%s", job_id);
    f->follower = stream_follow(f->app->hub, r, job_id, handle_owner(r), after);
    enum err e = queue_each_event(f->app->queue, job_id, handle_owner(r), after, EVENTS_PAGE, feed_row, feed_page, f);
    if (!e) return;
    stream_unfollow(f->follower);
    free(f);
    handle_refuse(r, e, NULL);
}

/* /v1/events without a place to start from: from now on. */
static void feed_from_now(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (!handle_failed(r, reply)) start_feed(r, NULL, reply->version);
}

static void events(struct http_request *r, const char *job_id)
{
    struct app *app = handle_app(r);
    struct err_note note = {0};
    int64_t after, limit;
    enum err e = stream_after_id(r, -1, &after, &note);
    if (e) {
        handle_refuse(r, e, &note);
        return;
    }
    if (!handle_query(r, "limit", 1, 1000, 200, &limit)) return;
    const struct queue_list newest = {.owner = handle_owner(r), .limit = 1};
    if (http_accepts(r, "application/json"))
        handle_posted(r, queue_read_events(app->queue, job_id, handle_owner(r), after < 0 ? 0 : after, (int)limit, handle_done_200, r));
    else if (after < 0 && !job_id)
        handle_posted(r, queue_list(app->queue, &newest, feed_from_now, r));
    else
        start_feed(r, job_id, after < 0 ? 0 : after);
}

void handle_job_events(struct http_request *r)
{
    events(r, http_param(r, "id"));
}

void handle_events(struct http_request *r)
{
    events(r, NULL);
}
