/* loss_spec_json: reading and writing the loss block.
   To add a strategy: its word here and in loss_words.c, its meaning in worker/train/strategy.c, an example in schema/examples,
   an accepted and a refused case in tests/vectors/job_spec. */
#include "schema/job/loss_spec_json.h"

#include <math.h>
#include <string.h>

#include "schema/job/alpha_json.h"
#include "schema/job/diagnostics_json.h"
#include "schema/job/loss_check.h"
#include "schema/job/loss_terms_json.h"
#include "schema/job/method_json.h"

static const char *const strategies[] = {"constant", "scheduled", "separate_optimizers", "adaptive", "gradient", NULL};
static const char *const activations[] = {"by_classes", "sigmoid", "softmax", NULL};
static const char *const modes[] = {"simultaneous", "alternating", "alternating_batches", NULL};
static const char *const orders[] = {"dice_first", "ce_first", NULL};
static const char *const optimizer_types[] = {"adam", "adamw", "sgd", NULL};

const char *loss_strategy_word(enum loss_strategy strategy)
{
    return strategies[strategy];
}

const char *loss_mode_word(enum loss_mode mode)
{
    return modes[mode];
}

const char *optimizer_type_word(enum optimizer_type type)
{
    return optimizer_types[type];
}

const struct field optimizer_fields[] = {
    {.name = "type", .type = FIELD_WORD, FIELD_AT(struct optimizer_spec, type), .words = optimizer_types, .help = "the rule of a step"},
    {.name = "lr", .type = FIELD_REAL, FIELD_AT(struct optimizer_spec, lr), .min = 0, .max = HUGE_VAL, .open_min = true,
     .range_error = ERR_LR_NONPOSITIVE, .standard = 1e-3, .help = "learning rate"},
    {.name = "betas", .type = FIELD_REAL, .offset = offsetof(struct optimizer_spec, betas), .size = sizeof(double), .min = 0, .max = 1,
     .open_max = true, .array_min = 2, .array_max = 2, .help = "adam, adamw: decay of the two moments"},
    {.name = "eps", .type = FIELD_REAL, FIELD_AT(struct optimizer_spec, eps), .min = 0, .max = 1, .standard = 1e-8, .help = "adam, adamw"},
    {.name = "momentum", .type = FIELD_REAL, FIELD_AT(struct optimizer_spec, momentum), .min = 0, .max = 1, .open_max = true, .standard = 0.99,
     .help = "sgd"},
    {.name = "nesterov", .type = FIELD_BOOL, FIELD_AT(struct optimizer_spec, nesterov), .standard = 1, .help = "sgd: look ahead"},
    {.name = "weight_decay", .type = FIELD_REAL, FIELD_AT(struct optimizer_spec, weight_decay), .min = 0, .max = HUGE_VAL,
     .help = "adam, sgd: added to the gradient; adamw: apart from it"},
    {.name = "clip_norm", .type = FIELD_REAL, FIELD_AT(struct optimizer_spec, clip_norm), .min = 0, .max = HUGE_VAL, .open_min = true,
     .nullable = true, .help = "longest gradient (l2 over all parameters); null: any"},
    {0}};

/* Offsets are those of struct loss_spec: these rows lie in the block itself. */
static const struct field separate_fields[] = {
    {.name = "mode", .type = FIELD_WORD, FIELD_AT(struct loss_spec, optimizers.mode), .words = modes, .help = "how the two steps take turns"},
    {.name = "order", .type = FIELD_WORD, FIELD_AT(struct loss_spec, optimizers.order), .words = orders, .help = "which steps first"},
    {.name = "dice_steps", .type = FIELD_INT, FIELD_AT(struct loss_spec, optimizers.dice_steps), .min = 1, .max = 1000, .standard = 1,
     .range_error = ERR_STEPS_RANGE, .help = "alternating_batches: batches that step Dice"},
    {.name = "ce_steps", .type = FIELD_INT, FIELD_AT(struct loss_spec, optimizers.ce_steps), .min = 1, .max = 1000, .standard = 1,
     .range_error = ERR_STEPS_RANGE, .help = "alternating_batches: batches that step cross-entropy after them"},
    {.name = "dice", .type = FIELD_OBJECT, FIELD_AT(struct loss_spec, optimizers.dice), .fields = optimizer_fields, .help = "the optimizer of Dice, lr 0.001"},
    {.name = "ce", .type = FIELD_OBJECT, FIELD_AT(struct loss_spec, optimizers.ce), .fields = optimizer_fields, .help = "the optimizer of cross-entropy, lr 0.0001"},
    {0}};

