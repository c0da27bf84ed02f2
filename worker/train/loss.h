/* loss: Dice and cross-entropy of a batch of logits in two passes, so that lanes can work sample by sample.
 *
 *   1. loss_sums_*      once per sample, on any lane: probabilities and sums over pixels
 *      loss_keep_hardest_*  once per batch, only under top_k: sums of the hardest pixels alone
 *   2. loss_combine     once per batch, in the order of the samples: both values, and slopes for each sample
 *   3. loss_gradient_*  once per sample, on any lane: d(dice_weight*Dice + ce_weight*CE)/dlogits
 * Nothing here depends on how many lanes there are. */
#ifndef WORKER_TRAIN_LOSS_H
#define WORKER_TRAIN_LOSS_H
#include <stddef.h>
#include <stdint.h>
#include "worker/train/loss_ce.h"
#include "worker/train/loss_dice.h"

enum { LOSS_CHANNELS_MAX = LOSS_CLASSES_MAX, LABEL_IGNORED = 255 };

struct loss_options {
    int channels;            /* of the logits: 1 = sigmoid, two or more = softmax over classes 0..channels-1 */
    int ignore_index;        /* a class whose pixels and whose Dice group count nowhere; -1 = none */
    bool include_background; /* class 0 in the mean of Dice; no meaning with one channel */
    struct dice_options dice;
    struct ce_options ce;
    bool weigh_groups;       /* Dice: the mean of the groups is sum of w L by sum of w, w of the group's class */
    double group_weight[LOSS_CHANNELS_MAX];
};
struct loss_hard { /* top_k: pixels above the threshold count whole, those at it `tied` each, the rest not */
    double threshold, tied;
};
struct loss_sums { /* one sample */
    double valid, ce;
    double ce_share; /* what ce is to be divided by: pixels, or their weights */
    struct loss_hard hard;
    struct dice_sums dice[LOSS_CHANNELS_MAX];
};
struct loss_slopes { /* one sample */
    double ce;
    struct loss_hard hard;
    struct dice_slope dice[LOSS_CHANNELS_MAX];
};
struct loss_value { /* one batch */
    double dice, ce;
    double valid;    /* pixels that count; 0: every pixel is ignored, both losses are 0, skip the step */
    int groups;      /* in the mean of Dice; 0 under `skip` with no class present: Dice is 0 */
    double ce_share; /* 0 with valid pixels: none of them counts in cross-entropy, which is 0 */
    double group_weight;
    int groups_left; /* groups that left the mean */
};

void loss_options_of(const struct loss_spec *spec, int channels, struct loss_options *options);
/* logits and prob: [channels][pixels]; labels: [pixels], class indices, 255 = ignored. prob may be logits (in place).
   terms: [pixels], each pixel's cross-entropy for the gradient; NULL unless ce_needs_terms. */
void loss_sums_f32(const struct loss_options *o, const float *logits, const uint8_t *labels, size_t pixels, float *prob, float *terms, struct loss_sums *sums);
void loss_sums_f64(const struct loss_options *o, const double *logits, const uint8_t *labels, size_t pixels, double *prob, double *terms, struct loss_sums *sums);
/* top_k (ce.top_percent > 0) only: the sums of the hardest pixels of the batch in place of all. terms, labels: [samples][pixels]. */
void loss_keep_hardest_f32(const struct loss_options *o, const float *terms, const uint8_t *labels, int samples, size_t pixels, struct loss_sums *sums);
void loss_keep_hardest_f64(const struct loss_options *o, const double *terms, const uint8_t *labels, int samples, size_t pixels, struct loss_sums *sums);
/* sums and slopes: [samples]. Adds in index order. */
void loss_combine(const struct loss_options *o, const struct loss_sums *sums, int samples, struct loss_value *value, struct loss_slopes *slopes);
/* prob and terms as loss_sums left them; out: [channels][pixels], may be prob itself. For both gradients call twice, in place the second time. */
void loss_gradient_f32(const struct loss_options *o, const float *prob, const uint8_t *labels, size_t pixels, const struct loss_slopes *slopes, const float *terms,
                       double dice_weight, double ce_weight, float *out);
void loss_gradient_f64(const struct loss_options *o, const double *prob, const uint8_t *labels, size_t pixels, const struct loss_slopes *slopes, const double *terms,
                       double dice_weight, double ce_weight, double *out);
/* Class probabilities alone: one channel sigmoid, more softmax. prob may be logits. */
void loss_probabilities(int channels, const float *logits, size_t pixels, float *prob);
#endif
