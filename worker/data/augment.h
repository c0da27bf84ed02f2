/* augment: cuts a patch out of an image, turned and mirrored as asked; pads with 0 and "ignored" past the image. */
#ifndef WORKER_DATA_AUGMENT_H
#define WORKER_DATA_AUGMENT_H
#include "worker/data/dataset.h"

/* Where a patch comes from: the crop's top left corner, then quarter turns, then mirrors. */
struct augment_place {
    uint32_t top, left;
    unsigned quarter_turns; /* 0..3, counter-clockwise as seen (numpy.rot90); only square patches are turned */
    int mirror_vertical;    /* top and bottom change places */
    int mirror_horizontal;  /* left and right change places */
};

/* Fills pixels[channels][height*width] (normalised) and classes[height*width]. Where the crop reaches past the image's
   right or bottom edge pixels are 0 and classes LABEL_IGNORE (padding on those two sides, as in the PyTorch reference). */
void augment_crop(const struct dataset_image *image, unsigned channels, const struct augment_place *place,
                  uint32_t height, uint32_t width, float *pixels, uint8_t *classes);
#endif
