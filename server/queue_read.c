/* queue_read: what people and handlers look at. Reads are calls like all others, short, on the same thread. */
#include <stdlib.h>
#include <string.h>
#include "schema/base/clock.h"
#include "server/json_add.h"
#include "server/must.h"
#include "server/queue_rules.h"
#include "server/store_blobs.h"
#include "server/store_datasets.h"
#include "server/store_events.h"
#include "server/store_images.h"
#include "server/store_logs.h"
#include "server/store_metrics.h"
#include "server/store_sweeps.h"
#include "server/store_views.h"

enum { POINTS_MAX = 200000, LIST_MAX = 500, EVENTS_MAX = 1000, LOG_BYTES_MAX = 4 << 20 };

struct look { /* one struct for all reads: each uses what it needs */
    struct queue_call call;
    const char *id, *name;
    int64_t after, limit;
    struct queue_list list;
    const char *states_json;
    struct metric_filter metrics;
    bool csv;
    queue_event_row *each;
    bool first;
};

static enum err look_post(struct look *l)
{
    return queue_post(&l->call, STORE_READ);
}

/* "a,b" -> ["a","b"]; NULL and "" -> NULL. */
static const char *json_of_commas(struct queue_call *c, const char *list)
{
    if (!list || !*list) return NULL;
    struct buf b;
    buf_init(&b, 64 << 10);
    char *copy = must_strdup(list), *rest = NULL;
    enum err e = buf_text(&b, "[");
    for (char *word = strtok_r(copy, ",", &rest); word && !e; word = strtok_r(NULL, ",", &rest)) {
        if (b.length > 1) e = buf_text(&b, ",");
        if (!e) e = json_add_text(&b, word);
    }
    if (!e) e = buf_text(&b, "]");
    const char *kept = e ? NULL : queue_keep(c, b.data);
    buf_free(&b);
    free(copy);
    return kept;
}

/* ---- jobs ---- */
static enum err get_rule(struct queue_call *c, struct store_db *db)
{
    struct job_row job;
    enum err e = queue_find_job(c, db, ((struct look *)c)->id, &job);
    return e ? e : queue_job_view(c, db, &job, true);
}

enum err queue_get(struct queue *q, const char *job_id, const char *owner, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, get_rule, done, context);
    l->id = queue_keep_or(&l->call, job_id, "");
    l->call.owner = queue_keep(&l->call, owner);
    return look_post(l);
}

static enum err check_states(struct look *l)
{
    char word[32];
    for (const char *p = l->list.states; p && *p;) {
        size_t n = strcspn(p, ",");
        err_print(word, sizeof word, "%.*s", (int)n, p);
        if (job_state_of_word(word) < 0) {
            const char *nearest = err_nearest(word, job_state_words());
            struct err_note *note = &l->call.reply.note;
            err_set(note, ERR_BAD_REQUEST, "/state", "%s is no state of a job", word);
            err_print(note->found, sizeof note->found, "%s", word);
            err_print(note->nearest, sizeof note->nearest, "%s", nearest ? nearest : "");
            return ERR_BAD_REQUEST;
        }
        p += n + (p[n] == ',');
    }
    return OK;
}

static enum err list_rule(struct queue_call *c, struct store_db *db)
{
    struct look *l = (struct look *)c;
    struct worker_tally tally;
    bool one = l->list.states && *l->list.states && !strchr(l->list.states, ',');
    struct sweep_row sweep = {0};
    enum err e = check_states(l);
    if (!e && l->list.sweep) e = queue_find_sweep(c, db, l->list.sweep, &sweep);
    struct job_filter f = {one ? l->list.states : NULL, l->states_json, l->list.project, l->list.tag, l->list.strategy, l->list.name,
                           sweep.number, c->owner, l->list.cursor, l->list.limit};
    if (!e) e = queue_tally(c->queue, db, &tally);
    c->reply.version = store_event_newest(db);
    if (!e) e = buf_text(&c->body, "{\"jobs\":[");
    if (!e) e = store_job_list(db, &f, &tally, &c->body, &c->reply.next);
    if (e) return e;
    return c->reply.next ? buf_printf(&c->body, "],\"next\":%lld}", (long long)c->reply.next) : buf_text(&c->body, "],\"next\":null}");
}

