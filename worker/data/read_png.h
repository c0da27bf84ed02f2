/* read_png: every colour type and depth of PNG, raw as stored. */
#ifndef WORKER_DATA_READ_PNG_H
#define WORKER_DATA_READ_PNG_H
#include "worker/data/image.h"

/* Grey of 1, 2, 4 bits keeps its values 0..1, 0..3, 0..15. A palette gives indices for a mask and colours for a picture.
   Alpha (a channel, or tRNS of a picture) is dropped when it is full everywhere, else refused; tRNS of a mask says
   nothing about its values and is passed over. Contract as image_decode. */
enum err read_png(const void *bytes, size_t length, const char *name, enum image_purpose purpose, struct image *image,
                  struct err_note *note) MUST_USE;
#endif
