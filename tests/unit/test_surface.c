/* test_surface: NSD, HD95 and ASSD against SciPy's and MONAI's values, by hand, at the edges, and in a large picture. */
#include <math.h>
#include "tests/check.h"
#include "tests/unit/score_vectors.h"
#include "worker/train/score.h"
#include "worker/train/surface.h"

static const struct grid square = {2, {20, 20}, {1, 1}};

static void fill(uint8_t *map, int top, int left, int height, int width, uint8_t k)
{
    for (int y = top; y < top + height; y++)
        memset(map + y * 20 + left, k, (size_t)width);
}

static struct surface_score score_of_two(const struct grid *g, const uint8_t *a, const uint8_t *b, double tolerance)
{
    struct surface_score s;
    CHECK_INT(surface_of_class(g, a, b, 1, tolerance, &s, NULL), 0);
    return s;
}

void test_surface_scores_equal_the_reference(void)
{
    json_t *file;
    const json_t *cases = score_vectors("masks", &file), *one, *of;
    size_t i, classes = 0;
    const char *k;
    json_array_foreach(cases, i, one) {
        struct grid g = score_vector_grid(one);
        size_t pixels = grid_count(&g);
        uint8_t *predicted = score_vector_map(one, "predicted", pixels), *truth = score_vector_map(one, "truth", pixels);
        struct confusion counts;
        confusion_start(&counts, (int)score_vector_number(one, "classes"));
        confusion_add(&counts, predicted, truth, pixels, -1);
        json_object_foreach(json_object_get(one, "of"), k, of) {
            struct surface_score s;
            CHECK_INT(surface_of_class(&g, predicted, truth, (uint8_t)(*k - '0'), score_vector_number(one, "tolerance"), &s, NULL), 0);
            CHECK_NEAR(s.nsd, score_vector_number(of, "nsd"), 1e-12);
            CHECK_NEAR(s.hd95, score_vector_number(of, "hd95"), 1e-12);
            CHECK_NEAR(s.assd, score_vector_number(of, "assd"), 1e-12);
            CHECK_NEAR(score_dice(&counts.of[*k - '0']), score_vector_number(of, "dice"), 1e-12);
            CHECK_NEAR(score_iou(&counts.of[*k - '0']), score_vector_number(of, "iou"), 1e-12);
            CHECK_NEAR(score_precision(&counts.of[*k - '0']), score_vector_number(of, "precision"), 1e-12);
            CHECK_NEAR(score_recall(&counts.of[*k - '0']), score_vector_number(of, "recall"), 1e-12);
            classes++;
        }
        free(predicted);
        free(truth);
    }
    CHECK(classes >= 10);
    json_decref(file);
}

void test_surface_scores_of_shifted_squares_are_as_counted_by_hand(void)
{
    uint8_t a[400] = {0}, b[400] = {0};
    fill(a, 5, 5, 6, 6, 1);
    fill(b, 5, 8, 6, 6, 1); /* three columns to the right */
    struct surface_score s = score_of_two(&square, a, b, 1), swapped = score_of_two(&square, b, a, 1);
    /* a border has 20 pixels. From a to b: left side 6 x 3, columns 6 and 7 of the two level sides 2 x 2 and 2 x 1, the rest of
       the level sides 0, the right side (column 10): its middle four are 1, 2, 2, 1 from b's level sides, which is nearer than 2 */
    double sum = 6 * 3 + 2 * (2 + 1) + (1 + 2 + 2 + 1);
    CHECK_INT(s.prediction_border, 20);
    CHECK_INT(s.truth_border, 20);
    CHECK_NEAR(s.assd, 2 * sum / 40, 1e-15);
    CHECK_NEAR(s.hd95, 3, 0);
    CHECK_NEAR(s.nsd, 2 * (20 - 6 - 2 - 2) / 40.0, 1e-15);
    CHECK_NEAR(score_of_two(&square, a, b, 3).nsd, 1, 0);
    CHECK(swapped.assd == s.assd && swapped.hd95 == s.hd95 && swapped.nsd == s.nsd);
    struct grid half = {2, {20, 20}, {0.5, 0.5}};
    CHECK_NEAR(score_of_two(&half, a, b, 0.5).nsd, s.nsd, 0);
    CHECK_NEAR(score_of_two(&half, a, b, 0.5).hd95, 1.5, 0);
}

