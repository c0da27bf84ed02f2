/* manifest_json: typed access to the members of dataset.json, with the place of each in its complaint. */
#ifndef WORKER_DATA_MANIFEST_JSON_H
#define WORKER_DATA_MANIFEST_JSON_H
#include <jansson.h>

#include "schema/base/err.h"

#define MANIFEST_FILE "dataset.json"

/* A place in the file, "dataset.json#/items/3/mask". */
struct place {
    char text[192];
};
struct place manifest_place(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same for a key that may hold the two letters that a pointer escapes. */
struct place manifest_place_key(const char *parent, const char *key);

/* ERR_DATA at `place`: the detail is the place and what is wrong with it. */
enum err manifest_bad(struct err_note *note, struct place place, const char *format, ...) PRINTF_LIKE(3, 4);
enum err manifest_no_memory(struct err_note *note);
void manifest_say_found(struct err_note *note, const char *found, const char *allowed);
const char *json_type_word(const json_t *value); /* "a list" */

/* The member `key` of the object at `parent` ("" or "/labels"), which must be there and of `type`; *value is borrowed. */
enum err manifest_member(const json_t *object, const char *parent, const char *key, json_type type,
                         const json_t **value, struct err_note *note) MUST_USE;
/* The same for a whole number in low..high. */
enum err manifest_whole_number(const json_t *object, const char *parent, const char *key, long long low, long long high,
                               long long *number, struct err_note *note) MUST_USE;
/* A text of 1..`max` bytes without control characters, copied; the caller frees. */
enum err manifest_copy_text(const json_t *value, struct place place, size_t max, char **text,
                            struct err_note *note) MUST_USE;
/* Only the words of `known` (ends with NULL) may be keys of `object`. */
enum err manifest_known_keys(const json_t *object, const char *parent, const char *const *known,
                             struct err_note *note) MUST_USE;
#endif
