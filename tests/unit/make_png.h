/* make_png: PNG files of every form for tests, built chunk by chunk without libpng, so that wrong ones can be built, too. */
#ifndef TESTS_UNIT_MAKE_PNG_H
#define TESTS_UNIT_MAKE_PNG_H
#include <stdint.h>
#include "schema/base/buf.h"

enum { MAKE_GREY = 0, MAKE_RGB = 2, MAKE_PALETTE = 3, MAKE_GREY_ALPHA = 4, MAKE_RGBA = 6 };

/* What goes into the file; absent parts are 0 or NULL. */
struct png_recipe {
    uint32_t width, height;
    unsigned type, depth;
    int interlaced;
    const uint8_t *palette; /* PLTE: 3 bytes a colour */
    size_t palette_count;
    const uint8_t *trns; /* tRNS as stored */
    size_t trns_length;
    const uint8_t *exif; /* eXIf as stored */
    size_t exif_length;
    uint32_t claimed_width, claimed_height; /* what the header says instead, 0 = the truth */
    const uint16_t *values;                 /* [height][width][channels] */
};

unsigned make_png_channels(unsigned type);
/* The file's bytes; the caller frees them with buf_free. */
struct buf make_png(const struct png_recipe *recipe);
/* Writes bytes to a file, or ends the test. */
void make_file(const char *path, const void *bytes, size_t length);
/* A grey 8-bit PNG of width x height bytes at `path`. */
void make_grey_png(const char *path, uint32_t width, uint32_t height, const uint8_t *pixels);
#endif
