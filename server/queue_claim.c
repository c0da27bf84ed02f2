/* queue_claim: workers come, take a job, keep its lease alive, give it back or bring it to its end. */
#include <math.h>
#include <string.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "server/queue_rules.h"
#include "server/store_blobs.h"
#include "server/store_events.h"
#include "server/store_images.h"
#include "server/store_sweeps.h"
#include "server/store_views.h"

/* ---- register ---------------------------------------------------------------------------------------- */
struct enrol {
    struct queue_call call;
    int protocol;
    struct worker_new worker;
    char id[UUID_TEXT];
};

static enum err register_rule(struct queue_call *c, struct store_db *db)
{
    struct enrol *r = (struct enrol *)c;
    if (r->protocol != PROTOCOL) {
        struct err_note *note = &c->reply.note;
        err_set(note, ERR_UPGRADE, "/protocol", "this server speaks protocol %d, the worker %d", PROTOCOL, r->protocol);
        err_print(note->allowed, sizeof note->allowed, "%d", PROTOCOL);
        err_print(note->found, sizeof note->found, "%d", r->protocol);
        return ERR_UPGRADE;
    }
    enum err e = store_worker_insert(db, &r->worker, clock_wall_ms(), clock_mono_ms());
    err_print(c->reply.id, sizeof c->reply.id, "%s", r->id);
    return e ? e : buf_printf(&c->body, "{\"worker_id\":\"%s\",\"protocol\":%d,\"lease_ms\":%lld,\"heartbeat_ms\":%lld}", r->id, PROTOCOL,
                              (long long)queue_lease_ms(c->queue), (long long)queue_heartbeat_ms(c->queue));
}

enum err queue_register(struct queue *q, const struct queue_register *args, queue_done *done, void *context)
{
    struct enrol *r = queue_call_new(q, sizeof *r, register_rule, done, context);
    struct queue_call *c = &r->call;
    r->protocol = args->protocol;
    uuid_new(r->id);
    r->worker = (struct worker_new){
        .id = r->id, .name = queue_keep_or(c, args->name, ""), .host = queue_keep_or(c, args->host, ""),
        .version = queue_keep_or(c, args->version, ""), .labels_json = queue_keep_or(c, args->labels_json, "{}"),
        .token_id = queue_keep_or(c, args->token_id, ""), .pid = args->pid, .threads = args->threads,
        .memory_bytes = args->memory_bytes, .data_paths = args->data_paths,
    };
    return queue_post(c, STORE_ESSENTIAL);
}

/* ---- claim --------------------------------------------------------------------------------------------- */
struct claim {
    struct queue_call call;
    const char *worker_id, *key;
};

/* The lease token of a claim: the same for the same claim, nothing that somebody without the secret could guess. */
static void make_token(const struct queue *q, const struct claim *cl, const char *job_id, int64_t attempt, char token[TOKEN_BYTES])
{
    char number[32], hex[SHA256_HEX];
    struct sha256 s;
    const char *const parts[] = {"lease", q->secret, cl->worker_id, cl->key, job_id, number};
    err_print(number, sizeof number, "%lld", (long long)attempt);
    sha256_start(&s);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) sha256_add(&s, parts[i], strlen(parts[i]) + 1);
    sha256_end_hex(&s, hex);
    err_print(token, TOKEN_BYTES, "%s", hex);
}

static enum err claim_reply(struct claim *cl, struct store_db *db, const struct job_row *job, int64_t attempt, const char *token)
{
    struct queue *q = cl->call.queue;
    struct claim_view view = {job->number, attempt, queue_lease_ms(q), queue_heartbeat_ms(q), token};
    err_print(cl->call.reply.id, sizeof cl->call.reply.id, "%s", job->id);
    cl->call.reply.version = job->version;
    return store_claim_view(db, &view, &cl->call.body);
}

/* The key was seen before: the same lease while it lives, nothing after. */
static enum err claim_again(struct claim *cl, struct store_db *db, const struct attempt_row *attempt)
{
    char token[TOKEN_BYTES];
    struct job_row job;
    cl->call.reply.idle = !attempt->live;
    if (!attempt->live) return OK;
    enum err e = store_job_get(db, attempt->job, &job);
    if (!e) e = store_attempt_renew(db, job.number, attempt->attempt, clock_mono_ms() + queue_lease_ms(cl->call.queue));
    make_token(cl->call.queue, cl, job.id, attempt->attempt, token);
    return e ? e : claim_reply(cl, db, &job, attempt->attempt, token);
}

