/* store_sweeps: SQL of sweeps: their row, their trials, the kernels they share, whose turn a claim is. */
#ifndef SERVER_STORE_SWEEPS_H
#define SERVER_STORE_SWEEPS_H
#include "schema/base/buf.h"
#include "server/queue_sweep.h"
#include "server/store_jobs.h"

struct sweep_row {
    int64_t number, max_running, prune_min_epochs, prune_eta; /* prune_eta 0: nothing is pruned */
    char id[UUID_TEXT], body_sha256[SHA256_HEX], prune_metric[64], token_id[STORE_TOKEN_BYTES];
    bool cancelled;
};
enum err store_sweep_insert(struct store_db *db, const struct queue_sweep *sweep, const char *id, int64_t now_ms, int64_t *number) MUST_USE;
enum err store_sweep_find(struct store_db *db, const char *id, struct sweep_row *row) MUST_USE; /* ERR_NOT_FOUND */
enum err store_sweep_get(struct store_db *db, int64_t number, struct sweep_row *row) MUST_USE;
enum err store_sweep_by_key(struct store_db *db, const char *token_id, const char *key, struct sweep_row *row) MUST_USE;
enum err store_sweep_purge_keys(struct store_db *db, int64_t before_ms) MUST_USE;
enum err store_sweep_cancel(struct store_db *db, int64_t number, int64_t now_ms) MUST_USE;
/* What an extension changes: the spec as it is now, the limit, the hash. */
enum err store_sweep_extend(struct store_db *db, int64_t number, const struct queue_sweep *sweep) MUST_USE;

enum err store_trial_insert(struct store_db *db, int64_t sweep, int64_t trial, int64_t job, const struct queue_trial *t) MUST_USE;
bool store_trial_known(struct store_db *db, int64_t sweep, const struct queue_trial *t);
int64_t store_trial_count(struct store_db *db, int64_t sweep);
/* The next job of the sweep, by number, that has not ended; `after` 0 = the first. ERR_NOT_FOUND. */
enum err store_sweep_live_job(struct store_db *db, int64_t sweep, int64_t after, struct job_row *row) MUST_USE;

/* Whole views as JSON: {id, name, ..., jobs{state: n}, failures{class: n}}; `full` adds the spec. */
enum err store_sweep_view(struct store_db *db, int64_t number, bool full, struct buf *to) MUST_USE;
/* Summaries, newest first, with commas; *next = cursor of the next page or 0. */
enum err store_sweep_list(struct store_db *db, const char *owner, const char *project, int64_t cursor, int limit, struct buf *to, int64_t *next) MUST_USE;

/* Objects of every trial in order, with commas: {trial, label, seed, fold, job, state, failure, pruned_epoch, epoch, epochs, attempt}. */
enum err store_trial_list(struct store_db *db, int64_t sweep, struct buf *to) MUST_USE;
/* What a report is made of, of the trials behind `after` (-1: from the first), as many as a page holds: {trial, images} each, with commas.
   trial: as above, with its spec_hash, monitor, loss, best_epoch, scores{val/...} at that epoch, curve [[epoch, monitor], ...], verdict (of
   its gradients), step_processor_s, losses, nondeterministic; images: the JSON of schema/job/image_scores.h or null. *next: what the next page
   is behind; STORE_ABSENT: there is none. */
enum err store_trial_results(struct store_db *db, int64_t sweep, int64_t after, struct buf *to, int64_t *next) MUST_USE;

/* ---- pruning ---- */
struct rung_row {
    int64_t job, epochs, pruned_epoch; /* pruned_epoch 0: not yet */
    char id[UUID_TEXT];
    enum job_state state;
    bool has_value;
    double value;                      /* of the metric at the end of that many epochs; NaN is a value */
};
/* Every trial in order, with its score after `epochs` epochs. The caller frees *rows. */
enum err store_rung_read(struct store_db *db, int64_t sweep, const char *metric, int64_t epochs, struct rung_row **rows, size_t *count) MUST_USE;
enum err store_trial_prune(struct store_db *db, int64_t job, int64_t epoch) MUST_USE;
/* The next job above `after` that fell behind and is queued, pending or running. ERR_NOT_FOUND. */
enum err store_trial_fallen(struct store_db *db, int64_t sweep, int64_t after, struct job_row *row) MUST_USE;
/* The next sweep above `after` that prunes and has jobs that are queued, pending or running. ERR_NOT_FOUND. */
enum err store_sweep_pruning(struct store_db *db, int64_t after, int64_t *sweep) MUST_USE;

/* ---- claims ---- */
/* The next sweep above `after` that has a queued job; ERR_NOT_FOUND: no more. */
enum err store_share_next(struct store_db *db, int64_t after, int64_t *sweep) MUST_USE;
/* Jobs of the sweep that a worker has, 0 = those of no sweep; and the event of its last claim. */
enum err store_share_of(struct store_db *db, int64_t sweep, int64_t *running, int64_t *served) MUST_USE;
enum err store_share_serve(struct store_db *db, int64_t sweep, int64_t event) MUST_USE;

/* ---- kernels ---- */
/* Whoever claims first holds the shape; nothing happens when it has kernels. */
enum err store_shape_hold(struct store_db *db, int64_t job) MUST_USE;
/* Kernels that the job's worker chose: for the job, and for its shape if that has none. *fresh: the shape has them now for the first time. */
enum err store_shape_fill(struct store_db *db, int64_t job, const char *kernels_json, bool *fresh) MUST_USE;
#endif
