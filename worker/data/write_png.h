/* write_png: grey or RGB bytes into a PNG file or into memory, for predictions, previews and generated sets. */
#ifndef WORKER_DATA_WRITE_PNG_H
#define WORKER_DATA_WRITE_PNG_H
#include <stdint.h>
#include "schema/base/buf.h"
#include "schema/base/err.h"

/* pixels[height*width*channels], channels 1 (grey) or 3 (RGB), rows from the top; the same input gives the same bytes.
   Written in place (no rename: the folder is the caller's own until it is published). ERR_IO with the path. */
enum err write_png(const char *path, uint32_t width, uint32_t height, unsigned channels, const uint8_t *pixels,
                   struct err_note *note) MUST_USE;
/* The same appended to `to`: ERR_TOO_LARGE, ERR_NO_MEMORY. */
enum err write_png_to_buf(struct buf *to, uint32_t width, uint32_t height, unsigned channels,
                          const uint8_t *pixels) MUST_USE;
#endif
