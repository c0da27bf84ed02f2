/* loss_terms_json: the two losses themselves as JSON rows: their options, and the weights of the classes. */
#ifndef SCHEMA_JOB_LOSS_TERMS_JSON_H
#define SCHEMA_JOB_LOSS_TERMS_JSON_H
#include <jansson.h>
#include "schema/base/json_fields.h"
#include "schema/job/loss_spec.h"

/* Rows of the objects `dice` and `ce`; their offsets are those of struct loss_spec. */
extern const struct field loss_dice_fields[], loss_ce_fields[];
/* class_weight: null, "balanced" or a list, as a row's read and write of struct class_weight_spec. */
extern const char class_weight_allowed[];
void class_weight_read(const json_t *value, void *to, const char *pointer, struct err_list *errors);
enum err class_weight_print(const void *from, struct buf *to) MUST_USE;
/* The numbers alone as an array, also those of `balanced`; [] while there are none. */
enum err class_weight_numbers(const struct class_weight_spec *weights, struct buf *to) MUST_USE;
#endif
