/* queue_share: whose turn it is: single jobs and sweeps share the workers, and nobody starves. Everything is read from the database. */
#include "server/queue_rules.h"
#include "server/store_sweeps.h"

/* All single jobs together are one party, every sweep is one. Of those with a job that this worker can do now:
   the highest priority first; then the party with the fewest jobs at workers; then the one whose last claim is longest ago; then age.
   With one worker that alternates; with many each party gets its equal part, and what one cannot use goes to the others. */
struct party {
    int64_t sweep, running, served; /* sweep 0: single jobs */
    struct job_row job;             /* its next */
};

static bool goes_before(const struct party *a, const struct party *b)
{
    if (a->job.priority != b->job.priority) return a->job.priority > b->job.priority;
    if (a->running != b->running) return a->running < b->running;
    if (a->served != b->served) return a->served < b->served;
    return a->job.number < b->job.number;
}

/* OK and the party's next job, or ERR_NOT_FOUND: nothing for this worker, or the sweep runs as many as it may. */
static enum err ask_party(struct store_db *db, int64_t sweep, const struct worker_row *worker, struct party *party)
{
    struct sweep_row row = {0};
    party->sweep = sweep;
    enum err e = store_share_of(db, sweep, &party->running, &party->served);
    if (!e && sweep) e = store_sweep_get(db, sweep, &row);
    if (!e && row.max_running && party->running >= row.max_running) return ERR_NOT_FOUND;
    return e ? e : store_job_claimable(db, sweep ? sweep : CLAIM_OF_NO_SWEEP, worker->data_paths, worker->memory_bytes, &party->job);
}

enum err queue_next_job(struct store_db *db, const struct worker_row *worker, struct job_row *job)
{
    struct party best, other;
    int64_t sweep = 0;
    enum err e = store_share_next(db, 0, &sweep);
    if (e == ERR_NOT_FOUND) return store_job_claimable(db, CLAIM_OF_ANY, worker->data_paths, worker->memory_bytes, job); /* no sweep waits: the quick way */
    if (e) return e;
    enum err found = ask_party(db, 0, worker, &best);
    while (e == OK && (found == OK || found == ERR_NOT_FOUND)) {
        enum err asked = ask_party(db, sweep, worker, &other);
        if (asked && asked != ERR_NOT_FOUND) return asked;
        if (!asked && (found || goes_before(&other, &best))) best = other;
        if (!asked) found = OK;
        e = store_share_next(db, sweep, &sweep);
    }
    if (e && e != ERR_NOT_FOUND) return e;
    if (found == OK) *job = best.job;
    return found;
}

/* After the claim: `job` has the version of its event. */
enum err queue_claimed(struct store_db *db, const struct job_row *job)
{
    int64_t sweep;
    enum err e = job->sweep ? store_shape_hold(db, job->number) : store_share_next(db, 0, &sweep);
    if (e == ERR_NOT_FOUND) return OK; /* no sweep waits: nobody to take turns with */
    return e ? e : store_share_serve(db, job->sweep, job->version);
}
