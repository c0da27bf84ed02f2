/* store_jobs: the statements of the job table and of the keys of submits. */
#include "server/store_jobs.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include "server/store_db.h"

#define COLUMNS \
    " j.number, j.version, j.id, j.token_id, j.state, j.reason, j.phase, j.intent, j.deadline_mono_ms, j.deadline_ms, j.backoff_mono_ms," \
    " j.backoff_ms, j.priority, j.attempt, j.max_attempts, j.failures, j.losses, j.timeout_ms, j.epoch, j.epochs, j.step, j.eta_s," \
    " j.checkpoint_step, j.nondeterministic, j.failure_class, j.failure_message, j.log_bytes, j.metric_points, j.started_at_ms," \
    " j.finished_at_ms, j.sweep "

static int64_t maybe(sqlite3_stmt *st, int column)
{
    return store_is_null(st, column) ? STORE_ABSENT : store_int(st, column);
}

/* Words in the database obey the CHECKs, which a test holds against job_state.tbl. */
static int word(int value)
{
    assert(value >= 0);
    return value;
}

static enum err read_row(sqlite3_stmt *st, struct job_row *r)
{
    int c = 0;
    r->number = store_int(st, c++);
    r->version = store_int(st, c++);
    store_copy(st, c++, r->id, sizeof r->id);
    store_copy(st, c++, r->token_id, sizeof r->token_id);
    r->state = (enum job_state)word(job_state_of_word(store_text(st, c++)));
    r->reason = (enum job_reason)word(job_reason_of_word(store_text(st, c++)));
    r->phase = (enum job_phase)word(job_phase_of_word(store_text(st, c++)));
    store_copy(st, c++, r->intent, sizeof r->intent);
    r->deadline_mono_ms = maybe(st, c++);
    r->deadline_ms = store_int(st, c++);
    r->backoff_mono_ms = maybe(st, c++);
    int64_t *const numbers[] = {&r->backoff_ms, &r->priority, &r->attempt, &r->max_attempts, &r->failures, &r->losses, &r->timeout_ms};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) *numbers[i] = store_int(st, c++);
    r->epoch = maybe(st, c++);
    r->epochs = maybe(st, c++);
    r->step = maybe(st, c++);
    r->eta_s = store_double(st, c++);
    r->checkpoint_step = maybe(st, c++);
    r->nondeterministic = store_int(st, c++) != 0;
    r->failure = (enum job_failure)word(job_failure_of_word(store_text(st, c++)));
    store_copy(st, c++, r->failure_message, sizeof r->failure_message);
    r->log_bytes = store_int(st, c++);
    r->metric_points = store_int(st, c++);
    r->started_at_ms = maybe(st, c++);
    r->finished_at_ms = maybe(st, c++);
    r->sweep = store_int(st, c++);
    assert(c == sqlite3_column_count(st));
    return store_end(st);
}

static const int64_t *or_null(const int64_t *value)
{
    return *value == STORE_ABSENT ? NULL : value;
}

enum err store_job_insert(struct store_db *db, const struct queue_job *job, const char *id, int64_t dataset, const char *token_id,
                          int64_t now_ms, int64_t *number)
{
    static const char sql[] =
        "INSERT INTO job(id, name, project, tags, strategy, dataset, needs_data_path, memory_bytes, spec_hash, token_id, state, priority,"
        " max_attempts, timeout_ms, epochs, created_at_ms) VALUES(?,?,?,?,?,?,?,?,?,?,'queued',?,?,?,?,?)";
    int64_t epochs = job->epochs;
    enum err e = store_run(db, sql, NULL, "tttttoiittiiioi", id, job->name, job->project, job->tags_json, job->strategy,
                           dataset ? &dataset : NULL, (int64_t)job->needs_data_path, job->memory_bytes, job->spec_hash, token_id,
                           (int64_t)job->priority, (int64_t)job->max_attempts, (int64_t)llround(job->timeout_s * 1000), &epochs, now_ms);
    *number = store_last_rowid(db);
    return e;
}

