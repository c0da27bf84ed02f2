/* loss_spec: defaults of the loss block, and the weights of its two terms. */
#include "schema/job/loss_spec.h"

#include <assert.h>
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
    loss->ce.pos_weight = 1;
    loss->ce.top_k = 100;
    loss->ce.include_background = true;
    loss->optimizers.mode = LOSS_SIMULTANEOUS;
    loss->optimizers.dice_steps = loss->optimizers.ce_steps = 1;
    optimizer_spec_default(&loss->optimizers.dice);
    optimizer_spec_default(&loss->optimizers.ce);
    loss->gram.every = 1;
    loss->diagnostics = (struct diagnostics_spec){.every = 100, .dense_steps = 50, .at = {true, true, true}, .blocks = true};
    loss->optimizers.ce.lr = 1e-4; /* the source text's 10 : 1 */
}

void loss_spec_balance(struct loss_spec *loss, const uint64_t *class_pixels, int classes)
{
    struct class_weight_spec *w = &loss->class_weight;
    double sum = 0;
    int present = 0;
    if (w->kind != LOSS_BALANCED) return;
    assert(classes <= LOSS_CLASSES_MAX);
    w->count = classes;
    for (int c = 0; c < classes; c++) {
        bool counts = class_pixels[c] > 0 && c != loss->ignore_index;
        w->of[c] = counts ? 1 / (double)class_pixels[c] : 0;
        sum += w->of[c];
        present += counts;
    }
    for (int c = 0; c < classes && present; c++) w->of[c] *= present / sum;
}

void loss_spec_weights(const struct loss_spec *loss, double alpha, double *dice_weight, double *ce_weight)
{
    *dice_weight = loss->by_lambda ? loss->lambda_dice : alpha;
    *ce_weight = loss->by_lambda ? loss->lambda_ce : 1 - alpha;
}

int loss_spec_gradients(const struct loss_spec *loss)
{
    bool pair = loss->strategy == LOSS_SEPARATE_OPTIMIZERS && loss->optimizers.mode == LOSS_SIMULTANEOUS;
    return pair || method_takes_gram(loss->method) || loss->diagnostics.every > 0 ? 2 : 1;
}