static void read_activation(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    static const struct field row[] = {{.name = "activation", .type = FIELD_WORD, .words = activations + 1, .nullable = true, .null_value = -1}, {0}};
    int word = -1;
    json_t *one = json_pack("{s:O}", "activation", value);
    char parent[192];
    err_print(parent, sizeof parent, "%.*s", (int)(strrchr(pointer, '/') - pointer), pointer);
    json_fields_read(one, row, &word, parent, errors);
    json_decref(one);
    *(enum loss_activation *)to = (enum loss_activation)(word + 1);
}

static enum err write_activation(const void *from, struct buf *to)
{
    enum loss_activation activation = *(const enum loss_activation *)from;
    return activation == LOSS_BY_CLASSES ? buf_text(to, "null") : json_text_add_string(to, activations[activation], strlen(activations[activation]));
}

/* ---- the keys that only one strategy has ---- */
static bool has_alpha(const void *base)
{
    const struct loss_spec *loss = base;
    bool method = loss->method != METHOD_NONE && (loss->warmup_epochs || method_takes_preference(loss->method));
    return loss->strategy == LOSS_SCHEDULED || (loss->strategy == LOSS_CONSTANT && !loss->by_lambda) || method;
}

static bool has_lambda(const void *base)
{
    const struct loss_spec *loss = base;
    return loss->strategy == LOSS_CONSTANT && loss->by_lambda;
}

static bool has_optimizers(const void *base)
{
    return ((const struct loss_spec *)base)->strategy == LOSS_SEPARATE_OPTIMIZERS;
}

static enum err write_alpha(const void *from, struct buf *to)
{
    const struct loss_spec *loss = from;
    return loss->strategy == LOSS_SCHEDULED ? alpha_print(&loss->alpha, to) : json_text_add_real(to, loss->alpha.value[0]);
}

static enum err write_number(const void *from, struct buf *to)
{
    return json_text_add_real(to, *(const double *)from);
}

static enum err write_optimizers(const void *from, struct buf *to)
{
    return json_fields_print(separate_fields, from, to);
}

const struct field loss_fields[] = {
    {.name = "strategy", .type = FIELD_WORD, FIELD_AT(struct loss_spec, strategy), .words = strategies, .word_error = ERR_STRATEGY_UNKNOWN,
     .required = true, .help = "how the two losses are combined"},
    {.name = "alpha", .type = FIELD_OTHER, .write = write_alpha, .applies = has_alpha, .help = "weight of Dice; cross-entropy gets 1 - alpha"},
    {.name = "lambda_dice", .type = FIELD_OTHER, FIELD_AT(struct loss_spec, lambda_dice), .write = write_number, .applies = has_lambda,
     .help = "constant only, in place of alpha"},
    {.name = "lambda_ce", .type = FIELD_OTHER, FIELD_AT(struct loss_spec, lambda_ce), .write = write_number, .applies = has_lambda,
     .help = "constant only, in place of alpha"},
    {.name = "activation", .type = FIELD_OTHER, FIELD_AT(struct loss_spec, activation), .read = read_activation, .write = write_activation,
     .help = "sigmoid, softmax; null: two classes sigmoid, more softmax"},
    {.name = "include_background", .type = FIELD_BOOL, FIELD_AT(struct loss_spec, include_background), .help = "class 0 counts in the Dice mean (softmax)"},
    {.name = "ignore_index", .type = FIELD_INT, FIELD_AT(struct loss_spec, ignore_index), .min = 0, .max = 255, .nullable = true, .null_value = -1,
     .standard = -1, .help = "a class left out of both terms and of the scores"},
    {.name = "dice", .type = FIELD_OBJECT, .fields = loss_dice_fields, .help = "the Dice term"},
    {.name = "ce", .type = FIELD_OBJECT, .fields = loss_ce_fields, .help = "the cross-entropy term"},
    {.name = "optimizers", .type = FIELD_OTHER, .write = write_optimizers, .applies = has_optimizers, .help = "separate_optimizers only"},
    {.name = "class_weight", .type = FIELD_OTHER, FIELD_AT(struct loss_spec, class_weight), .read = class_weight_read, .write = class_weight_print,
     .allowed = class_weight_allowed, .help = "of the pixels of cross-entropy; balanced: inverse frequency in the training split"},
    {.name = "method", .type = FIELD_OTHER, .write = method_print, .applies = method_applies, .help = "adaptive, gradient: how the two weights are found"},
    {.name = "params", .type = FIELD_OTHER, .write = params_print, .applies = method_applies, .help = "of the method"},
    {.name = "gram", .type = FIELD_OTHER, .write = gram_print, .applies = gram_applies, .help = "where and how often gradients are compared"},
    {.name = "warmup_epochs", .type = FIELD_OTHER, .write = warmup_print, .applies = method_applies, .help = "adaptive, gradient: epochs of alpha, 1 - alpha before the method begins"},
    {.name = "diagnostics", .type = FIELD_OTHER, FIELD_AT(struct loss_spec, diagnostics), .read = diagnostics_read, .write = diagnostics_print,
     .help = "how often and where the two gradients are compared; null, or every 0: never. The weights are the same with and without"},
    {0}};

