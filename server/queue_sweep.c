/* queue_sweep: sweeps come in, grow, are read and are cancelled. */
#include "server/queue_sweep.h"

#include <stdlib.h>
#include <string.h>
#include "schema/base/clock.h"
#include "server/must.h"
#include "server/queue_rules.h"
#include "server/store_datasets.h"
#include "server/store_events.h"
#include "server/store_sweeps.h"

enum { LIST_MAX = 200 };

struct plant { /* a sweep on its way in, or growing */
    struct queue_call call;
    struct queue_sweep sweep; /* its strings: kept */
    struct queue_job *jobs;
    struct queue_trial *trials;
    const char *extends;      /* id; NULL: a new one */
    struct plant_made {
        char id[UUID_TEXT];
        int64_t dataset;
    } *made;
};

static void plant_fini(struct queue_call *c)
{
    struct plant *p = (struct plant *)c;
    free(p->jobs);
    free(p->trials);
    free(p->made);
}

enum err queue_find_sweep(struct queue_call *c, struct store_db *db, const char *id, struct sweep_row *sweep)
{
    enum err e = uuid_is(id) ? store_sweep_find(db, id, sweep) : ERR_NOT_FOUND;
    if (!e && c->owner && strcmp(c->owner, sweep->token_id)) e = ERR_NOT_FOUND;
    return e == ERR_NOT_FOUND ? queue_refuse(c, e, "", "no sweep has the id %s", id) : e;
}

static enum err sweep_reply(struct queue_call *c, struct store_db *db, const struct sweep_row *sweep)
{
    err_print(c->reply.id, sizeof c->reply.id, "%s", sweep->id);
    c->reply.version = store_event_newest(db);
    return store_sweep_view(db, sweep->number, true, &c->body);
}

/* ---- trials --------------------------------------------------------------------------------------------------- */
static enum err find_dataset(struct plant *p, struct store_db *db, size_t i)
{
    struct dataset_row row = {0};
    const char *name = p->jobs[i].dataset;
    if (i && name && p->jobs[i - 1].dataset && !strcmp(name, p->jobs[i - 1].dataset)) { /* nearly always */
        p->made[i].dataset = p->made[i - 1].dataset;
        return OK;
    }
    enum err e = name ? store_dataset_find(db, name, &row) : OK;
    p->made[i].dataset = row.number;
    if (e != ERR_NOT_FOUND) return e;
    struct err_note *note = &p->call.reply.note;
    err_set(note, ERR_DATASET_UNKNOWN, "/base/dataset", "no data set has this name: register it with PUT /v1/datasets/%s", name);
    err_print(note->found, sizeof note->found, "%s", name);
    store_dataset_nearest(db, name, note->nearest, sizeof note->nearest);
    return ERR_SPEC;
}

static enum err insert_trial(struct plant *p, struct store_db *db, int64_t sweep, int64_t trial, size_t i, int64_t now_ms)
{
    struct job_row job = {0}; /* as much of it as its first event needs */
    const struct queue_job *spec = &p->jobs[i];
    enum err e = store_job_insert(db, spec, p->made[i].id, p->made[i].dataset, p->sweep.token_id, now_ms, &job.number);
    memcpy(job.id, p->made[i].id, sizeof job.id);
    err_print(job.token_id, sizeof job.token_id, "%s", p->sweep.token_id);
    if (!e) e = store_job_text_insert(db, job.number, spec);
    if (!e) e = store_trial_insert(db, sweep, trial, job.number, &p->trials[i]);
    if (!e) e = store_event_add(db, &job, "state", "{\"state\":\"queued\",\"from\":\"\",\"attempt\":0}", NULL, now_ms, &job.version);
    if (!e) e = store_job_set_version(db, job.number, job.version);
    if (!e) store_event_claimable(db);
    return e;
}

