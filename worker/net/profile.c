/* profile: counters of lane time: cells of each lane for ops, and the clocks of the process between phases. */
#include "worker/net/profile.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

struct cell {
    int64_t ns, samples;
};
struct lane_cells { /* a piece of memory of its own: lanes do not share cache lines */
    int64_t last_ns;
    struct cell cell[]; /* [PROFILE_OPS][nodes] */
};
struct profile {
    int lanes, nodes;
    enum profile_kind phase;
    int64_t wall_ns, cpu_ns;             /* when this phase began */
    int64_t phase_ns[PROFILE_KINDS];     /* lane time; nothing under the ops, nothing under PROFILE_WAITING */
    int64_t worked_ns;                   /* wall time of ops and phases */
    int64_t steps, images;
    struct lane_cells *lane[];
};

static const char *const names[PROFILE_KINDS] = {
    [PROFILE_CONV_FORWARD] = "conv forward", [PROFILE_CONV_DATA] = "conv backward data", [PROFILE_CONV_WEIGHTS] = "conv backward weights",
    [PROFILE_CONV_BACKWARD] = "conv backward data and weights",
    [PROFILE_UP_FORWARD] = "transposed conv forward", [PROFILE_UP_DATA] = "transposed conv backward data",
    [PROFILE_UP_WEIGHTS] = "transposed conv backward weights", [PROFILE_NORM_FORWARD] = "norm+activation forward",
    [PROFILE_NORM_AGAIN] = "activation again",
    [PROFILE_NORM_BACKWARD] = "norm+activation backward", [PROFILE_POOL] = "pool", [PROFILE_HEAD] = "head", [PROFILE_PACK] = "packing images",
    [PROFILE_BETWEEN] = "between ops", [PROFILE_PREPARE] = "weight preparation", [PROFILE_READ] = "reading samples", [PROFILE_LOSS] = "loss",
    [PROFILE_TREE] = "gradient tree", [PROFILE_OPTIMIZER] = "optimizer", [PROFILE_VALIDATION] = "validation", [PROFILE_CHECKPOINT] = "checkpoint",
    [PROFILE_METRICS] = "metrics", [PROFILE_BOOKKEEPING] = "bookkeeping", [PROFILE_WAITING] = "lanes waiting",
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

enum err profile_new(int lanes, int nodes, struct profile **out, struct err_note *note)
{
    *out = NULL;
    struct profile *p = calloc(1, sizeof *p + (size_t)lanes * sizeof p->lane[0]);
    if (!p) return err_set(note, ERR_NO_MEMORY, "", "no memory for a profile");
    p->lanes = lanes;
    p->nodes = nodes;
    p->phase = PROFILE_NONE;
    for (int i = 0; i < lanes; i++) {
        p->lane[i] = calloc(1, sizeof *p->lane[i] + (size_t)PROFILE_OPS * (size_t)nodes * sizeof(struct cell));
        if (p->lane[i]) continue;
        profile_free(p);
        return err_set(note, ERR_NO_MEMORY, "", "no memory for a profile of %d lanes", lanes);
    }
    *out = p;
    return OK;
}

void profile_free(struct profile *p)
{
    if (!p) return;
    for (int i = 0; i < p->lanes; i++) free(p->lane[i]);
    free(p);
}

enum profile_kind profile_switch(struct profile *p, enum profile_kind phase)
{
    assert(phase >= PROFILE_OPS && phase != PROFILE_WAITING && phase <= PROFILE_NONE);
    enum profile_kind before = p->phase;
    int64_t wall_ns = now_ns(CLOCK_MONOTONIC), cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID), took_ns = wall_ns - p->wall_ns;
    if (before < PROFILE_HALTS) {
        p->phase_ns[before] += cpu_ns - p->cpu_ns;
        p->worked_ns += took_ns;
    } else if (before < PROFILE_NONE) {
        p->phase_ns[before] += took_ns * p->lanes;
    }
    p->wall_ns = wall_ns;
    p->cpu_ns = cpu_ns;
    p->phase = phase;
    return before;
}

void profile_begin(struct profile *p, int lane)
{
    p->lane[lane]->last_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
}

void profile_add(struct profile *p, int lane, enum profile_kind kind, int node, int samples)
{
    assert(kind < PROFILE_OPS && lane < p->lanes && node >= 0 && node < p->nodes);
    struct lane_cells *l = p->lane[lane];
    struct cell *c = &l->cell[(int)kind * p->nodes + node];
    int64_t now = now_ns(CLOCK_THREAD_CPUTIME_ID);
    c->ns += now - l->last_ns;
    c->samples += samples;
    l->last_ns = now;
}

void profile_count_step(struct profile *p, int images)
{
    if (!p) return;
    p->steps++;
    p->images += images;
}

/* ---- reading ------------------------------------------------------------------------------------------- */
static struct cell cell_of_node(const struct profile *p, enum profile_kind kind, int node)
{
    struct cell sum = {0};
    for (int i = 0; i < p->lanes; i++) {
        const struct cell *c = &p->lane[i]->cell[(int)kind * p->nodes + node];
        sum.ns += c->ns;
        sum.samples += c->samples;
    }
    return sum;
}

static struct cell cell_of(const struct profile *p, enum profile_kind kind)
{
    struct cell sum = {.ns = p->phase_ns[kind]};
    for (int node = 0; kind < PROFILE_OPS && node < p->nodes; node++) {
        struct cell c = cell_of_node(p, kind, node);
        sum.ns += c.ns;
        sum.samples += c.samples;
    }
    return sum;
}

static int64_t ops_ns(const struct profile *p)
{
    int64_t sum = 0;
    for (int kind = 0; kind < PROFILE_OPS; kind++) sum += cell_of(p, (enum profile_kind)kind).ns;
    return sum;
}

/* Phase BETWEEN was clocked with the ops that ran in it. */
static int64_t kind_ns(const struct profile *p, enum profile_kind kind)
{
    if (kind == PROFILE_BETWEEN) return p->phase_ns[kind] - ops_ns(p);
    if (kind != PROFILE_WAITING) return cell_of(p, kind).ns;
    int64_t busy_ns = 0;
    for (int k = PROFILE_OPS; k < PROFILE_HALTS; k++) busy_ns += p->phase_ns[k];
    return p->worked_ns * p->lanes - busy_ns;
}

struct profile_sum profile_sum_of_node(const struct profile *p, enum profile_kind kind, int node)
{
    struct cell c = cell_of_node(p, kind, node);
    return (struct profile_sum){.seconds = (double)c.ns * 1e-9, .samples = c.samples};
}

struct profile_sum profile_sum_of(const struct profile *p, enum profile_kind kind)
{
    return (struct profile_sum){.seconds = (double)kind_ns(p, kind) * 1e-9, .samples = cell_of(p, kind).samples};
}

double profile_lane_seconds(const struct profile *p)
{
    double sum = 0;
    for (int kind = 0; kind < PROFILE_KINDS; kind++) sum += profile_sum_of(p, (enum profile_kind)kind).seconds;
    return sum;
}

int profile_lanes(const struct profile *p)
{
    return p->lanes;
}

int64_t profile_steps(const struct profile *p)
{
    return p->steps;
}

int64_t profile_images(const struct profile *p)
{
    return p->images;
}

const char *profile_kind_name(enum profile_kind kind)
{
    return names[kind];
}
