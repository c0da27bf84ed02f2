/* durable_file: a file that is there whole or not at all: written beside its name, synced, renamed, the folder synced. */
#ifndef WORKER_TRAIN_DURABLE_FILE_H
#define WORKER_TRAIN_DURABLE_FILE_H
#include <stdint.h>
#include <stdio.h>
#include "schema/base/err.h"
#include "schema/base/sha256.h"

enum { DURABLE_PATH_MAX = 4096 };
struct durable_file {
    char path[DURABLE_PATH_MAX], part[DURABLE_PATH_MAX];
    FILE *file;
    struct sha256 sum; /* of the bytes so far */
    int64_t bytes;
    int failed;        /* the first errno; later writes do nothing */
};

/* Opens PATH.part. Failures are remembered and told by durable_commit. */
void durable_open(struct durable_file *f, const char *path);
void durable_write(struct durable_file *f, const void *bytes, size_t length);
/* Makes the file appear under its name. ERR_NO_SPACE (disk full, quota, file size limit) or ERR_IO, naming the path; then the
   part is removed and what stood under the name before still stands. `sha256` (may be NULL): of all bytes. */
enum err durable_commit(struct durable_file *f, char sha256[SHA256_HEX], struct err_note *note) MUST_USE;
/* Whole text in one call. */
enum err durable_text(const char *path, const char *text, size_t length, struct err_note *note) MUST_USE;
#endif
