/* job_check: what is wrong in a job only when its parts are seen together, and what is worth a remark. */
#ifndef SCHEMA_JOB_JOB_CHECK_H
#define SCHEMA_JOB_JOB_CHECK_H
#include "schema/job/job_spec.h"

/* Adds to `errors`; every field is within its own bounds already. */
void job_check(const struct job_spec *spec, struct err_list *errors);
/* Remarks on an accepted job: alpha_end, dice_only, adam_ignores_scale, equivalent, decay_twice, cost, sign_theorem, and those of
   plateau_check.h (the word is in `nearest`). */
void job_warn(const struct job_spec *spec, struct err_list *warnings);
#endif
