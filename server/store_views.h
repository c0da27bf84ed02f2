/* store_views: SQL that reads whole answers: the job view, lists, counts, as JSON text. */
#ifndef SERVER_STORE_VIEWS_H
#define SERVER_STORE_VIEWS_H
#include "schema/base/buf.h"
#include "server/store_workers.h"

struct sqlite3_stmt;
/* Appends the first column of every row, with commas between, and ends the statement. */
enum err store_add_rows(struct sqlite3_stmt *st, struct buf *to) MUST_USE;

enum job_view_kind {
    VIEW_SUMMARY,   /* for lists: without the long texts and the place in the queue */
    VIEW_SUBMITTED, /* with the long texts */
    VIEW_FULL,      /* with the place in the queue and, of a failed job, the end of its log, too */
};
enum err store_job_view(struct store_db *db, int64_t number, enum job_view_kind kind, const struct worker_tally *tally, struct buf *to) MUST_USE;

struct job_filter {
    const char *state, *states_json;                     /* one word, or ["queued", "running"]; both NULL = all */
    const char *project, *tag, *strategy, *name;         /* NULL = any; name: a part */
    int64_t sweep;                                       /* its number; 0 = any */
    const char *owner;                                   /* token that submitted them; NULL = any */
    int64_t cursor;                                      /* below this number; 0 = from the newest */
    int limit;
};
/* Summaries, newest first, with commas; *next = cursor of the next page or 0. */
enum err store_job_list(struct store_db *db, const struct job_filter *filter, const struct worker_tally *tally, struct buf *to, int64_t *next) MUST_USE;
/* {"jobs": {state: n}, "oldest_queued_s": n or null}: the inside, without braces. */
enum err store_job_counts(struct store_db *db, int64_t now_ms, struct buf *to) MUST_USE;
/* The claim of schema/README.md. */
struct claim_view {
    int64_t number, attempt, lease_ms, heartbeat_ms;
    const char *token;
};
enum err store_claim_view(struct store_db *db, const struct claim_view *claim, struct buf *to) MUST_USE;
#endif
