/* op: what a node does, forward and backward, to one sample on one lane. */
#ifndef WORKER_NET_OP_H
#define WORKER_NET_OP_H
#include "worker/net/graph.h"

/* Where everything of one sample on one lane lies. */
struct run {
    const struct backend *backend;
    const struct graph *graph;
    int lane;
    bool keep;               /* training: values stay for backward */
    unsigned char *values, *stats, *gradients, *scratch;
    unsigned char *weights, *flipped; /* arenas */
    unsigned char *leaf;     /* this sample's gradient of all parameters, in arena form */
    void *logits;
    const void *d_logits;
};

struct op {
    const char *name;
    void (*forward)(const struct run *r, const struct node *n);
    void (*backward)(const struct run *r, const struct node *n);
};
extern const struct op op_conv, op_norm_act, op_pool, op_up, op_head;

void *run_value(const struct run *r, int value);
void *run_gradient(const struct run *r, struct gradient_ref ref); /* NULL for NONE */
void *run_stats(const struct run *r, const struct node *n);
const void *run_weight(const struct run *r, int tensor);          /* NULL for NONE, as the next two */
const void *run_flipped(const struct run *r, int tensor);
void *run_leaf(const struct run *r, int tensor);
#endif
