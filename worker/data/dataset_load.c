/* dataset_load: from a folder of files to a data set, pair by pair; or only the check of it, with every mistake. */
#include <stdlib.h>
#include <unistd.h>

#include "worker/data/dataset.h"
#include "worker/data/image_file.h"

/* Brings a picture to the number of channels that `who` wants, or frees it and complains. A grey picture stored as RGB
   counts as grey. */
static enum err fit_channels(struct image *image, const char *path, unsigned channels, const char *who, struct err_note *note)
{
    if (image->channels == channels || (channels == 1 && image_drop_equal_channels(image))) return OK;
    enum err e = err_set(note, ERR_DATA, path, "%s: %u channel%s; %s %u%s", path, image->channels,
                         image->channels == 1 ? "" : "s that differ", who, channels,
                         image->channels == 1 ? ": store it as RGB" : "");
    image_free(image);
    return e;
}

enum err dataset_image_read(const char *path, unsigned channels, struct dataset_image *image, struct err_note *note)
{
    struct image picture;
    *image = (struct dataset_image){0};
    enum err e = image_read(path, IMAGE_PICTURE, &picture, note);
    if (!e) e = fit_channels(&picture, path, channels, "the model takes", note);
    if (e) return e;
    e = dataset_image_make(&picture, image);
    image_free(&picture);
    return e ? err_set(note, e, path, "%s: no memory to keep it", path) : OK;
}

struct pair {
    struct image picture, mask;
    uint8_t *classes;
};

static void free_pair(struct pair *pair)
{
    image_free(&pair->picture);
    image_free(&pair->mask);
    free(pair->classes);
    *pair = (struct pair){0};
}

/* Reads both files of an item and maps the mask; free_pair in any case. */
static enum err read_pair(int folder, const struct manifest *manifest, const struct manifest_item *item, struct pair *pair,
                          struct err_note *note)
{
    *pair = (struct pair){0};
    enum err e = image_read_beneath(folder, item->image, IMAGE_PICTURE, &pair->picture, note);
    if (!e) e = fit_channels(&pair->picture, item->image, manifest->channels, "dataset.json says channels is", note);
    if (!e) e = image_read_beneath(folder, item->mask, IMAGE_MASK, &pair->mask, note);
    if (e) return e;
    const struct image *p = &pair->picture, *m = &pair->mask;
    if (p->width != m->width || p->height != m->height)
        return err_set(note, ERR_DATA, item->mask, "%s: the mask is %ux%u pixels, its image %s is %ux%u", item->mask,
                       m->width, m->height, item->image, p->width, p->height);
    pair->classes = malloc((size_t)m->width * m->height);
    if (!pair->classes) return err_set(note, ERR_NO_MEMORY, item->mask, "%s: no memory for its classes", item->mask);
    return label_map_apply(&manifest->labels, &pair->mask, item->mask, pair->classes, note);
}

static enum err add_item(int folder, const struct manifest *manifest, const struct manifest_item *item, uint64_t bytes_max,
                         struct dataset *set, struct err_note *note)
{
    struct pair pair;
    enum err e = read_pair(folder, manifest, item, &pair, note);
    if (!e) {
        uint64_t pixels = (uint64_t)pair.picture.width * pair.picture.height;
        uint64_t bytes = pixels * (1 + set->channels * (pair.picture.u16 ? 2u : 1u));
        if (!set->counts_only && set->bytes + bytes > bytes_max)
            e = err_set(note, ERR_NO_MEMORY, item->image,
                        "%s: with this image the data set holds %llu bytes; the limit is %llu", item->image,
                        (unsigned long long)(set->bytes + bytes), (unsigned long long)bytes_max);
    }
    if (!e) {
        e = dataset_add(set, item->split, item->id, &pair.picture, pair.classes);
        if (e) err_set(note, e, item->image, "%s: no memory to keep it", item->image);
    }
    free_pair(&pair);
    return e;
}

static enum err start(const struct manifest *manifest, struct dataset *set, struct err_note *note)
{
    enum err e = dataset_start(set, manifest->name, manifest->channels, manifest->num_classes,
                               (const char *const *)manifest->classes);
    if (e) return err_set(note, e, "dataset.json", "dataset.json: no memory for its classes");
    set->unused_items = manifest->item_count - manifest->train_count - manifest->val_count;
    set->groups_in_both = manifest->groups_in_both;
    return OK;
}

static void collect(struct err_list *mistakes, const struct err_note *note)
{
    *err_add(mistakes, note->code, note->pointer, "%s", note->detail) = *note;
}

/* With `mistakes`, goes on after one; without, stops at the first. */
static enum err add_items(int folder, const struct manifest *manifest, uint64_t bytes_max, struct dataset *set,
                          struct err_list *mistakes, struct err_note *note)
{
    enum err first = OK;
    for (size_t i = 0; i < manifest->item_count; i++) {
        if (manifest->items[i].split == SPLIT_NONE) continue;
        enum err e = add_item(folder, manifest, &manifest->items[i], bytes_max, set, note);
        if (!e) continue;
        if (!first) first = e;
        if (!mistakes) break;
        collect(mistakes, note);
    }
    return first;
}

struct wish { /* how much of it, and how it is split */
    uint64_t bytes_max;
    int counts_only, fold, folds;
};

static enum err load(const char *path, const struct wish *wish, struct dataset *set, struct err_list *mistakes, struct err_note *note)
{
    int folder = -1;
    struct manifest *manifest = calloc(1, sizeof *manifest);
    *set = (struct dataset){0};
    enum err e = manifest ? folder_open(path, &folder, note) : err_set(note, ERR_NO_MEMORY, path, "%s: no memory", path);
    if (!e) e = manifest_read(folder, manifest, note);
    if (!e && wish->folds) e = manifest_fold(manifest, wish->fold, wish->folds, note);
    if (!e) e = start(manifest, set, note);
    if (e && mistakes) collect(mistakes, note);
    if (!e) {
        set->counts_only = wish->counts_only;
        e = add_items(folder, manifest, wish->bytes_max, set, mistakes, note);
        enum err finished = dataset_finish(set);
        if (finished && !e) e = err_set(note, finished, path, "%s: no memory", path);
    }
    if (folder >= 0) close(folder);
    if (manifest) manifest_free(manifest);
    free(manifest);
    return e;
}

enum err dataset_load_fold(const char *folder, uint64_t bytes_max, int fold, int folds, struct dataset *set, struct err_note *note)
{
    const struct wish wish = {.bytes_max = bytes_max ? bytes_max : DATASET_BYTES_MAX, .fold = fold, .folds = folds};
    enum err e = load(folder, &wish, set, NULL, note);
    if (e) dataset_free(set);
    return e;
}

enum err dataset_load(const char *folder, uint64_t bytes_max, struct dataset *set, struct err_note *note)
{
    return dataset_load_fold(folder, bytes_max, 0, 0, set, note);
}

enum err dataset_check(const char *folder, struct dataset *set, struct err_list *mistakes)
{
    struct err_note note;
    return load(folder, &(struct wish){.bytes_max = DATASET_BYTES_MAX, .counts_only = 1}, set, mistakes, &note);
}
