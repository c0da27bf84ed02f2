/* train_kernel: the loops of training outside of the network, pixels of the losses and weights of the optimizers, in float: one table for
   each level of x86-64; same bits at every level. */
#ifndef WORKER_TRAIN_TRAIN_KERNEL_H
#define WORKER_TRAIN_TRAIN_KERNEL_H
#include "worker/train/loss.h"

/* One step of an optimizer, with everything that is the same for each weight worked out beforehand. */
struct optimizer_pace {
    float scale;                     /* of the gradient: 1 unless clipped */
    float decay;                     /* weight decay added to the gradient */
    float shrink;                    /* factor of the weights (adamw) */
    float rate;                      /* lr / (1 - b1^t), or lr */
    float root;                      /* sqrt(1 - b2^t) */
    float keep[2], take[2], epsilon; /* betas and 1 - betas */
    float momentum;
    bool nesterov;
};

struct train_kernel {
    const char *isa;
    /* As the functions of loss.h that end in _f32. */
    void (*sums)(const struct loss_options *o, const float *logits, const uint8_t *labels, size_t pixels, float *prob, float *terms, struct loss_sums *sums);
    void (*gradient)(const struct loss_options *o, const float *prob, const uint8_t *labels, size_t pixels, const struct loss_slopes *slopes, const float *terms,
                     double dice_weight, double ce_weight, float *out);
    void (*probabilities)(int channels, const float *logits, size_t pixels, float *prob);
    /* Changes `count` weights and their moments by the rules of optimizer.h. */
    void (*adam)(const struct optimizer_pace *p, size_t count, const float *gradient, float *weights, float *mean, float *square);
    void (*sgd)(const struct optimizer_pace *p, size_t count, const float *gradient, float *weights, float *velocity);
};
/* plain: for what the compiler takes x86-64 (or another processor) to be. v2 brings these loops nothing. */
extern const struct train_kernel train_kernel_plain, train_kernel_v3, train_kernel_v4;
/* The level that kernel_pick takes for the network, found once. */
const struct train_kernel *train_kernel_pick(void);
#endif
