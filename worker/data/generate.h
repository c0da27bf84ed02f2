/* generate: makes a segmentation data set from a seed: rare lesions in noisy, blurred, unevenly lit pictures. */
#ifndef WORKER_DATA_GENERATE_H
#define WORKER_DATA_GENERATE_H
#include "worker/data/dataset.h"

/* {"generate": {"kind": "lesions", ...}} of a job's dataset. Pictures are square, one channel, 8 bits. */
struct generator {
    uint32_t images;   /* 2..100000: the last fifth (at least one) validates */
    uint32_t size;     /* pixels a side, 16..4096 */
    uint32_t classes;  /* 2..8: background and classes-1 kinds of lesion that differ in brightness */
    double foreground; /* 0..0.5: the share of lesion pixels aimed at over the whole set */
    double noise;      /* 0..1: standard deviation, 1 = the full range of grey */
    double blur;       /* 0..16: standard deviation in pixels */
    uint64_t seed;
};
#define GENERATOR_DEFAULT \
    ((struct generator){.images = 64, .size = 128, .classes = 2, .foreground = 0.03, .noise = 0.1, .blur = 1.0, .seed = 1})

/* ERR_RANGE with pointer "/size" and so on, found and allowed. */
enum err generate_check(const struct generator *generator, struct err_note *note) MUST_USE;
/* Image number `at` alone: pixels[size*size], classes[size*size]; any order, the same bytes. ERR_NO_MEMORY. */
enum err generate_image(const struct generator *generator, uint32_t at, uint8_t *pixels, uint8_t *classes) MUST_USE;
/* The whole set in memory; the caller frees with dataset_free. */
enum err generate_dataset(const struct generator *generator, struct dataset *set, struct err_note *note) MUST_USE;
/* Split into folds as manifest_fold deals the same set's files: image i validates when i % folds is `fold`; `folds` 0: the last fifth. */
enum err generate_dataset_fold(const struct generator *generator, int fold, int folds, struct dataset *set, struct err_note *note) MUST_USE;
/* The same set as a folder of PNG files with dataset.json: loading it gives the very same pixels and classes. The folder
   is made where missing; one that holds a dataset.json is refused. ERR_IO, ERR_DATA, ERR_RANGE. */
enum err generate_write_folder(const struct generator *generator, const char *folder, struct err_note *note) MUST_USE;
#endif
