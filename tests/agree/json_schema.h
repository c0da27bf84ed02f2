/* json_schema: the part of JSON Schema 2020-12 that openapi.json speaks, checked on jansson values. */
#ifndef TESTS_AGREE_JSON_SCHEMA_H
#define TESTS_AGREE_JSON_SCHEMA_H
#include <jansson.h>
#include <stdbool.h>

/* Where a value does not fit and why: a JSON pointer into the value and a sentence. */
struct schema_note {
    char pointer[256];
    char text[384];
};

/* Does `value` fit `schema`? `$ref: "#/..."` is looked up in `root`. Keywords: $ref type enum const properties required
   additionalProperties propertyNames items minItems maxItems minimum maximum exclusiveMinimum exclusiveMaximum
   minLength maxLength pattern (POSIX extended) oneOf anyOf allOf. The rest is description. */
bool json_schema_fits(const json_t *root, const json_t *schema, const json_t *value, struct schema_note *note);
/* Does `schema`, with everything under it, use only keywords that the checker knows or may ignore, and only references
   that lead somewhere? A keyword that nobody checks would be a promise that nobody keeps. */
bool json_schema_is_plain(const json_t *root, const json_t *schema, struct schema_note *note);
/* The value under "#/components/schemas/Job" in `root`, or NULL. */
const json_t *json_schema_ref(const json_t *root, const char *ref);
#endif