enum err store_job_text_insert(struct store_db *db, int64_t number, const struct queue_job *job)
{
    static const char sql[] = "INSERT INTO job_text(job, spec, loss_resolved, warnings) VALUES(?,?,?,?)";
    return store_run(db, sql, NULL, "ittt", number, job->spec_json, job->loss_resolved_json, job->warnings_json);
}

enum err store_job_set_version(struct store_db *db, int64_t number, int64_t version)
{
    static const char sql[] = "UPDATE job SET version = ? WHERE number = ?";
    return store_run(db, sql, NULL, "ii", version, number);
}

enum err store_job_find(struct store_db *db, const char *id, struct job_row *row)
{
    static const char sql[] = "SELECT" COLUMNS "FROM job j WHERE j.id = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "t", id);
    return e ? e : read_row(st, row);
}

enum err store_job_get(struct store_db *db, int64_t number, struct job_row *row)
{
    static const char sql[] = "SELECT" COLUMNS "FROM job j WHERE j.number = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "i", number);
    return e ? e : read_row(st, row);
}

enum err store_job_save(struct store_db *db, const struct job_row *r)
{
    static const char sql[] =
        "UPDATE job SET version=?, state=?, reason=?, phase=?, intent=?, deadline_mono_ms=?, deadline_ms=?, backoff_mono_ms=?,"
        " backoff_ms=?, priority=?, attempt=?, max_attempts=?, failures=?, losses=?, timeout_ms=?, epoch=?, epochs=?, step=?, eta_s=?,"
        " checkpoint_step=?, nondeterministic=?, failure_class=?, failure_message=?, log_bytes=?, metric_points=?, started_at_ms=?,"
        " finished_at_ms=? WHERE number=?";
    int64_t changes = 0;
    enum err e = store_run(db, sql, &changes, "itttt" "oioiiiiiii" "ooodo" "ittiioo" "i",
        r->version, job_state_word(r->state), job_reason_word(r->reason), job_phase_word(r->phase), r->intent,
        or_null(&r->deadline_mono_ms), r->deadline_ms, or_null(&r->backoff_mono_ms), r->backoff_ms, r->priority, r->attempt,
        r->max_attempts, r->failures, r->losses, r->timeout_ms,
        or_null(&r->epoch), or_null(&r->epochs), or_null(&r->step), r->eta_s, or_null(&r->checkpoint_step),
        (int64_t)r->nondeterministic, job_failure_word(r->failure), r->failure_message, r->log_bytes, r->metric_points,
        or_null(&r->started_at_ms), or_null(&r->finished_at_ms), r->number);
    assert(e || changes == 1);
    return e;
}

#define CLAIMABLE "SELECT" COLUMNS "FROM job j WHERE j.state = 'queued'"
#define FITTING " AND j.needs_data_path <= ?1 AND (?2 = 0 OR j.memory_bytes <= ?2) ORDER BY j.priority DESC, j.number LIMIT 1"
#define HELD /* its shape has no kernels yet, and the job that is to choose them is at it */ \
    " EXISTS (SELECT 1 FROM trial t JOIN sweep_shape k ON k.sweep = t.sweep AND k.shape = t.shape JOIN job h ON h.number = k.holder" \
    " WHERE t.job = j.number AND k.kernels IS NULL AND h.number <> j.number AND h.state IN ('running', 'stopping'))"

enum err store_job_claimable(struct store_db *db, int64_t sweep, bool data_paths, int64_t memory_bytes, struct job_row *row)
{
    static const char of_any[] = CLAIMABLE FITTING, of_none[] = CLAIMABLE " AND j.sweep IS NULL" FITTING,
                      of_sweep[] = CLAIMABLE " AND j.sweep = ?3 AND NOT" HELD FITTING;
    sqlite3_stmt *st;
    enum err e = sweep > 0 ? store_first(db, of_sweep, &st, "iii", (int64_t)data_paths, memory_bytes, sweep)
                           : store_first(db, sweep == CLAIM_OF_ANY ? of_any : of_none, &st, "ii", (int64_t)data_paths, memory_bytes);
    return e ? e : read_row(st, row);
}

