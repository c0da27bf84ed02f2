/* method_json: the table of adaptive and gradient methods, and the keys of the loss block that are theirs.
   To add a method: its word in method.h, its row here, its function in worker/train/adapt.c or balance.c, its word in
   openapi.json, an accepted and a refused case in tests/vectors/job_spec, an example in schema/examples. */
#include "schema/job/method_json.h"

#include <math.h>
#include <string.h>

#include "schema/job/alpha_json.h"

static const char *const normalizes[] = {"l2", "none", "loss", "loss+", NULL};
static const char *const scales[] = {"min", "median", "rmse", NULL};
static const char *const scopes[] = {"model", "layer", NULL};

/* ---- parameters ------------------------------------------------------------------------------------------ */
#define PARAM(member, field_type, ...) {.name = #member, .type = field_type, FIELD_AT(struct method_params, member), .range_error = ERR_PARAM_RANGE, __VA_ARGS__}
#define OWN_LR(text) PARAM(lr, FIELD_REAL, .min = 0, .max = 1, .open_min = true, .standard = 0.025, .help = text)

static const struct field no_params[] = {{0}};
static const struct field uncertainty_params[] = {
    PARAM(init, FIELD_REAL, .min = -10, .max = 10, .standard = 0, .help = "both log-variances s at the start"),
    OWN_LR("step of the Adam that moves s"),
    {0}};
static const struct field dwa_params[] = {
    PARAM(temperature, FIELD_REAL, .min = 0, .max = 1000, .open_min = true, .standard = 2, .help = "T: the larger, the more even the weights"),
    {0}};
static const struct field gradnorm_params[] = {
    PARAM(alpha, FIELD_REAL, .min = 0, .max = 10, .standard = 1.5, .help = "how hard the slower loss is pulled along; 0: gradients of one length"),
    OWN_LR("step of the weights"),
    {0}};
static const struct field famo_params[] = {
    OWN_LR("step of the Adam that moves x"),
    PARAM(gamma, FIELD_REAL, .min = 0, .max = 1, .standard = 1e-3, .help = "decay of x"),
    {0}};
static const struct field loss_scale_params[] = {
    PARAM(decay, FIELD_REAL, .min = 0, .max = 1, .open_max = true, .standard = 0.99, .help = "of the running mean of each loss"),
    {0}};
static const struct field mgda_params[] = {
    PARAM(normalize, FIELD_WORD, .words = normalizes, .standard = MGDA_L2, .help = "what each gradient is divided by: its length, nothing, its loss, both"),
    {0}};
static const struct field cagrad_params[] = {
    PARAM(c, FIELD_REAL, .min = 0, .max = 1, .standard = 0.5, .help = "how far from the mean gradient, as a share of its length"),
    PARAM(rescale, FIELD_INT, .min = 0, .max = 2, .standard = 1, .help = "0: none, 1: by 1/(1+c^2), 2: by 1/(1+c)"),
    {0}};
static const struct field nash_params[] = {
    PARAM(max_norm, FIELD_REAL, .min = 0, .max = 1e6, .open_min = true, .nullable = true, .standard = 1, .help = "longest update; null: as it comes, sqrt(2) long"),
    {0}};
static const struct field aligned_params[] = {
    PARAM(scale, FIELD_WORD, .words = scales, .standard = ALIGNED_MIN, .help = "the eigenvalue that both become (of two, the median is the smaller)"),
    {0}};
static const struct field gradvac_params[] = {
    PARAM(beta, FIELD_REAL, .min = 0, .max = 1, .open_min = true, .standard = 0.5, .help = "how fast the target cosine follows"),
    {0}};

