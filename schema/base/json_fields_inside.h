/* json_fields_inside: what the json_fields*.c files share and nobody else includes. */
#ifndef SCHEMA_BASE_JSON_FIELDS_INSIDE_H
#define SCHEMA_BASE_JSON_FIELDS_INSIDE_H
#include <stdint.h>
#include "schema/base/json_fields.h"

/* Where the struct at `base` keeps how many elements its array has; of rows with array_min != array_max. */
static inline int *json_fields_count(const struct field *f, const void *base)
{
    return (int *)((uintptr_t)base + f->count_offset);
}
#endif
