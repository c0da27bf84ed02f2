/* loss_words: a job's loss said back in words: the resolved block with its formulas, the list of strategies. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/json_fields.h"
#include "schema/job/alpha_json.h"
#include "schema/job/job_spec_json.h"
#include "schema/job/loss_formula.h"
#include "schema/job/loss_spec_json.h"
#include "schema/job/loss_terms_json.h"
#include "schema/job/method_json.h"

enum { RESOLVED_EPOCHS_MAX = 1000 }; /* of alpha in the resolved block; /v1/alpha:preview gives all */

/* ---- formulas -------------------------------------------------------------------------------------------- */
static enum err add_formulas(struct buf *to, const struct loss_spec *loss)
{
    static const char *const updates[] = {
        [LOSS_SIMULTANEOUS] = "one forward; both gradients at the same point; then both steps",
        [LOSS_ALTERNATING] = "forward, gradient and step of one loss; a fresh forward on the same batch, then the other",
        [LOSS_ALTERNATING_BATCHES] = "dice_steps batches step Dice, the next ce_steps batches step cross-entropy"};
    const char *total = loss->by_lambda                    ? "lambda_dice Dice + lambda_ce CE"
                        : loss->strategy == LOSS_SCHEDULED ? "alpha(t) Dice + (1 - alpha(t)) CE"
                                                           : "alpha Dice + (1 - alpha) CE";
    bool separate = loss->strategy == LOSS_SEPARATE_OPTIMIZERS, method = loss->method != METHOD_NONE;
    const struct method_row *row = &method_rows[loss->method];
    const char *update = separate                          ? updates[loss->optimizers.mode]
                         : loss->strategy == LOSS_GRADIENT ? "w_dice g_dice + w_ce g_ce, the unweighted gradients"
                                                           : "the gradient of w_dice Dice + w_ce CE";
    char ce[LOSS_FORMULA_BYTES];
    loss_formula_ce(loss, ce);
    const char *const pairs[][2] = {
        {"dice", loss_formula_dice(loss)},
        {"groups", loss_formula_groups(loss)},
        {"symbols", "I = sum p y, Y = sum y over the pixels of a group that are not ignored; nr = smooth_nr, dr = smooth_dr"},
        {"ce", ce},
        {separate || method ? "update" : "total", separate || method ? update : total},
        {loss->alpha.plateau.on ? "alpha" : NULL,
         "from; after `patience` validations in a row that did not pass the monitor's best by more than `threshold`: alpha + delta, never past `to`; the `cooldown` validations "
         "after that count for the best alone"},
        {method ? "weights" : NULL, row->formula},
        {method ? "weights_sum" : NULL, row->sum},
        {loss->strategy == LOSS_GRADIENT ? "weights_symbols" : NULL,
         "a = |g_dice|^2, b = g_dice.g_ce, c = |g_ce|^2, cos = b/sqrt(a c); where a or c is below 1e-20 or |cos| above 1 - 1e-12: the weights of a = c = 1, b = 0"}};
    enum err e = json_text_add_key(to, "formulas");
    if (!e) e = buf_text(to, "{");
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && !e; i++)
        if (pairs[i][0]) e = json_text_add_pair(to, pairs[i][0], pairs[i][1]);
    return e ? e : buf_text(to, "}");
}

static enum err add_item(struct buf *to, const char *text)
{
    enum err e = to->data[to->length - 1] == '[' ? OK : buf_text(to, ",");
    return e ? e : json_text_add_string(to, text, strlen(text));
}

