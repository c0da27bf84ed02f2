/* store_metrics: the statements of the series, metric and metric_batch tables. */
#include "server/store_metrics.h"

#include <math.h>
#include <string.h>
#include "server/json_add.h"
#include "server/store_db.h"

enum { VALUES_BYTES_MAX = 32 << 20, CSV_COLUMNS_MAX = 512 };

enum err store_metric_batch(struct store_db *db, int64_t job, int64_t attempt, int64_t seq, const unsigned char digest[METRIC_DIGEST_BYTES], bool *existed)
{
    static const char insert[] = "INSERT INTO metric_batch(job, attempt, seq, digest) VALUES(?,?,?,?) ON CONFLICT DO NOTHING";
    static const char same[] = "SELECT 1 FROM metric_batch WHERE job = ? AND attempt = ? AND seq = ? AND digest = ?";
    int64_t changes = 0;
    sqlite3_stmt *st;
    enum err e = store_run(db, insert, &changes, "iiib", job, attempt, seq, digest, (size_t)METRIC_DIGEST_BYTES);
    *existed = !e && !changes;
    if (e || !*existed) return e;
    e = store_first(db, same, &st, "iiib", job, attempt, seq, digest, (size_t)METRIC_DIGEST_BYTES);
    return e == ERR_NOT_FOUND ? ERR_NONDETERMINISTIC : e ? e : store_end(st);
}

/* The series' number; it is made when it is new. */
static enum err series_of(struct store_db *db, int64_t job, const struct metric_series *s, int64_t *number)
{
    static const char find[] = "SELECT number, kind, x FROM series WHERE job = ? AND name = ?";
    static const char insert[] = "INSERT INTO series(job, name, kind, x) VALUES(?,?,?,?)";
    sqlite3_stmt *st;
    enum err e = store_first(db, find, &st, "it", job, s->name);
    if (e == ERR_NOT_FOUND) {
        e = store_run(db, insert, NULL, "ittt", job, s->name, metric_kind_word(s->kind), metric_x_word(s->x));
        *number = store_last_rowid(db);
        return e;
    }
    if (e) return e;
    *number = store_int(st, 0);
    bool same = !strcmp(store_text(st, 1), metric_kind_word(s->kind)) && !strcmp(store_text(st, 2), metric_x_word(s->x));
    e = store_end(st);
    return e ? e : same ? OK : ERR_NONDETERMINISTIC;
}

static bool same_bits(double a, double b)
{
    return isnan(a) ? isnan(b) : memcmp(&a, &b, sizeof a) == 0;
}

/* A point that is there already: kept if equal; else replaced, and what it was is told. */
static enum err replay_point(struct store_db *db, int64_t series, int64_t step, double value, int64_t attempt, bool compare, struct metric_replay *replay)
{
    static const char find[] = "SELECT value, attempt FROM metric WHERE series = ? AND step = ?";
    static const char replace[] = "UPDATE metric SET value = ?, attempt = ? WHERE series = ? AND step = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, find, &st, "ii", series, step);
    if (e) return e;
    double before = store_double(st, 0);
    int64_t attempt_before = store_int(st, 1);
    e = store_end(st);
    if (compare && !replay->differs && !same_bits(before, value))
        *replay = (struct metric_replay){true, step, attempt_before, before, value};
    return e ? e : store_run(db, replace, NULL, "diii", value, attempt, series, step);
}

enum err store_metric_append(struct store_db *db, int64_t job, int64_t attempt, const struct metric_series *s, int64_t *points_added, struct metric_replay *replay)
{
    static const char insert[] = "INSERT INTO metric(series, step, value, attempt) VALUES(?,?,?,?) ON CONFLICT DO NOTHING";
    static const char last[] = "UPDATE series SET last_step = ?1, last_value = ?2 WHERE number = ?3 AND (last_step IS NULL OR last_step <= ?1)";
    int64_t series = 0, changes = 0;
    enum err e = series_of(db, job, s, &series);
    for (int i = 0; i < s->count && !e; i++) {
        double value = s->values[i] + 0.0; /* -0 becomes 0: the disk keeps no sign of zero */
        e = store_run(db, insert, &changes, "iidi", series, s->steps[i], value, attempt);
        if (!e && changes) ++*points_added;
        if (!e && !changes) e = replay_point(db, series, s->steps[i], value, attempt, s->kind == METRIC_RESULT, replay);
    }
    if (e || !s->count) return e;
    return store_run(db, last, NULL, "idi", s->steps[s->count - 1], s->values[s->count - 1] + 0.0, series);
}

