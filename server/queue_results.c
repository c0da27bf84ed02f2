/* queue_results: what an attempt sends while it runs: metrics, log lines, artifacts; and data sets that people register. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "schema/job/metric.h"
#include "server/json_add.h"
#include "server/must.h"
#include "server/queue_rules.h"
#include "server/store_blobs.h"
#include "server/store_datasets.h"
#include "server/store_events.h"
#include "server/store_logs.h"
#include "server/store_metrics.h"

enum { DATA_BYTES_MAX = 8 << 20, LINE_BYTES_MAX = 8192 };

/* ---- metrics ---------------------------------------------------------------------------------------------- */
struct metrics {
    struct queue_call call;
    struct lease_keep lease;
    struct metric_batch batch;
    unsigned char digest[METRIC_DIGEST_BYTES];
    struct buf data, told; /* of the event: the ranges; and the values themselves */
};

static void metrics_fini(struct queue_call *c)
{
    struct metrics *m = (struct metrics *)c;
    metric_batch_free(&m->batch);
    buf_free(&m->data);
    buf_free(&m->told);
}

static enum err tell_replay(struct store_db *db, struct job_row *job, const struct metric_series *s, const struct metric_replay *r, int64_t attempt)
{
    struct buf data;
    buf_init(&data, 4096);
    enum err e = buf_printf(&data, "{\"series\":\"%s\",\"step\":%lld,\"before\":{\"attempt\":%lld,\"value\":", s->name, (long long)r->step, (long long)r->attempt_before);
    if (!e) e = json_add_value(&data, r->before);
    if (!e) e = buf_printf(&data, "},\"now\":{\"attempt\":%lld,\"value\":", (long long)attempt);
    if (!e) e = json_add_value(&data, r->now);
    if (!e) e = buf_text(&data, "}}");
    job->nondeterministic = true;
    if (!e) e = queue_note(db, job, "nondeterministic", data.data, NULL);
    log_warn("job.nondeterministic", "job=%s series=%s step=%lld before=%.17g now=%.17g", job->id, s->name, (long long)r->step, r->before, r->now);
    buf_free(&data);
    return e;
}

static enum err metrics_rule(struct queue_call *c, struct store_db *db)
{
    struct metrics *m = (struct metrics *)c;
    struct job_row job;
    bool existed = false;
    enum err e = queue_lease_check(c, db, &m->lease, &job, NULL);
    if (!e) e = store_metric_batch(db, job.number, m->lease.attempt, m->batch.seq, m->digest, &existed);
    if (e == ERR_NONDETERMINISTIC) return queue_refuse(c, e, "/seq", "batch %lld of attempt %d arrived before with other content", (long long)m->batch.seq, m->lease.attempt);
    if (e || existed) return e;
    for (int i = 0; i < m->batch.count && !e; i++) {
        const struct metric_series *s = &m->batch.series[i];
        struct metric_replay replay = {0};
        e = store_metric_append(db, job.number, m->lease.attempt, s, &job.metric_points, &replay);
        if (e == ERR_NONDETERMINISTIC) return queue_refuse(c, e, "/series", "%s had another kind or x before", s->name);
        if (!e && replay.differs) e = tell_replay(db, &job, s, &replay, m->lease.attempt);
    }
    if (!e && job.metric_points > c->queue->settings.metric_points_max)
        return queue_refuse(c, ERR_TOO_LARGE, "/series", "a job keeps at most %lld points", (long long)c->queue->settings.metric_points_max);
    if (!e) e = queue_note(db, &job, "metrics", m->data.data, m->told.data);
    return e ? e : queue_prune_after(c->queue, db, &job, &m->batch);
}

static enum err write_event(struct metrics *m)
{
    const struct metric_batch *b = &m->batch;
    enum err e = buf_printf(&m->data, "{\"attempt\":%d,\"seq\":%lld,\"series\":[", m->lease.attempt, (long long)b->seq);
    if (!e) e = buf_add(&m->told, m->data.data, m->data.length);
    for (int i = 0; i < b->count && !e; i++) {
        const struct metric_series *s = &b->series[i];
        const char *comma = i ? "," : "";
        long long from = s->count ? s->steps[0] : 0, to = s->count ? s->steps[s->count - 1] : -1;
        e = buf_printf(&m->data, "%s{\"name\":\"%s\",\"from\":%lld,\"to\":%lld}", comma, s->name, from, to);
        if (!e) e = buf_printf(&m->told, "%s{\"name\":\"%s\",\"kind\":\"%s\",\"x\":\"%s\",\"steps\":[", comma, s->name, metric_kind_word(s->kind), metric_x_word(s->x));
        for (int k = 0; k < s->count && !e; k++) e = buf_printf(&m->told, "%s%lld", k ? "," : "", (long long)s->steps[k]);
        if (!e) e = buf_text(&m->told, "],\"values\":[");
        for (int k = 0; k < s->count && !e; k++) {
            if (k) e = buf_text(&m->told, ",");
            if (!e) e = json_add_value(&m->told, s->values[k] + 0.0);
        }
        if (!e) e = buf_text(&m->told, "]}");
    }
    if (!e) e = buf_text(&m->data, "]}");
    return e ? e : buf_text(&m->told, "]}");
}

