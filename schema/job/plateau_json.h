/* plateau_json: {"feedback": "plateau", ...} <-> struct plateau, with every refusal. */
#ifndef SCHEMA_JOB_PLATEAU_JSON_H
#define SCHEMA_JOB_PLATEAU_JSON_H
#include <jansson.h>
#include "schema/base/json_fields.h"
#include "schema/job/plateau.h"

extern const struct field plateau_fields[];

/* Reads {"feedback": "plateau", "from", "to", "delta", "monitor", "mode", "patience", "threshold", "cooldown"}. Unless `mode` is
   said, it is the way the monitor improves. Mistakes go into `errors`; `p` is changed only when there is none. */
void plateau_read(const json_t *json, struct plateau *p, const char *pointer, struct err_list *errors);
enum err plateau_print(const struct plateau *p, struct buf *to) MUST_USE; /* with every key */
#endif
