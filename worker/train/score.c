/* score: overlap of class maps, class by class: pooled over a data set, and as the mean over its images. */
#include "worker/train/score.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "worker/train/loss.h"

void confusion_start(struct confusion *c, int classes)
{
    assert(classes >= 1 && classes <= SCORE_CLASSES_MAX);
    memset(c, 0, sizeof *c);
    c->classes = classes;
}

void confusion_add(struct confusion *c, const uint8_t *predicted, const uint8_t *truth, size_t pixels, int ignore_index)
{
    for (size_t i = 0; i < pixels; i++) {
        if (truth[i] == LABEL_IGNORED || truth[i] == ignore_index) {
            c->ignored++;
            continue;
        }
        c->of[truth[i]].truth++;
        c->of[predicted[i]].predicted++;
        c->of[truth[i]].both += predicted[i] == truth[i];
    }
}

void confusion_merge(struct confusion *to, const struct confusion *from)
{
    assert(to->classes == from->classes);
    to->ignored += from->ignored;
    for (int k = 0; k < to->classes; k++) {
        to->of[k].both += from->of[k].both;
        to->of[k].predicted += from->of[k].predicted;
        to->of[k].truth += from->of[k].truth;
    }
}

double score_dice(const struct score_counts *c)
{
    uint64_t all = c->predicted + c->truth;
    return all ? 2 * (double)c->both / (double)all : NAN;
}

double score_iou(const struct score_counts *c)
{
    uint64_t any = c->predicted + c->truth - c->both;
    return any ? (double)c->both / (double)any : NAN;
}

double score_precision(const struct score_counts *c)
{
    return c->predicted ? (double)c->both / (double)c->predicted : c->truth ? 0 : NAN;
}

double score_recall(const struct score_counts *c)
{
    return c->truth ? (double)c->both / (double)c->truth : c->predicted ? 0 : NAN;
}

static double (*const overlap_of[SCORE_OVERLAPS])(const struct score_counts *) = {
    [SCORE_DICE] = score_dice, [SCORE_IOU] = score_iou, [SCORE_PRECISION] = score_precision, [SCORE_RECALL] = score_recall};

void score_mean_add(struct score_mean *m, double value)
{
    if (isnan(value))
        return;
    m->sum += value;
    m->count++;
}

double score_mean_of(const struct score_mean *m)
{
    return m->count ? m->sum / (double)m->count : NAN;
}

static void count_empty(const struct score_counts *c, int k, struct score *score)
{
    score->both_empty[k] += !c->truth && !c->predicted;
    score->truth_empty[k] += !c->truth && c->predicted;
    score->predicted_empty[k] += c->truth && !c->predicted;
}

/* The value of one class of one image under the policy for empty ones. */
static double of_image(const struct score_counts *c, int measure, bool empty_is_one)
{
    double value = overlap_of[measure](c);
    return isnan(value) && empty_is_one ? 1 : value;
}

static void score_class(const struct confusion *images, size_t count, const struct confusion *pool, int k, bool empty_is_one, struct score *score)
{
    for (size_t i = 0; i < count; i++)
        count_empty(&images[i].of[k], k, score);
    for (int m = 0; m < SCORE_OVERLAPS; m++) {
        struct score_mean mean = {0};
        for (size_t i = 0; i < count; i++)
            score_mean_add(&mean, of_image(&images[i].of[k], m, empty_is_one));
        score->pooled[m][k] = overlap_of[m](&pool->of[k]);
        score->image[m][k] = score_mean_of(&mean);
    }
}

/* The mean over the foreground classes of one confusion. */
static double foreground(const struct confusion *c, int ignore_index, int measure, bool empty_is_one)
{
    struct score_mean mean = {0};
    for (int k = 1; k < c->classes; k++)
        if (k != ignore_index)
            score_mean_add(&mean, of_image(&c->of[k], measure, empty_is_one));
    return score_mean_of(&mean);
}

static void clear(struct score *score)
{
    memset(score, 0, sizeof *score);
    score->ece_foreground = NAN;
    for (int m = 0; m < SCORE_MEASURES; m++) {
        score->pooled_mean[m] = score->image_mean[m] = NAN;
        for (int k = 0; k < SCORE_CLASSES_MAX; k++)
            score->pooled[m][k] = score->image[m][k] = NAN;
    }
}

void score_of(const struct confusion *images, size_t count, int ignore_index, bool empty_is_one, struct score *score)
{
    struct confusion pool;
    clear(score);
    confusion_start(&pool, count ? images[0].classes : 1);
    for (size_t i = 0; i < count; i++) {
        confusion_merge(&pool, &images[i]);
        score->images_without_foreground += isnan(foreground(&images[i], ignore_index, SCORE_DICE, false)) ? 1u : 0u;
    }
    score->classes = pool.classes;
    score->images = count;
    for (int k = 0; k < pool.classes; k++)
        score_class(images, count, &pool, k, empty_is_one, score);
    for (int m = 0; m < SCORE_OVERLAPS; m++) {
        struct score_mean mean = {0};
        for (size_t i = 0; i < count; i++)
            score_mean_add(&mean, foreground(&images[i], ignore_index, m, empty_is_one));
        score->pooled_mean[m] = foreground(&pool, ignore_index, m, false);
        score->image_mean[m] = score_mean_of(&mean);
    }
}
