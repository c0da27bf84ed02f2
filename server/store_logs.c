/* store_logs: the statements of the log tables. */
#include "server/store_logs.h"

#include <string.h>
#include "server/json_add.h"
#include "server/store_db.h"

enum err store_log_append(struct store_db *db, const struct job_row *job, int64_t attempt, int64_t seq, const char *text, bool *existed)
{
    static const char batch[] = "INSERT INTO log_batch(job, attempt, seq) VALUES(?,?,?) ON CONFLICT DO NOTHING";
    static const char sql[] = "INSERT INTO log(job, at_byte, attempt, seq, text) VALUES(?,?,?,?,?)";
    int64_t changes = 0;
    enum err e = store_run(db, batch, &changes, "iii", job->number, attempt, seq);
    *existed = !e && !changes;
    if (e || *existed || !*text) return e;
    return store_run(db, sql, NULL, "iiiit", job->number, job->log_bytes, attempt, seq, text);
}

enum err store_log_read(struct store_db *db, int64_t job, int64_t after, int64_t limit, struct buf *to, int64_t *next)
{
    /* from the piece that holds byte `after` */
    static const char sql[] = "SELECT at_byte, text FROM log WHERE job = ?1 AND at_byte >="
                              " coalesce((SELECT max(at_byte) FROM log WHERE job = ?1 AND at_byte <= ?2), 0) ORDER BY at_byte";
    sqlite3_stmt *st = store_query(db, sql, "ii", job, after);
    int64_t given = 0;
    enum err e = OK;
    *next = after;
    while (!e && given < limit && store_step(st)) {
        int64_t at = store_int(st, 0), skip = after > at ? after - at : 0;
        const char *text = store_text(st, 1);
        int64_t length = (int64_t)strlen(text);
        if (skip >= length) continue;
        e = buf_add(to, text + skip, (size_t)(length - skip));
        given += length - skip;
        *next = at + length;
    }
    enum err end = store_end(st);
    return e ? e : end;
}

static const char *last_lines(const char *text, int lines)
{
    const char *at = text + strlen(text);
    for (; at > text; at--)
        if (at[-1] == '\n' && lines-- == 0) break;
    return at;
}

static enum err add_lines(const char *text, struct buf *to)
{
    enum err e = OK;
    bool first = true;
    char line[1024];
    while (*text && !e) {
        size_t n = strcspn(text, "\n");
        err_print(line, sizeof line, "%.*s", (int)n, text);
        if (!first) e = buf_text(to, ",");
        if (!e) e = json_add_text(to, line);
        first = false;
        text += n + (text[n] == '\n');
    }
    return e;
}

enum err store_log_tail(struct store_db *db, int64_t job, int lines, struct buf *to)
{
    static const char sql[] = "SELECT text FROM log WHERE job = ? ORDER BY at_byte DESC LIMIT 20";
    struct buf all, tail;
    enum err e = OK;
    buf_init(&all, 4 << 20);
    sqlite3_stmt *st = store_query(db, sql, "i", job);
    while (!e && store_step(st)) { /* newest piece first: each goes before what is there */
        buf_init(&tail, 4 << 20);
        e = buf_text(&tail, last_lines(store_text(st, 0), lines));
        if (!e && all.data) e = buf_text(&tail, all.data);
        buf_free(&all);
        all = tail;
    }
    enum err end = store_end(st);
    if (!e) e = end;
    if (!e && all.data) e = add_lines(last_lines(all.data, lines), to);
    buf_free(&all);
    return e;
}
