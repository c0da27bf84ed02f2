/* kernel_simd: the table of one level of x86-64; compiled once for each (KERNEL_ISA v2, v3, v4). Its kernels, by topic, are
   in the simd_*.h beside it, because each level needs a copy of its own of every function. */
#include "worker/net/kernel_simd.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "worker/net/vec.h"

/* An activation as vectors: vector v of a tensor of this block starts here; pixel p is p * block further. */
INLINE size_t vector_at(int v, size_t pixels, int block)
{
    size_t channel = (size_t)v * VEC, b = (size_t)block;
    return channel / b * pixels * b + channel % b;
}
INLINE int vectors_of(int channels, int block)
{
    return channels_padded(channels, block) / VEC;
}

/* Sums in float over at most CHUNK pixels, in four chains, then in double: a sum over a million pixels keeps seven digits. */
enum { CHUNK = 256 };
INLINE void drain(double *sums, vec a, vec b, vec c, vec d)
{
    float part[VEC];
    vec_store(part, vec_add(vec_add(a, b), vec_add(c, d)));
    for (int i = 0; i < VEC; i++) sums[i] += (double)part[i];
}

/* Mean and variance of n values out of the sums of their distances from `shift` and of those squared. */
struct moments {
    double mean, variance;
};
INLINE struct moments moments_of(double shift, double sum, double square, double n)
{
    double m = sum / n, v = square / n - m * m;
    return (struct moments){shift + m, v > 0 ? v : v <= 0 ? 0 : v}; /* keeps a NaN */
}
INLINE float deviation_inverse(double variance)
{
    return (float)(1 / sqrt(variance + NORM_EPS));
}

/* Adds to sums. */
static void plane_sums(const float *in, size_t pixels, int block, double *sums)
{
    size_t step = (size_t)block;
    for (size_t first = 0; first < pixels; first += CHUNK) {
        size_t last = first + CHUNK < pixels ? first + CHUNK : pixels, p = first;
        vec s[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        for (; p + 4 <= last; p += 4)
            for (int u = 0; u < 4; u++) {
                s[u] = vec_add(s[u], vec_load(in + (p + (size_t)u) * step));
                vec_ahead(in + (p + (size_t)u) * step);
            }
        for (; p < last; p++) s[0] = vec_add(s[0], vec_load(in + p * step));
        drain(sums, s[0], s[1], s[2], s[3]);
    }
}

/* Over all pixels of `samples` samples, `apart` floats from one to the next. */
static void channel_sums(const float *in, int samples, size_t apart, int channels, size_t pixels, int block, float *to)
{
    for (int v = 0; v < vectors_of(channels, block); v++) {
        double sums[VEC] = {0};
        for (int i = 0; i < samples; i++) plane_sums(in + (size_t)i * apart + vector_at(v, pixels, block), pixels, block, sums);
        for (int i = 0; i < VEC; i++) to[v * VEC + i] = (float)sums[i];
    }
}

#include "worker/net/simd_image.h"
#include "worker/net/simd_conv.h"
#include "worker/net/simd_norm_line.h"
#include "worker/net/simd_winograd.h"
#include "worker/net/simd_winograd_strided.h"
#include "worker/net/simd_winograd_gemm.h"
#include "worker/net/simd_winograd_tiles.h"
#include "worker/net/simd_winograd_weights.h"
#include "worker/net/simd_winograd_read.h"
#include "worker/net/simd_winograd_run.h"
#include "worker/net/simd_winograd_grad.h"
#include "worker/net/simd_up.h"
#include "worker/net/simd_norm.h"
#include "worker/net/simd_pool.h"
#include "worker/net/simd_head.h"

static void add(void *to, const void *from, size_t count)
{
    float *restrict t = to;
    const float *restrict f = from;
    for (size_t i = 0; i < count; i++) t[i] += f[i];
}

#define JOIN(a, b) a##b
#define TABLE(isa) JOIN(kernel_simd_, isa)
#define TEXT(isa) #isa
#define NAME_OF(isa) TEXT(isa)
const struct kernel_simd TABLE(KERNEL_ISA) = {
    NAME_OF(KERNEL_ISA), VEC, image_forward, image_backward_weights, conv_backward_weights, up_forward, up_backward_data, up_backward_weights,
    norm_forward, norm_again, norm_backward, pool_forward, pool_backward, head_forward, head_backward, add,
    winograd_weights_count, winograd_prepare_tasks, winograd_prepare, winograd_scratch_count, winograd_forward, winograd_backward_data,
    winograd_backward,
};
