/* store_db: the inside of struct store_db for store_*.c: the connection, its prepared statements, what a batch has to tell. */
#ifndef SERVER_STORE_DB_H
#define SERVER_STORE_DB_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/buf.h"
#include "server/store.h"

enum { STORE_STATEMENTS_MAX = 256, STORE_STATEMENT_SLOTS = 512 /* a power of two, at most half full */ };

struct store_told { /* what happened in a batch: told after its commit, forgotten with a rollback */
    enum { TOLD_EVENT, TOLD_CLAIMABLE, TOLD_COMMAND } what;
    int64_t event_id;
    char job_id[37], token_id[33];
    char kind[24];
    char *json;
};
struct store_db {
    sqlite3 *db;
    struct {
        const char *sql; /* the key: the address of the constant text */
        sqlite3_stmt *statement;
    } statements[STORE_STATEMENT_SLOTS];
    size_t statement_count;
    struct store_told *told;
    size_t told_count, told_capacity;
    int wal_pages;         /* after the last commit */
    bool is_wal;
    struct store_backup *backup; /* NULL: none goes on */
};

/* Statements are prepared once and kept; `sql` must be a constant with static storage: its address is the key.
   Formats, one letter a parameter: i int64_t, d double (NaN becomes NULL), t text (NULL becomes NULL), o const int64_t * (NULL becomes NULL),
   b const void * and size_t.
     store_run     runs it to its end; *changes (may be NULL) = rows changed
     store_first   OK: one row is there, read it with store_int(st, 0)..., then store_end(st); ERR_NOT_FOUND: no row, nothing to end
     store_query   then while (store_step(st)) ...; e = store_end(st)
   A full disk is ERR_NO_SPACE; an I/O error or damage never returns (exit 74); a statement that does not fit the schema is our
   mistake and never returns either; a broken constraint is logged and ERR_INTERNAL. */
enum err store_run(struct store_db *db, const char *sql, int64_t *changes, const char *format, ...) MUST_USE;
enum err store_first(struct store_db *db, const char *sql, sqlite3_stmt **st, const char *format, ...) MUST_USE;
sqlite3_stmt *store_query(struct store_db *db, const char *sql, const char *format, ...);
bool store_step(sqlite3_stmt *st);
enum err store_end(sqlite3_stmt *st);
int64_t store_int(sqlite3_stmt *st, int column);          /* NULL = 0 */
double store_double(sqlite3_stmt *st, int column);        /* NULL = NaN */
bool store_is_null(sqlite3_stmt *st, int column);
const char *store_text(sqlite3_stmt *st, int column);     /* never NULL; until the next step or end */
void store_copy(sqlite3_stmt *st, int column, char *to, size_t size); /* cut to size */
char *store_dup(sqlite3_stmt *st, int column);            /* the caller's; NULL for NULL */
int64_t store_last_rowid(struct store_db *db);

/* The error of an SQLite result code, as above. `what` for the log. */
enum err store_err_of(struct store_db *db, int rc, const char *what);
void store_finalize_all(struct store_db *db);

/* ---- what a batch has to tell ---- */
void store_tell_event(struct store_db *db, int64_t event_id, const char *job_id, const char *token_id, const char *kind, const char *json);
void store_tell_claimable(struct store_db *db);
void store_tell_command(struct store_db *db, const char *job_id);
void store_untell(struct store_db *db, size_t count); /* keeps the first `count` */

#endif
