/* trainer_adapt: the step of an adaptive or gradient strategy: its Gram at the logits, at the last layer or over all weights, the
 * weights that follow, and the step along the mix.
 *
 *   logits      both logit gradients of each sample, compared where they are made; then one backward pass of the mix
 *   last_layer  the head's weight gradient of each, without a pass through the network; then one backward pass of the mix
 *   full        both backward passes; the mix of the two gradients is the update, as it is layer by layer in scope layer */
#include <assert.h>
#include <math.h>
#include "worker/train/trainer_parts.h"

static const struct step_action dice_alone = {.dice_weight = 1}, ce_alone = {.ce_weight = 1};

static void compare_sample(void *context, int task, int lane)
{
    struct trainer *t = context;
    size_t count = (size_t)network_config(t->net)->out_channels * t->pixels;
    float *dice = network_logit_gradient(t->net, 0, task), *ce = t->ce_logits + (size_t)lane * count;
    trainer_sample_gradient(t, &dice_alone, task, dice);
    trainer_sample_gradient(t, &ce_alone, task, ce);
    t->sample_grams[task] = gram_of(dice, ce, count);
}

struct gram trainer_logit_gram(struct trainer *t)
{
    assert(t->prob_k == 1);
    profile_phase(network_profile(t->net), PROFILE_LOSS);
    lanes_run(t->lanes, t->batch, compare_sample, t);
    return gram_sum(t->sample_grams, t->batch);
}

/* The head's share of both gradients: Dice's in network_gradient(1), CE's in network_gradient(0). Both are made from logit
   gradient 0, since 1 holds the probabilities. */
struct gram trainer_head_gram(struct trainer *t)
{
    const struct step_action *actions[2] = {&dice_alone, &ce_alone};
    struct gram of_layer[COMPARE_LAYERS_MAX];
    int head = t->compare->layers - 1;
    assert(t->prob_k == 1);
    t->gradient_k = 0;
    for (int k = 0; k < 2; k++) {
        t->action = *actions[k];
        trainer_logit_gradients(t);
        network_backward_head(t->net, t->batch, 0);
        if (k == 0)
            compare_copy(t->compare, network_gradient(t->net, 1), network_gradient(t->net, 0), head);
    }
    compare_gradients(t->compare, t->lanes, network_gradient(t->net, 1), network_gradient(t->net, 0), head, of_layer);
    return of_layer[head];
}

/* The full gradients of two mixes of one forward pass, in network_gradient(0) and (1). */
void trainer_two_gradients(struct trainer *t, const struct step_action *first, const struct step_action *second)
{
    const struct step_action *actions[2] = {first, second};
    assert(t->prob_k == 1);
    for (int k = 0; k < 2; k++) {
        t->action = *actions[k];
        t->gradient_k = k;
        trainer_logit_gradients(t);
    }
    network_backward_both(t->net, t->batch);
}

static enum err check_gram(struct trainer *t, const struct gram *g, struct err_note *note)
{
    if (isfinite(g->dice) && isfinite(g->ce))
        return OK;
    return trainer_diverged(t, isfinite(g->dice) ? "the gradient of CE" : "the gradient of Dice", "not finite", note);
}

static void note_weights(struct trainer *t, const double w[2], struct step_plan *plan, struct step_report *report)
{
    plan->actions[0].dice_weight = w[0];
    plan->actions[0].ce_weight = w[1];
    if (!plan->weighted)
        return;
    report->value[STEP_WEIGHT_DICE] = w[0];
    report->value[STEP_WEIGHT_CE] = w[1];
    t->sums.weight[0] += w[0];
    t->sums.weight[1] += w[1];
    t->sums.weighed++;
}

/* The weights of one step: from its Gram, if it takes one here, and its losses. */
static enum err weigh(struct trainer *t, const struct gram *g, struct step_plan *plan, struct step_report *report, struct err_note *note)
{
    const double losses[2] = {t->value.dice, t->value.ce};
    double w[2];
    if (g) {
        enum err e = check_gram(t, g, note);
        if (e)
            return e;
        t->sums.degenerate += adapt_gram(&t->adapt, &t->spec->loss, 0, g, losses);
    }
    adapt_weights(&t->adapt, &t->spec->loss, (uint64_t)t->spec->seed, t->step, losses, w);
    note_weights(t, w, plan, report);
    return OK;
}

