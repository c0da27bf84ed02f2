/* alpha_json: alpha as a number, keyframes, a named schedule or a plateau <-> struct alpha, with every refusal. */
#ifndef SCHEMA_JOB_ALPHA_JSON_H
#define SCHEMA_JOB_ALPHA_JSON_H
#include <jansson.h>
#include "schema/base/buf.h"
#include "schema/job/alpha.h"

/* Reads a number, {"points": [[t, alpha], ...], "interp", "unit", "repeat", "mirror", "power", "k"}, or
   {"schedule": "linear", "start", "end", "over", "unit", "power", "k"}, which is expanded to two points; without `over` the
   schedule spans the job (unit fraction, 0 to 1), or {"feedback": "plateau", ...} (plateau_json.h). Points past the end of a job of `epochs` x `steps_per_epoch` are refused.
   Mistakes go into `errors`; `a` is changed only when there is none. */
void alpha_read(const json_t *json, int64_t epochs, int64_t steps_per_epoch, struct alpha *a, const char *pointer, struct err_list *errors);
/* Keyframes, or a plateau, with every key, whatever form they were read from. */
enum err alpha_print(const struct alpha *a, struct buf *to) MUST_USE;
const char *alpha_interp_word(enum alpha_interp interp);
const char *alpha_unit_word(enum alpha_unit unit);
#endif