enum err store_metric_latest(struct store_db *db, int64_t job, struct buf *to)
{
    static const char sql[] = "SELECT name, last_value FROM series WHERE job = ? AND last_step IS NOT NULL ORDER BY name";
    sqlite3_stmt *st = store_query(db, sql, "i", job);
    enum err e = OK;
    bool first = true;
    while (!e && store_step(st)) {
        if (!first) e = buf_text(to, ",");
        if (!e) e = json_add_text(to, store_text(st, 0));
        if (!e) e = buf_text(to, ":");
        if (!e) e = json_add_value(to, store_double(st, 1));
        first = false;
    }
    enum err end = store_end(st);
    return e ? e : end;
}

/* ---- columnar JSON: rows (name, kind, x, step, value) in order of series and step become one object a series ---- */
struct columns {
    struct buf *to, values;
    char name[METRIC_NAME_MAX + 1];
    bool open;
    int64_t points, points_max;
};

static enum err close_series(struct columns *c)
{
    if (!c->open) return OK;
    enum err e = buf_text(c->to, "],\"values\":[");
    if (!e && c->values.data) e = buf_add(c->to, c->values.data, c->values.length);
    buf_reset(&c->values);
    c->open = false;
    return e ? e : buf_text(c->to, "]}");
}

static enum err open_series(struct columns *c, sqlite3_stmt *st)
{
    bool first = c->points == 0;
    enum err e = close_series(c);
    store_copy(st, 0, c->name, sizeof c->name);
    if (!e) e = buf_text(c->to, first ? "{\"name\":" : ",{\"name\":");
    if (!e) e = json_add_text(c->to, c->name);
    c->open = true;
    return e ? e : buf_printf(c->to, ",\"kind\":\"%s\",\"x\":\"%s\",\"steps\":[", store_text(st, 1), store_text(st, 2));
}

static enum err add_point(struct columns *c, sqlite3_stmt *st)
{
    bool fresh = !c->open || strcmp(c->name, store_text(st, 0)) != 0;
    if (c->points >= c->points_max) return ERR_TOO_LARGE;
    enum err e = fresh ? open_series(c, st) : OK;
    if (!e && !fresh) e = buf_text(c->to, ",");
    if (!e && !fresh) e = buf_text(&c->values, ",");
    if (!e) e = json_add_int(c->to, store_int(st, 3));
    c->points++;
    return e ? e : json_add_value(&c->values, store_double(st, 4));
}

static enum err add_columns(sqlite3_stmt *st, int64_t points_max, struct buf *to)
{
    struct columns c = {.to = to, .points_max = points_max};
    enum err e = OK;
    buf_init(&c.values, VALUES_BYTES_MAX);
    while (!e && store_step(st)) e = add_point(&c, st);
    enum err end = store_end(st);
    if (!e) e = end;
    if (!e) e = close_series(&c);
    buf_free(&c.values);
    return e;
}

#define WANTED \
    " (?2 IS NULL OR EXISTS (SELECT 1 FROM json_each(?2) n WHERE n.value = s.name OR" \
    " (substr(n.value, -1) = '/' AND substr(s.name, 1, length(n.value)) = n.value)))"

enum err store_metric_read_json(struct store_db *db, int64_t job, const struct metric_filter *f, struct buf *to)
{
    static const char sql[] = "SELECT s.name, s.kind, s.x, m.step, m.value FROM series s JOIN metric m ON m.series = s.number"
                              " WHERE s.job = ?1 AND" WANTED " AND m.step BETWEEN ?3 AND ?4 ORDER BY s.number, m.step";
    return add_columns(store_query(db, sql, "itii", job, f->names_json, f->from, f->to), f->points_max, to);
}

