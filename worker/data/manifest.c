/* manifest: a column of steps over the JSON of dataset.json; each either takes its part or says what is wrong with it. */
#include "worker/data/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/data/image_file.h"
#include "worker/data/manifest_labels.h"

static enum err read_head(const json_t *top, struct manifest *m, struct err_note *note)
{
    const json_t *value;
    char *name = NULL;
    long long number;
    enum err e = manifest_member(top, "", "name", JSON_STRING, &value, note);
    if (!e) e = manifest_copy_text(value, manifest_place("/name"), MANIFEST_NAME_MAX, &name, note);
    if (e) return e;
    err_print(m->name, sizeof m->name, "%s", name);
    free(name);
    e = manifest_whole_number(top, "", "channels", 1, MANIFEST_CHANNELS_MAX, &number, note);
    if (e) return e;
    if (number == 2) return manifest_bad(note, manifest_place("/channels"), "2 is not one of 1 (grey) and 3 (colour)");
    m->channels = (unsigned)number;
    e = manifest_whole_number(top, "", "num_classes", 2, LABEL_CLASSES_MAX, &number, note);
    if (!e) m->num_classes = (unsigned)number;
    return e;
}

static enum err read_classes(const json_t *top, struct manifest *m, struct err_note *note)
{
    const json_t *list;
    enum err e = manifest_member(top, "", "classes", JSON_ARRAY, &list, note);
    if (e) return e;
    if (json_array_size(list) != m->num_classes)
        return manifest_bad(note, manifest_place("/classes"), "has %zu names; num_classes is %u", json_array_size(list),
                            m->num_classes);
    m->classes = calloc(m->num_classes, sizeof *m->classes);
    if (!m->classes) return manifest_no_memory(note);
    for (size_t i = 0; i < m->num_classes && !e; i++) {
        e = manifest_copy_text(json_array_get(list, i), manifest_place("/classes/%zu", i), MANIFEST_NAME_MAX, &m->classes[i],
                               note);
        for (size_t j = 0; j < i && !e; j++)
            if (!strcmp(m->classes[i], m->classes[j]))
                e = manifest_bad(note, manifest_place("/classes/%zu", i), "\"%s\" is the name of class %zu too",
                                 m->classes[i], j);
    }
    return e;
}

/* Relative, and staying below by its letters alone; links are caught when the file is opened. */
static enum err check_path(const char *path, struct place place, struct err_note *note)
{
    if (path[0] == '/') return manifest_bad(note, place, "\"%s\" is absolute; paths are relative to dataset.json", path);
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (!strncmp(part, "..", 2) && (part[2] == '/' || part[2] == 0))
            return manifest_bad(note, place, "\"%s\" leads out of the data folder", path);
    return OK;
}

static enum err read_path(const json_t *item, size_t i, const char *key, char **path, struct err_note *note)
{
    char parent[48];
    const json_t *value;
    snprintf(parent, sizeof parent, "/items/%zu", i);
    enum err e = manifest_member(item, parent, key, JSON_STRING, &value, note);
    if (!e) e = manifest_copy_text(value, manifest_place("%s/%s", parent, key), MANIFEST_PATH_MAX, path, note);
    return e ? e : check_path(*path, manifest_place("%s/%s", parent, key), note);
}

/* Enters name -> index; names the earlier index when the name is taken. */
static enum err enter_once(json_t *index, const char *name, size_t i, const char *key, struct err_note *note)
{
    const json_t *earlier = json_object_get(index, name);
    if (earlier)
        return manifest_bad(note, manifest_place("/items/%zu/%s", i, key), "\"%s\" is item %lld's %s too", name,
                            (long long)json_integer_value(earlier), key);
    return json_object_set_new(index, name, json_integer((json_int_t)i)) ? manifest_no_memory(note) : OK;
}

static enum err read_item(const json_t *item, size_t i, struct manifest *m, json_t *ids, json_t *images,
                          struct err_note *note)
{
    struct manifest_item *to = &m->items[i];
    const json_t *value;
    char parent[48];
    snprintf(parent, sizeof parent, "/items/%zu", i);
    if (!json_is_object(item))
        return manifest_bad(note, manifest_place("%s", parent), "must be an object, is %s", json_type_word(item));
    to->split = SPLIT_NONE;
    enum err e = manifest_member(item, parent, "id", JSON_STRING, &value, note);
    if (!e) e = manifest_copy_text(value, manifest_place("%s/id", parent), MANIFEST_NAME_MAX, &to->id, note);
    if (!e) e = enter_once(ids, to->id, i, "id", note);
    if (!e) e = read_path(item, i, "image", &to->image, note);
    if (!e) e = enter_once(images, to->image, i, "image", note);
    if (!e) e = read_path(item, i, "mask", &to->mask, note);
    if (e) return e;
    value = json_object_get(item, "group");
    return value ? manifest_copy_text(value, manifest_place("%s/group", parent), MANIFEST_NAME_MAX, &to->group, note) : OK;
}

