/* queue_submit: jobs come in: one or a whole array, in one transaction with the key that makes a repeated submit the same one. */
#include <stdlib.h>
#include <string.h>
#include "schema/base/clock.h"
#include "server/job_view.h"
#include "server/must.h"
#include "server/queue_rules.h"
#include "server/store_datasets.h"
#include "server/store_events.h"
#include "server/store_views.h"

struct submit {
    struct queue_call call;
    size_t count;
    bool is_array, dry_run;
    const char *key, *body_sha256, *token_id;
    struct queue_job *jobs;
    struct submit_made {
        char id[UUID_TEXT];
        int64_t number, dataset;
    } *made;
};

static void submit_fini(struct queue_call *c)
{
    struct submit *s = (struct submit *)c;
    free(s->jobs);
    free(s->made);
}

enum err queue_job_view(struct queue_call *c, struct store_db *db, const struct job_row *job, bool full)
{
    struct worker_tally tally;
    err_print(c->reply.id, sizeof c->reply.id, "%s", job->id);
    c->reply.version = job->version;
    enum err e = queue_tally(c->queue, db, &tally);
    return e ? e : store_job_view(db, job->number, full ? VIEW_FULL : VIEW_SUBMITTED, &tally, &c->body);
}

/* The same key again: the jobs of the first time, as they are now. */
static enum err replay(struct submit *s, struct store_db *db, const struct idempotency_row *row)
{
    struct job_row job;
    enum err e = OK;
    if (strcmp(row->body_sha256, s->body_sha256))
        return queue_refuse(&s->call, ERR_IDEMPOTENCY, "", "the key was used with another body, for job number %lld", (long long)row->job_first);
    s->call.reply.existed = true;
    if (row->is_array) e = buf_text(&s->call.body, "[");
    for (int64_t n = row->job_first; n <= row->job_last && !e; n++) {
        if (n > row->job_first) e = buf_text(&s->call.body, ",");
        if (!e) e = store_job_get(db, n, &job);
        if (!e) e = queue_job_view(&s->call, db, &job, false);
    }
    return e || !row->is_array ? e : buf_text(&s->call.body, "]");
}

static enum err find_dataset(struct submit *s, struct store_db *db, size_t i)
{
    struct dataset_row row;
    char pointer[48];
    const char *name = s->jobs[i].dataset;
    s->made[i].dataset = 0;
    if (!name) return OK;
    enum err e = store_dataset_find(db, name, &row);
    s->made[i].dataset = row.number;
    if (e != ERR_NOT_FOUND) return e;
    err_print(pointer, sizeof pointer, s->is_array ? "/%zu/dataset" : "/dataset", i);
    struct err_note *note = &s->call.reply.note;
    err_set(note, ERR_DATASET_UNKNOWN, pointer, "no data set has this name: register it with PUT /v1/datasets/%s", name);
    err_print(note->found, sizeof note->found, "%s", name);
    store_dataset_nearest(db, name, note->nearest, sizeof note->nearest);
    return ERR_SPEC;
}

/* The answer is made of what was inserted: to read it back cost as much as to write it. */
static enum err view_new(struct submit *s, size_t i, const struct job_row *job, const struct worker_tally *tally, int64_t now_ms)
{
    struct queue_reply *r = &s->call.reply;
    const struct queue_job *spec = &s->jobs[i];
    struct job_view v;
    memcpy(r->id, job->id, sizeof r->id);
    r->version = job->version;
    job_view_of_new(&v, spec, job->id, job->version, now_ms);
    job_view_waits(&v, tally, spec->needs_data_path, spec->memory_bytes, STORE_ABSENT);
    enum err e = i ? buf_text(&s->call.body, ",") : OK;
    if (!e) e = job_view_print(&v, &s->call.body);
    return e ? e : buf_text(&s->call.body, ",\"latest\":{}}");
}

