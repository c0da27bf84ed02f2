/* alpha_preview: alpha before anything is queued: epoch by epoch, for unit step also step by step, for a plateau its two bounds. */
#include <assert.h>
#include <stdlib.h>

#include "schema/base/json_fields.h"
#include "schema/job/alpha_json.h"
#include "schema/job/job_spec_json.h"

enum { STEP_VALUES_MAX = 1000 };
struct ask {
    int epochs, steps_per_epoch, every_epochs;
};

static json_t *as_read(const struct alpha *a)
{
    struct buf text;
    buf_init(&text, JOB_TEXT_BYTES_MAX);
    return json_text_take(alpha_print(a, &text), &text);
}

static json_t *by_epoch(const struct alpha *a, const struct ask *ask)
{
    json_t *values = json_array();
    for (int64_t e = 0; e < ask->epochs; e++) json_array_append_new(values, json_real(alpha_at(a, e, ask->epochs, e * ask->steps_per_epoch)));
    return values;
}

/* A curve over steps may turn many times within an epoch: every k-th step, so that there are at most STEP_VALUES_MAX. */
static json_t *by_step(const struct alpha *a, const struct ask *ask)
{
    int64_t steps = (int64_t)ask->epochs * ask->steps_per_epoch, every = (steps + STEP_VALUES_MAX - 1) / STEP_VALUES_MAX;
    json_t *values = json_array();
    for (int64_t s = 0; s < steps; s += every) json_array_append_new(values, json_real(alpha_at(a, s / ask->steps_per_epoch, ask->epochs, s)));
    return json_pack("{s:I, s:o}", "every_steps", (json_int_t)every, "alpha", values);
}

static json_t *bounds(const struct alpha *a, const struct ask *ask)
{
    double *alpha = malloc((size_t)ask->epochs * sizeof *alpha);
    json_t *values = json_array();
    if (!alpha) abort();
    plateau_always(&a->plateau, ask->epochs, ask->every_epochs, alpha);
    for (int e = 0; e < ask->epochs; e++) json_array_append_new(values, json_real(alpha[e]));
    free(alpha);
    return json_pack("{s:o, s:o}", "never_stalls", by_epoch(a, ask), "always_stalls", values);
}

enum err alpha_preview(const json_t *request, json_t **reply, struct err_list *errors)
{
    struct ask ask = {.epochs = 15, .steps_per_epoch = 20, .every_epochs = 1};
    static const struct field rows[] = {
        {.name = "alpha", .type = FIELD_OTHER, .required = true, .allowed = "a number, points, a schedule or a plateau"},
        {.name = "epochs", .type = FIELD_INT, FIELD_AT(struct ask, epochs), .min = 1, .max = 100000},
        {.name = "steps_per_epoch", .type = FIELD_INT, FIELD_AT(struct ask, steps_per_epoch), .min = 1, .max = 1000000},
        {.name = "every_epochs", .type = FIELD_INT, FIELD_AT(struct ask, every_epochs), .min = 1, .max = 100000},
        {0}};
    size_t before = errors->count + errors->dropped;
    struct alpha a;
    const json_t *alpha = json_object_get(request, "alpha");
    *reply = NULL;
    json_fields_read(request, rows, &ask, "", errors);
    if (alpha) alpha_read(alpha, ask.epochs, ask.steps_per_epoch, &a, "/alpha", errors);
    if (errors->count + errors->dropped > before) return ERR_SPEC;
    if (a.plateau.on)
        *reply = json_pack("{s:i, s:o, s:o}", "epochs", ask.epochs, "bounds", bounds(&a, &ask), "plateau", as_read(&a));
    else
        *reply = json_pack("{s:i, s:o, s:o}", "epochs", ask.epochs, "alpha", by_epoch(&a, &ask), "keyframes", as_read(&a));
    assert(*reply);
    if (!a.plateau.on && a.unit == ALPHA_STEP) json_object_set_new(*reply, "steps", by_step(&a, &ask));
    return OK;
}