const struct method_row method_rows[METHODS] = {
    [METHOD_UNCERTAINTY] = {"uncertainty", LOSS_ADAPTIVE, uncertainty_params, "each loss has a learned variance", "w_i = exp(-s_i)/2; s by Adam on sum exp(-s_i) L_i/2 + s_i/2",
                            "free; each w_i tends to 1/(2 L_i)", "1.0"},
    [METHOD_DWA] = {"dwa", LOSS_ADAPTIVE, dwa_params, "the loss that fell less last epoch weighs more", "w = 2 softmax(r/T), r_i = mean L_i of the last epoch / of the one before; 1, 1 for two epochs",
                    "2", "1.0"},
    [METHOD_GRADNORM] = {"gradnorm", LOSS_ADAPTIVE, gradnorm_params, "weighted gradients of lengths that go with the losses' pace",
                         "w_i -= lr sign(w_i n_i - G r_i^alpha) n_i, then sum 2; n_i = |g_i|, G = mean w_i n_i, r_i = L_i/L_i(first) over their mean", "2",
                         "that of its gram.level"},
    [METHOD_FAMO] = {"famo", LOSS_ADAPTIVE, famo_params, "both losses fall at one pace, judged by one more forward pass",
                     "w_i = (z_i/L_i) / sum z/L, z = softmax(x); x by Adam on z_i (d_i - sum z d), d_i = how much log L_i fell in the step", "1", "4/3"},
    [METHOD_RANDOM] = {"random", LOSS_ADAPTIVE, no_params, "random weights every step: what any method has to beat", "w = softmax of two standard normal numbers of (seed, step)", "1", "1.0"},
    [METHOD_LOSS_SCALE] = {"loss_scale", LOSS_ADAPTIVE, loss_scale_params, "each loss divided by its running mean", "w_dice = alpha/mean(L_dice), w_ce = (1-alpha)/mean(L_ce)", "free", "1.0"},
    [METHOD_PCGRAD] = {"pcgrad", LOSS_GRADIENT, no_params, "each gradient without its part against the other", "b >= 0: 1, 1; else 1 - b/a, 1 - b/c", "2 without conflict", "that of its gram.level"},
    [METHOD_UPGRAD] = {"upgrad", LOSS_GRADIENT, no_params, "the preference over projected gradients; half of pcgrad at alpha 0.5", "b >= 0: p, 1-p; else p - (1-p) b/a, (1-p) - p b/c; p = alpha",
                       "1 without conflict", "that of its gram.level"},
    [METHOD_MGDA] = {"mgda", LOSS_GRADIENT, mgda_params, "the shortest point between the normalised gradients", "s = clip((c-b)/(a+c-2b), 0, 1) of the normalised a, b, c; s/n_dice, (1-s)/n_ce, brought to sum 1",
                     "1", "that of its gram.level"},
    [METHOD_CAGRAD] = {"cagrad", LOSS_GRADIENT, cagrad_params, "the best worst-case descent near the mean gradient", "argmax over |d - g| <= c |g| of min(d.g_dice, d.g_ce), g the mean gradient; then rescaled",
                       "about 1", "that of its gram.level"},
    [METHOD_NASH_MTL] = {"nash_mtl", LOSS_GRADIENT, nash_params, "the bargaining solution: along the bisector", "1/sqrt(a (1+cos)), 1/sqrt(c (1+cos)), shortened to max_norm", "free; the update is max_norm long",
                         "that of its gram.level"},
    [METHOD_IMTL_G] = {"imtl_g", LOSS_GRADIENT, no_params, "equal projections: along the bisector", "sqrt(c)/(sqrt(a)+sqrt(c)), sqrt(a)/(sqrt(a)+sqrt(c))", "1", "that of its gram.level"},
    [METHOD_ALIGNED_MTL] = {"aligned_mtl", LOSS_GRADIENT, aligned_params, "gradients made orthogonal and equally long", "sqrt(lambda) M^(-1/2) (p, 1-p), M = [a b; b c], p = alpha", "at most 1",
                            "that of its gram.level"},
    [METHOD_GRADVAC] = {"gradvac", LOSS_GRADIENT, gradvac_params, "gradients turned together up to a running target cosine",
                        "cos < t: 1 + |g_ce|/|g_dice| q, 1 + |g_dice|/|g_ce| q with q = (t sqrt(1-cos^2) - cos sqrt(1-t^2))/sqrt(1-t^2); else 1, 1; t = (1-beta) t + beta cos",
                        "2 while above the target", "that of its gram.level"},
    [METHOD_DUALPROJ] = {"dualproj", LOSS_GRADIENT, no_params, "the preferred mean, moved as little as keeps both losses from rising", "p, 1-p; where it opposes g_dice: -(1-p) b/a, 1-p; where g_ce: p, -p b/c",
                         "1 without conflict", "that of its gram.level"},
};

const char *method_word(enum loss_method method)
{
    return method == METHOD_NONE ? "" : method_rows[method].word;
}

/* ---- gram ------------------------------------------------------------------------------------- */
const struct field gram_fields[] = {
    {.name = "level", .type = FIELD_WORD, FIELD_AT(struct gram_spec, level), .words = gram_level_words, .word_error = ERR_GRAM_LEVEL, .standard = GRAM_FULL,
     .help = "gradients of the logits, of the last layer's weights, of all weights; gradnorm: last_layer"},
    {.name = "scope", .type = FIELD_WORD, FIELD_AT(struct gram_spec, scope), .words = scopes, .help = "one pair of weights, or one a layer (level full)"},
    {.name = "every", .type = FIELD_INT, FIELD_AT(struct gram_spec, every), .min = 1, .max = 1000000, .standard = 1, .range_error = ERR_EVERY_RANGE,
     .help = "steps from one measurement to the next"},
    {.name = "ema", .type = FIELD_REAL, FIELD_AT(struct gram_spec, ema), .min = 0, .max = 1, .open_max = true, .range_error = ERR_PARAM_RANGE,
     .help = "share of the old measurement in the new one"},
    {0}};

