/* strategy: how one training step combines the two losses: which gradients are taken where, and which optimizer uses them. */
#ifndef WORKER_TRAIN_STRATEGY_H
#define WORKER_TRAIN_STRATEGY_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/job/loss_spec.h"

/* Names of the optimizers of a job: one for both losses, or one each. */
enum { OPTIMIZER_BOTH = 0, OPTIMIZER_DICE = 0, OPTIMIZER_CE = 1, OPTIMIZERS_MAX = 2, STEP_ACTIONS_MAX = 2 };

/* One gradient and the optimizer step along it. Its gradient is that of dice_weight*Dice + ce_weight*CE. */
struct step_action {
    bool forward;     /* a fresh forward pass at the weights of this moment comes first */
    double dice_weight, ce_weight;
    int optimizer;
};
/* What one training step does on its batch: all gradients that follow one forward pass are taken before any weight moves. */
struct step_plan {
    int count;
    struct step_action actions[STEP_ACTIONS_MAX];
    bool adapts;               /* the weights of the first action are found at the step (adapt.h), from its losses or gradients */
    bool weighted;             /* loss/total = dice_weight*Dice + ce_weight*CE of the first action is worth showing */
    bool has_alpha;
    double alpha;
};

/* The plan of 0-based optimizer step `step` of the whole job, in `epoch` of `epochs`.
     constant, scheduled   forward, gradient of the mix, step
     simultaneous          forward, both gradients at the same weights, both steps (Dice's first, or as `order` says)
     alternating           forward, gradient of one, its step; fresh forward on the same batch, gradient of the other, its step
     alternating_batches   one forward, gradient and step a batch: dice_steps batches for Dice, then ce_steps for CE (or as `order` says)
     adaptive, gradient    forward, weights from the losses or from both gradients, gradient of the mix, step; alpha in the warm-up
   `plateau`: where the run stands, for an alpha that follows the validation; not looked at otherwise (NULL is fine). */
void strategy_plan(const struct loss_spec *loss, int64_t epoch, int64_t epochs, int64_t step, const struct plateau_state *plateau, struct step_plan *plan);
int strategy_optimizers(const struct loss_spec *loss); /* 1 or 2 */
int strategy_gradients(const struct loss_spec *loss);  /* gradients held at once: 2 where both are compared */
/* The optimizer `k` of that job: `both` unless the loss brings its own two. */
const struct optimizer_spec *strategy_optimizer(const struct loss_spec *loss, const struct optimizer_spec *both, int k);
const char *strategy_optimizer_name(const struct loss_spec *loss, int k); /* "" | "dice" | "ce", for series such as lr/dice */
#endif
