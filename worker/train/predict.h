/* predict: the class map of a whole image of any size, from overlapping tiles through the network, on all lanes. */
#ifndef WORKER_TRAIN_PREDICT_H
#define WORKER_TRAIN_PREDICT_H
#include <stdint.h>
#include "schema/base/err.h"
#include "worker/data/dataset.h"
#include "worker/net/network.h"

struct predictor; /* opaque */
/* Borrows the network (its patch, channels and lanes). overlap: 0..0.9, the least share that neighbouring tiles have in
   common. ERR_NO_MEMORY. */
enum err predictor_new(struct network *net, double overlap, struct predictor **out, struct err_note *note) MUST_USE;
void predictor_free(struct predictor *p); /* NULL is fine */
/* classes: [height*width]. Overwrites the activations of a training step. The result does not depend on the number of lanes.
   ERR_NO_MEMORY (images have any size). */
enum err predict_image(struct predictor *p, const struct dataset_image *image, uint8_t *classes, struct err_note *note) MUST_USE;
#endif
