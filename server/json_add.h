/* json_add: appends JSON texts to a buf: strings escaped, numbers short, values that are not finite as their words. */
#ifndef SERVER_JSON_ADD_H
#define SERVER_JSON_ADD_H
#include <stdint.h>
#include "schema/base/buf.h"

/* All return ERR_TOO_LARGE or ERR_NO_MEMORY as buf does. */
enum err json_add_text(struct buf *b, const char *text) MUST_USE;     /* "..."; NULL gives null */
enum err json_add_int(struct buf *b, int64_t value) MUST_USE;
enum err json_add_value(struct buf *b, double value) MUST_USE;        /* 0.1, "NaN", "Infinity", "-Infinity" */
#endif
