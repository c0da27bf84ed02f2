/* image_file: reads files of a data folder and never beyond it; images are recognised by content (PNG, JPEG). */
#ifndef WORKER_DATA_IMAGE_FILE_H
#define WORKER_DATA_IMAGE_FILE_H
#include "worker/data/image.h"

/* Decodes `length` bytes; `name` stands in errors. ERR_DATA (not an image, damaged, too large, transparent, a format not
   read here), ERR_NO_MEMORY. On success the caller frees `image`; on error it is {0}. */
enum err image_decode(const void *bytes, size_t length, const char *name, enum image_purpose purpose,
                      struct image *image, struct err_note *note) MUST_USE;
/* The same for a file anywhere; follows links. */
enum err image_read(const char *path, enum image_purpose purpose, struct image *image, struct err_note *note) MUST_USE;
/* The same for `path` below the open folder: neither "..", absolute paths nor symbolic links lead out of it. */
enum err image_read_beneath(int folder, const char *path, enum image_purpose purpose, struct image *image,
                            struct err_note *note) MUST_USE;

/* Opens a folder as the root of the calls that take one; the caller closes *folder. ERR_DATA. */
enum err folder_open(const char *path, int *folder, struct err_note *note) MUST_USE;
/* All bytes of a regular file below `folder`, at most `bytes_max`; the caller frees *bytes, which is NUL-terminated past
   *length. ERR_DATA: missing, escaping (openat2, RESOLVE_BENEATH), not a regular file, too large. ERR_IO, ERR_NO_MEMORY. */
enum err folder_read_file(int folder, const char *path, size_t bytes_max, char **bytes, size_t *length,
                          struct err_note *note) MUST_USE;
#endif
