/* trainer_step: one optimizer step: read the batch, run the plan of the strategy, report both losses. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "worker/train/trainer_parts.h"

_Static_assert((int)LABEL_IGNORED == (int)LABEL_IGNORE, "one word for a pixel that counts nowhere");

static void read_sample(void *context, int task, int lane)
{
    (void)lane;
    struct trainer *t = context;
    float *image = t->image_memory + (size_t)task * t->set_channels * t->pixels;
    t->places[task] = sampler_read(&t->sampler, (uint32_t)t->epoch, (uint32_t)t->step_in_epoch, (uint32_t)task, image, t->labels + (size_t)task * t->pixels);
}

static float *terms_of(const struct trainer *t, int task)
{
    return t->terms ? t->terms + (size_t)task * t->pixels : NULL;
}

static void sum_sample(void *context, int task, int lane)
{
    (void)lane;
    struct trainer *t = context;
    loss_sums_f32(&t->loss, network_logits(t->net, task), t->labels + (size_t)task * t->pixels, t->pixels, network_logit_gradient(t->net, t->prob_k, task), terms_of(t, task),
                  &t->loss_sums[task]);
}

void trainer_sample_gradient(const struct trainer *t, const struct step_action *mix, int sample, float *to)
{
    loss_gradient_f32(&t->loss, network_logit_gradient(t->net, t->prob_k, sample), t->labels + (size_t)sample * t->pixels, t->pixels, &t->slopes[sample], terms_of(t, sample),
                      mix->dice_weight, mix->ce_weight, to);
}

static void gradient_of_sample(void *context, int task, int lane)
{
    (void)lane;
    struct trainer *t = context;
    trainer_sample_gradient(t, &t->action, task, network_logit_gradient(t->net, t->gradient_k, task));
}

/* Names the samples of the batch for whoever has to find the bad one. */
enum err trainer_diverged(struct trainer *t, const char *what, const char *how, struct err_note *note)
{
    char *to = t->result.failed_samples;
    size_t size = sizeof t->result.failed_samples, at = 0;
    to[0] = '\0';
    for (int i = 0; i < t->batch && at + 1 < size; i++) {
        const struct sample_place *p = &t->places[i];
        err_print(to + at, size - at, "%s%s at %u,%u", i ? "; " : "", t->c.set->splits[SPLIT_TRAIN].images[p->image].id, p->at.top, p->at.left);
        at += strlen(to + at);
    }
    t->result.failed_epoch = t->epoch;
    t->result.failed_step = t->step;
    return err_set(note, ERR_DIVERGED, what, "%s is %s at epoch %lld, step %lld; batch: %s", what, how, (long long)t->epoch, (long long)t->step, to);
}

static enum err check_losses(struct trainer *t, struct err_note *note)
{
    const struct loss_value *v = &t->value;
    if (isfinite(v->dice) && isfinite(v->ce))
        return OK;
    double bad = isfinite(v->dice) ? v->ce : v->dice;
    return trainer_diverged(t, isfinite(v->dice) ? "loss/ce" : "loss/dice", isnan(bad) ? "NaN" : "infinite", note);
}

/* The last update of an epoch has no next forward pass in which it would show. x - x is 0, or NaN for what is not finite. */
enum err trainer_check_weights(struct trainer *t, struct err_note *note)
{
    const float *w = network_weights_seen(t->net);
    size_t count = network_arena_count(t->net);
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += w[i] - w[i];
    return sum == 0 ? OK : trainer_diverged(t, "a weight", "not finite", note);
}

/* Both losses of the logits; probabilities go where gradient prob_k will be made in place. */
static enum err judge(struct trainer *t, int prob_k, struct err_note *note)
{
    t->prob_k = prob_k;
    profile_phase(network_profile(t->net), PROFILE_LOSS);
    lanes_run(t->lanes, t->batch, sum_sample, t);
    if (t->loss.ce.top_percent > 0)
        loss_keep_hardest_f32(&t->loss, t->terms, t->labels, t->batch, t->pixels, t->loss_sums);
    loss_combine(&t->loss, t->loss_sums, t->batch, &t->value, t->slopes);
    return check_losses(t, note);
}

/* Forward pass and both losses, on the way to `gradients` gradients. */
enum err trainer_look(struct trainer *t, int gradients, struct err_note *note)
{
    network_forward(t->net, t->batch, t->images);
    return judge(t, t->compare ? 1 : gradients - 1, note); /* where both gradients are compared, probabilities outlast the first */
}

