/* test_tiles: every pixel is covered, weights sum to one, a map that is cut up and blended is the map. */
#include <math.h>

#include "tests/check.h"
#include "worker/data/tiles.h"

static const struct {
    uint32_t height, width, patch_height, patch_width;
    double overlap;
    uint32_t rows, columns;
} cases[] = {
    {16, 16, 16, 16, 0.5, 1, 1}, {17, 16, 16, 16, 0.5, 2, 1},  {24, 24, 16, 16, 0.5, 2, 2}, {25, 40, 16, 16, 0.5, 3, 4},
    {7, 5, 16, 16, 0.5, 1, 1},   {7, 33, 16, 8, 0.0, 1, 5},    {99, 96, 32, 32, 0.5, 6, 5}, {40, 40, 8, 8, 0.9, 33, 33},
    {1, 1, 1, 1, 0.0, 1, 1},     {100, 1, 16, 16, 0.25, 8, 1},
};

void test_tiles_cover_each_pixel_and_overlap_as_promised(void)
{
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct tiles t =
            tiles_plan(cases[k].height, cases[k].width, cases[k].patch_height, cases[k].patch_width, cases[k].overlap);
        CHECK_INT(t.rows, cases[k].rows);
        CHECK_INT(t.columns, cases[k].columns);
        unsigned char *seen = calloc((size_t)t.padded_height * t.padded_width, 1);
        uint32_t last_left = 0;
        CHECK(seen);
        for (size_t at = 0; at < tiles_count(&t); at++) {
            uint32_t top, left;
            tiles_place(&t, at, &top, &left);
            CHECK(top + t.patch_height <= t.padded_height && left + t.patch_width <= t.padded_width);
            if (at % t.columns) {
                double shared = (double)(t.patch_width - (left - last_left)) / t.patch_width;
                CHECK(left > last_left && shared >= cases[k].overlap - 1.0 / t.patch_width);
            }
            last_left = left;
            for (uint32_t y = 0; y < t.patch_height; y++)
                memset(seen + (size_t)(top + y) * t.padded_width + left, 1, t.patch_width);
        }
        for (size_t i = 0; i < (size_t)t.padded_height * t.padded_width; i++) CHECK(seen[i]);
        free(seen);
    }
}

void test_tiles_weights_sum_to_one_at_each_pixel(void)
{
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct tiles t =
            tiles_plan(cases[k].height, cases[k].width, cases[k].patch_height, cases[k].patch_width, cases[k].overlap);
        size_t plane = (size_t)t.height * t.width, patch = (size_t)t.patch_height * t.patch_width;
        float *weights = malloc(patch * sizeof(float)), *ones = malloc(2 * patch * sizeof(float));
        float *sums = malloc(2 * plane * sizeof(float)), *weight_sums = malloc(plane * sizeof(float));
        CHECK(weights && ones && sums && weight_sums);
        tiles_weights(t.patch_height, t.patch_width, weights);
        for (size_t i = 0; i < patch; i++) {
            CHECK(weights[i] > 0 && weights[i] <= 1);
            ones[i] = 1;
            ones[patch + i] = 0.25f;
        }
        tiles_blend_start(&t, 2, sums, weight_sums);
        for (size_t at = 0; at < tiles_count(&t); at++) tiles_blend_add(&t, at, 2, weights, ones, sums, weight_sums);
        tiles_blend_finish(&t, 2, sums, weight_sums);
        for (size_t i = 0; i < plane; i++) {
            CHECK_NEAR((double)sums[i], 1, 1e-6);
            CHECK_NEAR((double)sums[plane + i], 0.25, 1e-6);
        }
        free(weights);
        free(ones);
        free(sums);
        free(weight_sums);
    }
}

void test_tiles_weights_fall_from_the_centre_like_a_gaussian(void)
{
    static float w[33 * 17];
    tiles_weights(33, 17, w);
    CHECK_NEAR((double)w[16 * 17 + 8], 1, 0);
    CHECK_NEAR((double)w[16 * 17 + 9], exp(-0.5 * (8.0 / 17) * (8.0 / 17)), 1e-6);
    CHECK_NEAR((double)w[12 * 17 + 8], exp(-0.5 * (4 * 8.0 / 33) * (4 * 8.0 / 33)), 1e-6);
    CHECK_NEAR((double)w[0], 1e-3, 1e-9);
    for (unsigned i = 0; i < 33 * 17; i++) CHECK(w[i] == w[33 * 17 - 1 - i]);
}

/* An image of 3 rows and 5 columns whose value is its position; uses the table as the identity. */
static struct dataset_image numbered(float (*table)[256], uint8_t *u8)
{
    for (unsigned v = 0; v < 256; v++) table[0][v] = (float)v;
    for (uint8_t i = 0; i < 15; i++) u8[i] = i;
    return (struct dataset_image){.height = 3, .width = 5, .u8 = u8, .table = table};
}

void test_tiles_repeat_the_edge_where_the_image_is_smaller(void)
{
    float table[1][256], pixels[4 * 4];
    uint8_t u8[15];
    struct dataset_image image = numbered(table, u8);
    struct tiles t = tiles_plan(3, 5, 4, 4, 0.5);
    CHECK_INT(tiles_count(&t), 2);
    tiles_read(&t, 1, &image, 1, pixels);
    static const float want[16] = {1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 11, 12, 13, 14};
    for (unsigned i = 0; i < 16; i++) CHECK(pixels[i] == want[i]);
}

void test_tiles_read_and_blended_give_the_image_back(void)
{
    float table[1][256], weights[16], pixels[16], sums[15], weight_sums[15];
    uint8_t u8[15];
    struct dataset_image image = numbered(table, u8);
    struct tiles t = tiles_plan(3, 5, 4, 4, 0.75);
    tiles_weights(4, 4, weights);
    tiles_blend_start(&t, 1, sums, weight_sums);
    for (size_t at = 0; at < tiles_count(&t); at++) {
        tiles_read(&t, at, &image, 1, pixels);
        tiles_blend_add(&t, at, 1, weights, pixels, sums, weight_sums);
    }
    tiles_blend_finish(&t, 1, sums, weight_sums);
    for (unsigned i = 0; i < 15; i++) CHECK_NEAR((double)sums[i], i, 1e-5);
}

void test_tiles_classes_are_the_largest_or_above_one_half(void)
{
    const float two[] = {0.2f, 0.5f, 0.9f, /* class 0 */ 0.8f, 0.5f, 0.1f};
    uint8_t classes[3];
    tiles_classes(2, 3, two, classes);
    CHECK(!memcmp(classes, (uint8_t[]){1, 0, 0}, 3));
    const float one[] = {0.2f, 0.5f, 0.51f};
    tiles_classes(1, 3, one, classes);
    CHECK(!memcmp(classes, (uint8_t[]){0, 0, 1}, 3));
}