enum err queue_list(struct queue *q, const struct queue_list *args, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, list_rule, done, context);
    struct queue_call *c = &l->call;
    l->states_json = json_of_commas(c, args->states);
    c->owner = queue_keep(c, args->owner);
    l->list = (struct queue_list){c->owner, queue_keep(c, args->states), queue_keep(c, args->project), queue_keep(c, args->tag),
                                  queue_keep(c, args->strategy), queue_keep(c, args->name), queue_keep(c, args->sweep),
                                  args->limit < 1 ? 100 : args->limit > LIST_MAX ? LIST_MAX : args->limit, args->cursor};
    return look_post(l);
}

static enum err attempts_rule(struct queue_call *c, struct store_db *db)
{
    struct job_row job;
    enum err e = queue_find_job(c, db, ((struct look *)c)->id, &job);
    c->reply.version = job.version;
    if (!e) e = buf_text(&c->body, "{\"attempts\":[");
    if (!e) e = store_attempt_list(db, job.number, &c->body);
    return e ? e : buf_text(&c->body, "]}");
}

enum err queue_attempts(struct queue *q, const char *job_id, const char *owner, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, attempts_rule, done, context);
    l->id = queue_keep_or(&l->call, job_id, "");
    l->call.owner = queue_keep(&l->call, owner);
    return look_post(l);
}

static enum err counts_rule(struct queue_call *c, struct store_db *db)
{
    struct worker_tally tally;
    enum err e = queue_tally(c->queue, db, &tally);
    if (!e) e = buf_text(&c->body, "{");
    if (!e) e = store_job_counts(db, clock_wall_ms(), &c->body);
    return e ? e : buf_printf(&c->body, ",\"workers\":{\"alive\":%lld}}", (long long)tally.alive);
}

enum err queue_counts(struct queue *q, queue_done *done, void *context)
{
    return queue_post(queue_call_new(q, sizeof(struct queue_call), counts_rule, done, context), STORE_READ);
}

/* ---- results ---- */
static enum err metrics_rule(struct queue_call *c, struct store_db *db)
{
    struct look *l = (struct look *)c;
    struct job_row job;
    enum err e = queue_find_job(c, db, l->id, &job);
    c->reply.version = job.version;
    if (e) return e;
    if (l->csv) e = store_metric_read_csv(db, job.number, &l->metrics, &c->body);
    else {
        e = buf_printf(&c->body, "{\"job\":\"%s\",\"version\":%lld,\"series\":[", job.id, (long long)job.version);
        if (!e) e = store_metric_read_json(db, job.number, &l->metrics, &c->body);
        if (!e) e = buf_text(&c->body, "]}");
    }
    if (e == ERR_TOO_LARGE) return queue_refuse(c, e, "", "more than %d points: name the series, or give from and to", POINTS_MAX);
    return e;
}

enum err queue_read_metrics(struct queue *q, const struct queue_read_metrics *args, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, metrics_rule, done, context);
    l->id = queue_keep_or(&l->call, args->job_id, "");
    l->call.owner = queue_keep(&l->call, args->owner);
    l->csv = args->csv;
    l->metrics = (struct metric_filter){json_of_commas(&l->call, args->series), args->from, args->to < 0 ? INT64_MAX : args->to, POINTS_MAX};
    return look_post(l);
}

static enum err logs_rule(struct queue_call *c, struct store_db *db)
{
    struct look *l = (struct look *)c;
    struct job_row job;
    enum err e = queue_find_job(c, db, l->id, &job);
    c->reply.version = job.version;
    if (!e) e = buf_text(&c->body, "");
    return e ? e : store_log_read(db, job.number, l->after, l->limit, &c->body, &c->reply.next);
}

