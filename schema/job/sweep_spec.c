/* sweep_spec: the table of a sweep's keys, and what its axes may say. */
#include "schema/job/sweep_spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/json_fields.h"

enum { VALUES_MAX = 1000, AXIS_NAME_MAX = 120, POINTER_MAX = 180 };
static const char *const scales[] = {"linear", "log", NULL};

static bool metric_fits(const char *text)
{
    const char *rest = text + strlen("val/dice");
    if (strncmp(text, "val/dice", strlen("val/dice"))) return false;
    return !*rest || (*rest == '/' && rest[1] && strlen(rest) <= 4 && !rest[1 + strspn(rest + 1, "0123456789")]);
}

static const struct field prune_fields[] = {
    {.name = "metric", .type = FIELD_TEXT, FIELD_AT(struct sweep_prune, metric), .standard_text = "val/dice", .text_fits = metric_fits,
     .allowed = "val/dice, or one class of it: val/dice/1", .help = "compared at equal epochs; a loss is not: schedules change it as they go"},
    {.name = "min_epochs", .type = FIELD_INT, FIELD_AT(struct sweep_prune, min_epochs), .min = 1, .max = 100000, .standard = 1, .help = "trained by every trial; the first rung"},
    {.name = "eta", .type = FIELD_INT, FIELD_AT(struct sweep_prune, eta), .min = 2, .max = 16, .standard = 3, .help = "a rung keeps the best 1/eta; the next is eta times as far"},
    {0}};

static void read_prune(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    struct sweep_prune *prune = to;
    json_fields_default(prune_fields, prune);
    if (json_is_null(value)) return;
    prune->on = true;
    json_fields_read(value, prune_fields, prune, pointer, errors);
}

static enum err write_prune(const void *from, struct buf *to)
{
    const struct sweep_prune *prune = from;
    return prune->on ? json_fields_print(prune_fields, prune, to) : buf_text(to, "null");
}

/* A number n stands for 1..n. */
static void read_seeds(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    struct sweep_spec *spec = (struct sweep_spec *)(void *)((char *)to - offsetof(struct sweep_spec, seeds));
    static const char allowed[] = "null, a number of seeds from 1 to 1000, or up to 1000 different whole numbers of at least 0";
    json_int_t count = json_is_integer(value) ? json_integer_value(value) : (json_int_t)json_array_size(value);
    bool listed = json_is_array(value);
    if (json_is_null(value)) return;
    if ((!listed && !json_is_integer(value)) || count < 1 || count > SWEEP_SEEDS_MAX) {
        json_fields_refuse(errors, ERR_RANGE, pointer, value, allowed, "are the seeds of every variant");
        return;
    }
    for (json_int_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(value, (size_t)i);
        spec->seeds[i] = listed ? json_integer_value(one) : i + 1;
        bool fits = !listed || (json_is_integer(one) && spec->seeds[i] >= 0 && spec->seeds[i] <= INT64_C(9007199254740991));
        for (json_int_t k = 0; fits && listed && k < i; k++) fits = spec->seeds[k] != spec->seeds[i];
        if (!fits) {
            char at[192];
            err_print(at, sizeof at, "%s/%lld", pointer, (long long)i);
            json_fields_refuse(errors, ERR_RANGE, at, one, allowed, "is no seed, or stands twice");
            return;
        }
    }
    spec->seed_count = (int)count;
}

static enum err write_seeds(const void *from, struct buf *to)
{
    const struct sweep_spec *spec = (const struct sweep_spec *)(const void *)((const char *)from - offsetof(struct sweep_spec, seeds));
    enum err e = buf_text(to, spec->seed_count ? "[" : "null");
    for (int i = 0; i < spec->seed_count && !e; i++) e = buf_printf(to, "%s%lld", i ? "," : "", (long long)spec->seeds[i]);
    return e || !spec->seed_count ? e : buf_text(to, "]");
}

static void read_preset(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    const char *word = json_string_value(value);
    if (json_is_null(value)) return;
    for (const char *const *w = sweep_preset_words(); word && *w; w++)
        if (!strcmp(word, *w)) {
            err_print(to, SWEEP_PRESET_BYTES, "%s", word);
            return;
        }
    struct err_note *note = json_fields_refuse(errors, word ? ERR_WORD_UNKNOWN : ERR_TYPE, pointer, value, "null or loss_comparison", "there is no such preset");
    const char *nearest = word ? err_nearest(word, sweep_preset_words()) : NULL;
    if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
}

static enum err write_preset(const void *from, struct buf *to)
{
    const char *word = from;
    return *word ? json_text_add_string(to, word, strlen(word)) : buf_text(to, "null");
}

