/* preview: one PNG a person can read: the image, the truth and the prediction side by side, classes in colours. */
#ifndef WORKER_DATA_PREVIEW_H
#define WORKER_DATA_PREVIEW_H
#include "worker/data/dataset.h"

/* Three panels from left to right, apart by a white bar: image (stretched from its 0.5th to its 99.5th percentile), truth,
   prediction. In the last two, classes >= 1 lie over the image in colours of their own (areas half, outlines full) and
   ignored pixels are hatched in grey. Images under 256 pixels are enlarged by a whole factor, over 1024 reduced by one.
   `prediction` is [height*width] class indices. ERR_IO, ERR_NO_MEMORY. */
enum err preview_write(const char *path, const struct dataset_image *image, unsigned channels,
                       const uint8_t *prediction, struct err_note *note) MUST_USE;
/* The colour of a class, 0xRRGGBB; class 0 is black. Repeats after 20. */
uint32_t preview_colour(unsigned class_index);
#endif