/* Those that the sweep does not have yet; `before` of them it had. */
static enum err insert_trials(struct plant *p, struct store_db *db, int64_t sweep, int64_t before, int64_t *added)
{
    int64_t now_ms = clock_wall_ms();
    enum err e = OK;
    *added = 0;
    for (size_t i = 0; i < p->sweep.count && !e; i++) {
        if (before && store_trial_known(db, sweep, &p->trials[i])) continue;
        e = insert_trial(p, db, sweep, before + *added, i, now_ms);
        ++*added;
    }
    return e;
}

/* ---- create and extend -------------------------------------------------------------------------------------------- */
static enum err replay(struct plant *p, struct store_db *db, const struct sweep_row *row)
{
    if (strcmp(row->body_sha256, p->sweep.body_sha256))
        return queue_refuse(&p->call, ERR_IDEMPOTENCY, "", "the key was used with another body, for the sweep %s", row->id);
    p->call.reply.existed = true;
    return sweep_reply(&p->call, db, row);
}

static enum err create_rule(struct queue_call *c, struct store_db *db)
{
    struct plant *p = (struct plant *)c;
    struct sweep_row row;
    int64_t number, added;
    char id[UUID_TEXT];
    enum err e = p->sweep.idempotency_key ? store_sweep_by_key(db, p->sweep.token_id, p->sweep.idempotency_key, &row) : ERR_NOT_FOUND;
    if (e == OK) return replay(p, db, &row);
    if (e != ERR_NOT_FOUND) return e;
    e = OK;
    for (size_t i = 0; i < p->sweep.count && !e; i++) e = find_dataset(p, db, i);
    uuid_new(id);
    if (!e) e = store_sweep_insert(db, &p->sweep, id, clock_wall_ms(), &number);
    if (!e) e = insert_trials(p, db, number, 0, &added);
    if (!e) e = store_sweep_get(db, number, &row);
    return e ? e : sweep_reply(c, db, &row);
}

/* Verdicts that have been given cannot be given again by another rule. */
static bool prunes_alike(const struct queue_sweep *s, const struct sweep_row *row)
{
    if (!s->prune_metric || !*row->prune_metric) return !s->prune_metric && !*row->prune_metric;
    return !strcmp(s->prune_metric, row->prune_metric) && s->prune_min_epochs == row->prune_min_epochs && s->prune_eta == row->prune_eta;
}

static void print_prune(char *to, size_t size, const char *metric, int min_epochs, int eta)
{
    if (metric && *metric) err_print(to, size, "{\"metric\": \"%s\", \"min_epochs\": %d, \"eta\": %d}", metric, min_epochs, eta);
    else err_print(to, size, "null");
}

static enum err refuse_prune(struct plant *p, const struct sweep_row *row)
{
    struct err_note *note = &p->call.reply.note;
    enum err e = queue_refuse(&p->call, ERR_STATE, "/prune", "trials were judged by the sweep's own prune: an extension cannot change it");
    print_prune(note->found, sizeof note->found, p->sweep.prune_metric, p->sweep.prune_min_epochs, p->sweep.prune_eta);
    print_prune(note->allowed, sizeof note->allowed, row->prune_metric, (int)row->prune_min_epochs, (int)row->prune_eta);
    return e;
}

/* An extension names every trial that is there: it is the same sweep with more in it. */
static enum err check_grows(struct plant *p, struct store_db *db, const struct sweep_row *row, int64_t before)
{
    int64_t known = 0;
    if (row->cancelled) return queue_refuse(&p->call, ERR_STATE, "", "the sweep was cancelled: submit another one");
    if (!prunes_alike(&p->sweep, row)) return refuse_prune(p, row);
    for (size_t i = 0; i < p->sweep.count; i++) known += store_trial_known(db, row->number, &p->trials[i]);
    if (known == before) return OK;
    return queue_refuse(&p->call, ERR_STATE, "", "%lld of the sweep's %lld trials are not in this body: an extension only adds seeds, samples, folds or values",
                        (long long)(before - known), (long long)before);
}

