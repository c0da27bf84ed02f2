/* loss_dice: soft Dice (or Jaccard) from sums over pixels, and its slope at every pixel. */
#ifndef WORKER_TRAIN_LOSS_DICE_H
#define WORKER_TRAIN_LOSS_DICE_H
#include <stdbool.h>
#include "schema/job/loss_spec.h"

/* What a group of pixels adds up to, over its valid pixels only. p: probability, y: 1 where the class is, else 0. */
struct dice_sums {
    double intersection; /* sum of p*y */
    double predicted;    /* sum of p, or of p*p with squared_pred */
    double target;       /* sum of y */
    double mass;         /* sum of p, always */
    double valid;        /* pixels */
};
/* dL/dp at a valid pixel of the group is one + y*y_i + p*p_i. */
struct dice_slope {
    double one, y, p;
};
struct dice_options {
    bool batch, squared_pred, jaccard;
    double smooth_nr, smooth_dr;
    enum loss_empty empty;
};

/* Loss of one group (1 - N/S, see the .c) and its slope. Returns false when the group leaves the mean:
   an empty target under `skip`, no valid pixel under `penalize_fp`, or a denominator of zero. */
bool dice_group(const struct dice_options *o, const struct dice_sums *sums, double *loss, struct dice_slope *slope);
void dice_sums_add(struct dice_sums *to, const struct dice_sums *from);
#endif
