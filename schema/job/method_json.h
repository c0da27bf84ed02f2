/* method_json: the table of adaptive and gradient methods, and the keys of the loss block that are theirs. */
#ifndef SCHEMA_JOB_METHOD_JSON_H
#define SCHEMA_JOB_METHOD_JSON_H
#include <jansson.h>
#include "schema/base/json_fields.h"
#include "schema/job/loss_spec.h"

struct method_row {
    const char *word;
    enum loss_strategy strategy;
    const struct field *params; /* rows of struct method_params */
    const char *summary, *formula;
    const char *sum;            /* what its two weights add up to: the step of SGD depends on it */
    const char *cost;           /* of a step, against one of strategy constant */
};
extern const struct method_row method_rows[METHODS]; /* [METHOD_NONE] is empty */
extern const struct field gram_fields[];             /* rows of struct gram_spec */
const char *method_word(enum loss_method method);    /* "pcgrad" */

/* loss->params and loss->gram with the defaults of `method`. */
void method_default(struct loss_spec *loss, enum loss_method method);
/* Reads method, params, gram and warmup_epochs of a loss block whose other keys are read; refuses them where they
   have no meaning. Alpha of the two strategies is read here, too. */
void method_read(const json_t *json, int64_t epochs, struct loss_spec *loss, const char *pointer, struct err_list *errors);
/* The same keys as JSON text, for the rows of the loss block; `from` is the struct loss_spec. */
bool method_applies(const void *loss); /* method, params, warmup_epochs */
bool gram_applies(const void *loss);
enum err method_print(const void *from, struct buf *to);
enum err params_print(const void *from, struct buf *to);
enum err gram_print(const void *from, struct buf *to);
enum err warmup_print(const void *from, struct buf *to);
#endif
