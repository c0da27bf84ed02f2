/* score: how well class maps match, class by class: pooled over a data set, and as the mean over its images. */
#ifndef WORKER_TRAIN_SCORE_H
#define WORKER_TRAIN_SCORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCORE_CLASSES_MAX = 256 };

/* Pixels of one class over what is compared. */
struct score_counts {
    uint64_t both;      /* predicted and true */
    uint64_t predicted;
    uint64_t truth;
};
/* One image, or many added up. */
struct confusion {
    int classes;
    uint64_t ignored; /* pixels that count nowhere */
    struct score_counts of[SCORE_CLASSES_MAX];
};
void confusion_start(struct confusion *c, int classes);
/* Pixels whose truth is 255 or `ignore_index` (-1: none) are left out, whatever was predicted there. */
void confusion_add(struct confusion *c, const uint8_t *predicted, const uint8_t *truth, size_t pixels, int ignore_index);
void confusion_merge(struct confusion *to, const struct confusion *from);

/* 2|A&B| / (|A|+|B|), |A&B| / |A|B|, |A&B| / |A|, |A&B| / |B| with A predicted and B true. NaN when the class is in neither
   ("both empty"); 0 when it is in one only, also where that makes the denominator 0 (precision of nothing predicted). */
double score_dice(const struct score_counts *c);
double score_iou(const struct score_counts *c);
double score_precision(const struct score_counts *c);
double score_recall(const struct score_counts *c);

/* A mean that leaves NaN out; NaN of nothing. */
struct score_mean {
    double sum;
    uint64_t count;
};
void score_mean_add(struct score_mean *m, double value);
double score_mean_of(const struct score_mean *m);

/* The overlap scores are made by score_of, the others by score_set. */
enum score_measure { SCORE_DICE, SCORE_IOU, SCORE_PRECISION, SCORE_RECALL, SCORE_NSD, SCORE_HD95, SCORE_ASSD, SCORE_ECE, SCORE_BRIER,
                     SCORE_MEASURES, SCORE_OVERLAPS = SCORE_NSD };
/* What validation reports; NaN: there is none. Means are over the foreground classes 1..C-1, the ignored one left out, and over
   what is not NaN. An image with the class in neither map is left out, or counts as perfect when empty_is_one: loss.md 5.4. */
struct score {
    int classes;
    double pooled[SCORE_MEASURES][SCORE_CLASSES_MAX]; /* counts summed over images first; none of the surface scores */
    double image[SCORE_MEASURES][SCORE_CLASSES_MAX];  /* mean over the images that have the class (true or predicted) */
    double pooled_mean[SCORE_MEASURES];               /* val/dice, val/iou ...: means of the pooled foreground values */
    double image_mean[SCORE_MEASURES];                /* val/dice_image ...: per image the mean over its foreground classes, then over images */
    double ece_foreground;                            /* mean of the pooled one-against-rest ECEs; pooled_mean[SCORE_ECE] is that of the top label */
    uint64_t images, images_without_foreground;       /* in neither truth nor prediction */
    uint64_t both_empty[SCORE_CLASSES_MAX];           /* images with the class in neither ... */
    uint64_t truth_empty[SCORE_CLASSES_MAX];          /* ... predicted where there is none */
    uint64_t predicted_empty[SCORE_CLASSES_MAX];      /* ... true and nowhere predicted */
};
/* images[count] in any order that is always the same: the sums are in that order. Everything but the overlap scores is NaN. */
void score_of(const struct confusion *images, size_t count, int ignore_index, bool empty_is_one, struct score *score);
#endif