/* The losses of the same batch once more, with the weights of now; no gradient follows. */
enum err trainer_look_again(struct trainer *t, struct err_note *note)
{
    network_look(t->net, t->batch, t->images);
    return judge(t, 0, note);
}

double trainer_rate(const struct trainer *t, int k)
{
    return lr_at(&t->spec->lr_schedule, t->optimizer[k].spec.lr, t->epoch, t->spec->training.epochs);
}

void trainer_logit_gradients(struct trainer *t)
{
    profile_phase(network_profile(t->net), PROFILE_LOSS);
    lanes_run(t->lanes, t->batch, gradient_of_sample, t);
}

/* All gradients of one forward pass, then all their steps. */
static void act(struct trainer *t, const struct step_action *actions, int count)
{
    if (count == 2) {
        trainer_two_gradients(t, &actions[0], &actions[1]);
        trainer_diagnosis_pair(t, actions);
    } else
        trainer_backward_mix(t, &actions[0]);
    profile_phase(network_profile(t->net), PROFILE_OPTIMIZER);
    for (int k = 0; k < count; k++) {
        int o = actions[k].optimizer;
        optimizer_step(&t->optimizer[o], t->lanes, trainer_rate(t, o), network_weights(t->net), network_gradient(t->net, k));
    }
}

/* A loss is reported from the forward pass whose gradient uses it, otherwise from the first of the step. */
static void note_losses(const struct trainer *t, const struct step_action *actions, int count, bool first, struct step_report *report)
{
    bool dice = first, ce = first;
    for (int k = 0; k < count; k++) {
        dice |= actions[k].dice_weight > 0;
        ce |= actions[k].ce_weight > 0;
    }
    if (dice)
        report->value[STEP_DICE] = t->value.dice;
    if (ce)
        report->value[STEP_CE] = t->value.ce;
}

static void note_schedule(const struct trainer *t, const struct step_plan *plan, struct step_report *report)
{
    for (int i = 0; i < STEP_SERIES; i++)
        report->value[i] = NAN;
    if (plan->has_alpha)
        report->value[STEP_ALPHA] = plan->alpha;
    report->value[STEP_LR] = trainer_rate(t, 0);
    if (t->optimizers > 1)
        report->value[STEP_LR_OTHER] = trainer_rate(t, 1);
}

static void add_to_epoch(struct trainer *t, const struct step_plan *plan, struct step_report *report)
{
    const struct step_action *a = &plan->actions[0];
    if (plan->weighted)
        report->value[STEP_TOTAL] = a->dice_weight * report->value[STEP_DICE] + a->ce_weight * report->value[STEP_CE];
    t->sums.counted++;
    t->sums.total += plan->weighted ? report->value[STEP_TOTAL] : 0;
    t->sums.dice += report->value[STEP_DICE];
    t->sums.ce += report->value[STEP_CE];
    t->sums.groups_left += t->value.groups_left;
}

enum err trainer_step(struct trainer *t, struct step_report *report, struct err_note *note)
{
    struct step_plan plan;
    strategy_plan(&t->spec->loss, t->epoch, t->spec->training.epochs, t->step, &t->plateau, &plan);
    note_schedule(t, &plan, report);
    t->sums.alpha += plan.alpha;
    profile_phase(network_profile(t->net), PROFILE_READ);
    lanes_run(t->lanes, t->batch, read_sample, t);
    for (int first = 0, last; first < plan.count; first = last) {
        for (last = first + 1; last < plan.count && !plan.actions[last].forward; last++)
            ;
        enum err e = trainer_look(t, last - first, note);
        if (e)
            return e;
        if (t->value.valid == 0) { /* every pixel is ignored: there is nothing to learn, and nothing to divide by */
            t->sums.skipped++;
            t->result.skipped_steps++;
            return OK;
        }
        note_losses(t, plan.actions + first, last - first, first == 0, report);
        if (first == 0)
            trainer_diagnosis_begin(t);
        if (plan.adapts)
            e = trainer_adapt_step(t, &plan, report, note);
        else
            act(t, plan.actions + first, last - first);
        if (e)
            return e;
        trainer_diagnosis_end(t, &plan);
    }
    add_to_epoch(t, &plan, report);
    return OK;
}
