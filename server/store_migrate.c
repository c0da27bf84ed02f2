/* store_migrate: applies schema/sql/NNNN_*.sql, which ride inside the program, one transaction each. */
#include "server/store_migrate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/embedded.h"
#include "schema/base/log.h"

#define SQL_FOLDER "schema/sql/"

/* 0 for a file that is no step. */
static int step_of(const struct embedded_file *file)
{
    size_t folder = sizeof SQL_FOLDER - 1;
    return strncmp(file->path, SQL_FOLDER, folder) ? 0 : atoi(file->path + folder);
}

int store_version_newest(void)
{
    int newest = 0;
    for (const struct embedded_file *f = embedded_files; f->path; f++)
        if (step_of(f) > newest) newest = step_of(f);
    return newest;
}

int store_version(struct store_db *db)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->db, "PRAGMA user_version", -1, &st, NULL);
    if (rc) (void)store_err_of(db, rc, "PRAGMA user_version");
    int version = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int(st, 0) : -1;
    sqlite3_finalize(st);
    return version;
}

static enum err apply(struct store_db *db, const struct embedded_file *file, int step, struct err_note *note)
{
    char set_version[48];
    snprintf(set_version, sizeof set_version, "PRAGMA user_version=%d", step); /* a pragma takes no parameter */
    int rc = sqlite3_exec(db->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (!rc) rc = sqlite3_exec(db->db, (const char *)file->bytes, NULL, NULL, NULL);
    if (!rc) rc = sqlite3_exec(db->db, set_version, NULL, NULL, NULL);
    if (!rc) rc = sqlite3_exec(db->db, "COMMIT", NULL, NULL, NULL);
    if (!rc) return OK;
    enum err e = store_err_of(db, rc, file->path);
    sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
    return err_set(note, e, file->path, "this step could not be applied");
}

enum err store_migrate(struct store_db *db, struct err_note *note)
{
    int version = store_version(db), newest = store_version_newest();
    if (version > newest)
        return err_set(note, ERR_UPGRADE, "tandem.db", "the database is at step %d, this program knows %d: start the newer program", version, newest);
    for (const struct embedded_file *f = embedded_files; f->path; f++) {
        int step = step_of(f);
        if (step <= version) continue;
        enum err e = apply(db, f, step, note);
        if (e) return e;
        log_info("store.migrated", "step=%d file=%s", step, f->path);
    }
    assert(store_version(db) == newest);
    return OK;
}