enum err queue_metrics(struct queue *q, const struct queue_metrics *args, queue_done *done, void *context)
{
    struct metrics *m = queue_call_new(q, sizeof *m, metrics_rule, done, context);
    m->call.fini = metrics_fini;
    queue_lease_keep(&m->lease, &args->lease);
    buf_init(&m->data, DATA_BYTES_MAX);
    buf_init(&m->told, DATA_BYTES_MAX);
    m->batch = *args->batch;
    enum err e = write_event(m);
    struct sha256 s;
    sha256_start(&s);
    if (!e) sha256_add(&s, m->told.data, m->told.length); /* the content, in one written form */
    sha256_end(&s, m->digest);
    if (!e) e = queue_post(&m->call, STORE_ESSENTIAL);
    else {
        m->batch = (struct metric_batch){0};
        metrics_fini(&m->call);
        free(m);
    }
    if (!e) *args->batch = (struct metric_batch){0};
    return e;
}

/* ---- log ------------------------------------------------------------------------------------------------------ */
struct logs {
    struct queue_call call;
    struct lease_keep lease;
    int64_t seq;
    struct buf text;
};

static void logs_fini(struct queue_call *c)
{
    buf_free(&((struct logs *)c)->text);
}

static enum err logs_rule(struct queue_call *c, struct store_db *db)
{
    struct logs *l = (struct logs *)c;
    struct job_row job;
    char data[160];
    bool existed = false;
    const char *text = l->text.data ? l->text.data : "";
    enum err e = queue_lease_check(c, db, &l->lease, &job, NULL);
    if (e) return e;
    int64_t left = c->queue->settings.log_bytes_max - job.log_bytes, length = (int64_t)strlen(text);
    if (length > left) { /* full: one last line says so, the rest is dropped */
        text = left > 0 ? "... the log is full: what follows is not kept\n" : "";
        length = left > 0 ? left : 0;
    }
    e = store_log_append(db, &job, l->lease.attempt, l->seq, text, &existed);
    if (e || existed || !*text) return e;
    err_print(data, sizeof data, "{\"from\":%lld,\"bytes\":%lld}", (long long)job.log_bytes, (long long)strlen(text));
    job.log_bytes += length > (int64_t)strlen(text) ? length : (int64_t)strlen(text);
    return queue_note(db, &job, "log", data, NULL);
}

/* "2026-01-31T12:00:00.123Z info text\n"; line breaks inside become blanks, so that a line is a line. */
static enum err add_line(struct buf *to, const struct queue_log_line *line)
{
    char text[LINE_BYTES_MAX], when[32];
    time_t seconds = (time_t)(line->at_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    err_print(text, sizeof text, "%s.%03dZ %s %s", when, (int)(line->at_ms % 1000), line->level, line->text);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 && *p != '\t') *p = ' ';
    enum err e = buf_text(to, text);
    return e ? e : buf_text(to, "\n");
}

enum err queue_logs(struct queue *q, const struct queue_logs *args, queue_done *done, void *context)
{
    struct logs *l = queue_call_new(q, sizeof *l, logs_rule, done, context);
    l->call.fini = logs_fini;
    queue_lease_keep(&l->lease, &args->lease);
    l->seq = args->seq;
    buf_init(&l->text, DATA_BYTES_MAX);
    enum err e = OK;
    for (size_t i = 0; i < args->count && !e; i++) e = add_line(&l->text, &args->lines[i]);
    if (!e) return queue_post(&l->call, STORE_ESSENTIAL);
    logs_fini(&l->call);
    free(l);
    return e;
}

/* ---- artifacts -------------------------------------------------------------------------------------------------- */
struct artifact_put {
    struct queue_call call;
    struct lease_keep lease;
    struct artifact_row row;
};

static bool name_fits(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    return n >= 1 && n < STORE_NAME_BYTES && !name[n] && name[0] != '.' && name[0] != '_' && name[0] != '-';
}

static bool kind_fits(const char *kind)
{
    static const char *const kinds[] = {"checkpoint", "model", "preview", "curve", "other"};
    size_t i = 0;
    while (i < 5 && strcmp(kinds[i], kind)) i++;
    return i < 5;
}

/* A newer last checkpoint: the next attempt begins there, and what went wrong before it is forgiven. */
static void take_checkpoint(struct job_row *job, const struct artifact_row *row)
{
    if (strcmp(row->kind, "checkpoint") || strcmp(row->name, "checkpoint-last")) return;
    if (row->step > job->checkpoint_step) job->losses = job->failures = 0;
    job->checkpoint_step = row->step;
}