/* ---- reading ------------------------------------------------------------------------------------------------- */
void method_default(struct loss_spec *loss, enum loss_method method)
{
    loss->method = method;
    memset(&loss->params, 0, sizeof loss->params);
    if (method != METHOD_NONE) json_fields_default(method_rows[method].params, &loss->params);
    json_fields_default(gram_fields, &loss->gram);
    if (method == METHOD_GRADNORM) loss->gram.level = GRAM_LAST_LAYER;
}

static void list_methods(enum loss_strategy strategy, char *to, size_t size, const char *words[METHODS + 1])
{
    int n = 0;
    err_print(to, size, "one of: ");
    for (int m = METHOD_NONE + 1; m < METHODS; m++)
        if (method_rows[m].strategy == strategy) {
            size_t at = strlen(to);
            err_print(to + at, size - at, "%s%s", n ? ", " : "", method_rows[m].word);
            words[n++] = method_rows[m].word;
        }
    words[n] = NULL;
}

/* The method of a block whose strategy needs one; METHOD_NONE after a mistake. */
static enum loss_method read_word(const json_t *json, enum loss_strategy strategy, const char *pointer, struct err_list *errors)
{
    char at[192], allowed[256];
    const char *words[METHODS + 1];
    const json_t *value = json_object_get(json, "method");
    const char *word = json_string_value(value);
    json_pointer_join(at, sizeof at, pointer, "method");
    list_methods(strategy, allowed, sizeof allowed, words);
    if (!value || json_is_null(value)) {
        json_fields_refuse(errors, ERR_METHOD_REQUIRED, at, NULL, allowed, "this strategy needs a method");
        return METHOD_NONE;
    }
    for (int m = METHOD_NONE + 1; word && m < METHODS; m++) {
        if (strcmp(word, method_rows[m].word)) continue;
        if (method_rows[m].strategy == strategy) return (enum loss_method)m;
        json_fields_refuse(errors, ERR_METHOD_WRONG_STRATEGY, at, value, allowed,
                           strategy == LOSS_GRADIENT ? "a method of strategy adaptive" : "a method of strategy gradient");
        return METHOD_NONE;
    }
    struct err_note *note = json_fields_refuse(errors, word ? ERR_METHOD_UNKNOWN : ERR_TYPE, at, value, allowed, word ? "no such method" : "not a word");
    const char *nearest = word ? err_nearest(word, words) : NULL;
    if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
    return METHOD_NONE;
}

static bool given(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return value && !json_is_null(value) && !(json_is_number(value) && !(json_number_value(value) > 0 || json_number_value(value) < 0));
}

static void read_gram(const json_t *json, struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    char at[192], where[192];
    const json_t *gram = json_object_get(json, "gram");
    if (!given(json, "gram")) return;
    json_pointer_join(at, sizeof at, pointer, "gram");
    if (!method_takes_gram(loss->method)) {
        json_fields_refuse(errors, ERR_KEY_UNEXPECTED, at, gram, "no gram, or null", "this method does not look at gradients");
        return;
    }
    json_fields_read(gram, gram_fields, &loss->gram, at, errors);
    if (loss->gram.scope != GRAM_LAYER) return;
    json_pointer_join(where, sizeof where, at, "scope");
    if (loss->method == METHOD_GRADNORM)
        json_fields_refuse(errors, ERR_KEY_UNEXPECTED, where, json_object_get(gram, "scope"), "model", "gradnorm has one pair of weights");
    else if (loss->gram.level != GRAM_FULL)
        json_fields_refuse(errors, ERR_GRAM_LEVEL, where, json_object_get(gram, "scope"), "model, or level full", "only at level full does each layer have gradients of its own");
}

/* Alpha is one number here: the preference of the methods that have one, the weights of the warm-up of all. */
static void read_alpha(const json_t *json, int64_t epochs, struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    char at[192];
    const json_t *alpha = json_object_get(json, "alpha");
    if (!alpha) return;
    json_pointer_join(at, sizeof at, pointer, "alpha");
    if (!method_takes_preference(loss->method) && loss->warmup_epochs == 0)
        json_fields_refuse(errors, ERR_KEY_UNEXPECTED, at, alpha, "no alpha, or warmup_epochs of at least 1", "this method finds both weights; alpha would act in the warm-up alone, and there is none");
    else if (!json_is_number(alpha))
        json_fields_refuse(errors, ERR_ALPHA_TYPE, at, alpha, "a number from 0 to 1; strategy scheduled takes points", "here alpha is one number");
    else
        alpha_read(alpha, epochs, 1, &loss->alpha, at, errors);
}

