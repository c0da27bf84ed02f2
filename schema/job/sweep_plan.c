/* sweep_plan: from axes to trials: every combination, every draw, every seed, each as the job it stands for. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/draw.h"
#include "schema/base/json_text.h"
#include "schema/base/sha256.h"
#include "schema/job/sweep_spec.h"

enum { VALUE_TEXT_MAX = 48, TOKEN_MAX = 180 };

/* ---- pointers ------------------------------------------------------------------------------------------------ */
/* The next part of a JSON pointer, unescaped; false when there is none. */
static bool next_token(const char **pointer, char token[TOKEN_MAX + 1])
{
    const char *p = *pointer;
    size_t n = 0;
    if (*p != '/') return false;
    for (p++; *p && *p != '/' && n < TOKEN_MAX; p++) {
        bool escaped = *p == '~' && (p[1] == '0' || p[1] == '1');
        token[n++] = escaped ? (p[1] == '1' ? '/' : '~') : *p;
        p += escaped;
    }
    token[n] = 0;
    *pointer = p;
    return true;
}

static bool set_in_array(json_t *array, const char *token, json_t *value)
{
    char *end;
    unsigned long i = strtoul(token, &end, 10);
    return *token && !*end && !json_is_null(value) && i < json_array_size(array) && !json_array_set(array, i, value);
}

/* Sets `value` at `pointer`, making objects on the way; null takes the key away. False: it leads through something that holds nothing. */
static bool set_at(json_t *job, const char *pointer, json_t *value)
{
    char token[TOKEN_MAX + 1];
    json_t *at = job;
    if (!next_token(&pointer, token)) return false;
    while (*pointer) {
        json_t *next = json_is_array(at) ? json_array_get(at, strtoul(token, NULL, 10)) : json_object_get(at, token);
        if (!next && json_is_object(at)) {
            next = json_object();
            json_object_set_new(at, token, next);
        }
        if (!next || !next_token(&pointer, token)) return false;
        at = next;
    }
    if (json_is_array(at)) return set_in_array(at, token, value);
    if (!json_is_object(at)) return false;
    if (json_is_null(value)) json_object_del(at, token);
    else json_object_set(at, token, value);
    return true;
}

/* ---- labels ---------------------------------------------------------------------------------------------------- */
static void add_label(char label[SWEEP_LABEL_BYTES], const char *part)
{
    char longer[2 * SWEEP_LABEL_BYTES], hex[SHA256_HEX];
    snprintf(longer, sizeof longer, "%s%s%s", label, *label ? ", " : "", part);
    if (strlen(longer) < SWEEP_LABEL_BYTES) {
        memcpy(label, longer, strlen(longer) + 1);
        return;
    }
    sha256_hex_of(longer, strlen(longer), hex); /* too long to be read: cut, and told apart by a digest */
    err_print(label, SWEEP_LABEL_BYTES - 10, "%s", longer);
    snprintf(label + strlen(label), 10, "#%.8s", hex);
}

/* "loss.alpha=0.5"; what is long or nested becomes a digest. */
static void add_value_label(char label[SWEEP_LABEL_BYTES], const char *pointer, const json_t *value)
{
    char part[2 * TOKEN_MAX], token[TOKEN_MAX + 1], hex[SHA256_HEX];
    struct buf text;
    part[0] = 0;
    while (next_token(&pointer, token)) err_print(part + strlen(part), sizeof part - strlen(part), "%s%s", *part ? "." : "", token);
    buf_init(&text, 1 << 20);
    enum err e = json_text_write(value, &text);
    sha256_hex_of(text.data ? text.data : "", text.length, hex);
    bool fits = !e && text.length <= VALUE_TEXT_MAX;
    err_print(part + strlen(part), sizeof part - strlen(part), fits ? "=%s" : "=#%.8s", fits ? text.data : hex);
    add_label(label, part);
    buf_free(&text);
}

