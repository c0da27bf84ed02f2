/* loss_dice: soft Dice (or Jaccard) from sums over pixels, and its slope at every pixel.
 *
 * A group G is one (sample, class), or one class over the whole batch. Over its valid pixels (m = 1)
 *     I = sum p y      P = sum p (sum p^2 if squared)      Y = sum y
 *     Dice     N = 2 I + nr    S = P + Y + dr          L = 1 - N/S
 *              dL/dp = -2 y / S + N s / S^2            s = 1, or 2 p if squared
 *     Jaccard  N = 2 I + nr    S = 2 (P + Y - I) + dr  L = 1 - N/S          (the form of MONAI)
 *              dL/dp = -2 y / S + 2 N (s - y) / S^2
 * Both slopes are linear in y and p, so a group needs three numbers: dL/dp = one + y*y_i + p*p_i.
 * An empty target (Y = 0) under penalize_fp: L = mean of p, dL/dp = 1 / valid. */
#include "worker/train/loss_dice.h"

static bool smooth_group(const struct dice_options *o, const struct dice_sums *sums, double *loss, struct dice_slope *slope)
{
    double n = 2 * sums->intersection + o->smooth_nr;
    double union_twice = 2 * (sums->predicted + sums->target - sums->intersection);
    double s = (o->jaccard ? union_twice : sums->predicted + sums->target) + o->smooth_dr;
    if (s == 0)
        return false; /* nothing there, nothing predicted, no smoothing: 0/0 says nothing */
    double pull = (o->jaccard ? 2 : 1) * n / (s * s); /* what multiplies s_i */
    *loss = 1 - n / s;
    slope->one = o->squared_pred ? 0 : pull;
    slope->p = o->squared_pred ? 2 * pull : 0;
    slope->y = -2 / s - (o->jaccard ? pull : 0);
    return true;
}

bool dice_group(const struct dice_options *o, const struct dice_sums *sums, double *loss, struct dice_slope *slope)
{
    *loss = 0;
    *slope = (struct dice_slope){0, 0, 0};
    if (sums->target > 0 || o->empty == LOSS_EMPTY_SMOOTH)
        return smooth_group(o, sums, loss, slope);
    if (o->empty == LOSS_EMPTY_SKIP || sums->valid == 0)
        return false;
    *loss = sums->mass / sums->valid;
    slope->one = 1 / sums->valid;
    return true;
}

void dice_sums_add(struct dice_sums *to, const struct dice_sums *from)
{
    to->intersection += from->intersection;
    to->predicted += from->predicted;
    to->target += from->target;
    to->mass += from->mass;
    to->valid += from->valid;
}
