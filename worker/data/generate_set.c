/* generate_set: generated pictures as a data set, in memory or as a folder of files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/data/generate.h"
#include "worker/data/write_png.h"

static const struct range {
    const char *key;
    double low, high;
} ranges[] = {
    {"images", 2, 100000}, {"size", 16, 4096}, {"classes", 2, 8}, {"foreground", 0, 0.5}, {"noise", 0, 1}, {"blur", 0, 16},
};

enum err generate_check(const struct generator *generator, struct err_note *note)
{
    const double values[] = {generator->images,     generator->size,  generator->classes,
                             generator->foreground, generator->noise, generator->blur};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (values[i] >= ranges[i].low && values[i] <= ranges[i].high) continue;
        char pointer[32];
        snprintf(pointer, sizeof pointer, "/%s", ranges[i].key);
        err_set(note, ERR_RANGE, pointer, "generate: %s is %g, not in %g..%g", ranges[i].key, values[i], ranges[i].low,
                ranges[i].high);
        if (note) err_print(note->found, sizeof note->found, "%g", values[i]);
        if (note) err_print(note->allowed, sizeof note->allowed, "%g..%g", ranges[i].low, ranges[i].high);
        return ERR_RANGE;
    }
    double bytes = 2.0 * generator->images * generator->size * generator->size;
    if (bytes > (double)DATASET_BYTES_MAX)
        return err_set(note, ERR_RANGE, "/images", "generate: %u images of %ux%u are %.0f bytes; at most %llu",
                       generator->images, generator->size, generator->size, bytes, (unsigned long long)DATASET_BYTES_MAX);
    return OK;
}

static uint32_t first_val(const struct generator *generator)
{
    uint32_t val = generator->images / 5;
    return generator->images - (val ? val : 1);
}

/* Two classes: background, lesion. More: background, lesion 1, lesion 2, ... */
static void class_name(const struct generator *generator, unsigned k, char name[16])
{
    if (k == 0)
        snprintf(name, 16, "background");
    else if (generator->classes == 2)
        snprintf(name, 16, "lesion");
    else
        err_print(name, 16, "lesion %u", k);
}

static enum err start(const struct generator *generator, struct dataset *set)
{
    char names[8][16];
    const char *classes[8];
    for (unsigned k = 0; k < generator->classes; k++) {
        class_name(generator, k, names[k]);
        classes[k] = names[k];
    }
    return dataset_start(set, "lesions", 1, generator->classes, classes);
}

/* What each_image does with a picture. */
typedef enum err (*image_taker)(void *context, uint32_t at, uint8_t *pixels, uint8_t *classes, struct err_note *note);

static enum err each_image(const struct generator *generator, image_taker take, void *context, struct err_note *note)
{
    size_t count = (size_t)generator->size * generator->size;
    uint8_t *pixels = malloc(count), *classes = malloc(count);
    enum err e = pixels && classes ? OK : err_set(note, ERR_NO_MEMORY, "/size", "generate: no memory");
    for (uint32_t at = 0; at < generator->images && !e; at++) {
        e = generate_image(generator, at, pixels, classes);
        e = e ? err_set(note, e, "/size", "generate: no memory") : take(context, at, pixels, classes, note);
    }
    free(pixels);
    free(classes);
    return e;
}

struct keeping {
    const struct generator *generator;
    struct dataset *set;
    uint32_t fold, folds;
};

static enum manifest_split split_of(const struct keeping *k, uint32_t at)
{
    if (k->folds) return at % k->folds == k->fold ? SPLIT_VAL : SPLIT_TRAIN;
    return at < first_val(k->generator) ? SPLIT_TRAIN : SPLIT_VAL;
}

static enum err keep_image(void *context, uint32_t at, uint8_t *pixels, uint8_t *classes, struct err_note *note)
{
    const struct keeping *k = context;
    const struct image image = {k->generator->size, k->generator->size, 1, 8, pixels, NULL};
    char id[16];
    snprintf(id, sizeof id, "%05u", at);
    enum err e = dataset_add(k->set, split_of(k, at), id, &image, classes);
    return e ? err_set(note, e, "/images", "generate: no memory for image %u", at) : OK;
}

enum err generate_dataset(const struct generator *generator, struct dataset *set, struct err_note *note)
{
    return generate_dataset_fold(generator, 0, 0, set, note);
}

enum err generate_dataset_fold(const struct generator *generator, int fold, int folds, struct dataset *set, struct err_note *note)
{
    *set = (struct dataset){0};
    enum err e = generate_check(generator, note);
    if (e) return e;
    e = start(generator, set);
    if (e) return err_set(note, e, "/images", "generate: no memory");
    struct keeping keeping = {generator, set, (uint32_t)fold, (uint32_t)folds};
    e = each_image(generator, keep_image, &keeping, note);
    if (!e && (e = dataset_finish(set))) err_set(note, e, "/images", "generate: no memory");
    if (e) dataset_free(set);
    return e;
}

struct writing {
    const struct generator *generator;
    const char *folder;
};

