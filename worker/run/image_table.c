/* image_table: see image_table.h. */
#include "worker/run/image_table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "schema/job/image_scores.h"

static json_t *real_or_null(double x)
{
    return isnan(x) ? json_null() : json_real(x);
}

static json_t *write_class(const struct trainer *t, const struct dataset *set, int k)
{
    json_t *both = json_array(), *predicted = json_array(), *truth = json_array(), *nsd = json_array(), *hd95 = json_array();
    for (size_t i = 0; i < set->splits[SPLIT_VAL].count; i++) {
        struct trainer_image_score s;
        bool there = trainer_image_score(t, i, k, &s);
        assert(there);
        (void)there;
        json_array_append_new(both, json_integer((json_int_t)s.counts.both));
        json_array_append_new(predicted, json_integer((json_int_t)s.counts.predicted));
        json_array_append_new(truth, json_integer((json_int_t)s.counts.truth));
        json_array_append_new(nsd, real_or_null(s.nsd));
        json_array_append_new(hd95, real_or_null(s.hd95));
    }
    json_t *json = json_pack("{s:i, s:s, s:o, s:o, s:o}", "index", k, "name", set->classes[k], "both", both, "predicted", predicted, "truth", truth);
    if (k > 0) {
        json_object_set(json, "nsd", nsd);
        json_object_set(json, "hd95", hd95);
    }
    json_decref(nsd);
    json_decref(hd95);
    return json;
}

json_t *image_table_write(const struct trainer *t, const struct dataset *set, const struct job_spec *spec, int64_t epoch)
{
    struct trainer_image_score unused;
    const struct dataset_split *val = &set->splits[SPLIT_VAL];
    if (!val->count || epoch < 0 || !trainer_image_score(t, 0, 0, &unused))
        return NULL;
    json_t *ids = json_array(), *classes = json_array();
    for (size_t i = 0; i < val->count; i++)
        json_array_append_new(ids, json_string(val->images[i].id));
    for (int k = 0; k < (int)set->num_classes; k++)
        if (k != spec->loss.ignore_index)
            json_array_append_new(classes, write_class(t, set, k));
    return json_pack("{s:I, s:s, s:o, s:o}", "epoch", (json_int_t)epoch, "empty", spec->validation.empty == VALIDATION_EMPTY_ONE ? "one" : "nan", "ids", ids, "classes", classes);
}

enum err image_table_worst(const json_t *table, json_t **worst, struct err_note *note)
{
    struct image_scores s;
    struct err_list errors = {0};
    size_t taken[IMAGE_TABLE_WORST], count = 0;
    enum err e = image_scores_read(table, "", &s, &errors);
    assert(!e || e == ERR_NO_MEMORY); /* we wrote it */
    *worst = e ? NULL : json_array();
    if (e)
        e = err_set(note, ERR_NO_MEMORY, "", "no memory for the scores of %zu images", s.images);
    for (; !e && count < IMAGE_TABLE_WORST; count++) {
        size_t lowest = s.images;
        for (size_t i = 0; i < s.images; i++) {
            double dice = image_score(&s, i, IMAGE_DICE);
            bool known = isnan(dice);
            for (size_t k = 0; k < count; k++)
                known = known || taken[k] == i;
            if (!known && (lowest == s.images || dice < image_score(&s, lowest, IMAGE_DICE)))
                lowest = i;
        }
        if (lowest == s.images)
            break;
        taken[count] = lowest;
        json_array_append_new(*worst, json_pack("{s:O, s:f, s:o}", "id", json_array_get(s.ids, lowest), "dice", image_score(&s, lowest, IMAGE_DICE), "nsd",
                                                real_or_null(image_score(&s, lowest, IMAGE_NSD))));
    }
    image_scores_free(&s);
    return e;
}
