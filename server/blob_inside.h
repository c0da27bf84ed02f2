/* blob_inside: what blob.c and blob_read.c share and nobody else includes: where a file lies. */
#ifndef SERVER_BLOB_INSIDE_H
#define SERVER_BLOB_INSIDE_H
#include "server/blob.h"

enum { BLOB_PATH_BYTES = 1024 };
const char *blob_folder(const struct blob_store *b); /* the one that blob_store_open was given; never changes */
void blob_path(const struct blob_store *b, const char *sha256, char path[BLOB_PATH_BYTES]);
#endif