enum err store_job_due(struct store_db *db, enum job_due what, int64_t now_mono_ms, struct job_row *row)
{
    static const char *const sql[] = {
        [DUE_LEASE] = "SELECT" COLUMNS "FROM attempt a JOIN job j ON j.number = a.job WHERE a.lease_mono_ms <= ? ORDER BY a.lease_mono_ms LIMIT 1",
        [DUE_BACKOFF] = "SELECT" COLUMNS "FROM job j WHERE j.backoff_mono_ms <= ? ORDER BY j.backoff_mono_ms LIMIT 1",
        [DUE_DEADLINE] = "SELECT" COLUMNS "FROM job j WHERE j.deadline_mono_ms <= ? ORDER BY j.deadline_mono_ms LIMIT 1",
        [DUE_TIMEOUT] = "SELECT" COLUMNS "FROM attempt a JOIN job j ON j.number = a.job WHERE a.lease_mono_ms IS NOT NULL AND"
                        " j.state = 'running' AND j.timeout_ms > 0 AND a.started_mono_ms + j.timeout_ms <= ? LIMIT 1",
    };
    sqlite3_stmt *st;
    enum err e = store_first(db, sql[what], &st, "i", now_mono_ms);
    return e ? e : read_row(st, row);
}

enum err store_job_rearm(struct store_db *db, int64_t now, int64_t lease_ms, int64_t *leases)
{
    static const char lease[] = "UPDATE attempt SET lease_mono_ms = ?, started_mono_ms = ? WHERE lease_mono_ms IS NOT NULL";
    static const char backoff[] = "UPDATE job SET backoff_mono_ms = ? + backoff_ms WHERE backoff_mono_ms IS NOT NULL";
    static const char deadline[] = "UPDATE job SET deadline_mono_ms = ? + deadline_ms WHERE deadline_mono_ms IS NOT NULL";
    static const char seen[] = "UPDATE worker SET seen_mono_ms = NULL WHERE seen_mono_ms IS NOT NULL";
    enum err e = store_run(db, lease, leases, "ii", now + lease_ms, now);
    if (!e) e = store_run(db, backoff, NULL, "i", now);
    if (!e) e = store_run(db, deadline, NULL, "i", now);
    return e ? e : store_run(db, seen, NULL, "");
}

enum err store_job_set_texts(struct store_db *db, int64_t number, const char *result, const char *kernels, const char *loss_resolved)
{
    static const char sql[] = "UPDATE job_text SET result = coalesce(?, result), kernels = coalesce(kernels, ?),"
                              " loss_resolved = coalesce(?, loss_resolved) WHERE job = ?";
    return store_run(db, sql, NULL, "ttti", result, kernels, loss_resolved, number);
}

enum err store_key_find(struct store_db *db, const char *token_id, const char *key, struct idempotency_row *row)
{
    static const char sql[] = "SELECT body_sha256, is_array, job_first, job_last FROM idempotency WHERE token_id = ? AND key = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "tt", token_id, key);
    if (e) return e;
    store_copy(st, 0, row->body_sha256, sizeof row->body_sha256);
    row->is_array = store_int(st, 1) != 0;
    row->job_first = store_int(st, 2);
    row->job_last = store_int(st, 3);
    return store_end(st);
}

enum err store_key_insert(struct store_db *db, const char *token_id, const char *key, const struct idempotency_row *row, int64_t now_ms)
{
    static const char sql[] = "INSERT INTO idempotency(token_id, key, body_sha256, is_array, job_first, job_last, created_at_ms) VALUES(?,?,?,?,?,?,?)";
    return store_run(db, sql, NULL, "tttiiii", token_id, key, row->body_sha256, (int64_t)row->is_array, row->job_first, row->job_last, now_ms);
}

enum err store_key_purge(struct store_db *db, int64_t before_ms)
{
    static const char sql[] = "DELETE FROM idempotency WHERE (token_id, key) IN"
                              " (SELECT token_id, key FROM idempotency WHERE created_at_ms < ? LIMIT 1000)";
    return store_run(db, sql, NULL, "i", before_ms);
}
