/* dataset_cache: archives by sha256 on this host's disk, shared by its workers: one download each, size cap, oldest use leaves first. */
#ifndef WORKER_DATASET_CACHE_H
#define WORKER_DATASET_CACHE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "schema/api/api_call.h"
#include "schema/base/err.h"

/* DIR/SHA256 is a complete, verified archive (written beside, synced, renamed); DIR/SHA256.lock is locked shared by who
   uses it and exclusively by who downloads or removes it; its change time is the last use. No daemon, no index: any number of workers
   may come and die at any moment. */
struct dataset_cache {
    const char *dir;      /* existing */
    int64_t bytes_max;    /* of all archives together; what is in use may exceed it */
    struct api_client *client;
    const atomic_bool *stop;
    int64_t retry_ms;     /* how long a download goes on trying */
};
enum { DATASET_PATH_BYTES = 4096 };
struct dataset_hold {
    char path[DATASET_PATH_BYTES]; /* of the archive, there and unchanged while held */
    int lock;                      /* fd, -1: nothing held */
    bool was_there;                /* 1: no download was needed */
};
/* ERR_NOT_FOUND, ERR_DIGEST, ERR_NO_SPACE, ERR_UNREACHABLE, ERR_CANCELLED, ERR_IO. A file whose bytes no longer match its
   name (checked on every use) is downloaded anew. */
enum err dataset_cache_get(const struct dataset_cache *cache, const char *sha256, int64_t bytes, struct dataset_hold *hold,
                           struct err_note *note) MUST_USE;
void dataset_cache_release(struct dataset_hold *hold); /* may be called twice */
/* A relative path under `root` that stays under it, links resolved: ERR_DATA otherwise. */
enum err dataset_path_under(const char *root, const char *relative, char path[DATASET_PATH_BYTES], struct err_note *note) MUST_USE;
#endif
