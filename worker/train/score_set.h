/* score_set: surface and calibration scores of a validation: each image by itself, on any lane; then the means, in the order of the images. */
#ifndef WORKER_TRAIN_SCORE_SET_H
#define WORKER_TRAIN_SCORE_SET_H
#include "schema/base/err.h"
#include "worker/train/distance.h"
#include "worker/train/score.h"

/* Classes scored are 1..classes-1 without ignore_index (-1: none). Pixels whose truth is 255 or ignore_index count nowhere: for the
   surface scores they belong to no class, in the truth and in the prediction. Of an image with the class in
     neither map:  nothing; with empty_is_one NSD 1, HD95 0, ASSD 0
     one of them:  NSD 0, HD95 and ASSD the diagonal of the image: sqrt(sum (size * spacing)²), more than any two pixels are apart */
struct score_set_options {
    int classes, ignore_index;
    bool empty_is_one;
    double tolerance; /* of NSD, in the unit of the spacings */
};
struct score_set; /* opaque */
/* ERR_NO_MEMORY. */
enum err score_set_new(const struct score_set_options *options, size_t images, struct score_set **out, struct err_note *note) MUST_USE;
void score_set_free(struct score_set *s); /* NULL is fine */
/* Forgets all images and says what is to be made of the next. */
void score_set_start(struct score_set *s, bool surface, bool calibration);
/* predicted, truth: [grid_count(grid)]; probabilities: [maps][pixels], maps 1 or classes. Threads may add different images at a
   time. No memory is an answer of score_set_finish. */
void score_set_add(struct score_set *s, size_t index, const struct grid *grid, const uint8_t *predicted, const uint8_t *truth, int maps, const float *probabilities);
/* Writes what was made into a score that score_of has filled. ERR_NO_MEMORY. */
enum err score_set_finish(const struct score_set *s, struct score *score, struct err_note *note) MUST_USE;
/* NSD, HD95 or ASSD of class k of one image, NaN where there is none. */
double score_set_surface_of(const struct score_set *s, size_t index, int k, enum score_measure measure);
/* Seconds that the lanes have spent in score_set_add since the start, all together. */
double score_set_seconds(const struct score_set *s);
#endif
