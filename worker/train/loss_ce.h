/* loss_ce: cross-entropy of one pixel from its logits, binary or over classes; the mean is over valid pixels. */
#ifndef WORKER_TRAIN_LOSS_CE_H
#define WORKER_TRAIN_LOSS_CE_H

/* Mean over `valid` pixels of a summed cross-entropy; 0 when there is none (never 0/0). */
double ce_mean(double sum, double valid);
/* What multiplies (p - y) at a valid pixel in the gradient of that mean; 0 when there is none. */
double ce_slope(double valid);
#endif