enum err store_metric_fill(struct store_db *db, int64_t job, const char *data, struct buf *to)
{
    static const char head[] = "SELECT json_object('attempt', json_extract(?1, '$.attempt'), 'seq', json_extract(?1, '$.seq'))";
    static const char sql[] =
        "SELECT s.name, s.kind, s.x, m.step, m.value FROM json_each(?2, '$.series') e"
        " JOIN series s ON s.job = ?1 AND s.name = json_extract(e.value, '$.name')"
        " JOIN metric m ON m.series = s.number AND m.step BETWEEN json_extract(e.value, '$.from') AND json_extract(e.value, '$.to')"
        " ORDER BY e.key, m.step";
    sqlite3_stmt *st;
    enum err e = store_first(db, head, &st, "t", data);
    if (e) return e;
    e = buf_text(to, store_text(st, 0));
    enum err end = store_end(st);
    if (e || end) return e ? e : end;
    to->data[--to->length] = '\0'; /* the brace */
    e = buf_text(to, ",\"series\":[");
    if (!e) e = add_columns(store_query(db, sql, "it", job, data), INT64_MAX, to);
    return e ? e : buf_text(to, "]}");
}

/* ---- CSV: x,step,<series...>; one row a step of each x; empty where a series has no value ---- */
struct table {
    struct buf *to;
    int columns, next; /* series in all; the next one to be written in the open row */
    int64_t numbers[CSV_COLUMNS_MAX];
    char x[8];
    int64_t step;
    bool open;
    int64_t points, points_max;
};

static enum err csv_head(struct store_db *db, int64_t job, const struct metric_filter *f, struct table *t)
{
    static const char sql[] = "SELECT s.number, s.name FROM series s WHERE s.job = ?1 AND" WANTED " ORDER BY s.number";
    enum err e = buf_text(t->to, "x,step");
    sqlite3_stmt *st = store_query(db, sql, "it", job, f->names_json);
    while (!e && store_step(st)) {
        if (t->columns == CSV_COLUMNS_MAX) e = ERR_TOO_LARGE;
        else t->numbers[t->columns++] = store_int(st, 0);
        if (!e) e = buf_printf(t->to, ",%s", store_text(st, 1)); /* names hold no comma or quote: metric_name_fits */
    }
    enum err end = store_end(st);
    return e ? e : end ? end : buf_text(t->to, "\n");
}

static enum err csv_end_row(struct table *t)
{
    enum err e = OK;
    if (!t->open) return OK;
    for (; t->next < t->columns && !e; t->next++) e = buf_text(t->to, ",");
    t->open = false;
    return e ? e : buf_text(t->to, "\n");
}

static enum err csv_value(struct table *t, double value)
{
    struct buf text;
    buf_init(&text, 64);
    enum err e = json_add_value(&text, value);
    size_t quoted = text.data && text.data[0] == '"' ? 1 : 0;
    if (!e) e = buf_add(t->to, text.data + quoted, text.length - 2 * quoted);
    buf_free(&text);
    return e;
}

static enum err csv_point(struct table *t, sqlite3_stmt *st)
{
    int64_t step = store_int(st, 1), number = store_int(st, 2);
    enum err e = OK;
    if (t->points++ >= t->points_max) return ERR_TOO_LARGE;
    if (!t->open || step != t->step || strcmp(t->x, store_text(st, 0))) {
        e = csv_end_row(t);
        store_copy(st, 0, t->x, sizeof t->x);
        t->step = step;
        t->next = 0;
        t->open = true;
        if (!e) e = buf_printf(t->to, "%s,%lld", t->x, (long long)step);
    }
    for (; t->next < t->columns && t->numbers[t->next] != number && !e; t->next++) e = buf_text(t->to, ",");
    t->next++;
    if (!e) e = buf_text(t->to, ",");
    return e ? e : csv_value(t, store_double(st, 3));
}

enum err store_metric_read_csv(struct store_db *db, int64_t job, const struct metric_filter *f, struct buf *to)
{
    static const char sql[] = "SELECT s.x, m.step, s.number, m.value FROM series s JOIN metric m ON m.series = s.number"
                              " WHERE s.job = ?1 AND" WANTED " AND m.step BETWEEN ?3 AND ?4 ORDER BY s.x DESC, m.step, s.number";
    struct table t = {.to = to, .points_max = f->points_max};
    enum err e = csv_head(db, job, f, &t);
    if (e) return e;
    sqlite3_stmt *st = store_query(db, sql, "itii", job, f->names_json, f->from, f->to);
    while (!e && store_step(st)) e = csv_point(&t, st);
    enum err end = store_end(st);
    if (!e) e = end;
    return e ? e : csv_end_row(&t);
}
