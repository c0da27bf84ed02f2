/* job_view: what a reader is told of a job, as one table of rows; the same for a row of the database and for a job that has just come in. */
#ifndef SERVER_JOB_VIEW_H
#define SERVER_JOB_VIEW_H
#include "schema/base/buf.h"
#include "server/queue_job.h"
#include "server/store_workers.h"

/* Words and ids that do not apply are "" or NULL, numbers STORE_ABSENT, seconds NaN; *_json are texts that are JSON already. Borrowed. */
struct job_view {
    const char *id, *name, *project, *sweep, *strategy, *dataset_json, *state;
    struct {
        const char *code; /* NULL: it does not wait */
        char message[96];
        int64_t position;
    } reason;
    const char *phase, *intent;
    int64_t priority, attempt, max_attempts, losses;
    bool nondeterministic;
    const char *spec_hash;
    int64_t version, created_at_ms, started_at_ms, finished_at_ms;
    struct {
        int64_t epoch, epochs, step;
        double eta_s;
    } progress;
    struct {
        const char *class, *message;
    } failure;
    const char *tags_json, *result_json;
    bool has_texts; /* the long ones below */
    const char *spec_json, *loss_resolved_json, *kernels_json, *warnings_json;
};

/* A job that was inserted a moment ago. */
void job_view_of_new(struct job_view *v, const struct queue_job *job, const char *id, int64_t version, int64_t now_ms);
/* Why a queued job still waits, and what would help. */
void job_view_waits(struct job_view *v, const struct worker_tally *tally, bool needs_data_path, int64_t memory_bytes, int64_t position);
/* Appends the object without its last brace: `latest` and `log_tail` follow. */
enum err job_view_print(const struct job_view *v, struct buf *to) MUST_USE;
#endif
