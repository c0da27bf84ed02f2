/* image: decoded pixels of one file, raw as stored, and the limits that are checked before any pixel is allocated. */
#ifndef WORKER_DATA_IMAGE_H
#define WORKER_DATA_IMAGE_H
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"

/* Limits: a header's claim is held against these before memory is asked for. */
#define IMAGE_SIDE_MAX 32768u                    /* pixels a side */
#define IMAGE_BYTES_MAX ((size_t)512 << 20)      /* decoded; a quarter of a decoder's 2 GiB address space */
#define IMAGE_FILE_BYTES_MAX ((size_t)256 << 20) /* on disk, before decoding */

/* What the pixels are for: a palette gives its colours as a picture, its indices as a mask. */
enum image_purpose { IMAGE_PICTURE, IMAGE_MASK };

/* Rows from the top, channels interleaved (1 or 3), no padding: value (y, x, c) is at (y*width + x)*channels + c.
   bits 1..8: u8 is set; 9..16: u16 is set; the other is NULL. Values run 0 .. 2^bits - 1 and are never stretched. */
struct image {
    uint32_t width, height;
    unsigned channels, bits;
    uint8_t *u8;
    uint16_t *u16;
};

/* ERR_DATA naming `name` when such a picture would pass a limit; allocates nothing. */
enum err image_check_size(const char *name, uint64_t width, uint64_t height, unsigned channels, unsigned bits,
                          struct err_note *note) MUST_USE;
/* Checks the size, then takes zeroed memory. ERR_NO_MEMORY. The caller frees with image_free; on error `image` is {0}. */
enum err image_alloc(struct image *image, const char *name, uint64_t width, uint64_t height, unsigned channels,
                     unsigned bits, struct err_note *note) MUST_USE;
void image_free(struct image *image);           /* may be called twice, and on {0} */
size_t image_values(const struct image *image); /* width * height * channels */
/* Value number `at` (see the layout above), whatever the depth. */
static inline uint32_t image_value(const struct image *image, size_t at)
{
    return image->u8 ? image->u8[at] : image->u16[at];
}
/* Three channels equal in every pixel become one, in place: returns 1. Else nothing changes: returns 0. */
int image_drop_equal_channels(struct image *image);
/* Drops the last of 2 or 4 channels (alpha), in place, when it is full (2^bits - 1) everywhere;
   else ERR_DATA naming the first pixel that is not opaque. */
enum err image_drop_alpha(struct image *image, const char *name, struct err_note *note) MUST_USE;
#endif
