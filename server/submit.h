/* submit: the body of a submit, read, checked and resolved: one job or an array of them, all or none. */
#ifndef SERVER_SUBMIT_H
#define SERVER_SUBMIT_H
#include <stdbool.h>
#include <stddef.h>
#include "schema/base/buf.h"
#include "schema/base/sha256.h"
#include "server/queue.h"

enum { SUBMIT_JOBS_MAX = 1000, SUBMIT_JOB_BYTES_MAX = 256 << 10 };
struct submission {
    struct queue_job *jobs;   /* with their texts: resolved spec, loss_resolved, warnings [{code, pointer, detail}] */
    char **texts;             /* of each job, in one block: what its pointers point into */
    size_t count;
    bool is_array;
    char body_sha256[SHA256_HEX];
};

struct submission *submission_new(void);
void submission_free(struct submission *s);
/* ERR_BAD_JSON, ERR_TOO_LARGE with a note; ERR_SPEC with every mistake in `errors`, pointers begin with the index in an array. */
enum err submission_read(struct submission *s, const char *body, size_t length, struct err_list *errors, struct err_note *note) MUST_USE;
/* Fewer values than would become a hundred times their text in memory; else false and the note. Asked before anything is built. */
bool submission_values_fit(const char *body, size_t length, struct err_note *note);
/* An array of job specs that is no body of its own: a sweep's. ERR_SPEC; pointers begin with the index. */
enum err submission_read_jobs(struct submission *s, const json_t *jobs, struct err_list *errors) MUST_USE;
/* Adds ERR_MEMORY_PREDICTED for each job that is predicted to need more than `bytes_max` (0 = no limit), which `whose` sets. */
void submission_check_memory(const struct submission *s, int64_t bytes_max, const char *whose, struct err_list *errors);
/* The same against the largest worker that is alive: `workers_json` is the queue's answer. Says nothing when there is none, or one that
   did not tell its memory. */
void submission_check_workers(const struct submission *s, const char *workers_json, struct err_list *errors);
/* The answer of ?dry_run=1: {dry_run, spec, spec_hash, loss_resolved, warnings, memory_bytes, memory_assumes}, or {dry_run, jobs[]}. */
enum err submission_dry_run(const struct submission *s, struct buf *to) MUST_USE;
#endif
