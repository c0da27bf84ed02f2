/* score_table: the scores of one epoch out of the curves, by class and with their counts: what a finished job's result shows. */
#ifndef WORKER_RUN_SCORE_TABLE_H
#define WORKER_RUN_SCORE_TABLE_H
#include <jansson.h>
#include "schema/job/job_spec.h"
#include "worker/data/dataset.h"
#include "worker/train/trainer.h"

/* Every validation series with a value in `row`, by name: {"val/dice": 0.9, "val/dice/1": ...}. New reference. */
json_t *score_table_flat(const struct trainer_history *h, int64_t row);
/* {epoch, images, images_without_foreground, empty, nsd_tolerance, foreground: {dice, dice_image, nsd, ece ...},
   classes: [{index, name, dice, ..., images_scored, images_both_empty, images_truth_empty, images_predicted_empty}]}; a score that
   has no value is left out. images_scored: how many the means over images are of. NULL where nothing was validated. New reference. */
json_t *score_table_write(const struct trainer_history *h, int64_t row, const struct dataset *set, const struct validation_spec *spec);
#endif
