/* metric: reading and writing batches of series. */
#include "schema/job/metric.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/json_fields.h"

static const char *const kinds[] = {"result", "timing", NULL}, *const xs[] = {"step", "epoch", NULL};
#define NAME_RULE "letters, digits, _ . - in parts separated by /, at most 96 bytes: loss/dice, val/dice/1"

const char *metric_kind_word(enum metric_kind kind)
{
    return kinds[kind];
}

const char *metric_x_word(enum metric_x x)
{
    return xs[x];
}

static int of_word(const char *const *words, const char *word)
{
    for (int i = 0; word && words[i]; i++)
        if (!strcmp(words[i], word)) return i;
    return -1;
}

int metric_kind_of_word(const char *word)
{
    return of_word(kinds, word);
}

int metric_x_of_word(const char *word)
{
    return of_word(xs, word);
}

bool metric_name_fits(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const char *part = name;
    if (strlen(name) > METRIC_NAME_MAX) return false;
    for (;;) {
        size_t length = strspn(part, allowed);
        if (!length) return false;
        if (!part[length]) return true;
        if (part[length] != '/') return false;
        part += length + 1;
    }
}

bool metric_value_read(const json_t *json, double *value)
{
    const char *text = json_string_value(json);
    if (json_is_number(json))
        *value = json_number_value(json);
    else if (text && !strcmp(text, "NaN"))
        *value = NAN;
    else if (text && !strcmp(text, "Infinity"))
        *value = HUGE_VAL;
    else if (text && !strcmp(text, "-Infinity"))
        *value = -HUGE_VAL;
    else
        return false;
    return true;
}

json_t *metric_value_write(double value)
{
    if (isnan(value)) return json_string("NaN");
    if (isinf(value)) return json_string(value > 0 ? "Infinity" : "-Infinity");
    return json_real(value);
}

static void read_nothing(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    (void)to;
    if (!json_is_array(value)) json_fields_refuse(errors, ERR_TYPE, pointer, value, "an array", "not an array");
}

static const struct field series_fields[] = {
    {.name = "name", .type = FIELD_TEXT, FIELD_AT(struct metric_series, name), .required = true, .text_fits = metric_name_fits, .allowed = NAME_RULE},
    {.name = "kind", .type = FIELD_WORD, FIELD_AT(struct metric_series, kind), .words = kinds, .required = true},
    {.name = "x", .type = FIELD_WORD, FIELD_AT(struct metric_series, x), .words = xs, .required = true},
    {.name = "steps", .type = FIELD_OTHER, .read = read_nothing, .required = true, .allowed = "an array of integers"},
    {.name = "values", .type = FIELD_OTHER, .read = read_nothing, .required = true, .allowed = "an array of numbers"},
    {0}};

/* Steps and values of one series, side by side, until the first mistake. */
static void read_points(const json_t *json, struct metric_series *s, const char *pointer, struct err_list *errors)
{
    const json_t *steps = json_object_get(json, "steps"), *values = json_object_get(json, "values");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i), *value = json_array_get(values, i);
        char at[192];
        if (!json_is_integer(step) || json_integer_value(step) < 0 || (i && json_integer_value(step) <= s->steps[i - 1])) {
            err_print(at, sizeof at, "%s/steps/%zu", pointer, i);
            json_fields_refuse(errors, ERR_RANGE, at, step, "integers from 0, each above the one before", "not a step that can follow");
            return;
        }
        if (!metric_value_read(value, &s->values[i])) {
            err_print(at, sizeof at, "%s/values/%zu", pointer, i);
            json_fields_refuse(errors, ERR_TYPE, at, value, "a number, \"NaN\", \"Infinity\" or \"-Infinity\"", "not a value");
            return;
        }
        s->steps[i] = json_integer_value(step);
    }
}

