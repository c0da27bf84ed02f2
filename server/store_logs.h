/* store_logs: SQL of a job's log: pieces of whole lines, addressed by byte. */
#ifndef SERVER_STORE_LOGS_H
#define SERVER_STORE_LOGS_H
#include "schema/base/buf.h"
#include "server/store_jobs.h"

/* OK: stored; *existed when this seq of this attempt was there already (nothing is stored twice). */
enum err store_log_append(struct store_db *db, const struct job_row *job, int64_t attempt, int64_t seq, const char *text, bool *existed) MUST_USE;
/* Whole lines from byte `after` on, about `limit` bytes; *next = the offset behind what was given. */
enum err store_log_read(struct store_db *db, int64_t job, int64_t after, int64_t limit, struct buf *to, int64_t *next) MUST_USE;
/* The last lines as JSON strings with commas. */
enum err store_log_tail(struct store_db *db, int64_t job, int lines, struct buf *to) MUST_USE;
#endif