static enum err extend_rule(struct queue_call *c, struct store_db *db)
{
    struct plant *p = (struct plant *)c;
    struct sweep_row row;
    int64_t added = 0;
    enum err e = queue_find_sweep(c, db, p->extends, &row);
    if (e) return e;
    p->sweep.token_id = queue_keep(c, row.token_id);
    int64_t before = store_trial_count(db, row.number);
    e = check_grows(p, db, &row, before);
    for (size_t i = 0; i < p->sweep.count && !e; i++) e = find_dataset(p, db, i);
    if (!e) e = insert_trials(p, db, row.number, before, &added);
    if (!e) e = store_sweep_extend(db, row.number, &p->sweep);
    if (!e && !added) store_event_claimable(db); /* max_running may have risen */
    c->reply.existed = !added;
    return e ? e : sweep_reply(c, db, &row);
}

static void keep_sweep(struct plant *p, const struct queue_sweep *args)
{
    struct queue_call *c = &p->call;
    p->sweep = *args;
    p->sweep.name = queue_keep_or(c, args->name, "");
    p->sweep.project = queue_keep_or(c, args->project, "default");
    p->sweep.preset = queue_keep_or(c, args->preset, "");
    p->sweep.reference = queue_keep_or(c, args->reference, "");
    p->sweep.spec_json = queue_keep_or(c, args->spec_json, "{}");
    p->sweep.not_built_json = queue_keep_or(c, args->not_built_json, "[]");
    p->sweep.prune_metric = queue_keep(c, args->prune_metric);
    p->sweep.idempotency_key = args->idempotency_key && *args->idempotency_key ? queue_keep(c, args->idempotency_key) : NULL;
    p->sweep.body_sha256 = queue_keep_or(c, args->body_sha256, "");
    p->sweep.token_id = queue_keep_or(c, args->token_id, "");
    p->jobs = must_calloc(args->count, sizeof *p->jobs);
    p->trials = must_calloc(args->count, sizeof *p->trials);
    p->made = must_calloc(args->count, sizeof *p->made);
    for (size_t i = 0; i < args->count; i++) {
        p->jobs[i] = queue_keep_job(c, &args->jobs[i]);
        p->trials[i] = args->trials[i];
        p->trials[i].label = queue_keep_or(c, args->trials[i].label, "");
        p->trials[i].kernels_json = queue_keep(c, args->trials[i].kernels_json);
        uuid_new(p->made[i].id);
    }
}

enum err queue_sweep_create(struct queue *q, const struct queue_sweep *args, queue_done *done, void *context)
{
    struct plant *p = queue_call_new(q, sizeof *p, create_rule, done, context);
    p->call.fini = plant_fini;
    keep_sweep(p, args);
    return queue_post(&p->call, STORE_WRITE);
}

enum err queue_sweep_extend(struct queue *q, const char *sweep_id, const char *owner, const struct queue_sweep *args, queue_done *done, void *context)
{
    struct plant *p = queue_call_new(q, sizeof *p, extend_rule, done, context);
    p->call.fini = plant_fini;
    keep_sweep(p, args);
    p->extends = queue_keep_or(&p->call, sweep_id, "");
    p->call.owner = queue_keep(&p->call, owner);
    return queue_post(&p->call, STORE_WRITE);
}

/* ---- read and cancel --------------------------------------------------------------------------------------------------- */
struct glance {
    struct queue_call call;
    const char *id, *project;
    int64_t cursor, grace_ms;
    int limit;
};

static enum err get_rule(struct queue_call *c, struct store_db *db)
{
    struct sweep_row row;
    enum err e = queue_find_sweep(c, db, ((struct glance *)c)->id, &row);
    return e ? e : sweep_reply(c, db, &row);
}

enum err queue_sweep_get(struct queue *q, const char *sweep_id, const char *owner, queue_done *done, void *context)
{
    struct glance *g = queue_call_new(q, sizeof *g, get_rule, done, context);
    g->id = queue_keep_or(&g->call, sweep_id, "");
    g->call.owner = queue_keep(&g->call, owner);
    return queue_post(&g->call, STORE_READ);
}