static void read_series(const json_t *json, struct metric_series *s, int64_t *points, const char *pointer, struct err_list *errors)
{
    size_t before = errors->count;
    json_fields_read(json, series_fields, s, pointer, errors);
    if (errors->count > before) return;
    size_t steps = json_array_size(json_object_get(json, "steps")), values = json_array_size(json_object_get(json, "values"));
    if (steps != values || !steps) {
        err_add(errors, ERR_RANGE, pointer, "%zu steps and %zu values: as many of each, at least one", steps, values);
        return;
    }
    if (steps > METRIC_POINTS_MAX || (*points += (int64_t)steps) > METRIC_POINTS_MAX) {
        err_add(errors, ERR_RANGE, pointer, "more than %d points in one batch", METRIC_POINTS_MAX);
        return;
    }
    s->count = (int)steps;
    s->steps = calloc(steps, sizeof *s->steps);
    s->values = calloc(steps, sizeof *s->values);
    if (s->steps && s->values)
        read_points(json, s, pointer, errors);
    else
        err_add(errors, ERR_NO_MEMORY, pointer, "no memory for %zu points", steps);
}

static void refuse_twice(const struct metric_batch *batch, int last, const char *pointer, struct err_list *errors)
{
    for (int i = 0; i < last; i++)
        if (batch->series[last].name[0] && !strcmp(batch->series[i].name, batch->series[last].name)) {
            err_add(errors, ERR_RANGE, pointer, "the series %s is there twice", batch->series[last].name);
            return;
        }
}

static void read_all(const json_t *list, struct metric_batch *batch, struct err_list *errors)
{
    size_t count = json_array_size(list);
    int64_t points = 0;
    char at[64];
    if (!json_is_array(list) || !count || count > METRIC_SERIES_MAX) {
        json_fields_refuse(errors, list ? ERR_RANGE : ERR_KEY_MISSING, "/series", list, "an array of 1 to 256 series", "not that many series");
        return;
    }
    batch->series = calloc(count, sizeof *batch->series);
    if (!batch->series) {
        err_add(errors, ERR_NO_MEMORY, "/series", "no memory for %zu series", count);
        return;
    }
    for (batch->count = 0; batch->count < (int)count; batch->count++) {
        err_print(at, sizeof at, "/series/%d", batch->count);
        read_series(json_array_get(list, (size_t)batch->count), &batch->series[batch->count], &points, at, errors);
        refuse_twice(batch, batch->count, at, errors);
    }
}

enum err metric_batch_read(const json_t *json, struct metric_batch *batch, struct err_list *errors)
{
    size_t before = errors->count + errors->dropped;
    const json_t *seq = json_object_get(json, "seq");
    *batch = (struct metric_batch){0};
    if (!json_is_object(json)) json_fields_refuse(errors, ERR_TYPE, "", json, "an object", "not an object");
    if (seq && (!json_is_integer(seq) || json_integer_value(seq) < 1))
        json_fields_refuse(errors, ERR_RANGE, "/seq", seq, "an integer from 1", "not a batch number");
    else if (seq)
        batch->seq = json_integer_value(seq);
    read_all(json_object_get(json, "series"), batch, errors);
    if (errors->count + errors->dropped == before) return OK;
    metric_batch_free(batch);
    return ERR_SPEC;
}

json_t *metric_series_write(const struct metric_series *s)
{
    json_t *steps = json_array(), *values = json_array();
    for (int i = 0; i < s->count; i++) {
        json_array_append_new(steps, json_integer(s->steps[i]));
        json_array_append_new(values, metric_value_write(s->values[i]));
    }
    json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", s->name, "kind", kinds[s->kind], "x", xs[s->x], "steps", steps, "values", values);
    assert(json);
    return json;
}

json_t *metric_batch_write(const struct metric_batch *batch)
{
    json_t *json = json_object(), *series = json_array();
    for (int i = 0; i < batch->count; i++) json_array_append_new(series, metric_series_write(&batch->series[i]));
    if (batch->seq) json_object_set_new(json, "seq", json_integer(batch->seq));
    json_object_set_new(json, "series", series);
    return json;
}

void metric_batch_free(struct metric_batch *batch)
{
    for (int i = 0; i < batch->count; i++) {
        free(batch->series[i].steps);
        free(batch->series[i].values);
    }
    free(batch->series);
    *batch = (struct metric_batch){0};
}
