/* store_sweeps: the statements of sweep, trial, sweep_shape and claim_share. */
#include "server/store_sweeps.h"

#include <stdlib.h>
#include <string.h>
#include "server/store_db.h"
#include "server/store_images.h"
#include "server/store_views.h"

enum { RESULTS_TRIALS_MAX = 16, RESULTS_BYTES_ENOUGH = 512 << 10 }; /* of one page: so long and no longer others wait for the store */

#define COLUMNS " number, max_running, coalesce(prune_min_epochs, 0), coalesce(prune_eta, 0), id, body_sha256, coalesce(prune_metric, ''), cancelled_at_ms IS NOT NULL, token_id "

static enum err read_row(sqlite3_stmt *st, struct sweep_row *r)
{
    r->number = store_int(st, 0);
    r->max_running = store_int(st, 1);
    r->prune_min_epochs = store_int(st, 2);
    r->prune_eta = store_int(st, 3);
    store_copy(st, 4, r->id, sizeof r->id);
    store_copy(st, 5, r->body_sha256, sizeof r->body_sha256);
    store_copy(st, 6, r->prune_metric, sizeof r->prune_metric);
    r->cancelled = store_int(st, 7) != 0;
    store_copy(st, 8, r->token_id, sizeof r->token_id);
    return store_end(st);
}

enum err store_sweep_insert(struct store_db *db, const struct queue_sweep *s, const char *id, int64_t now_ms, int64_t *number)
{
    static const char sql[] =
        "INSERT INTO sweep(id, name, project, preset, reference, spec, spec_hash, not_built, duplicates, max_running, prune_metric,"
        " prune_min_epochs, prune_eta, token_id, key, body_sha256, created_at_ms) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    int64_t min_epochs = s->prune_min_epochs, eta = s->prune_eta;
    enum err e = store_run(db, sql, NULL, "ttttttttiitoottti", id, s->name, s->project, s->preset, s->reference, s->spec_json, s->spec_hash,
                           s->not_built_json, s->duplicates, s->max_running, s->prune_metric, s->prune_metric ? &min_epochs : NULL,
                           s->prune_metric ? &eta : NULL, s->token_id, s->idempotency_key, s->body_sha256, now_ms);
    *number = store_last_rowid(db);
    return e;
}

enum err store_sweep_find(struct store_db *db, const char *id, struct sweep_row *row)
{
    static const char sql[] = "SELECT" COLUMNS "FROM sweep WHERE id = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "t", id);
    return e ? e : read_row(st, row);
}

enum err store_sweep_get(struct store_db *db, int64_t number, struct sweep_row *row)
{
    static const char sql[] = "SELECT" COLUMNS "FROM sweep WHERE number = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "i", number);
    return e ? e : read_row(st, row);
}

enum err store_sweep_by_key(struct store_db *db, const char *token_id, const char *key, struct sweep_row *row)
{
    static const char sql[] = "SELECT" COLUMNS "FROM sweep WHERE token_id = ? AND key = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "tt", token_id, key);
    return e ? e : read_row(st, row);
}

enum err store_sweep_purge_keys(struct store_db *db, int64_t before_ms)
{
    static const char sql[] = "UPDATE sweep SET key = NULL WHERE key IS NOT NULL AND created_at_ms < ?";
    return store_run(db, sql, NULL, "i", before_ms);
}

enum err store_sweep_cancel(struct store_db *db, int64_t number, int64_t now_ms)
{
    static const char sql[] = "UPDATE sweep SET cancelled_at_ms = ? WHERE number = ? AND cancelled_at_ms IS NULL";
    return store_run(db, sql, NULL, "ii", now_ms, number);
}

enum err store_sweep_extend(struct store_db *db, int64_t number, const struct queue_sweep *s)
{
    static const char sql[] = "UPDATE sweep SET name = ?, reference = ?, spec = ?, spec_hash = ?, not_built = ?, duplicates = ?, max_running = ? WHERE number = ?";
    return store_run(db, sql, NULL, "tttttiii", s->name, s->reference, s->spec_json, s->spec_hash, s->not_built_json, s->duplicates, s->max_running, number);
}

