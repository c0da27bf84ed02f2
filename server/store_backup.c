/* store_backup: sqlite3_backup, 256 pages at a time. Writes between two slices go into the copy, too: they are the same connection's. */
#include "server/store_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "schema/base/log.h"
#include "server/must.h"
#include "server/store_db.h"
#include "server/store_open.h"

enum { SLICE_PAGES = 256 /* 1 MiB: about a millisecond */ };

struct store_backup {
    sqlite3 *to;
    sqlite3_backup *copy;
    char path[1024], part[1032];
    store_backup_done *done;
    void *context;
};

bool store_backup_going(const struct store_db *db)
{
    return db->backup != NULL;
}

static void end(struct store_db *db, enum err e, const struct err_note *note)
{
    struct store_backup *b = db->backup;
    struct stat s = {0};
    db->backup = NULL;
    if (!e) stat(b->path, &s);
    if (e) unlink(b->part);
    log_line(e ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "store.backup", "path=%s error=%s bytes=%lld", b->path, err_word(e), (long long)s.st_size);
    b->done(b->context, e, note, (int64_t)s.st_size);
    free(b);
}

enum err store_backup_start(struct store_db *db, const char *path, store_backup_done *done, void *context, struct err_note *note)
{
    if (db->backup) return err_set(note, ERR_BUSY, "", "a backup is being made already");
    struct store_backup *b = must_calloc(1, sizeof *b);
    err_print(b->path, sizeof b->path, "%s", path);
    err_print(b->part, sizeof b->part, "%s.part", path);
    unlink(b->part);
    int rc = sqlite3_open_v2(b->part, &b->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (!rc) rc = sqlite3_exec(b->to, "PRAGMA synchronous=FULL", NULL, NULL, NULL);
    if (!rc && !(b->copy = sqlite3_backup_init(b->to, "main", db->db, "main"))) rc = sqlite3_errcode(b->to);
    if (rc) {
        enum err e = err_set(note, (rc & 0xff) == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO, path, "cannot begin the copy: %s", sqlite3_errstr(rc));
        sqlite3_close(b->to);
        free(b);
        return e;
    }
    b->done = done;
    b->context = context;
    db->backup = b;
    return OK;
}

/* The copy is complete: close it (synced by then), give it its name, make the name last. */
static enum err put_in_place(struct store_backup *b, struct err_note *note)
{
    char folder[sizeof b->path];
    err_print(folder, sizeof folder, "%s", b->path);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
    if (rename(b->part, b->path)) return err_set(note, ERR_IO, b->path, "cannot rename the copy: %s", strerror(errno));
    return store_sync_folder(slash ? folder : ".", note);
}

/* Errors here are of the copy's disk, which may be another: the daemon goes on. */
void store_backup_step(struct store_db *db)
{
    struct store_backup *b = db->backup;
    struct err_note note = {0};
    if (!b) return;
    int rc = sqlite3_backup_step(b->copy, SLICE_PAGES);
    if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED) return;
    int finish = sqlite3_backup_finish(b->copy), closed = sqlite3_close(b->to);
    if (rc == SQLITE_DONE) rc = finish ? finish : closed;
    enum err e = OK;
    if (rc) e = err_set(&note, (rc & 0xff) == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO, b->path, "the copy failed: %s", sqlite3_errstr(rc));
    if (!e) e = put_in_place(b, &note);
    end(db, e, &note);
}

void store_backup_abort(struct store_db *db)
{
    struct store_backup *b = db->backup;
    struct err_note note = {0};
    if (!b) return;
    sqlite3_backup_finish(b->copy);
    sqlite3_close(b->to);
    err_set(&note, ERR_CANCELLED, b->path, "the daemon stops");
    end(db, ERR_CANCELLED, &note);
}
