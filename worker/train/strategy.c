/* strategy: how one training step combines the two losses: which gradients are taken where, and which optimizer uses them.
 *
 * To add a strategy: 1. its word in loss_spec.h and the spec reader; 2. a row in `strategies` with a function that fills
 * the plan; 3. if it needs more than weights known before the step, a new kind of action here and in trainer.c;
 * 4. its row in test_strategy.c and an example in schema/examples. */
#include "worker/train/strategy.h"
#include <assert.h>
#include <string.h>

struct moment {
    int64_t epoch, epochs, step;
    const struct plateau_state *plateau;
};

static double alpha_of(const struct alpha *a, struct moment now)
{
    return a->plateau.on ? plateau_alpha(&a->plateau, now.plateau) : alpha_at(a, now.epoch, now.epochs, now.step);
}

static void plan_mix(const struct loss_spec *loss, struct moment now, struct step_plan *plan)
{
    plan->count = 1;
    plan->weighted = true;
    plan->has_alpha = !loss->by_lambda;
    plan->alpha = plan->has_alpha ? alpha_of(&loss->alpha, now) : 0;
    plan->actions[0].forward = true;
    plan->actions[0].optimizer = OPTIMIZER_BOTH;
    loss_spec_weights(loss, plan->alpha, &plan->actions[0].dice_weight, &plan->actions[0].ce_weight);
}

static void plan_adapted(const struct loss_spec *loss, struct moment now, struct step_plan *plan)
{
    plan_mix(loss, now, plan);
    if (now.epoch < loss->warmup_epochs)
        return;
    plan->adapts = true;
    plan->has_alpha = false;
    plan->alpha = 0;
    plan->weighted = loss->gram.scope == GRAM_MODEL; /* else each layer has weights of its own */
}

static struct step_action action_of(int optimizer, bool forward)
{
    return (struct step_action){.forward = forward, .optimizer = optimizer, .dice_weight = optimizer == OPTIMIZER_DICE, .ce_weight = optimizer == OPTIMIZER_CE};
}

/* Both losses on the same batch; `fresh`: the second sees the weights that the first has moved. */
static void plan_pair(const struct loss_spec *loss, struct step_plan *plan, bool fresh)
{
    int first = loss->optimizers.order == LOSS_DICE_FIRST ? OPTIMIZER_DICE : OPTIMIZER_CE;
    plan->count = 2;
    plan->actions[0] = action_of(first, true);
    plan->actions[1] = action_of(OPTIMIZER_DICE + OPTIMIZER_CE - first, fresh);
}

static void plan_simultaneous(const struct loss_spec *loss, struct moment now, struct step_plan *plan)
{
    (void)now;
    plan_pair(loss, plan, false);
}

static void plan_alternating(const struct loss_spec *loss, struct moment now, struct step_plan *plan)
{
    (void)now;
    plan_pair(loss, plan, true);
}

static void plan_alternating_batches(const struct loss_spec *loss, struct moment now, struct step_plan *plan)
{
    int dice = loss->optimizers.dice_steps, ce = loss->optimizers.ce_steps;
    int64_t at = now.step % (dice + ce);
    bool is_dice = loss->optimizers.order == LOSS_DICE_FIRST ? at < dice : at >= ce;
    plan->count = 1;
    plan->actions[0] = action_of(is_dice ? OPTIMIZER_DICE : OPTIMIZER_CE, true);
}

struct strategy {
    enum loss_strategy word;
    int mode; /* enum loss_mode, or -1: no modes */
    int optimizers;
    void (*plan)(const struct loss_spec *loss, struct moment now, struct step_plan *plan);
};
static const struct strategy strategies[] = {
    {LOSS_CONSTANT, -1, 1, plan_mix},
    {LOSS_SCHEDULED, -1, 1, plan_mix},
    {LOSS_SEPARATE_OPTIMIZERS, LOSS_SIMULTANEOUS, 2, plan_simultaneous},
    {LOSS_SEPARATE_OPTIMIZERS, LOSS_ALTERNATING, 2, plan_alternating},
    {LOSS_SEPARATE_OPTIMIZERS, LOSS_ALTERNATING_BATCHES, 2, plan_alternating_batches},
    {LOSS_ADAPTIVE, -1, 1, plan_adapted},
    {LOSS_GRADIENT, -1, 1, plan_adapted},
};

static const struct strategy *strategy_of(const struct loss_spec *loss)
{
    for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++)
        if (strategies[i].word == loss->strategy && (strategies[i].mode < 0 || strategies[i].mode == (int)loss->optimizers.mode))
            return &strategies[i];
    assert(0 && "a strategy that the spec reader should have refused");
    return NULL;
}

void strategy_plan(const struct loss_spec *loss, int64_t epoch, int64_t epochs, int64_t step, const struct plateau_state *plateau, struct step_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    strategy_of(loss)->plan(loss, (struct moment){epoch, epochs, step, plateau}, plan);
}

int strategy_optimizers(const struct loss_spec *loss)
{
    return strategy_of(loss)->optimizers;
}

int strategy_gradients(const struct loss_spec *loss)
{
    return loss_spec_gradients(loss);
}

const struct optimizer_spec *strategy_optimizer(const struct loss_spec *loss, const struct optimizer_spec *both, int k)
{
    assert(k >= 0 && k < strategy_optimizers(loss));
    if (strategy_optimizers(loss) == 1)
        return both;
    return k == OPTIMIZER_DICE ? &loss->optimizers.dice : &loss->optimizers.ce;
}

const char *strategy_optimizer_name(const struct loss_spec *loss, int k)
{
    if (strategy_optimizers(loss) == 1)
        return "";
    return k == OPTIMIZER_DICE ? "dice" : "ce";
}
