/* store_workers: the statements of the worker and attempt tables. */
#include "server/store_workers.h"

#include <assert.h>
#include "server/store_db.h"
#include "server/store_views.h"

enum err store_worker_insert(struct store_db *db, const struct worker_new *w, int64_t now_ms, int64_t now_mono_ms)
{
    static const char sql[] = "INSERT INTO worker(id, name, host, pid, version, labels, threads, memory_bytes, data_paths, token_id,"
                              " registered_at_ms, seen_at_ms, seen_mono_ms) VALUES(?,?,?,?,?,?,?,?,?,?,?11,?11,?)";
    return store_run(db, sql, NULL, "tttittiiitii", w->id, w->name, w->host, w->pid, w->version, w->labels_json, w->threads,
                     w->memory_bytes, (int64_t)w->data_paths, w->token_id, now_ms, now_mono_ms);
}

enum err store_worker_find(struct store_db *db, const char *id, struct worker_row *row)
{
    static const char sql[] = "SELECT number, memory_bytes, data_paths FROM worker WHERE id = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "t", id);
    if (e) return e;
    *row = (struct worker_row){store_int(st, 0), store_int(st, 1), store_int(st, 2) != 0};
    return store_end(st);
}

enum err store_worker_seen(struct store_db *db, int64_t number, int64_t now_ms, int64_t now_mono_ms)
{
    static const char sql[] = "UPDATE worker SET seen_at_ms = ?, seen_mono_ms = ? WHERE number = ?";
    return store_run(db, sql, NULL, "iii", now_ms, now_mono_ms, number);
}

enum err store_worker_tally(struct store_db *db, int64_t since_mono_ms, struct worker_tally *tally)
{
    static const char sql[] =
        "SELECT count(*), coalesce(sum(data_paths), 0), CASE WHEN coalesce(min(memory_bytes), 0) = 0 THEN 0 ELSE max(memory_bytes) END"
        " FROM worker WHERE seen_mono_ms >= ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "i", since_mono_ms);
    if (e) return e;
    *tally = (struct worker_tally){store_int(st, 0), store_int(st, 1), store_int(st, 2)};
    return store_end(st);
}

enum err store_worker_list(struct store_db *db, const char *owner, int64_t since_mono_ms, int64_t now_mono_ms, struct buf *to)
{
    static const char sql[] =
        "SELECT json_object('id', w.id, 'name', w.name, 'host', w.host, 'pid', w.pid, 'version', w.version, 'labels', json(w.labels),"
        " 'threads', w.threads, 'memory_bytes', w.memory_bytes, 'data_paths', json(CASE w.data_paths WHEN 1 THEN 'true' ELSE 'false' END),"
        " 'state', CASE WHEN w.seen_mono_ms IS NULL OR w.seen_mono_ms < ?1 THEN 'away'"
        "  WHEN EXISTS (SELECT 1 FROM attempt a WHERE a.worker = w.number AND a.lease_mono_ms IS NOT NULL) THEN 'busy' ELSE 'idle' END,"
        " 'jobs', (SELECT json_group_array(j.id) FROM attempt a JOIN job j ON j.number = a.job"
        "  WHERE a.worker = w.number AND a.lease_mono_ms IS NOT NULL AND (?3 IS NULL OR j.token_id = ?3)),"
        " 'seen_s', (?2 - w.seen_mono_ms) / 1000, 'seen_at_ms', w.seen_at_ms, 'registered_at_ms', w.registered_at_ms)"
        " FROM worker w ORDER BY w.number DESC LIMIT 1000";
    return store_add_rows(store_query(db, sql, "iit", since_mono_ms, now_mono_ms, owner), to);
}

enum err store_attempt_insert(struct store_db *db, const struct attempt_new *a, int64_t now_ms, int64_t now_mono_ms)
{
    static const char sql[] = "INSERT INTO attempt(job, attempt, worker, claim_key, token_sha256, lease_mono_ms, resume_step,"
                              " started_at_ms, started_mono_ms) VALUES(?,?,?,?,?,?,?,?,?)";
    return store_run(db, sql, NULL, "iiittioii", a->job, a->attempt, a->worker, a->claim_key, a->token_sha256, a->lease_mono_ms,
                     a->resume_step == STORE_ABSENT ? NULL : &a->resume_step, now_ms, now_mono_ms);
}

static enum err read_attempt(sqlite3_stmt *st, struct attempt_row *r)
{
    r->job = store_int(st, 0);
    r->attempt = store_int(st, 1);
    r->worker = store_int(st, 2);
    store_copy(st, 3, r->token_sha256, sizeof r->token_sha256);
    r->live = !store_is_null(st, 4);
    store_copy(st, 5, r->outcome, sizeof r->outcome);
    store_copy(st, 6, r->end_state, sizeof r->end_state);
    r->resume_step = store_is_null(st, 7) ? STORE_ABSENT : store_int(st, 7);
    return store_end(st);
}

#define ATTEMPT "SELECT job, attempt, worker, token_sha256, lease_mono_ms, outcome, end_state, resume_step FROM attempt"

enum err store_attempt_find(struct store_db *db, int64_t job, int64_t attempt, struct attempt_row *row)
{
    static const char sql[] = ATTEMPT " WHERE job = ? AND attempt = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "ii", job, attempt);
    return e ? e : read_attempt(st, row);
}

enum err store_attempt_by_key(struct store_db *db, int64_t worker, const char *claim_key, struct attempt_row *row)
{
    static const char sql[] = ATTEMPT " WHERE worker = ? AND claim_key = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "it", worker, claim_key);
    return e ? e : read_attempt(st, row);
}

enum err store_attempt_renew(struct store_db *db, int64_t job, int64_t attempt, int64_t lease_mono_ms)
{
    static const char sql[] = "UPDATE attempt SET lease_mono_ms = ? WHERE job = ? AND attempt = ? AND lease_mono_ms IS NOT NULL";
    return store_run(db, sql, NULL, "iii", lease_mono_ms, job, attempt);
}

enum err store_attempt_end(struct store_db *db, const struct job_row *job, const char *outcome, enum job_failure failure, const char *message, int64_t now_ms)
{
    static const char sql[] = "UPDATE attempt SET lease_mono_ms = NULL, ended_at_ms = ?, outcome = ?, end_state = ?, failure_class = ?,"
                              " failure_message = ? WHERE job = ? AND attempt = ? AND ended_at_ms IS NULL";
    int64_t changes = 0;
    enum err e = store_run(db, sql, &changes, "itttti" "i", now_ms, outcome, job_state_word(job->state), job_failure_word(failure),
                           message ? message : "", job->number, job->attempt);
    assert(e || changes == 1);
    return e;
}

enum err store_attempt_list(struct store_db *db, int64_t job, struct buf *to)
{
    static const char sql[] =
        "SELECT json_object('attempt', a.attempt, 'worker', json_object('id', w.id, 'name', w.name, 'host', w.host),"
        " 'started_at_ms', a.started_at_ms, 'ended_at_ms', a.ended_at_ms, 'outcome', a.outcome, 'resume_step', a.resume_step,"
        " 'failure', CASE WHEN a.failure_class <> '' THEN json_object('class', a.failure_class, 'message', a.failure_message) END)"
        " FROM attempt a JOIN worker w ON w.number = a.worker WHERE a.job = ? ORDER BY a.attempt";
    return store_add_rows(store_query(db, sql, "i", job), to);
}
