/* sampler: which patch is sample (seed, epoch, step, slot); any lane makes any sample alone, in any order, the same. */
#ifndef WORKER_DATA_SAMPLER_H
#define WORKER_DATA_SAMPLER_H
#include "worker/data/augment.h"

/* Plain values from the job spec; the data set must outlive it. No state: every function is pure and thread-safe. */
struct sampler {
    const struct dataset *set; /* patches come from splits[SPLIT_TRAIN] */
    uint64_t seed;
    uint32_t batch; /* slots of a step */
    uint32_t patch_height, patch_width;
    double oversample_foreground; /* 0..1: this share of slots is cut around a foreground pixel */
    int mirror, rotate90;         /* mirror: each axis with probability 1/2; rotate90: each of four turns with 1/4 */
};

struct sample_place {
    uint32_t image; /* index into the split */
    int foreground; /* this slot was cut around a foreground pixel */
    struct augment_place at;
};

/* What keeps the sampler from working: no training image (ERR_DATA), rotate90 with a patch that is not square
   (ERR_RANGE), oversample_foreground outside 0..1 (ERR_RANGE), or above 0 where no mask has a foreground pixel (ERR_DATA). */
enum err sampler_check(const struct sampler *sampler, struct err_note *note) MUST_USE;

/* Draws sample `slot` (0 <= slot < batch) of `step` (0-based within the epoch) of `epoch`. The image is drawn uniformly
   with replacement and the corner uniformly over all places inside, as in the PyTorch reference.
   Foreground slots: numbering an epoch's slots n = step*batch + slot, those where floor((n+1)*f) > floor(n*f): exactly
   the share f. There the image is drawn among those that have foreground, one of its foreground pixels uniformly, and
   the patch is centred on it as far as the image's edges allow. */
struct sample_place sampler_place(const struct sampler *sampler, uint32_t epoch, uint32_t step, uint32_t slot);
/* Draws and cuts: pixels[channels][patch_height*patch_width], classes[patch_height*patch_width]. */
struct sample_place sampler_read(const struct sampler *sampler, uint32_t epoch, uint32_t step, uint32_t slot,
                                 float *pixels, uint8_t *classes);
#endif
