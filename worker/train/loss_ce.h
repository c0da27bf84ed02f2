/* loss_ce: what cross-entropy is made of beyond the plain mean: weights, smoothing, focus, the hardest pixels. */
#ifndef WORKER_TRAIN_LOSS_CE_H
#define WORKER_TRAIN_LOSS_CE_H
#include <stdbool.h>
#include "schema/job/loss_spec.h"

/* All zero: the plain mean over valid pixels. */
struct ce_options {
    bool weighted;                   /* weight and share are set; otherwise both are 1 */
    double weight[LOSS_CLASSES_MAX]; /* of the logarithm of a class's probability */
    double share[LOSS_CLASSES_MAX];  /* what a pixel of the class adds to the denominator; 0: its pixels leave cross-entropy */
    double label_smoothing;
    double focal_gamma;              /* 0: off */
    double top_percent;              /* 0: all pixels */
};

void ce_options_of(const struct loss_spec *spec, int channels, struct ce_options *options);
bool ce_is_plain(const struct ce_options *o);
/* Does the gradient need each pixel's cross-entropy, not only its probabilities? */
bool ce_needs_terms(const struct ce_options *o);
/* Mean of a summed cross-entropy over a summed share; 0 when there is none (never 0/0). */
double ce_mean(double sum, double share);
/* What multiplies a pixel's own slope in the gradient of that mean; 0 when there is none. */
double ce_slope(double share);
#endif
