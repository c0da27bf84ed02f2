/* kernel_simd: the vectorised kernels of blocked layouts, one table for each level of x86-64; kernel_pick chooses. */
#ifndef WORKER_NET_KERNEL_SIMD_H
#define WORKER_NET_KERNEL_SIMD_H
#include "worker/net/backend.h"

/* As the members of struct backend of the same name (backend.h), for blocks that `width` divides. The packed image here is
   [channels][rows + 2][columns + 2] with a border of zeros. */
struct kernel_simd {
    const char *isa; /* "v3" */
    int width;       /* floats in a vector */
    void (*image_forward)(const struct conv_shape *s, const float *in, const float *w, const float *bias, float *out);
    void (*image_backward_weights)(const struct conv_shape *s, const float *in, const float *d_out, float *d_w, float *d_bias);
    void (*conv_backward_weights)(const struct conv_shape *s, const float *in, const float *d_out, float *d_w, float *d_bias);
    void (*up_forward)(const struct up_shape *s, const void *in, const void *w, const void *bias, void *out);
    void (*up_backward_data)(const struct up_shape *s, const void *d_out, const void *flipped, void *d_in);
    void (*up_backward_weights)(const struct up_shape *s, const void *in, const void *d_out, void *d_w, void *d_bias);
    void (*norm_forward)(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, void *stats, void *out);
    void (*norm_backward)(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, const void *stats, void *d_out,
                          const void *d_more, void *d_gamma, void *d_beta);
    void (*pool_forward)(const struct pool_shape *s, const void *in, void *out);
    void (*pool_backward)(const struct pool_shape *s, const void *in, const void *d_out, void *d_in);
    void (*head_forward)(const struct head_shape *s, const void *in, const void *w, const void *bias, void *logits);
    void (*head_backward)(const struct head_shape *s, const void *in, const void *w, const void *d_logits, void *d_in, void *d_w, void *d_bias);
    void (*add)(void *to, const void *from, size_t count);
};
extern const struct kernel_simd kernel_simd_v2, kernel_simd_v3, kernel_simd_v4;
#endif