/* ---- trials ---- */
enum err store_trial_insert(struct store_db *db, int64_t sweep, int64_t trial, int64_t job, const struct queue_trial *t)
{
    static const char sql[] = "INSERT INTO trial(sweep, trial, job, label, seed, fold, shape) VALUES(?,?,?,?,?,?,?)";
    static const char shape[] = "INSERT INTO sweep_shape(sweep, shape, kernels) VALUES(?,?,?) ON CONFLICT DO NOTHING";
    static const char mark[] = "UPDATE job SET sweep = ? WHERE number = ?";
    enum err e = store_run(db, sql, NULL, "iiitiit", sweep, trial, job, t->label, t->seed, (int64_t)t->fold, t->shape);
    if (!e) e = store_run(db, shape, NULL, "itt", sweep, t->shape, t->kernels_json);
    return e ? e : store_run(db, mark, NULL, "ii", sweep, job);
}

bool store_trial_known(struct store_db *db, int64_t sweep, const struct queue_trial *t)
{
    static const char sql[] = "SELECT 1 FROM trial WHERE sweep = ? AND label = ? AND seed = ? AND fold = ?";
    sqlite3_stmt *st;
    if (store_first(db, sql, &st, "itii", sweep, t->label, t->seed, (int64_t)t->fold)) return false;
    return store_end(st) == OK;
}

int64_t store_trial_count(struct store_db *db, int64_t sweep)
{
    static const char sql[] = "SELECT count(*) FROM trial WHERE sweep = ?";
    sqlite3_stmt *st;
    if (store_first(db, sql, &st, "i", sweep)) return 0;
    int64_t count = store_int(st, 0);
    return store_end(st) ? 0 : count;
}

/* The job whose number `sql` finds for a sweep, after another one. */
static enum err first_job(struct store_db *db, const char *sql, int64_t sweep, int64_t after, struct job_row *row)
{
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "ii", sweep, after);
    if (e) return e;
    int64_t number = store_int(st, 0);
    e = store_end(st);
    return e ? e : store_job_get(db, number, row);
}

enum err store_sweep_live_job(struct store_db *db, int64_t sweep, int64_t after, struct job_row *row)
{
    static const char sql[] = "SELECT j.number FROM trial t JOIN job j ON j.number = t.job WHERE t.sweep = ? AND t.job > ? AND"
                              " j.state NOT IN ('succeeded', 'failed', 'cancelled', 'pruned') ORDER BY t.job LIMIT 1";
    return first_job(db, sql, sweep, after, row);
}

/* ---- views ---- */
#define VIEW_COUNTS \
    " 'trials', (SELECT count(*) FROM trial t WHERE t.sweep = s.number)," \
    " 'variants', (SELECT count(DISTINCT t.label) FROM trial t WHERE t.sweep = s.number)," \
    " 'state', CASE WHEN EXISTS (SELECT 1 FROM trial t JOIN job j ON j.number = t.job WHERE t.sweep = s.number AND" \
    "  j.state NOT IN ('succeeded', 'failed', 'cancelled', 'pruned')) THEN 'running' WHEN s.cancelled_at_ms IS NULL THEN 'ended' ELSE 'cancelled' END," \
    " 'jobs', (SELECT json_group_object(state, n) FROM (SELECT j.state, count(*) n FROM trial t JOIN job j ON j.number = t.job" \
    "  WHERE t.sweep = s.number GROUP BY j.state ORDER BY j.state))," \
    " 'failures', (SELECT json_group_object(failure_class, n) FROM (SELECT j.failure_class, count(*) n FROM trial t JOIN job j ON j.number = t.job" \
    "  WHERE t.sweep = s.number AND j.failure_class <> '' GROUP BY j.failure_class ORDER BY j.failure_class))," \
    " 'epochs', (SELECT json_object('done', total(CASE WHEN j.state = 'succeeded' THEN j.epochs ELSE coalesce(j.epoch, 0) END), 'of', total(j.epochs))" \
    "  FROM trial t JOIN job j ON j.number = t.job WHERE t.sweep = s.number)"
