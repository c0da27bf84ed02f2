/* store_views: the statements that answer readers. */
#include "server/store_views.h"

#include <stdlib.h>
#include <string.h>
#include "server/json_add.h"
#include "server/store_db.h"
#include "server/store_logs.h"
#include "server/store_metrics.h"

enum { LOG_TAIL_LINES = 20, POSITION_MAX = 1000 /* further back it is not counted: a submit behind a long queue stays quick */ };

enum err store_add_rows(struct sqlite3_stmt *st, struct buf *to)
{
    enum err e = OK;
    bool first = true;
    while (!e && store_step(st)) {
        if (!first) e = buf_text(to, ",");
        if (!e) e = buf_text(to, store_text(st, 0));
        first = false;
    }
    enum err end = store_end(st);
    return e ? e : end;
}

/* ?1 number, ?2 workers alive, ?3 of them with data paths, ?4 the most memory one of them has (0: not known). */
#define WAITING_CODE \
    " CASE WHEN ?2 = 0 THEN 'no_worker'" \
    " WHEN (j.needs_data_path AND ?3 = 0) OR (?4 > 0 AND j.memory_bytes > ?4) THEN 'requirements' ELSE 'no_worker' END"
#define WAITING_MESSAGE \
    " CASE WHEN ?2 = 0 THEN '0 workers alive: start one with tandem-worker'" \
    " WHEN j.needs_data_path AND ?3 = 0 THEN 'no worker alive was started with a --data-root'" \
    " WHEN ?4 > 0 AND j.memory_bytes > ?4 THEN 'no worker alive has the ' || (j.memory_bytes >> 20) || ' MiB that it will take'" \
    " ELSE ?2 || ' workers alive, none free yet' END"
#define REASON(position) \
    " 'reason', CASE j.state WHEN 'queued' THEN json_object('code'," WAITING_CODE ", 'message'," WAITING_MESSAGE ", 'position', " position ")" \
    " WHEN 'pending' THEN json_object('code', j.reason, 'message', CASE j.reason WHEN 'backoff' THEN" \
    "  'tried again after a pause of ' || (j.backoff_ms / 1000) || ' s' ELSE '' END, 'position', NULL) END,"
/* Two ranges of the index, each cut: never a walk through a long queue. */
#define POSITION \
    "1 + (SELECT count(*) FROM (SELECT 1 FROM job q WHERE q.state = 'queued' AND q.priority > j.priority LIMIT ?5))" \
    " + (SELECT count(*) FROM (SELECT 1 FROM job q WHERE q.state = 'queued' AND q.priority = j.priority AND q.number < j.number LIMIT ?5))"
#define BOOLEAN(column) "json(CASE " column " WHEN 1 THEN 'true' ELSE 'false' END)"
#define HEAD(position) \
    "SELECT json_object('id', j.id, 'name', j.name, 'project', j.project, 'sweep', (SELECT s.id FROM sweep s WHERE s.number = j.sweep), 'strategy', j.strategy," \
    " 'dataset', CASE WHEN d.number IS NULL THEN json(json_extract(t.spec, '$.dataset')) ELSE d.name END," \
    " 'state', j.state," REASON(position) \
    " 'phase', nullif(j.phase, ''), 'intent', nullif(j.intent, ''), 'priority', j.priority, 'attempt', j.attempt," \
    " 'max_attempts', j.max_attempts, 'losses', j.losses, 'nondeterministic', " BOOLEAN("j.nondeterministic") "," \
    " 'spec_hash', j.spec_hash, 'version', j.version, 'created_at_ms', j.created_at_ms, 'started_at_ms', j.started_at_ms," \
    " 'finished_at_ms', j.finished_at_ms," \
    " 'progress', json_object('epoch', j.epoch, 'epochs', j.epochs, 'step', j.step, 'eta_s', j.eta_s)," \
    " 'failure', CASE WHEN j.failure_class <> '' THEN json_object('class', j.failure_class, 'message', j.failure_message) END)," \
    " j.tags, t.result"
