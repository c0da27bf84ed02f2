/* loss_spec: defaults of the loss block, and the weights of its two terms. */
#include "schema/job/loss_spec.h"

#include <string.h>

void optimizer_spec_default(struct optimizer_spec *o)
{
    *o = (struct optimizer_spec){.type = OPTIMIZER_ADAM, .lr = 1e-3, .betas = {0.9, 0.999}, .eps = 1e-8, .momentum = 0.99, .nesterov = true};
}

void loss_spec_default(struct loss_spec *loss)
{
    memset(loss, 0, sizeof *loss);
    loss->strategy = LOSS_CONSTANT;
    alpha_constant(&loss->alpha, 0.5);
    loss->lambda_dice = loss->lambda_ce = 1;
    loss->activation = LOSS_BY_CLASSES;
    loss->ignore_index = -1;
    loss->dice.batch = true; /* as nnU-Net's 2-D: one Dice a class over the whole batch bears empty images */
    loss->dice.smooth_nr = loss->dice.smooth_dr = 1e-5;
    loss->dice.empty = LOSS_EMPTY_SMOOTH;
    loss->optimizers.mode = LOSS_SIMULTANEOUS;
    loss->optimizers.dice_steps = loss->optimizers.ce_steps = 1;
    optimizer_spec_default(&loss->optimizers.dice);
    optimizer_spec_default(&loss->optimizers.ce);
    loss->optimizers.ce.lr = 1e-4; /* the source text's 10 : 1 */
}

void loss_spec_weights(const struct loss_spec *loss, double alpha, double *dice_weight, double *ce_weight)
{
    *dice_weight = loss->by_lambda ? loss->lambda_dice : alpha;
    *ce_weight = loss->by_lambda ? loss->lambda_ce : 1 - alpha;
}
