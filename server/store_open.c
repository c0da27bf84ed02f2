/* store_open: everything between a folder name and a connection that may be trusted. */
#include "server/store_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "schema/base/log.h"

enum { PATH_BYTES = 4096 };

static enum err io_error(struct err_note *note, const char *path, const char *doing)
{
    return err_set(note, ERR_IO, path, "cannot %s: %s", doing, strerror(errno));
}

static enum err make_folder(const char *path, struct err_note *note)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return OK;
    return io_error(note, path, "make the folder");
}

enum err store_lock(const char *folder, int *fd, struct err_note *note)
{
    char path[PATH_BYTES], pid[32] = "";
    enum err e = make_folder(folder, note);
    if (e) return e;
    err_print(path, sizeof path, "%s/lock", folder);
    int f = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f < 0) return io_error(note, path, "open the lock");
    if (flock(f, LOCK_EX | LOCK_NB)) {
        ssize_t n = pread(f, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
        close(f);
        return err_set(note, ERR_BUSY, folder, "another tandemd has this folder: process %s", *pid ? pid : "unknown");
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(f, 0) || pwrite(f, pid, (size_t)n, 0) != n) {
        e = io_error(note, path, "write the lock");
        close(f);
        return e;
    }
    *fd = f;
    return OK;
}

const char *store_network_fs(const char *folder)
{
    static const struct {
        long magic;
        const char *name;
    } kinds[] = {
        {0x6969, "NFS"},          {0xff534d42L, "CIFS"},   {0xfe534d42L, "SMB2"},   {0x517b, "SMB"},
        {0x0bd00bd0, "Lustre"},   {0x47504653, "GPFS"},    {0x19830326, "BeeGFS"},  {0x65735546, "FUSE"},
        {0x01021997, "9P"},       {0x00c36400, "Ceph"},    {0x5346414f, "AFS"},     {0x7461636f, "OCFS2"},
    };
    struct statfs s;
    if (statfs(folder, &s)) return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((unsigned)s.f_type == (unsigned)kinds[i].magic) return kinds[i].name;
    return NULL;
}

bool store_has_wal_reset_fault(int v)
{
    if (v >= 3051003 || v < 3007000) return false;
    return !(v >= 3050007 && v < 3051000) && !(v >= 3044006 && v < 3045000);
}

enum err store_sync_folder(const char *folder, struct err_note *note)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_error(note, folder, "open the folder");
    int bad = fsync(fd);
    enum err e = bad ? io_error(note, folder, "sync the folder") : OK;
    close(fd);
    return e;
}

static int set_limits(sqlite3 *db)
{
    static const struct {
        int which, value;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, 16 << 20},    {SQLITE_LIMIT_SQL_LENGTH, 64 << 10},   {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_WORKER_THREADS, 0},   {SQLITE_LIMIT_TRIGGER_DEPTH, 1},       {SQLITE_LIMIT_COMPOUND_SELECT, 8},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) sqlite3_limit(db, limits[i].which, limits[i].value);
    int on = 0;
    int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, &on);
    if (!rc) rc = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, &on);
    if (!rc) rc = sqlite3_extended_result_codes(db, 1);
    return rc;
}

/* Each pragma in this order; EXCLUSIVE before WAL, so that there is no shared memory and nobody else gets in. */
static int set_pragmas(sqlite3 *db, bool wal, int64_t pages_max)
{
    static const char *const before[] = {"PRAGMA locking_mode=EXCLUSIVE"};
    static const char *const after[] = {
        "PRAGMA synchronous=FULL",       "PRAGMA foreign_keys=ON",           "PRAGMA cell_size_check=ON", "PRAGMA mmap_size=0",
        "PRAGMA wal_autocheckpoint=0",   "PRAGMA journal_size_limit=67108864", "PRAGMA temp_store=MEMORY",
        "PRAGMA cache_size=-65536",      "PRAGMA hard_heap_limit=268435456",
    };
    int rc = sqlite3_exec(db, before[0], NULL, NULL, NULL);
    if (!rc) rc = sqlite3_exec(db, wal ? "PRAGMA journal_mode=WAL" : "PRAGMA journal_mode=TRUNCATE", NULL, NULL, NULL);
    for (size_t i = 0; !rc && i < sizeof after / sizeof *after; i++) rc = sqlite3_exec(db, after[i], NULL, NULL, NULL);
    if (!rc && pages_max) {
        char sql[64];
        snprintf(sql, sizeof sql, "PRAGMA max_page_count=%lld", (long long)pages_max); /* a pragma takes no parameter */
        rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    }
    return rc;
}