#define TEXTS ", t.spec, t.loss_resolved, t.kernels, coalesce(t.warnings, '[]')"
#define FROM " FROM job j JOIN job_text t ON t.job = j.number LEFT JOIN dataset d ON d.number = j.dataset WHERE j.number = ?1"

static enum err add_log_tail(struct store_db *db, int64_t number, struct buf *to)
{
    enum err e = buf_text(to, ",\"log_tail\":[");
    if (!e) e = store_log_tail(db, number, LOG_TAIL_LINES, to);
    return e ? e : buf_text(to, "]");
}

/* Texts that are JSON already go in as they are: to have SQLite read them again doubled the price of a submit. */
static enum err add_texts(sqlite3_stmt *st, struct buf *to)
{
    static const char *const names[] = {NULL, "tags", "result", "spec", "loss_resolved", "kernels", "warnings"};
    enum err e = OK;
    for (int i = 1; i < sqlite3_column_count(st) && names[i] && !e; i++) {
        const char *text = store_text(st, i);
        e = buf_printf(to, ",\"%s\":", names[i]);
        if (!e) e = buf_text(to, *text ? text : "null");
    }
    return e;
}

enum err store_job_view(struct store_db *db, int64_t number, enum job_view view, const struct worker_tally *tally, struct buf *to)
{
    static const char *const sql[] = { /* the first two bind ?5, too: one list of parameters for all */
        [VIEW_SUMMARY] = HEAD("nullif(?5, ?5)") FROM,
        [VIEW_SUBMITTED] = HEAD("nullif(?5, ?5)") TEXTS FROM,
        [VIEW_FULL] = HEAD(POSITION) TEXTS FROM,
    };
    sqlite3_stmt *st;
    enum err e = store_first(db, sql[view], &st, "iiiii", number, tally->alive, tally->alive_with_paths, tally->largest_memory_bytes,
                             (int64_t)POSITION_MAX);
    if (e) return e;
    const char *head = store_text(st, 0);
    bool failed = strstr(head, "\"state\":\"failed\"") != NULL;
    e = buf_add(to, head, strlen(head) - 1); /* without the last brace */
    if (!e) e = add_texts(st, to);
    enum err end = store_end(st);
    if (!e) e = end;
    if (!e) e = buf_text(to, ",\"latest\":{");
    if (!e) e = store_metric_latest(db, number, to);
    if (!e) e = buf_text(to, "}");
    if (!e && view == VIEW_FULL && failed) e = add_log_tail(db, number, to);
    return e ? e : buf_text(to, "}");
}

#define LIST_WHERE " (?2 IS NULL OR project = ?2) AND (?3 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?3))" \
                   " AND (?4 IS NULL OR strategy = ?4) AND (?5 IS NULL OR instr(name, ?5) > 0)"
#define LIST_TAIL LIST_WHERE " ORDER BY number DESC LIMIT ?6"
/* ?7: a state, several as JSON, or nothing. */
#define STATES " (?7 IS NULL OR state = ?7 OR (substr(?7, 1, 1) = '[' AND state IN (SELECT value FROM json_each(?7)))) AND"

/* The numbers first (narrow rows, an index where one helps), then the views of those that are shown. A sweep was found by its owner. */
static sqlite3_stmt *list_query(struct store_db *db, const struct job_filter *f)
{
    static const char by_number[] = "SELECT number FROM job WHERE number < ?1 AND" LIST_TAIL;
    static const char by_project[] = "SELECT number FROM job INDEXED BY job_by_project WHERE project = ?2 AND number < ?1 AND" LIST_TAIL;
    static const char by_state[] = "SELECT number FROM job INDEXED BY job_by_state WHERE state = ?7 AND number < ?1 AND" LIST_TAIL;
    static const char by_states[] = "SELECT number FROM job WHERE number < ?1 AND state IN (SELECT value FROM json_each(?7)) AND" LIST_TAIL;
    static const char by_sweep[] = "SELECT number FROM job INDEXED BY job_by_sweep WHERE sweep = ?8 AND number < ?1 AND" STATES LIST_TAIL;
    static const char by_owner[] = "SELECT number FROM job INDEXED BY job_by_token WHERE token_id = ?8 AND number < ?1 AND" STATES LIST_TAIL;
    int64_t below = f->cursor > 0 ? f->cursor : INT64_MAX, limit = (int64_t)f->limit + 1;
    const char *states = f->state ? f->state : f->states_json;
    if (f->sweep) return store_query(db, by_sweep, "ittttiti", below, f->project, f->tag, f->strategy, f->name, limit, states, f->sweep);
    if (f->owner) return store_query(db, by_owner, "ittttitt", below, f->project, f->tag, f->strategy, f->name, limit, states, f->owner);
    if (f->state || f->states_json)
        return store_query(db, f->state ? by_state : by_states, "ittttit", below, f->project, f->tag, f->strategy, f->name, limit, states);
    return store_query(db, f->project ? by_project : by_number, "itttti", below, f->project, f->tag, f->strategy, f->name, limit);
}

