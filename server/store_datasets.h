/* store_datasets: SQL of data sets: rows never change, new content under a name is a new row. */
#ifndef SERVER_STORE_DATASETS_H
#define SERVER_STORE_DATASETS_H
#include "schema/base/buf.h"
#include "server/store_jobs.h"

struct dataset_row {
    int64_t number, bytes;
    char name[STORE_NAME_BYTES], sha256[SHA256_HEX]; /* sha256 "" with a generator */
};
enum err store_dataset_find(struct store_db *db, const char *name, struct dataset_row *row) MUST_USE; /* the current one */
/* Any row, current or not, that has this archive and that some job or name may still want. */
enum err store_dataset_by_blob(struct store_db *db, const char *sha256, struct dataset_row *row) MUST_USE;
/* Is the current content of that name the same? */
bool store_dataset_same(struct store_db *db, const char *name, const char *sha256, const char *generate_json);
struct dataset_new {
    const char *name, *sha256, *generate_json, *token_id;
    int64_t bytes;
};
enum err store_dataset_insert(struct store_db *db, const struct dataset_new *d, int64_t now_ms) MUST_USE; /* becomes the current one */
enum err store_dataset_list(struct store_db *db, const char *name /* NULL = all */, struct buf *to) MUST_USE; /* objects with commas */
/* The name nearest to a wrong one, "" when none is near. */
void store_dataset_nearest(struct store_db *db, const char *name, char *nearest, size_t size);
#endif
