/* kernel_simd: the vectorised kernels of blocked layouts, one table for each level of x86-64; kernel_pick chooses. */
#ifndef WORKER_NET_KERNEL_SIMD_H
#define WORKER_NET_KERNEL_SIMD_H
#include "worker/net/backend.h"

/* Sums over the samples, overwrites d_w[] and d_bias[] (or NULL). cotangents: 1 or 2 gradients of the same outputs, _apart floats from the
   first to the second; strides from sample to sample. */
struct winograd_backward {
    int samples, cotangents;
    size_t in_stride;
    const float *in;
    const struct norm_before *norm; /* or NULL */
    size_t out_stride, out_apart;
    const float *d_out;
    float *const *d_w, *const *d_bias;
    const float *prepared; /* for backward data; not read without d_in */
    size_t d_in_stride, d_in_apart;
    float *d_in; /* or NULL: not wanted */
};

/* As the members of struct backend of the same name (backend.h), for blocks that `width` divides. The packed image here is
   [channels][rows + 2][columns + 2] with a border of zeros. Kernels without a batch work on one sample. */
struct kernel_simd {
    const char *isa; /* "v3" */
    int width;       /* floats in a vector */
    void (*image_forward)(const struct conv_shape *s, const float *in, const float *w, const float *bias, float *out);
    void (*image_backward_weights)(const struct conv_shape *s, const struct batch *b, const float *in, const float *d_out, float *d_w, float *d_bias);
    void (*conv_backward_weights)(const struct conv_shape *s, const struct batch *b, const float *in, const float *d_out, float *d_w, float *d_bias);
    void (*up_forward)(const struct up_shape *s, const void *in, const void *w, const void *bias, void *out);
    void (*up_backward_data)(const struct up_shape *s, const void *d_out, const void *flipped, void *d_in);
    void (*up_backward_weights)(const struct up_shape *s, const struct batch *b, const void *in, const void *d_out, void *d_w, void *d_bias);
    void (*norm_forward)(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, void *stats, void *out);
    void (*norm_again)(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, const void *stats, void *out);
    void (*norm_backward)(const struct norm_shape *s, const struct batch *b, const void *z, const void *gamma, const void *beta, const void *stats,
                          void *d_out, const void *d_more, void *d_gamma, void *d_beta);
    void (*pool_forward)(const struct pool_shape *s, const void *in, void *out);
    void (*pool_backward)(const struct pool_shape *s, const void *in, const void *d_out, void *d_in);
    void (*head_forward)(const struct head_shape *s, const void *in, const struct norm_before *norm, const void *w, const void *bias, void *logits);
    void (*head_backward)(const struct head_shape *s, const struct batch *b, const void *in, const struct norm_before *norm, const void *w,
                          const void *d_logits, void *d_in, void *d_w, void *d_bias);
    void (*add)(void *to, const void *from, size_t count);

    /* 3x3 layers of stride 1 and 2 by Winograd's algorithm, any rows and columns, for one lane and `samples` samples;
       strides in floats from sample to sample. Results depend on the arguments alone, and those of forward and backward data
       of one sample not on the others. prepared: winograd_weights_count floats for one direction, written in tasks that lanes
       may share (winograd_prepare: tasks first to first + count - 1). scratch: winograd_scratch_count floats, enough for all
       three kinds (cotangents 0: for forward and backward data). Both, and the tensors, start on a 64-byte boundary. bias has the padded
       channels, or is NULL. stats (or NULL): what norm_forward would find out about `out`, written on the way. norm (or NULL): `in`, or
       its first part, is its z. */
    size_t (*winograd_weights_count)(const struct conv_shape *s);
    int (*winograd_prepare_tasks)(const struct conv_shape *s, bool backward);
    void (*winograd_prepare)(const struct conv_shape *s, bool backward, const float *w, int first, int count, float *prepared);
    size_t (*winograd_scratch_count)(const struct conv_shape *s, int samples, int cotangents);
    void (*winograd_forward)(const struct conv_shape *s, int samples, size_t in_stride, const float *in, const struct norm_before *norm, const float *prepared,
                             const float *bias, size_t out_stride, float *out, size_t stats_stride, float *stats, float *scratch);
    void (*winograd_backward_data)(const struct conv_shape *s, int samples, size_t out_stride, const float *d_out, const float *prepared,
                                   size_t in_stride, float *d_in, float *scratch);
    /* Weight gradients, and with d_in backward data on the way, for less than both alone cost; the same bits. */
    void (*winograd_backward)(const struct conv_shape *s, const struct winograd_backward *b, float *scratch);
};
extern const struct kernel_simd kernel_simd_v2, kernel_simd_v3, kernel_simd_v4;
#endif
