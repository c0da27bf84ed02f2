/* score_table: val/dice/1 becomes classes[1].dice, val/dice foreground.dice. */
#include "worker/run/score_table.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "val/";
static const char *const counts[] = {"images_both_empty", "images_truth_empty", "images_predicted_empty"};

static const char *score_of_column(const struct trainer_history *h, int column)
{
    return strncmp(h->names[column], prefix, sizeof prefix - 1) ? NULL : h->names[column] + sizeof prefix - 1;
}

json_t *score_table_flat(const struct trainer_history *h, int64_t row)
{
    json_t *all = json_object();
    for (int i = 0; i < h->columns && row >= 0; i++)
        if (score_of_column(h, i) && !isnan(h->values[row * h->columns + i]))
            json_object_set_new(all, h->names[i], json_real(h->values[row * h->columns + i]));
    return all;
}

static json_t *class_rows(const struct dataset *set, size_t images)
{
    json_t *classes = json_array();
    for (unsigned k = 0; k < set->num_classes; k++) {
        json_t *one = json_pack("{s:i, s:s, s:I}", "index", (int)k, "name", set->classes[k], "images_scored", (json_int_t)images);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            json_object_set_new(one, counts[i], json_integer(0));
        json_array_append_new(classes, one);
    }
    return classes;
}

static void put(json_t *foreground, json_t *classes, const char *name, double value)
{
    const char *slash = strchr(name, '/');
    char key[64];
    err_print(key, sizeof key, "%.*s", slash ? (int)(slash - name) : (int)strlen(name), name);
    json_t *to = slash ? json_array_get(classes, (size_t)strtoul(slash + 1, NULL, 10)) : foreground;
    bool count = !strncmp(key, "images_", 7);
    json_object_set_new(to, key, count ? json_integer((json_int_t)value) : json_real(value));
}

json_t *score_table_write(const struct trainer_history *h, int64_t row, const struct dataset *set, const struct validation_spec *spec)
{
    size_t images = set->splits[SPLIT_VAL].count, i;
    if (row < 0 || images == 0)
        return NULL;
    json_t *foreground = json_object(), *classes = class_rows(set, images), *one;
    for (int c = 0; c < h->columns; c++)
        if (score_of_column(h, c) && !isnan(h->values[row * h->columns + c]))
            put(foreground, classes, score_of_column(h, c), h->values[row * h->columns + c]);
    json_t *without = json_incref(json_object_get(foreground, "images_without_foreground"));
    json_object_del(foreground, "images_without_foreground");
    bool leaves_out = spec->empty == VALIDATION_EMPTY_NAN;
    json_array_foreach(classes, i, one)
        if (leaves_out)
            json_object_set_new(one, "images_scored", json_integer((json_int_t)images - json_integer_value(json_object_get(one, counts[0]))));
    return json_pack("{s:I, s:I, s:o*, s:s, s:f, s:o, s:o}", "epoch", (json_int_t)row, "images", (json_int_t)images, "images_without_foreground", without, "empty",
                     leaves_out ? "nan" : "one", "nsd_tolerance", spec->nsd_tolerance, "foreground", foreground, "classes", classes);
}
