/* sampler: draws a place for each slot from numbers that belong to (seed, epoch, step, slot) alone. */
#include "worker/data/sampler.h"

#include <assert.h>
#include <math.h>

#include "worker/net/rng.h"

enum { STREAM_SAMPLES = 0x53414d50 /* "SAMP": keeps these numbers apart from other uses of the seed */ };

enum err sampler_check(const struct sampler *sampler, struct err_note *note)
{
    const struct dataset_split *train = &sampler->set->splits[SPLIT_TRAIN];
    if (!train->count) return err_set(note, ERR_DATA, "/dataset", "the data set has no training image");
    if (sampler->rotate90 && sampler->patch_height != sampler->patch_width)
        return err_set(note, ERR_RANGE, "/augmentation/rotate90", "rotate90 needs a square patch; this one is %ux%u",
                       sampler->patch_height, sampler->patch_width);
    if (!(sampler->oversample_foreground >= 0 && sampler->oversample_foreground <= 1))
        return err_set(note, ERR_RANGE, "/training/oversample_foreground", "%g is not in 0..1",
                       sampler->oversample_foreground);
    if (sampler->oversample_foreground > 0 && !train->with_foreground_count)
        return err_set(note, ERR_DATA, "/training/oversample_foreground",
                       "no training mask has a foreground pixel to cut a patch around");
    return OK;
}

static int is_foreground_slot(const struct sampler *sampler, uint32_t slot_of_epoch)
{
    double f = sampler->oversample_foreground;
    return floor(((double)slot_of_epoch + 1) * f) > floor((double)slot_of_epoch * f);
}

/* How many places a patch has along an axis: 1 when the image is not larger. */
static uint32_t places(uint32_t image, uint32_t patch)
{
    return image > patch ? image - patch + 1 : 1;
}

/* Row and column of foreground pixel number `wanted` (counted row by row). */
static void find_foreground(const struct dataset_image *image, uint64_t wanted, uint32_t *row, uint32_t *column)
{
    uint32_t low = 0, high = image->height; /* the last row y with row_foreground[y] <= wanted */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (image->row_foreground[middle] <= wanted)
            low = middle;
        else
            high = middle;
    }
    uint64_t left = wanted - image->row_foreground[low];
    const uint8_t *classes = image->classes + (size_t)low * image->width;
    uint32_t x = 0;
    for (;; x++) {
        assert(x < image->width); /* else row_foreground would not match the class map */
        if (classes[x] == 0 || classes[x] == LABEL_IGNORE) continue;
        if (left-- == 0) break;
    }
    *row = low;
    *column = x;
}

/* Corner that puts `centre` in the middle of the patch, moved so that the patch stays inside where it can. */
static uint32_t corner_around(uint32_t centre, uint32_t image, uint32_t patch)
{
    uint32_t corner = centre > patch / 2 ? centre - patch / 2 : 0, last = places(image, patch) - 1;
    return corner < last ? corner : last;
}

struct sample_place sampler_place(const struct sampler *sampler, uint32_t epoch, uint32_t step, uint32_t slot)
{
    const struct dataset_split *train = &sampler->set->splits[SPLIT_TRAIN];
    uint64_t number = (uint64_t)step * sampler->batch + slot;
    assert(slot < sampler->batch && number <= UINT32_MAX && train->count);
    struct rng r;
    rng_start(&r, sampler->seed, STREAM_SAMPLES, epoch, (uint32_t)number);
    struct sample_place p = {.foreground = is_foreground_slot(sampler, (uint32_t)number)};
    if (p.foreground)
        p.image = train->with_foreground[rng_below(&r, (uint32_t)train->with_foreground_count)];
    else
        p.image = rng_below(&r, (uint32_t)train->count);
    const struct dataset_image *image = &train->images[p.image];
    if (p.foreground) {
        uint32_t row, column;
        uint64_t foreground = image->row_foreground[image->height];
        assert(foreground <= UINT32_MAX);
        find_foreground(image, rng_below(&r, (uint32_t)foreground), &row, &column);
        p.at.top = corner_around(row, image->height, sampler->patch_height);
        p.at.left = corner_around(column, image->width, sampler->patch_width);
    } else {
        p.at.top = rng_below(&r, places(image->height, sampler->patch_height));
        p.at.left = rng_below(&r, places(image->width, sampler->patch_width));
    }
    if (sampler->rotate90) p.at.quarter_turns = rng_below(&r, 4);
    if (sampler->mirror) {
        p.at.mirror_vertical = (int)rng_below(&r, 2);
        p.at.mirror_horizontal = (int)rng_below(&r, 2);
    }
    return p;
}

struct sample_place sampler_read(const struct sampler *sampler, uint32_t epoch, uint32_t step, uint32_t slot, float *pixels,
                                 uint8_t *classes)
{
    struct sample_place p = sampler_place(sampler, epoch, step, slot);
    augment_crop(&sampler->set->splits[SPLIT_TRAIN].images[p.image], sampler->set->channels, &p.at, sampler->patch_height,
                 sampler->patch_width, pixels, classes);
    return p;
}