/* Masks hold what masks of this world hold: 0 and 255 for two classes, the class index for more. */
static enum err write_image(void *context, uint32_t at, uint8_t *pixels, uint8_t *classes, struct err_note *note)
{
    const struct writing *w = context;
    uint32_t size = w->generator->size;
    char path[4096];
    snprintf(path, sizeof path, "%s/images/%05u.png", w->folder, at);
    enum err e = write_png(path, size, size, 1, pixels, note);
    if (e) return e;
    for (size_t i = 0; w->generator->classes == 2 && i < (size_t)size * size; i++) classes[i] = classes[i] ? 255 : 0;
    snprintf(path, sizeof path, "%s/masks/%05u.png", w->folder, at);
    return write_png(path, size, size, 1, classes, note);
}

static enum err add_labels(struct buf *to, const struct generator *generator)
{
    enum err e = buf_text(to, " \"classes\": [");
    for (unsigned k = 0; k < generator->classes && !e; k++) {
        char name[16];
        class_name(generator, k, name);
        e = buf_printf(to, "%s\"%s\"", k ? ", " : "", name);
    }
    if (!e) e = buf_text(to, "],\n \"labels\": {\"kind\": \"values\", \"map\": {");
    for (unsigned k = 0; k < generator->classes && !e; k++)
        e = buf_printf(to, "%s\"%u\": %u", k ? ", " : "", generator->classes == 2 ? k * 255 : k, k);
    return e ? e : buf_text(to, "}},\n");
}

static enum err add_ids(struct buf *to, const char *split, uint32_t from, uint32_t until)
{
    enum err e = buf_printf(to, "\"%s\": [", split);
    for (uint32_t at = from; at < until && !e; at++) e = buf_printf(to, "%s\"%05u\"", at > from ? ", " : "", at);
    return e ? e : buf_text(to, "]");
}

static enum err add_manifest(struct buf *to, const struct generator *g)
{
    enum err e = buf_printf(to,
                            "{\n \"name\": \"lesions\",\n"
                            " \"about\": \"generated: %u images, seed %llu, foreground %g, noise %g, blur %g\",\n"
                            " \"channels\": 1,\n \"num_classes\": %u,\n",
                            g->images, (unsigned long long)g->seed, g->foreground, g->noise, g->blur, g->classes);
    if (!e) e = add_labels(to, g);
    if (!e) e = buf_text(to, " \"items\": [\n");
    for (uint32_t at = 0; at < g->images && !e; at++)
        e = buf_printf(to, "  {\"id\": \"%05u\", \"image\": \"images/%05u.png\", \"mask\": \"masks/%05u.png\"}%s\n", at, at,
                       at, at + 1 < g->images ? "," : "");
    if (!e) e = buf_text(to, " ],\n \"split\": {");
    if (!e) e = add_ids(to, "train", 0, first_val(g));
    if (!e) e = buf_text(to, ", ");
    if (!e) e = add_ids(to, "val", first_val(g), g->images);
    return e ? e : buf_text(to, "}\n}\n");
}

static enum err make_folder(const char *path, struct err_note *note)
{
    if (!mkdir(path, 0777) || errno == EEXIST) return OK;
    return err_set(note, ERR_IO, path, "%s: cannot be made: %s", path, strerror(errno));
}

static enum err make_folders(const char *folder, struct err_note *note)
{
    char path[4096];
    enum err e = make_folder(folder, note);
    snprintf(path, sizeof path, "%s/dataset.json", folder);
    if (!e && !access(path, F_OK))
        return err_set(note, ERR_DATA, path, "%s: stands there already; choose another folder", path);
    snprintf(path, sizeof path, "%s/images", folder);
    if (!e) e = make_folder(path, note);
    snprintf(path, sizeof path, "%s/masks", folder);
    return e ? e : make_folder(path, note);
}

/* Last, so that a folder with a dataset.json is complete. */
static enum err write_manifest(const struct generator *generator, const char *folder, struct err_note *note)
{
    char path[4096];
    struct buf text;
    buf_init(&text, MANIFEST_BYTES_MAX);
    snprintf(path, sizeof path, "%s/dataset.json", folder);
    enum err e = add_manifest(&text, generator);
    if (e) {
        err_set(note, e, path, "%s: no memory for it", path);
    } else {
        FILE *file = fopen(path, "wbe");
        int failed = !file || fwrite(text.data, 1, text.length, file) != text.length;
        if (file && fclose(file)) failed = 1;
        if (failed)
            e = err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, path, "%s: cannot be written: %s", path,
                        strerror(errno));
    }
    buf_free(&text);
    return e;
}

enum err generate_write_folder(const struct generator *generator, const char *folder, struct err_note *note)
{
    enum err e = generate_check(generator, note);
    if (!e && strlen(folder) > 4000) e = err_set(note, ERR_IO, "", "the folder's path is too long");
    if (!e) e = make_folders(folder, note);
    struct writing writing = {generator, folder};
    if (!e) e = each_image(generator, write_image, &writing, note);
    return e ? e : write_manifest(generator, folder, note);
}
