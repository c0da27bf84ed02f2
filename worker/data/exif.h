/* exif: the orientation tag of an Exif block, the only thing in it that could turn an image away from its mask. */
#ifndef WORKER_DATA_EXIF_H
#define WORKER_DATA_EXIF_H
#include <stddef.h>
#include "schema/base/err.h"

/* Orientation (1..8) of a TIFF-structured Exif block ("II*" or "MM*" first); 1 when there is none or the block is not
   well formed. Reads nothing beyond `length`. */
unsigned exif_orientation(const unsigned char *block, size_t length);
/* OK for 1; else ERR_DATA: `name` would be shown turned, and whether its mask was drawn so cannot be known. */
enum err exif_check(const unsigned char *block, size_t length, const char *name, struct err_note *note) MUST_USE;
#endif
