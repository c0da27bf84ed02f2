/* op: what a node does, forward and backward, to one micro-batch of samples on one lane. */
#ifndef WORKER_NET_OP_H
#define WORKER_NET_OP_H
#include "worker/net/graph.h"
#include "worker/net/profile.h"

/* Where everything of one micro-batch, or of some of its samples, on one lane lies; pointers are to the first sample. */
struct run {
    const struct backend *backend;
    const struct graph *graph;
    int lane;
    bool keep;               /* training: values stay for backward */
    struct batch batch;
    int first;               /* the first sample's place in the micro-batch */
    const float *const *images; /* plain, of each sample */
    unsigned char *values, *stats, *gradients, *scratch;
    unsigned char *weights, *prepared; /* arenas */
    unsigned char *leaf;     /* the gradient of the parameters from element leaf_first on, in arena form */
    size_t leaf_first;
    int *added;              /* of each stage: the samples of the micro-batch whose gradients are in the leaf */
    unsigned char *logits;
    float *const *infer_logits; /* or NULL: of each sample, in place of `logits` */
    const unsigned char *d_logits;
    struct profile *profile; /* NULL: nothing is measured */
};

struct op {
    const char *name;
    void (*forward)(const struct run *r, const struct node *n);
    enum profile_kind (*backward)(const struct run *r, const struct node *n); /* what its time since its last lap is called */
    void (*again)(const struct run *r, const struct node *n); /* writes the output anew, for backward; NULL where that is never asked */
    /* One of the node's tasks of making prepared weights; NULL where a node has none. */
    void (*prepare)(const struct run *r, const struct node *n, bool backward, int task);
    enum profile_kind forward_kind; /* what its time is called */
};
extern const struct op op_conv, op_norm_act, op_pool, op_up, op_head;
bool op_conv_joins(const struct backend *b, const struct node *n); /* its two kinds of backward are one */

/* Of sample i of the micro-batch; of gradient i of the micro-batch (struct batch: samples times cotangents). */
void *run_value(const struct run *r, int value, int i);
void *run_gradient(const struct run *r, struct gradient_ref ref, int i); /* NULL for NONE */
void *run_stats(const struct run *r, const struct node *n, int i);
/* What n reads in that kind of its work, of sample i: n->in, or, through a norm (which is put into `room`, and *norm is that,
   else NULL), the norm's z. */
const void *run_in(const struct run *r, const struct node *n, enum conv_kind kind, int i, struct norm_before *room, const struct norm_before **norm);
void *run_logits(const struct run *r, int i);
const void *run_weight(const struct run *r, int tensor);          /* NULL for NONE */
void *run_prepared(const struct run *r, const struct node *n, bool backward);
/* What forward or backward data reads: the prepared weights, or the arena's. */
const void *run_read(const struct run *r, const struct node *n, bool backward);
void *run_leaf(const struct run *r, int tensor);                  /* NULL for NONE */
/* Samples first .. first + count - 1 of r. */
struct run run_part(const struct run *r, int first, int count);
static inline void run_lap(const struct run *r, const struct node *n, enum profile_kind kind)
{
    profile_lap(r->profile, r->lane, kind, (int)(n - r->graph->node), batch_gradients(&r->batch));
}
#endif
