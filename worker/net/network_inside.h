/* network_inside: what the files of the network share, and how tests build one on a backend of their choice. */
#ifndef WORKER_NET_NETWORK_INSIDE_H
#define WORKER_NET_NETWORK_INSIDE_H
#include "worker/net/network.h"
#include "worker/net/op.h"
#include "worker/net/plan.h"
#include "worker/net/profile.h"

struct network {
    struct network_config config;
    struct network_kernels kernels;
    bool kernels_changed;
    bool prepared_fresh[2]; /* the prepared weights (forward, backward) are those of the weights of now */
    struct backend backend;
    struct graph graph;
    struct plan plan;
    struct arena arena;
    struct lanes *lanes;
    struct profile *profile; /* NULL: off */
    struct network_parameter parameter[TENSORS_MAX];
    /* the call in progress, read by the lanes */
    int samples, group;   /* samples of a task */
    int k, cotangents;    /* first gradient, and how many at once */
    int first_node;       /* of a backward pass */
    size_t first_element; /* of its gradient */
    const float *const *images;
    float *const *infer_logits;
};

enum err config_check(const struct network_config *config, struct err_note *note) MUST_USE;
/* Everything but memory and threads. Freed by network_free. */
enum err network_prepare(const struct network_config *config, const struct backend *backend, struct network **out, struct err_note *note) MUST_USE;
/* A network on a given backend. With one of doubles all float pointers of network.h point at doubles; canonical form stays float. */
enum err network_new_on(const struct network_config *config, const struct backend *backend, struct network **out, struct err_note *note) MUST_USE;

/* network_prepared.c: which layers want prepared weights, and making those that are stale. */
void network_plan_prepared(struct network *net);
void network_freshen(struct network *net, bool backward);

static inline unsigned char *network_at(const struct network *net, size_t offset)
{
    return net->arena.base + offset;
}
/* Where a micro-batch leaves its parameter gradient k; those of the first are where the sums end up. */
static inline unsigned char *network_leaf(const struct network *net, int task, int k)
{
    size_t which = (size_t)task * (size_t)net->config.gradients + (size_t)k;
    return network_at(net, net->plan.leaves) + which * arena_round(net->plan.arena_bytes);
}
#endif