enum err store_job_list(struct store_db *db, const struct job_filter *filter, const struct worker_tally *tally, struct buf *to, int64_t *next)
{
    int64_t *numbers = calloc((size_t)filter->limit + 1, sizeof *numbers);
    int count = 0;
    if (!numbers) return ERR_NO_MEMORY;
    sqlite3_stmt *st = list_query(db, filter);
    while (store_step(st)) numbers[count++] = store_int(st, 0);
    enum err e = store_end(st);
    *next = count > filter->limit ? numbers[filter->limit - 1] : 0;
    for (int i = 0; i < count && i < filter->limit && !e; i++) {
        if (i) e = buf_text(to, ",");
        if (!e) e = store_job_view(db, numbers[i], VIEW_SUMMARY, tally, to);
    }
    free(numbers);
    return e;
}

enum err store_job_counts(struct store_db *db, int64_t now_ms, struct buf *to)
{
    static const char states[] = "SELECT '\"' || state || '\":' || count(*) FROM job GROUP BY state ORDER BY state";
    static const char oldest[] = "SELECT coalesce((? - min(created_at_ms)) / 1000, 'null') FROM job WHERE number ="
                                 " (SELECT min(number) FROM job WHERE state = 'queued')";
    enum err e = buf_text(to, "\"jobs\":{");
    if (!e) e = store_add_rows(store_query(db, states, ""), to);
    if (!e) e = buf_text(to, "},\"oldest_queued_s\":");
    return e ? e : store_add_rows(store_query(db, oldest, "i", now_ms), to);
}

enum err store_claim_view(struct store_db *db, const struct claim_view *c, struct buf *to)
{
    static const char sql[] =
        "SELECT json_object('job', j.id, 'attempt', ?2, 'lease_token', ?3, 'lease_ms', ?4, 'heartbeat_ms', ?5,"
        " 'spec', CASE WHEN coalesce(t.kernels, k.kernels) IS NULL THEN json(t.spec) ELSE json_set(t.spec, '$.kernels', json(coalesce(t.kernels, k.kernels))) END,"
        " 'dataset', CASE WHEN d.number IS NULL THEN json(json_extract(t.spec, '$.dataset'))"
        "  WHEN d.generate IS NOT NULL THEN json_object('name', d.name, 'generate', json(d.generate))"
        "  ELSE json_object('name', d.name, 'sha256', d.sha256, 'bytes', d.bytes) END,"
        " 'resume', CASE WHEN c.name IS NOT NULL THEN json_object('name', c.name, 'sha256', c.sha256, 'bytes', c.bytes,"
        "  'step', c.step, 'epoch', c.epoch) END)"
        " FROM job j JOIN job_text t ON t.job = j.number LEFT JOIN dataset d ON d.number = j.dataset"
        " LEFT JOIN trial r ON r.job = j.number LEFT JOIN sweep_shape k ON k.sweep = r.sweep AND k.shape = r.shape"
        " LEFT JOIN artifact c ON c.job = j.number AND c.name = 'checkpoint-last' AND c.kind = 'checkpoint' WHERE j.number = ?1";
    return store_add_rows(store_query(db, sql, "iitii", c->number, c->attempt, c->token, c->lease_ms, c->heartbeat_ms), to);
}
