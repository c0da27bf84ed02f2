/* reaper: the timer that asks the queue to look for expired leases, ended backoffs and passed deadlines. */
#ifndef SERVER_REAPER_H
#define SERVER_REAPER_H
#include "server/queue.h"

struct reaper;
/* Asks every `every_ms` (0 = an eighth of the lease, between 50 and 1,000), never twice at once. */
struct reaper *reaper_start(struct queue *q, int64_t every_ms);
void reaper_stop(struct reaper *r); /* joins; before queue_close. NULL is fine */
#endif
