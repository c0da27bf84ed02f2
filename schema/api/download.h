/* download: bytes as they come into a file that is there whole, with the right sha256, or not at all. */
#ifndef SCHEMA_API_DOWNLOAD_H
#define SCHEMA_API_DOWNLOAD_H
#include <stdint.h>
#include "schema/base/err.h"
#include "schema/base/sha256.h"

enum { DOWNLOAD_PATH_BYTES = 4096 };
struct download {
    const char *path;          /* borrowed; NULL: none is wanted */
    int64_t bytes_max;         /* 0: no limit */
    int fd;                    /* of PATH.part-RANDOM, -1 before the first byte */
    char part[DOWNLOAD_PATH_BYTES], reason[256];
    struct sha256 digest;
    size_t bytes;
};
void download_start(struct download *d, const char *path, int64_t bytes_max);
/* ERR_TOO_LARGE, ERR_NO_SPACE, ERR_IO with `reason` filled. */
enum err download_add(struct download *d, const char *bytes, size_t length) MUST_USE;
/* Synced, compared (want may be NULL: ERR_DIGEST otherwise), renamed to path; `hex` is what the bytes have. */
enum err download_finish(struct download *d, const char *want, char hex[SHA256_HEX], struct err_note *note) MUST_USE;
void download_drop(struct download *d); /* removes what was not finished; may be called twice */
#endif
