/* store_events: the statements of the event table. */
#include "server/store_events.h"

#include <stdlib.h>
#include <string.h>
#include "server/store_db.h"
#include "server/store_metrics.h"

enum { DATA_BYTES_MAX = 8 << 20 };

enum err store_event_add(struct store_db *db, const struct job_row *job, const char *kind, const char *data, const char *told,
                         int64_t now_ms, int64_t *id)
{
    static const char sql[] = "INSERT INTO event(at_ms, job, kind, data) VALUES(?,?,?,?)";
    enum err e = store_run(db, sql, NULL, "iitt", now_ms, job->number, kind, data);
    if (e) return e;
    int64_t row = store_last_rowid(db);
    if (id) *id = row;
    store_tell_event(db, row, job->id, job->token_id, kind, told ? told : data);
    return OK;
}

void store_event_claimable(struct store_db *db)
{
    store_tell_claimable(db);
}

void store_event_command(struct store_db *db, const char *job_id)
{
    store_tell_command(db, job_id);
}

int64_t store_event_newest(struct store_db *db)
{
    static const char sql[] = "SELECT coalesce(max(id), 0) FROM event";
    sqlite3_stmt *st;
    if (store_first(db, sql, &st, "")) return 0;
    int64_t id = store_int(st, 0);
    return store_end(st) ? 0 : id;
}

enum err store_event_each(struct store_db *db, int64_t job, const char *owner, int64_t after, int limit,
                          enum err (*each)(void *context, const struct event_row *row), void *context, struct event_page *page)
{
    static const char of_job[] = "SELECT e.id, e.at_ms, j.id, e.kind, e.data, e.job, j.token_id FROM event e JOIN job j ON j.number = e.job"
                                 " WHERE e.job = ?1 AND e.id > ?2 ORDER BY e.id LIMIT ?3";
    static const char of_all[] = "SELECT e.id, e.at_ms, j.id, e.kind, e.data, e.job, j.token_id FROM event e JOIN job j ON j.number = e.job"
                                 " WHERE ?1 = 0 AND e.id > ?2 ORDER BY e.id LIMIT ?3";
    sqlite3_stmt *st = store_query(db, job ? of_job : of_all, "iii", job, after, (int64_t)limit);
    struct buf filled;
    enum err e = OK;
    *page = (struct event_page){.last = after};
    buf_init(&filled, DATA_BYTES_MAX);
    while (!e && store_step(st)) {
        struct event_row row = {store_int(st, 0), store_int(st, 1), store_text(st, 2), store_text(st, 3), store_text(st, 4)};
        page->last = row.id;
        page->looked++;
        if (owner && strcmp(owner, store_text(st, 6))) continue;
        if (!strcmp(row.kind, "metrics")) {
            buf_reset(&filled);
            e = store_metric_fill(db, store_int(st, 5), row.data, &filled);
            row.data = filled.data;
        }
        if (!e) e = each(context, &row);
    }
    buf_free(&filled);
    enum err end = store_end(st);
    return e ? e : end;
}
