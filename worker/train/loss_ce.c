/* loss_ce: cross-entropy of one pixel from its logits, binary or over classes; the mean is over valid pixels.
 *
 *     one channel   ce = max(z, 0) - z y + log(1 + exp(-|z|))      dz = (p - y) / valid,  p = 1 / (1 + exp(-z))
 *     C channels    ce = log(sum_c exp z_c) - z_y                  dz_c = (p_c - [c = y]) / valid
 * The pixel loops are in loss_pass.h, beside those of Dice: both need the same probabilities. */
#include "worker/train/loss_ce.h"

double ce_mean(double sum, double valid)
{
    return valid > 0 ? sum / valid : 0;
}

double ce_slope(double valid)
{
    return valid > 0 ? 1 / valid : 0;
}