void test_surface_scores_of_equal_and_of_single_pixels(void)
{
    uint8_t a[400] = {0}, b[400] = {0};
    a[3 * 20 + 4] = 1;
    struct surface_score s = score_of_two(&square, a, a, 0);
    CHECK(s.nsd == 1 && s.hd95 == 0 && s.assd == 0 && s.truth_border == 1);
    b[6 * 20 + 8] = 1; /* three rows and four columns away */
    s = score_of_two(&square, a, b, 5);
    CHECK(s.nsd == 1 && s.hd95 == 5 && s.assd == 5);
    CHECK(score_of_two(&square, a, b, 4.999).nsd == 0);
}

void test_surface_takes_the_edge_of_the_image_for_a_border(void)
{
    uint8_t a[400], b[400] = {0};
    memset(a, 1, sizeof a); /* everything: its border is the frame, 4 x 19 */
    fill(b, 1, 1, 18, 18, 1);
    struct surface_score s = score_of_two(&square, a, b, 1);
    CHECK_INT(s.prediction_border, 76);
    CHECK_INT(s.truth_border, 68);
    CHECK_NEAR(s.assd, (72 + 4 * sqrt(2) + 68) / 144, 1e-14); /* only the four corners are farther than 1 */
    CHECK_NEAR(s.nsd, 140 / 144.0, 1e-15);
}

void test_surface_of_a_class_that_is_missing_says_where(void)
{
    uint8_t a[400] = {0}, b[400] = {0};
    b[7] = 1;
    struct surface_score s = score_of_two(&square, a, b, 1);
    CHECK(!s.in_prediction && s.in_truth && isnan(s.nsd) && isnan(s.hd95) && isnan(s.assd));
    s = score_of_two(&square, b, a, 1);
    CHECK(s.in_prediction && !s.in_truth && isnan(s.hd95));
    s = score_of_two(&square, a, a, 1);
    CHECK(!s.in_prediction && !s.in_truth && isnan(s.nsd));
}

void test_percentiles_lie_between_neighbours_as_numpy_has_them(void)
{
    double four[] = {4, 1, 3, 2}, many[1000], same[50];
    CHECK_NEAR(percentile_of(four, 4, 95), 3.85, 1e-15);
    CHECK_NEAR(percentile_of(four, 4, 50), 2.5, 1e-15);
    CHECK_NEAR(percentile_of(four, 4, 100), 4, 0);
    CHECK_NEAR(percentile_of(four, 4, 0), 1, 0);
    CHECK_NEAR(percentile_of(&(double){7}, 1, 95), 7, 0);
    for (int order = 0; order < 4; order++) { /* rising, falling, mixed, an organ pipe */
        for (int i = 0; i < 1000; i++)
            many[i] = order == 0 ? i : order == 1 ? 999 - i : order == 2 ? (i * 617) % 1000 : i < 500 ? 2 * i : 2 * (999 - i) + 1;
        CHECK_NEAR(percentile_of(many, 1000, 95), 949.05, 1e-12);
    }
    for (int i = 0; i < 50; i++)
        same[i] = i % 2;
    CHECK_NEAR(percentile_of(same, 50, 95), 1, 0);
    CHECK_NEAR(percentile_of(same, 50, 50), 0.5, 0);
}

/* Branching lines all over a picture of the size of chasedb1's, the prediction one pixel off and with gaps. */
void test_surface_scores_of_a_large_picture_do_not_depend_on_which_map_is_the_truth(void)
{
    enum { ROWS = 960, COLUMNS = 1000 };
    struct grid g = {2, {ROWS, COLUMNS}, {1, 1}};
    uint8_t *truth = calloc(ROWS, COLUMNS), *predicted = calloc(ROWS, COLUMNS);
    struct surface_score s, swapped;
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLUMNS; x++) {
            double wave = fmod(y + 40 * sin(x * 0.02) + 0.3 * x, 90), other = fmod(x + 30 * sin(y * 0.03), 130);
            truth[y * COLUMNS + x] = wave < 7 || other < 5;
            predicted[y * COLUMNS + x] = (wave > 1 && wave < 8 && x % 97 > 5) || other < 4;
        }
    CHECK_INT(surface_of_class(&g, predicted, truth, 1, 1, &s, NULL), 0);
    CHECK_INT(surface_of_class(&g, truth, predicted, 1, 1, &swapped, NULL), 0);
    CHECK(s.truth_border > 20000 && s.prediction_border > 20000);
    CHECK(s.truth_border == swapped.prediction_border && s.prediction_border == swapped.truth_border);
    CHECK(s.nsd > 0.5 && s.nsd < 1 && s.assd > 0.1 && s.assd < 3);
    CHECK_NEAR(s.nsd, swapped.nsd, 1e-12);
    CHECK_NEAR(s.hd95, swapped.hd95, 1e-12);
    CHECK_NEAR(s.assd, swapped.assd, 1e-12);
    free(truth);
    free(predicted);
}
