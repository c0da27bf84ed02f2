/* power_vfs: keeps for every file the durable image and the writes since its last sync. */
#include "tests/server/power_vfs.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512 };

struct unsynced {
    bool is_truncation;
    sqlite3_int64 at;
    size_t length;
    unsigned char *bytes;
    struct unsynced *next;
};
struct disk_file {
    char path[512];
    bool deleted;
    unsigned char *image;
    size_t length;
    struct unsynced *first, **last;
    struct disk_file *next;
};
struct open_file {
    sqlite3_file base;
    sqlite3_file *real;
    struct disk_file *disk; /* NULL: a temporary file, not ours to lose */
};

static sqlite3_vfs *real_vfs, power_vfs;
static sqlite3_io_methods methods;
static struct disk_file *files;
static long operations, cut_at;
static bool armed, only_fails;
static uint32_t random_state;

static uint32_t roll(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    return random_state ^= random_state << 5;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct open_file *)(void *)f)->real;
}
#define CALL(f, method, ...) real_of(f)->pMethods->method(real_of(f), __VA_ARGS__)

static void apply(struct disk_file *d, const struct unsynced *u, bool torn)
{
    size_t at = (size_t)u->at;
    if (u->is_truncation) {
        if (at < d->length) d->length = at;
        return;
    }
    if (at + u->length > d->length) {
        d->image = realloc(d->image, at + u->length);
        memset(d->image + d->length, 0, at + u->length - d->length);
        d->length = at + u->length;
    }
    for (size_t i = 0; i < u->length; i += SECTOR) {
        if (torn && (roll() & 1)) continue;
        memcpy(d->image + at + i, u->bytes + i, u->length - i < SECTOR ? u->length - i : SECTOR);
    }
}

static void lose_power(void)
{
    for (struct disk_file *d = files; d; d = d->next) {
        unsigned mode = roll() % 3; /* nothing unsynced arrived; some of it; some of it in pieces */
        for (struct unsynced *u = d->first; u; u = u->next)
            if (mode && (roll() & 1)) apply(d, u, mode == 2);
        FILE *f = fopen(d->path, "wb");
        if (d->length && fwrite(d->image, 1, d->length, f) != d->length) _exit(9);
        fclose(f);
        if (d->deleted) unlink(d->path);
    }
    _exit(POWER_EXIT);
}

/* True: this one fails with an I/O error. */
static bool operation(void)
{
    if (!armed || ++operations != cut_at) return false;
    if (!only_fails) lose_power();
    return true;
}

static void forget(struct disk_file *d)
{
    for (struct unsynced *u = d->first, *next; u; u = next) {
        next = u->next;
        free(u->bytes);
        free(u);
    }
    d->first = NULL;
    d->last = &d->first;
}

static void remember(sqlite3_file *f, bool is_truncation, sqlite3_int64 at, const void *bytes, int length)
{
    struct disk_file *d = ((struct open_file *)(void *)f)->disk;
    struct unsynced *u;
    if (!d || !armed) return;
    u = calloc(1, sizeof *u);
    *u = (struct unsynced){is_truncation, at, (size_t)length, NULL, NULL};
    if (length) {
        u->bytes = malloc((size_t)length);
        memcpy(u->bytes, bytes, (size_t)length);
    }
    *d->last = u;
    d->last = &u->next;
}

static int on_write(sqlite3_file *f, const void *bytes, int length, sqlite3_int64 at)
{
    remember(f, false, at, bytes, length);
    if (operation()) return SQLITE_IOERR_WRITE;
    return CALL(f, xWrite, bytes, length, at);
}

static int on_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    remember(f, true, size, NULL, 0);
    if (operation()) return SQLITE_IOERR_TRUNCATE;
    return CALL(f, xTruncate, size);
}

static int on_sync(sqlite3_file *f, int flags)
{
    struct disk_file *d = ((struct open_file *)(void *)f)->disk;
    (void)flags; /* nothing need reach the real disk */
    if (operation()) return SQLITE_IOERR_FSYNC;
    for (struct unsynced *u = d ? d->first : NULL; u; u = u->next) apply(d, u, false);
    if (d) forget(d);
    return operation() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int on_close(sqlite3_file *f)
{
    int rc = real_of(f)->pMethods->xClose(real_of(f));
    free(real_of(f));
    return rc;
}

static int on_read(sqlite3_file *f, void *to, int length, sqlite3_int64 at)
{
    return CALL(f, xRead, to, length, at);
}

static int on_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return CALL(f, xFileSize, size);
}

static int on_lock(sqlite3_file *f, int level)
{
    return CALL(f, xLock, level);
}

static int on_unlock(sqlite3_file *f, int level)
{
    return CALL(f, xUnlock, level);
}

static int on_check(sqlite3_file *f, int *out)
{
    return CALL(f, xCheckReservedLock, out);
}

static int on_control(sqlite3_file *f, int op, void *arg)
{
    return CALL(f, xFileControl, op, arg);
}

static int on_sector(sqlite3_file *f)
{
    (void)f;
    return SECTOR;
}

static int on_traits(sqlite3_file *f)
{
    (void)f;
    return 0; /* promises nothing, not even that a write leaves its neighbours alone */
}

static struct disk_file *disk_of(const char *path)
{
    for (struct disk_file *d = files; d; d = d->next)
        if (!strcmp(d->path, path)) return d;
    struct disk_file *d = calloc(1, sizeof *d);
    snprintf(d->path, sizeof d->path, "%s", path);
    d->last = &d->first;
    d->next = files;
    return files = d;
}

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct open_file *o = (struct open_file *)(void *)f;
    (void)vfs;
    o->real = calloc(1, (size_t)real_vfs->szOsFile);
    o->disk = name && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) ? disk_of(name) : NULL;
    if (o->disk) o->disk->deleted = false;
    int rc = real_vfs->xOpen(real_vfs, name, o->real, flags, out);
    o->base.pMethods = rc ? NULL : &methods;
    if (rc) free(o->real);
    return rc;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct disk_file *d = disk_of(name);
    (void)vfs;
    if (operation()) return SQLITE_IOERR_DELETE;
    d->deleted = true;
    d->length = 0;
    forget(d);
    return real_vfs->xDelete(real_vfs, name, sync);
}

void power_vfs_register(long at, unsigned seed)
{
    real_vfs = sqlite3_vfs_find(NULL);
    power_vfs = *real_vfs;
    power_vfs.zName = "power";
    power_vfs.szOsFile = sizeof(struct open_file);
    power_vfs.xOpen = on_open;
    power_vfs.xDelete = on_delete;
    methods = (sqlite3_io_methods){.iVersion = 1, .xClose = on_close, .xRead = on_read, .xWrite = on_write, .xTruncate = on_truncate,
        .xSync = on_sync, .xFileSize = on_size, .xLock = on_lock, .xUnlock = on_unlock, .xCheckReservedLock = on_check,
        .xFileControl = on_control, .xSectorSize = on_sector, .xDeviceCharacteristics = on_traits};
    cut_at = at;
    random_state = seed * 2654435761u | 1;
    sqlite3_vfs_register(&power_vfs, 0);
}

void power_vfs_fail_instead(void)
{
    only_fails = true;
}

void power_vfs_arm(void)
{
    armed = true;
}

long power_vfs_operations(void)
{
    return operations;
}
