/* balance: the weights of two gradients from three numbers: |g1|^2, g1.g2, |g2|^2. Closed forms, no solver, no state but gradvac's. */
#ifndef WORKER_TRAIN_BALANCE_H
#define WORKER_TRAIN_BALANCE_H
#include <stdbool.h>
#include "schema/job/method.h"

struct gram { /* g1 is the gradient of Dice, g2 that of cross-entropy, unweighted */
    double dice, both, ce;
};
/* What a method may look at besides the Gram. */
struct balance_view {
    double alpha;     /* preference of Dice: upgrad, dualproj, aligned_mtl */
    double loss[2];   /* Dice, CE of this step: mgda normalised by loss */
    double target;    /* gradvac: the cosine it holds on to; starts at 0 */
};
struct balance {
    double dice, ce;  /* the update is dice*g1 + ce*g2 */
    bool degenerate;  /* a gradient is 0, or they are parallel or opposite: the weights of (1, 0, 1) */
};

double gram_cosine(const struct gram *g); /* in [-1,1]; NaN when a gradient is 0 */
/* One of the two is shorter than 1e-10, or |cos| is above 1 - 1e-12. */
bool gram_is_degenerate(const struct gram *g);
/* `method` is one of the gradient methods. The Gram is finite. */
struct balance balance_of(enum loss_method method, const struct method_params *params, const struct gram *g, const struct balance_view *view);
/* gradvac's target after a step that saw this Gram; unchanged by a degenerate one. */
double balance_next_target(const struct method_params *params, const struct gram *g, double target);
#endif