static const struct field sweep_fields[] = {
    {.name = "name", .type = FIELD_TEXT, FIELD_AT(struct sweep_spec, name), .one_line = true, .help = "for people"},
    {.name = "preset", .type = FIELD_OTHER, FIELD_AT(struct sweep_spec, preset), .read = read_preset, .write = write_preset, .help = "a ready-made list of losses"},
    {.name = "base", .type = FIELD_OTHER, .required = true, .help = "a job: what the axes do not change"},
    {.name = "axes", .type = FIELD_OTHER, .help = "what is varied"},
    {.name = "samples", .type = FIELD_INT, FIELD_AT(struct sweep_spec, samples), .min = 1, .max = SWEEP_TRIALS_MAX, .standard = 1, .help = "draws of the random axes"},
    {.name = "random_seed", .type = FIELD_INT64, FIELD_AT(struct sweep_spec, random_seed), .min = 0, .max = 9007199254740991.0, .standard = 1, .help = "of the draws"},
    {.name = "seeds", .type = FIELD_OTHER, FIELD_AT(struct sweep_spec, seeds), .read = read_seeds, .write = write_seeds, .help = "every variant with each of them"},
    {.name = "folds", .type = FIELD_INT, FIELD_AT(struct sweep_spec, folds), .min = 0, .max = SWEEP_FOLDS_MAX, .help = "every variant on every fold; 0: the data set's own split"},
    {.name = "max_running", .type = FIELD_INT, FIELD_AT(struct sweep_spec, max_running), .min = 0, .max = 10000, .help = "jobs at once; 0: as many as there are workers"},
    {.name = "prune", .type = FIELD_OTHER, FIELD_AT(struct sweep_spec, prune), .read = read_prune, .write = write_prune, .help = "stop what falls behind"},
    {.name = "reference", .type = FIELD_TEXT, FIELD_AT(struct sweep_spec, reference), .one_line = true, .help = "the variant that the report compares with"},
    {0}};

/* ---- axes ------------------------------------------------------------------------------------------------- */
static void refuse(struct err_list *errors, enum err code, const char *place, const char *key, const json_t *value, const char *allowed, const char *detail)
{
    char at[192];
    json_pointer_join(at, sizeof at, place, key);
    json_fields_refuse(errors, code, at, value, allowed, detail);
}

/* The seed has a key of its own, the name is made, a priority below the sweep would cut its order. */
static void check_pointer(const struct sweep_spec *spec, const char *pointer, const char *place, const char *key, struct err_list *errors)
{
    json_t *found = json_string(pointer ? pointer : "");
    if (!pointer || pointer[0] != '/' || !pointer[1] || strlen(pointer) > POINTER_MAX)
        refuse(errors, ERR_RANGE, place, key, found, "a JSON pointer into the job: \"/loss/alpha\"", "names no field of a job");
    else if (!strcmp(pointer, "/name") || (!strcmp(pointer, "/seed") && spec->seed_count))
        refuse(errors, ERR_KEY_UNEXPECTED, place, key, found, "another field", pointer[1] == 's' ? "seeds says it already" : "names of jobs are made from their values");
    else if (!strncmp(pointer, "/validation/fold", strlen("/validation/fold")) && spec->folds)
        refuse(errors, ERR_KEY_UNEXPECTED, place, key, found, "another field", "folds says it already");
    json_decref(found);
}

static void check_random_range(const json_t *random, const char *place, struct err_list *errors)
{
    struct range {
        double low, high;
        int scale;
        bool whole;
    } r = {0};
    static const struct field rows[] = {
        {.name = "low", .type = FIELD_REAL, FIELD_AT(struct range, low), .min = -1e300, .max = 1e300, .required = true},
        {.name = "high", .type = FIELD_REAL, FIELD_AT(struct range, high), .min = -1e300, .max = 1e300, .required = true},
        {.name = "scale", .type = FIELD_WORD, FIELD_AT(struct range, scale), .words = scales},
        {.name = "whole", .type = FIELD_BOOL, FIELD_AT(struct range, whole)},
        {0}};
    size_t before = errors->count + errors->dropped;
    json_fields_read(random, rows, &r, place, errors);
    if (errors->count + errors->dropped > before) return;
    if (!(r.low < r.high)) refuse(errors, ERR_RANGE, place, "high", json_object_get(random, "high"), "a number above low", "leaves nothing to draw from");
    else if (r.scale && r.low <= 0) refuse(errors, ERR_RANGE, place, "low", json_object_get(random, "low"), "a number above 0", "has no logarithm");
}

static void check_list(const struct sweep_spec *spec, const json_t *list, const char *place, struct err_list *errors)
{
    size_t i;
    json_t *entry, *value;
    json_array_foreach(list, i, entry) {
        char at[192], set_at[192];
        const char *key, *pointer;
        const json_t *name = json_object_get(entry, "name"), *set = json_object_get(entry, "set");
        err_print(at, sizeof at, "%s/%zu", place, i);
        json_object_foreach(entry, key, value)
            if (strcmp(key, "name") && strcmp(key, "set")) refuse(errors, ERR_KEY_UNKNOWN, at, key, value, "name and set", "unknown key");
        size_t length = json_string_length(name);
        if (!json_is_string(name) || length < 1 || length > AXIS_NAME_MAX) refuse(errors, ERR_TYPE, at, "name", name, "a text of 1 to 120 bytes", "names the entry in labels and reports");
        if (!json_is_object(set)) refuse(errors, ERR_TYPE, at, "set", set, "an object: {\"/loss/alpha\": 0.8}", "says what the entry changes");
        json_pointer_join(set_at, sizeof set_at, at, "set");
        json_object_foreach((json_t *)(size_t)set, pointer, value) check_pointer(spec, pointer, set_at, pointer, errors);
    }
}