static enum err insert(struct submit *s, struct store_db *db, size_t i, const struct worker_tally *tally, int64_t now_ms)
{
    struct job_row job = {0}; /* as much of it as its first event and its view need */
    const struct queue_job *spec = &s->jobs[i];
    enum err e = store_job_insert(db, spec, s->made[i].id, s->made[i].dataset, s->token_id, now_ms, &job.number);
    s->made[i].number = job.number;
    memcpy(job.id, s->made[i].id, sizeof job.id);
    err_print(job.token_id, sizeof job.token_id, "%s", s->token_id);
    if (!e) e = store_job_text_insert(db, job.number, spec);
    if (!e) e = store_event_add(db, &job, "state", "{\"state\":\"queued\",\"from\":\"\",\"attempt\":0}", NULL, now_ms, &job.version);
    if (!e) e = store_job_set_version(db, job.number, job.version);
    if (e) return e;
    store_event_claimable(db);
    return view_new(s, i, &job, tally, now_ms);
}

static enum err keep_key(struct submit *s, struct store_db *db, int64_t now_ms)
{
    struct idempotency_row row = {.is_array = s->is_array, .job_first = s->made[0].number, .job_last = s->made[s->count - 1].number};
    err_print(row.body_sha256, sizeof row.body_sha256, "%s", s->body_sha256);
    return s->key ? store_key_insert(db, s->token_id, s->key, &row, now_ms) : OK;
}

static enum err submit_rule(struct queue_call *c, struct store_db *db)
{
    struct submit *s = (struct submit *)c;
    struct idempotency_row row;
    struct worker_tally tally;
    int64_t now_ms = clock_wall_ms();
    enum err e = s->key && !s->dry_run ? store_key_find(db, s->token_id, s->key, &row) : ERR_NOT_FOUND;
    if (e == OK) return replay(s, db, &row);
    if (e != ERR_NOT_FOUND) return e;
    e = OK;
    for (size_t i = 0; i < s->count && !e; i++) e = find_dataset(s, db, i);
    if (e || s->dry_run) return e;
    e = queue_tally(c->queue, db, &tally);
    if (!e && s->is_array) e = buf_text(&c->body, "[");
    for (size_t i = 0; i < s->count && !e; i++) e = insert(s, db, i, &tally, now_ms);
    if (!e) e = keep_key(s, db, now_ms);
    return e || !s->is_array ? e : buf_text(&c->body, "]");
}

struct queue_job queue_keep_job(struct queue_call *c, const struct queue_job *j)
{
    struct queue_job copy = *j;
    copy.name = queue_keep_or(c, j->name, "");
    copy.project = queue_keep_or(c, j->project, "default");
    copy.strategy = queue_keep_or(c, j->strategy, "");
    copy.tags_json = queue_keep_or(c, j->tags_json, "[]");
    copy.dataset = queue_keep(c, j->dataset);
    copy.dataset_json = queue_keep(c, j->dataset_json);
    copy.spec_json = queue_keep_or(c, j->spec_json, "{}");
    copy.loss_resolved_json = queue_keep(c, j->loss_resolved_json);
    copy.warnings_json = queue_keep(c, j->warnings_json);
    return copy;
}

enum err queue_submit(struct queue *q, const struct queue_submit *args, queue_done *done, void *context)
{
    struct submit *s = queue_call_new(q, sizeof *s, submit_rule, done, context);
    s->call.fini = submit_fini;
    s->count = args->count;
    s->is_array = args->is_array || args->count != 1;
    s->dry_run = args->dry_run;
    s->key = args->idempotency_key && *args->idempotency_key ? queue_keep(&s->call, args->idempotency_key) : NULL;
    s->body_sha256 = queue_keep_or(&s->call, args->body_sha256, "");
    s->token_id = queue_keep_or(&s->call, args->token_id, "");
    s->jobs = must_calloc(args->count, sizeof *s->jobs);
    s->made = must_calloc(args->count, sizeof *s->made);
    for (size_t i = 0; i < args->count; i++) {
        s->jobs[i] = queue_keep_job(&s->call, &args->jobs[i]);
        uuid_new(s->made[i].id);
    }
    return queue_post(&s->call, STORE_WRITE);
}
