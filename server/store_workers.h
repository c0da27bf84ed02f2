/* store_workers: SQL of workers and of attempts: who holds which lease. */
#ifndef SERVER_STORE_WORKERS_H
#define SERVER_STORE_WORKERS_H
#include "schema/base/buf.h"
#include "server/store_jobs.h"

struct worker_new {
    const char *id, *name, *host, *version, *labels_json, *token_id;
    int64_t pid, threads, memory_bytes;
    bool data_paths;
};
struct worker_row {
    int64_t number, memory_bytes;
    bool data_paths;
};
/* Who is alive, has called within `away_ms`: for the reasons of waiting jobs. */
struct worker_tally {
    int64_t alive, alive_with_paths, largest_memory_bytes /* of the alive; 0 = one does not say */;
};
enum err store_worker_insert(struct store_db *db, const struct worker_new *w, int64_t now_ms, int64_t now_mono_ms) MUST_USE;
enum err store_worker_find(struct store_db *db, const char *id, struct worker_row *row) MUST_USE;
enum err store_worker_seen(struct store_db *db, int64_t number, int64_t now_ms, int64_t now_mono_ms) MUST_USE;
enum err store_worker_tally(struct store_db *db, int64_t since_mono_ms, struct worker_tally *tally) MUST_USE;
/* The objects of "workers", newest first, with commas. `away_since`: seen before it = away. */
enum err store_worker_list(struct store_db *db, const char *owner, int64_t since_mono_ms, int64_t now_mono_ms, struct buf *to) MUST_USE;

struct attempt_row {
    int64_t job, attempt, worker;
    char token_sha256[SHA256_HEX];
    bool live;
    char outcome[16], end_state[16];
    int64_t resume_step;
};
struct attempt_new {
    int64_t job, attempt, worker, lease_mono_ms, resume_step /* STORE_ABSENT */;
    const char *claim_key, *token_sha256;
};
enum err store_attempt_insert(struct store_db *db, const struct attempt_new *a, int64_t now_ms, int64_t now_mono_ms) MUST_USE;
enum err store_attempt_find(struct store_db *db, int64_t job, int64_t attempt, struct attempt_row *row) MUST_USE;
enum err store_attempt_by_key(struct store_db *db, int64_t worker, const char *claim_key, struct attempt_row *row) MUST_USE;
enum err store_attempt_renew(struct store_db *db, int64_t job, int64_t attempt, int64_t lease_mono_ms) MUST_USE;
/* `end_state`: what the job became. */
enum err store_attempt_end(struct store_db *db, const struct job_row *job, const char *outcome, enum job_failure failure, const char *message, int64_t now_ms) MUST_USE;
/* The objects of "attempts", oldest first, with commas. */
enum err store_attempt_list(struct store_db *db, int64_t job, struct buf *to) MUST_USE;
#endif
