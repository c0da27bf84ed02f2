/* profile: where the time of a training run goes: kind of work by kind, layer by layer. Off, it costs one branch per op.

   The currency is lane time: lanes * seconds of the wall clock, so all kinds together are 100 % of it.
   Ops      what a lane's thread spends in one op of the graph, by that thread's processor time (CLOCK_THREAD_CPUTIME_ID):
            programs that share the machine do not show in it.
   Phases   the rest of a step in the lanes (loss, gradient tree, optimizer ...), by the processor time of the process.
   Halts    what one thread does while the lanes stand still (checkpoint, bookkeeping ...), by the wall clock, times the lanes.
   Waiting  lane time of ops and phases that no lane worked in: uneven shares, sleeping, other programs.
   One thread switches phases; each lane counts ops in cells of its own. */
#ifndef WORKER_NET_PROFILE_H
#define WORKER_NET_PROFILE_H
#include <stdint.h>
#include "schema/base/err.h"

enum profile_kind {
    /* ops */
    PROFILE_CONV_FORWARD, PROFILE_CONV_DATA, PROFILE_CONV_WEIGHTS, PROFILE_CONV_BACKWARD, PROFILE_UP_FORWARD, PROFILE_UP_DATA, PROFILE_UP_WEIGHTS,
    PROFILE_NORM_FORWARD, PROFILE_NORM_AGAIN, PROFILE_NORM_BACKWARD, PROFILE_POOL, PROFILE_HEAD, PROFILE_PACK,
    PROFILE_OPS,
    /* phases; BETWEEN: the forward and backward pass outside of its ops */
    PROFILE_BETWEEN = PROFILE_OPS, PROFILE_PREPARE, PROFILE_READ, PROFILE_LOSS, PROFILE_TREE, PROFILE_OPTIMIZER,
    PROFILE_HALTS,
    PROFILE_VALIDATION = PROFILE_HALTS, PROFILE_CHECKPOINT, PROFILE_METRICS, PROFILE_BOOKKEEPING,
    PROFILE_WAITING,
    PROFILE_KINDS,
    PROFILE_NONE = PROFILE_KINDS /* this time counts nowhere */
};

struct profile;
/* nodes: of the graph. Starts in phase PROFILE_NONE. ERR_NO_MEMORY. */
enum err profile_new(int lanes, int nodes, struct profile **out, struct err_note *note) MUST_USE;
void profile_free(struct profile *p); /* NULL is fine */

/* The three hooks; with NULL, all but nothing. Phases: from the thread that runs the lanes; returns the phase until now. */
enum profile_kind profile_switch(struct profile *p, enum profile_kind phase);
void profile_begin(struct profile *p, int lane);
void profile_add(struct profile *p, int lane, enum profile_kind kind, int node, int samples);

static inline enum profile_kind profile_phase(struct profile *p, enum profile_kind phase)
{
    return p ? profile_switch(p, phase) : PROFILE_NONE;
}
/* A lane starts a row of ops. */
static inline void profile_start(struct profile *p, int lane)
{
    if (p) profile_begin(p, lane);
}
/* The processor time of this lane since its last lap belongs to this node, which worked on so many samples (of a backward
   kind: samples * gradients). */
static inline void profile_lap(struct profile *p, int lane, enum profile_kind kind, int node, int samples)
{
    if (p) profile_add(p, lane, kind, node, samples);
}
/* So many images have been learned from, in one step. */
void profile_count_step(struct profile *p, int images);

/* ---- reading; between phases of the thread that switches them ------------------------------------------ */
struct profile_sum {
    double seconds; /* lane time */
    int64_t samples;
};
struct profile_sum profile_sum_of_node(const struct profile *p, enum profile_kind kind, int node); /* kind: an op */
struct profile_sum profile_sum_of(const struct profile *p, enum profile_kind kind);
double profile_lane_seconds(const struct profile *p); /* the sum of all kinds */
int profile_lanes(const struct profile *p);
int64_t profile_steps(const struct profile *p);
int64_t profile_images(const struct profile *p);
const char *profile_kind_name(enum profile_kind kind);
#endif