static void refuse_key(const json_t *json, const char *key, enum err code, const char *pointer, const char *detail, struct err_list *errors)
{
    char at[192];
    const json_t *value = json_object_get(json, key);
    if (!value) return;
    json_pointer_join(at, sizeof at, pointer, key);
    json_fields_refuse(errors, code, at, value, "", detail);
}

static bool read_lambda(const json_t *json, const char *key, double *lambda, const char *pointer, struct err_list *errors)
{
    char at[192];
    const json_t *value = json_object_get(json, key);
    json_pointer_join(at, sizeof at, pointer, key);
    if (!value) return true;
    if (!json_is_number(value)) {
        json_fields_refuse(errors, ERR_TYPE, at, value, "a number of at least 0", "not a number");
        return false;
    }
    *lambda = json_number_value(value);
    if (*lambda >= 0) return true;
    json_fields_refuse(errors, ERR_LAMBDA_NEGATIVE, at, value, "a number of at least 0", "a loss is never rewarded");
    return false;
}

static void read_constant(const json_t *json, struct loss_spec *loss, int64_t epochs, int64_t steps, const char *pointer, struct err_list *errors)
{
    char at[192];
    const json_t *alpha = json_object_get(json, "alpha");
    loss->by_lambda = json_object_get(json, "lambda_dice") || json_object_get(json, "lambda_ce");
    json_pointer_join(at, sizeof at, pointer, "alpha");
    if (alpha && loss->by_lambda)
        json_fields_refuse(errors, ERR_ALPHA_AND_LAMBDA, at, alpha, "alpha, or lambda_dice and lambda_ce", "the weights are said twice");
    else if (alpha && !json_is_number(alpha))
        json_fields_refuse(errors, ERR_ALPHA_TYPE, at, alpha, "a number from 0 to 1; strategy scheduled takes points", "constant means one number");
    else if (alpha)
        alpha_read(alpha, epochs, steps, &loss->alpha, at, errors);
    bool fits = read_lambda(json, "lambda_dice", &loss->lambda_dice, pointer, errors);
    fits &= read_lambda(json, "lambda_ce", &loss->lambda_ce, pointer, errors);
    if (fits && loss->by_lambda && !(loss->lambda_dice > 0) && !(loss->lambda_ce > 0))
        json_fields_refuse(errors, ERR_LAMBDA_BOTH_ZERO, pointer, NULL, "at least one above 0", "with both weights 0 nothing is trained");
}

