/* loss_words: a job's loss said back in words: the resolved block with its formulas, the list of strategies, the preview of alpha. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/json_fields.h"
#include "schema/job/alpha_json.h"
#include "schema/job/job_spec_json.h"
#include "schema/job/loss_spec_json.h"

enum { RESOLVED_EPOCHS_MAX = 1000 }; /* of alpha in the resolved block; /v1/alpha:preview gives all */

/* ---- formulas -------------------------------------------------------------------------------------------- */
static const char *dice_formula(const struct loss_spec *loss)
{
    static const char *const formulas[2][2] = {
        {"1 - (2 I + nr) / (P + Y + dr), P = sum p", "1 - (2 I + nr) / (P + Y + dr), P = sum p^2"},
        {"1 - (2 I + nr) / (2 (P + Y - I) + dr), P = sum p", "1 - (2 I + nr) / (2 (P + Y - I) + dr), P = sum p^2"}};
    return formulas[loss->dice.jaccard][loss->dice.squared_pred];
}

static void add_formulas(json_t *json, const struct loss_spec *loss)
{
    static const char *const updates[] = {
        [LOSS_SIMULTANEOUS] = "one forward; both gradients at the same point; then both steps",
        [LOSS_ALTERNATING] = "forward, gradient and step of one loss; a fresh forward on the same batch, then the other",
        [LOSS_ALTERNATING_BATCHES] = "dice_steps batches step Dice, the next ce_steps batches step cross-entropy"};
    json_t *f = json_object();
    json_object_set_new(f, "dice", json_string(dice_formula(loss)));
    json_object_set_new(f, "groups", json_string(loss->dice.batch ? "one group a class over the whole batch; the mean of the groups"
                                                                  : "one group a class and image; the mean of the groups"));
    json_object_set_new(f, "symbols", json_string("I = sum p y, Y = sum y over the pixels of a group that are not ignored; nr = smooth_nr, dr = smooth_dr"));
    json_object_set_new(f, "ce", json_string("mean over the pixels that are not ignored of -log of the probability of the true class"));
    if (loss->strategy == LOSS_SEPARATE_OPTIMIZERS)
        json_object_set_new(f, "update", json_string(updates[loss->optimizers.mode]));
    else
        json_object_set_new(f, "total", json_string(loss->by_lambda                       ? "lambda_dice Dice + lambda_ce CE"
                                                    : loss->strategy == LOSS_SCHEDULED ? "alpha(t) Dice + (1 - alpha(t)) CE"
                                                                                          : "alpha Dice + (1 - alpha) CE"));
    json_object_set_new(json, "formulas", f);
}

/* What the same loss is called elsewhere, where that is exact. */
static json_t *equivalents(const struct loss_spec *loss)
{
    json_t *list = json_array();
    char text[256], dice[32], ce[32];
    double wd, wc;
    loss_spec_weights(loss, loss->alpha.value[0], &wd, &wc);
    json_text_number(wd, 0, dice);
    json_text_number(wc, 0, ce);
    if (loss->strategy == LOSS_CONSTANT && loss->dice.empty == LOSS_EMPTY_SMOOTH && loss->ignore_index < 0) {
        err_print(text, sizeof text, "MONAI DiceCELoss(lambda_dice=%s, lambda_ce=%s, batch=%s, squared_pred=%s, jaccard=%s, smooth_nr, smooth_dr, include_background as here)",
                  dice, ce, loss->dice.batch ? "True" : "False", loss->dice.squared_pred ? "True" : "False", loss->dice.jaccard ? "True" : "False");
        json_array_append_new(list, json_string(text));
    }
    if (loss->strategy == LOSS_CONSTANT && loss->dice.batch && !loss->dice.squared_pred && !loss->dice.jaccard && !loss->include_background) {
        err_print(text, sizeof text, "nnU-Net DC_and_CE_loss(weight_dice=%s, weight_ce=%s) has the same gradient; its Dice is written -D, ours 1 - D", dice, ce);
        json_array_append_new(list, json_string(text));
    }
    if (loss->strategy == LOSS_SCHEDULED && loss->alpha.unit == ALPHA_FRACTION && loss->alpha.count == 2 && loss->alpha.interp == ALPHA_LINEAR &&
        loss->alpha.value[0] >= 1 && loss->alpha.value[1] <= 0)
        json_array_append_new(list, json_string("alpha = 1 - epoch/max_epochs, epoch from 0: the last epoch has 1/max_epochs"));
    if (loss->strategy == LOSS_SEPARATE_OPTIMIZERS && loss->optimizers.mode == LOSS_SIMULTANEOUS && loss->optimizers.dice.type == OPTIMIZER_SGD &&
        loss->optimizers.ce.type == OPTIMIZER_SGD)
        json_array_append_new(list, json_string("two SGDs of the same momentum equal one SGD on lr_dice Dice + lr_ce CE"));
    return list;
}

