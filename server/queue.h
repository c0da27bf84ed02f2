/* queue: the rules of jobs: submit, claim, lease, metrics, finish, retry, cancel. Knows neither HTTP nor SQL. */
#ifndef SERVER_QUEUE_H
#define SERVER_QUEUE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "schema/base/sha256.h"
#include "schema/base/uuid.h"
#include "schema/job/job_spec.h"
#include "schema/job/metric.h"
#include "server/queue_job.h"
#include "server/store.h"

/* How to call: fill the operation's struct, call queue_OPERATION(q, &args, done, context).
     - All arguments are copied before the call returns; strings may be NULL for "absent" where it says so.
     - OK: done(context, reply) comes exactly once, on the store thread, after the commit. It must be cheap and never wait.
     - ERR_BUSY (503): the store's queue is full or closing; done will not come.
     - reply->error OK: `json` is the whole body for the wire (NULL where there is none); else `note` says why.
       The reply lives until done returns; queue_take_json gives the text to the caller, who free()s it.
   `owner`: NULL shows everything (to an admin, or without tokens); else the id of the caller's token: jobs and sweeps that another one
   submitted are ERR_NOT_FOUND, and in no list.
   Reads are commands, too. Ids are checked here: an id that is none is ERR_NOT_FOUND. */
struct queue;

struct queue_settings {
    int64_t lease_ms;          /* 0 = 30,000 */
    int64_t stop_grace_ms;     /* from a cancel to the server closing the attempt itself; 0 = 30,000 */
    int64_t backoff_ms;        /* before the first retry, doubled each time; 0 = 10,000; at most 2^10 times it */
    int poison_losses;         /* losses in a row without a newer checkpoint; 0 = 5 */
    int64_t log_bytes_max;     /* kept per job; 0 = 16 MiB */
    int64_t metric_points_max; /* per job; 0 = 2,000,000 */
    int64_t idempotency_ms;    /* how long a key is remembered; 0 = 24 h */
};

struct queue_reply {
    enum err error;
    struct err_note note;
    char *json;              /* body, NUL-terminated; taken with queue_take_json */
    size_t json_bytes;
    char id[UUID_TEXT];      /* job (submit of one, claim) or worker (register) */
    int64_t version;         /* of the job: the id of its last event (ETag; ?after=). For lists: of the whole store */
    int64_t next;            /* lists: cursor of the next page, 0 = last page. logs: offset to go on from */
    bool existed;            /* submit: replay of the key (200); artifact: it was there already (200) */
    bool idle;               /* heartbeat: command is none; claim: nothing to claim (json NULL): the caller may park */
    /* a blob (artifact, checkpoint, data set) to open with blob_open */
    char sha256[SHA256_HEX]; /* "" when there is none */
    int64_t bytes;
    char name[NAME_MAX_BYTES + 1];
};
typedef void queue_done(void *context, struct queue_reply *reply);
char *queue_take_json(struct queue_reply *reply, size_t *bytes);

/* The store outlives the queue. `blobs` may be NULL (tests without files). At open every live lease is armed anew
   and every backoff starts over. ERR_IO. */
struct blob_store;
enum err queue_open(struct store *s, struct blob_store *blobs, const struct queue_settings *settings, struct queue **q, struct err_note *note) MUST_USE;
void queue_close(struct queue *q); /* before store_close, after the reaper and http have stopped */
int64_t queue_lease_ms(const struct queue *q);
int64_t queue_heartbeat_ms(const struct queue *q); /* a quarter of the lease */

/* ---- submit ------------------------------------------------------------------------------------------ */
struct queue_submit {
    const struct queue_job *jobs;
    size_t count;                /* 1..1000, all or none, one transaction */
    bool is_array;               /* reply: an array even for one */
    bool dry_run;                /* checks that the data sets exist and writes nothing; reply without json */
    const char *idempotency_key; /* may be NULL */
    const char *body_sha256;     /* hex; with a key: same key and digest = the same jobs again (existed), other digest = ERR_IDEMPOTENCY */
    const char *token_id;        /* who submits; keys are per token */
};
/* ERR_SPEC with the one note ERR_DATASET_UNKNOWN ("/dataset" or "/3/dataset", nearest name). Reply: the job view, or an array. */
enum err queue_submit(struct queue *q, const struct queue_submit *args, queue_done *done, void *context) MUST_USE;

/* ---- jobs: read and steer ------------------------------------------------------------------------------ */
/* The job view: id name project tags strategy dataset state reason{code,message,position} phase intent priority attempt
   max_attempts losses nondeterministic spec_hash version created_at_ms started_at_ms finished_at_ms
   progress{epoch,epochs,step,eta_s} latest{series: value} failure{class,message} result; the full one adds
   spec loss_resolved kernels warnings, and log_tail[] (last 20 lines) of a failed one. */
