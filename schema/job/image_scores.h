/* image_scores: what every validation image scored with the best weights: written by a worker, kept by the server, drawn anew by reports. */
#ifndef SCHEMA_JOB_IMAGE_SCORES_H
#define SCHEMA_JOB_IMAGE_SCORES_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"

/* As JSON, columns over the images in the order of the data set's split:
     {"epoch": 4, "empty": "nan" | "one", "ids": ["image_00", ...],
      "classes": [{"index": 0, "name": "background", "both": [...], "predicted": [...], "truth": [...]},
                  {"index": 1, "name": "cell", "both": [...], ..., "nsd": [...], "hd95": [...]}, ...]}
   both, predicted, truth: pixels, so that every overlap score of an image, and of any choice of images pooled, follows exactly; hd95 in
   pixels. nsd and hd95 of the foreground alone, null where the class is in neither map. A class that is ignored is not there.
   A worker sends at most IMAGE_SCORES_BYTES_MAX of it (some 20,000 images of two classes) and says so where that leaves them out. */
enum { IMAGE_SCORES_BYTES_MAX = 3 << 20, IMAGE_SCORES_IMAGES_MAX = 1 << 20, IMAGE_SCORES_CLASSES_MAX = 256 };

struct image_class {
    int index; /* 0: background */
    const char *name;
    double *both, *predicted, *truth; /* [images] pixels */
    double *nsd, *hd95;               /* [images], NaN where there is none; NULL: not told */
};
struct image_scores {
    int64_t epoch;     /* 0-based: of the best weights */
    bool empty_is_one; /* a class in neither map of an image counts as perfect, else not at all */
    size_t images, classes;
    const json_t *ids; /* texts, of the JSON that was read */
    struct image_class *of;
    double *memory;
};
/* Borrows from `json`. ERR_SPEC with notes at `pointer`; free it in both cases. */
enum err image_scores_read(const json_t *json, const char *pointer, struct image_scores *s, struct err_list *errors) MUST_USE;
void image_scores_free(struct image_scores *s);

enum image_measure { IMAGE_DICE, IMAGE_NSD, IMAGE_HD95, IMAGE_MEASURES };
/* One class of one image; Dice 2|A&B| / (|A|+|B|). A class in neither map: NaN, or perfect (1, 1, 0) when empty_is_one. */
double image_score_of_class(const struct image_scores *s, size_t class_at, size_t image, enum image_measure measure);
/* The mean over the foreground classes that have a value; NaN: none has. The image's part of val/dice_image, val/nsd, val/hd95. */
double image_score(const struct image_scores *s, size_t image, enum image_measure measure);
#endif
