/* json_fields: reads and writes a struct by a table of rows; every mistake becomes a note that names the place and what is allowed. */
#ifndef SCHEMA_BASE_JSON_FIELDS_H
#define SCHEMA_BASE_JSON_FIELDS_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "schema/base/err.h"
#include "schema/base/json_text.h"

enum field_type {
    FIELD_BOOL,   /* bool */
    FIELD_INT,    /* int, min..max. 4.0 is refused: a whole number is written 4 */
    FIELD_INT64,  /* int64_t, min..max */
    FIELD_REAL,   /* double, min..max, finite; a JSON integer is fine */
    FIELD_TEXT,   /* char[size]: at most size-1 bytes, UTF-8 */
    FIELD_WORD,   /* an enum whose values 0, 1, ... are named by `words` */
    FIELD_OBJECT, /* a struct in place, by `fields` */
    FIELD_OTHER   /* by `read` and `write`; without `read`: a known key that the caller reads itself */
};

/* One key of an object. Rows are static tables ending with {0}; `to` is base + offset.
   To add a key: a row here-like with help and default, one accepted and one refused example in tests/vectors. */
struct field {
    const char *name;
    enum field_type type;
    size_t offset, size;           /* size of one element: needed for FIELD_TEXT, and for arrays of text and objects */
    double min, max;               /* for numbers */
    bool open_min, open_max;       /* the bound itself is not allowed */
    bool required;
    bool nullable;                 /* null stands for the value `null_value`, and is what is written for it */
    bool one_line;                 /* FIELD_TEXT: no control characters */
    double null_value;
    double standard;               /* default of numbers, bools and words (its index), set by json_fields_default */
    const char *standard_text;     /* default of FIELD_TEXT, NULL = "" */
    const char *const *words;      /* ends with NULL */
    const struct field *fields;
    /* an array of elements of `type`, contiguous: array_min..array_max of them; their count goes to the int at count_offset
       unless array_min == array_max. array_max 0: no array. Arrays have no default here: the caller fills them. */
    int array_min, array_max;
    size_t count_offset;
    enum err range_error;          /* instead of ERR_RANGE */
    enum err word_error;           /* instead of ERR_WORD_UNKNOWN */
    bool (*text_fits)(const char *text); /* further rule of FIELD_TEXT, described by `allowed` */
    const char *allowed;           /* said instead of what the row's own bounds say */
    void (*read)(const json_t *value, void *to, const char *pointer, struct err_list *errors);
    enum err (*write)(const void *from, struct buf *to); /* the value as JSON text; NULL: the key is left out */
    bool (*applies)(const void *base); /* false for a struct in which this key means nothing: it is left out; NULL: always */
    bool apart;                    /* left out by json_fields_print_core */
    const char *help;              /* one line */
};
#define FIELD_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)

/* Reads `object` into the struct at `to`, which holds the defaults already: absent keys keep theirs. Reports unknown keys (with
   the nearest), types, ranges, words and missing keys into `errors`, pointers starting with `pointer` ("" at the root). What is
   refused keeps its default. */
void json_fields_read(const json_t *object, const struct field *fields, void *to, const char *pointer, struct err_list *errors);
/* Every row that applies, in the table's order, as one line of JSON text; an object none of whose keys is written is left out itself.
   ERR_TOO_LARGE, ERR_NO_MEMORY. */
enum err json_fields_print(const struct field *fields, const void *from, struct buf *to) MUST_USE;
/* The same without the rows that are `apart`. */
enum err json_fields_print_core(const struct field *fields, const void *from, struct buf *to) MUST_USE;
/* json_fields_print as a tree. New reference. */
json_t *json_fields_write(const struct field *fields, const void *from);
/* Writes the default of every row (nested objects too; arrays and FIELD_OTHER are the caller's). */
void json_fields_default(const struct field *fields, void *to);
/* What the row allows, in words: "an integer from 1 to 4", "one of: adam, adamw, sgd". */
void json_fields_allowed(const struct field *field, char *to, size_t size);
/* pointer + "/" + key with ~ and / escaped. */
void json_pointer_join(char *to, size_t size, const char *pointer, const char *key);
/* One note of `code` about `value` at `pointer`: found is filled from it, allowed may be "". */
struct err_note *json_fields_refuse(struct err_list *errors, enum err code, const char *pointer, const json_t *value,
                                    const char *allowed, const char *detail);
/* The notes as JSON: [{code, pointer, detail, found, allowed, nearest}], empty fields left out. New reference. */
json_t *json_notes_write(const struct err_list *errors);
#endif