enum err queue_read_logs(struct queue *q, const char *job_id, const char *owner, int64_t after, int64_t limit, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, logs_rule, done, context);
    l->id = queue_keep_or(&l->call, job_id, "");
    l->call.owner = queue_keep(&l->call, owner);
    l->after = after < 0 ? 0 : after;
    l->limit = limit < 1 || limit > LOG_BYTES_MAX ? LOG_BYTES_MAX : limit;
    return look_post(l);
}

static enum err add_event(void *context, const struct event_row *row)
{
    struct look *l = context;
    struct buf *b = &l->call.body;
    if (l->each) {
        l->each(l->call.context, row->id, row->job_id, row->kind, row->data);
        return OK;
    }
    enum err e = buf_printf(b, "%s{\"id\":%lld,\"at_ms\":%lld,\"job\":\"%s\",\"kind\":\"%s\",\"data\":", l->first ? "" : ",", (long long)row->id,
                            (long long)row->at_ms, row->job_id, row->kind);
    l->first = false;
    if (!e) e = buf_text(b, row->data);
    return e ? e : buf_text(b, "}");
}

static enum err events_rule(struct queue_call *c, struct store_db *db)
{
    struct look *l = (struct look *)c;
    struct job_row job = {0};
    struct event_page page = {.last = l->after};
    enum err e = l->id ? queue_find_job(c, db, l->id, &job) : OK;
    l->first = true;
    c->reply.version = job.version;
    if (!e && !l->each) e = buf_text(&c->body, "{\"events\":[");
    if (!e) e = store_event_each(db, job.number, c->owner, l->after, (int)l->limit, add_event, l, &page);
    c->reply.next = page.last;
    c->reply.idle = page.looked < l->limit;
    if (e || l->each) return e;
    return buf_printf(&c->body, "],\"next\":%lld}", (long long)c->reply.next);
}

static struct look *events_call(struct queue *q, const char *job_id, const char *owner, int64_t after, int limit, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, events_rule, done, context);
    l->id = queue_keep(&l->call, job_id);
    l->call.owner = queue_keep(&l->call, owner);
    l->after = after;
    l->limit = limit < 1 || limit > EVENTS_MAX ? EVENTS_MAX : limit;
    return l;
}

enum err queue_read_events(struct queue *q, const char *job_id, const char *owner, int64_t after, int limit, queue_done *done, void *context)
{
    return look_post(events_call(q, job_id, owner, after, limit, done, context));
}

enum err queue_each_event(struct queue *q, const char *job_id, const char *owner, int64_t after, int limit, queue_event_row *each, queue_done *done, void *context)
{
    struct look *l = events_call(q, job_id, owner, after, limit, done, context);
    l->each = each;
    return look_post(l);
}

/* ---- images, artifacts, data sets, workers ---- */
static enum err images_rule(struct queue_call *c, struct store_db *db)
{
    struct job_row job;
    enum err e = queue_find_job(c, db, ((struct look *)c)->id, &job);
    return e ? e : store_images_add(db, job.number, &c->body);
}

enum err queue_images(struct queue *q, const char *job_id, const char *owner, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, images_rule, done, context);
    l->id = queue_keep_or(&l->call, job_id, "");
    l->call.owner = queue_keep(&l->call, owner);
    return look_post(l);
}

static enum err artifacts_rule(struct queue_call *c, struct store_db *db)
{
    struct job_row job;
    enum err e = queue_find_job(c, db, ((struct look *)c)->id, &job);
    c->reply.version = job.version;
    if (!e) e = buf_text(&c->body, "{\"artifacts\":[");
    if (!e) e = store_artifact_list(db, job.number, NULL, &c->body);
    return e ? e : buf_text(&c->body, "]}");
}

