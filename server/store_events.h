/* store_events: SQL of the one table that audit, history and live streams are read from. */
#ifndef SERVER_STORE_EVENTS_H
#define SERVER_STORE_EVENTS_H
#include "schema/base/buf.h"
#include "server/store_jobs.h"

/* Writes the row and has it told after the commit as `told` (NULL: the same text as `data`). *id may be NULL. The caller puts the id into
   the job's version and saves it. */
enum err store_event_add(struct store_db *db, const struct job_row *job, const char *kind, const char *data, const char *told,
                         int64_t now_ms, int64_t *id) MUST_USE;
/* Jobs became claimable / a worker has something to hear, told after the commit. */
void store_event_claimable(struct store_db *db);
void store_event_command(struct store_db *db, const char *job_id);
int64_t store_event_newest(struct store_db *db); /* 0: none yet */

/* Looks at `limit` rows after `after`, oldest first, of one job (its number) or of all (0), and gives those of jobs that `owner` submitted
   (NULL: all) to `each`, until that fails. The data of a metrics row is filled with the values as they are now. A page is so many rows
   looked at: what others do makes it no longer. */
struct event_page {
    int64_t last;  /* id of the last row looked at; `after` when there was none */
    int looked;
};
struct event_row {
    int64_t id, at_ms;
    const char *job_id, *kind, *data;
};
enum err store_event_each(struct store_db *db, int64_t job, const char *owner, int64_t after, int limit,
                          enum err (*each)(void *context, const struct event_row *row), void *context, struct event_page *page) MUST_USE;
#endif