enum err queue_get(struct queue *q, const char *job_id, const char *owner, queue_done *done, void *context) MUST_USE;
struct queue_list {
    const char *owner;
    const char *states;   /* "running,queued"; may be NULL: all. An unknown word: ERR_BAD_REQUEST */
    const char *project, *tag, *strategy, *name; /* exact; name: a part of it; may be NULL */
    const char *sweep;    /* id; may be NULL. Unknown: ERR_NOT_FOUND */
    int limit;            /* 1..500 */
    int64_t cursor;       /* 0 = newest first, then reply->next */
};
/* {"jobs": [...], "next": cursor or null} */
enum err queue_list(struct queue *q, const struct queue_list *args, queue_done *done, void *context) MUST_USE;
/* Waiting: cancelled at once. Running: stopping, the worker is told, at the deadline the server closes it. Asked again: the same
   answer. Other ends: ERR_STATE. Reply: the job view. */
enum err queue_cancel(struct queue *q, const char *job_id, const char *owner, int64_t grace_ms /* 0 = setting */, queue_done *done, void *context) MUST_USE;
/* failed, cancelled -> queued, attempt number goes on; from_start forgets the checkpoints. */
enum err queue_retry(struct queue *q, const char *job_id, const char *owner, bool from_start, queue_done *done, void *context) MUST_USE;
/* {"attempts": [{attempt, worker{id,name,host}, started_at_ms, ended_at_ms, outcome, resume_step, failure{class,message}}]} */
enum err queue_attempts(struct queue *q, const char *job_id, const char *owner, queue_done *done, void *context) MUST_USE;
struct queue_read_metrics {
    const char *job_id, *owner;
    const char *series;   /* comma list of names or of prefixes ending in '/'; NULL = all */
    int64_t from, to;     /* steps, inclusive; to < 0 = no end */
    bool csv;             /* text/csv: x,step, then a column a series; empty where there is no value */
};
/* {"job", "version", "series": [{name, kind, x, steps[], values[]}]}; at most 200,000 points a reply: then ERR_TOO_LARGE says to narrow it. */
enum err queue_read_metrics(struct queue *q, const struct queue_read_metrics *args, queue_done *done, void *context) MUST_USE;
/* Log text from byte `after` on, at most `limit` bytes, whole lines; json is plain text here. reply->next = offset behind it. */
enum err queue_read_logs(struct queue *q, const char *job_id, const char *owner, int64_t after, int64_t limit, queue_done *done, void *context) MUST_USE;
/* {"events": [{id, at_ms, job, kind, data{}}], "next": id}; job_id NULL = all jobs. `each` as below gives them one by one for SSE. */
enum err queue_read_events(struct queue *q, const char *job_id, const char *owner, int64_t after, int limit, queue_done *done, void *context) MUST_USE;
/* The same page row by row (on the store thread, before done; json NULL): `data` is what on_event gave. reply->next = id of
   the last row looked at, or `after` when there was none; idle = the page was not full. Rows of other owners are passed over. */
typedef void queue_event_row(void *context, int64_t event_id, const char *job_id, const char *kind, const char *data);
enum err queue_each_event(struct queue *q, const char *job_id, const char *owner, int64_t after, int limit, queue_event_row *each, queue_done *done, void *context) MUST_USE;
/* {"jobs": {"queued": n, ...}, "workers": {"alive": n}, "oldest_queued_s": n} for /metrics and /readyz. */
enum err queue_counts(struct queue *q, queue_done *done, void *context) MUST_USE;

/* ---- artifacts and data sets (the bytes are in blob.h) ---------------------------------------------------- */
/* What its validation images scored: the JSON of schema/job/image_scores.h, or null. */
enum err queue_images(struct queue *q, const char *job_id, const char *owner, queue_done *done, void *context) MUST_USE;
/* {"artifacts": [{name, kind, sha256, bytes, attempt, step, epoch, score, created_at_ms}]} */
enum err queue_artifacts(struct queue *q, const char *job_id, const char *owner, queue_done *done, void *context) MUST_USE;
/* sha256, bytes, name in the reply; json the row. ERR_NOT_FOUND. */
enum err queue_artifact(struct queue *q, const char *job_id, const char *owner, const char *name, queue_done *done, void *context) MUST_USE;
struct queue_dataset_put {
    const char *name;          /* ^[a-z0-9][a-z0-9._-]{0,63}$, else ERR_SPEC */
    const char *sha256;        /* of the archive, already in the blob store; NULL with a generator */
    int64_t bytes;
    const char *generate_json; /* {"kind": ...}; NULL with an archive */
    const char *token_id;
};
/* New: json the row. The same content under the same name: existed. Other content: replaced for jobs submitted from now on;
   jobs that wait keep the content they were submitted with. */
enum err queue_dataset_put(struct queue *q, const struct queue_dataset_put *args, queue_done *done, void *context) MUST_USE;
/* {"datasets": [{name, sha256, bytes, generate, created_at_ms}]} */
enum err queue_datasets(struct queue *q, queue_done *done, void *context) MUST_USE;
enum err queue_dataset(struct queue *q, const char *name, queue_done *done, void *context) MUST_USE;
/* A data set's archive by digest, for workers: sha256, bytes in the reply. */
enum err queue_dataset_blob(struct queue *q, const char *sha256, queue_done *done, void *context) MUST_USE;

