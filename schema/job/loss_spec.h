/* loss_spec: the loss block of a job, in full: what the two losses are and how they are combined. No JSON here. */
#ifndef SCHEMA_JOB_LOSS_SPEC_H
#define SCHEMA_JOB_LOSS_SPEC_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/job/alpha.h"
#include "schema/job/method.h"

enum loss_strategy { LOSS_CONSTANT, LOSS_SCHEDULED, LOSS_SEPARATE_OPTIMIZERS, LOSS_ADAPTIVE, LOSS_GRADIENT };
enum loss_activation { LOSS_BY_CLASSES, LOSS_SIGMOID, LOSS_SOFTMAX };
/* simultaneous: one forward, both gradients at the same point, then both steps.
   alternating: Dice forward, backward, step; fresh forward on the same batch, CE backward, step.
   alternating_batches: dice_steps batches step Dice, the next ce_steps batches step CE. */
enum loss_mode { LOSS_SIMULTANEOUS, LOSS_ALTERNATING, LOSS_ALTERNATING_BATCHES };
enum loss_order { LOSS_DICE_FIRST, LOSS_CE_FIRST };
enum loss_empty { LOSS_EMPTY_SMOOTH, LOSS_EMPTY_SKIP, LOSS_EMPTY_PENALIZE_FP };
enum loss_weighting { LOSS_UNWEIGHTED, LOSS_BALANCED, LOSS_LISTED };
enum optimizer_type { OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_SGD };
enum { LOSS_CLASSES_MAX = 64 };

struct optimizer_spec {
    enum optimizer_type type;
    double lr;             /* > 0 */
    double betas[2];       /* adam, adamw; [0,1) */
    double eps;            /* adam, adamw; >= 0 */
    double momentum;       /* sgd; [0,1) */
    bool nesterov;         /* sgd */
    double weight_decay;   /* >= 0; adam and sgd: added to the gradient; adamw: decoupled */
    double clip_norm;      /* global l2 norm; 0 = null = off */
};

/* A weight a class. `balanced` has none (count 0) until the training split is known: loss_spec_balance. */
struct class_weight_spec {
    enum loss_weighting kind;
    int count;
    double of[LOSS_CLASSES_MAX];   /* 0..1e6 */
};

struct loss_spec {
    enum loss_strategy strategy;
    bool by_lambda;                    /* constant only: lambda_dice, lambda_ce instead of alpha */
    struct alpha alpha;                /* constant, scheduled */
    double lambda_dice, lambda_ce;     /* >= 0, not both 0 */
    enum loss_activation activation;   /* LOSS_BY_CLASSES: two classes sigmoid (one channel), more softmax */
    bool include_background;           /* class 0 in the Dice mean (softmax); ignored with one channel */
    int ignore_index;                  /* class left out of both terms and the scores; -1 = none */
    struct {
        bool batch, squared_pred, jaccard;
        double smooth_nr, smooth_dr;   /* >= 0 */
        enum loss_empty empty;
        bool class_weight;             /* the weights below weigh the groups of Dice, too */
    } dice;
    struct class_weight_spec class_weight; /* of the pixels of cross-entropy */
    struct {
        double label_smoothing;        /* [0,1): the true class gets 1 - e + e/C, every other e/C */
        double pos_weight;             /* one channel: what the foreground term is multiplied by */
        double top_k;                  /* (0,100]: percent of the batch's pixels, the hardest; 100 = all */
        double focal_gamma;            /* >= 0: each pixel times (1 - p of its class)^gamma */
        bool include_background;       /* false: pixels of class 0 leave cross-entropy */
    } ce;
    struct {                           /* separate_optimizers only */
        enum loss_mode mode;
        enum loss_order order;
        int dice_steps, ce_steps;      /* 1..1000 */
        struct optimizer_spec dice, ce;
    } optimizers;
    enum loss_method method;           /* adaptive, gradient; METHOD_NONE elsewhere */
    struct method_params params;
    struct gram_spec gram;             /* method_takes_gram() only */
    int warmup_epochs;                 /* adaptive, gradient: so many epochs of alpha, 1 - alpha first */
    struct diagnostics_spec {
        int every;                     /* steps from one comparison of both gradients to the next; 0: never */
        int dense_steps;               /* so many at the start of the job are all compared */
        bool at[GRAM_LEVELS];          /* at least one */
        bool blocks;                   /* level full: also block by block */
    } diagnostics;
};

void loss_spec_default(struct loss_spec *loss);           /* constant, alpha 0.5 */
void optimizer_spec_default(struct optimizer_spec *o);    /* adam 1e-3 */
/* Fills the weights of `balanced`: (1/n_c) divided by the mean of 1/n over the classes that have pixels; 0 for a class without
   any, and for the one that ignore_index leaves out. class_pixels: [classes], of the training split. No-op otherwise. */
void loss_spec_balance(struct loss_spec *loss, const uint64_t *class_pixels, int classes);
/* Gradients that a worker must hold at once: 2 where both losses step from one point, or where both gradients are compared. */
int loss_spec_gradients(const struct loss_spec *loss);
/* Weight of each term in one optimizer step: constant and scheduled; lambda or (alpha, 1-alpha). */
void loss_spec_weights(const struct loss_spec *loss, double alpha, double *dice_weight, double *ce_weight);
#endif
