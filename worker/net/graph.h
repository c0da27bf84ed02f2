/* graph: a U-Net as a list of nodes (an op with its shape, its parameters and the values it reads and writes), built once.

   encoder level l:  (image | pool | nothing) then convs times [conv -> z, norm_act -> a]; the last a is the skip half of cat l
   decoder level l:  up (writes the other half of cat l), then convs times [conv, norm_act]; head after decoder 0
   A value is an activation of one sample. In backward its gradient lives in a buffer; norm_act turns d_a into d_z in place. */
#ifndef WORKER_NET_GRAPH_H
#define WORKER_NET_GRAPH_H
#include "worker/net/backend.h"
#include "worker/net/weights.h"

enum {
    NODES_MAX = 4 * NETWORK_LEVELS_MAX * NETWORK_CONVS_MAX + 2 * NETWORK_LEVELS_MAX + 2,
    VALUES_MAX = NODES_MAX + NETWORK_LEVELS_MAX + 1,
    TENSORS_MAX = 8 * NETWORK_LEVELS_MAX * NETWORK_CONVS_MAX + 2 * NETWORK_LEVELS_MAX + 2,
    NONE = -1,
    ARENA_ALIGN_ELEMENTS = 16, /* each tensor starts on a cache line, in float and double */
};

struct value {
    int parent;          /* the value this is a part of, or NONE */
    size_t first;        /* first element within the parent */
    size_t count;        /* elements, padding included */
    int in_place_of;     /* z of the activation that only the next node reads, or NONE. That node may read z through the norm; else inference
                            overwrites z with it, and training keeps z alone and makes it again just before that node's backward */
    size_t kept, passing;/* byte offset in a sample's memory (training), in a lane's (inference); plan.c */
};

/* A gradient: elements from `first` of a backward buffer. */
struct gradient_ref {
    int buffer; /* or NONE */
    size_t first;
};
struct gradient_buffer {
    size_t count, offset; /* elements; bytes in a lane's memory (plan.c) */
};

struct tensor {
    struct network_parameter as; /* name, shape and place in canonical form */
    struct tensor_layout layout;
    size_t first;                /* first element in the arena */
    int fan_in;                  /* for initialisation */
    bool norm_weight, norm_bias;
};

struct op;
struct node {
    const struct op *op;
    char name[32];
    int in, out;               /* values; in of the first node and out of the head are NONE: image and logits come from outside */
    int weight, bias;          /* tensors; or NONE */
    int layer;                 /* of network_kernels; or NONE */
    size_t stats;              /* first element of this node's statistics in a sample's */
    bool stats_given;          /* a norm: the convolution before it has left them there */
    int through[CONV_KINDS];   /* the norm (a node) through which this one reads its input, or the first part of it, in that kind of its work: it
                                  reads z and does what the norm would have done; or NONE */
    bool unwritten;            /* a norm: all that read its output forward read through it */
    struct gradient_ref d_out, d_more, d_in;
    struct conv *conv;         /* 3x3 layers: made by the backend */
    struct prepared {
        size_t count, first;   /* elements (0: reads the arena's weights); where in the arena of prepared weights (plan.c) */
        int tasks;
    } prepared[2];             /* for forward, for backward data: see backend.h */
    union {
        struct conv_shape conv;
        struct up_shape up;
        struct norm_shape norm;
        struct pool_shape pool;
        struct head_shape head;
    } shape;
};

/* What is done at one level on the way down (stage = level) or up (2 * levels - 2 - level; the head goes with level 0). Its nodes
   and its tensors are neighbours. */
enum { STAGES_MAX = 2 * NETWORK_LEVELS_MAX - 1 };
struct stage {
    int first_node, end_node, first_tensor, end_tensor;
    int fit; /* samples that it takes at a time, where a micro-batch has more: see network_config.part_pixels */
};
static inline int stage_samples(const struct stage *s, int micro_batch)
{
    return s->fit < micro_batch ? s->fit : micro_batch;
}

struct graph {
    int block;
    int nodes, values, tensors, buffers, layers, levels, stages;
    struct stage stage[STAGES_MAX];
    struct node node[NODES_MAX];
    struct value value[VALUES_MAX];
    struct tensor tensor[TENSORS_MAX];
    struct gradient_buffer buffer[VALUES_MAX + NETWORK_LEVELS_MAX];
    size_t arena_count, canonical_count, stats_count; /* elements */
    int image;                                        /* the value that holds the packed image */
};

/* The norm that makes what n reads, or the first part of it; NULL: another node does. */
const struct node *graph_norm_before(const struct graph *g, const struct node *n);
/* config must have passed config_check. image_count: elements of the packed image. */
void graph_build(struct graph *g, const struct network_config *config, int block, size_t image_count);
#endif
