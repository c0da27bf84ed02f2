/* backend: the kernels a network is made of. backend_ref is plain C and the law; others are compared with it op by op.

   Layout of an activation of one sample, B = block: [channels/B rounded up][pixels][B]; channels past the last are 0. Two
   tensors side by side ("parts", the input of a decoder block) are padded each by itself. B = 1 is PyTorch's plain layout.
   Layout of weights: 3x3 [out/B][in/B][9][B in][B out]; of the first layer, which reads the packed image: [out/B][in][9][B out];
   2x2 transposed [in/B][out/B][4][B in][B out]; head [out][in padded]. Flipped: each inner block [B out][B in].
   Pointers are float* or double* (element_bytes); all start on a 64-byte boundary. A kernel runs on the calling thread. */
#ifndef WORKER_NET_BACKEND_H
#define WORKER_NET_BACKEND_H
#include <stdbool.h>
#include <stddef.h>
#include "schema/base/err.h"
#include "worker/net/network.h"
#include "worker/net/shape.h"

/* 3x3 convolution, padding 1, stride 1 or 2: out[y] reads in[y*stride - 1 .. y*stride + 1]. */
struct conv_shape {
    int block;
    struct shape in, out;
    int parts, in_channels; /* parts equal parts of in_channels each */
    int out_channels, stride;
    bool bias;
    bool image;             /* reads what image_pack wrote; has no backward data */
};
/* 2x2 transposed convolution, stride 2, with bias: out[2y+a][2x+b] = bias + in[y][x] . w[a][b]. */
struct up_shape {
    int block;
    struct shape in;
    int in_channels, out_channels;
};
/* Normalisation over each channel (or group of channels) of a sample, then y > 0 ? y : slope * y. */
struct norm_shape {
    int block, channels;
    size_t pixels;
    enum model_norm norm;
    int groups;
    float slope;
};
struct pool_shape {
    int block, channels;
    struct shape in;
};
struct head_shape {
    int block, channels, out_channels;
    size_t pixels;
};
#define NORM_EPS 1e-5

/* The samples that one call works on, and how many elements lie from one to the next. Backward may work on two gradients of
   the same forward pass at once (cotangents): those of a sample lie side by side, so that some of the samples are a batch, too.
   Parameter gradients are overwritten with the sum over the samples, added up in their order. */
struct batch {
    int samples, cotangents;
    size_t value, gradient;           /* activations (and packed images); their gradients, each of either cotangent */
    size_t stats, logits;             /* statistics; logits and their gradients */
    size_t logits_apart, leaf_apart;  /* from the first cotangent to the second: logit gradients, parameter gradients */
};
static const struct batch batch_of_one = {.samples = 1, .cotangents = 1};

/* The norm and activation before a layer that reads through them: its `in`, or of two parts the first, is their z, and it makes of that what
   they would have written, on its way. Of the first sample; statistics of the others are `stats_apart` elements on. */
struct norm_before {
    const struct norm_shape *shape;
    const void *gamma, *beta, *stats;
    size_t stats_apart;
};

/* How a layer will be called. */
struct conv_use {
    bool forward_only;
    int lanes;      /* threads that may run it at once */
    int samples;    /* in one call, at most */
    int cotangents; /* likewise */
};
struct conv; /* a 3x3 layer, prepared by a backend */
enum conv_kind { CONV_FORWARD, CONV_DATA, CONV_WEIGHTS, CONV_KINDS };

struct backend {
    const char *name;
    int block;
    size_t element_bytes;
    void (*thread_start)(void); /* NULL, or run first in each thread that will call a kernel */

    /* The image, plain [channels][pixels], is copied once into the form the first layer reads. */
    size_t (*image_count)(int block, int channels, struct shape s); /* elements */
    void (*image_pack)(int channels, struct shape s, const void *plain, void *packed);

