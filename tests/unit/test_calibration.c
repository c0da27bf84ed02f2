/* test_calibration: ECE and Brier score against NumPy's values, and by hand. */
#include <math.h>
#include "tests/check.h"
#include "tests/unit/score_vectors.h"
#include "worker/data/tiles.h"
#include "worker/train/calibration.h"

static void compare(const json_t *one)
{
    struct grid g = score_vector_grid(one);
    size_t pixels = grid_count(&g), maps = (size_t)score_vector_number(one, "maps");
    int classes = (int)score_vector_number(one, "classes");
    const json_t *numbers = json_object_get(one, "probabilities"), *want = json_object_get(one, "scores");
    uint8_t *truth = score_vector_map(one, "truth", pixels), *predicted = malloc(pixels);
    float *probabilities = malloc(maps * pixels * sizeof *probabilities);
    struct calibration_class of[8];
    struct calibration c;
    CHECK(json_array_size(numbers) == maps * pixels && classes <= 8);
    for (size_t i = 0; i < maps * pixels; i++)
        probabilities[i] = (float)json_number_value(json_array_get(numbers, i));
    tiles_classes((unsigned)maps, pixels, probabilities, predicted);
    calibration_start(&c, classes, of);
    calibration_add(&c, (int)maps, probabilities, predicted, truth, pixels, -1);
    CHECK_NEAR(calibration_ece(&c), score_vector_number(want, "ece"), 1e-12);
    CHECK_NEAR(calibration_brier(&c), score_vector_number(want, "brier"), 1e-12);
    for (int k = 0; k < classes; k++) {
        char name[32];
        snprintf(name, sizeof name, "ece/%d", k);
        CHECK_NEAR(calibration_ece_of(&c, k), score_vector_number(want, name), 1e-12);
        snprintf(name, sizeof name, "brier/%d", k);
        CHECK_NEAR(calibration_brier_of(&c, k), score_vector_number(want, name), 1e-12);
    }
    free(truth);
    free(predicted);
    free(probabilities);
}

void test_calibration_scores_equal_the_reference(void)
{
    json_t *file;
    const json_t *cases = score_vectors("probabilities", &file), *one;
    size_t i;
    json_array_foreach(cases, i, one)
        compare(one);
    CHECK(i >= 4);
    json_decref(file);
}

void test_calibration_of_a_few_pixels_is_as_counted_by_hand(void)
{
    /* one map. p(1) = 0.9 three times, right twice; 0.2 twice, right (not 1) once; one pixel ignored */
    const float p[6] = {0.9f, 0.9f, 0.9f, 0.2f, 0.2f, 0.6f};
    const uint8_t truth[6] = {1, 1, 0, 0, 1, 255}, predicted[6] = {1, 1, 1, 0, 0, 1};
    struct calibration_class of[2];
    struct calibration c;
    calibration_start(&c, 2, of);
    calibration_add(&c, 1, p, predicted, truth, 6, -1);
    CHECK_INT(c.pixels, 5);
    CHECK_NEAR(calibration_ece(&c), (fabs(2 - 3 * 0.9) + fabs(1 - 2 * 0.8)) / 5, 1e-7);
    CHECK_NEAR(calibration_ece_of(&c, 1), (fabs(2 - 3 * 0.9) + fabs(1 - 2 * 0.2)) / 5, 1e-7);
    CHECK_NEAR(calibration_brier_of(&c, 1), (2 * 0.01 + 0.81 + 0.04 + 0.64) / 5, 1e-7);
    CHECK_NEAR(calibration_brier(&c), 2 * calibration_brier_of(&c, 1), 1e-15);
    calibration_start(&c, 2, of);
    calibration_add(&c, 1, p, predicted, truth, 6, 1); /* class 1 counts nowhere */
    CHECK_INT(c.pixels, 2);
    calibration_start(&c, 2, of);
    CHECK(isnan(calibration_ece(&c)) && isnan(calibration_brier(&c)));
}

void test_calibration_puts_the_end_of_a_bin_into_it_and_roundings_above_one_into_the_last(void)
{
    const float p[4] = {0.0f, 0.2f, 1.0f, 1.0000001f};
    const uint8_t truth[4] = {0, 0, 1, 1}, predicted[4] = {0, 0, 1, 1};
    struct calibration_class of[2];
    struct calibration c;
    calibration_start(&c, 2, of);
    calibration_add(&c, 1, p, predicted, truth, 4, -1);
    CHECK_INT(of[1].bins.count[0], 1);
    CHECK_INT(of[1].bins.count[3], 1); /* 0.2f lies above 3/15 by its rounding */
    CHECK_INT(of[1].bins.count[14], 2);
}

void test_calibration_of_two_images_pools_their_pixels(void)
{
    const float p[4] = {0.9f, 0.3f, 0.9f, 0.3f};
    const uint8_t truth[4] = {1, 0, 0, 1}, predicted[4] = {1, 0, 1, 0};
    struct calibration_class of[4][2];
    struct calibration all, first, second, pool;
    calibration_start(&all, 2, of[0]);
    calibration_add(&all, 1, p, predicted, truth, 4, -1);
    calibration_start(&first, 2, of[1]);
    calibration_start(&second, 2, of[2]);
    calibration_start(&pool, 2, of[3]);
    calibration_add(&first, 1, p, predicted, truth, 2, -1);
    calibration_add(&second, 1, p + 2, predicted + 2, truth + 2, 2, -1);
    calibration_merge(&pool, &first);
    calibration_merge(&pool, &second);
    CHECK_NEAR(calibration_ece(&pool), calibration_ece(&all), 1e-15);
    CHECK_NEAR(calibration_brier(&pool), calibration_brier(&all), 1e-15);
    CHECK(fabs(calibration_ece(&pool) - (calibration_ece(&first) + calibration_ece(&second)) / 2) > 0.01); /* not a mean of means */
}
