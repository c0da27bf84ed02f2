/* tiles: covers an image of any size with overlapping patches and blends their class probabilities into one map. */
#ifndef WORKER_DATA_TILES_H
#define WORKER_DATA_TILES_H
#include "worker/data/dataset.h"

/* The image, its edges repeated at the right and bottom up to at least one patch, holds rows x columns tiles. Neighbours
   advance by at most (1 - overlap) * patch, spread evenly from the first to the last pixel (nnU-Net's sliding window). */
struct tiles {
    uint32_t height, width; /* of the image */
    uint32_t patch_height, patch_width;
    uint32_t padded_height, padded_width; /* max(image, patch) */
    uint32_t rows, columns;
};

/* All sizes >= 1; 0 <= overlap < 1 is the least share that neighbours have in common. Both asserted. */
struct tiles tiles_plan(uint32_t height, uint32_t width, uint32_t patch_height, uint32_t patch_width, double overlap);
size_t tiles_count(const struct tiles *tiles); /* rows * columns */
/* Corner of tile `at` (row by row) in the padded image. */
void tiles_place(const struct tiles *tiles, size_t at, uint32_t *top, uint32_t *left);
/* Cuts tile `at` into pixels[channels][patch_height*patch_width], normalised, edges repeated where it is padded. */
void tiles_read(const struct tiles *tiles, size_t at, const struct dataset_image *image, unsigned channels,
                float *pixels);

/* The weight of each pixel of a tile, [patch_height*patch_width]: a Gaussian about the centre, sigma = patch/8 on each
   axis (nnU-Net's importance map), nowhere below 1e-3 so that a pixel seen only by a tile's corner keeps its precision. */
void tiles_weights(uint32_t patch_height, uint32_t patch_width, float *weights);

/* Blending, added in the order of the tiles so that it does not matter who computed which. start zeroes
   sums[maps][height*width] and weight_sums[height*width] (the image's size, not the padded one); add puts in tile `at`
   with probabilities[maps][patch_height*patch_width]; finish divides, so that each pixel's weights sum to 1. */
void tiles_blend_start(const struct tiles *tiles, unsigned maps, float *sums, float *weight_sums);
void tiles_blend_add(const struct tiles *tiles, size_t at, unsigned maps, const float *weights,
                     const float *probabilities, float *sums, float *weight_sums);
void tiles_blend_finish(const struct tiles *tiles, unsigned maps, float *sums, const float *weight_sums);
/* Class of each pixel, classes[pixels]: the largest of `maps` probabilities (the lowest index of equals);
   with one map (sigmoid): 1 where it exceeds 0.5. */
void tiles_classes(unsigned maps, size_t pixels, const float *probabilities, uint8_t *classes);
#endif
