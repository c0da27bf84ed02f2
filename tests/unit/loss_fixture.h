/* loss_fixture: the batch that loss_golden.json was made from, one evaluation of the losses in double and in float, and central differences. */
#ifndef TESTS_UNIT_LOSS_FIXTURE_H
#define TESTS_UNIT_LOSS_FIXTURE_H
#include <math.h>
#include "tests/check.h"
#include "worker/train/loss.h"
#include "worker/train/train_kernel.h"

enum { N = 2, H = 6, W = 5, PIXELS = H * W, C_MAX = 3, ALL = N * C_MAX * PIXELS };

struct batch {
    int channels;
    uint8_t labels[N * PIXELS];
    double z64[ALL], p64[ALL], g64[ALL], t64[N * PIXELS];
    float z32[ALL], p32[ALL], g32[ALL], t32[N * PIXELS];
};

/* The inputs that loss_golden.json was made from. */
static inline void golden_batch(struct batch *b, int channels)
{
    int classes = channels == 1 ? 2 : channels;
    b->channels = channels;
    for (int i = 0; i < N * channels * PIXELS; i++) {
        b->z64[i] = 2 * sin(0.7 * i + 0.3) + 0.5 * cos(1.9 * i);
        b->z32[i] = (float)b->z64[i];
    }
    for (int i = 0; i < N * PIXELS; i++)
        b->labels[i] = (uint8_t)((i * i / 3 + i / 5) % classes);
}

static inline struct loss_options monai(int channels)
{
    return (struct loss_options){.channels = channels, .ignore_index = -1, .include_background = true,
                                 .dice = {.smooth_nr = 1e-5, .smooth_dr = 1e-5, .empty = LOSS_EMPTY_SMOOTH}};
}

static inline double evaluate_f64(struct batch *b, const struct loss_options *o, double dice_weight, double ce_weight, struct loss_value *value)
{
    size_t stride = (size_t)b->channels * PIXELS;
    struct loss_sums sums[N];
    struct loss_slopes slopes[N];
    for (size_t i = 0; i < N; i++)
        loss_sums_f64(o, b->z64 + i * stride, b->labels + i * PIXELS, PIXELS, b->p64 + i * stride, b->t64 + i * PIXELS, &sums[i]);
    if (o->ce.top_percent > 0)
        loss_keep_hardest_f64(o, b->t64, b->labels, N, PIXELS, sums);
    loss_combine(o, sums, N, value, slopes);
    for (size_t i = 0; i < N; i++)
        loss_gradient_f64(o, b->p64 + i * stride, b->labels + i * PIXELS, PIXELS, &slopes[i], b->t64 + i * PIXELS, dice_weight, ce_weight, b->g64 + i * stride);
    return dice_weight * value->dice + ce_weight * value->ce;
}

static inline double evaluate_f32(struct batch *b, const struct loss_options *o, double dice_weight, double ce_weight, struct loss_value *value)
{
    size_t stride = (size_t)b->channels * PIXELS;
    struct loss_sums sums[N];
    struct loss_slopes slopes[N];
    for (size_t i = 0; i < N; i++)
        loss_sums_f32(o, b->z32 + i * stride, b->labels + i * PIXELS, PIXELS, b->p32 + i * stride, b->t32 + i * PIXELS, &sums[i]);
    if (o->ce.top_percent > 0)
        loss_keep_hardest_f32(o, b->t32, b->labels, N, PIXELS, sums);
    loss_combine(o, sums, N, value, slopes);
    for (size_t i = 0; i < N; i++) /* in place, as the trainer does it */
        loss_gradient_f32(o, b->p32 + i * stride, b->labels + i * PIXELS, PIXELS, &slopes[i], b->t32 + i * PIXELS, dice_weight, ce_weight, b->p32 + i * stride);
    memcpy(b->g32, b->p32, sizeof b->g32);
    return dice_weight * value->dice + ce_weight * value->ce;
}

/* Central differences of the double loss against the gradient, by every step-th logit from the first. */
static inline void check_differences(const struct loss_options *o, struct batch *b, int first, int step, const char *what)
{
    struct loss_value value;
    double want[ALL];
    const double wd = 0.7, wc = 0.4, h = 1e-5;
    evaluate_f64(b, o, wd, wc, &value);
    memcpy(want, b->g64, sizeof want);
    for (int i = first; i < N * b->channels * PIXELS; i += step) {
        double z = b->z64[i];
        b->z64[i] = z + h;
        double up = evaluate_f64(b, o, wd, wc, &value);
        b->z64[i] = z - h;
        double down = evaluate_f64(b, o, wd, wc, &value);
        b->z64[i] = z;
        double slope = (up - down) / (2 * h);
        if (!(fabs(slope - want[i]) < 1e-9))
            check_fail(__FILE__, __LINE__, "%s: logit %d: difference %.12g, gradient %.12g", what, i, slope, want[i]);
    }
}
#endif
