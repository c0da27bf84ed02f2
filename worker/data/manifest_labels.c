/* manifest_labels: the "labels" of dataset.json: what the raw values of a mask mean. */
#include "worker/data/manifest_labels.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* "17" -> 17, "255,0,16" -> 0xFF0010: plain decimal digits, nothing else. Returns 0 when it is not that. */
static int parse_raw(enum label_kind kind, const char *text, uint32_t *raw)
{
    uint32_t value = 0;
    int parts = kind == LABEL_RGB ? 3 : 1, max = kind == LABEL_RGB ? 255 : 65535;
    for (int part = 0; part < parts; part++) {
        int n = 0, digits = 0;
        if (part && *text++ != ',') return 0;
        while (*text == ' ' && part) text++;
        for (; *text >= '0' && *text <= '9' && digits < 6; text++, digits++) n = n * 10 + (*text - '0');
        if (!digits || n > max) return 0;
        value = kind == LABEL_RGB ? value << 8 | (uint32_t)n : (uint32_t)n;
    }
    *raw = value;
    return *text == 0;
}

static const char *raw_form(enum label_kind kind)
{
    return kind == LABEL_RGB ? "\"r,g,b\" with 0..255 each" : "a whole number 0..65535";
}

static enum err read_map(const json_t *map, struct manifest *m, struct err_note *note)
{
    const char *key;
    json_t *value;
    if (json_object_size(map) == 0) return manifest_bad(note, manifest_place("/labels/map"), "is empty");
    json_object_foreach((json_t *)(uintptr_t)map, key, value) {
        struct place place = manifest_place_key("/labels/map", key);
        uint32_t raw;
        if (!parse_raw(m->labels.kind, key, &raw))
            return manifest_bad(note, place, "this key is not %s", raw_form(m->labels.kind));
        if (!json_is_integer(value)) return manifest_bad(note, place, "must be a class index, is %s", json_type_word(value));
        long long k = json_integer_value(value);
        if (k < 0 || k >= (long long)m->num_classes)
            return manifest_bad(note, place, "class %lld does not exist; num_classes is %u", k, m->num_classes);
        enum err e = label_map_add(&m->labels, raw, (uint8_t)k, place.text, note);
        if (e) return e;
    }
    return OK;
}

static enum err read_ignore(const json_t *labels, struct manifest *m, struct err_note *note)
{
    const json_t *list = json_object_get(labels, "ignore");
    if (!list) return OK;
    if (!json_is_array(list))
        return manifest_bad(note, manifest_place("/labels/ignore"), "must be a list, is %s", json_type_word(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        struct place place = manifest_place("/labels/ignore/%zu", i);
        uint32_t raw = 0;
        int fits = json_is_string(value) ? parse_raw(m->labels.kind, json_string_value(value), &raw)
                   : json_is_integer(value)
                       ? m->labels.kind != LABEL_RGB && json_integer_value(value) >= 0 && json_integer_value(value) <= 65535
                       : 0;
        if (!fits) return manifest_bad(note, place, "is not %s", raw_form(m->labels.kind));
        if (json_is_integer(value)) raw = (uint32_t)json_integer_value(value);
        enum err e = label_map_add(&m->labels, raw, LABEL_IGNORE, place.text, note);
        if (e) return e;
    }
    return OK;
}

static enum err read_threshold(const json_t *labels, struct manifest *m, struct err_note *note)
{
    const json_t *value = json_object_get(labels, "threshold");
    struct place place = manifest_place("/labels/threshold");
    if (!value) return manifest_bad(note, place, "this key is missing");
    if (!json_is_number(value)) return manifest_bad(note, place, "must be a number, is %s", json_type_word(value));
    double threshold = json_number_value(value);
    if (!(threshold > 0 && threshold <= 65535))
        return manifest_bad(note, place, "%g is not above 0 and at most 65535", threshold);
    if (m->num_classes != 2)
        return manifest_bad(note, place, "a threshold makes two classes; num_classes is %u", m->num_classes);
    label_map_threshold(&m->labels, (uint32_t)ceil(threshold)); /* raw >= 0.5 is raw >= 1 */
    return OK;
}

static enum err label_kind_of(const char *word, enum label_kind *kind, struct err_note *note)
{
    static const char *const words[] = {"values", "threshold", "rgb", NULL};
    for (unsigned i = 0; words[i]; i++) {
        *kind = (enum label_kind)i;
        if (!strcmp(word, words[i])) return OK;
    }
    enum err e = manifest_bad(note, manifest_place("/labels/kind"), "\"%s\" is not one of values, threshold, rgb", word);
    manifest_say_found(note, word, "values, threshold, rgb");
    const char *near = err_nearest(word, words);
    if (note) err_print(note->nearest, sizeof note->nearest, "%s", near ? near : "");
    return e;
}

enum err manifest_read_labels(const json_t *top, struct manifest *m, struct err_note *note)
{
    static const char *const map_keys[] = {"kind", "map", "ignore", NULL};
    static const char *const threshold_keys[] = {"kind", "threshold", "ignore", NULL};
    const json_t *labels, *value;
    enum label_kind kind;
    enum err e = manifest_member(top, "", "labels", JSON_OBJECT, &labels, note);
    if (!e) e = manifest_member(labels, "/labels", "kind", JSON_STRING, &value, note);
    if (!e) e = label_kind_of(json_string_value(value), &kind, note);
    if (!e) e = manifest_known_keys(labels, "/labels", kind == LABEL_THRESHOLD ? threshold_keys : map_keys, note);
    if (e) return e;
    label_map_init(&m->labels, kind);
    e = read_ignore(labels, m, note); /* first: a threshold fills what is left */
    if (e) return e;
    if (kind == LABEL_THRESHOLD) return read_threshold(labels, m, note);
    e = manifest_member(labels, "/labels", "map", JSON_OBJECT, &value, note);
    return e ? e : read_map(value, m, note);
}