    /* kernels: wanted algorithms, changed to those taken. */
    enum err (*conv_new)(const struct conv_shape *s, const struct conv_use *use, struct network_layer_kernels *kernels, struct conv **out,
                         struct err_note *note) MUST_USE;
    void (*conv_free)(struct conv *c);
    size_t (*conv_scratch_bytes)(const struct conv *c);
    /* Weights in a form of their own for forward or backward data, made of the arena's whenever those have changed, in tasks
       that lanes share: conv_prepare does tasks first .. first + count - 1. Count 0: that kind reads the arena's weights. */
    size_t (*conv_prepared_count)(const struct conv *c, bool backward); /* elements */
    int (*conv_prepare_tasks)(const struct conv *c, bool backward);
    void (*conv_prepare)(const struct conv *c, bool backward, const void *w, int first, int count, void *prepared);
    const char *(*conv_choice)(const struct conv *c, int kind); /* what computes that kind (enum conv_kind) */
    /* Can forward leave the statistics of its output, as an instance norm finds them? Can that kind (forward, backward weights) read
       through a norm? NULL: no layer can, and `stats` and `norm` below are NULL. */
    bool (*conv_gives_stats)(const struct conv *c);
    bool (*conv_reads_norm)(const struct conv *c, enum conv_kind kind);
    bool (*conv_joins_backward)(const struct conv *c); /* is there a conv_backward for it? NULL: for no layer */
    void (*conv_forward)(struct conv *c, int lane, const struct batch *b, void *scratch, const void *in, const struct norm_before *norm /* or NULL */,
                         const void *w, const void *bias, void *out, void *stats /* or NULL: not asked for */);
    void (*conv_backward_data)(struct conv *c, int lane, const struct batch *b, void *scratch, const void *d_out, const void *w, void *d_in);
    void (*conv_backward_weights)(struct conv *c, int lane, const struct batch *b, void *scratch, const void *in, const struct norm_before *norm,
                                  const void *d_out, void *d_w, void *d_bias);
    /* Backward data and weights in one, the same bits, where conv_joins_backward: they share what is made of d_out. */
    void (*conv_backward)(struct conv *c, int lane, const struct batch *b, void *scratch, const void *in, const struct norm_before *norm, const void *d_out,
                          const void *w, void *d_in, void *d_w, void *d_bias);
    /* From here on a kernel without a batch works on one sample. */

    bool up_flips; /* up_backward_data reads flipped weights; forward the arena's */
    void (*up_forward)(const struct up_shape *s, const void *in, const void *w, const void *bias, void *out);
    void (*up_backward_data)(const struct up_shape *s, const void *d_out, const void *w, void *d_in);
    void (*up_backward_weights)(const struct up_shape *s, const struct batch *b, const void *in, const void *d_out, void *d_w, void *d_bias);

    /* stats: mean and 1/sqrt(variance + eps) of each channel, 2 * padded channels; written forward, read backward.
       Without norm, gamma, beta, stats and their gradients are NULL. out may be z; NULL: the statistics are all that is wanted. */
    void (*norm_forward)(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, void *stats, void *out);
    /* Writes what norm_forward wrote, bit for bit, out of the statistics that it left. */
    void (*norm_again)(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, const void *stats, void *out);
    /* d_out becomes d_z in place; d_more (may be NULL) is a second gradient of the output, added first. */
    void (*norm_backward)(const struct norm_shape *s, const struct batch *b, const void *z, const void *gamma, const void *beta, const void *stats,
                          void *d_out, const void *d_more, void *d_gamma, void *d_beta);
    /* 2x2 maximum; of equal ones the first (row by row) gets the gradient. pool_backward adds to d_in. */
    void (*pool_forward)(const struct pool_shape *s, const void *in, void *out);
    void (*pool_backward)(const struct pool_shape *s, const void *in, const void *d_out, void *d_in);
    /* 1x1 convolution with bias to plain logits [out_channels][pixels]. head_reads_norm: it can read through a norm; else `norm` is NULL. */
    bool head_reads_norm;
    void (*head_forward)(const struct head_shape *s, const void *in, const struct norm_before *norm, const void *w, const void *bias, void *logits);
    void (*head_backward)(const struct head_shape *s, const struct batch *b, const void *in, const struct norm_before *norm, const void *w,
                          const void *d_logits, void *d_in, void *d_w, void *d_bias);
    void (*add)(void *to, const void *from, size_t count); /* to += from */
};

struct backend backend_ref_float(int block);
struct backend backend_ref_double(int block);

/* Where the gradient of sample i of cotangent k lies, how far it is to that of the next sample, and how many there are in all. */
static inline size_t batch_gradient(const struct batch *b, int k, int i)
{
    return (size_t)(i * b->cotangents + k) * b->gradient;
}
static inline size_t batch_gradient_step(const struct batch *b)
{
    return (size_t)b->cotangents * b->gradient;
}
static inline int batch_gradients(const struct batch *b)
{
    return b->cotangents * b->samples;
}
static inline int channels_padded(int channels, int block)
{
    return (channels + block - 1) / block * block;
}
/* Elements of an activation. */
static inline size_t activation_count(int parts, int channels, struct shape s, int block)
{
    return (size_t)parts * (size_t)channels_padded(channels, block) * shape_pixels(s);
}
/* Where channel c (padded counting) of pixel p lies. */
static inline size_t activation_at(size_t c, size_t p, size_t pixels, int block)
{
    size_t b = (size_t)block;
    return (c / b * pixels + p) * b + c % b;
}
static inline struct shape shape_convolved(struct shape s, int stride)
{
    for (int i = 0; i < s.rank; i++) s.dims[i] = (s.dims[i] + stride - 1) / stride;
    return s;
}
#endif
