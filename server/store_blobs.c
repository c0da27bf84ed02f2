/* store_blobs: the statements of the blob and artifact tables. */
#include "server/store_blobs.h"

#include <math.h>
#include "server/store_db.h"
#include "server/store_views.h"

enum err store_blob_add(struct store_db *db, const char *sha256, int64_t bytes)
{
    static const char sql[] = "INSERT INTO blob(sha256, bytes) VALUES(?,?) ON CONFLICT DO NOTHING";
    return store_run(db, sql, NULL, "ti", sha256, bytes);
}

bool store_blob_known(struct store_db *db, const char *sha256)
{
    static const char sql[] = "SELECT 1 FROM blob WHERE sha256 = ?";
    sqlite3_stmt *st;
    if (store_first(db, sql, &st, "t", sha256)) return false;
    return store_end(st) == OK;
}

enum err store_blob_drop(struct store_db *db, const char *sha256, bool *freed)
{
    static const char sql[] = "DELETE FROM blob WHERE sha256 = ?1 AND NOT EXISTS (SELECT 1 FROM artifact WHERE sha256 = ?1)"
                              " AND NOT EXISTS (SELECT 1 FROM dataset WHERE sha256 = ?1)";
    int64_t changes = 0;
    enum err e = store_run(db, sql, &changes, "t", sha256);
    *freed = changes > 0;
    return e;
}

enum err store_artifact_find(struct store_db *db, int64_t job, const char *name, struct artifact_row *r)
{
    static const char sql[] = "SELECT name, kind, sha256, bytes, attempt, step, epoch, score FROM artifact WHERE job = ? AND name = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "it", job, name);
    if (e) return e;
    store_copy(st, 0, r->name, sizeof r->name);
    store_copy(st, 1, r->kind, sizeof r->kind);
    store_copy(st, 2, r->sha256, sizeof r->sha256);
    r->bytes = store_int(st, 3);
    r->attempt = store_int(st, 4);
    r->step = store_is_null(st, 5) ? STORE_ABSENT : store_int(st, 5);
    r->epoch = store_is_null(st, 6) ? STORE_ABSENT : store_int(st, 6);
    r->score = store_double(st, 7);
    return store_end(st);
}

enum err store_artifact_put(struct store_db *db, int64_t job, const struct artifact_row *r, int64_t now_ms)
{
    static const char sql[] = "INSERT INTO artifact(job, name, kind, sha256, bytes, attempt, step, epoch, score, created_at_ms)"
                              " VALUES(?,?,?,?,?,?,?,?,?,?) ON CONFLICT(job, name) DO UPDATE SET kind = excluded.kind, sha256 = excluded.sha256,"
                              " bytes = excluded.bytes, attempt = excluded.attempt, step = excluded.step, epoch = excluded.epoch,"
                              " score = excluded.score, created_at_ms = excluded.created_at_ms";
    return store_run(db, sql, NULL, "itttiioodi", job, r->name, r->kind, r->sha256, r->bytes, r->attempt,
                     r->step == STORE_ABSENT ? NULL : &r->step, r->epoch == STORE_ABSENT ? NULL : &r->epoch, r->score, now_ms);
}

enum err store_artifact_drop_checkpoint(struct store_db *db, int64_t job, char sha256[SHA256_HEX])
{
    static const char find[] = "SELECT name, sha256 FROM artifact WHERE job = ? AND kind = 'checkpoint' LIMIT 1";
    static const char drop[] = "DELETE FROM artifact WHERE job = ? AND name = ?";
    char name[STORE_NAME_BYTES];
    sqlite3_stmt *st;
    enum err e = store_first(db, find, &st, "i", job);
    if (e) return e;
    store_copy(st, 0, name, sizeof name);
    store_copy(st, 1, sha256, SHA256_HEX);
    e = store_end(st);
    return e ? e : store_run(db, drop, NULL, "it", job, name);
}

enum err store_artifact_list(struct store_db *db, int64_t job, const char *name, struct buf *to)
{
    static const char sql[] = "SELECT json_object('name', name, 'kind', kind, 'sha256', sha256, 'bytes', bytes, 'attempt', attempt,"
                              " 'step', step, 'epoch', epoch, 'score', score, 'created_at_ms', created_at_ms) FROM artifact"
                              " WHERE job = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY name";
    return store_add_rows(store_query(db, sql, "it", job, name), to);
}