json_t *loss_resolved_write(const struct job_spec *spec)
{
    json_t *json = loss_spec_write(&spec->loss);
    add_formulas(json, &spec->loss);
    json_object_set_new(json, "equivalent", equivalents(&spec->loss));
    if (spec->loss.strategy != LOSS_SCHEDULED) return json;
    json_t *preview = json_array();
    for (int64_t e = 0; e < spec->training.epochs && e < RESOLVED_EPOCHS_MAX; e++)
        json_array_append_new(preview, json_real(alpha_at(&spec->loss.alpha, e, spec->training.epochs, e * spec->training.steps_per_epoch)));
    json_object_set_new(json, "alpha_by_epoch", preview);
    return json;
}

/* ---- preview ----------------------------------------------------------------------------------------------- */
enum err alpha_preview(const json_t *request, json_t **reply, struct err_list *errors)
{
    struct ask {
        int epochs, steps_per_epoch;
    } ask = {15, 20};
    static const struct field rows[] = {
        {.name = "alpha", .type = FIELD_OTHER, .required = true, .allowed = "a number, points or a schedule"},
        {.name = "epochs", .type = FIELD_INT, FIELD_AT(struct ask, epochs), .min = 1, .max = 100000},
        {.name = "steps_per_epoch", .type = FIELD_INT, FIELD_AT(struct ask, steps_per_epoch), .min = 1, .max = 1000000},
        {0}};
    size_t before = errors->count + errors->dropped;
    struct alpha a;
    const json_t *alpha = json_object_get(request, "alpha");
    *reply = NULL;
    json_fields_read(request, rows, &ask, "", errors);
    if (alpha) alpha_read(alpha, ask.epochs, ask.steps_per_epoch, &a, "/alpha", errors);
    if (errors->count + errors->dropped > before) return ERR_SPEC;
    json_t *values = json_array();
    for (int64_t e = 0; e < ask.epochs; e++) json_array_append_new(values, json_real(alpha_at(&a, e, ask.epochs, e * ask.steps_per_epoch)));
    *reply = json_pack("{s:i, s:o, s:o}", "epochs", ask.epochs, "alpha", values, "keyframes", alpha_write(&a));
    assert(*reply);
    return OK;
}

