/* score: Dice and IoU of class maps, class by class: pooled over a data set, and as the mean over its images. */
#include "worker/train/score.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
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

/* A mean that leaves NaN out; NaN of nothing. */
struct mean {
    double sum;
    uint64_t count;
};

static void mean_add(struct mean *m, double value)
{
    if (isnan(value))
        return;
    m->sum += value;
    m->count++;
}

static double mean_of(const struct mean *m)
{
    return m->count ? m->sum / (double)m->count : NAN;
}

static void score_class(const struct confusion *images, size_t count, const struct confusion *pool, int k, struct score *score)
{
    struct mean dice = {0}, iou = {0};
    for (size_t i = 0; i < count; i++) {
        double d = score_dice(&images[i].of[k]);
        score->images_empty[k] += isnan(d) ? 1u : 0u;
        mean_add(&dice, d);
        mean_add(&iou, score_iou(&images[i].of[k]));
    }
    score->dice[k] = score_dice(&pool->of[k]);
    score->iou[k] = score_iou(&pool->of[k]);
    score->dice_image[k] = mean_of(&dice);
    score->iou_image[k] = mean_of(&iou);
}

/* The mean over the foreground classes of one confusion. */
static void foreground(const struct confusion *c, int ignore_index, double *dice_mean, double *iou_mean)
{
    struct mean dice = {0}, iou = {0};
    for (int k = 1; k < c->classes; k++) {
        if (k == ignore_index)
            continue;
        mean_add(&dice, score_dice(&c->of[k]));
        mean_add(&iou, score_iou(&c->of[k]));
    }
    *dice_mean = mean_of(&dice);
    *iou_mean = mean_of(&iou);
}

void score_of(const struct confusion *images, size_t count, int ignore_index, struct score *score)
{
    memset(score, 0, sizeof *score);
    struct confusion pool;
    confusion_start(&pool, count ? images[0].classes : 1);
    struct mean dice = {0}, iou = {0};
    for (size_t i = 0; i < count; i++) {
        double d, u;
        confusion_merge(&pool, &images[i]);
        foreground(&images[i], ignore_index, &d, &u);
        score->images_without_foreground += isnan(d) ? 1u : 0u;
        mean_add(&dice, d);
        mean_add(&iou, u);
    }
    score->classes = pool.classes;
    score->images = count;
    for (int k = 0; k < pool.classes; k++)
        score_class(images, count, &pool, k, score);
    foreground(&pool, ignore_index, &score->dice_mean, &score->iou_mean);
    score->dice_image_mean = mean_of(&dice);
    score->iou_image_mean = mean_of(&iou);
}
