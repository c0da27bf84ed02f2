/* store_images: SQL of the scores of single validation images. */
#ifndef SERVER_STORE_IMAGES_H
#define SERVER_STORE_IMAGES_H
#include <stdint.h>
#include "schema/base/buf.h"

struct store_db;
/* The JSON of schema/job/image_scores.h, in place of what was there; NULL leaves it. */
enum err store_images_set(struct store_db *db, int64_t job, const char *scores_json) MUST_USE;
/* Appends it, or "null". */
enum err store_images_add(struct store_db *db, int64_t job, struct buf *to) MUST_USE;
#endif