/* Methods that divide by a loss, or take its logarithm, need it to stay at 0 or above. */
static void check_positive(const struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    char at[192];
    bool divides = method_is_adaptive(loss->method) ? loss->method != METHOD_RANDOM
                                                    : loss->method == METHOD_MGDA && (loss->params.normalize == MGDA_LOSS || loss->params.normalize == MGDA_LOSS_L2);
    if (!divides || loss->dice.smooth_nr <= loss->dice.smooth_dr) return;
    err_print(at, sizeof at, "%s/dice/smooth_nr", pointer);
    struct err_note *note = json_fields_refuse(errors, ERR_PARAM_RANGE, at, NULL, "at most smooth_dr", "Dice may fall below 0, and this method divides by it");
    err_print(note->found, sizeof note->found, "%.15g", loss->dice.smooth_nr);
}

static void read_warmup(const json_t *json, int64_t epochs, struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    static const struct field rows[] = {{.name = "warmup_epochs", .type = FIELD_INT, FIELD_AT(struct loss_spec, warmup_epochs), .min = 0, .max = 100000, .nullable = true}, {0}};
    char at[192];
    const json_t *value = json_object_get(json, "warmup_epochs");
    if (!value) return;
    json_t *one = json_pack("{s:O}", "warmup_epochs", value);
    json_fields_read(one, rows, loss, pointer, errors);
    json_decref(one);
    if (loss->warmup_epochs < epochs) return;
    json_pointer_join(at, sizeof at, pointer, "warmup_epochs");
    struct err_note *note = json_fields_refuse(errors, ERR_WARMUP_TOO_LONG, at, value, "", "the job ends before the method begins");
    err_print(note->allowed, sizeof note->allowed, "an integer from 0 to %lld", (long long)epochs - 1);
}

/* A key that another method has, or none: not one of this method's parameters. */
static void read_params(const json_t *json, struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    char at[192];
    size_t before = errors->count;
    json_pointer_join(at, sizeof at, pointer, "params");
    if (given(json, "params")) json_fields_read(json_object_get(json, "params"), method_rows[loss->method].params, &loss->params, at, errors);
    for (size_t i = before; i < errors->count; i++)
        if (errors->notes[i].code == ERR_KEY_UNKNOWN) errors->notes[i].code = ERR_PARAM_UNKNOWN;
}

void method_read(const json_t *json, int64_t epochs, struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    static const char *const keys[] = {"method", "params", "gram", "warmup_epochs"};
    char at[192];
    if (loss->strategy != LOSS_ADAPTIVE && loss->strategy != LOSS_GRADIENT) {
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            json_pointer_join(at, sizeof at, pointer, keys[i]);
            if (given(json, keys[i]))
                json_fields_refuse(errors, ERR_KEY_UNEXPECTED, at, json_object_get(json, keys[i]), "", "only strategies adaptive and gradient have methods");
        }
        return;
    }
    enum loss_method method = read_word(json, loss->strategy, pointer, errors);
    if (method == METHOD_NONE) return; /* said already; the rest depends on it */
    method_default(loss, method);
    read_params(json, loss, pointer, errors);
    read_gram(json, loss, pointer, errors);
    read_warmup(json, epochs, loss, pointer, errors);
    read_alpha(json, epochs, loss, pointer, errors);
    check_positive(loss, pointer, errors);
}

bool method_applies(const void *loss)
{
    return ((const struct loss_spec *)loss)->method != METHOD_NONE;
}

bool gram_applies(const void *loss)
{
    return method_takes_gram(((const struct loss_spec *)loss)->method);
}

enum err method_print(const void *from, struct buf *to)
{
    const char *word = method_word(((const struct loss_spec *)from)->method);
    return json_text_add_string(to, word, strlen(word));
}

enum err params_print(const void *from, struct buf *to)
{
    const struct loss_spec *loss = from;
    const struct field *rows = method_rows[loss->method].params;
    return rows->name ? json_fields_print(rows, &loss->params, to) : buf_text(to, "{}");
}

enum err gram_print(const void *from, struct buf *to)
{
    return json_fields_print(gram_fields, &((const struct loss_spec *)from)->gram, to);
}

enum err warmup_print(const void *from, struct buf *to)
{
    return buf_printf(to, "%d", ((const struct loss_spec *)from)->warmup_epochs);
}
