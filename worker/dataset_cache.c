/* dataset_cache: flock on one small file per archive. */
#include "worker/dataset_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "schema/base/sha256.h"

enum { LOCK_POLL_MS = 100, ENTRIES_MAX = 4096 };
struct entry {
    char sha256[SHA256_HEX];
    int64_t bytes, used_ns;
};

static int open_lock(const char *dir, const char *sha256)
{
    char path[DATASET_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s.lock", dir, sha256);
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
}

static int by_use(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->used_ns > y->used_ns) - (x->used_ns < y->used_ns);
}

static size_t list(const char *dir, struct entry *entries, int64_t *total)
{
    size_t count = 0;
    *total = 0;
    DIR *open_dir = opendir(dir);
    if (!open_dir) return 0;
    for (struct dirent *d; (d = readdir(open_dir)) && count < ENTRIES_MAX;) {
        char lock[320];
        struct stat file, used;
        if (!sha256_is_hex(d->d_name) || fstatat(dirfd(open_dir), d->d_name, &file, 0)) continue;
        snprintf(lock, sizeof lock, "%s.lock", d->d_name);
        if (fstatat(dirfd(open_dir), lock, &used, 0)) used = file;
        struct entry *e = &entries[count++];
        memcpy(e->sha256, d->d_name, SHA256_HEX);
        e->bytes = file.st_size;
        e->used_ns = (int64_t)used.st_mtim.tv_sec * 1000000000 + used.st_mtim.tv_nsec;
        *total += e->bytes;
    }
    closedir(open_dir);
    qsort(entries, count, sizeof *entries, by_use);
    return count;
}

static bool evict(const char *dir, const char *sha256)
{
    int lock = open_lock(dir, sha256);
    if (lock < 0) return false;
    bool free_now = !flock(lock, LOCK_EX | LOCK_NB);
    if (free_now) {
        char path[DATASET_PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", dir, sha256);
        free_now = !unlink(path); /* the lock file stays: removing it would let two workers lock two different files */
        if (free_now) log_info("cache.evicted", "sha256=%s", sha256);
    }
    close(lock);
    return free_now;
}

static void make_room(const struct dataset_cache *cache, int64_t bytes)
{
    struct entry *entries = calloc(ENTRIES_MAX, sizeof *entries);
    if (!entries) abort();
    int64_t total;
    size_t count = list(cache->dir, entries, &total);
    for (size_t i = 0; i < count && total + bytes > cache->bytes_max; i++)
        if (evict(cache->dir, entries[i].sha256)) total -= entries[i].bytes;
    free(entries);
}

static bool is_whole(const char *path, const char *sha256)
{
    char hex[SHA256_HEX];
    return !access(path, R_OK) && !sha256_hex_of_file(path, hex, NULL) && !strcmp(hex, sha256);
}

/* The lock, shared when the archive is whole already (others may train on it for hours), else exclusive for the download.
   Waits for another worker's download, but not past `stop`. */
static enum err lock_it(const struct dataset_cache *cache, int fd, const char *path, const char *sha256, bool *whole, struct err_note *note)
{
    for (;;) {
        *whole = !flock(fd, LOCK_SH | LOCK_NB) && is_whole(path, sha256);
        if (*whole) return OK;
        flock(fd, LOCK_UN);
        if (!flock(fd, LOCK_EX | LOCK_NB)) {
            *whole = is_whole(path, sha256); /* another one may have come between the two locks */
            return OK;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) return err_set(note, ERR_IO, cache->dir, "lock: %s", strerror(errno));
        if (cache->stop && *cache->stop) return err_set(note, ERR_CANCELLED, cache->dir, "stopped while another worker downloads");
        clock_sleep_ms(LOCK_POLL_MS);
    }
}

static enum err download(const struct dataset_cache *cache, const char *sha256, int64_t bytes, const char *path, struct err_note *note)
{
    make_room(cache, bytes);
    struct api_call call = {.op = API_WORKER_DATASET, .params = {{"sha256", sha256}}, .download_path = path, .want_sha256 = sha256,
                            .download_bytes_max = bytes, .retry_ms = cache->retry_ms, .stop = cache->stop, .accept = "application/octet-stream"};
    struct api_reply reply;
    enum err e = api_call(cache->client, &call, &reply, note);
    if (e == ERR_DIGEST) { /* once more: a proxy may have cut it short */
        api_reply_free(&reply);
        e = api_call(cache->client, &call, &reply, note);
    }
    if (!e) log_info("cache.downloaded", "sha256=%s bytes=%zu", sha256, reply.bytes);
    api_reply_free(&reply);
    return e;
}

enum err dataset_cache_get(const struct dataset_cache *cache, const char *sha256, int64_t bytes, struct dataset_hold *hold,
                           struct err_note *note)
{
    *hold = (struct dataset_hold){.lock = -1};
    if (!sha256_is_hex(sha256)) return err_set(note, ERR_DATA, "dataset", "\"%.80s\" is no sha256", sha256);
    int n = snprintf(hold->path, sizeof hold->path, "%s/%s", cache->dir, sha256);
    if (n < 0 || (size_t)n + 8 >= sizeof hold->path) return err_set(note, ERR_IO, cache->dir, "the path is too long");
    int lock = open_lock(cache->dir, sha256);
    if (lock < 0) return err_set(note, ERR_IO, cache->dir, "cannot be written: %s", strerror(errno));
    enum err e = lock_it(cache, lock, hold->path, sha256, &hold->was_there, note);
    if (!e && !hold->was_there) {
        unlink(hold->path);
        e = download(cache, sha256, bytes, hold->path, note);
    }
    if (!e && flock(lock, LOCK_SH)) e = err_set(note, ERR_IO, cache->dir, "lock: %s", strerror(errno));
    if (!e && access(hold->path, R_OK)) /* between exclusive and shared another worker may have made room */
        e = err_set(note, ERR_BUSY, hold->path, "was removed at once: the cache is too small for its users");
    if (e) {
        close(lock);
        return e;
    }
    futimens(lock, NULL);
    hold->lock = lock;
    return OK;
}

void dataset_cache_release(struct dataset_hold *hold)
{
    if (hold->lock >= 0) close(hold->lock);
    hold->lock = -1;
}

enum err dataset_path_under(const char *root, const char *relative, char path[DATASET_PATH_BYTES], struct err_note *note)
{
    char wanted[DATASET_PATH_BYTES], top[PATH_MAX], found[PATH_MAX];
    int n = snprintf(wanted, sizeof wanted, "%s/%s", root, relative);
    if (n < 0 || (size_t)n >= sizeof wanted || *relative == '/' || !*relative)
        return err_set(note, ERR_DATA, "/dataset/path", "\"%.200s\" is no relative path", relative);
    if (!realpath(root, top)) return err_set(note, ERR_DATA, root, "--data-root: %s", strerror(errno));
    if (!realpath(wanted, found)) return err_set(note, ERR_DATA, "/dataset/path", "\"%.200s\" is not under --data-root: %s", relative, strerror(errno));
    size_t length = strlen(top);
    if (strncmp(found, top, length) || (found[length] != '/' && found[length] != 0))
        return err_set(note, ERR_DATA, "/dataset/path", "\"%.200s\" leaves --data-root", relative);
    strcpy(path, found);
    return OK;
}
