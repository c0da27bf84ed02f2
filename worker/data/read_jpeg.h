/* read_jpeg: JPEG of 8 bits, grey or colour (as RGB). */
#ifndef WORKER_DATA_READ_JPEG_H
#define WORKER_DATA_READ_JPEG_H
#include "worker/data/image.h"

/* Damaged or truncated files are refused, not filled with grey; CMYK is refused by name. Contract as image_decode. */
enum err read_jpeg(const void *bytes, size_t length, const char *name, struct image *image,
                   struct err_note *note) MUST_USE;
#endif
