/* image_scores: see image_scores.h. */
#include "schema/job/image_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/json_fields.h"

enum { COLUMNS = 5, COUNTS = 3, PIXELS_MAX_BITS = 53 };
static const char *const column_names[COLUMNS] = {"both", "predicted", "truth", "nsd", "hd95"};

static void refuse(struct err_list *errors, const char *pointer, const char *key, const json_t *value, const char *allowed, const char *detail)
{
    char at[192];
    json_pointer_join(at, sizeof at, pointer, key);
    json_fields_refuse(errors, ERR_TYPE, at, value, allowed, detail);
}

/* True when every value is of the kind: pixels are whole numbers that a double holds, scores at least 0 or null. */
static bool read_column(const json_t *list, size_t images, bool pixels, double *to)
{
    if (!json_is_array(list) || json_array_size(list) != images) return false;
    for (size_t i = 0; i < images; i++) {
        const json_t *one = json_array_get(list, i);
        bool none = !pixels && json_is_null(one);
        if (!none && !(pixels ? json_is_integer(one) : json_is_number(one))) return false;
        to[i] = none ? (double)NAN : json_number_value(one);
        if (!none && !(to[i] >= 0 && to[i] <= ldexp(1, PIXELS_MAX_BITS))) return false;
    }
    return true;
}

static void read_class(const json_t *json, const char *pointer, const struct image_scores *s, struct image_class *c, double *room, struct err_list *errors)
{
    double **const columns[COLUMNS] = {&c->both, &c->predicted, &c->truth, &c->nsd, &c->hd95};
    const json_t *index = json_object_get(json, "index"), *name = json_object_get(json, "name");
    if (!json_is_integer(index) || json_integer_value(index) < 0 || json_integer_value(index) >= IMAGE_SCORES_CLASSES_MAX)
        refuse(errors, pointer, "index", index, "a whole number from 0 to 255", "is the class");
    if (!json_is_string(name)) refuse(errors, pointer, "name", name, "a text", "names the class");
    c->index = (int)json_integer_value(index);
    c->name = json_is_string(name) ? json_string_value(name) : "";
    for (int k = 0; k < COLUMNS; k++) {
        const json_t *list = json_object_get(json, column_names[k]);
        if (k >= COUNTS && !list) continue;
        *columns[k] = room + (size_t)k * s->images;
        if (!read_column(list, s->images, k < COUNTS, *columns[k]))
            refuse(errors, pointer, column_names[k], list, k < COUNTS ? "pixels, one whole number an image" : "one number of at least 0, or null, an image", "is a column over the images");
    }
}

static bool all_texts(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i))) return false;
    return true;
}

static void read_head(const json_t *json, const char *pointer, struct image_scores *s, struct err_list *errors)
{
    const json_t *epoch = json_object_get(json, "epoch"), *classes = json_object_get(json, "classes");
    const char *empty = json_string_value(json_object_get(json, "empty"));
    s->ids = json_object_get(json, "ids");
    s->images = json_array_size(s->ids);
    s->classes = json_array_size(classes);
    s->epoch = json_integer_value(epoch);
    s->empty_is_one = empty && !strcmp(empty, "one");
    if (!json_is_integer(epoch) || s->epoch < 0) refuse(errors, pointer, "epoch", epoch, "a whole number of at least 0", "is the epoch of the best weights");
    if (!empty || (strcmp(empty, "nan") && strcmp(empty, "one"))) refuse(errors, pointer, "empty", json_object_get(json, "empty"), "nan or one", "is the rule for classes in neither map");
    if (!s->images || s->images > IMAGE_SCORES_IMAGES_MAX || !all_texts(s->ids)) refuse(errors, pointer, "ids", s->ids, "1 to 1048576 texts", "names the images");
    if (!s->classes || s->classes > IMAGE_SCORES_CLASSES_MAX) refuse(errors, pointer, "classes", classes, "an array of 1 to 256 classes", "holds the columns of each class");
}

enum err image_scores_read(const json_t *json, const char *pointer, struct image_scores *s, struct err_list *errors)
{
    size_t before = errors->count + errors->dropped;
    *s = (struct image_scores){0};
    if (!json_is_object(json)) json_fields_refuse(errors, ERR_TYPE, pointer, json, "an object", "holds the scores of images");
    else read_head(json, pointer, s, errors);
    if (errors->count + errors->dropped > before) return ERR_SPEC;
    s->of = calloc(s->classes, sizeof *s->of);
    s->memory = calloc(s->classes * s->images * COLUMNS, sizeof *s->memory);
    if (!s->of || !s->memory) return ERR_NO_MEMORY;
    for (size_t k = 0; k < s->classes; k++) {
        char at[192];
        err_print(at, sizeof at, "%s/classes/%zu", pointer, k);
        read_class(json_array_get(json_object_get(json, "classes"), k), at, s, &s->of[k], s->memory + k * s->images * COLUMNS, errors);
    }
    return errors->count + errors->dropped > before ? ERR_SPEC : OK;
}

void image_scores_free(struct image_scores *s)
{
    free(s->of);
    free(s->memory);
    *s = (struct image_scores){0};
}

double image_score_of_class(const struct image_scores *s, size_t class_at, size_t image, enum image_measure measure)
{
    const struct image_class *c = &s->of[class_at];
    double all = c->predicted[image] + c->truth[image];
    if (measure == IMAGE_DICE) return all > 0 ? 2 * c->both[image] / all : s->empty_is_one ? 1 : (double)NAN;
    const double *column = measure == IMAGE_NSD ? c->nsd : c->hd95;
    return column ? column[image] : (double)NAN; /* settled by the worker */
}

double image_score(const struct image_scores *s, size_t image, enum image_measure measure)
{
    double sum = 0;
    size_t count = 0;
    for (size_t k = 0; k < s->classes; k++) {
        double one = s->of[k].index > 0 ? image_score_of_class(s, k, image, measure) : (double)NAN;
        if (isnan(one)) continue;
        sum += one;
        count++;
    }
    return count ? sum / (double)count : (double)NAN;
}
