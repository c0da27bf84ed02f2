/* buf: growing bytes; doubles until `max`. */
#include "schema/base/buf.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_free(struct buf *b)
{
    free(b->data);
    b->data = NULL;
    b->length = b->capacity = 0;
}

void buf_reset(struct buf *b)
{
    b->length = 0;
    if (b->data) b->data[0] = 0;
}

enum err buf_reserve(struct buf *b, size_t more)
{
    if (more > b->max || b->length > b->max - more) return ERR_TOO_LARGE;
    size_t need = b->length + more + 1;
    if (need <= b->capacity) return OK;
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity < need) capacity *= 2;
    char *data = realloc(b->data, capacity);
    if (!data) return ERR_NO_MEMORY;
    b->data = data;
    b->capacity = capacity;
    return OK;
}

/* Called for every few bytes of every reply: what fits into the memory that is there goes no further. */
enum err buf_add(struct buf *b, const void *bytes, size_t length)
{
    bool fits = b->length < b->capacity && length < b->capacity - b->length && length <= b->max - b->length;
    enum err e = fits ? OK : buf_reserve(b, length);
    if (e) return e;
    if (length) memcpy(b->data + b->length, bytes, length);
    b->length += length;
    b->data[b->length] = 0;
    return OK;
}

enum err buf_text(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

enum err buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    enum err e = length < 0 ? ERR_INTERNAL : buf_reserve(b, (size_t)length);
    if (!e) {
        vsnprintf(b->data + b->length, (size_t)length + 1, format, again);
        b->length += (size_t)length;
    }
    va_end(again);
    return e;
}

char *buf_take(struct buf *b)
{
    char *data = b->data;
    size_t max = b->max;
    buf_init(b, max);
    return data;
}
