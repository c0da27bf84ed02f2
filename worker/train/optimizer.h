/* optimizer: Adam, AdamW and SGD with Nesterov momentum over one flat array, with the update rules of PyTorch. */
#ifndef WORKER_TRAIN_OPTIMIZER_H
#define WORKER_TRAIN_OPTIMIZER_H
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "schema/job/loss_spec.h"
#include "worker/net/lanes.h"

/* One optimizer: its rule, its moments, how many steps it took. Two of them may share the weights (separate_optimizers). */
struct optimizer {
    struct optimizer_spec spec;
    size_t count;      /* floats */
    int64_t steps;     /* taken so far */
    float *moments[2]; /* adam, adamw: mean and mean square of the gradient; sgd: velocity and NULL */
    double *partial;   /* with clip_norm: a sum of squares for each piece of the gradient */
};

/* Zero moments. ERR_NO_MEMORY. */
enum err optimizer_init(struct optimizer *o, const struct optimizer_spec *spec, size_t count, struct err_note *note) MUST_USE;
void optimizer_fini(struct optimizer *o);
int optimizer_moment_count(const struct optimizer_spec *spec); /* 2 for adam and adamw, 1 for sgd */

/* One step of `weights` along `gradient` with rate `lr` (the spec's lr times its schedule). With clip_norm the gradient counts
   min(1, clip_norm / (norm + 1e-6)) times. Shared out over the lanes; the result does not depend on how many there are.
   lanes may be NULL. Returns the l2 norm of the gradient if clip_norm is on, else 0. */
double optimizer_step(struct optimizer *o, struct lanes *lanes, double lr, float *weights, const float *gradient);
#endif
