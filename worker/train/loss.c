/* loss: Dice and cross-entropy of a batch of logits in two passes, so that lanes can work sample by sample. */
#include "worker/train/loss.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "worker/train/train_kernel.h"

enum { BLOCK = 64 }; /* pixels at a time: a dozen arrays of it stay in the first cache */
struct slope_f64 {
    double one, y, p;
};

/* The law, in double: what the tests hold the float loops against. */
#define NAME(base) base##_f64
#define REAL double
#define EXP exp
#define LOG log
#define POW pow
#include "worker/train/loss_hard.h"
#include "worker/train/loss_pass.h"
#undef NAME
#undef REAL
#define NAME(base) base##_f32
#define REAL float
#include "worker/train/loss_hard.h"

void loss_sums_f64(const struct loss_options *o, const double *logits, const uint8_t *labels, size_t pixels, double *prob, double *terms, struct loss_sums *sums)
{
    pass_sums_f64(o, logits, labels, pixels, prob, terms, sums);
}

void loss_gradient_f64(const struct loss_options *o, const double *prob, const uint8_t *labels, size_t pixels, const struct loss_slopes *slopes, const double *terms,
                       double dice_weight, double ce_weight, double *out)
{
    pass_gradient_f64(o, prob, labels, pixels, slopes, terms, dice_weight, ce_weight, out);
}

void loss_sums_f32(const struct loss_options *o, const float *logits, const uint8_t *labels, size_t pixels, float *prob, float *terms, struct loss_sums *sums)
{
    train_kernel_pick()->sums(o, logits, labels, pixels, prob, terms, sums);
}

void loss_gradient_f32(const struct loss_options *o, const float *prob, const uint8_t *labels, size_t pixels, const struct loss_slopes *slopes, const float *terms,
                       double dice_weight, double ce_weight, float *out)
{
    train_kernel_pick()->gradient(o, prob, labels, pixels, slopes, terms, dice_weight, ce_weight, out);
}

void loss_probabilities(int channels, const float *logits, size_t pixels, float *prob)
{
    train_kernel_pick()->probabilities(channels, logits, pixels, prob);
}

/* ---- options and sums ----------------------------------------------------------------------------------- */
void loss_options_of(const struct loss_spec *spec, int channels, struct loss_options *options)
{
    *options = (struct loss_options){
        .channels = channels, .ignore_index = spec->ignore_index, .include_background = spec->include_background,
        .dice = {.batch = spec->dice.batch, .squared_pred = spec->dice.squared_pred, .jaccard = spec->dice.jaccard,
                 .smooth_nr = spec->dice.smooth_nr, .smooth_dr = spec->dice.smooth_dr, .empty = spec->dice.empty}};
    ce_options_of(spec, channels, &options->ce);
    options->weigh_groups = spec->dice.class_weight && channels > 1;
    for (int c = 0; c < channels && options->weigh_groups; c++)
        options->group_weight[c] = spec->class_weight.of[c];
}

/* Is class (or, with one channel, the foreground) `c` in the mean of Dice? */
static bool channel_counts(const struct loss_options *o, int c)
{
    int label = o->channels == 1 ? 1 : c;
    return label != o->ignore_index && (label > 0 || o->include_background);
}

/* One group: `from` samples [first, last) of channel c; its slope goes to each of them. */
static void combine_group(const struct loss_options *o, const struct loss_sums *sums, int first, int last, int c, struct loss_value *value, struct loss_slopes *slopes)
{
    struct dice_sums all = {0};
    for (int i = first; i < last; i++)
        dice_sums_add(&all, &sums[i].dice[c]);
    double loss;
    struct dice_slope slope;
    if (!dice_group(&o->dice, &all, &loss, &slope)) {
        value->groups_left++;
        return;
    }
    double weight = o->weigh_groups ? o->group_weight[c] : 1;
    value->groups++;
    value->group_weight += weight;
    value->dice += weight * loss;
    for (int i = first; i < last; i++)
        slopes[i].dice[c] = (struct dice_slope){weight * slope.one, weight * slope.y, weight * slope.p};
}

static void divide_slopes(const struct loss_options *o, int samples, double weight, struct loss_slopes *slopes)
{
    for (int i = 0; i < samples; i++)
        for (int c = 0; c < o->channels; c++) {
            slopes[i].dice[c].one /= weight;
            slopes[i].dice[c].y /= weight;
            slopes[i].dice[c].p /= weight;
        }
}

void loss_combine(const struct loss_options *o, const struct loss_sums *sums, int samples, struct loss_value *value, struct loss_slopes *slopes)
{
    memset(value, 0, sizeof *value);
    memset(slopes, 0, (size_t)samples * sizeof *slopes);
    double ce = 0;
    for (int i = 0; i < samples; i++) {
        value->valid += sums[i].valid;
        value->ce_share += sums[i].ce_share;
        ce += sums[i].ce;
    }
    if (value->valid == 0)
        return;
    value->ce = ce_mean(ce, value->ce_share);
    for (int i = 0; i < samples; i++) {
        slopes[i].ce = ce_slope(value->ce_share);
        slopes[i].hard = sums[i].hard;
    }
    for (int c = 0; c < o->channels; c++) {
        if (!channel_counts(o, c))
            continue;
        if (o->dice.batch)
            combine_group(o, sums, 0, samples, c, value, slopes);
        for (int i = 0; i < samples && !o->dice.batch; i++)
            combine_group(o, sums, i, i + 1, c, value, slopes);
    }
    if (!(value->group_weight > 0)) { /* no group, or none that weighs anything */
        for (int i = 0; i < samples; i++)
            memset(slopes[i].dice, 0, sizeof slopes[i].dice);
        return;
    }
    value->dice /= value->group_weight;
    divide_slopes(o, samples, value->group_weight, slopes);
}