static void read_scheduled(const json_t *json, struct loss_spec *loss, int64_t epochs, int64_t steps, const char *pointer, struct err_list *errors)
{
    static const char form[] = "{\"points\": [[t, alpha], ...]} or {\"schedule\": \"linear\", \"start\": 1, \"end\": 0} or {\"feedback\": \"plateau\", \"from\": 1, \"to\": 0.3, \"delta\": -0.1}";
    char at[192];
    const json_t *alpha = json_object_get(json, "alpha");
    json_pointer_join(at, sizeof at, pointer, "alpha");
    if (!alpha)
        json_fields_refuse(errors, ERR_KEY_MISSING, at, NULL, form, "is needed");
    else if (json_is_number(alpha))
        json_fields_refuse(errors, ERR_ALPHA_TYPE, at, alpha, form, "one number is no schedule: that is strategy constant");
    else
        alpha_read(alpha, epochs, steps, &loss->alpha, at, errors);
}

static void read_separate(const json_t *json, struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    char at[192], where[192];
    const json_t *optimizers = json_object_get(json, "optimizers");
    json_pointer_join(at, sizeof at, pointer, "optimizers");
    if (!optimizers || json_is_null(optimizers)) {
        json_fields_refuse(errors, ERR_OPTIMIZERS_REQUIRED, at, optimizers, "an object; {} takes the defaults", "each loss steps with an optimizer of its own");
        return;
    }
    json_fields_read(optimizers, separate_fields, loss, at, errors);
    if (loss->optimizers.mode == LOSS_ALTERNATING_BATCHES) return;
    const int counts[] = {loss->optimizers.dice_steps, loss->optimizers.ce_steps};
    for (int i = 0; i < 2; i++)
        if (counts[i] != 1) {
            err_print(where, sizeof where, "%s/%s", at, i ? "ce_steps" : "dice_steps");
            struct err_note *note = json_fields_refuse(errors, ERR_STEPS_RANGE, where, NULL, "1; mode alternating_batches takes 1 to 1000",
                                                       "in this mode every batch steps both");
            err_print(note->found, sizeof note->found, "%d", counts[i]);
        }
}

static void check_smooth(const struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    char at[192];
    if (loss->dice.smooth_dr > 0 || loss->dice.empty != LOSS_EMPTY_SMOOTH) return;
    err_print(at, sizeof at, "%s/dice/smooth_dr", pointer);
    struct err_note *note = json_fields_refuse(errors, ERR_SMOOTH_DR_ZERO_EMPTY, at, NULL, "a number above 0, or dice.empty skip or penalize_fp",
                                               "a group without target may divide by 0");
    err_print(note->found, sizeof note->found, "0");
}

void loss_spec_read(const json_t *json, int64_t epochs, int64_t steps, struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    static const char *const lambdas[] = {"lambda_dice", "lambda_ce"};
    loss_spec_default(loss);
    if (!json) return;
    json_fields_read(json, loss_fields, loss, pointer, errors);
    if (!json_is_object(json)) return;
    check_smooth(loss, pointer, errors);
    loss_check(loss, pointer, errors);
    const char *word = json_string_value(json_object_get(json, "strategy"));
    if (!word || strcmp(word, strategies[loss->strategy])) return; /* said already; the rest depends on it */
    method_read(json, epochs, loss, pointer, errors);
    if (loss->strategy != LOSS_CONSTANT)
        for (int i = 0; i < 2; i++)
            refuse_key(json, lambdas[i], ERR_KEY_UNEXPECTED, pointer, "only strategy constant takes lambda_dice and lambda_ce", errors);
    if (loss->strategy != LOSS_SEPARATE_OPTIMIZERS && !json_is_null(json_object_get(json, "optimizers")))
        refuse_key(json, "optimizers", ERR_OPTIMIZERS_UNEXPECTED, pointer, "only strategy separate_optimizers has two", errors);
    if (loss->strategy == LOSS_CONSTANT) read_constant(json, loss, epochs, steps, pointer, errors);
    if (loss->strategy == LOSS_SCHEDULED) read_scheduled(json, loss, epochs, steps, pointer, errors);
    if (loss->strategy != LOSS_SEPARATE_OPTIMIZERS) return;
    refuse_key(json, "alpha", ERR_KEY_UNEXPECTED, pointer, "two optimizers need no alpha: their learning rates weigh the losses", errors);
    read_separate(json, loss, pointer, errors);
}

enum err loss_spec_print(const struct loss_spec *loss, struct buf *to)
{
    return json_fields_print(loss_fields, loss, to);
}