/* ---- strategies ---------------------------------------------------------------------------------------------- */
static const struct strategy_row {
    enum loss_strategy strategy;
    bool built;
    const char *summary, *formula;
    const char *parameters[6][3]; /* name, default, allowed */
    const char *example;
} strategy_rows[] = {
    {LOSS_CONSTANT, true, "both losses in one sum, weights fixed", "alpha Dice + (1 - alpha) CE, or lambda_dice Dice + lambda_ce CE",
     {{"alpha", "0.5", "a number from 0 to 1: the weight of Dice"}, {"lambda_dice", "null", "a number of at least 0, in place of alpha"},
      {"lambda_ce", "null", "a number of at least 0, in place of alpha"}},
     "{\"strategy\": \"constant\", \"alpha\": 0.8}"},
    {LOSS_SCHEDULED, true, "both losses in one sum, weights that move along keyframes", "alpha(t) Dice + (1 - alpha(t)) CE",
     {{"alpha", "null", "{\"points\": [[t, alpha], ...], \"interp\", \"unit\", \"repeat\", \"mirror\", \"power\", \"k\"}, or {\"schedule\", \"start\", \"end\", \"over\", \"unit\"}"}},
     "{\"strategy\": \"scheduled\", \"alpha\": {\"schedule\": \"linear\", \"start\": 1, \"end\": 0}}"},
    {LOSS_SEPARATE_OPTIMIZERS, true, "each loss steps the same weights with an optimizer of its own",
     "simultaneous: both gradients at one point, then both steps; alternating: step Dice, fresh forward, step CE; alternating_batches: turns by batch",
     {{"optimizers.mode", "\"simultaneous\"", "one of: simultaneous, alternating, alternating_batches"}, {"optimizers.order", "\"dice_first\"", "one of: dice_first, ce_first"},
      {"optimizers.dice_steps", "1", "1 to 1000, alternating_batches"}, {"optimizers.ce_steps", "1", "1 to 1000, alternating_batches"},
      {"optimizers.dice", "{\"type\": \"adam\", \"lr\": 0.001}", "an optimizer"}, {"optimizers.ce", "{\"type\": \"adam\", \"lr\": 0.0001}", "an optimizer"}},
     "{\"strategy\": \"separate_optimizers\", \"optimizers\": {\"mode\": \"alternating\", \"dice\": {\"lr\": 0.001}, \"ce\": {\"lr\": 0.0001}}}"},
    {LOSS_ADAPTIVE, false, "weights that follow the values of the losses", "w_dice Dice + w_ce CE, w from the losses", {{0}}, NULL},
    {LOSS_GRADIENT, false, "weights that follow the two gradients", "w_dice g_dice + w_ce g_ce, w from |g_dice|^2, g_dice g_ce, |g_ce|^2", {{0}}, NULL},
};

static json_t *parse(const char *text)
{
    json_t *json = text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_null();
    assert(json);
    return json;
}

static json_t *write_strategy(const struct strategy_row *row)
{
    json_t *parameters = json_array();
    for (int i = 0; i < 6 && row->parameters[i][0]; i++)
        json_array_append_new(parameters, json_pack("{s:s, s:o, s:s}", "name", row->parameters[i][0], "default", parse(row->parameters[i][1]), "allowed",
                                                    row->parameters[i][2]));
    json_t *json = json_pack("{s:s, s:b, s:s, s:s, s:o, s:o}", "strategy", loss_strategy_word(row->strategy), "built", row->built, "summary", row->summary,
                             "formula", row->formula, "parameters", parameters, "example", parse(row->example));
    assert(json);
    return json;
}

/* What every strategy takes, from the reader's own rows. */
static json_t *write_common(const struct field *fields, const void *standard)
{
    json_t *list = json_array(), *defaults = json_fields_write(fields, standard);
    for (const struct field *f = fields; f->name; f++) {
        char allowed[256];
        const json_t *value = json_object_get(defaults, f->name);
        if (!value || !strcmp(f->name, "strategy")) continue;
        json_fields_allowed(f, allowed, sizeof allowed);
        json_t *row = json_pack("{s:s, s:O, s:s, s:s}", "name", f->name, "default", value, "allowed", allowed, "help", f->help ? f->help : "");
        if (f->type == FIELD_OBJECT) json_object_set_new(row, "keys", write_common(f->fields, (const char *)standard + f->offset));
        json_array_append_new(list, row);
    }
    json_decref(defaults);
    return list;
}

json_t *strategies_write(void)
{
    json_t *list = json_array();
    struct loss_spec loss;
    struct optimizer_spec optimizer;
    loss_spec_default(&loss);
    optimizer_spec_default(&optimizer);
    for (size_t i = 0; i < sizeof strategy_rows / sizeof strategy_rows[0]; i++) json_array_append_new(list, write_strategy(&strategy_rows[i]));
    return json_pack("{s:o, s:o, s:o}", "strategies", list, "common", write_common(loss_fields, &loss), "optimizer", write_common(optimizer_fields, &optimizer));
}
