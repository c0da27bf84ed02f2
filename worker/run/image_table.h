/* image_table: what each validation image scored with the best weights, as columns; and the images that scored worst. */
#ifndef WORKER_RUN_IMAGE_TABLE_H
#define WORKER_RUN_IMAGE_TABLE_H
#include <jansson.h>
#include "schema/job/job_spec.h"
#include "worker/data/dataset.h"
#include "worker/train/trainer.h"

/* After trainer_evaluate: the JSON of schema/job/image_scores.h, `epoch` that of the best weights; NULL where nothing was validated.
   The same bits in every run of a spec. New reference. */
json_t *image_table_write(const struct trainer *t, const struct dataset *set, const struct job_spec *spec, int64_t epoch);
/* [{id, dice, nsd}]: up to IMAGE_TABLE_WORST images of that table, the lowest Dice first, of equals the first in the split; images without
   any foreground are left out. An absent nsd is null. New reference. ERR_NO_MEMORY: *worst is NULL. */
enum { IMAGE_TABLE_WORST = 5 };
enum err image_table_worst(const json_t *table, json_t **worst, struct err_note *note) MUST_USE;
#endif