static enum err read_items(const json_t *top, struct manifest *m, json_t *ids, struct err_note *note)
{
    const json_t *list;
    enum err e = manifest_member(top, "", "items", JSON_ARRAY, &list, note);
    if (e) return e;
    size_t count = json_array_size(list);
    if (count == 0) return manifest_bad(note, manifest_place("/items"), "is empty");
    if (count > MANIFEST_ITEMS_MAX)
        return manifest_bad(note, manifest_place("/items"), "%zu items; at most %d are read", count, MANIFEST_ITEMS_MAX);
    json_t *images = json_object();
    m->items = calloc(count, sizeof *m->items);
    if (!m->items || !images) e = manifest_no_memory(note);
    if (m->items) m->item_count = count;
    for (size_t i = 0; i < count && !e; i++) e = read_item(json_array_get(list, i), i, m, ids, images, note);
    json_decref(images);
    return e;
}

static enum err enter_split(const json_t *list, const char *word, enum manifest_split split, struct manifest *m,
                            const json_t *ids, size_t *count, struct err_note *note)
{
    *count = json_array_size(list);
    if (*count == 0)
        return manifest_bad(note, manifest_place("/split/%s", word), "is empty: there must be something to %s",
                            split == SPLIT_TRAIN ? "train on" : "validate on");
    for (size_t i = 0; i < *count; i++) {
        const json_t *id = json_array_get(list, i);
        struct place place = manifest_place("/split/%s/%zu", word, i);
        if (!json_is_string(id)) return manifest_bad(note, place, "must be an item's id, is %s", json_type_word(id));
        const json_t *at = json_object_get(ids, json_string_value(id));
        if (!at) return manifest_bad(note, place, "no item has the id \"%s\"", json_string_value(id));
        struct manifest_item *item = &m->items[json_integer_value(at)];
        if (item->split == split) return manifest_bad(note, place, "id \"%s\" stands twice in split.%s", item->id, word);
        if (item->split != SPLIT_NONE)
            return manifest_bad(note, place, "id \"%s\" is in split.train and in split.val", item->id);
        item->split = split;
    }
    return OK;
}

static enum err read_split(const json_t *top, struct manifest *m, const json_t *ids, struct err_note *note)
{
    static const char *const keys[] = {"train", "val", NULL};
    const json_t *split, *train, *val;
    enum err e = manifest_member(top, "", "split", JSON_OBJECT, &split, note);
    if (!e) e = manifest_known_keys(split, "/split", keys, note);
    if (!e) e = manifest_member(split, "/split", "train", JSON_ARRAY, &train, note);
    if (!e) e = manifest_member(split, "/split", "val", JSON_ARRAY, &val, note);
    if (!e) e = enter_split(train, "train", SPLIT_TRAIN, m, ids, &m->train_count, note);
    return e ? e : enter_split(val, "val", SPLIT_VAL, m, ids, &m->val_count, note);
}

/* A group in both splits makes validation optimistic. Not refused: neighbouring slices are often split so. */
static enum err count_groups(struct manifest *m, struct err_note *note)
{
    json_t *seen = json_object(); /* group -> bit 1: train, bit 2: val */
    enum err e = seen ? OK : manifest_no_memory(note);
    for (size_t i = 0; i < m->item_count && !e; i++) {
        const struct manifest_item *item = &m->items[i];
        if (!item->group || item->split == SPLIT_NONE) continue;
        json_int_t before = json_integer_value(json_object_get(seen, item->group));
        json_int_t now = before | (item->split == SPLIT_TRAIN ? 1 : 2);
        if (now == 3 && before != 3) m->groups_in_both++;
        if (json_object_set_new(seen, item->group, json_integer(now))) e = manifest_no_memory(note);
    }
    json_decref(seen);
    return e;
}

static enum err read_top(const json_t *top, struct manifest *m, struct err_note *note)
{
    if (!json_is_object(top))
        return manifest_bad(note, manifest_place("%s", ""), "must be an object, is %s", json_type_word(top));
    json_t *ids = json_object();
    if (!ids) return manifest_no_memory(note);
    enum err e = read_head(top, m, note);
    if (!e) e = read_classes(top, m, note);
    if (!e) e = manifest_read_labels(top, m, note);
    if (!e) e = read_items(top, m, ids, note);
    if (!e) e = read_split(top, m, ids, note);
    if (!e) e = count_groups(m, note);
    json_decref(ids);
    return e;
}

enum err manifest_parse(const char *text, size_t length, struct manifest *manifest, struct err_note *note)
{
    json_error_t where;
    memset(manifest, 0, sizeof *manifest);
    json_t *top = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!top)
        return err_set(note, ERR_DATA, MANIFEST_FILE, MANIFEST_FILE ": not JSON: line %d, column %d: %s", where.line,
                       where.column, where.text);
    enum err e = read_top(top, manifest, note);
    json_decref(top);
    if (e) manifest_free(manifest);
    return e;
}

enum err manifest_read(int folder, struct manifest *manifest, struct err_note *note)
{
    char *text;
    size_t length;
    memset(manifest, 0, sizeof *manifest);
    enum err e = folder_read_file(folder, MANIFEST_FILE, MANIFEST_BYTES_MAX, &text, &length, note);
    if (e) return e;
    e = manifest_parse(text, length, manifest, note);
    free(text);
    return e;
}

void manifest_free(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->item_count; i++) {
        struct manifest_item *item = &manifest->items[i];
        free(item->id);
        free(item->image);
        free(item->mask);
        free(item->group);
    }
    for (size_t i = 0; manifest->classes && i < manifest->num_classes; i++) free(manifest->classes[i]);
    free(manifest->classes);
    free(manifest->items);
    memset(manifest, 0, sizeof *manifest);
}
