/* loss_check: which options of the two losses make no sense together, or not for that many classes. */
#ifndef SCHEMA_JOB_LOSS_CHECK_H
#define SCHEMA_JOB_LOSS_CHECK_H
#include "schema/base/err.h"
#include "schema/job/loss_spec.h"

/* What the block says by itself; pointers start with `pointer` ("/loss"). */
void loss_check(const struct loss_spec *loss, const char *pointer, struct err_list *errors);
/* What only the number of classes decides; nothing of it is said by loss_check. Pointers start with "/loss". */
void loss_check_classes(const struct loss_spec *loss, int classes, struct err_list *errors);
#endif
