/* loss: Dice and cross-entropy of a batch of logits in two passes, so that lanes can work sample by sample. */
#include "worker/train/loss.h"
#include <assert.h>
#include <string.h>
#include "worker/train/loss_ce.h"
#include "worker/train/loss_math.h"

enum { BLOCK = 64 }; /* pixels at a time: a dozen arrays of it stay in the first cache */
struct slope_f32 {
    float one, y, p;
};
struct slope_f64 {
    double one, y, p;
};

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(base) JOIN(base, SUFFIX)
#define SUFFIX _f32
#define REAL float
#define EXP exp_f32
#define LOG log_f32
#include "worker/train/loss_pass.h"
#undef SUFFIX
#undef REAL
#undef EXP
#undef LOG
#define SUFFIX _f64
#define REAL double
#define EXP exp
#define LOG log
#include "worker/train/loss_pass.h"

void loss_options_of(const struct loss_spec *spec, int channels, struct loss_options *options)
{
    *options = (struct loss_options){
        .channels = channels, .ignore_index = spec->ignore_index, .include_background = spec->include_background,
        .dice = {.batch = spec->dice.batch, .squared_pred = spec->dice.squared_pred, .jaccard = spec->dice.jaccard,
                 .smooth_nr = spec->dice.smooth_nr, .smooth_dr = spec->dice.smooth_dr, .empty = spec->dice.empty}};
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
    value->groups++;
    value->dice += loss;
    for (int i = first; i < last; i++)
        slopes[i].dice[c] = slope;
}

static void divide_slopes(const struct loss_options *o, int samples, int groups, struct loss_slopes *slopes)
{
    for (int i = 0; i < samples; i++)
        for (int c = 0; c < o->channels; c++) {
            slopes[i].dice[c].one /= groups;
            slopes[i].dice[c].y /= groups;
            slopes[i].dice[c].p /= groups;
        }
}

void loss_combine(const struct loss_options *o, const struct loss_sums *sums, int samples, struct loss_value *value, struct loss_slopes *slopes)
{
    memset(value, 0, sizeof *value);
    memset(slopes, 0, (size_t)samples * sizeof *slopes);
    double ce = 0;
    for (int i = 0; i < samples; i++) {
        value->valid += sums[i].valid;
        ce += sums[i].ce;
    }
    if (value->valid == 0)
        return;
    value->ce = ce_mean(ce, value->valid);
    for (int i = 0; i < samples; i++)
        slopes[i].ce = ce_slope(value->valid);
    for (int c = 0; c < o->channels; c++) {
        if (!channel_counts(o, c))
            continue;
        if (o->dice.batch)
            combine_group(o, sums, 0, samples, c, value, slopes);
        for (int i = 0; i < samples && !o->dice.batch; i++)
            combine_group(o, sums, i, i + 1, c, value, slopes);
    }
    if (value->groups == 0)
        return;
    value->dice /= value->groups;
    divide_slopes(o, samples, value->groups, slopes);
}

void loss_probabilities(int channels, const float *logits, size_t pixels, float *prob)
{
    float lse[BLOCK];
    for (size_t at = 0; at < pixels; at += BLOCK) {
        int n = pixels - at < BLOCK ? (int)(pixels - at) : BLOCK;
        if (channels > 1)
            softmax_block_f32(channels, logits + at, pixels, n, prob + at, lse);
        for (int i = 0; i < n && channels == 1; i++) {
            float z = logits[at + (size_t)i], e = exp_f32(z > 0 ? -z : z), one = 1.0f / (1.0f + e);
            prob[at + (size_t)i] = z > 0 ? one : e * one;
        }
    }
}
