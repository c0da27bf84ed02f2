/* adapt: the moving part of adaptive and gradient strategies: what they remember from step to step, and the weights that follow. */
#ifndef WORKER_TRAIN_ADAPT_H
#define WORKER_TRAIN_ADAPT_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/job/loss_spec.h"
#include "worker/train/balance.h"

enum { ADAPT_GROUPS_MAX = 160 /* layers of the largest network */, LOSS_DICE_TERM = 0, LOSS_CE_TERM = 1 };

/* Doubles only: a checkpoint holds it as it is. Pairs are Dice, CE. */
struct adapt {
    double steps;                          /* since the warm-up */
    double state[2], moment[2], square[2], updates; /* uncertainty: log-variances; famo: logits; with the Adam that moves them */
    double weight[2];                      /* gradnorm */
    double first[2];                       /* gradnorm: losses of the first step */
    double mean[2];                        /* loss_scale */
    double before[2];                      /* famo: losses of the step that is being taken */
    double epoch_sum[2], epoch_steps, epochs, epoch_mean[2][2]; /* dwa: the epoch under way; [0] the last one, [1] the one before */
    struct adapt_group {                   /* of the whole model: [0] alone; else one a layer */
        double gram[3], seen, target, weight[2];
    } group[ADAPT_GROUPS_MAX];
};
_Static_assert(sizeof(struct adapt) % sizeof(double) == 0, "doubles only");

void adapt_start(struct adapt *a, const struct loss_spec *loss);
/* Does this step (0-based, of the whole job) measure the Gram? Gradient methods and gradnorm, every gram.every steps. */
bool adapt_wants_gram(const struct adapt *a, const struct loss_spec *loss, int64_t step);
/* A Gram of `group`: its weights from now on. Gradient methods: by balance_of. True when it was degenerate. */
bool adapt_gram(struct adapt *a, const struct loss_spec *loss, int group, const struct gram *g, const double losses[2]);
/* The weights of this step, known its two losses (and its Gram, if it measured one). Once a step: methods that follow the losses
   move their state here. Gradient methods: those of group 0. */
void adapt_weights(struct adapt *a, const struct loss_spec *loss, uint64_t seed, int64_t step, const double losses[2], double weights[2]);
/* famo: the losses of the same batch after the step are wanted. */
bool adapt_looks_again(const struct loss_spec *loss);
void adapt_look_again(struct adapt *a, const struct loss_spec *loss, const double losses[2]);
void adapt_end_epoch(struct adapt *a, const struct loss_spec *loss);
#endif