/* Scope layer: each layer's weights by its own Gram. A step is degenerate when one of its layers is. */
static enum err weigh_layers(struct trainer *t, const struct gram *of_layer, bool wants, struct step_plan *plan, struct step_report *report, struct err_note *note)
{
    const double losses[2] = {t->value.dice, t->value.ce};
    bool degenerate = false;
    double w[2];
    for (int l = 0; wants && l < t->compare->layers; l++) {
        enum err e = check_gram(t, &of_layer[l], note);
        if (e)
            return e;
        degenerate |= adapt_gram(&t->adapt, &t->spec->loss, l, &of_layer[l], losses);
    }
    t->sums.degenerate += degenerate;
    adapt_weights(&t->adapt, &t->spec->loss, (uint64_t)t->spec->seed, t->step, losses, w);
    note_weights(t, w, plan, report);
    return OK;
}

static void update(struct trainer *t, int k)
{
    profile_phase(network_profile(t->net), PROFILE_OPTIMIZER);
    optimizer_step(&t->optimizer[0], t->lanes, trainer_rate(t, 0), network_weights(t->net), network_gradient(t->net, k));
}

/* Level full: the update is the mix of two gradients. */
static enum err step_along_both(struct trainer *t, bool wants, struct step_plan *plan, struct step_report *report, struct err_note *note)
{
    struct gram of_layer[COMPARE_LAYERS_MAX], all;
    struct balance weights[COMPARE_LAYERS_MAX];
    bool layers = t->spec->loss.gram.scope == GRAM_LAYER;
    trainer_two_gradients(t, &dice_alone, &ce_alone);
    compare_gradients(t->compare, t->lanes, network_gradient(t->net, 0), network_gradient(t->net, 1), 0, of_layer);
    all = gram_sum(of_layer, t->compare->layers);
    enum err e = layers ? weigh_layers(t, of_layer, wants, plan, report, note) : weigh(t, wants ? &all : NULL, plan, report, note);
    if (e)
        return e;
    for (int l = 0; l < t->compare->layers; l++) {
        const struct adapt_group *own = &t->adapt.group[l];
        weights[l] = layers ? (struct balance){.dice = own->weight[0], .ce = own->weight[1]}
                            : (struct balance){.dice = plan->actions[0].dice_weight, .ce = plan->actions[0].ce_weight};
    }
    trainer_diagnosis_layers(t, of_layer, weights);
    compare_mix(t->compare, t->lanes, network_gradient(t->net, 0), network_gradient(t->net, 1), weights);
    update(t, 0);
    return OK;
}

static enum err step_along_mix(struct trainer *t, bool wants, struct step_plan *plan, struct step_report *report, struct err_note *note)
{
    struct gram g;
    if (wants)
        g = t->spec->loss.gram.level == GRAM_LOGITS ? trainer_logit_gram(t) : trainer_head_gram(t);
    enum err e = weigh(t, wants ? &g : NULL, plan, report, note);
    if (e)
        return e;
    trainer_backward_mix(t, &plan->actions[0]);
    update(t, 0);
    return OK;
}

/* famo: what the step did to the losses of its own batch. */
static enum err look_again(struct trainer *t, struct err_note *note)
{
    struct loss_value seen = t->value;
    enum err e = trainer_look_again(t, note);
    if (e)
        return e;
    adapt_look_again(&t->adapt, &t->spec->loss, (const double[]){t->value.dice, t->value.ce});
    t->value = seen;
    return OK;
}

enum err trainer_adapt_step(struct trainer *t, struct step_plan *plan, struct step_report *report, struct err_note *note)
{
    const struct loss_spec *loss = &t->spec->loss;
    bool wants = adapt_wants_gram(&t->adapt, loss, t->step);
    bool both = method_takes_gram(loss->method) && loss->gram.level == GRAM_FULL && (wants || loss->gram.scope == GRAM_LAYER);
    enum err e = both ? step_along_both(t, wants, plan, report, note) : step_along_mix(t, wants, plan, report, note);
    if (!e && adapt_looks_again(loss))
        e = look_again(t, note);
    return e;
}
