/* make_jpeg: JPEG files for tests. */
#ifndef TESTS_UNIT_MAKE_JPEG_H
#define TESTS_UNIT_MAKE_JPEG_H
#include <stddef.h>
#include <stdint.h>

/* Quality 100; components 1 (grey), 3 (RGB) or 4 (CMYK); exif (APP1, without its "Exif" head) may be NULL.
   The caller frees *bytes. */
void make_jpeg(uint32_t width, uint32_t height, int components, int progressive, const uint8_t *pixels, const uint8_t *exif,
               size_t exif_length, unsigned char **bytes, unsigned long *length);
#endif
