/* store_datasets: the statements of the dataset table. */
#include "server/store_datasets.h"

#include <stdlib.h>
#include <string.h>
#include "server/must.h"
#include "server/store_db.h"
#include "server/store_views.h"

enum { NAMES_MAX = 1000 };

static enum err read_row(sqlite3_stmt *st, struct dataset_row *r)
{
    r->number = store_int(st, 0);
    store_copy(st, 1, r->name, sizeof r->name);
    store_copy(st, 2, r->sha256, sizeof r->sha256);
    r->bytes = store_int(st, 3);
    return store_end(st);
}

enum err store_dataset_find(struct store_db *db, const char *name, struct dataset_row *row)
{
    static const char sql[] = "SELECT number, name, sha256, bytes FROM dataset WHERE name = ? AND current = 1";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "t", name);
    return e ? e : read_row(st, row);
}

enum err store_dataset_by_blob(struct store_db *db, const char *sha256, struct dataset_row *row)
{
    static const char sql[] = "SELECT number, name, sha256, bytes FROM dataset WHERE sha256 = ? ORDER BY number DESC LIMIT 1";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "t", sha256);
    return e ? e : read_row(st, row);
}

bool store_dataset_same(struct store_db *db, const char *name, const char *sha256, const char *generate_json)
{
    static const char sql[] = "SELECT 1 FROM dataset WHERE name = ?1 AND current = 1 AND sha256 IS ?2 AND generate IS json(?3)";
    sqlite3_stmt *st;
    if (store_first(db, sql, &st, "ttt", name, sha256, generate_json)) return false;
    return store_end(st) == OK;
}

enum err store_dataset_insert(struct store_db *db, const struct dataset_new *d, int64_t now_ms)
{
    static const char old[] = "UPDATE dataset SET current = 0 WHERE name = ? AND current = 1";
    static const char sql[] = "INSERT INTO dataset(name, current, sha256, generate, bytes, token_id, created_at_ms) VALUES(?,1,?,json(?),?,?,?)";
    enum err e = store_run(db, old, NULL, "t", d->name);
    return e ? e : store_run(db, sql, NULL, "tttiti", d->name, d->sha256, d->generate_json, d->bytes, d->token_id, now_ms);
}

enum err store_dataset_list(struct store_db *db, const char *name, struct buf *to)
{
    static const char sql[] = "SELECT json_object('name', name, 'sha256', sha256, 'bytes', bytes, 'generate', json(generate),"
                              " 'created_at_ms', created_at_ms) FROM dataset WHERE current = 1 AND (?1 IS NULL OR name = ?1) ORDER BY name";
    return store_add_rows(store_query(db, sql, "t", name), to);
}

void store_dataset_nearest(struct store_db *db, const char *name, char *nearest, size_t size)
{
    static const char sql[] = "SELECT name FROM dataset WHERE current = 1 ORDER BY name LIMIT 1000";
    char **names = must_calloc(NAMES_MAX + 1, sizeof *names);
    size_t count = 0;
    sqlite3_stmt *st = store_query(db, sql, "");
    while (count < NAMES_MAX && store_step(st)) names[count++] = store_dup(st, 0);
    const char *found = store_end(st) ? NULL : err_nearest(name, (const char *const *)names);
    err_print(nearest, size, "%s", found ? found : "");
    while (count) free(names[--count]);
    free(names);
}
