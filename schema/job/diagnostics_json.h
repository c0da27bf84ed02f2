/* diagnostics_json: reading and writing loss.diagnostics: how often and where the two gradients are compared. */
#ifndef SCHEMA_JOB_DIAGNOSTICS_JSON_H
#define SCHEMA_JOB_DIAGNOSTICS_JSON_H
#include <jansson.h>
#include "schema/base/json_fields.h"

extern const struct field diagnostics_fields[]; /* rows of struct diagnostics_spec */
/* For the row of the loss block; `to` and `from` are a struct diagnostics_spec. null: never. */
void diagnostics_read(const json_t *value, void *to, const char *pointer, struct err_list *errors);
enum err diagnostics_print(const void *from, struct buf *to);
#endif
