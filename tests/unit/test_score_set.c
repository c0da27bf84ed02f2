/* test_score_set: means over images with classes that are missing, ignored pixels, and images added in any order. */
#include <math.h>
#include "tests/check.h"
#include "worker/train/score_set.h"

enum { PIXELS = 12 };
static const struct grid grid = {2, {3, 4}, {1, 1}};
/* image 0: class 1 right, class 2 nowhere; 1: class 1 only true, class 2 only predicted; 2: class 1 one pixel off, class 2 right;
   3: nothing */
static const uint8_t truth[4][PIXELS] = {{1, 1, 0, 0}, {0, 0, 1, 0}, {1, 0, 0, 2}, {0}};
static const uint8_t predicted[4][PIXELS] = {{1, 1, 0, 0}, {0, 2, 0, 0}, {0, 1, 0, 2}, {0}};

static void add(struct score_set *s, size_t i, const uint8_t *truth_of, const uint8_t *predicted_of)
{
    float maps[3 * PIXELS];
    for (int k = 0; k < 3; k++)
        for (int at = 0; at < PIXELS; at++)
            maps[k * PIXELS + at] = predicted_of[at] == k ? 0.8f : 0.1f;
    score_set_add(s, i, &grid, predicted_of, truth_of, 3, maps);
}

static void score_four(struct score_set_options options, const int order[4], struct score *score)
{
    struct score_set *s;
    struct confusion images[4];
    CHECK_INT(score_set_new(&options, 4, &s, NULL), 0);
    score_set_start(s, true, true);
    for (int i = 0; i < 4; i++) {
        confusion_start(&images[i], 3);
        confusion_add(&images[i], predicted[i], truth[i], PIXELS, options.ignore_index);
        add(s, (size_t)order[i], truth[order[i]], predicted[order[i]]);
    }
    score_of(images, 4, options.ignore_index, options.empty_is_one, score);
    CHECK_INT(score_set_finish(s, score, NULL), 0);
    CHECK(score_set_seconds(s) > 0);
    score_set_free(s);
}

void test_score_set_leaves_empty_images_out_and_gives_misses_the_diagonal(void)
{
    struct score s;
    score_four((struct score_set_options){.classes = 3, .ignore_index = -1, .tolerance = 1}, (const int[]){0, 1, 2, 3}, &s);
    CHECK_INT(s.both_empty[1], 1);
    CHECK_INT(s.predicted_empty[1], 1);
    CHECK_INT(s.truth_empty[1], 0);
    CHECK_INT(s.both_empty[2], 2);
    CHECK_INT(s.truth_empty[2], 1);
    CHECK_NEAR(s.image[SCORE_NSD][1], (1 + 0 + 1) / 3.0, 1e-15);
    CHECK_NEAR(s.image[SCORE_HD95][1], (0 + 5 + 1) / 3.0, 1e-15); /* 3 x 4: the diagonal is 5 */
    CHECK_NEAR(s.image[SCORE_ASSD][2], (5 + 0) / 2.0, 1e-15);
    CHECK_NEAR(s.image_mean[SCORE_NSD], (1 + 0 + 1) / 3.0, 1e-15); /* image 3 says nothing */
    CHECK_NEAR(s.image_mean[SCORE_HD95], (0 + 5 + 0.5) / 3, 1e-15);
    CHECK_NEAR(s.pooled[SCORE_PRECISION][1], 2.0 / 3, 1e-15);
    CHECK_NEAR(s.pooled[SCORE_RECALL][1], 2.0 / 4, 1e-15);
    CHECK_NEAR(s.image[SCORE_PRECISION][1], (1 + 0 + 0) / 3.0, 1e-15); /* nothing predicted though it is there: 0 */
    CHECK_NEAR(s.image[SCORE_RECALL][2], (0 + 1) / 2.0, 1e-15);
    CHECK(isnan(s.image[SCORE_NSD][0]) && isnan(s.pooled[SCORE_ECE][0]) && isnan(s.pooled[SCORE_HD95][1]));
}

void test_score_set_may_count_empty_images_as_perfect(void)
{
    struct score s;
    score_four((struct score_set_options){.classes = 3, .ignore_index = -1, .tolerance = 1, .empty_is_one = true}, (const int[]){0, 1, 2, 3}, &s);
    CHECK_NEAR(s.image[SCORE_NSD][1], (1 + 0 + 1 + 1) / 4.0, 1e-15);
    CHECK_NEAR(s.image[SCORE_HD95][1], (0 + 5 + 1 + 0) / 4.0, 1e-15);
    CHECK_NEAR(s.image[SCORE_DICE][2], (1 + 0 + 1 + 1) / 4.0, 1e-15);
    CHECK_NEAR(s.image_mean[SCORE_DICE], (1 + 0 + 0.5 + 1) / 4, 1e-15);
    CHECK_NEAR(s.pooled[SCORE_DICE][2], 2.0 / 3, 1e-15); /* pooled counts know no images */
    CHECK_INT(s.both_empty[2], 2);
    CHECK_INT(s.images_without_foreground, 1);
}

void test_score_set_is_the_same_in_whatever_order_images_come(void)
{
    struct score a, b;
    score_four((struct score_set_options){.classes = 3, .ignore_index = -1, .tolerance = 1}, (const int[]){0, 1, 2, 3}, &a);
    score_four((struct score_set_options){.classes = 3, .ignore_index = -1, .tolerance = 1}, (const int[]){3, 1, 0, 2}, &b);
    CHECK(!memcmp(a.image_mean, b.image_mean, sizeof a.image_mean) && a.pooled[SCORE_ECE][1] == b.pooled[SCORE_ECE][1]);
    CHECK(a.pooled_mean[SCORE_ECE] > 0 && a.image_mean[SCORE_BRIER] > 0 && a.ece_foreground > 0);
    CHECK_NEAR(a.ece_foreground, (a.pooled[SCORE_ECE][1] + a.pooled[SCORE_ECE][2]) / 2, 1e-15);
}

void test_score_set_gives_ignored_pixels_to_no_class(void)
{
    /* class 1 is true in columns 0 and 1, predicted in 0 to 3; columns 2 and 3 are ignored: all that counts is right */
    const uint8_t with_holes[PIXELS] = {1, 1, 255, 255, 1, 1, 255, 255, 0, 0, 255, 255}, guess[PIXELS] = {1, 1, 1, 1, 1, 1, 1, 1};
    const uint8_t by_class[PIXELS] = {1, 1, 2, 2, 1, 1, 2, 2, 0, 0, 2, 2};
    struct score_set *s;
    struct confusion image;
    struct score score;
    for (int way = 0; way < 2; way++) { /* by raw value, and by ignore_index */
        int ignore = way ? 2 : -1;
        CHECK_INT(score_set_new(&(struct score_set_options){.classes = 3, .ignore_index = ignore, .tolerance = 0}, 1, &s, NULL), 0);
        score_set_start(s, true, false);
        add(s, 0, way ? by_class : with_holes, guess);
        confusion_start(&image, 3);
        confusion_add(&image, guess, way ? by_class : with_holes, PIXELS, ignore);
        score_of(&image, 1, ignore, false, &score);
        CHECK_INT(score_set_finish(s, &score, NULL), 0);
        CHECK(score.image[SCORE_NSD][1] == 1 && score.image[SCORE_HD95][1] == 0 && score.image_mean[SCORE_ASSD] == 0);
        CHECK(isnan(score.image[SCORE_NSD][2]) && isnan(score.pooled[SCORE_ECE][1])); /* calibration was not asked for */
        score_set_free(s);
    }
}
