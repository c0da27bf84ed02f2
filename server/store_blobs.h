/* store_blobs: SQL of artifacts and of the blobs that artifacts and data sets name. */
#ifndef SERVER_STORE_BLOBS_H
#define SERVER_STORE_BLOBS_H
#include "schema/base/buf.h"
#include "server/store_jobs.h"

struct artifact_row {
    char name[STORE_NAME_BYTES], kind[16], sha256[SHA256_HEX];
    int64_t bytes, attempt, step, epoch; /* STORE_ABSENT */
    double score;                        /* NaN = absent */
};
enum err store_blob_add(struct store_db *db, const char *sha256, int64_t bytes) MUST_USE; /* fine if it is there */
bool store_blob_known(struct store_db *db, const char *sha256);
/* Takes the row away unless something still names it; *freed: the file may go after the commit. */
enum err store_blob_drop(struct store_db *db, const char *sha256, bool *freed) MUST_USE;

enum err store_artifact_find(struct store_db *db, int64_t job, const char *name, struct artifact_row *row) MUST_USE;
/* New, or in the place of the one of that name. The blob must be there. */
enum err store_artifact_put(struct store_db *db, int64_t job, const struct artifact_row *row, int64_t now_ms) MUST_USE;
/* Takes one checkpoint of the job away and gives its digest; ERR_NOT_FOUND: no more. */
enum err store_artifact_drop_checkpoint(struct store_db *db, int64_t job, char sha256[SHA256_HEX]) MUST_USE;
/* Objects with commas; `name` NULL = all. */
enum err store_artifact_list(struct store_db *db, int64_t job, const char *name, struct buf *to) MUST_USE;
#endif
