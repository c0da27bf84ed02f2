/* store_db: prepares and runs the constant statements, and keeps what a batch has to tell after its commit. */
#include "server/store_db.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "schema/base/log.h"
#include "server/must.h"

static enum err err_of(sqlite3 *db, int rc, const char *what)
{
    switch (rc & 0xff) {
    case SQLITE_OK: case SQLITE_ROW: case SQLITE_DONE: return OK;
    case SQLITE_FULL: return ERR_NO_SPACE;
    case SQLITE_NOMEM: return ERR_NO_MEMORY;
    case SQLITE_TOOBIG: return ERR_TOO_LARGE;
    case SQLITE_CONSTRAINT:
        log_error("store.constraint", "rc=%d message=\"%s\" statement=\"%s\"", rc, sqlite3_errmsg(db), what);
        return ERR_INTERNAL;
    case SQLITE_IOERR: case SQLITE_CORRUPT: case SQLITE_NOTADB: case SQLITE_PROTOCOL:
        /* After a failed sync the kernel may have dropped the pages: only a restart, which reads the disk anew, knows the truth. */
        log_error("store.failed", "rc=%d message=\"%s\" statement=\"%s\"", rc, sqlite3_errmsg(db), what);
        _exit(74);
    default:
        log_error("store.misuse", "rc=%d message=\"%s\" statement=\"%s\"", rc, sqlite3_errmsg(db), what);
        abort();
    }
}

enum err store_err_of(struct store_db *db, int rc, const char *what)
{
    return err_of(db->db, rc, what);
}

static sqlite3_stmt *prepared(struct store_db *db, const char *sql)
{
    size_t slot = ((uintptr_t)sql >> 3) * 0x9e3779b97f4a7c15u >> 55;
    static_assert(STORE_STATEMENT_SLOTS == 1 << 9, "the hash above keeps nine bits");
    for (;; slot = (slot + 1) % STORE_STATEMENT_SLOTS) {
        if (db->statements[slot].sql == sql) return db->statements[slot].statement;
        if (!db->statements[slot].sql) break;
    }
    assert(db->statement_count < STORE_STATEMENTS_MAX);
    sqlite3_stmt *st = NULL;
    const char *tail = NULL;
    int rc = sqlite3_prepare_v3(db->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, &tail);
    if (rc == SQLITE_NOMEM) abort();
    if (rc) (void)store_err_of(db, rc, sql);
    assert(st && !*tail);
    db->statements[slot].sql = sql;
    db->statements[slot].statement = st;
    db->statement_count++;
    return st;
}

static void bind_one(sqlite3_stmt *st, int at, char letter, va_list *values)
{
    const char *text;
    const int64_t *maybe;
    const void *bytes;
    int rc = SQLITE_MISUSE;
    switch (letter) {
    case 'i': rc = sqlite3_bind_int64(st, at, va_arg(*values, int64_t)); break;
    case 'd': rc = sqlite3_bind_double(st, at, va_arg(*values, double)); break;
    case 't':
        text = va_arg(*values, const char *);
        rc = text ? sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC) : sqlite3_bind_null(st, at);
        break;
    case 'o':
        maybe = va_arg(*values, const int64_t *);
        rc = maybe ? sqlite3_bind_int64(st, at, *maybe) : sqlite3_bind_null(st, at);
        break;
    case 'b':
        bytes = va_arg(*values, const void *);
        rc = sqlite3_bind_blob64(st, at, bytes, va_arg(*values, size_t), SQLITE_STATIC);
        break;
    default: break;
    }
    assert(rc == SQLITE_OK || rc == SQLITE_TOOBIG);
}

/* Everything bound here lives until the statement has ended: callers read their rows before they return. */
static sqlite3_stmt *bound(struct store_db *db, const char *sql, const char *format, va_list *values)
{
    sqlite3_stmt *st = prepared(db, sql);
    assert(!sqlite3_stmt_busy(st));
    assert(sqlite3_bind_parameter_count(st) == (int)strlen(format));
    for (int i = 0; format[i]; i++) bind_one(st, i + 1, format[i], values);
    return st;
}

