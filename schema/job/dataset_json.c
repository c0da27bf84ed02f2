/* dataset_json: the three ways to name a data set. */
#include "schema/job/dataset_json.h"

#include <string.h>

#include "schema/base/json_fields.h"

#define NAME_RULE "a lower-case letter or digit, then up to 63 of a-z 0-9 . _ -"
#define PATH_RULE "a relative path without empty, . or .. parts, at most 512 bytes"
#define DATASET_FORMS "a name, {\"path\": ...} or {\"generate\": {...}}"
static const char *const kinds[] = {"lesions", NULL};
enum { GENERATE_PIXELS_MAX = 1 << 30 }; /* all pictures together: a gigabyte of grey */

bool dataset_name_fits(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789", more[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);
    return length >= 1 && length <= NAME_MAX_BYTES && strspn(name, first) >= 1 && strspn(name, more) == length;
}

bool dataset_path_fits(const char *path)
{
    if (!*path || strlen(path) > PATH_BYTES_MAX) return false;
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F || *c == '\\') return false;
    for (const char *part = path;;) {
        size_t length = strcspn(part, "/");
        if (!length || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.')) return false;
        if (!part[length]) return true;
        part += length + 1;
    }
}

static void read_kind(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    const char *text = json_string_value(value);
    if (text && !strcmp(text, kinds[0])) {
        memcpy(to, kinds[0], strlen(kinds[0]) + 1);
        return;
    }
    struct err_note *note = json_fields_refuse(errors, text ? ERR_WORD_UNKNOWN : ERR_TYPE, pointer, value, "lesions", "unknown word");
    const char *nearest = text ? err_nearest(text, kinds) : NULL;
    if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
}

static enum err write_kind(const void *from, struct buf *to)
{
    return json_text_add_string(to, from, strlen(from));
}

static const struct field generate_fields[] = {
    {.name = "kind", .type = FIELD_OTHER, FIELD_AT(struct dataset_generate, kind), .read = read_kind, .write = write_kind, .help = "what is drawn"},
    {.name = "images", .type = FIELD_INT, FIELD_AT(struct dataset_generate, images), .min = 2, .max = 10000, .standard = 64, .help = "pictures; the last fifth validates"},
    {.name = "size", .type = FIELD_INT, FIELD_AT(struct dataset_generate, size), .min = 32, .max = 2048, .standard = 128, .help = "pixels a side"},
    {.name = "classes", .type = FIELD_INT, FIELD_AT(struct dataset_generate, classes), .min = 2, .max = 8, .standard = 2, .help = "with background"},
    {.name = "foreground", .type = FIELD_REAL, FIELD_AT(struct dataset_generate, foreground), .min = 0, .max = 0.5, .open_min = true,
     .standard = 0.03, .help = "share of lesion pixels"},
    {.name = "noise", .type = FIELD_REAL, FIELD_AT(struct dataset_generate, noise), .min = 0, .max = 1, .standard = 0.1, .help = "standard deviation; 1 = the full range of grey"},
    {.name = "seed", .type = FIELD_INT64, FIELD_AT(struct dataset_generate, seed), .min = 0, .max = 9007199254740991.0, .standard = 7, .help = "the same seed, the same pictures"},
    {0}};

void dataset_generate_read(const json_t *json, struct dataset_generate *g, const char *pointer, struct err_list *errors)
{
    json_fields_default(generate_fields, g);
    memcpy(g->kind, kinds[0], strlen(kinds[0]) + 1);
    json_fields_read(json, generate_fields, g, pointer, errors);
    int64_t pixels = (int64_t)g->images * g->size * g->size; /* at most 10000 * 2048^2 */
    if (pixels <= GENERATE_PIXELS_MAX) return;
    struct err_note *note = err_add(errors, ERR_RANGE, pointer, "%d pictures of %d x %d pixels are too much to generate", g->images, g->size, g->size);
    err_print(note->found, sizeof note->found, "%lld pixels", (long long)pixels);
    err_print(note->allowed, sizeof note->allowed, "at most %d pixels together", GENERATE_PIXELS_MAX);
}

enum err dataset_generate_print(const struct dataset_generate *generate, struct buf *to)
{
    return json_fields_print(generate_fields, generate, to);
}

static void read_object(const json_t *json, struct dataset_spec *dataset, const char *pointer, struct err_list *errors)
{
    static const struct field rows[] = {
        {.name = "path", .type = FIELD_TEXT, FIELD_AT(struct dataset_spec, path), .text_fits = dataset_path_fits, .allowed = PATH_RULE},
        {.name = "generate", .type = FIELD_OTHER},
        {0}};
    const json_t *path = json_object_get(json, "path"), *generate = json_object_get(json, "generate");
    char at[192];
    json_fields_read(json, rows, dataset, pointer, errors);
    if (path && generate)
        json_fields_refuse(errors, ERR_KEY_UNEXPECTED, pointer, json, DATASET_FORMS, "one job trains on one data set");
    else if (!path && !generate && !json_object_size(json))
        json_fields_refuse(errors, ERR_KEY_MISSING, pointer, json, DATASET_FORMS, "names no data set");
    dataset->source = generate ? DATASET_GENERATE : DATASET_PATH;
    json_pointer_join(at, sizeof at, pointer, "generate");
    if (generate) dataset_generate_read(generate, &dataset->generate, at, errors);
}

void dataset_spec_read(const json_t *json, struct dataset_spec *dataset, const char *pointer, struct err_list *errors)
{
    const char *name = json_string_value(json);
    if (json_is_object(json))
        read_object(json, dataset, pointer, errors);
    else if (!json)
        json_fields_refuse(errors, ERR_KEY_MISSING, pointer, NULL, DATASET_FORMS, "is needed");
    else if (!name)
        json_fields_refuse(errors, ERR_TYPE, pointer, json, DATASET_FORMS, "names no data set");
    else if (!dataset_name_fits(name))
        json_fields_refuse(errors, ERR_RANGE, pointer, json, NAME_RULE, "no data set has such a name");
    else {
        dataset->source = DATASET_REGISTERED;
        memcpy(dataset->name, name, strlen(name) + 1);
    }
}

enum err dataset_spec_print(const struct dataset_spec *dataset, struct buf *to)
{
    if (dataset->source == DATASET_REGISTERED) return json_text_add_string(to, dataset->name, strlen(dataset->name));
    enum err e = buf_text(to, "{");
    if (!e && dataset->source == DATASET_PATH) e = json_text_add_pair(to, "path", dataset->path);
    if (!e && dataset->source == DATASET_GENERATE) e = json_text_add_key(to, "generate");
    if (!e && dataset->source == DATASET_GENERATE) e = dataset_generate_print(&dataset->generate, to);
    return e ? e : buf_text(to, "}");
}
