/* test_score: Dice and IoU counted by hand, pooled and per image, with empty classes and ignored pixels. */
#include <math.h>
#include "tests/check.h"
#include "worker/train/score.h"

void test_score_pooled_and_per_image_differ_as_counted_by_hand(void)
{
    /* image 0: class 1 true 4, predicted 4, both 3; image 1: true 1, predicted 3, both 1 */
    const uint8_t truth[2][8] = {{1, 1, 1, 1, 0, 0, 0, 255}, {1, 0, 0, 0, 0, 0, 2, 2}};
    const uint8_t guess[2][8] = {{1, 1, 1, 0, 1, 0, 0, 1}, {1, 1, 1, 0, 0, 0, 0, 2}};
    struct confusion images[2];
    for (int i = 0; i < 2; i++) {
        confusion_start(&images[i], 4);
        confusion_add(&images[i], guess[i], truth[i], 8, -1);
    }
    CHECK_INT(images[0].ignored, 1);
    struct score s;
    score_of(images, 2, -1, false, &s);
    CHECK_NEAR(s.pooled[SCORE_DICE][1], 2.0 * 4 / (7 + 5), 1e-15);
    CHECK_NEAR(s.pooled[SCORE_IOU][1], 4.0 / 8, 1e-15);
    CHECK_NEAR(s.image[SCORE_DICE][1], (6.0 / 8 + 2.0 / 4) / 2, 1e-15);
    CHECK_NEAR(s.image[SCORE_IOU][1], (3.0 / 5 + 1.0 / 3) / 2, 1e-15);
    CHECK_NEAR(s.pooled[SCORE_DICE][2], 2.0 / 3, 1e-15);
    CHECK_NEAR(s.image[SCORE_DICE][2], 2.0 / 3, 1e-15); /* image 0 has none of class 2 and says nothing about it */
    CHECK_INT(s.both_empty[2], 1);
    CHECK(isnan(s.pooled[SCORE_DICE][3]) && isnan(s.image[SCORE_DICE][3]));
    CHECK_INT(s.both_empty[3], 2);
    CHECK_NEAR(s.pooled_mean[SCORE_DICE], (8.0 / 12 + 2.0 / 3) / 2, 1e-15); /* class 3 is nowhere, class 0 is not foreground */
    CHECK_NEAR(s.image_mean[SCORE_DICE], (0.75 + (0.5 + 2.0 / 3) / 2) / 2, 1e-15);
    CHECK_NEAR(s.pooled[SCORE_DICE][0], 2.0 * 5 / (8 + 7), 1e-15);
}

void test_score_leaves_the_ignored_class_out_everywhere(void)
{
    const uint8_t truth[6] = {0, 1, 1, 2, 2, 2}, guess[6] = {0, 1, 2, 1, 2, 0};
    struct confusion image;
    confusion_start(&image, 3);
    confusion_add(&image, guess, truth, 6, 2);
    struct score s;
    score_of(&image, 1, 2, false, &s);
    CHECK_INT(image.ignored, 3);
    CHECK_NEAR(s.pooled[SCORE_DICE][1], 2.0 / 3, 1e-15);
    CHECK_NEAR(s.pooled_mean[SCORE_DICE], 2.0 / 3, 1e-15); /* class 2 would have scored 0 */
}

void test_score_of_an_image_without_foreground_is_counted_not_averaged(void)
{
    const uint8_t truth[2][4] = {{0, 0, 0, 0}, {1, 1, 0, 0}}, guess[2][4] = {{0, 0, 0, 0}, {1, 0, 0, 0}};
    struct confusion images[2];
    for (int i = 0; i < 2; i++) {
        confusion_start(&images[i], 2);
        confusion_add(&images[i], guess[i], truth[i], 4, -1);
    }
    struct score s;
    score_of(images, 2, -1, false, &s);
    CHECK_INT(s.images_without_foreground, 1);
    CHECK_NEAR(s.image_mean[SCORE_DICE], 2.0 / 3, 1e-15);
    CHECK_INT(s.images, 2);
}
