/* store_views: the statements that answer readers. */
#include "server/store_views.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "server/job_view.h"
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

/* Two ranges of the index, each cut: never a walk through a long queue. */
#define POSITION \
    "CASE j.state WHEN 'queued' THEN" \
    " 1 + (SELECT count(*) FROM (SELECT 1 FROM job q WHERE q.state = 'queued' AND q.priority > j.priority LIMIT ?2))" \
    " + (SELECT count(*) FROM (SELECT 1 FROM job q WHERE q.state = 'queued' AND q.priority = j.priority AND q.number < j.number LIMIT ?2)) END"
#define HEAD(position) \
    "SELECT j.id, j.name, j.project, (SELECT s.id FROM sweep s WHERE s.number = j.sweep), j.strategy," \
    " CASE WHEN d.number IS NULL THEN json_extract(t.spec, '$.dataset') ELSE json_quote(d.name) END, j.state, j.reason, j.backoff_ms," \
    " j.needs_data_path, j.memory_bytes, " position ", j.phase, j.intent, j.priority, j.attempt, j.max_attempts, j.losses, j.nondeterministic," \
    " j.spec_hash, j.version, j.created_at_ms, j.started_at_ms, j.finished_at_ms, j.epoch, j.epochs, j.step, j.eta_s," \
    " j.failure_class, j.failure_message, j.tags, t.result"
#define TEXTS ", t.spec, t.loss_resolved, t.kernels, coalesce(t.warnings, '[]')"
#define FROM " FROM job j JOIN job_text t ON t.job = j.number LEFT JOIN dataset d ON d.number = j.dataset WHERE j.number = ?1"

static int64_t maybe(sqlite3_stmt *st, int column)
{
    return store_is_null(st, column) ? STORE_ABSENT : store_int(st, column);
}

/* Columns reason .. position: why it waits. */
static void read_waiting(sqlite3_stmt *st, int c, const struct worker_tally *tally, struct job_view *v)
{
    if (!strcmp(v->state, "queued")) job_view_waits(v, tally, store_int(st, c + 2) != 0, store_int(st, c + 3), maybe(st, c + 4));
    if (strcmp(v->state, "pending")) return;
    v->reason.code = store_text(st, c);
    v->reason.position = STORE_ABSENT;
    if (!strcmp(v->reason.code, "backoff"))
        err_print(v->reason.message, sizeof v->reason.message, "tried again after a pause of %lld s", (long long)(store_int(st, c + 1) / 1000));
}

/* The texts live as long as the row. */
static void read_view(sqlite3_stmt *st, const struct worker_tally *tally, struct job_view *v)
{
    const char **const words[] = {&v->id, &v->name, &v->project, &v->sweep, &v->strategy, &v->dataset_json, &v->state};
    int64_t *const numbers[] = {&v->priority, &v->attempt, &v->max_attempts, &v->losses};
    int64_t *const more[] = {&v->version, &v->created_at_ms, &v->started_at_ms, &v->finished_at_ms, &v->progress.epoch, &v->progress.epochs, &v->progress.step};
    const char **const texts[] = {&v->failure.class, &v->failure.message, &v->tags_json, &v->result_json, &v->spec_json, &v->loss_resolved_json, &v->kernels_json, &v->warnings_json};
    int c = 0, columns = sqlite3_column_count(st);
    memset(v, 0, sizeof *v);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) *words[i] = store_text(st, c++);
    read_waiting(st, c, tally, v);
    c += 5;
    v->phase = store_text(st, c++);
    v->intent = store_text(st, c++);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) *numbers[i] = store_int(st, c++);
    v->nondeterministic = store_int(st, c++) != 0;
    v->spec_hash = store_text(st, c++);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) *more[i] = maybe(st, c++);
    v->progress.eta_s = store_double(st, c++);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && c < columns; i++) *texts[i] = store_text(st, c++);
    v->has_texts = v->warnings_json != NULL;
    assert(c == columns);
}

static enum err add_log_tail(struct store_db *db, int64_t number, struct buf *to)
{
    enum err e = buf_text(to, ",\"log_tail\":[");
    if (!e) e = store_log_tail(db, number, LOG_TAIL_LINES, to);
    return e ? e : buf_text(to, "]");
}

enum err store_job_view(struct store_db *db, int64_t number, enum job_view_kind kind, const struct worker_tally *tally, struct buf *to)
{
    static const char summary[] = HEAD("NULL") FROM, submitted[] = HEAD("NULL") TEXTS FROM, full[] = HEAD(POSITION) TEXTS FROM;
    struct job_view v;
    sqlite3_stmt *st;
    enum err e = kind == VIEW_FULL ? store_first(db, full, &st, "ii", number, (int64_t)POSITION_MAX)
                                   : store_first(db, kind == VIEW_SUMMARY ? summary : submitted, &st, "i", number);
    if (e) return e;
    read_view(st, tally, &v);
    bool failed = !strcmp(v.state, "failed");
    e = job_view_print(&v, to);
    enum err end = store_end(st);
    if (!e) e = end;
    if (!e) e = buf_text(to, ",\"latest\":{");
    if (!e) e = store_metric_latest(db, number, to);
    if (!e) e = buf_text(to, "}");
    if (!e && kind == VIEW_FULL && failed) e = add_log_tail(db, number, to);
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
