/* queue_steer: what people do to a job after it is submitted: cancel, retry. And what time does: lost leases, ended pauses, deadlines. */
#include <string.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "server/queue_rules.h"
#include "server/store_events.h"
#include "server/store_sweeps.h"
#include "server/store_views.h"

enum { REAP_MAX = 500 /* of a kind, in one call; the rest next time */, AWAY_MS_MIN = 60000 };

enum err queue_find_job(struct queue_call *c, struct store_db *db, const char *id, struct job_row *job)
{
    memset(job, 0, sizeof *job);
    enum err e = uuid_is(id) ? store_job_find(db, id, job) : ERR_NOT_FOUND;
    if (!e && c->owner && strcmp(c->owner, job->token_id)) e = ERR_NOT_FOUND;
    if (e == ERR_NOT_FOUND) return queue_refuse(c, e, "", "no job has the id %s", id);
    return e;
}

int64_t queue_away_ms(const struct queue *q)
{
    return 2 * q->settings.lease_ms > AWAY_MS_MIN ? 2 * q->settings.lease_ms : AWAY_MS_MIN; /* a parked claim comes back every 25 s */
}

enum err queue_tally(const struct queue *q, struct store_db *db, struct worker_tally *tally)
{
    return store_worker_tally(db, clock_mono_ms() - queue_away_ms(q), tally);
}

struct steer {
    struct queue_call call;
    const char *id;
    int64_t grace_ms;
    bool from_start;
};

enum err queue_cancel_job(const struct queue *q, struct store_db *db, struct job_row *job, int64_t grace_ms)
{
    if (job->state == JOB_RUNNING) return queue_ask_to_stop(q, db, job, "cancel", grace_ms, BY_USER);
    if (job->state != JOB_STOPPING) return queue_move(db, job, JOB_CANCELLED, BY_USER);
    if (!strcmp(job->intent, "cancel")) return OK;
    strcpy(job->intent, "cancel"); /* it was to pause: now it is to end */
    enum err e = queue_note(db, job, "state", "{\"state\":\"stopping\",\"from\":\"stopping\",\"intent\":\"cancel\"}", NULL);
    if (!e) store_event_command(db, job->id);
    return e;
}

static enum err cancel_rule(struct queue_call *c, struct store_db *db)
{
    struct steer *s = (struct steer *)c;
    struct job_row job;
    enum err e = queue_find_job(c, db, s->id, &job);
    if (e) return e;
    c->reply.existed = job.state == JOB_CANCELLED || (job.state == JOB_STOPPING && !strcmp(job.intent, "cancel"));
    if (job_state_is_end(job.state) && !c->reply.existed) return queue_refuse(c, ERR_STATE, "", "the job has %s already", job_state_word(job.state));
    if (!c->reply.existed) e = queue_cancel_job(c->queue, db, &job, s->grace_ms);
    return e ? e : queue_job_view(c, db, &job, true);
}

enum err queue_cancel(struct queue *q, const char *job_id, const char *owner, int64_t grace_ms, queue_done *done, void *context)
{
    struct steer *s = queue_call_new(q, sizeof *s, cancel_rule, done, context);
    s->id = queue_keep_or(&s->call, job_id, "");
    s->call.owner = queue_keep(&s->call, owner);
    s->grace_ms = grace_ms;
    return queue_post(&s->call, STORE_WRITE);
}

static enum err retry_rule(struct queue_call *c, struct store_db *db)
{
    struct steer *s = (struct steer *)c;
    struct job_row job;
    enum err e = queue_find_job(c, db, s->id, &job);
    if (e) return e;
    if (job.state != JOB_FAILED && job.state != JOB_CANCELLED)
        return queue_refuse(c, ERR_STATE, "", "only a failed or cancelled job can be retried; this one is %s", job_state_word(job.state));
    job.failures = job.losses = 0;
    if (s->from_start) {
        job.checkpoint_step = job.epoch = job.step = STORE_ABSENT;
        e = queue_drop_checkpoints(c, db, job.number);
    }
    if (!e) e = queue_move(db, &job, JOB_QUEUED, BY_USER);
    return e ? e : queue_job_view(c, db, &job, true);
}

enum err queue_retry(struct queue *q, const char *job_id, const char *owner, bool from_start, queue_done *done, void *context)
{
    struct steer *s = queue_call_new(q, sizeof *s, retry_rule, done, context);
    s->id = queue_keep_or(&s->call, job_id, "");
    s->call.owner = queue_keep(&s->call, owner);
    s->from_start = from_start;
    return queue_post(&s->call, STORE_WRITE);
}

/* ---- what is due -------------------------------------------------------------------------------------- */
static enum err reap_one(const struct queue *q, struct store_db *db, enum job_due what, struct job_row *job)
{
    switch (what) {
    case DUE_LEASE: return queue_attempt_lost(q, db, job);
    case DUE_BACKOFF: return queue_move(db, job, JOB_QUEUED, BY_SERVER);
    case DUE_DEADLINE:
        log_warn("stop.forced", "job=%s intent=%s deadline_ms=%lld", job->id, job->intent, (long long)job->deadline_ms);
        return queue_attempt_stopped(db, job, "lost", BY_SERVER);
    case DUE_TIMEOUT: return queue_ask_to_stop(q, db, job, "timeout", 0, BY_SERVER);
    }
    return ERR_INTERNAL;
}

static enum err reap_rule(struct queue_call *c, struct store_db *db)
{
    static const enum job_due kinds[] = {DUE_DEADLINE, DUE_LEASE, DUE_TIMEOUT, DUE_BACKOFF};
    int64_t now = clock_mono_ms();
    enum err e = OK;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds && !e; k++) {
        struct job_row job;
        for (int i = 0; i < REAP_MAX && !e; i++) {
            e = store_job_due(db, kinds[k], now, &job);
            if (!e) e = reap_one(c->queue, db, kinds[k], &job);
        }
        if (e == ERR_NOT_FOUND) e = OK;
    }
    if (!e) e = queue_prune_all(c->queue, db);
    if (!e) e = store_sweep_purge_keys(db, clock_wall_ms() - c->queue->settings.idempotency_ms);
    return e ? e : store_key_purge(db, clock_wall_ms() - c->queue->settings.idempotency_ms);
}

enum err queue_reap(struct queue *q, queue_done *done, void *context)
{
    return queue_post(queue_call_new(q, sizeof(struct queue_call), reap_rule, done, context), STORE_ESSENTIAL);
}
