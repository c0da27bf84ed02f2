/* buf: growing bytes with a stated maximum; always NUL-terminated, so `data` can be read as a string. */
#ifndef SCHEMA_BASE_BUF_H
#define SCHEMA_BASE_BUF_H
#include <stddef.h>
#include "schema/base/err.h"

struct buf {
    char *data; /* NULL until the first byte; NUL-terminated after */
    size_t length, capacity, max;
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_free(struct buf *b); /* may be called twice */
void buf_reset(struct buf *b); /* keeps the memory */
/* ERR_TOO_LARGE past `max`, ERR_NO_MEMORY; in both cases nothing is appended. */
enum err buf_add(struct buf *b, const void *bytes, size_t length) MUST_USE;
enum err buf_text(struct buf *b, const char *text) MUST_USE;
enum err buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3) MUST_USE;
enum err buf_reserve(struct buf *b, size_t more) MUST_USE; /* room for so many bytes in one step */
char *buf_take(struct buf *b); /* the caller owns the string (NULL if empty); b is empty again */
#endif
