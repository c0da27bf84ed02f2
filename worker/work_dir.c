/* work_dir: a lock file in each worker's folder tells the living from the dead. */
#include "worker/work_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/base/log.h"

enum { PATH_BYTES = WORK_DIR_BYTES + 320 };

static enum err make_path(const char *path, struct err_note *note)
{
    char part[PATH_BYTES];
    snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1;; at++) {
        if (*at && *at != '/') continue;
        char kept = *at;
        *at = 0;
        if (mkdir(part, 0777) && errno != EEXIST)
            return err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, part, "cannot be made: %s", strerror(errno));
        *at = kept;
        if (!kept) return OK;
    }
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* A folder whose lock is free belongs to nobody. The lock is taken before removing: two sweepers do not meet. */
static void sweep(const char *work)
{
    DIR *dir = opendir(work);
    if (!dir) return;
    for (struct dirent *d; (d = readdir(dir));) {
        char path[PATH_BYTES], lock_path[PATH_BYTES + 8];
        if (strncmp(d->d_name, "run-", 4)) continue;
        if (snprintf(path, sizeof path, "%s/%s", work, d->d_name) >= (int)sizeof path) continue;
        snprintf(lock_path, sizeof lock_path, "%s/lock", path);
        int lock = open(lock_path, O_RDWR | O_CLOEXEC);
        if (lock < 0) continue; /* being made */
        if (!flock(lock, LOCK_EX | LOCK_NB)) {
            log_info("work.swept", "path=%s", path);
            remove_tree(path);
        }
        close(lock);
    }
    closedir(dir);
}

static void standard_dir(char to[WORK_DIR_BYTES])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/')
        snprintf(to, WORK_DIR_BYTES, "%.900s/tandem", cache);
    else if (home && *home == '/' && !access(home, W_OK))
        snprintf(to, WORK_DIR_BYTES, "%.900s/.cache/tandem", home);
    else
        snprintf(to, WORK_DIR_BYTES, "/var/tmp/tandem-%u", (unsigned)getuid());
}

/* run-XXXXXX with its lock taken. */
static enum err make_own(const char *real, struct work_dir *work, struct err_note *note)
{
    char path[PATH_BYTES + 8];
    snprintf(work->own, sizeof work->own, "%.980s/run-XXXXXX", real);
    if (!mkdtemp(work->own)) return err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, real, "cannot be written: %s", strerror(errno));
    snprintf(path, sizeof path, "%s/lock", work->own);
    work->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (work->lock < 0 || flock(work->lock, LOCK_EX | LOCK_NB))
        return err_set(note, ERR_IO, path, "cannot be locked: %s", strerror(errno));
    return OK;
}

enum err work_dir_open(const char *dir, struct work_dir *work, struct err_note *note)
{
    char top[WORK_DIR_BYTES], real[PATH_BYTES], path[PATH_BYTES + 8];
    work->lock = -1;
    if (dir)
        snprintf(top, sizeof top, "%s", dir);
    else
        standard_dir(top);
    enum err e = make_path(top, note);
    if (e) return e;
    char *absolute = realpath(top, NULL); /* the child is told absolute paths */
    if (!absolute || strlen(absolute) > WORK_DIR_BYTES - 64) {
        free(absolute);
        return err_set(note, ERR_IO, top, "the path is too long or cannot be resolved");
    }
    snprintf(work->cache, sizeof work->cache, "%.950s/blobs", absolute);
    snprintf(work->tuning, sizeof work->tuning, "%.950s/tuning.txt", absolute);
    snprintf(real, sizeof real, "%.950s/work", absolute);
    free(absolute);
    e = make_path(work->cache, note);
    if (!e) e = make_path(real, note);
    if (e) return e;
    /* Sweeping and making exclude each other: a folder that is there but not locked yet must not look abandoned. */
    snprintf(path, sizeof path, "%.980s/sweep.lock", real);
    int gate = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (gate < 0 || flock(gate, LOCK_EX)) {
        e = err_set(note, ERR_IO, path, "cannot be locked: %s", strerror(errno));
    } else {
        sweep(real);
        e = make_own(real, work, note);
    }
    if (gate >= 0) close(gate);
    return e;
}

void work_dir_close(struct work_dir *work)
{
    if (work->lock < 0) return;
    remove_tree(work->own);
    close(work->lock);
    work->lock = -1;
}
