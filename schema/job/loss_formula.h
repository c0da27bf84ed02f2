/* loss_formula: what the two losses of a job compute, as one line of text each; only the terms that its options bring. */
#ifndef SCHEMA_JOB_LOSS_FORMULA_H
#define SCHEMA_JOB_LOSS_FORMULA_H
#include <stddef.h>
#include "schema/job/loss_spec.h"

enum { LOSS_FORMULA_BYTES = 512 };
const char *loss_formula_dice(const struct loss_spec *loss);
const char *loss_formula_groups(const struct loss_spec *loss);
void loss_formula_ce(const struct loss_spec *loss, char to[LOSS_FORMULA_BYTES]);
/* Cross-entropy is the plain mean over the pixels that are not ignored. */
bool loss_ce_is_plain(const struct loss_spec *loss);
#endif
