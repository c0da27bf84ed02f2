/* store_jobs: SQL of the job: insert, find, save what the rules changed, who may be claimed, what is due. */
#ifndef SERVER_STORE_JOBS_H
#define SERVER_STORE_JOBS_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/base/uuid.h"
#include "schema/job/job_state.h"
#include "server/queue_job.h"
#include "server/store.h"

enum { STORE_ABSENT = -1 /* for numbers that may be missing: steps, epochs, monotonic times */, STORE_NAME_BYTES = 65,
       STORE_TOKEN_BYTES = 33 };

struct job_row {
    int64_t number, version;
    char id[UUID_TEXT], token_id[STORE_TOKEN_BYTES]; /* whose token submitted it */
    enum job_state state;
    enum job_reason reason;
    enum job_phase phase;
    char intent[12];                 /* "", cancel, pause, preempt, prune, timeout */
    int64_t deadline_mono_ms, deadline_ms;
    int64_t backoff_mono_ms, backoff_ms;
    int64_t priority, attempt, max_attempts, failures, losses, timeout_ms;
    int64_t epoch, epochs, step;     /* STORE_ABSENT */
    double eta_s;                    /* NaN = absent */
    int64_t checkpoint_step;         /* STORE_ABSENT */
    bool nondeterministic;
    enum job_failure failure;
    char failure_message[400];
    int64_t log_bytes, metric_points;
    int64_t started_at_ms, finished_at_ms; /* STORE_ABSENT */
    int64_t sweep;                   /* its number; 0 = none */
};

/* `dataset` is a dataset row's number, 0 for none. State queued. */
enum err store_job_insert(struct store_db *db, const struct queue_job *job, const char *id, int64_t dataset, const char *token_id,
                          int64_t now_ms, int64_t *number) MUST_USE;
enum err store_job_text_insert(struct store_db *db, int64_t number, const struct queue_job *job) MUST_USE;
enum err store_job_set_version(struct store_db *db, int64_t number, int64_t version) MUST_USE; /* nothing else changed */
enum err store_job_find(struct store_db *db, const char *id, struct job_row *row) MUST_USE; /* ERR_NOT_FOUND */
enum err store_job_get(struct store_db *db, int64_t number, struct job_row *row) MUST_USE;
enum err store_job_save(struct store_db *db, const struct job_row *row) MUST_USE; /* every field but the key */
/* The next job for a worker that can do this: priority, then age. ERR_NOT_FOUND: none. Of a sweep, those are left out that wait for
   another to choose their kernels. */
enum { CLAIM_OF_NO_SWEEP = 0, CLAIM_OF_ANY = -1 };
enum err store_job_claimable(struct store_db *db, int64_t sweep, bool data_paths, int64_t memory_bytes, struct job_row *row) MUST_USE;

/* What is due at `now` (monotonic), oldest first; ERR_NOT_FOUND: nothing. */
enum job_due { DUE_LEASE, DUE_BACKOFF, DUE_DEADLINE, DUE_TIMEOUT };
enum err store_job_due(struct store_db *db, enum job_due what, int64_t now_mono_ms, struct job_row *row) MUST_USE;
/* At the start of the daemon: every lease, backoff, deadline and timeout begins anew. *leases = live ones. */
enum err store_job_rearm(struct store_db *db, int64_t now_mono_ms, int64_t lease_ms, int64_t *leases) MUST_USE;

/* Texts that only some rules touch. NULL leaves what is there. */
enum err store_job_set_texts(struct store_db *db, int64_t number, const char *result, const char *kernels, const char *loss_resolved) MUST_USE;

/* ---- keys of submits ---- */
struct idempotency_row {
    char body_sha256[SHA256_HEX];
    bool is_array;
    int64_t job_first, job_last;
};
enum err store_key_find(struct store_db *db, const char *token_id, const char *key, struct idempotency_row *row) MUST_USE;
enum err store_key_insert(struct store_db *db, const char *token_id, const char *key, const struct idempotency_row *row, int64_t now_ms) MUST_USE;
enum err store_key_purge(struct store_db *db, int64_t before_ms) MUST_USE; /* at most 1000 at once */
#endif
