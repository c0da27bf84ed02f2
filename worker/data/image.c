/* image: memory for decoded pixels, its limits, and the two reductions that lose nothing. */
#include "worker/data/image.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum err image_check_size(const char *name, uint64_t width, uint64_t height, unsigned channels, unsigned bits,
                          struct err_note *note)
{
    assert(channels >= 1 && channels <= 4 && bits >= 1 && bits <= 16);
    if (width == 0 || height == 0) return err_set(note, ERR_DATA, name, "%s: an image without pixels", name);
    if (width > IMAGE_SIDE_MAX || height > IMAGE_SIDE_MAX)
        return err_set(note, ERR_DATA, name, "%s: %llux%llu pixels; at most %u a side are read", name,
                       (unsigned long long)width, (unsigned long long)height, IMAGE_SIDE_MAX);
    uint64_t bytes = width * height * channels * (bits > 8 ? 2 : 1);
    if (bytes > IMAGE_BYTES_MAX)
        return err_set(note, ERR_DATA, name, "%s: %llux%llu pixels are %llu bytes decoded; at most %llu are read", name,
                       (unsigned long long)width, (unsigned long long)height, (unsigned long long)bytes,
                       (unsigned long long)IMAGE_BYTES_MAX);
    return OK;
}

enum err image_alloc(struct image *image, const char *name, uint64_t width, uint64_t height, unsigned channels,
                     unsigned bits, struct err_note *note)
{
    *image = (struct image){0};
    enum err e = image_check_size(name, width, height, channels, bits, note);
    if (e) return e;
    size_t values = (size_t)width * height * channels;
    struct image taken = {(uint32_t)width, (uint32_t)height, channels, bits, NULL, NULL};
    if (bits > 8)
        taken.u16 = calloc(values, sizeof *taken.u16);
    else
        taken.u8 = calloc(values, sizeof *taken.u8);
    if (!taken.u8 && !taken.u16)
        return err_set(note, ERR_NO_MEMORY, name, "%s: no memory for %zu pixel values", name, values);
    *image = taken;
    return OK;
}

void image_free(struct image *image)
{
    free(image->u8);
    free(image->u16);
    *image = (struct image){0};
}

size_t image_values(const struct image *image)
{
    return (size_t)image->width * image->height * image->channels;
}

static void set_value(struct image *image, size_t at, uint32_t value)
{
    if (image->u8)
        image->u8[at] = (uint8_t)value;
    else
        image->u16[at] = (uint16_t)value;
}

/* Keeps the first `keep` channels of each pixel, in place. */
static void keep_channels(struct image *image, unsigned keep)
{
    size_t pixels = (size_t)image->width * image->height;
    for (size_t i = 0; i < pixels; i++)
        for (unsigned c = 0; c < keep; c++) set_value(image, i * keep + c, image_value(image, i * image->channels + c));
    image->channels = keep;
}

int image_drop_equal_channels(struct image *image)
{
    if (image->channels != 3) return 0;
    size_t values = image_values(image);
    for (size_t i = 0; i < values; i += 3)
        if (image_value(image, i) != image_value(image, i + 1) || image_value(image, i) != image_value(image, i + 2))
            return 0;
    keep_channels(image, 1);
    return 1;
}

enum err image_drop_alpha(struct image *image, const char *name, struct err_note *note)
{
    assert(image->channels == 2 || image->channels == 4);
    uint32_t full = (1u << image->bits) - 1;
    size_t values = image_values(image), n = image->channels;
    for (size_t i = n - 1; i < values; i += n) {
        uint32_t alpha = image_value(image, i);
        if (alpha == full) continue;
        size_t pixel = i / n;
        return err_set(note, ERR_DATA, name,
                       "%s: transparent: alpha is %u of %u at column %zu, row %zu; flatten the image first", name, alpha,
                       full, pixel % image->width, pixel / image->width);
    }
    keep_channels(image, (unsigned)n - 1);
    return OK;
}