#define VIEW_HEAD \
    "SELECT json_object('id', s.id, 'name', s.name, 'project', s.project, 'preset', nullif(s.preset, ''), 'reference', nullif(s.reference, '')," \
    " 'spec_hash', s.spec_hash, 'not_built', json(s.not_built), 'duplicates', s.duplicates, 'max_running', s.max_running," \
    " 'prune', CASE WHEN s.prune_metric IS NOT NULL THEN json_object('metric', s.prune_metric, 'min_epochs', s.prune_min_epochs, 'eta', s.prune_eta) END," \
    " 'created_at_ms', s.created_at_ms, 'cancelled_at_ms', s.cancelled_at_ms," VIEW_COUNTS

enum err store_sweep_view(struct store_db *db, int64_t number, bool full, struct buf *to)
{
    static const char summary[] = VIEW_HEAD ") FROM sweep s WHERE s.number = ?", whole[] = VIEW_HEAD ", 'spec', json(s.spec)) FROM sweep s WHERE s.number = ?";
    return store_add_rows(store_query(db, full ? whole : summary, "i", number), to);
}

enum err store_sweep_list(struct store_db *db, const char *owner, const char *project, int64_t cursor, int limit, struct buf *to, int64_t *next)
{
    static const char all[] = "SELECT number FROM sweep WHERE number < ?1 AND (?2 IS NULL OR project = ?2) AND ?4 IS NULL ORDER BY number DESC LIMIT ?3";
    static const char own[] = "SELECT number FROM sweep INDEXED BY sweep_by_token WHERE token_id = ?4 AND number < ?1 AND (?2 IS NULL OR project = ?2)"
                              " ORDER BY number DESC LIMIT ?3";
    int64_t *numbers = calloc((size_t)limit + 1, sizeof *numbers);
    int count = 0;
    if (!numbers) return ERR_NO_MEMORY;
    sqlite3_stmt *st = store_query(db, owner ? own : all, "itit", cursor > 0 ? cursor : INT64_MAX, project, (int64_t)limit + 1, owner);
    while (store_step(st)) numbers[count++] = store_int(st, 0);
    enum err e = store_end(st);
    *next = count > limit ? numbers[limit - 1] : 0;
    for (int i = 0; i < count && i < limit && !e; i++) {
        if (i) e = buf_text(to, ",");
        if (!e) e = store_sweep_view(db, numbers[i], false, to);
    }
    free(numbers);
    return e;
}

#define TRIAL \
    "SELECT json_object('trial', t.trial, 'label', t.label, 'seed', t.seed, 'fold', nullif(t.fold, -1), 'job', j.id, 'state', j.state," \
    " 'failure', nullif(j.failure_class, ''), 'pruned_epoch', t.pruned_epoch, 'epoch', j.epoch, 'epochs', j.epochs, 'attempt', j.attempt"
#define TRIAL_ORDER " WHERE t.sweep = ?1 ORDER BY t.trial"

enum err store_trial_list(struct store_db *db, int64_t sweep, struct buf *to)
{
    static const char sql[] = TRIAL ") FROM trial t JOIN job j ON j.number = t.job" TRIAL_ORDER;
    return store_add_rows(store_query(db, sql, "i", sweep), to);
}

/* The epoch of the best monitor: the first of equals, as the trainer takes it. NaN is NULL here, and never best. A loss of exactness would
   show in a report: json_object writes 15 digits, so the scores come as quoted texts of 17. A curve is for the eye: 200 epochs of it. */
#define SLICE \
    "WITH slice AS (SELECT * FROM trial WHERE sweep = ?1 AND trial > ?2 ORDER BY trial LIMIT ?3)," \
    " best AS (SELECT t.job, (SELECT m.step FROM series s JOIN metric m ON m.series = s.number WHERE s.job = t.job AND s.x = 'epoch' AND" \
    " s.name = json_extract(x.spec, '$.validation.monitor') AND m.value IS NOT NULL ORDER BY m.value DESC, m.step LIMIT 1) AS step" \
    " FROM slice t JOIN job_text x ON x.job = t.job) "
