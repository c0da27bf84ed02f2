/* network: a U-Net in memory: parameters, one training step over a batch in parallel lanes, and inference on tiles.

   A training step, sample by sample in parallel (the loss is the caller's):
       network_forward(net, n, images);                     logits of all n samples are now in network_logits(net, i)
       lanes_run(network_lanes(net), n, my_loss, ctx);      writes network_logit_gradient(net, k, i)
       network_backward(net, n, k);                         network_gradient(net, k) = sum over the samples
       ...change network_weights(net) by network_gradient(net, k), both network_arena_count(net) floats long
   Two gradients from one forward: fill k = 0 and 1, call network_backward for each.
   Results are equal bit for bit for any number of lanes: gradients are summed over the samples of a micro-batch in their
   order (part by part: part_pixels), over the micro-batches in a fixed tree. */
#ifndef WORKER_NET_NETWORK_H
#define WORKER_NET_NETWORK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "schema/job/job_spec.h"
#include "worker/net/lanes.h"
#include "worker/net/profile.h"
#include "worker/net/shape.h"

enum { NETWORK_BATCH_MAX = 4096, NETWORK_LEVELS_MAX = 8, NETWORK_CONVS_MAX = 4, NETWORK_GRADIENTS_MAX = 2, NETWORK_CHANNELS_MAX = 4096,
       NETWORK_LAYERS_MAX = 2 * NETWORK_LEVELS_MAX * NETWORK_CONVS_MAX + NETWORK_LEVELS_MAX, PART_PIXELS = 8192 };

/* Which algorithm computes what, layer by layer in canonical order (3x3 convolutions), and how many samples a lane takes at once.
   It decides the last bits of the weights, so it is part of what a run must repeat; it never depends on the number of lanes. */
enum network_algorithm { ALGORITHM_DIRECT, ALGORITHM_WINOGRAD };
struct network_kernels {
    int micro_batch; /* samples that a lane takes at once, 1 up to the batch */
    int layers;      /* 0: not chosen yet; then all are direct */
    struct network_layer_kernels {
        char name[32]; /* "encoder.0.conv.0" */
        enum network_algorithm forward, backward_data, backward_weights;
    } layer[NETWORK_LAYERS_MAX];
};

struct network_config {
    int rank;                        /* 2; 3 is in every shape, its kernels are not built: refused */
    int in_channels, out_channels;   /* out_channels: logits per pixel */
    int levels;                      /* entries of widths[]; patch dimensions are multiples of 2^(levels-1) */
    int widths[NETWORK_LEVELS_MAX];  /* channels of each level, finest first */
    int convs;                       /* 3x3 convolutions per block */
    enum model_down down;
    enum model_norm norm;            /* eps 1e-5, affine */
    int groups;                      /* group norm only; divides every width */
    enum model_activation activation;
    float slope;                     /* leaky_relu only */
    bool conv_bias;                  /* 3x3 convolutions; transposed ones and the head always have a bias */
    int patch[RANK_MAX];             /* rows, columns */
    int batch;                       /* samples held at once */
    int gradients;                   /* 1, or 2 for steps with two losses */
    int lanes;                       /* threads; 0: all of this process's affinity mask */
    const char *backend;             /* "dnnl", "ref"; NULL: the fastest that this machine has */
    const struct network_kernels *kernels; /* NULL: all direct, one sample at a time */
    int part_pixels;                 /* 0: PART_PIXELS. A level takes a micro-batch in parts of about so many pixels: where images are large
                                        activations stay near the processor, where they are small all samples share one reading of the weights */
    bool inference_only;             /* no gradients, no activations kept: network_infer only */
};

struct network;
/* Refusals name the field as the job spec does ("/training/patch/0"). ERR_RANGE, ERR_NOT_BUILT, ERR_NO_MEMORY,
   ERR_WORD_UNKNOWN (backend). All weights are 0 until network_init or network_set_parameters. */
enum err network_new(const struct network_config *config, struct network **out, struct err_note *note) MUST_USE;
void network_free(struct network *net); /* NULL is fine */
/* Peak memory of such a network in bytes (the same plan that network_new takes), without taking it. */
enum err network_memory_bytes(const struct network_config *config, size_t *bytes, struct err_note *note) MUST_USE;
/* Real parameters (no padding): 1,942,306 for xs. */
enum err network_parameter_count(const struct network_config *config, size_t *count, struct err_note *note) MUST_USE;

