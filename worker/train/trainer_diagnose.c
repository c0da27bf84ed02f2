/* trainer_diagnose: how a step of any strategy is looked at: the three numbers of the two unweighted gradients at each place, taken
 * beside the training so that its own gradient keeps its bits.
 *
 *   logits      both logit gradients of each sample, before anything else uses the probabilities
 *   last_layer  the head's share of the full gradients; without level full, made alone (no pass through the network)
 *   full        a step of one mix takes a second gradient in the same backward pass, that of the loss with the smaller weight; the other
 *               follows from both (gram_of_mix). Steps that hold both gradients anyway are only read. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include "worker/train/trainer_parts.h"

static const struct step_action dice_alone = {.dice_weight = 1}, ce_alone = {.ce_weight = 1};

enum err trainer_diagnosis_new(struct trainer *t, struct err_note *note)
{
    if (t->spec->loss.diagnostics.every == 0)
        return OK;
    struct diagnosis *d = t->diagnosis = calloc(1, sizeof *d);
    if (!d)
        return err_set(note, ERR_NO_MEMORY, "/loss/diagnostics", "no memory for %d looks at the gradients", DIAGNOSE_LOOKS_MAX);
    diagnose_start(&d->book, &t->spec->loss, (int)t->c.set->num_classes, t->compare);
    for (int p = 0; p < d->book.places; p++)
        for (int s = 0; s < DIAGNOSE_SERIES; s++)
            diagnose_name(&d->book, p, (enum diagnose_series)s, d->names[p][s]);
    return OK;
}

static bool in_full(const struct trainer *t)
{
    return t->diagnosis && t->diagnosis->due && t->spec->loss.diagnostics.at[GRAM_FULL];
}

static void put(struct diagnosis *d, int place, const struct gram *g)
{
    d->look.at[place] = d->book.measured[place];
    d->look.gram[place] = *g;
}

void trainer_diagnosis_begin(struct trainer *t)
{
    struct diagnosis *d = t->diagnosis;
    if (!d || !diagnose_due(&t->spec->loss.diagnostics, t->step))
        return;
    d->due = true;
    d->look = (struct diagnose_look){.alpha_effective = NAN};
    d->length[0] = d->length[1] = 0;
    if (d->book.measured[GRAM_LOGITS]) {
        struct gram g = trainer_logit_gram(t);
        put(d, GRAM_LOGITS, &g);
    }
    if (d->book.measured[GRAM_LAST_LAYER] && !d->book.measured[GRAM_FULL]) {
        struct gram g = trainer_head_gram(t);
        put(d, GRAM_LAST_LAYER, &g);
    }
}

void trainer_diagnosis_layers(struct trainer *t, const struct gram *of_layer, const struct balance *weights)
{
    struct diagnosis *d = t->diagnosis;
    const struct compare *c = t->compare;
    struct gram blocks[COMPARE_BLOCKS_MAX] = {{0}};
    if (!in_full(t))
        return;
    for (int l = 0; l < c->layers; l++) {
        const struct gram pair[2] = {blocks[c->block_of[l]], of_layer[l]};
        blocks[c->block_of[l]] = gram_sum(pair, 2);
        d->length[0] += weights ? weights[l].dice * weights[l].dice * of_layer[l].dice : 0;
        d->length[1] += weights ? weights[l].ce * weights[l].ce * of_layer[l].ce : 0;
    }
    d->length[0] = sqrt(d->length[0]);
    d->length[1] = sqrt(d->length[1]);
    struct gram all = gram_sum(of_layer, c->layers);
    put(d, GRAM_FULL, &all);
    put(d, GRAM_LAST_LAYER, &of_layer[c->layers - 1]);
    for (int b = 0; b < c->blocks; b++)
        put(d, GRAM_LEVELS + b, &blocks[b]);
}

void trainer_diagnosis_pair(struct trainer *t, const struct step_action actions[2])
{
    struct gram of_layer[COMPARE_LAYERS_MAX];
    int dice = actions[0].dice_weight > 0 ? 0 : 1;
    if (!in_full(t))
        return;
    profile_phase(network_profile(t->net), PROFILE_LOSS);
    compare_gradients(t->compare, t->lanes, network_gradient(t->net, dice), network_gradient(t->net, 1 - dice), 0, of_layer);
    trainer_diagnosis_layers(t, of_layer, NULL);
}

void trainer_backward_mix(struct trainer *t, const struct step_action *mix)
{
    if (!in_full(t)) {
        t->action = *mix;
        t->gradient_k = 0;
        trainer_logit_gradients(t);
        network_backward(t->net, t->batch, 0);
        return;
    }
    struct gram of_layer[COMPARE_LAYERS_MAX];
    bool pure_is_dice = mix->dice_weight < mix->ce_weight;
    double w_pure = pure_is_dice ? mix->dice_weight : mix->ce_weight, w_other = pure_is_dice ? mix->ce_weight : mix->dice_weight;
    trainer_two_gradients(t, mix, pure_is_dice ? &dice_alone : &ce_alone);
    profile_phase(network_profile(t->net), PROFILE_LOSS);
    compare_gradients(t->compare, t->lanes, network_gradient(t->net, 0), network_gradient(t->net, 1), 0, of_layer);
    for (int l = 0; l < t->compare->layers; l++)
        of_layer[l] = gram_of_mix(&of_layer[l], w_pure, w_other, pure_is_dice);
    trainer_diagnosis_layers(t, of_layer, NULL);
}

/* ---- Dice's share of the update ---------------------------------------------------------------------------- */
/* How long the steps of one of two optimizers are, up to a factor that both have: Adam divides the length of the gradient out. */
static double stride(const struct trainer *t, int k, double norm)
{
    const struct loss_spec *loss = &t->spec->loss;
    double turns = loss->optimizers.mode != LOSS_ALTERNATING_BATCHES ? 1 : k == OPTIMIZER_DICE ? loss->optimizers.dice_steps : loss->optimizers.ce_steps;
    return turns * trainer_rate(t, k) * (t->optimizer[k].spec.type == OPTIMIZER_SGD ? norm : 1);
}