#define CURVE \
    "(SELECT json_group_array(json_array(step, value)) FROM (SELECT m.step, m.value, row_number() OVER (ORDER BY m.step) k, count(*) OVER () n" \
    "  FROM series s JOIN metric m ON m.series = s.number WHERE s.job = j.number AND s.x = 'epoch' AND s.name = json_extract(x.spec, '$.validation.monitor'))" \
    "  WHERE (k - 1) % ((n + 199) / 200) = 0)"

enum err store_trial_results(struct store_db *db, int64_t sweep, int64_t after, struct buf *to, int64_t *next)
{
    static const char sql[] =
        SLICE TRIAL ", 'spec_hash', j.spec_hash, 'strategy', j.strategy, 'losses', j.losses, 'nondeterministic', j.nondeterministic,"
        " 'monitor', json_extract(x.spec, '$.validation.monitor'), 'loss', json_extract(x.spec, '$.loss'), 'best_epoch', b.step,"
        " 'verdict', json_extract(x.result, '$.verdict'), 'curve', " CURVE ","
        " 'scores', (SELECT json_group_object(s.name, printf('%!.17g', m.value)) FROM series s JOIN metric m ON m.series = s.number AND m.step = b.step"
        "  WHERE s.job = j.number AND s.x = 'epoch' AND s.kind = 'result' AND substr(s.name, 1, 4) = 'val/' AND m.value IS NOT NULL),"
        " 'step_processor_s', (SELECT avg(m.value) FROM series s JOIN metric m ON m.series = s.number"
        "  WHERE s.job = j.number AND s.name = 'time/step_processor_s' AND m.value > 0)), t.job, t.trial"
        " FROM slice t JOIN job j ON j.number = t.job JOIN job_text x ON x.job = t.job JOIN best b ON b.job = t.job"
        " ORDER BY t.trial";
    size_t begin = to->length;
    int64_t rows = 0, last = after;
    enum err e = OK;
    sqlite3_stmt *st = store_query(db, sql, "iii", sweep, after, (int64_t)RESULTS_TRIALS_MAX);
    while (!e && to->length - begin < RESULTS_BYTES_ENOUGH && store_step(st)) {
        e = buf_printf(to, "%s{\"trial\":", rows++ ? "," : "");
        if (!e) e = buf_text(to, store_text(st, 0));
        if (!e) e = buf_text(to, ",\"images\":");
        if (!e) e = store_images_add(db, store_int(st, 1), to);
        if (!e) e = buf_text(to, "}");
        last = store_int(st, 2);
    }
    bool more = rows == RESULTS_TRIALS_MAX || to->length - begin >= RESULTS_BYTES_ENOUGH;
    *next = more ? last : STORE_ABSENT;
    enum err end = store_end(st);
    return e ? e : end;
}

/* ---- pruning ---- */
static void read_rung(sqlite3_stmt *st, struct rung_row *r)
{
    r->job = store_int(st, 0);
    r->epochs = store_int(st, 1);
    r->pruned_epoch = store_int(st, 2);
    store_copy(st, 3, r->id, sizeof r->id);
    r->state = (enum job_state)job_state_of_word(store_text(st, 4));
    r->has_value = store_int(st, 5) != 0;
    r->value = store_double(st, 6);
}

enum err store_rung_read(struct store_db *db, int64_t sweep, const char *metric, int64_t epochs, struct rung_row **rows, size_t *count)
{
    static const char sql[] =
        "SELECT j.number, coalesce(j.epochs, 0), coalesce(t.pruned_epoch, 0), j.id, j.state, m.step IS NOT NULL, m.value FROM trial t JOIN job j ON j.number = t.job"
        " LEFT JOIN series s ON s.job = j.number AND s.name = ?2 LEFT JOIN metric m ON m.series = s.number AND m.step = ?3 WHERE t.sweep = ?1 ORDER BY t.trial";
    size_t most = (size_t)store_trial_count(db, sweep);
    *count = 0;
    *rows = calloc(most + 1, sizeof **rows);
    if (!*rows) return ERR_NO_MEMORY;
    sqlite3_stmt *st = store_query(db, sql, "iti", sweep, metric, epochs - 1); /* epochs count from 0 on the x axis */
    while (*count < most && store_step(st)) read_rung(st, &(*rows)[(*count)++]);
    return store_end(st);
}

