/* dataset: images side by side in memory; what normalises each, and how often each class occurs. */
#include "worker/data/dataset.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIVISOR_FLOOR 1e-6f /* added to the standard deviation, as in the reference: uniform images exist */

__extension__ typedef unsigned __int128 uint128;

enum err dataset_start(struct dataset *set, const char *name, unsigned channels, unsigned num_classes,
                       const char *const *classes)
{
    assert(channels >= 1 && channels <= MANIFEST_CHANNELS_MAX && num_classes >= 2 && num_classes <= LABEL_CLASSES_MAX);
    *set = (struct dataset){.channels = channels, .num_classes = num_classes};
    err_print(set->name, sizeof set->name, "%s", name);
    set->classes = calloc(num_classes, sizeof *set->classes);
    int failed = !set->classes;
    for (unsigned k = 0; k < num_classes && !failed; k++) failed = !(set->classes[k] = strdup(classes[k]));
    for (unsigned s = 0; s < 2 && !failed; s++)
        failed = !(set->splits[s].class_pixels = calloc(num_classes, sizeof *set->splits[s].class_pixels));
    if (!failed) return OK;
    dataset_free(set);
    return ERR_NO_MEMORY;
}

static void free_pixels(struct dataset_image *image)
{
    free(image->u8);
    free(image->u16);
    free(image->table);
    free(image->classes);
    free(image->row_foreground);
    image->u8 = NULL;
    image->u16 = NULL;
    image->table = NULL;
    image->classes = NULL;
    image->row_foreground = NULL;
}

void dataset_image_free(struct dataset_image *image)
{
    free_pixels(image);
    free(image->class_pixels);
    free(image->id);
    *image = (struct dataset_image){0};
}

static enum err take_planes(struct dataset_image *image, const struct image *from)
{
    size_t plane = (size_t)from->width * from->height;
    *image = (struct dataset_image){.height = from->height, .width = from->width};
    if (from->u8) {
        image->u8 = malloc(plane * from->channels);
        image->table = malloc(from->channels * sizeof *image->table);
        return image->u8 && image->table ? OK : ERR_NO_MEMORY;
    }
    image->u16 = malloc(plane * from->channels * sizeof *image->u16);
    return image->u16 ? OK : ERR_NO_MEMORY;
}

static void copy_planes(struct dataset_image *to, const struct image *from)
{
    size_t plane = (size_t)from->width * from->height, n = from->channels;
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < plane; i++) {
            if (from->u8)
                to->u8[c * plane + i] = from->u8[i * n + c];
            else
                to->u16[c * plane + i] = from->u16[i * n + c];
        }
}

/* mean = S/n and std = sqrt(n*Q - S*S)/n of the n raw values of a plane, S their sum, Q the sum of their squares: both exact
   in whole numbers (Q < 2^28 * 2^32), so the result depends on no order of adding. Returns whether all values are alike. */
static int measure(struct dataset_image *image, unsigned c)
{
    size_t n = (size_t)image->height * image->width;
    uint64_t sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t v = image->u8 ? image->u8[c * n + i] : image->u16[c * n + i];
        sum += v;
        squares += v * v;
    }
    uint128 spread = (uint128)n * squares - (uint128)sum * sum;
    image->mean[c] = (float)((double)sum / (double)n);
    image->divisor[c] = (float)(sqrt((double)spread) / (double)n) + DIVISOR_FLOOR;
    for (unsigned v = 0; image->u8 && v < 256; v++) image->table[c][v] = ((float)v - image->mean[c]) / image->divisor[c];
    return spread == 0;
}

enum err dataset_image_make(const struct image *from, struct dataset_image *image)
{
    assert(from->channels <= MANIFEST_CHANNELS_MAX);
    enum err e = take_planes(image, from);
    if (e) {
        dataset_image_free(image);
        return e;
    }
    copy_planes(image, from);
    image->uniform = 1;
    for (unsigned c = 0; c < from->channels; c++) image->uniform &= measure(image, c);
    return OK;
}

