/* sha256: digests of files, weights and tokens, as bytes or as 64 hex digits (nettle's, behind this door). */
#ifndef SCHEMA_BASE_SHA256_H
#define SCHEMA_BASE_SHA256_H
#include <nettle/sha2.h>
#include <stddef.h>
#include "schema/base/err.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 65 /* 64 digits and the NUL */ };
struct sha256 {
    struct sha256_ctx inner;
};

void sha256_start(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t length);
void sha256_end(struct sha256 *s, unsigned char digest[SHA256_BYTES]);
void sha256_end_hex(struct sha256 *s, char hex[SHA256_HEX]);
void sha256_hex_of(const void *bytes, size_t length, char hex[SHA256_HEX]);
/* ERR_IO with the path in `note`. */
enum err sha256_hex_of_file(const char *path, char hex[SHA256_HEX], struct err_note *note) MUST_USE;
int sha256_is_hex(const char *text); /* exactly 64 lower-case hex digits */
#endif