static double alpha_effective(const struct trainer *t, const struct step_plan *plan)
{
    const struct diagnosis *d = t->diagnosis;
    double dice = d->length[0], ce = d->length[1];
    int level = GRAM_FULL;
    while (!d->look.at[level])
        level--;
    double norm_dice = sqrt(d->look.gram[level].dice), norm_ce = sqrt(d->look.gram[level].ce);
    if (t->optimizers > 1) {
        bool alike = t->optimizer[0].spec.type == OPTIMIZER_SGD ? t->optimizer[1].spec.type == OPTIMIZER_SGD : t->optimizer[1].spec.type != OPTIMIZER_SGD;
        dice = alike ? stride(t, OPTIMIZER_DICE, norm_dice) : (double)NAN; /* a step of Adam and one of SGD have no common measure */
        ce = stride(t, OPTIMIZER_CE, norm_ce);
    } else if (plan->weighted) {
        dice = plan->actions[0].dice_weight * norm_dice;
        ce = plan->actions[0].ce_weight * norm_ce;
    }
    return dice + ce > 0 ? dice / (dice + ce) : (double)NAN;
}

void trainer_diagnosis_end(struct trainer *t, const struct step_plan *plan)
{
    struct diagnosis *d = t->diagnosis;
    char alarm[VERDICT_ALARM_MAX];
    if (!d || !d->due)
        return;
    d->due = false;
    d->look.alpha_effective = alpha_effective(t, plan);
    if (diagnose_add(&d->book, t->step, &d->look)) {
        gradient_verdict_alarm(&d->book, alarm);
        trainer_log(t, "error", "%s", alarm);
    }
    assert(d->held < STEPS_HELD_MAX);
    d->held_looks[d->held].step = t->step;
    d->held_looks[d->held++].look = d->look;
}

/* ---- telling ------------------------------------------------------------------------------------------------ */
static size_t add_series(struct diagnosis *d, size_t n, int place, enum diagnose_series series)
{
    for (int i = 0; i < d->held; i++) {
        const struct diagnose_look *look = &d->held_looks[i].look;
        double value = look->at[place] ? diagnose_value(&look->gram[place], series) : (double)NAN;
        if (!isnan(value))
            d->points[n++] = (struct trainer_point){.name = d->names[place][series], .step = d->held_looks[i].step, .value = value};
    }
    return n;
}

void trainer_tell_looks(struct trainer *t)
{
    struct diagnosis *d = t->diagnosis;
    size_t n = 0;
    if (!d || !d->held)
        return;
    for (int p = 0; p < d->book.places; p++)
        for (int s = 0; s < DIAGNOSE_SERIES; s++)
            n = add_series(d, n, p, (enum diagnose_series)s);
    for (int i = 0; i < d->held; i++)
        if (!isnan(d->held_looks[i].look.alpha_effective))
            d->points[n++] = (struct trainer_point){.name = "grad/alpha_effective", .step = d->held_looks[i].step, .value = d->held_looks[i].look.alpha_effective};
    if (n && t->c.calls.points)
        t->c.calls.points(t->c.calls.context, d->points, n);
    d->held = 0;
}

/* ---- the end ------------------------------------------------------------------------------------------------ */
bool trainer_verdict(const struct trainer *t, struct gradient_verdict *v)
{
    struct verdict_scores scores = {.first = t->history + VAL_DICE, .rows = (size_t)t->history_rows, .stride = (size_t)t->columns};
    return t->diagnosis && gradient_verdict_of(&t->diagnosis->book, &scores, v);
}
