/* loss_terms_json: the two losses themselves as JSON rows: their options, and the weights of the classes.
   To add an option: a row here, its member in loss_spec.h and default in loss_spec.c, what it must not meet in loss_check.c,
   its meaning in worker/train/loss*, its schema in openapi.json, a vector accepted and one refused. */
#include "schema/job/loss_terms_json.h"

#include <math.h>
#include <string.h>

static const double weight_max = 1e6; /* float sums stay far from overflow */
static const char *const empties[] = {"smooth", "skip", "penalize_fp", NULL};

const struct field loss_dice_fields[] = {
    {.name = "batch", .type = FIELD_BOOL, FIELD_AT(struct loss_spec, dice.batch), .standard = 1, .help = "one Dice a class over the batch, else one an image"},
    {.name = "squared_pred", .type = FIELD_BOOL, FIELD_AT(struct loss_spec, dice.squared_pred), .help = "p^2 in the denominator"},
    {.name = "jaccard", .type = FIELD_BOOL, FIELD_AT(struct loss_spec, dice.jaccard), .help = "Jaccard in place of Dice"},
    {.name = "smooth_nr", .type = FIELD_REAL, FIELD_AT(struct loss_spec, dice.smooth_nr), .min = 0, .max = HUGE_VAL, .standard = 1e-5,
     .range_error = ERR_SMOOTH_NEGATIVE, .help = "added to the numerator"},
    {.name = "smooth_dr", .type = FIELD_REAL, FIELD_AT(struct loss_spec, dice.smooth_dr), .min = 0, .max = HUGE_VAL, .standard = 1e-5,
     .range_error = ERR_SMOOTH_NEGATIVE, .help = "added to the denominator"},
    {.name = "empty", .type = FIELD_WORD, FIELD_AT(struct loss_spec, dice.empty), .words = empties, .help = "a group without target: the plain formula, left out, or its mean p"},
    {.name = "class_weight", .type = FIELD_BOOL, FIELD_AT(struct loss_spec, dice.class_weight),
     .help = "the mean of the groups is weighed by class_weight, too: sum of w L by sum of w"},
    {0}};

const struct field loss_ce_fields[] = {
    {.name = "label_smoothing", .type = FIELD_REAL, FIELD_AT(struct loss_spec, ce.label_smoothing), .min = 0, .max = 1, .open_max = true,
     .range_error = ERR_LABEL_SMOOTHING_RANGE, .help = "e: the true class gets 1 - e + e/C, every other e/C"},
    {.name = "pos_weight", .type = FIELD_REAL, FIELD_AT(struct loss_spec, ce.pos_weight), .min = 0, .max = 1e6, .open_min = true, .standard = 1,
     .help = "one channel: what the foreground term is multiplied by; the mean stays that over pixels"},
    {.name = "top_k", .type = FIELD_REAL, FIELD_AT(struct loss_spec, ce.top_k), .min = 0, .max = 100, .open_min = true, .standard = 100,
     .range_error = ERR_TOPK_RANGE, .help = "percent of the batch's pixels that count, those of highest cross-entropy; 100: all"},
    {.name = "focal_gamma", .type = FIELD_REAL, FIELD_AT(struct loss_spec, ce.focal_gamma), .min = 0, .max = 100,
     .help = "g: each pixel's cross-entropy times (1 - p of its class)^g; 0: off"},
    {.name = "include_background", .type = FIELD_BOOL, FIELD_AT(struct loss_spec, ce.include_background), .standard = 1,
     .help = "false: pixels of class 0 leave cross-entropy"},
    {0}};

/* ---- class_weight ------------------------------------------------------------------------------------------ */
const char class_weight_allowed[] = "null, \"balanced\", or a list of one number from 0 to 1000000 a class";

static bool read_weight(const json_t *value, double *to, const char *pointer, size_t i, struct err_list *errors)
{
    static const char allowed[] = "a number from 0 to 1000000";
    char at[192];
    double x = json_number_value(value);
    err_print(at, sizeof at, "%s/%zu", pointer, i);
    if (!json_is_number(value))
        json_fields_refuse(errors, ERR_TYPE, at, value, allowed, "not a number");
    else if (x < 0)
        json_fields_refuse(errors, ERR_CLASS_WEIGHT_NEGATIVE, at, value, allowed, "a class is never rewarded for being wrong");
    else if (x > weight_max)
        json_fields_refuse(errors, ERR_RANGE, at, value, allowed, "out of range");
    else {
        *to = x;
        return true;
    }
    return false;
}

void class_weight_read(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    struct class_weight_spec w = {.kind = LOSS_LISTED};
    const char *word = json_string_value(value);
    size_t count = json_array_size(value);
    bool fits = true;
    if (json_is_null(value) || (word && !strcmp(word, "balanced"))) {
        w.kind = word ? LOSS_BALANCED : LOSS_UNWEIGHTED;
        *(struct class_weight_spec *)to = w;
        return;
    }
    if (!json_is_array(value)) {
        struct err_note *note = json_fields_refuse(errors, word ? ERR_WORD_UNKNOWN : ERR_TYPE, pointer, value, class_weight_allowed, word ? "unknown word" : "neither a word nor a list");
        if (word) err_print(note->nearest, sizeof note->nearest, "balanced");
        return;
    }
    if (count < 2 || count > LOSS_CLASSES_MAX) {
        struct err_note *note = json_fields_refuse(errors, ERR_CLASS_WEIGHT_LENGTH, pointer, NULL, "one weight a class: 2 to 64", "one weight a class, background among them");
        err_print(note->found, sizeof note->found, "%zu weights", count);
        return;
    }
    for (size_t i = 0; i < count; i++) fits &= read_weight(json_array_get(value, i), &w.of[i], pointer, i, errors);
    w.count = (int)count;
    if (fits) *(struct class_weight_spec *)to = w;
}

enum err class_weight_numbers(const struct class_weight_spec *w, struct buf *to)
{
    enum err e = buf_text(to, "[");
    for (int i = 0; i < w->count && !e; i++) {
        if (i) e = buf_text(to, ",");
        if (!e) e = json_text_add_real(to, w->of[i]);
    }
    return e ? e : buf_text(to, "]");
}

enum err class_weight_print(const void *from, struct buf *to)
{
    const struct class_weight_spec *w = from;
    if (w->kind == LOSS_LISTED) return class_weight_numbers(w, to);
    return buf_text(to, w->kind == LOSS_BALANCED ? "\"balanced\"" : "null");
}
