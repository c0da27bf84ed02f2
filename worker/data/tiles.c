/* tiles: positions, Gaussian weights, weighted sums. */
#include "worker/data/tiles.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Tiles along an axis: enough that neighbours advance by at most (1 - overlap) * patch. */
static uint32_t tiles_along(uint32_t padded, uint32_t patch, double overlap)
{
    double advance = fmax(1.0, floor((1.0 - overlap) * patch));
    return 1 + (uint32_t)ceil((padded - patch) / advance);
}

struct tiles tiles_plan(uint32_t height, uint32_t width, uint32_t patch_height, uint32_t patch_width, double overlap)
{
    assert(height && width && patch_height && patch_width && overlap >= 0 && overlap < 1);
    struct tiles t = {.height = height, .width = width, .patch_height = patch_height, .patch_width = patch_width};
    t.padded_height = height > patch_height ? height : patch_height;
    t.padded_width = width > patch_width ? width : patch_width;
    t.rows = tiles_along(t.padded_height, patch_height, overlap);
    t.columns = tiles_along(t.padded_width, patch_width, overlap);
    return t;
}

size_t tiles_count(const struct tiles *tiles)
{
    return (size_t)tiles->rows * tiles->columns;
}

/* First pixel of tile `at` of `count`: evenly spread, the last ending at the last pixel. Whole numbers only. */
static uint32_t start_of(size_t at, uint32_t count, uint32_t padded, uint32_t patch)
{
    return count == 1 ? 0 : (uint32_t)((uint64_t)at * (padded - patch) / (count - 1));
}

void tiles_place(const struct tiles *tiles, size_t at, uint32_t *top, uint32_t *left)
{
    assert(at < tiles_count(tiles));
    *top = start_of(at / tiles->columns, tiles->rows, tiles->padded_height, tiles->patch_height);
    *left = start_of(at % tiles->columns, tiles->columns, tiles->padded_width, tiles->patch_width);
}

void tiles_read(const struct tiles *tiles, size_t at, const struct dataset_image *image, unsigned channels, float *pixels)
{
    assert(image->height == tiles->height && image->width == tiles->width);
    uint32_t top, left;
    tiles_place(tiles, at, &top, &left);
    for (unsigned c = 0; c < channels; c++)
        for (uint32_t y = 0; y < tiles->patch_height; y++) {
            uint32_t row = top + y < image->height ? top + y : image->height - 1;
            for (uint32_t x = 0; x < tiles->patch_width; x++) {
                uint32_t column = left + x < image->width ? left + x : image->width - 1;
                *pixels++ = dataset_value(image, c, (size_t)row * image->width + column);
            }
        }
}

void tiles_weights(uint32_t patch_height, uint32_t patch_width, float *weights)
{
    const double sigma_share = 1.0 / 8, floor_weight = 1e-3;
    double sigma_y = patch_height * sigma_share, sigma_x = patch_width * sigma_share;
    for (uint32_t y = 0; y < patch_height; y++)
        for (uint32_t x = 0; x < patch_width; x++) {
            double dy = (y - (patch_height - 1) / 2.0) / sigma_y, dx = (x - (patch_width - 1) / 2.0) / sigma_x;
            *weights++ = (float)fmax(exp(-(dy * dy + dx * dx) / 2), floor_weight);
        }
}

void tiles_blend_start(const struct tiles *tiles, unsigned maps, float *sums, float *weight_sums)
{
    size_t plane = (size_t)tiles->height * tiles->width;
    memset(sums, 0, maps * plane * sizeof *sums);
    memset(weight_sums, 0, plane * sizeof *weight_sums);
}

void tiles_blend_add(const struct tiles *tiles, size_t at, unsigned maps, const float *weights, const float *probabilities,
                     float *sums, float *weight_sums)
{
    uint32_t top, left;
    tiles_place(tiles, at, &top, &left);
    size_t plane = (size_t)tiles->height * tiles->width, patch = (size_t)tiles->patch_height * tiles->patch_width;
    uint32_t rows = tiles->height - top < tiles->patch_height ? tiles->height - top : tiles->patch_height;
    uint32_t columns = tiles->width - left < tiles->patch_width ? tiles->width - left : tiles->patch_width;
    for (uint32_t y = 0; y < rows; y++) {
        const float *w = weights + (size_t)y * tiles->patch_width, *p = probabilities + (size_t)y * tiles->patch_width;
        size_t to = ((size_t)top + y) * tiles->width + left;
        for (uint32_t x = 0; x < columns; x++) weight_sums[to + x] += w[x];
        for (unsigned m = 0; m < maps; m++)
            for (uint32_t x = 0; x < columns; x++) sums[m * plane + to + x] += w[x] * p[m * patch + x];
    }
}

void tiles_blend_finish(const struct tiles *tiles, unsigned maps, float *sums, const float *weight_sums)
{
    size_t plane = (size_t)tiles->height * tiles->width;
    for (unsigned m = 0; m < maps; m++)
        for (size_t i = 0; i < plane; i++) sums[m * plane + i] /= weight_sums[i];
}

void tiles_classes(unsigned maps, size_t pixels, const float *probabilities, uint8_t *classes)
{
    assert(maps >= 1 && maps <= LABEL_CLASSES_MAX);
    if (maps == 1) {
        for (size_t i = 0; i < pixels; i++) classes[i] = probabilities[i] > 0.5f;
        return;
    }
    for (size_t i = 0; i < pixels; i++) {
        unsigned best = 0;
        for (unsigned m = 1; m < maps; m++)
            if (probabilities[m * pixels + i] > probabilities[best * pixels + i]) best = m;
        classes[i] = (uint8_t)best;
    }
}
