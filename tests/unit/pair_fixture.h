/* pair_fixture: the same numbers in float and double, to hold fast kernels against the law (backend_ref in double).

   Bound: a sum of n products a*b in float, in any order, is off by at most n * 2^-24 * sum|a*b| (Higham, Accuracy and
   Stability, 3.1); blocked sums behave like sqrt(n). Inputs are below 1 in magnitude, so the bound used is
   16 * 2^-24 * (1 + sqrt(n)) * (1 + largest result), which an indexing mistake misses by orders of magnitude. */
#ifndef TESTS_UNIT_PAIR_FIXTURE_H
#define TESTS_UNIT_PAIR_FIXTURE_H
#include <math.h>
#include "tests/check.h"
#include "worker/net/backend_dnnl.h"
#include "worker/net/kernel_pick.h"
#include "worker/net/rng.h"
#include "worker/net/weights.h"

static const struct conv_use use_of_one = {.lanes = 1, .samples = 1, .cotangents = 1};
static const char *const levels[] = {"v2", "v3", "v4"};

/* The same numbers in both precisions. */
struct pair {
    size_t count;
    float *f;
    double *d;
};

static inline struct pair pair_empty(size_t count)
{
    size_t bytes = (count * sizeof(float) + 63) / 64 * 64 + 64;
    struct pair p = {count, aligned_alloc(64, bytes), calloc(count + 1, sizeof(double))};
    memset(p.f, 0, bytes);
    return p;
}

static inline struct pair pair_random(size_t count, uint32_t stream)
{
    struct pair p = pair_empty(count);
    struct rng r;
    rng_start(&r, 21, stream, 0, 0);
    for (size_t i = 0; i < count; i++) p.d[i] = (double)(p.f[i] = rng_between(&r, -1, 1));
    return p;
}

static inline void pair_free(struct pair *p)
{
    free(p->f);
    free(p->d);
}

/* Channels past the last of each part are zero in every activation. */
static inline struct pair activation_random(int parts, int channels, struct shape s, int block, uint32_t stream)
{
    struct pair p = pair_random(activation_count(parts, channels, s, block), stream);
    size_t pixels = shape_pixels(s), padded = (size_t)channels_padded(channels, block);
    for (size_t c = 0; c < padded * (size_t)parts; c++)
        for (size_t i = 0; c % padded >= (size_t)channels && i < pixels; i++) {
            size_t at = activation_at(c, i, pixels, block);
            p.f[at] = 0;
            p.d[at] = 0;
        }
    return p;
}

static inline struct pair weights_random(const struct tensor_layout *t, uint32_t stream)
{
    struct pair canonical = pair_random(tensor_canonical_count(t), stream), p = pair_empty(tensor_arena_count(t));
    tensor_from_canonical(t, sizeof(float), canonical.f, p.f);
    tensor_from_canonical(t, sizeof(double), canonical.f, p.d);
    pair_free(&canonical);
    return p;
}

static inline void check_close(const char *what, struct pair p, double n)
{
    double most = 0;
    for (size_t i = 0; i < p.count; i++) most = fmax(most, fabs(p.d[i]));
    double bound = 16 * 0x1p-24 * (1 + sqrt(n)) * (1 + most);
    CHECK(most > 0);
    for (size_t i = 0; i < p.count; i++)
        if (!(fabs((double)p.f[i] - p.d[i]) <= bound))
            check_fail(__FILE__, __LINE__, "%s: element %zu of %zu is %.9g, the law says %.9g, bound %.3g", what, i, p.count, (double)p.f[i], p.d[i], bound);
}

static inline struct shape rectangle(int rows, int columns)
{
    return (struct shape){.rank = 2, .dims = {rows, columns, 1}};
}

/* Runs `test` at each level that this machine has, with the block that oneDNN likes here; `both_blocks`: with 8 and 16,
   for our own kernels, which serve either. */
static inline void at_each_level(bool both_blocks, void (*test)(const struct backend *fast, const struct backend *law))
{
    if (!backend_dnnl_available()) check_skip("this machine has no AVX2");
    int ran = 0;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        for (int block = 8; block <= 16; block += 8) {
            setenv("TANDEM_ISA", levels[i], 1);
            const struct kernel_simd *kernels = kernel_pick(block);
            struct backend fast = backend_dnnl();
            if (strcmp(kernels->isa, levels[i]) || (!both_blocks && block != fast.block)) continue;
            fast.block = block;
            struct backend law = backend_ref_double(block);
            fast.thread_start();
            test(&fast, &law);
            ran++;
        }
    CHECK(ran >= 2);
}
#endif