enum err queue_artifacts(struct queue *q, const char *job_id, const char *owner, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, artifacts_rule, done, context);
    l->id = queue_keep_or(&l->call, job_id, "");
    l->call.owner = queue_keep(&l->call, owner);
    return look_post(l);
}

static void give_blob(struct queue_reply *r, const char *name, const char *sha256, int64_t bytes)
{
    err_print(r->name, sizeof r->name, "%s", name);
    err_print(r->sha256, sizeof r->sha256, "%s", sha256);
    r->bytes = bytes;
}

static enum err artifact_rule(struct queue_call *c, struct store_db *db)
{
    struct look *l = (struct look *)c;
    struct job_row job;
    struct artifact_row row;
    enum err e = queue_find_job(c, db, l->id, &job);
    if (e) return e;
    e = store_artifact_find(db, job.number, l->name, &row);
    if (e == ERR_NOT_FOUND) return queue_refuse(c, e, "", "the job has no artifact %s", l->name);
    if (e) return e;
    give_blob(&c->reply, row.name, row.sha256, row.bytes);
    return store_artifact_list(db, job.number, l->name, &c->body);
}

enum err queue_artifact(struct queue *q, const char *job_id, const char *owner, const char *name, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, artifact_rule, done, context);
    l->id = queue_keep_or(&l->call, job_id, "");
    l->call.owner = queue_keep(&l->call, owner);
    l->name = queue_keep_or(&l->call, name, "");
    return look_post(l);
}

static enum err datasets_rule(struct queue_call *c, struct store_db *db)
{
    enum err e = buf_text(&c->body, "{\"datasets\":[");
    if (!e) e = store_dataset_list(db, NULL, &c->body);
    return e ? e : buf_text(&c->body, "]}");
}

enum err queue_datasets(struct queue *q, queue_done *done, void *context)
{
    return queue_post(queue_call_new(q, sizeof(struct queue_call), datasets_rule, done, context), STORE_READ);
}

static enum err dataset_rule(struct queue_call *c, struct store_db *db)
{
    struct look *l = (struct look *)c;
    struct dataset_row row;
    enum err e = store_dataset_find(db, l->name, &row);
    if (e == ERR_NOT_FOUND) {
        (void)queue_refuse(c, e, "", "no data set is named %s", l->name);
        store_dataset_nearest(db, l->name, c->reply.note.nearest, sizeof c->reply.note.nearest);
        return e;
    }
    if (e) return e;
    give_blob(&c->reply, row.name, row.sha256, row.bytes);
    return store_dataset_list(db, l->name, &c->body);
}

enum err queue_dataset(struct queue *q, const char *name, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, dataset_rule, done, context);
    l->name = queue_keep_or(&l->call, name, "");
    return look_post(l);
}

static enum err dataset_blob_rule(struct queue_call *c, struct store_db *db)
{
    struct dataset_row row;
    enum err e = store_dataset_by_blob(db, ((struct look *)c)->id, &row);
    if (!e) give_blob(&c->reply, row.name, row.sha256, row.bytes);
    return e;
}

enum err queue_dataset_blob(struct queue *q, const char *sha256, queue_done *done, void *context)
{
    struct look *l = queue_call_new(q, sizeof *l, dataset_blob_rule, done, context);
    l->id = queue_keep_or(&l->call, sha256, "");
    return look_post(l);
}

static enum err workers_rule(struct queue_call *c, struct store_db *db)
{
    int64_t now = clock_mono_ms();
    enum err e = buf_text(&c->body, "{\"workers\":[");
    if (!e) e = store_worker_list(db, c->owner, now - queue_away_ms(c->queue), now, &c->body);
    return e ? e : buf_text(&c->body, "]}");
}

enum err queue_workers(struct queue *q, const char *owner, queue_done *done, void *context)
{
    struct queue_call *c = queue_call_new(q, sizeof *c, workers_rule, done, context);
    c->owner = queue_keep(c, owner);
    return queue_post(c, STORE_READ);
}