/* ---- workers --------------------------------------------------------------------------------------------- */
struct queue_register {
    int protocol;              /* 1, else ERR_UPGRADE */
    const char *name, *host, *version, *labels_json;
    int64_t pid;
    int threads;
    int64_t memory_bytes;      /* 0 = not known */
    bool data_paths;
    const char *token_id;
};
/* {"worker_id", "protocol", "lease_ms", "heartbeat_ms"} */
enum err queue_register(struct queue *q, const struct queue_register *args, queue_done *done, void *context) MUST_USE;
/* {"workers": [{id, name, host, pid, version, labels, threads, memory_bytes, data_paths, state: idle|busy|away, jobs[], seen_s, registered_at_ms}]} */
enum err queue_workers(struct queue *q, const char *owner, queue_done *done, void *context) MUST_USE;
/* Priority, then age, what the worker can do. json = the claim of schema/README.md, or NULL and idle. The same claim_key again gives
   the same lease with the same token. ERR_NOT_FOUND: this worker is not known, register again. */
enum err queue_claim(struct queue *q, const char *worker_id, const char *claim_key, queue_done *done, void *context) MUST_USE;

/* Every write of a worker names its lease. ERR_LEASE_LOST when it is not the current one, ERR_NOT_FOUND for no such job. */
struct queue_lease {
    const char *job_id;
    int attempt;
    const char *token;
};
/* Only the check, e.g. before the bytes of an artifact are taken. Reply without json. */
enum err queue_check_lease(struct queue *q, const struct queue_lease *lease, queue_done *done, void *context) MUST_USE;
struct queue_heartbeat {
    struct queue_lease lease;
    bool look;             /* only looks for a command: a parked heartbeat that was woken. Renews and stores nothing */
    const char *phase;     /* NULL = absent, as it was */
    int64_t epoch, epochs, step; /* -1 = absent */
    double eta_s;          /* negative = absent */
    const char *kernels_json; /* what this job trains with, told once it is chosen: its sweep shares it. NULL = absent */
};
/* {"lease_ms", "command", "deadline_ms"}; idle when the command is none. */
enum err queue_heartbeat(struct queue *q, const struct queue_heartbeat *args, queue_done *done, void *context) MUST_USE;
struct queue_metrics {
    struct queue_lease lease;
    struct metric_batch *batch; /* its memory is taken when OK is returned: the batch is empty then. -0 is kept as 0 */
};
/* Reply without json. ERR_NONDETERMINISTIC: other content under a used seq. */
enum err queue_metrics(struct queue *q, const struct queue_metrics *args, queue_done *done, void *context) MUST_USE;
struct queue_log_line {
    int64_t at_ms;
    const char *level, *text;
};
struct queue_logs {
    struct queue_lease lease;
    int64_t seq;
    const struct queue_log_line *lines;
    size_t count;
};
enum err queue_logs(struct queue *q, const struct queue_logs *args, queue_done *done, void *context) MUST_USE;
struct queue_artifact_put {
    struct queue_lease lease;
    const char *name;      /* ^[a-z0-9][a-z0-9._-]{0,63}$ */
    const char *kind;      /* checkpoint|model|preview|curve|other */
    const char *sha256;    /* already in the blob store */
    int64_t bytes;
    int64_t step, epoch;   /* -1 = absent */
    bool has_score;
    double score;
};
/* {"name", "sha256", "bytes"}; existed when the same content was there. A newer checkpoint-last resets the loss counters. */
enum err queue_artifact_put(struct queue *q, const struct queue_artifact_put *args, queue_done *done, void *context) MUST_USE;
struct queue_finish {
    struct queue_lease lease;
    const char *outcome;         /* succeeded|failed|cancelled|paused|pruned */
    const char *result_json;     /* may be NULL */
    const char *images_json;     /* of schema/job/image_scores.h, checked; with succeeded, may be NULL */
    const char *failure_class, *failure_message; /* with failed */
    const char *kernels_json, *loss_resolved_json; /* may be NULL */
};
/* {"state"}; the same outcome again with the same token: the same answer. */
enum err queue_finish(struct queue *q, const struct queue_finish *args, queue_done *done, void *context) MUST_USE;
/* Back to queued at no cost (drain, preempt). {"state"} */
enum err queue_release(struct queue *q, const struct queue_lease *lease, const char *reason, queue_done *done, void *context) MUST_USE;

/* ---- housekeeping ------------------------------------------------------------------------------------------ */
/* Expired leases, ended backoffs, passed deadlines, old idempotency keys: what the reaper asks for. `done` may be NULL. */
enum err queue_reap(struct queue *q, queue_done *done, void *context) MUST_USE;
/* Copies the live database to backups/NAME.db (a new name each time), a slice between batches. {"path", "bytes"} */
enum err queue_backup(struct queue *q, queue_done *done, void *context) MUST_USE;
#endif
