/* loss_kernel: the pixel loops of the two losses in float, one table for each level of x86-64; same bits at every level. */
#ifndef WORKER_TRAIN_LOSS_KERNEL_H
#define WORKER_TRAIN_LOSS_KERNEL_H
#include "worker/train/loss.h"

/* As the functions of loss.h that end in _f32. */
struct loss_kernel {
    const char *isa;
    void (*sums)(const struct loss_options *o, const float *logits, const uint8_t *labels, size_t pixels, float *prob, float *terms, struct loss_sums *sums);
    void (*gradient)(const struct loss_options *o, const float *prob, const uint8_t *labels, size_t pixels, const struct loss_slopes *slopes, const float *terms,
                     double dice_weight, double ce_weight, float *out);
    void (*probabilities)(int channels, const float *logits, size_t pixels, float *prob);
};
/* plain: for what the compiler takes x86-64 (or another processor) to be. v2 brings these loops nothing. */
extern const struct loss_kernel loss_kernel_plain, loss_kernel_v3, loss_kernel_v4;
/* The level that kernel_pick takes for the network, found once. */
const struct loss_kernel *loss_kernel_pick(void);
#endif