static enum err claim_new(struct claim *cl, struct store_db *db, const struct worker_row *worker)
{
    struct job_row job;
    char token[TOKEN_BYTES], digest[SHA256_HEX];
    int64_t now = clock_mono_ms();
    enum err e = queue_next_job(db, worker, &job);
    if (e == ERR_NOT_FOUND) cl->call.reply.idle = true;
    if (e) return e == ERR_NOT_FOUND ? OK : e;
    job.attempt++;
    job.phase = PHASE_STAGING;
    e = queue_move(db, &job, JOB_RUNNING, BY_WORKER);
    if (!e) e = queue_claimed(db, &job);
    make_token(cl->call.queue, cl, job.id, job.attempt, token);
    sha256_hex_of(token, strlen(token), digest);
    struct attempt_new attempt = {job.number, job.attempt, worker->number, now + queue_lease_ms(cl->call.queue), job.checkpoint_step, cl->key, digest};
    if (!e) e = store_attempt_insert(db, &attempt, clock_wall_ms(), now);
    return e ? e : claim_reply(cl, db, &job, job.attempt, token);
}

static enum err claim_rule(struct queue_call *c, struct store_db *db)
{
    struct claim *cl = (struct claim *)c;
    struct worker_row worker;
    struct attempt_row attempt;
    enum err e = store_worker_find(db, cl->worker_id, &worker);
    if (e == ERR_NOT_FOUND) return queue_refuse(c, e, "/worker_id", "this worker is not known here: register again");
    if (!e) e = store_worker_seen(db, worker.number, clock_wall_ms(), clock_mono_ms());
    if (e) return e;
    e = store_attempt_by_key(db, worker.number, cl->key, &attempt);
    if (e == OK) return claim_again(cl, db, &attempt);
    return e == ERR_NOT_FOUND ? claim_new(cl, db, &worker) : e;
}

enum err queue_claim(struct queue *q, const char *worker_id, const char *claim_key, queue_done *done, void *context)
{
    struct claim *cl = queue_call_new(q, sizeof *cl, claim_rule, done, context);
    cl->worker_id = queue_keep_or(&cl->call, worker_id, "");
    char fresh[UUID_TEXT]; /* without a key a claim cannot be repeated */
    uuid_new(fresh);
    cl->key = queue_keep(&cl->call, claim_key && *claim_key ? claim_key : fresh);
    return queue_post(&cl->call, STORE_ESSENTIAL);
}

/* ---- the lease ------------------------------------------------------------------------------------------ */
void queue_lease_keep(struct lease_keep *to, const struct queue_lease *lease)
{
    const char *token = lease->token ? lease->token : "";
    err_print(to->job_id, sizeof to->job_id, "%s", lease->job_id ? lease->job_id : "");
    sha256_hex_of(token, strlen(token), to->token_sha256);
    to->attempt = lease->attempt;
}

/* Digests of 256-bit values are compared: how long that takes tells nothing about the token. */
enum err queue_lease_check(struct queue_call *c, struct store_db *db, const struct lease_keep *lease, struct job_row *job, struct attempt_row *attempt)
{
    struct attempt_row row;
    enum err e = queue_find_job(c, db, lease->job_id, job);
    if (!e) e = store_attempt_find(db, job->number, lease->attempt, &row);
    if (e) return e == ERR_NOT_FOUND && job->number ? queue_refuse(c, ERR_LEASE_LOST, "", "the job has no attempt %d", lease->attempt) : e;
    if (strcmp(row.token_sha256, lease->token_sha256)) return queue_refuse(c, ERR_LEASE_LOST, "/lease_token", "this is not the token of attempt %d", lease->attempt);
    if (attempt) *attempt = row;
    bool current = row.live && job->attempt == lease->attempt && (job->state == JOB_RUNNING || job->state == JOB_STOPPING);
    return current ? OK : queue_refuse(c, ERR_LEASE_LOST, "", "attempt %d is over; the job is %s, its newest attempt is %lld", lease->attempt,
                                       job_state_word(job->state), (long long)job->attempt);
}

struct lease_call {
    struct queue_call call;
    struct lease_keep lease;
    const char *reason;
};

static enum err check_rule(struct queue_call *c, struct store_db *db)
{
    struct job_row job;
    return queue_lease_check(c, db, &((struct lease_call *)c)->lease, &job, NULL);
}

enum err queue_check_lease(struct queue *q, const struct queue_lease *lease, queue_done *done, void *context)
{
    struct lease_call *l = queue_call_new(q, sizeof *l, check_rule, done, context);
    queue_lease_keep(&l->lease, lease);
    return queue_post(&l->call, STORE_READ);
}

static enum err state_reply(struct queue_call *c, const struct job_row *job, const char *state)
{
    c->reply.version = job->version;
    err_print(c->reply.id, sizeof c->reply.id, "%s", job->id);
    return buf_printf(&c->body, "{\"state\":\"%s\"}", state);
}

