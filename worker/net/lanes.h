/* lanes: a fixed set of threads that share out numbered tasks, and the parts of a task where some have none left; idle ones sleep. */
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

/* From inside a task, or a part of one, on `lane`: calls fn(ctx, part, lane) once for each part 0..count-1 and returns when all are
   done. Parts are handed out in rising order, to this lane and to those that have no task left. While this lane waits for theirs it
   does parts of these, never anything else. */
void lanes_split(struct lanes *lanes, int lane, int count, void (*fn)(void *ctx, int part, int lane), void *ctx);

/* For parts that must do something one after the other: waits until *done is `until`; sets it, for those who wait. A part may wait for
   what only parts before it do, in the order in which the undivided task would come to them. Then somebody always goes on: of all parts
   that wait so, take the first. What it waits for has been handed out, since parts are in rising order, or lies in a part that has been;
   the lane that has that one is at work in it, or waits in lanes_split for parts of it, all of which come before the first that waits. */
void lanes_await(struct lanes *lanes, const int *done, int until);
void lanes_advance(struct lanes *lanes, int *done, int to);
#endif