static void check_axis(const struct sweep_spec *spec, const json_t *axis, const char *place, struct err_list *errors)
{
    static const char forms[] = "{\"pointer\", \"grid\": [...]}, {\"pointer\", \"random\": {...} or [...]} or {\"list\": [{\"name\", \"set\"}]}";
    const json_t *pointer = json_object_get(axis, "pointer"), *grid = json_object_get(axis, "grid"), *random = json_object_get(axis, "random"), *list = json_object_get(axis, "list");
    const json_t *values = grid ? grid : random ? random : list;
    const char *key = grid ? "grid" : random ? "random" : "list";
    if ((grid != NULL) + (random != NULL) + (list != NULL) != 1 || json_object_size(axis) != (list ? 1u : 2u) || (list != NULL) == (pointer != NULL)) {
        json_fields_refuse(errors, ERR_KEY_UNEXPECTED, place, axis, forms, "an axis has one of three forms");
        return;
    }
    char at[192];
    json_pointer_join(at, sizeof at, place, key);
    if (pointer) check_pointer(spec, json_string_value(pointer), place, "pointer", errors);
    if (random && json_is_object(random)) check_random_range(random, at, errors);
    else if (!json_is_array(values) || json_array_size(values) < 1 || json_array_size(values) > VALUES_MAX)
        json_fields_refuse(errors, ERR_TYPE, at, values, "1 to 1000 values", "an axis has values");
    else if (list) check_list(spec, list, at, errors);
}

static void check_axes(struct sweep_spec *spec, const json_t *axes, struct err_list *errors)
{
    size_t i;
    json_t *axis;
    if (axes && (!json_is_array(axes) || json_array_size(axes) > SWEEP_AXES_MAX)) {
        json_fields_refuse(errors, ERR_TYPE, "/axes", axes, "an array of at most 16 axes", "are what is varied");
        return;
    }
    json_array_foreach(axes, i, axis) {
        char place[32];
        snprintf(place, sizeof place, "/axes/%zu", i);
        check_axis(spec, axis, place, errors);
    }
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */
static void check_prune(const struct sweep_spec *spec, struct err_list *errors)
{
    const json_t *every = json_object_get(json_object_get(spec->base, "validation"), "every_epochs");
    json_int_t epochs = json_is_integer(every) ? json_integer_value(every) : 1;
    if (!spec->prune.on || epochs < 1 || spec->prune.min_epochs % epochs == 0) return;
    struct err_note *note = err_add(errors, ERR_RANGE, "/prune/min_epochs", "no score is taken at this epoch: base.validation.every_epochs is %lld", (long long)epochs);
    err_print(note->found, sizeof note->found, "%d", spec->prune.min_epochs);
    err_print(note->allowed, sizeof note->allowed, "a multiple of %lld", (long long)epochs);
}

enum err sweep_spec_read(const json_t *json, struct sweep_spec *spec, struct err_list *errors)
{
    size_t before = errors->count + errors->dropped;
    memset(spec, 0, sizeof *spec);
    spec->not_built = json_array();
    json_fields_default(sweep_fields, spec);
    json_fields_default(prune_fields, &spec->prune);
    json_fields_read(json, sweep_fields, spec, "", errors);
    const json_t *base = json_object_get(json, "base"), *axes = json_object_get(json, "axes");
    if (base && !json_is_object(base)) json_fields_refuse(errors, ERR_TYPE, "/base", base, "a job spec", "is no object");
    check_axes(spec, axes, errors);
    spec->base = json_is_object(base) ? json_deep_copy(base) : json_object();
    check_prune(spec, errors);
    if (spec->folds == 1) json_fields_refuse(errors, ERR_RANGE, "/folds", json_object_get(json, "folds"), "0, or an integer from 2 to 20", "one fold leaves nothing to train on");
    if (errors->count + errors->dropped > before) return ERR_SPEC;
    spec->axes = axes ? json_deep_copy(axes) : json_array();
    if (*spec->preset) {
        json_array_append_new(spec->axes, sweep_preset_axis(spec->preset, spec->base, spec->not_built));
        if (!*spec->reference) err_print(spec->reference, sizeof spec->reference, "%s", sweep_preset_reference(spec->preset));
    }
    return OK;
}

json_t *sweep_spec_write(const struct sweep_spec *spec)
{
    json_t *json = json_fields_write(sweep_fields, spec);
    json_object_set_new(json, "preset", json_null()); /* its list is among the axes */
    json_object_set(json, "base", spec->base);
    json_object_set(json, "axes", spec->axes);
    return json;
}

void sweep_spec_free(struct sweep_spec *spec)
{
    json_decref(spec->base);
    json_decref(spec->axes);
    json_decref(spec->not_built);
    *spec = (struct sweep_spec){0};
}
