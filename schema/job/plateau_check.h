/* plateau_check: the scores that may be a monitor, and what is wrong or odd about a plateau beside the rest of its job. No JSON here. */
#ifndef SCHEMA_JOB_PLATEAU_CHECK_H
#define SCHEMA_JOB_PLATEAU_CHECK_H
#include "schema/job/job_spec.h"

/* Series that may be a monitor, ending with NULL; each also of one class: "val/dice/1". */
extern const char *const plateau_monitors[];
/* Is `text` a monitor? Then *mode is the way it improves. */
bool plateau_monitor(const char *text, enum plateau_mode *mode);
/* A monitor that this job's validations do not make, or of a class that has no such score. No-op where alpha does not follow one; so are the next two. */
void plateau_check(const struct job_spec *spec, struct err_list *errors);
void plateau_check_classes(const struct job_spec *spec, int classes, struct err_list *errors);
/* Remarks, their word in `nearest`: plateau_unreachable, alpha_end, monitor_mode. */
void plateau_warn(const struct job_spec *spec, struct err_list *warnings);
#endif