/* ---- choices ------------------------------------------------------------------------------------------------------ */
/* low..high, linear or log, at six digits so that a person can read the spec and give it again. New reference. */
static json_t *draw_value(const json_t *random, uint64_t seed, uint64_t axis, uint64_t sample)
{
    if (json_is_array(random)) return json_incref(json_array_get(random, draw_below(seed, axis, sample, (uint32_t)json_array_size(random))));
    double low = json_number_value(json_object_get(random, "low")), high = json_number_value(json_object_get(random, "high"));
    const char *scale = json_string_value(json_object_get(random, "scale"));
    bool whole = json_is_true(json_object_get(random, "whole")), is_log = scale && !strcmp(scale, "log");
    double u = draw_unit(seed, axis, sample), top = whole ? high + 1 : high; /* whole: every number has its share, high too */
    double x = is_log ? exp(log(low) + u * (log(top) - log(low))) : low + u * (top - low);
    if (whole) return json_integer((json_int_t)fmin(floor(x), floor(high)));
    char digits[40];
    snprintf(digits, sizeof digits, "%.6g", x);
    x = strtod(digits, NULL);
    return json_real(x < low ? low : x > high ? high : x);
}

struct choice { /* which variant is being made */
    const struct sweep_spec *spec;
    size_t index;      /* of the variant: digits in a mixed base, the last axis fastest, the sample last of all */
    size_t samples;    /* 1 without a random axis */
    struct err_list *errors;
};

static void refuse_place(const struct choice *c, size_t axis, const char *pointer)
{
    char at[64];
    snprintf(at, sizeof at, "/axes/%zu", axis);
    for (size_t i = 0; i < c->errors->count; i++)
        if (!strcmp(c->errors->notes[i].pointer, at)) return; /* once an axis, not once a variant */
    struct err_note *note = err_add(c->errors, ERR_RANGE, at, "the pointer leads through a value that holds no others");
    err_print(note->found, sizeof note->found, "%s", pointer);
    err_print(note->allowed, sizeof note->allowed, "a pointer to a field of the job, or to one that is there in an array");
}

static void set_list_entry(const struct choice *c, size_t axis, const json_t *entry, json_t *job, char label[SWEEP_LABEL_BYTES])
{
    const char *pointer;
    json_t *value;
    json_object_foreach(json_object_get(entry, "set"), pointer, value)
        if (!set_at(job, pointer, value)) refuse_place(c, axis, pointer);
    add_label(label, json_string_value(json_object_get(entry, "name")));
}

static size_t axis_size(const json_t *axis)
{
    const json_t *grid = json_object_get(axis, "grid"), *list = json_object_get(axis, "list");
    return grid ? json_array_size(grid) : list ? json_array_size(list) : 1;
}

/* The job of variant `index`, without its seed. New reference. */
static json_t *make_variant(const struct choice *c, char label[SWEEP_LABEL_BYTES])
{
    json_t *job = json_deep_copy(c->spec->base);
    size_t axes = json_array_size(c->spec->axes), rest = c->index / c->samples, sample = c->index % c->samples;
    size_t chosen[SWEEP_AXES_MAX + 1] = {0};
    label[0] = 0;
    for (size_t a = axes; a-- > 0;) {
        size_t size = axis_size(json_array_get(c->spec->axes, a));
        chosen[a] = rest % size;
        rest /= size;
    }
    for (size_t a = 0; a < axes; a++) {
        const json_t *axis = json_array_get(c->spec->axes, a), *list = json_object_get(axis, "list"), *random = json_object_get(axis, "random");
        const char *pointer = json_string_value(json_object_get(axis, "pointer"));
        if (list) {
            set_list_entry(c, a, json_array_get(list, chosen[a]), job, label);
            continue;
        }
        json_t *value = random ? draw_value(random, (uint64_t)c->spec->random_seed, a, sample) : json_incref(json_array_get(json_object_get(axis, "grid"), chosen[a]));
        if (!set_at(job, pointer, value)) refuse_place(c, a, pointer);
        add_value_label(label, pointer, value);
        json_decref(value);
    }
    if (!*label) err_print(label, SWEEP_LABEL_BYTES, "base");
    return job;
}

/* ---- the plan -------------------------------------------------------------------------------------------------------- */
/* 0 when it is more than can be counted here. */
static size_t count_variants(const struct sweep_spec *spec, size_t *samples)
{
    size_t count = 1, i;
    json_t *axis;
    *samples = 1;
    json_array_foreach(spec->axes, i, axis) {
        if (json_object_get(axis, "random")) *samples = (size_t)spec->samples;
        if (axis_size(axis) > SIZE_MAX / SWEEP_TRIALS_MAX / count) return 0;
        count *= axis_size(axis);
    }
    return count * *samples;
}

