/* report_conflict: what the jobs of a variant told of their gradients, result.verdict: medians over the trials. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "server/must.h"
#include "server/report_parts.h"

static const char *const levels[] = {"logits", "last_layer", "full"}; /* as in the verdict, from the cheapest to the whole */
static const char *const numbers[] = {"conflict_rate", "cos_median", "ratio_first", "ratio_last"};
enum { LEVELS = 3, NUMBERS = 4 };

struct telling { /* verdicts of a variant's trials */
    size_t count;
    const json_t **of;
    double *room;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of an even number the mean of the middle two; NaN of none. */
static double median(double *x, size_t count)
{
    qsort(x, count, sizeof *x, by_value);
    return count ? (x[(count - 1) / 2] + x[count / 2]) / 2 : (double)NAN;
}

/* `level` NULL: a number of the verdict itself. */
static double median_of(struct telling *t, const char *level, const char *key)
{
    size_t known = 0;
    for (size_t i = 0; i < t->count; i++) {
        const json_t *at = level ? json_object_get(json_object_get(t->of[i], "levels"), level) : t->of[i];
        double x = report_number(at, key);
        if (!isnan(x)) t->room[known++] = x;
    }
    return median(t->room, known);
}

static json_t *levels_of(struct telling *t)
{
    json_t *json = json_object();
    for (int l = 0; l < LEVELS; l++) {
        json_t *one = json_object();
        bool told = false;
        for (int k = 0; k < NUMBERS; k++) {
            double x = median_of(t, levels[l], numbers[k]);
            told = told || !isnan(x);
            json_object_set_new(one, numbers[k], report_real(x));
        }
        if (told) json_object_set(json, levels[l], one);
        json_decref(one);
    }
    return json;
}

/* {"ce": 3, "balanced": 2}: how many trials said which word, in the order in which it came up. */
static json_t *words_of(const struct telling *t, const char *key)
{
    json_t *json = json_object();
    for (size_t i = 0; i < t->count; i++) {
        const char *word = report_text(t->of[i], key);
        if (*word) json_object_set_new(json, word, json_integer(json_integer_value(json_object_get(json, word)) + 1));
    }
    return json;
}

static json_t *alarms_of(const struct telling *t)
{
    json_t *json = json_array();
    for (size_t i = 0; i < t->count; i++)
        if (*report_text(t->of[i], "alarm")) json_array_append(json, json_object_get(t->of[i], "alarm"));
    return json;
}

json_t *report_conflict(const json_t *trials, const char *variant)
{
    struct telling t = {.of = must_calloc(json_array_size(trials) + 1, sizeof(json_t *)), .room = must_calloc(json_array_size(trials) + 1, sizeof(double))};
    size_t i;
    json_t *trial, *json = NULL;
    json_array_foreach(trials, i, trial) {
        const json_t *verdict = json_object_get(trial, "verdict");
        if (report_is_of(trial, variant) && report_counts(trial) && json_is_object(json_object_get(verdict, "levels"))) t.of[t.count++] = verdict;
    }
    if (t.count)
        json = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "trials", (json_int_t)t.count, "levels", levels_of(&t), "alpha_effective", report_real(median_of(&t, NULL, "alpha_effective")),
                         "dominant", words_of(&t, "dominant"), "suggestions", words_of(&t, "suggestion"), "alarms", alarms_of(&t));
    free(t.of);
    free(t.room);
    return json ? json : json_null();
}
