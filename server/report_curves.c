/* report_curves: the monitored score of each variant over its epochs: mean, lowest and highest of its seeds. */
#include <stdlib.h>
#include "server/must.h"
#include "server/report_parts.h"
#include "server/stats.h"

struct point {
    double epoch, value;
    size_t order; /* of the trials: sums are always in it */
};

static int by_epoch(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    return x->epoch < y->epoch || x->epoch > y->epoch ? (x->epoch > y->epoch) - (x->epoch < y->epoch) : (x->order > y->order) - (x->order < y->order);
}

static size_t count_points(const json_t *trials)
{
    size_t i, count = 1;
    json_t *trial;
    json_array_foreach(trials, i, trial) count += json_array_size(json_object_get(trial, "curve"));
    return count;
}

static size_t gather(const json_t *trials, const char *variant, struct point *points)
{
    size_t i, k, count = 0;
    json_t *trial, *one;
    json_array_foreach(trials, i, trial)
        json_array_foreach(report_is_of(trial, variant) && report_counts(trial) ? json_object_get(trial, "curve") : NULL, k, one)
            if (json_is_number(json_array_get(one, 1)))
                points[count++] = (struct point){json_number_value(json_array_get(one, 0)), json_number_value(json_array_get(one, 1)), i};
    qsort(points, count, sizeof *points, by_epoch);
    return count;
}

static json_t *curve_of(const char *variant, const struct point *points, size_t count, double *room)
{
    json_t *epochs = json_array(), *mean = json_array(), *low = json_array(), *high = json_array();
    for (size_t i = 0, k; i < count; i = k) {
        struct stats_summary s;
        for (k = i; k < count && !(points[k].epoch > points[i].epoch); k++) room[k - i] = points[k].value;
        stats_summarise(room, k - i, &s);
        json_array_append_new(epochs, json_integer((json_int_t)points[i].epoch));
        json_array_append_new(mean, report_real(s.mean));
        json_array_append_new(low, report_real(s.low));
        json_array_append_new(high, report_real(s.high));
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", variant, "epochs", epochs, "mean", mean, "low", low, "high", high);
}

json_t *report_curves(const json_t *report, const json_t *trials)
{
    size_t most = count_points(trials), i;
    struct point *points = must_calloc(most, sizeof *points);
    double *room = must_calloc(most, sizeof *room);
    json_t *variants = json_array(), *variant;
    json_array_foreach(json_object_get(report, "variants"), i, variant) {
        const char *name = report_text(variant, "name");
        size_t count = gather(trials, name, points);
        if (count) json_array_append_new(variants, curve_of(name, points, count, room));
    }
    free(points);
    free(room);
    return json_pack("{s:s, s:o}", "score", report_text(report, "monitor"), "variants", variants);
}
