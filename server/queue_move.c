/* queue_move: the one function through which a job changes its state, and what an attempt's end does to its job. */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "server/json_add.h"
#include "server/queue_rules.h"
#include "server/store_blobs.h"
#include "server/store_events.h"

/* The fields of a job that belong to one state only, set or cleared on the way in. */
static void tidy(struct job_row *job, enum job_state to, int64_t now_ms)
{
    if (to != JOB_STOPPING) {
        job->intent[0] = '\0';
        job->deadline_mono_ms = STORE_ABSENT;
    }
    if (to != JOB_PENDING) {
        job->reason = REASON_NONE;
        job->backoff_mono_ms = STORE_ABSENT;
    }
    if (to != JOB_RUNNING && to != JOB_STOPPING) {
        job->phase = PHASE_NONE;
        job->eta_s = (double)NAN;
    }
    if (to == JOB_QUEUED || to == JOB_RUNNING) {
        job->failure = FAILURE_NONE;
        job->failure_message[0] = '\0';
    }
    if (to == JOB_RUNNING && job->started_at_ms == STORE_ABSENT) job->started_at_ms = now_ms;
    job->finished_at_ms = job_state_is_end(to) ? now_ms : STORE_ABSENT;
}

static enum err state_data(const struct job_row *job, enum job_state from, struct buf *b)
{
    enum err e = buf_printf(b, "{\"state\":\"%s\",\"from\":\"%s\",\"attempt\":%lld", job_state_word(job->state), job_state_word(from), (long long)job->attempt);
    if (!e && job->reason) e = buf_printf(b, ",\"reason\":\"%s\",\"backoff_ms\":%lld", job_reason_word(job->reason), (long long)job->backoff_ms);
    if (!e && job->intent[0]) e = buf_printf(b, ",\"intent\":\"%s\"", job->intent);
    if (!e && job->failure) {
        e = buf_printf(b, ",\"failure\":{\"class\":\"%s\",\"message\":", job_failure_word(job->failure));
        if (!e) e = json_add_text(b, job->failure_message);
        if (!e) e = buf_text(b, "}");
    }
    return e ? e : buf_text(b, "}");
}

enum err queue_move(struct store_db *db, struct job_row *job, enum job_state to, enum job_mover who)
{
    struct buf data;
    enum job_state from = job->state;
    assert(job_state_may_by(from, to, who));
    tidy(job, to, clock_wall_ms());
    job->state = to;
    buf_init(&data, 4096);
    enum err e = state_data(job, from, &data);
    if (!e) e = queue_note(db, job, "state", data.data, NULL);
    bool frees_place = job->sweep && job_state_is_end(to); /* of a sweep's max_running */
    if (!e && (to == JOB_QUEUED || frees_place)) store_event_claimable(db);
    if (!e && to == JOB_STOPPING) store_event_command(db, job->id);
    buf_free(&data);
    return e;
}

enum err queue_note(struct store_db *db, struct job_row *job, const char *kind, const char *data, const char *told)
{
    enum err e = store_event_add(db, job, kind, data, told, clock_wall_ms(), &job->version);
    return e ? e : store_job_save(db, job);
}

enum err queue_ask_to_stop(const struct queue *q, struct store_db *db, struct job_row *job, const char *intent, int64_t grace_ms, enum job_mover who)
{
    job->deadline_ms = grace_ms > 0 ? grace_ms : q->settings.stop_grace_ms;
    job->deadline_mono_ms = clock_mono_ms() + job->deadline_ms;
    err_print(job->intent, sizeof job->intent, "%s", intent);
    return queue_move(db, job, JOB_STOPPING, who);
}

/* ---- how an attempt ends --------------------------------------------------------------------------- */
static const struct {
    const char *intent, *outcome;
    enum job_state to;
} stops[] = { /* what was asked for -> what the attempt and the job become */
    {"cancel", "cancelled", JOB_CANCELLED}, {"pause", "paused", JOB_PAUSED},   {"preempt", "preempted", JOB_QUEUED},
    {"prune", "pruned", JOB_PRUNED},        {"timeout", "cancelled", JOB_FAILED},
};

