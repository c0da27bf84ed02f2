/* loss_spec_json: the loss block and the optimizers of a job as JSON, and their words. */
#ifndef SCHEMA_JOB_LOSS_SPEC_JSON_H
#define SCHEMA_JOB_LOSS_SPEC_JSON_H
#include <jansson.h>
#include "schema/base/json_fields.h"
#include "schema/job/loss_spec.h"

extern const struct field optimizer_fields[]; /* rows of struct optimizer_spec */
extern const struct field loss_fields[];      /* rows of struct loss_spec; alpha, lambdas and optimizers are read by hand */
const char *loss_strategy_word(enum loss_strategy strategy);
const char *loss_mode_word(enum loss_mode mode);
const char *optimizer_type_word(enum optimizer_type type);

/* Reads the block (NULL: the default) for a job of that many epochs and steps, with every refusal of loss.md section 7. */
void loss_spec_read(const json_t *json, int64_t epochs, int64_t steps_per_epoch, struct loss_spec *loss, const char *pointer,
                    struct err_list *errors);
/* The block with every default; only the keys of its strategy. */
enum err loss_spec_print(const struct loss_spec *loss, struct buf *to) MUST_USE;
#endif