static enum err put_row(struct queue_call *c, struct store_db *db, struct job_row *job, const struct artifact_row *row)
{
    struct artifact_row old;
    struct buf data;
    enum err e = store_artifact_find(db, job->number, row->name, &old);
    bool had = e == OK;
    if (e && e != ERR_NOT_FOUND) return e;
    c->reply.existed = had && !strcmp(old.sha256, row->sha256);
    e = store_blob_add(db, row->sha256, row->bytes);
    if (!e) e = store_artifact_put(db, job->number, row, clock_wall_ms());
    if (!e && had && !c->reply.existed) e = queue_free_blob(c, db, old.sha256);
    if (e || c->reply.existed) return e;
    buf_init(&data, 1024);
    e = buf_printf(&data, "{\"name\":\"%s\",\"kind\":\"%s\",\"sha256\":\"%s\",\"bytes\":%lld,\"attempt\":%lld}", row->name, row->kind, row->sha256,
                   (long long)row->bytes, (long long)row->attempt);
    take_checkpoint(job, row);
    if (!e) e = queue_note(db, job, "artifact", data.data, NULL);
    buf_free(&data);
    return e;
}

static enum err artifact_rule(struct queue_call *c, struct store_db *db)
{
    struct artifact_put *a = (struct artifact_put *)c;
    struct job_row job;
    if (!name_fits(a->row.name)) return queue_refuse(c, ERR_SPEC, "/name", "an artifact's name is 1 to 64 of a-z 0-9 . _ -, and begins with a letter or digit");
    if (!kind_fits(a->row.kind)) return queue_refuse(c, ERR_SPEC, "/kind", "kinds are checkpoint, model, preview, curve, other");
    enum err e = queue_lease_check(c, db, &a->lease, &job, NULL);
    if (!e) e = put_row(c, db, &job, &a->row);
    if (e) return e;
    err_print(c->reply.sha256, sizeof c->reply.sha256, "%s", a->row.sha256);
    err_print(c->reply.name, sizeof c->reply.name, "%s", a->row.name);
    c->reply.bytes = a->row.bytes;
    return buf_printf(&c->body, "{\"name\":\"%s\",\"sha256\":\"%s\",\"bytes\":%lld}", a->row.name, a->row.sha256, (long long)a->row.bytes);
}

enum err queue_artifact_put(struct queue *q, const struct queue_artifact_put *args, queue_done *done, void *context)
{
    struct artifact_put *a = queue_call_new(q, sizeof *a, artifact_rule, done, context);
    queue_lease_keep(&a->lease, &args->lease);
    struct artifact_row *r = &a->row;
    err_print(r->name, sizeof r->name, "%s", args->name ? args->name : "");
    err_print(r->kind, sizeof r->kind, "%s", args->kind ? args->kind : "other");
    err_print(r->sha256, sizeof r->sha256, "%s", args->sha256);
    a->call.settles = r->sha256;
    r->bytes = args->bytes;
    r->attempt = args->lease.attempt;
    r->step = args->step < 0 ? STORE_ABSENT : args->step;
    r->epoch = args->epoch < 0 ? STORE_ABSENT : args->epoch;
    r->score = args->has_score ? args->score : (double)NAN;
    return queue_post(&a->call, STORE_ESSENTIAL);
}

/* ---- data sets ---------------------------------------------------------------------------------------------------- */
struct dataset_put {
    struct queue_call call;
    struct dataset_new d;
};

static enum err dataset_rule(struct queue_call *c, struct store_db *db)
{
    struct dataset_put *p = (struct dataset_put *)c;
    const struct dataset_new *d = &p->d;
    enum err e = OK;
    if (!name_fits(d->name)) return queue_refuse(c, ERR_SPEC, "/name", "a data set's name is 1 to 64 of a-z 0-9 . _ -, and begins with a letter or digit");
    c->reply.existed = store_dataset_same(db, d->name, d->sha256, d->generate_json);
    if (!c->reply.existed && d->sha256) e = store_blob_add(db, d->sha256, d->bytes);
    if (!e && !c->reply.existed) e = store_dataset_insert(db, d, clock_wall_ms());
    return e ? e : store_dataset_list(db, d->name, &c->body);
}

enum err queue_dataset_put(struct queue *q, const struct queue_dataset_put *args, queue_done *done, void *context)
{
    struct dataset_put *p = queue_call_new(q, sizeof *p, dataset_rule, done, context);
    struct queue_call *c = &p->call;
    p->d = (struct dataset_new){queue_keep_or(c, args->name, ""), queue_keep(c, args->sha256), queue_keep(c, args->generate_json),
                                queue_keep_or(c, args->token_id, ""), args->bytes};
    c->settles = p->d.sha256;
    return queue_post(c, STORE_WRITE);
}