enum err store_run(struct store_db *db, const char *sql, int64_t *changes, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    sqlite3_stmt *st = bound(db, sql, format, &values);
    va_end(values);
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
    }
    if (changes) *changes = rc == SQLITE_DONE ? sqlite3_changes64(db->db) : 0;
    enum err e = store_err_of(db, rc, sql);
    sqlite3_reset(st);
    return e;
}

enum err store_first(struct store_db *db, const char *sql, sqlite3_stmt **row, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    sqlite3_stmt *st = bound(db, sql, format, &values);
    va_end(values);
    *row = st;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) return OK;
    enum err e = store_err_of(db, rc, sql);
    sqlite3_reset(st);
    *row = NULL;
    return e ? e : ERR_NOT_FOUND;
}

sqlite3_stmt *store_query(struct store_db *db, const char *sql, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    sqlite3_stmt *st = bound(db, sql, format, &values);
    va_end(values);
    return st;
}

bool store_step(sqlite3_stmt *st)
{
    return sqlite3_step(st) == SQLITE_ROW;
}

enum err store_end(sqlite3_stmt *st)
{
    int rc = sqlite3_reset(st); /* repeats the error of the last step */
    return err_of(sqlite3_db_handle(st), rc, sqlite3_sql(st));
}

int64_t store_int(sqlite3_stmt *st, int column)
{
    return sqlite3_column_int64(st, column);
}

double store_double(sqlite3_stmt *st, int column)
{
    return store_is_null(st, column) ? (double)NAN : sqlite3_column_double(st, column);
}

bool store_is_null(sqlite3_stmt *st, int column)
{
    return sqlite3_column_type(st, column) == SQLITE_NULL;
}

const char *store_text(sqlite3_stmt *st, int column)
{
    const unsigned char *text = sqlite3_column_text(st, column);
    return text ? (const char *)text : "";
}

void store_copy(sqlite3_stmt *st, int column, char *to, size_t size)
{
    err_print(to, size, "%s", store_text(st, column));
}

char *store_dup(sqlite3_stmt *st, int column)
{
    return store_is_null(st, column) ? NULL : must_strdup(store_text(st, column));
}

int64_t store_last_rowid(struct store_db *db)
{
    return sqlite3_last_insert_rowid(db->db);
}

void store_finalize_all(struct store_db *db)
{
    for (size_t i = 0; i < STORE_STATEMENT_SLOTS; i++) {
        sqlite3_finalize(db->statements[i].statement);
        db->statements[i].statement = NULL;
        db->statements[i].sql = NULL;
    }
    db->statement_count = 0;
    store_untell(db, 0);
    free(db->told);
    db->told = NULL;
    db->told_capacity = 0;
}

static struct store_told *tell(struct store_db *db)
{
    if (db->told_count == db->told_capacity) {
        db->told_capacity = db->told_capacity ? 2 * db->told_capacity : 64;
        db->told = must_realloc(db->told, db->told_capacity * sizeof *db->told);
    }
    struct store_told *t = &db->told[db->told_count++];
    memset(t, 0, sizeof *t);
    return t;
}

void store_tell_event(struct store_db *db, int64_t event_id, const char *job_id, const char *token_id, const char *kind, const char *json)
{
    struct store_told *t = tell(db);
    t->what = TOLD_EVENT;
    t->event_id = event_id;
    err_print(t->job_id, sizeof t->job_id, "%s", job_id);
    err_print(t->token_id, sizeof t->token_id, "%s", token_id);
    err_print(t->kind, sizeof t->kind, "%s", kind);
    t->json = must_strdup(json);
}

void store_tell_claimable(struct store_db *db)
{
    tell(db)->what = TOLD_CLAIMABLE;
}

void store_tell_command(struct store_db *db, const char *job_id)
{
    struct store_told *t = tell(db);
    t->what = TOLD_COMMAND;
    err_print(t->job_id, sizeof t->job_id, "%s", job_id);
}

void store_untell(struct store_db *db, size_t count)
{
    while (db->told_count > count) free(db->told[--db->told_count].json);
}
