/* lanes: a fixed set of threads that share out numbered tasks; idle ones sleep. */
#ifndef WORKER_NET_LANES_H
#define WORKER_NET_LANES_H
#include "schema/base/err.h"

enum { LANES_MAX = 256 };
struct lanes;

/* count = 0: as many as the affinity mask of this process has processors. `start` (may be NULL) runs first in each thread.
   The caller of lanes_run is lane 0, so count-1 threads are made. Refused: ERR_RANGE above LANES_MAX. */
enum err lanes_new(int count, void (*start)(void), struct lanes **out, struct err_note *note) MUST_USE;
void lanes_free(struct lanes *lanes); /* NULL is fine */
int lanes_count(const struct lanes *lanes);
int lanes_default_count(void);

/* Calls fn(ctx, task, lane) once for each task 0..count-1 and returns when all are done. Tasks are handed out in rising
   order to whichever lane is free: a result must not depend on `lane` (which only picks scratch memory).
   Not from inside fn, and from one thread at a time. */
void lanes_run(struct lanes *lanes, int count, void (*fn)(void *ctx, int task, int lane), void *ctx);
#endif