enum err store_trial_prune(struct store_db *db, int64_t job, int64_t epoch)
{
    static const char sql[] = "UPDATE trial SET pruned_epoch = ? WHERE job = ?";
    return store_run(db, sql, NULL, "ii", epoch, job);
}

enum err store_trial_fallen(struct store_db *db, int64_t sweep, int64_t after, struct job_row *row)
{
    static const char sql[] = "SELECT t.job FROM trial t JOIN job j ON j.number = t.job WHERE t.sweep = ? AND t.job > ? AND t.pruned_epoch IS NOT NULL AND"
                              " j.state IN ('queued', 'pending', 'running') ORDER BY t.job LIMIT 1";
    return first_job(db, sql, sweep, after, row);
}

enum err store_sweep_pruning(struct store_db *db, int64_t after, int64_t *sweep)
{
    static const char sql[] = "SELECT number FROM sweep s WHERE number > ? AND prune_metric IS NOT NULL AND EXISTS (SELECT 1 FROM job j WHERE j.sweep = s.number"
                              " AND j.state IN ('queued', 'pending', 'running')) ORDER BY number LIMIT 1";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "i", after);
    if (e) return e;
    *sweep = store_int(st, 0);
    return store_end(st);
}

/* ---- claims ---- */
enum err store_share_next(struct store_db *db, int64_t after, int64_t *sweep)
{
    static const char sql[] = "SELECT sweep FROM job WHERE state = 'queued' AND sweep > ? ORDER BY sweep LIMIT 1";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "i", after);
    if (e) return e;
    *sweep = store_int(st, 0);
    return store_end(st);
}

enum err store_share_of(struct store_db *db, int64_t sweep, int64_t *running, int64_t *served)
{
    static const char of_sweep[] = "SELECT (SELECT count(*) FROM job WHERE sweep = ?1 AND state = 'running') +"
                                   " (SELECT count(*) FROM job WHERE sweep = ?1 AND state = 'stopping'), (SELECT served FROM claim_share WHERE sweep = ?1)";
    static const char of_none[] = "SELECT (SELECT count(*) FROM job WHERE sweep IS NULL AND state = 'running') +"
                                  " (SELECT count(*) FROM job WHERE sweep IS NULL AND state = 'stopping'), (SELECT served FROM claim_share WHERE sweep = ?1)";
    sqlite3_stmt *st;
    enum err e = store_first(db, sweep ? of_sweep : of_none, &st, "i", sweep);
    if (e) return e;
    *running = store_int(st, 0);
    *served = store_int(st, 1);
    return store_end(st);
}

enum err store_share_serve(struct store_db *db, int64_t sweep, int64_t event)
{
    static const char sql[] = "INSERT INTO claim_share(sweep, served) VALUES(?1, ?2) ON CONFLICT(sweep) DO UPDATE SET served = ?2";
    return store_run(db, sql, NULL, "ii", sweep, event);
}

/* ---- kernels ---- */
enum err store_shape_hold(struct store_db *db, int64_t job)
{
    static const char sql[] = "UPDATE sweep_shape SET holder = ?1 WHERE kernels IS NULL AND (sweep, shape) = (SELECT sweep, shape FROM trial WHERE job = ?1)";
    return store_run(db, sql, NULL, "i", job);
}

enum err store_shape_fill(struct store_db *db, int64_t job, const char *kernels_json, bool *fresh)
{
    static const char own[] = "UPDATE job_text SET kernels = coalesce(kernels, ?) WHERE job = ?";
    static const char shared[] = "UPDATE sweep_shape SET kernels = ?1 WHERE kernels IS NULL AND (sweep, shape) = (SELECT sweep, shape FROM trial WHERE job = ?2)";
    int64_t changes = 0;
    enum err e = store_run(db, own, NULL, "ti", kernels_json, job);
    if (!e) e = store_run(db, shared, &changes, "ti", kernels_json, job);
    *fresh = changes > 0;
    return e;
}