/* What belongs to a mask, beside dataset_image_make. */
static enum err take_classes(struct dataset_image *image, unsigned num_classes, const char *id, const uint8_t *classes)
{
    size_t plane = (size_t)image->width * image->height;
    image->id = strdup(id);
    image->classes = malloc(plane);
    image->class_pixels = calloc(num_classes, sizeof *image->class_pixels);
    image->row_foreground = calloc((size_t)image->height + 1, sizeof *image->row_foreground);
    if (!image->id || !image->classes || !image->class_pixels || !image->row_foreground) return ERR_NO_MEMORY;
    memcpy(image->classes, classes, plane);
    return OK;
}

static void count_classes(struct dataset_image *image, unsigned num_classes)
{
    const uint8_t *at = image->classes;
    for (uint32_t y = 0; y < image->height; y++) {
        uint64_t foreground = 0;
        for (uint32_t x = 0; x < image->width; x++, at++) {
            if (*at == LABEL_IGNORE) {
                image->ignored_pixels++;
                continue;
            }
            assert(*at < num_classes);
            image->class_pixels[*at]++;
            foreground += *at != 0;
        }
        image->row_foreground[y + 1] = image->row_foreground[y] + foreground;
    }
}

static enum err append(struct dataset_split *split, const struct dataset_image *image)
{
    if ((split->count & (split->count - 1)) == 0) { /* 0, 1, 2, 4, ...: full */
        size_t room = split->count ? split->count * 2 : 1;
        struct dataset_image *images = realloc(split->images, room * sizeof *images);
        if (!images) return ERR_NO_MEMORY;
        split->images = images;
    }
    split->images[split->count++] = *image;
    return OK;
}

static void add_counts(struct dataset *set, struct dataset_split *split, const struct dataset_image *image)
{
    size_t plane = (size_t)image->height * image->width;
    for (unsigned k = 0; k < set->num_classes; k++) split->class_pixels[k] += image->class_pixels[k];
    split->ignored_pixels += image->ignored_pixels;
    split->pixels += plane;
    set->uniform_images += image->uniform != 0;
    set->empty_masks += image->row_foreground[image->height] == 0;
    if (!set->counts_only) set->bytes += plane * (1 + set->channels * (image->u16 ? 2u : 1u));
}

enum err dataset_add(struct dataset *set, enum manifest_split split, const char *id, const struct image *pixels,
                     const uint8_t *classes)
{
    assert(split != SPLIT_NONE && pixels->channels == set->channels);
    struct dataset_image image;
    enum err e = dataset_image_make(pixels, &image);
    if (!e) e = take_classes(&image, set->num_classes, id, classes);
    if (!e) {
        count_classes(&image, set->num_classes);
        e = append(&set->splits[split], &image);
    }
    if (e) {
        dataset_image_free(&image);
        return e;
    }
    add_counts(set, &set->splits[split], &image);
    if (set->counts_only) free_pixels(&set->splits[split].images[set->splits[split].count - 1]);
    return OK;
}

enum err dataset_finish(struct dataset *set)
{
    for (unsigned s = 0; s < 2; s++) {
        struct dataset_split *split = &set->splits[s];
        split->with_foreground = calloc(split->count ? split->count : 1, sizeof *split->with_foreground);
        if (!split->with_foreground) return ERR_NO_MEMORY;
        for (size_t i = 0; i < split->count; i++) {
            const struct dataset_image *image = &split->images[i];
            uint64_t plane = (uint64_t)image->height * image->width;
            if (image->class_pixels[0] + image->ignored_pixels < plane)
                split->with_foreground[split->with_foreground_count++] = (uint32_t)i;
        }
    }
    return OK;
}

void dataset_free(struct dataset *set)
{
    for (unsigned s = 0; s < 2; s++) {
        struct dataset_split *split = &set->splits[s];
        for (size_t i = 0; i < split->count; i++) dataset_image_free(&split->images[i]);
        free(split->images);
        free(split->class_pixels);
        free(split->with_foreground);
    }
    for (unsigned k = 0; set->classes && k < set->num_classes; k++) free(set->classes[k]);
    free(set->classes);
    *set = (struct dataset){0};
}
