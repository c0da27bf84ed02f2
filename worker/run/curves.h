/* curves: what the epochs of a run have come to, as a table (CSV) and as a picture (SVG). */
#ifndef WORKER_RUN_CURVES_H
#define WORKER_RUN_CURVES_H
#include "schema/base/err.h"
#include "worker/train/trainer.h"

/* One row an epoch; columns that are empty in every row are left out; what does not exist in a row is empty. Durable. */
enum err curves_write_csv(const char *path, const struct trainer_history *h, struct err_note *note) MUST_USE;
/* Three panels: losses, alpha, Dice of each class. `title` and `classes` are escaped. Durable. */
enum err curves_write_svg(const char *path, const char *title, const struct trainer_history *h, char *const *classes, int num_classes,
                          struct err_note *note) MUST_USE;
#endif
