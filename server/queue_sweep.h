/* queue_sweep: the rules of sweeps: create, extend, cancel, read. A sweep is jobs like all others, and what they share. */
#ifndef SERVER_QUEUE_SWEEP_H
#define SERVER_QUEUE_SWEEP_H
#include "server/queue.h"

struct queue_trial {
    const char *label; /* of its variant */
    int64_t seed;
    int fold;                 /* -1: none */
    char shape[SHA256_HEX];   /* jobs that can share their kernels have the same */
    const char *kernels_json; /* given with the spec; NULL: the first of the shape chooses */
};
struct queue_sweep {
    const char *name, *project, *preset, *reference, *spec_json, *not_built_json;
    char spec_hash[SHA256_HEX];
    int64_t duplicates, max_running;
    const char *prune_metric;    /* NULL: nothing is pruned */
    int prune_min_epochs, prune_eta;
    const struct queue_job *jobs; /* `count` of both, in step */
    const struct queue_trial *trials;
    size_t count;
    const char *idempotency_key; /* may be NULL */
    const char *body_sha256, *token_id;
};
/* All jobs or none, one transaction. The same key and digest: the sweep of the first time (existed). Reply: the sweep's view.
   ERR_SPEC with ERR_DATASET_UNKNOWN as in queue_submit, ERR_IDEMPOTENCY. */
enum err queue_sweep_create(struct queue *q, const struct queue_sweep *args, queue_done *done, void *context) MUST_USE;
/* Queues the trials that the sweep does not have. ERR_STATE when it was cancelled, when it prunes otherwise, or when a trial that it has is
   not among them: an extension only adds. Name, reference and max_running become those of the new body. existed: there was nothing to add.
   What it adds belongs to the sweep's owner, whoever asks. */
enum err queue_sweep_extend(struct queue *q, const char *sweep_id, const char *owner, const struct queue_sweep *args, queue_done *done, void *context) MUST_USE;
/* Everything that has not ended: as queue_cancel. existed: cancelled before. */
enum err queue_sweep_cancel(struct queue *q, const char *sweep_id, const char *owner, int64_t grace_ms, queue_done *done, void *context) MUST_USE;
enum err queue_sweep_get(struct queue *q, const char *sweep_id, const char *owner, queue_done *done, void *context) MUST_USE;
/* {"trials": [{trial, label, seed, fold, job, state, failure, pruned_epoch, epoch, epochs, attempt}]} */
enum err queue_sweep_trials(struct queue *q, const char *sweep_id, const char *owner, queue_done *done, void *context) MUST_USE;
/* What a report is made of, a page at a time: {"sweep": the view, "trials": [{"trial": {with scores}, "images": {...} or null}]} of the trials
   behind `after`, -1: from the first. reply.next: what the next page is behind, -1 when this was the last. */
enum err queue_sweep_results(struct queue *q, const char *sweep_id, const char *owner, int64_t after, queue_done *done, void *context) MUST_USE;
/* {"sweeps": [...], "next": cursor or null} */
enum err queue_sweep_list(struct queue *q, const char *owner, const char *project, int limit, int64_t cursor, queue_done *done, void *context) MUST_USE;
#endif
