/* dataset: a whole data set in memory, both splits: raw pixels, what normalises them, class maps and counts. */
#ifndef WORKER_DATA_DATASET_H
#define WORKER_DATA_DATASET_H
#include "worker/data/manifest.h"

/* One pair. Pixels stay as stored (8 or 16 bits, planes [channel][height][width]) and are normalised where they are read,
   always by the same float expression
       ((float)raw - mean[c]) / divisor[c]        mean, divisor = std + 1e-6 over all pixels of the image, per channel
   so that keeping them raw is bit-identical to keeping floats, at a quarter of the memory. Sums are exact integers,
   divided in double and rounded once to float: within 2e-6 of the formula in double on the real sets. (The PyTorch
   reference sums in float, which moves its own colour values by up to 0.03.) */
struct dataset_image {
    char *id;
    uint32_t height, width;
    uint8_t *u8; /* exactly one of u8 and u16 is set */
    uint16_t *u16;
    float mean[MANIFEST_CHANNELS_MAX], divisor[MANIFEST_CHANNELS_MAX];
    float (*table)[256];      /* u8: table[c][raw] is the normalised value; NULL for u16 */
    uint8_t *classes;         /* [height][width]: class index, LABEL_IGNORE = counts nowhere */
    uint64_t *row_foreground; /* [height + 1]: foreground pixels (class >= 1, not ignored) in the rows above y */
    uint64_t *class_pixels;   /* [num_classes] */
    uint64_t ignored_pixels;
    int uniform; /* every pixel alike */
};

struct dataset_split {
    struct dataset_image *images; /* in the order of the items */
    size_t count;
    uint64_t *class_pixels; /* [num_classes]: sums over the images */
    uint64_t ignored_pixels, pixels;
    uint32_t *with_foreground; /* indices of the images that hold any foreground pixel */
    size_t with_foreground_count;
};

struct dataset {
    char name[MANIFEST_NAME_MAX + 1];
    unsigned channels, num_classes;
    char **classes;                 /* num_classes words */
    struct dataset_split splits[2]; /* SPLIT_TRAIN, SPLIT_VAL */
    int counts_only;                /* a check: images keep their counts, not their pixels */
    uint64_t bytes;                 /* of pixels and class maps held */
    size_t unused_items;            /* in neither split: not read */
    size_t groups_in_both;          /* groups in both splits: validation is then not independent of training */
    size_t uniform_images;          /* every pixel alike: they normalise to zero */
    size_t empty_masks;             /* no foreground pixel */
};

#define DATASET_BYTES_MAX ((uint64_t)64 << 30) /* where the caller gives no limit of its own */

/* Reads `folder` (dataset.json and all pairs of both splits); `bytes_max` limits what is held (0 = DATASET_BYTES_MAX).
   The first mistake is returned: ERR_DATA naming file, value, count, sizes; ERR_NO_MEMORY; ERR_IO. The result is
   read-only afterwards: any number of threads may read it. The caller frees with dataset_free; on error it is {0}. */
enum err dataset_load(const char *folder, uint64_t bytes_max, struct dataset *set, struct err_note *note) MUST_USE;
/* The same with the items dealt anew (manifest_fold); `folds` 0: the split of dataset.json. */
enum err dataset_load_fold(const char *folder, uint64_t bytes_max, int fold, int folds, struct dataset *set, struct err_note *note) MUST_USE;
/* The same check without keeping pixels: one pair after the other, every mistake (one a pair) into `mistakes`. `set`
   comes back with names and counts, its images without pixels (u8, u16, table, classes NULL); free it as usual.
   Returns OK when there is no mistake, else the code of the first. */
enum err dataset_check(const char *folder, struct dataset *set, struct err_list *mistakes) MUST_USE;
void dataset_free(struct dataset *set); /* may be called twice, and on {0} */

/* A readable report: images and sizes of both splits, pixels and share of each class, warnings. The caller frees *text. */
enum err dataset_report(const struct dataset *set, char **text) MUST_USE;

/* Building one in memory (the loader and the generator do): start, add the images of each split in order, finish.
   Names are copied; dataset_add copies pixels (of set->channels channels) and classes[height*width], counts, and finds
   what normalises them. With set->counts_only (set it after start) no pixels are kept. */
enum err dataset_start(struct dataset *set, const char *name, unsigned channels, unsigned num_classes,
                       const char *const *classes) MUST_USE;
enum err dataset_add(struct dataset *set, enum manifest_split split, const char *id, const struct image *pixels,
                     const uint8_t *classes) MUST_USE;
enum err dataset_finish(struct dataset *set) MUST_USE;

/* One picture alone, without a mask, for prediction: `classes` and all counts stay empty. A picture of other than
   `channels` channels is ERR_DATA, except grey stored as RGB where one is wanted. The caller frees. */
enum err dataset_image_read(const char *path, unsigned channels, struct dataset_image *image,
                            struct err_note *note) MUST_USE;
void dataset_image_free(struct dataset_image *image); /* may be called twice, and on {0} */

/* Makes such an image of decoded pixels (all their channels are kept); the loader's own step. ERR_NO_MEMORY. */
enum err dataset_image_make(const struct image *from, struct dataset_image *image) MUST_USE;

/* The normalised value of channel c at position `at` = y*width + x. */
static inline float dataset_value(const struct dataset_image *image, unsigned c, size_t at)
{
    size_t plane = (size_t)image->height * image->width;
    if (image->u8) return image->table[c][image->u8[c * plane + at]];
    return ((float)image->u16[c * plane + at] - image->mean[c]) / image->divisor[c];
}
#endif