static bool one_text(sqlite3 *db, const char *sql, char *to, size_t size)
{
    sqlite3_stmt *st = NULL;
    bool got = !sqlite3_prepare_v2(db, sql, -1, &st, NULL) && sqlite3_step(st) == SQLITE_ROW;
    err_print(to, size, "%s", got && sqlite3_column_text(st, 0) ? (const char *)sqlite3_column_text(st, 0) : "");
    sqlite3_finalize(st);
    return got;
}

static enum err check(struct store_db *db, const char *path, struct err_note *note)
{
    char text[200];
    if (!one_text(db->db, "PRAGMA quick_check(1)", text, sizeof text) || strcmp(text, "ok"))
        return err_set(note, ERR_CORRUPT, path, "the check at start failed: %s. Restore a copy from backups/", *text ? text : sqlite3_errmsg(db->db));
    return OK;
}

enum err store_connect(struct store_db *db, const struct store_settings *settings, struct err_note *note)
{
    char path[PATH_BYTES], mode[16];
    const char *network = store_network_fs(settings->folder);
    if (network && !settings->allow_network_fs)
        return err_set(note, ERR_IO, settings->folder, "this folder is on %s, where a database cannot be trusted: choose a local disk, or --allow-network-fs", network);
    err_print(path, sizeof path, "%s/tandem.db", settings->folder);
    int rc = sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, settings->vfs);
    if (!rc) rc = set_limits(db->db);
    if (!rc) rc = set_pragmas(db->db, !network, settings->pages_max);
    if (rc) {
        bool damaged = (rc & 0xff) == SQLITE_NOTADB || (rc & 0xff) == SQLITE_CORRUPT, busy = (rc & 0xff) == SQLITE_BUSY;
        err_set(note, damaged ? ERR_CORRUPT : busy ? ERR_BUSY : ERR_IO, path, "cannot open the database: %s", db->db ? sqlite3_errmsg(db->db) : sqlite3_errstr(rc));
        store_disconnect(db);
        return damaged ? ERR_CORRUPT : busy ? ERR_BUSY : ERR_IO;
    }
    enum err e = check(db, path, note);
    if (!e) e = store_sync_folder(settings->folder, note); /* SQLite ignores a failure of this one */
    if (e) {
        store_disconnect(db);
        return e;
    }
    one_text(db->db, "PRAGMA journal_mode", mode, sizeof mode);
    db->is_wal = !strcmp(mode, "wal");
    log_info("store.opened", "path=%s sqlite=%s journal=%s wal_reset_fault=%s", path, sqlite3_libversion(), mode,
             store_has_wal_reset_fault(sqlite3_libversion_number()) ? "yes,one-connection" : "no");
    return OK;
}

void store_disconnect(struct store_db *db)
{
    store_finalize_all(db);
    int rc = sqlite3_close(db->db);
    if (rc) log_error("store.close", "rc=%d", rc);
    db->db = NULL;
}

bool store_reserve_make(const char *folder, int64_t bytes)
{
    char path[PATH_BYTES];
    struct statvfs v;
    if (bytes <= 0 || statvfs(folder, &v)) return false;
    err_print(path, sizeof path, "%s/reserve", folder);
    if ((int64_t)v.f_bavail * (int64_t)v.f_frsize < 2 * bytes) return access(path, F_OK) == 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool made = !posix_fallocate(fd, 0, bytes);
    close(fd);
    if (!made) unlink(path);
    return made;
}

void store_reserve_free(const char *folder)
{
    char path[PATH_BYTES];
    err_print(path, sizeof path, "%s/reserve", folder);
    unlink(path);
}
