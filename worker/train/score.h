/* score: Dice and IoU of class maps, class by class: pooled over a data set, and as the mean over its images. */
#ifndef WORKER_TRAIN_SCORE_H
#define WORKER_TRAIN_SCORE_H
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

/* 2|A&B| / (|A|+|B|) and |A&B| / |A|B|; NaN when the class is in neither ("both empty": it scores nothing, and is counted). */
double score_dice(const struct score_counts *c);
double score_iou(const struct score_counts *c);

/* What validation reports. Averages are over foreground classes 1..C-1, the ignored one left out, and over what is not NaN. */
struct score {
    int classes;
    double dice[SCORE_CLASSES_MAX], iou[SCORE_CLASSES_MAX];             /* pooled: counts summed over images first */
    double dice_image[SCORE_CLASSES_MAX], iou_image[SCORE_CLASSES_MAX]; /* mean over the images that have the class (true or predicted) */
    uint64_t images_empty[SCORE_CLASSES_MAX]; /* images with the class in neither */
    double dice_mean, iou_mean;               /* val/dice, val/iou: means of the pooled foreground values */
    double dice_image_mean, iou_image_mean;   /* val/dice_image: per image the mean over its foreground classes, then over images */
    uint64_t images, images_without_foreground; /* in neither truth nor prediction: left out of the image means */
};
/* images[count] in any order that is always the same: the sums are in that order. */
void score_of(const struct confusion *images, size_t count, int ignore_index, struct score *score);
#endif