const struct network_config *network_config(const struct network *net); /* lanes, backend and kernels filled in */
struct lanes *network_lanes(struct network *net);
size_t network_memory_used(const struct network *net); /* bytes taken; equals network_memory_bytes */
const struct network_kernels *network_kernels(const struct network *net); /* what runs; complete */
bool network_kernels_changed(const struct network *net); /* the given kernels named an algorithm that this machine lacks */

/* From now on the time of each op is measured. ERR_NO_MEMORY. */
enum err network_profile_on(struct network *net, struct err_note *note) MUST_USE;
struct profile *network_profile(const struct network *net); /* NULL: off */
enum { PROFILE_LAYER_KINDS = 4 };
/* A layer of which the profile knows the arithmetic: 3x3 and transposed convolutions. */
struct profile_layer {
    const char *name;
    enum profile_kind kinds[PROFILE_LAYER_KINDS]; /* forward, backward data, backward weights, both of these in one; PROFILE_NONE: has none of its own */
    const char *choice[PROFILE_LAYER_KINDS];      /* what computes them: oneDNN's name of an implementation, "simd" or "ref" */
    double flops;                                 /* of one sample in one of the kinds (twice that where it is two), padding not counted */
    int node;
};
/* The i-th of them; false past the last. */
bool network_profile_layer(const struct network *net, int i, struct profile_layer *out);

/* ---- parameters -------------------------------------------------------------------------------------- */
/* Canonical form: the tensors of this table one after the other, each in PyTorch's shape: convolutions [out][in][kernel...],
   transposed ones [in][out][kernel...]; a decoder block reads [skip, up]. Order of execution, coarsest decoder first:
   encoder.0.conv.0.weight [.bias] encoder.0.norm.0.weight .bias ... decoder.3.up.weight .bias decoder.3.conv.0.weight ... head.weight .bias */
struct network_parameter {
    char name[40];
    int rank;
    int dims[2 + RANK_MAX];
    size_t offset, count; /* in the canonical form, in floats */
};
const struct network_parameter *network_parameters(const struct network *net, int *count);

/* Where parameter `which` of the table lies in arena form: elements [first, first + count), padding included. */
void network_parameter_place(const struct network *net, int which, size_t *first, size_t *count);

/* Arena form: what the kernels read, blocked and padded. Padding is 0 and gets gradient 0: an optimizer is one loop over
   [0, network_arena_count), its moments are arrays of the same length. */
size_t network_arena_count(const struct network *net);
/* For changing them: ask anew before each change that follows a forward, backward or inference (layers keep weights in forms
   of their own, made again after this call). For reading: network_weights_seen. */
float *network_weights(struct network *net);
const float *network_weights_seen(const struct network *net);
float *network_gradient(struct network *net, int k);
/* Any arena-form array (weights, gradient, moments) to and from canonical form; lossless. */
void network_to_canonical(const struct network *net, const float *arena, float *canonical);
void network_from_canonical(const struct network *net, const float *canonical, float *arena);
void network_get_parameters(const struct network *net, float *canonical);
void network_set_parameters(struct network *net, const float *canonical);
/* PyTorch's defaults: U(-b, b) with b = 1/sqrt(fan_in) for convolution weights and biases, norm weight 1 and bias 0.
   Each tensor draws from its own stream, so a tensor's values depend on the seed and its place in the table only. */
void network_init(struct network *net, uint64_t seed);

/* ---- training ---------------------------------------------------------------------------------------- */
/* images[i]: [in_channels][rows*columns] floats; copied, so they may go when this returns.
   samples <= batch. Not for inference_only networks. */
void network_forward(struct network *net, int samples, const float *const images[]);
/* The same logits, bit for bit, without what backward needs: cheaper. Overwrites the activations of a network_forward. */
void network_look(struct network *net, int samples, const float *const images[]);
float *network_logits(struct network *net, int sample);                /* [out_channels][rows*columns] */
float *network_logit_gradient(struct network *net, int k, int sample); /* same shape; the loss writes it */
/* Overwrites network_gradient(net, k) with the gradient summed over the samples of the last network_forward. The weights
   must be those of that forward: take both gradients before changing them. */
void network_backward(struct network *net, int samples, int k);
/* Both gradients at once, for less than two calls cost; the same bits. */
void network_backward_both(struct network *net, int samples);
/* Only the last layer's share of it, the head's weight and bias, which needs no pass through the network: the rest of
   network_gradient(net, k) is whatever it was. */
void network_backward_head(struct network *net, int samples, int k);

/* ---- inference --------------------------------------------------------------------------------------- */
/* Forward only, any number of patches, all lanes. Overwrites the activations of a network_forward. */
void network_infer(struct network *net, int count, const float *const images[], float *const logits[]);
#endif