/* What the same loss is called elsewhere, where that is exact. */
static enum err add_equivalents(struct buf *to, const struct loss_spec *loss)
{
    char text[256], dice[32], ce[32];
    double wd, wc;
    loss_spec_weights(loss, loss->alpha.value[0], &wd, &wc);
    json_text_number(wd, 0, dice);
    json_text_number(wc, 0, ce);
    enum err e = json_text_add_key(to, "equivalent");
    if (!e) e = buf_text(to, "[");
    if (!e && loss->strategy == LOSS_CONSTANT && loss->dice.empty == LOSS_EMPTY_SMOOTH && loss->ignore_index < 0 && loss_ce_is_plain(loss)) {
        err_print(text, sizeof text, "MONAI DiceCELoss(lambda_dice=%s, lambda_ce=%s, batch=%s, squared_pred=%s, jaccard=%s, smooth_nr, smooth_dr, include_background as here)",
                  dice, ce, loss->dice.batch ? "True" : "False", loss->dice.squared_pred ? "True" : "False", loss->dice.jaccard ? "True" : "False");
        e = add_item(to, text);
    }
    if (!e && loss->strategy == LOSS_CONSTANT && loss->dice.batch && !loss->dice.squared_pred && !loss->dice.jaccard && !loss->include_background &&
        loss->dice.empty == LOSS_EMPTY_SMOOTH && !(loss->dice.smooth_nr < loss->dice.smooth_dr || loss->dice.smooth_nr > loss->dice.smooth_dr) && loss_ce_is_plain(loss)) {
        err_print(text, sizeof text, "nnU-Net DC_and_CE_loss(weight_dice=%s, weight_ce=%s) has the same gradient; its Dice is written -D, ours 1 - D", dice, ce);
        e = add_item(to, text);
    }
    if (!e && loss->strategy == LOSS_SCHEDULED && loss->alpha.unit == ALPHA_FRACTION && loss->alpha.count == 2 && loss->alpha.interp == ALPHA_LINEAR &&
        loss->alpha.value[0] >= 1 && loss->alpha.value[1] <= 0)
        e = add_item(to, "alpha = 1 - epoch/max_epochs, epoch from 0: the last epoch has 1/max_epochs");
    if (!e && loss->strategy == LOSS_SEPARATE_OPTIMIZERS && loss->optimizers.mode == LOSS_SIMULTANEOUS && loss->optimizers.dice.type == OPTIMIZER_SGD &&
        loss->optimizers.ce.type == OPTIMIZER_SGD)
        e = add_item(to, "two SGDs of the same momentum equal one SGD on lr_dice Dice + lr_ce CE");
    return e ? e : buf_text(to, "]");
}

static enum err add_numbers(struct buf *to, const char *key, const double *values, int64_t count)
{
    enum err e = json_text_add_key(to, key);
    if (!e) e = buf_text(to, "[");
    for (int64_t i = 0; i < count && !e; i++) {
        if (i) e = buf_text(to, ",");
        if (!e) e = json_text_add_real(to, values[i]);
    }
    return e ? e : buf_text(to, "]");
}

static enum err add_alpha_by_epoch(struct buf *to, const struct job_spec *spec)
{
    double values[RESOLVED_EPOCHS_MAX], never[RESOLVED_EPOCHS_MAX];
    const struct alpha *a = &spec->loss.alpha;
    int64_t epochs = spec->training.epochs, count = epochs < RESOLVED_EPOCHS_MAX ? epochs : RESOLVED_EPOCHS_MAX;
    for (int64_t i = 0; i < count; i++) values[i] = never[i] = alpha_at(a, i, epochs, i * spec->training.steps_per_epoch);
    if (!a->plateau.on) return add_numbers(to, "alpha_by_epoch", values, count);
    plateau_always(&a->plateau, count, spec->validation.every_epochs, values);
    enum err e = json_text_add_key(to, "alpha_bounds");
    if (!e) e = buf_text(to, "{");
    if (!e) e = add_numbers(to, "never_stalls", never, count);
    if (!e) e = add_numbers(to, "always_stalls", values, count);
    return e ? e : buf_text(to, "}");
}

enum err loss_resolved_print(const struct job_spec *spec, struct buf *to)
{
    enum err e = loss_spec_print(&spec->loss, to);
    if (e) return e;
    to->length--; /* its brace: the object goes on */
    e = add_formulas(to, &spec->loss);
    if (!e) e = add_equivalents(to, &spec->loss);
    if (!e && spec->loss.class_weight.count) { /* those of `balanced`, once the training split is known */
        e = json_text_add_key(to, "class_weights");
        if (!e) e = class_weight_numbers(&spec->loss.class_weight, to);
    }
    if (!e && spec->loss.strategy == LOSS_SCHEDULED) e = add_alpha_by_epoch(to, spec);
    return e ? e : buf_text(to, "}");
}