/* A drained worker: back to the queue at no cost. Asked to stop meanwhile: that is what it did. */
static enum err release_rule(struct queue_call *c, struct store_db *db)
{
    struct lease_call *l = (struct lease_call *)c;
    struct job_row job;
    struct attempt_row attempt = {0};
    enum err e = queue_lease_check(c, db, &l->lease, &job, &attempt);
    if (e == ERR_LEASE_LOST && !strcmp(attempt.outcome, "released")) return state_reply(c, &job, attempt.end_state); /* the reply was lost */
    if (e) return e;
    if (job.state == JOB_STOPPING) {
        e = queue_attempt_stopped(db, &job, "released", BY_WORKER);
        return e ? e : state_reply(c, &job, job_state_word(job.state));
    }
    log_info("lease.released", "job=%s attempt=%lld reason=%s", job.id, (long long)job.attempt, l->reason);
    e = queue_move(db, &job, JOB_QUEUED, BY_WORKER);
    if (!e) e = store_attempt_end(db, &job, "released", FAILURE_NONE, l->reason, clock_wall_ms());
    return e ? e : state_reply(c, &job, job_state_word(job.state));
}

enum err queue_release(struct queue *q, const struct queue_lease *lease, const char *reason, queue_done *done, void *context)
{
    struct lease_call *l = queue_call_new(q, sizeof *l, release_rule, done, context);
    queue_lease_keep(&l->lease, lease);
    l->reason = queue_keep_or(&l->call, reason, "");
    return queue_post(&l->call, STORE_ESSENTIAL);
}

/* ---- heartbeat --------------------------------------------------------------------------------------------- */
struct heartbeat {
    struct queue_call call;
    struct lease_keep lease;
    struct queue_heartbeat args; /* its strings: kept */
};

static enum err beat_reply(struct queue_call *c, const struct job_row *job)
{
    const char *command = job->state != JOB_STOPPING ? "none" : strcmp(job->intent, "timeout") ? job->intent : "cancel";
    int64_t left = job->state == JOB_STOPPING ? job->deadline_mono_ms - clock_mono_ms() : 0;
    c->reply.idle = job->state != JOB_STOPPING;
    c->reply.version = job->version;
    return buf_printf(&c->body, "{\"lease_ms\":%lld,\"command\":\"%s\",\"deadline_ms\":%lld}", (long long)queue_lease_ms(c->queue), command,
                      (long long)(left > 0 ? left : 0));
}

/* True when something changed that listeners should hear of; a step alone is only stored. */
static bool take_progress(struct job_row *job, const struct queue_heartbeat *a, bool *changed)
{
    int phase = a->phase ? job_phase_of_word(a->phase) : (int)job->phase;
    bool told = (phase >= 0 && (enum job_phase)phase != job->phase) || (a->epoch >= 0 && a->epoch != job->epoch);
    *changed = told || (a->epochs >= 0 && a->epochs != job->epochs) || (a->step >= 0 && a->step != job->step) || a->eta_s >= 0;
    if (phase >= 0) job->phase = (enum job_phase)phase;
    if (a->epoch >= 0) job->epoch = a->epoch;
    if (a->epochs >= 0) job->epochs = a->epochs;
    if (a->step >= 0) job->step = a->step;
    if (a->eta_s >= 0) job->eta_s = a->eta_s;
    return told;
}

static enum err tell_progress(struct store_db *db, struct job_row *job)
{
    char data[256];
    err_print(data, sizeof data, "{\"phase\":\"%s\",\"epoch\":%lld,\"epochs\":%lld,\"step\":%lld,\"eta_s\":%.0f}", job_phase_word(job->phase),
              (long long)(job->epoch < 0 ? 0 : job->epoch), (long long)(job->epochs < 0 ? 0 : job->epochs),
              (long long)(job->step < 0 ? 0 : job->step), isfinite(job->eta_s) ? job->eta_s : -1.0);
    return queue_note(db, job, "progress", data, NULL);
}

/* The first of a shape frees those that waited for it. */
static enum err take_kernels(struct store_db *db, const struct job_row *job, const char *kernels_json)
{
    bool fresh = false;
    enum err e = store_shape_fill(db, job->number, kernels_json, &fresh);
    if (!e && fresh) store_event_claimable(db);
    return e;
}

static enum err heartbeat_rule(struct queue_call *c, struct store_db *db)
{
    struct heartbeat *h = (struct heartbeat *)c;
    struct job_row job;
    struct attempt_row attempt;
    bool changed = false;
    enum err e = queue_lease_check(c, db, &h->lease, &job, &attempt);
    if (e || h->args.look) return e ? e : beat_reply(c, &job);
    int64_t now = clock_mono_ms();
    e = store_attempt_renew(db, job.number, attempt.attempt, now + queue_lease_ms(c->queue));
    if (!e) e = store_worker_seen(db, attempt.worker, clock_wall_ms(), now);
    if (e) return e;
    if (take_progress(&job, &h->args, &changed)) e = tell_progress(db, &job);
    else if (changed) e = store_job_save(db, &job);
    if (!e && h->args.kernels_json) e = take_kernels(db, &job, h->args.kernels_json);
    return e ? e : beat_reply(c, &job);
}

