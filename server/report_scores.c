/* report_scores: which scores a report judges, and which of them the trials told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/report_parts.h"

/* A name that ends in '/' takes every class. Others of the jobs' series are in the jobs. */
static const struct report_judged judged[] = {
    {"val/dice", "Dice, pooled, mean of the foreground classes", 1}, {"val/dice/", "Dice, pooled, of one class", 1},
    {"val/dice_image", "Dice, mean over images", 1},                 {"val/nsd", "normalised surface distance", 1},
    {"val/hd95", "95 % Hausdorff distance", -1},                     {"val/ece", "expected calibration error", -1},
    {"val/ece_foreground", "expected calibration error of the foreground", -1}, {"val/brier", "Brier score", -1},
};
enum { JUDGED = sizeof judged / sizeof judged[0] };
_Static_assert((int)REPORT_SCORES_MAX >= (int)IMAGE_SCORES_CLASSES_MAX + JUDGED - 1, "a class or a score would be left out");

static bool of_class(const struct report_judged *row)
{
    return row->name[strlen(row->name) - 1] == '/';
}

static void add_score(struct report_scores *s, const char *name, const struct report_judged *row)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->of[i].name, name)) return;
    if (s->count == REPORT_SCORES_MAX) return;
    snprintf(s->of[s->count].name, sizeof s->of[0].name, "%s", name);
    s->of[s->count++].row = row;
}

static int by_name(const void *a, const void *b)
{
    const struct report_score *x = a, *y = b;
    size_t p = strlen(x->name), q = strlen(y->name);
    return x->row != y->row ? (x->row > y->row) - (x->row < y->row) : p != q ? (p > q) - (p < q) : strcmp(x->name, y->name); /* 2 before 10 */
}

void report_find_scores(const json_t *trials, struct report_scores *s)
{
    size_t i;
    json_t *trial, *value;
    const char *name;
    json_array_foreach(trials, i, trial)
        json_object_foreach(json_object_get(trial, "scores"), name, value)
            for (const struct report_judged *row = judged; row < judged + JUDGED; row++)
                if (of_class(row) ? !strncmp(name, row->name, strlen(row->name)) : !strcmp(name, row->name)) add_score(s, name, row);
    qsort(s->of, s->count, sizeof s->of[0], by_name);
}

json_t *report_absent_scores(const struct report_scores *s)
{
    json_t *absent = json_array();
    for (int r = 0; r < JUDGED; r++) {
        bool found = of_class(&judged[r]);
        for (size_t i = 0; i < s->count; i++) found = found || s->of[i].row == &judged[r];
        if (!found) json_array_append_new(absent, json_string(judged[r].name));
    }
    return absent;
}
