/* queue_rules: the inside of the queue: one call from post to answer, the one function that moves a job, the losses. */
#ifndef SERVER_QUEUE_RULES_H
#define SERVER_QUEUE_RULES_H
#include "schema/base/buf.h"
#include "server/blob.h"
#include "server/queue.h"
#include "server/store_jobs.h"
#include "server/store_workers.h"

enum { PROTOCOL = 1, TOKEN_BYTES = 33 /* 32 hex digits and the NUL */, FREED_MAX = 8, REPLY_BYTES_MAX = 48 << 20,
       LOSS_BACKOFF_DOUBLINGS_MAX = 10, MESSAGE_BYTES = 400 };

struct queue {
    struct store *store;
    struct blob_store *blobs;
    struct queue_settings settings;
    char secret[SHA256_HEX]; /* makes a lease token of a claim; in a file of its own, not in the database */
};

/* One operation on its way: made and filled in the caller's thread, ruled on the store thread, answered after the commit.
   Operations embed it as their first member. */
struct queue_call {
    struct store_command command;
    struct queue *queue;
    enum err (*rule)(struct queue_call *c, struct store_db *db); /* may run twice: see store.h */
    void (*fini)(struct queue_call *c);                          /* frees what the operation owns; may be NULL */
    queue_done *done;
    void *context;
    const char *owner;       /* only what this token submitted is there for the caller; NULL: everything */
    struct queue_reply reply;
    struct buf body;
    struct kept *kept;       /* copies of arguments, in blocks */
    const char *settles;     /* digest of an upload whose row this call writes; NULL: none */
    char freed[FREED_MAX][SHA256_HEX]; /* blobs whose files go after the commit */
    size_t freed_count;
};
/* `size` of the whole operation, zeroed. */
void *queue_call_new(struct queue *q, size_t size, enum err (*rule)(struct queue_call *, struct store_db *), queue_done *done, void *context);
const char *queue_keep(struct queue_call *c, const char *text); /* a copy that lives as long as the call; NULL stays NULL */
const char *queue_keep_or(struct queue_call *c, const char *text, const char *otherwise);
/* ERR_BUSY: the call is freed. */
enum err queue_post(struct queue_call *c, enum store_priority priority) MUST_USE;
/* For rules: fills the reply's note and returns `e`. */
#define queue_refuse(c, e, pointer, ...) err_set(&(c)->reply.note, e, pointer, __VA_ARGS__)

/* ---- what rules share ---- */
enum err queue_find_job(struct queue_call *c, struct store_db *db, const char *id, struct job_row *job) MUST_USE;
int64_t queue_away_ms(const struct queue *q); /* a worker not heard of for so long is away */
enum err queue_tally(const struct queue *q, struct store_db *db, struct worker_tally *tally) MUST_USE;
/* The one function through which a job changes its state: asserts that the table allows it, writes the event, saves the row. */
enum err queue_move(struct store_db *db, struct job_row *job, enum job_state to, enum job_mover who) MUST_USE;
/* Something else that is worth an event happened to it: writes the row and saves the job. `told` as in store_event_add. */
enum err queue_note(struct store_db *db, struct job_row *job, const char *kind, const char *data, const char *told) MUST_USE;

/* Nothing that has ended: cancelled at once when it waits, asked to stop when it runs. */
enum err queue_cancel_job(const struct queue *q, struct store_db *db, struct job_row *job, int64_t grace_ms) MUST_USE;
struct queue_job queue_keep_job(struct queue_call *c, const struct queue_job *job); /* its texts are kept */

/* ---- sweeps ---- */
struct sweep_row;
enum err queue_find_sweep(struct queue_call *c, struct store_db *db, const char *id, struct sweep_row *sweep) MUST_USE;
/* Whose turn it is (queue_share.c): the job that this worker is to have. ERR_NOT_FOUND: none. */
enum err queue_next_job(struct store_db *db, const struct worker_row *worker, struct job_row *job) MUST_USE;
enum err queue_claimed(struct store_db *db, const struct job_row *job) MUST_USE; /* it was given that job */
/* Which trials go on (queue_prune.c): after metrics of one, and of every sweep, as often as there is time. Nothing without pruning. */
struct metric_batch;
enum err queue_prune_after(const struct queue *q, struct store_db *db, const struct job_row *job, const struct metric_batch *batch) MUST_USE;
enum err queue_prune_all(const struct queue *q, struct store_db *db) MUST_USE;

/* ---- leases ---- */
struct lease_keep { /* a queue_lease kept by a call */
    char job_id[UUID_TEXT], token_sha256[SHA256_HEX];
    int attempt;
};
void queue_lease_keep(struct lease_keep *to, const struct queue_lease *lease);
/* Is this the job's newest attempt, alive, with that token, and the job running or stopping? ERR_LEASE_LOST, ERR_NOT_FOUND.
   `attempt` may be NULL. */
enum err queue_lease_check(struct queue_call *c, struct store_db *db, const struct lease_keep *lease, struct job_row *job, struct attempt_row *attempt) MUST_USE;

/* ---- ends of attempts ---- */
/* The running attempt has ended badly: closes it and decides: again at once, after a pause, or never. */
enum err queue_attempt_failed(const struct queue *q, struct store_db *db, struct job_row *job, enum job_failure failure, const char *message, enum job_mover who) MUST_USE;
enum err queue_attempt_lost(const struct queue *q, struct store_db *db, struct job_row *job) MUST_USE;
/* The attempt ends as what was asked for (cancel, pause, ...): closes it and moves the job there. */
enum err queue_attempt_stopped(struct store_db *db, struct job_row *job, const char *outcome, enum job_mover who) MUST_USE;
/* Closes the attempt with the state that `job` has by now. */
enum err queue_ask_to_stop(const struct queue *q, struct store_db *db, struct job_row *job, const char *intent, int64_t grace_ms, enum job_mover who) MUST_USE;
/* Drops all checkpoints of a job; their files go after the commit. */
enum err queue_drop_checkpoints(struct queue_call *c, struct store_db *db, int64_t job) MUST_USE;
/* A row that named this digest is gone: the blob goes, too, if nothing else names it. */
enum err queue_free_blob(struct queue_call *c, struct store_db *db, const char *sha256) MUST_USE;

enum err queue_job_view(struct queue_call *c, struct store_db *db, const struct job_row *job, bool full) MUST_USE; /* into the body */
#endif