enum err queue_attempt_stopped(struct store_db *db, struct job_row *job, const char *outcome, enum job_mover who)
{
    size_t i = 0;
    while (i < sizeof stops / sizeof *stops && strcmp(stops[i].intent, job->intent)) i++;
    assert(i < sizeof stops / sizeof *stops);
    if (stops[i].to == JOB_FAILED) {
        job->failure = FAILURE_TIMEOUT;
        err_print(job->failure_message, sizeof job->failure_message, "it ran longer than its timeout_s of %lld s", (long long)(job->timeout_ms / 1000));
    }
    enum err e = queue_move(db, job, stops[i].to, who);
    return e ? e : store_attempt_end(db, job, outcome ? outcome : stops[i].outcome, FAILURE_NONE, NULL, clock_wall_ms());
}

static enum err fail(struct store_db *db, struct job_row *job, enum job_failure failure, const char *message, enum job_mover who)
{
    job->failure = failure;
    err_print(job->failure_message, sizeof job->failure_message, "%s", message);
    return queue_move(db, job, JOB_FAILED, who);
}

static enum err try_again(const struct queue *q, struct store_db *db, struct job_row *job, int64_t times, enum job_mover who)
{
    int64_t doublings = times < 1 ? 0 : times - 1 > LOSS_BACKOFF_DOUBLINGS_MAX ? LOSS_BACKOFF_DOUBLINGS_MAX : times - 1;
    job->backoff_ms = q->settings.backoff_ms << doublings;
    job->backoff_mono_ms = clock_mono_ms() + job->backoff_ms;
    job->reason = REASON_BACKOFF;
    return queue_move(db, job, JOB_PENDING, who);
}

/* `again` times it has happened and it may be tried again, or 0: never. */
static enum err end_badly(const struct queue *q, struct store_db *db, struct job_row *job, enum job_failure failure, const char *message,
                          int64_t again, enum job_mover who)
{
    const char *outcome = failure == FAILURE_WORKER_LOST || failure == FAILURE_POISON ? "lost" : "failed";
    if (job->state == JOB_STOPPING && job_failure_is_retried(failure)) return queue_attempt_stopped(db, job, outcome, who);
    enum err e = again ? try_again(q, db, job, again, who) : fail(db, job, failure, message, who);
    return e ? e : store_attempt_end(db, job, outcome, failure, message, clock_wall_ms());
}

/* What a worker reports counts against max_attempts; a lost lease counts apart, against poison_losses. A newer checkpoint resets both. */
enum err queue_attempt_failed(const struct queue *q, struct store_db *db, struct job_row *job, enum job_failure failure, const char *message, enum job_mover who)
{
    bool retried = job_failure_is_retried(failure);
    job->failures += retried;
    return end_badly(q, db, job, failure, message, retried && job->failures < job->max_attempts ? job->failures : 0, who);
}

enum err queue_attempt_lost(const struct queue *q, struct store_db *db, struct job_row *job)
{
    char message[MESSAGE_BYTES];
    job->losses++;
    log_warn("lease.expired", "job=%s attempt=%lld losses=%lld", job->id, (long long)job->attempt, (long long)job->losses);
    if (job->state != JOB_STOPPING && job->losses >= q->settings.poison_losses) {
        err_print(message, sizeof message, "%lld workers in a row were lost while running it, without a newer checkpoint", (long long)job->losses);
        return end_badly(q, db, job, FAILURE_POISON, message, 0, BY_SERVER);
    }
    err_print(message, sizeof message, "no heartbeat for %lld ms", (long long)q->settings.lease_ms);
    return end_badly(q, db, job, FAILURE_WORKER_LOST, message, job->losses, BY_SERVER);
}

/* ---- blobs that nothing names any more ---- */
enum err queue_free_blob(struct queue_call *c, struct store_db *db, const char *sha256)
{
    bool freed = false;
    if (c->freed_count == FREED_MAX) return OK; /* the row goes with the next one, or at the next start */
    enum err e = store_blob_drop(db, sha256, &freed);
    if (!e && freed) err_print(c->freed[c->freed_count++], SHA256_HEX, "%s", sha256);
    return e;
}

enum err queue_drop_checkpoints(struct queue_call *c, struct store_db *db, int64_t job)
{
    char sha256[SHA256_HEX];
    enum err e;
    while ((e = store_artifact_drop_checkpoint(db, job, sha256)) == OK)
        if ((e = queue_free_blob(c, db, sha256))) return e;
    return e == ERR_NOT_FOUND ? OK : e;
}