static void name_job(const struct sweep_spec *spec, const struct sweep_trial *trial, json_t *job)
{
    char name[JOB_NAME_MAX + 1], fold[24] = "";
    if (trial->fold >= 0) snprintf(fold, sizeof fold, " fold %d", trial->fold);
    err_print(name, sizeof name, "%s%s%s seed %lld%s", spec->name, *spec->name ? ": " : "", trial->label, (long long)trial->seed, fold);
    json_object_set_new(job, "name", json_string(name));
}

static void add_trial(const struct sweep_spec *spec, struct sweep_plan *plan, const char *label, const json_t *variant, int seed, int fold)
{
    struct sweep_trial *t = &plan->trials[plan->count];
    const json_t *own = json_object_get(variant, "seed");
    json_t *job = json_deep_copy(variant);
    memcpy(t->label, label, SWEEP_LABEL_BYTES);
    t->fold = fold;
    t->seed = spec->seed_count ? spec->seeds[seed] : json_is_integer(own) ? json_integer_value(own) : 1;
    if (spec->seed_count) json_object_set_new(job, "seed", json_integer(t->seed));
    if (fold >= 0) {
        json_t *folds = json_integer(spec->folds), *number = json_integer(fold);
        (void)(set_at(job, "/validation/folds", folds) && set_at(job, "/validation/fold", number)); /* else validation is no object: the reader says so */
        json_decref(folds);
        json_decref(number);
    }
    name_job(spec, t, job);
    t->job = job;
    plan->count++;
}

/* A draw may come twice, and a grid may name a value twice. */
static bool is_known(char (*labels)[SWEEP_LABEL_BYTES], size_t count, const char *label)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(labels[i], label)) return true;
    return false;
}

enum err sweep_expand(const struct sweep_spec *spec, struct sweep_plan *plan, struct err_list *errors)
{
    size_t samples, variants = count_variants(spec, &samples), folds = spec->folds ? (size_t)spec->folds : 1;
    size_t seeds = spec->seed_count ? (size_t)spec->seed_count : 1, runs = seeds * folds, before = errors->count + errors->dropped;
    *plan = (struct sweep_plan){0};
    if (!variants || variants > SWEEP_TRIALS_MAX / runs) {
        struct err_note *note = err_add(errors, ERR_RANGE, "/axes", "these are too many trials for one request: a sweep can be extended");
        err_print(note->found, sizeof note->found, "%zu variants with %zu seeds on %zu folds", variants, seeds, folds);
        err_print(note->allowed, sizeof note->allowed, "at most %d trials", SWEEP_TRIALS_MAX);
        return ERR_SPEC;
    }
    char (*labels)[SWEEP_LABEL_BYTES] = calloc(variants, sizeof *labels);
    json_t **jobs = calloc(variants, sizeof(json_t *));
    plan->trials = calloc(variants * runs, sizeof *plan->trials);
    if (!labels || !jobs || !plan->trials) abort();
    for (size_t v = 0; v < variants; v++) {
        char label[SWEEP_LABEL_BYTES];
        json_t *job = make_variant(&(struct choice){spec, v, samples, errors}, label);
        bool known = is_known(labels, plan->variants, label);
        plan->duplicates += known;
        if (known) json_decref(job);
        if (known) continue;
        memcpy(labels[plan->variants], label, sizeof label);
        jobs[plan->variants++] = job;
    }
    plan->duplicates *= runs;
    for (size_t r = 0; r < runs; r++) /* seeds outermost, then folds */
        for (size_t v = 0; v < plan->variants; v++) add_trial(spec, plan, labels[v], jobs[v], (int)(r / folds), spec->folds ? (int)(r % folds) : -1);
    for (size_t v = 0; v < plan->variants; v++) json_decref(jobs[v]);
    free(jobs);
    free(labels);
    return errors->count + errors->dropped > before ? ERR_SPEC : OK;
}

void sweep_plan_free(struct sweep_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) json_decref(plan->trials[i].job);
    free(plan->trials);
    *plan = (struct sweep_plan){0};
}
