/* queue_prune: successive halving: which trials of a sweep go on. Decided from the database alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/log.h"
#include "server/queue_rules.h"
#include "server/store_sweeps.h"

/* Rungs are at min_epochs eta^k epochs. At a rung a trial is compared with the trials before it in the sweep's order (and itself):
   it goes on when it is among the best ceil(n / eta) of these n. A trial that failed or diverged before the rung counts as worst; one
   that was cancelled, or that fell at a rung before, does not count. On a tie the earlier one is better.

   A verdict waits until every trial before has reached the rung or has ended; meanwhile the trial trains on. So a verdict is a function
   of the scores alone: in which order they arrive, which worker was lost and when the daemon was restarted changes none of them. (What
   they do change is how far a trial trained before it heard of its own; one that has succeeded by then keeps its verdict, too.) */
struct rung {
    struct rung_row *rows;
    size_t count, decided; /* a prefix: of these trials it is known how they left this rung */
};

static bool is_out(const struct rung_row *row, int64_t epoch)
{
    return (row->pruned_epoch > 0 && row->pruned_epoch < epoch) || row->epochs <= epoch || (row->state == JOB_CANCELLED && !row->has_value);
}

static double score_of(const struct rung_row *row)
{
    return row->has_value && !isnan(row->value) ? row->value : (double)-INFINITY;
}

/* How many of the trials before do at least as well, of `among` that count. */
static bool stays(const struct rung_row *rows, size_t i, int64_t epoch, int64_t eta)
{
    int64_t among = 1, rank = 1;
    for (size_t k = 0; k < i; k++) {
        if (is_out(&rows[k], epoch)) continue;
        among++;
        rank += score_of(&rows[k]) >= score_of(&rows[i]);
    }
    return rank <= (among + eta - 1) / eta;
}

/* Verdicts of one rung over the first `limit` trials, those that have left the rung before. */
static enum err judge(struct store_db *db, const struct sweep_row *sweep, int64_t epoch, size_t limit, struct rung *rung)
{
    enum err e = OK;
    for (rung->decided = 0; rung->decided < limit && rung->decided < rung->count && !e; rung->decided++) {
        struct rung_row *row = &rung->rows[rung->decided];
        if (is_out(row, epoch)) continue;
        if (!row->has_value && !job_state_is_end(row->state)) break;
        if (!row->has_value || row->pruned_epoch > 0 || stays(rung->rows, rung->decided, epoch, sweep->prune_eta)) continue;
        row->pruned_epoch = epoch;
        log_info("trial.pruned", "sweep=%s job=%s epochs=%lld score=%.6g", sweep->id, row->id, (long long)epoch, row->value);
        e = store_trial_prune(db, row->job, epoch);
    }
    return e;
}

/* What fell behind and is not over: stopped when it runs, ended when it waits. A paused one is left to whoever paused it. */
static enum err obey(const struct queue *q, struct store_db *db, const struct sweep_row *sweep)
{
    struct job_row job;
    int64_t after = 0;
    enum err e;
    while ((e = store_trial_fallen(db, sweep->number, after, &job)) == OK) {
        after = job.number;
        e = job.state == JOB_RUNNING ? queue_ask_to_stop(q, db, &job, "prune", 0, BY_SERVER) : queue_move(db, &job, JOB_PRUNED, BY_SERVER);
        if (e) return e;
    }
    return e == ERR_NOT_FOUND ? OK : e;
}

static enum err prune(const struct queue *q, struct store_db *db, int64_t number)
{
    struct sweep_row sweep;
    size_t limit = SIZE_MAX;
    enum err e = store_sweep_get(db, number, &sweep);
    if (e || !sweep.prune_eta) return e;
    for (int64_t epoch = sweep.prune_min_epochs; !e && limit; epoch *= sweep.prune_eta) {
        struct rung rung = {0};
        e = store_rung_read(db, number, sweep.prune_metric, epoch, &rung.rows, &rung.count);
        bool beyond = true; /* every trial ends before this rung */
        for (size_t i = 0; i < rung.count; i++) beyond = beyond && rung.rows[i].epochs <= epoch;
        if (!e && !beyond) e = judge(db, &sweep, epoch, limit, &rung);
        limit = beyond ? 0 : rung.decided;
        free(rung.rows);
    }
    return e ? e : obey(q, db, &sweep);
}

enum err queue_prune_all(const struct queue *q, struct store_db *db)
{
    int64_t sweep = 0;
    enum err e;
    while ((e = store_sweep_pruning(db, sweep, &sweep)) == OK)
        if ((e = prune(q, db, sweep))) return e;
    return e == ERR_NOT_FOUND ? OK : e;
}

enum err queue_prune_after(const struct queue *q, struct store_db *db, const struct job_row *job, const struct metric_batch *batch)
{
    struct sweep_row sweep;
    enum err e = job->sweep ? store_sweep_get(db, job->sweep, &sweep) : ERR_NOT_FOUND;
    if (e) return e == ERR_NOT_FOUND ? OK : e;
    for (int i = 0; sweep.prune_eta && i < batch->count; i++)
        if (!strcmp(batch->series[i].name, sweep.prune_metric)) return prune(q, db, job->sweep);
    return OK;
}