json_t *loss_resolved_write(const struct job_spec *spec)
{
    struct buf text;
    buf_init(&text, JOB_TEXT_BYTES_MAX);
    return json_text_take(loss_resolved_print(spec, &text), &text);
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
    {LOSS_SCHEDULED, true, "both losses in one sum, weights that move along keyframes, or when validation stalls", "alpha(t) Dice + (1 - alpha(t)) CE",
     {{"alpha", "null", "{\"points\": [[t, alpha], ...], \"interp\", \"unit\", \"repeat\", \"mirror\", \"power\", \"k\"}, or {\"schedule\", \"start\", \"end\", \"over\", \"unit\"}, or {\"feedback\": \"plateau\", \"from\", \"to\", \"delta\", \"monitor\", \"mode\", \"patience\", \"threshold\", \"cooldown\"}"}},
     "{\"strategy\": \"scheduled\", \"alpha\": {\"schedule\": \"linear\", \"start\": 1, \"end\": 0}}"},
    {LOSS_SEPARATE_OPTIMIZERS, true, "each loss steps the same weights with an optimizer of its own",
     "simultaneous: both gradients at one point, then both steps; alternating: step Dice, fresh forward, step CE; alternating_batches: turns by batch",
     {{"optimizers.mode", "\"simultaneous\"", "one of: simultaneous, alternating, alternating_batches"}, {"optimizers.order", "\"dice_first\"", "one of: dice_first, ce_first"},
      {"optimizers.dice_steps", "1", "1 to 1000, alternating_batches"}, {"optimizers.ce_steps", "1", "1 to 1000, alternating_batches"},
      {"optimizers.dice", "{\"type\": \"adam\", \"lr\": 0.001}", "an optimizer"}, {"optimizers.ce", "{\"type\": \"adam\", \"lr\": 0.0001}", "an optimizer"}},
     "{\"strategy\": \"separate_optimizers\", \"optimizers\": {\"mode\": \"alternating\", \"dice\": {\"lr\": 0.001}, \"ce\": {\"lr\": 0.0001}}}"},
    {LOSS_ADAPTIVE, true, "weights that follow the values of the losses", "w_dice Dice + w_ce CE, w from the losses",
     {{"method", "null", "one of methods"}, {"params", "{}", "of the method"}, {"gram", "{\"level\": \"last_layer\"}", "gradnorm: where the lengths are taken"},
      {"warmup_epochs", "0", "epochs of alpha, 1 - alpha first"}, {"alpha", "0.5", "a number from 0 to 1: loss_scale, and the warm-up of all"}},
     "{\"strategy\": \"adaptive\", \"method\": \"uncertainty\", \"params\": {\"init\": 0, \"lr\": 0.025}}"},
    {LOSS_GRADIENT, true, "weights that follow the two gradients", "w_dice g_dice + w_ce g_ce, w from a = |g_dice|^2, b = g_dice.g_ce, c = |g_ce|^2",
     {{"method", "null", "one of methods"}, {"params", "{}", "of the method"}, {"gram", "{\"level\": \"full\", \"scope\": \"model\", \"every\": 1, \"ema\": 0}", "where and how often a, b, c are taken"},
      {"warmup_epochs", "0", "epochs of alpha, 1 - alpha first"}, {"alpha", "0.5", "the preference of upgrad, dualproj, aligned_mtl, and the warm-up of all"}},
     "{\"strategy\": \"gradient\", \"method\": \"cagrad\", \"params\": {\"c\": 0.5, \"rescale\": 1}, \"gram\": {\"level\": \"full\", \"every\": 4}, \"alpha\": 0.5, \"warmup_epochs\": 2}"},
};

static json_t *parse(const char *text)
{
    json_t *json = text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_null();
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
        if (!value || f->applies || !strcmp(f->name, "strategy")) continue;
        json_fields_allowed(f, allowed, sizeof allowed);
        json_t *row = json_pack("{s:s, s:O, s:s, s:s}", "name", f->name, "default", value, "allowed", allowed, "help", f->help ? f->help : "");
        if (f->type == FIELD_OBJECT) json_object_set_new(row, "keys", write_common(f->fields, (const char *)standard + f->offset));
        json_array_append_new(list, row);
    }
    json_decref(defaults);
    return list;
}

/* The rows of method_json, each with its parameters at their defaults and the shortest block that asks for it. */
static json_t *write_methods(enum loss_strategy strategy)
{
    json_t *list = json_array();
    struct method_params standard;
    for (int m = METHOD_NONE + 1; m < METHODS; m++) {
        const struct method_row *row = &method_rows[m];
        if (row->strategy != strategy) continue;
        memset(&standard, 0, sizeof standard);
        json_fields_default(row->params, &standard);
        json_t *example = json_pack("{s:s, s:s}", "strategy", loss_strategy_word(strategy), "method", row->word);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "method", row->word, "summary", row->summary, "formula", row->formula, "sum",
                                              row->sum, "cost", row->cost, "parameters", write_common(row->params, &standard), "example", example));
    }
    return list;
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
    if (row->strategy == LOSS_ADAPTIVE || row->strategy == LOSS_GRADIENT) json_object_set_new(json, "methods", write_methods(row->strategy));
    return json;
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
