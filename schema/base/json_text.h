/* json_text: text <-> JSON under limits: size, depth 16, no duplicate keys; numbers written as short as they can be read back. */
#ifndef SCHEMA_BASE_JSON_TEXT_H
#define SCHEMA_BASE_JSON_TEXT_H
#include <jansson.h>
#include <stdint.h>
#include "schema/base/buf.h"
#include "schema/base/err.h"

enum { JSON_DEPTH_MAX = 16 };

/* Parses exactly one JSON value of at most `bytes_max` bytes. ERR_TOO_LARGE, or ERR_BAD_JSON with "line L, column C: ..." in
   `note` (which may be NULL). On success *value is a new reference, else NULL. */
enum err json_text_parse(const char *text, size_t length, size_t bytes_max, json_t **value, struct err_note *note) MUST_USE;
/* Appends `value` to `to` as one line. Doubles get the fewest digits (15 to 17) that read back as the same double.
   A double that is not finite must not be there (see metric_value_write); it is written as null. ERR_TOO_LARGE, ERR_NO_MEMORY. */
enum err json_text_write(const json_t *value, struct buf *to) MUST_USE;
/* The same indented by two spaces a level, short arrays of plain values on one line: for people. */
enum err json_text_write_pretty(const json_t *value, struct buf *to) MUST_USE;
/* The same into a fixed place, cut with "..." when it does not fit: for notes. */
void json_text_print(const json_t *value, char *to, size_t size);
/* The parts of such a text, for those who write it without a tree: numbers as above, a string with quotes and escapes (UTF-8 goes in, and
   out, as it is), `"key":` after a comma unless it opens its object, `"key":"text"` likewise. */
enum err json_text_add_whole(struct buf *to, int64_t n) MUST_USE;
enum err json_text_add_real(struct buf *to, double x) MUST_USE;
enum err json_text_add_string(struct buf *to, const char *text, size_t length) MUST_USE;
enum err json_text_add_key(struct buf *to, const char *key) MUST_USE;
enum err json_text_add_pair(struct buf *to, const char *key, const char *text) MUST_USE;
/* The tree of a text that was just written, with the error of writing it (one is our mistake: assert). Frees `text`. New reference. */
json_t *json_text_take(enum err e, struct buf *text);
/* The double `x` in the fewest digits that read back as x ("0.1", "1e-05"); always with a point or an exponent if `real`. */
void json_text_number(double x, int real, char to[32]);
#endif
