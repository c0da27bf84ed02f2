/* train_kernel: the float loops of loss_pass.h and those of the optimizers as a table; compiled once for each level (KERNEL_ISA v3, v4), and plainly.
   Nothing here is contracted or reordered, so every level gives the same bits; the vectors only get wider. */
#include "worker/train/train_kernel.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "worker/train/loss_math.h"

enum { BLOCK = 64 }; /* pixels at a time: a dozen arrays of it stay in the first cache */
struct slope_f32 {
    float one, y, p;
};
#define NAME(base) base##_f32
#define REAL float
#define EXP exp_f32
#define LOG log_f32
#define POW powf
#include "worker/train/loss_pass.h"

static void probabilities_f32(int channels, const float *logits, size_t pixels, float *prob)
{
    float lse[BLOCK];
    for (size_t at = 0; at < pixels; at += BLOCK) {
        int n = pixels - at < BLOCK ? (int)(pixels - at) : BLOCK;
        if (channels > 1)
            softmax_block_f32(channels, logits + at, pixels, n, prob + at, lse);
        for (int i = 0; i < n && channels == 1; i++) {
            float z = logits[at + (size_t)i], e = exp_f32(z > 0 ? -z : z), one = 1.0f / (1.0f + e);
            prob[at + (size_t)i] = z > 0 ? one : e * one;
        }
    }
}

static void adam(const struct optimizer_pace *p, size_t count, const float *restrict gradient, float *restrict weights, float *restrict mean, float *restrict square)
{
    const struct optimizer_pace s = *p;
    for (size_t i = 0; i < count; i++) {
        float weight = weights[i] * s.shrink;
        float g = gradient[i] * s.scale + s.decay * weight;
        mean[i] = s.keep[0] * mean[i] + s.take[0] * g;
        square[i] = s.keep[1] * square[i] + s.take[1] * g * g;
        float below = sqrtf(square[i]) / s.root + s.epsilon;
        float step = s.rate * (mean[i] / (below == 0 ? 1.0f : below)); /* below 0: mean is 0 as well */
        weights[i] = weight - step;
    }
}

static void sgd(const struct optimizer_pace *p, size_t count, const float *restrict gradient, float *restrict weights, float *restrict velocity)
{
    const struct optimizer_pace s = *p;
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * s.scale + s.decay * weights[i];
        velocity[i] = s.momentum * velocity[i] + g;
        weights[i] -= s.rate * (s.nesterov ? g + s.momentum * velocity[i] : velocity[i]);
    }
}

#ifndef KERNEL_ISA
#define KERNEL_ISA plain
#endif
#define JOIN(a, b) a##b
#define TABLE(isa) JOIN(train_kernel_, isa)
#define TEXT(isa) #isa
#define NAME_OF(isa) TEXT(isa)
const struct train_kernel TABLE(KERNEL_ISA) = {NAME_OF(KERNEL_ISA), pass_sums_f32, pass_gradient_f32, probabilities_f32, adam, sgd};
