/* loss: Dice and cross-entropy of a batch of logits in two passes, so that lanes can work sample by sample.
 *
 *   1. loss_sums_*      once per sample, on any lane: probabilities and sums over pixels
 *   2. loss_combine     once per batch, in the order of the samples: both values, and slopes for each sample
 *   3. loss_gradient_*  once per sample, on any lane: d(dice_weight*Dice + ce_weight*CE)/dlogits
 * Nothing here depends on how many lanes there are. */
#ifndef WORKER_TRAIN_LOSS_H
#define WORKER_TRAIN_LOSS_H
#include <stddef.h>
#include <stdint.h>
#include "worker/train/loss_dice.h"

enum { LOSS_CHANNELS_MAX = 64, LABEL_IGNORED = 255 };

struct loss_options {
    int channels;            /* of the logits: 1 = sigmoid, two or more = softmax over classes 0..channels-1 */
    int ignore_index;        /* a class whose pixels and whose Dice group count nowhere; -1 = none */
    bool include_background; /* class 0 in the mean of Dice; no meaning with one channel */
    struct dice_options dice;
};
struct loss_sums { /* one sample */
    double valid, ce;
    struct dice_sums dice[LOSS_CHANNELS_MAX];
};
struct loss_slopes { /* one sample */
    double ce;
    struct dice_slope dice[LOSS_CHANNELS_MAX];
};
struct loss_value { /* one batch */
    double dice, ce;
    double valid;    /* pixels that count; 0: every pixel is ignored, both losses are 0, skip the step */
    int groups;      /* in the mean of Dice; 0 under `skip` with no class present: Dice is 0 */
    int groups_left; /* groups that left the mean */
};

void loss_options_of(const struct loss_spec *spec, int channels, struct loss_options *options);
/* logits and prob: [channels][pixels]; labels: [pixels], class indices, 255 = ignored. prob may be logits (in place). */
void loss_sums_f32(const struct loss_options *o, const float *logits, const uint8_t *labels, size_t pixels, float *prob, struct loss_sums *sums);
void loss_sums_f64(const struct loss_options *o, const double *logits, const uint8_t *labels, size_t pixels, double *prob, struct loss_sums *sums);
/* sums and slopes: [samples]. Adds in index order. */
void loss_combine(const struct loss_options *o, const struct loss_sums *sums, int samples, struct loss_value *value, struct loss_slopes *slopes);
/* prob as loss_sums left it; out: [channels][pixels], may be prob itself. For both gradients call twice, in place the second time. */
void loss_gradient_f32(const struct loss_options *o, const float *prob, const uint8_t *labels, size_t pixels, const struct loss_slopes *slopes,
                       double dice_weight, double ce_weight, float *out);
void loss_gradient_f64(const struct loss_options *o, const double *prob, const uint8_t *labels, size_t pixels, const struct loss_slopes *slopes,
                       double dice_weight, double ce_weight, double *out);
/* Class probabilities alone: one channel sigmoid, more softmax. prob may be logits. */
void loss_probabilities(int channels, const float *logits, size_t pixels, float *prob);
#endif
