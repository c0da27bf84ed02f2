/* predict: class probabilities and class maps of whole images of any size, from overlapping tiles through the network, on all lanes. */
#ifndef WORKER_TRAIN_PREDICT_H
#define WORKER_TRAIN_PREDICT_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "worker/data/dataset.h"
#include "worker/net/network.h"

struct predictor; /* opaque */
/* Borrows the network: a tile has its patch's size. overlap: 0..0.9, the least share that neighbouring tiles have in common.
   ERR_NO_MEMORY. */
enum err predictor_new(struct network *net, double overlap, struct predictor **out, struct err_note *note) MUST_USE;
void predictor_free(struct predictor *p); /* NULL is fine */

struct predict_calls {
    void *context;
    /* Once for each image, on whatever lane finished it, several at a time and in any order: keep what it makes by `index`.
       probabilities: [maps][height*width] (one map: of class 1; else one a class), classes: [height*width]; both only until it returns. */
    void (*image)(void *context, size_t index, const float *probabilities, const uint8_t *classes);
    bool (*stop)(void *context); /* may be NULL; asked between groups of tiles */
};
/* Overwrites the activations of a training step. The results do not depend on the number of lanes. *stopped: told to stop, some
   images were not called. ERR_NO_MEMORY (images have any size). */
enum err predict_set(struct predictor *p, const struct dataset_image *images, size_t count, const struct predict_calls *calls, bool *stopped, struct err_note *note) MUST_USE;
/* One image. classes: [height*width]. */
enum err predict_image(struct predictor *p, const struct dataset_image *image, uint8_t *classes, struct err_note *note) MUST_USE;
#endif