enum err queue_heartbeat(struct queue *q, const struct queue_heartbeat *args, queue_done *done, void *context)
{
    struct heartbeat *h = queue_call_new(q, sizeof *h, heartbeat_rule, done, context);
    queue_lease_keep(&h->lease, &args->lease);
    h->args = *args;
    h->args.phase = queue_keep(&h->call, args->phase);
    h->args.kernels_json = queue_keep(&h->call, args->kernels_json);
    return queue_post(&h->call, args->look ? STORE_READ : STORE_ESSENTIAL);
}

/* ---- finish ------------------------------------------------------------------------------------------------- */
struct finish {
    struct queue_call call;
    struct lease_keep lease;
    struct queue_finish args; /* its strings: kept */
};

static enum err finish_succeeded(struct store_db *db, struct job_row *job)
{
    enum err e = queue_move(db, job, JOB_SUCCEEDED, BY_WORKER);
    return e ? e : store_attempt_end(db, job, "succeeded", FAILURE_NONE, NULL, clock_wall_ms());
}

static enum err finish_failed(struct finish *f, struct store_db *db, struct job_row *job)
{
    int failure = job_failure_of_word(f->args.failure_class);
    if (failure <= FAILURE_NONE) {
        struct err_note *note = &f->call.reply.note;
        err_set(note, ERR_SPEC, "/failure/class", "this is no failure class");
        err_print(note->found, sizeof note->found, "%s", f->args.failure_class);
        return ERR_SPEC;
    }
    return queue_attempt_failed(f->call.queue, db, job, (enum job_failure)failure, f->args.failure_message, BY_WORKER);
}

/* cancelled, paused, pruned: only what was asked for; a stop that nobody asked for is a release. */
static enum err finish_stopped(struct finish *f, struct store_db *db, struct job_row *job)
{
    if (job->state != JOB_STOPPING)
        return queue_refuse(&f->call, ERR_STATE, "/outcome", "nobody asked this job to stop: release it, or finish it as succeeded or failed");
    return queue_attempt_stopped(db, job, f->args.outcome, BY_WORKER);
}

static enum err finish_rule(struct queue_call *c, struct store_db *db)
{
    struct finish *f = (struct finish *)c;
    struct job_row job;
    struct attempt_row attempt = {0};
    enum err e = queue_lease_check(c, db, &f->lease, &job, &attempt);
    if (e == ERR_LEASE_LOST && !strcmp(attempt.outcome, f->args.outcome)) {
        memset(&c->reply.note, 0, sizeof c->reply.note);
        return state_reply(c, &job, attempt.end_state); /* the reply was lost: the same again */
    }
    if (!e) e = store_job_set_texts(db, job.number, f->args.result_json, f->args.kernels_json, f->args.loss_resolved_json);
    if (!e && !strcmp(f->args.outcome, "succeeded")) e = store_images_set(db, job.number, f->args.images_json);
    if (!e && f->args.kernels_json) e = take_kernels(db, &job, f->args.kernels_json);
    if (e) return e;
    static const char *const stopped[] = {"cancelled", "paused", "pruned"};
    if (!strcmp(f->args.outcome, "succeeded")) e = finish_succeeded(db, &job);
    else if (!strcmp(f->args.outcome, "failed")) e = finish_failed(f, db, &job);
    else {
        size_t i = 0;
        while (i < 3 && strcmp(stopped[i], f->args.outcome)) i++;
        e = i < 3 ? finish_stopped(f, db, &job) : queue_refuse(c, ERR_SPEC, "/outcome", "this is no outcome");
    }
    return e ? e : state_reply(c, &job, job_state_word(job.state));
}

enum err queue_finish(struct queue *q, const struct queue_finish *args, queue_done *done, void *context)
{
    struct finish *f = queue_call_new(q, sizeof *f, finish_rule, done, context);
    struct queue_call *c = &f->call;
    queue_lease_keep(&f->lease, &args->lease);
    f->args = (struct queue_finish){
        .outcome = queue_keep_or(c, args->outcome, ""), .result_json = queue_keep(c, args->result_json),
        .images_json = queue_keep(c, args->images_json),
        .failure_class = queue_keep_or(c, args->failure_class, ""), .failure_message = queue_keep_or(c, args->failure_message, ""),
        .kernels_json = queue_keep(c, args->kernels_json), .loss_resolved_json = queue_keep(c, args->loss_resolved_json),
    };
    return queue_post(c, STORE_ESSENTIAL);
}