static enum err trials_rule(struct queue_call *c, struct store_db *db)
{
    struct sweep_row row;
    enum err e = queue_find_sweep(c, db, ((struct glance *)c)->id, &row);
    if (!e) e = buf_text(&c->body, "{\"trials\":[");
    if (!e) e = store_trial_list(db, row.number, &c->body);
    return e ? e : buf_text(&c->body, "]}");
}

enum err queue_sweep_trials(struct queue *q, const char *sweep_id, const char *owner, queue_done *done, void *context)
{
    struct glance *g = queue_call_new(q, sizeof *g, trials_rule, done, context);
    g->id = queue_keep_or(&g->call, sweep_id, "");
    g->call.owner = queue_keep(&g->call, owner);
    return queue_post(&g->call, STORE_READ);
}

static enum err results_rule(struct queue_call *c, struct store_db *db)
{
    struct sweep_row row;
    enum err e = queue_find_sweep(c, db, ((struct glance *)c)->id, &row);
    if (!e) e = buf_text(&c->body, "{\"sweep\":");
    if (!e) e = store_sweep_view(db, row.number, true, &c->body);
    if (!e) e = buf_text(&c->body, ",\"trials\":[");
    if (!e) e = store_trial_results(db, row.number, ((struct glance *)c)->cursor, &c->body, &c->reply.next);
    return e ? e : buf_text(&c->body, "]}");
}

enum err queue_sweep_results(struct queue *q, const char *sweep_id, const char *owner, int64_t after, queue_done *done, void *context)
{
    struct glance *g = queue_call_new(q, sizeof *g, results_rule, done, context);
    g->id = queue_keep_or(&g->call, sweep_id, "");
    g->cursor = after;
    g->call.owner = queue_keep(&g->call, owner);
    return queue_post(&g->call, STORE_READ);
}

static enum err list_rule(struct queue_call *c, struct store_db *db)
{
    struct glance *g = (struct glance *)c;
    enum err e = buf_text(&c->body, "{\"sweeps\":[");
    if (!e) e = store_sweep_list(db, c->owner, g->project, g->cursor, g->limit, &c->body, &c->reply.next);
    if (e) return e;
    return c->reply.next ? buf_printf(&c->body, "],\"next\":%lld}", (long long)c->reply.next) : buf_text(&c->body, "],\"next\":null}");
}

enum err queue_sweep_list(struct queue *q, const char *owner, const char *project, int limit, int64_t cursor, queue_done *done, void *context)
{
    struct glance *g = queue_call_new(q, sizeof *g, list_rule, done, context);
    g->project = queue_keep(&g->call, project);
    g->call.owner = queue_keep(&g->call, owner);
    g->limit = limit < 1 ? 50 : limit > LIST_MAX ? LIST_MAX : limit;
    g->cursor = cursor;
    return queue_post(&g->call, STORE_READ);
}

/* Every job that has not ended, in order: the same rule as for one. */
static enum err cancel_rule(struct queue_call *c, struct store_db *db)
{
    struct glance *g = (struct glance *)c;
    struct sweep_row row;
    struct job_row job;
    int64_t after = 0;
    enum err e = queue_find_sweep(c, db, g->id, &row);
    if (e) return e;
    c->reply.existed = row.cancelled;
    while (!e && (e = store_sweep_live_job(db, row.number, after, &job)) == OK) {
        after = job.number;
        e = queue_cancel_job(c->queue, db, &job, g->grace_ms);
    }
    if (e == ERR_NOT_FOUND) e = store_sweep_cancel(db, row.number, clock_wall_ms());
    return e ? e : sweep_reply(c, db, &row);
}

enum err queue_sweep_cancel(struct queue *q, const char *sweep_id, const char *owner, int64_t grace_ms, queue_done *done, void *context)
{
    struct glance *g = queue_call_new(q, sizeof *g, cancel_rule, done, context);
    g->id = queue_keep_or(&g->call, sweep_id, "");
    g->call.owner = queue_keep(&g->call, owner);
    g->grace_ms = grace_ms;
    return queue_post(&g->call, STORE_WRITE);
}
