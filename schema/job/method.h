/* method: how adaptive and gradient strategies find the two weights: their words, parameters and where they look. No JSON here. */
#ifndef SCHEMA_JOB_METHOD_H
#define SCHEMA_JOB_METHOD_H
#include <stdbool.h>

enum loss_method {
    METHOD_NONE,
    /* adaptive: weights from the values of the losses (gradnorm: and the lengths of their gradients) */
    METHOD_UNCERTAINTY, METHOD_DWA, METHOD_GRADNORM, METHOD_FAMO, METHOD_RANDOM, METHOD_LOSS_SCALE,
    /* gradient: weights from (|g_dice|^2, g_dice.g_ce, |g_ce|^2) */
    METHOD_PCGRAD, METHOD_UPGRAD, METHOD_MGDA, METHOD_CAGRAD, METHOD_NASH_MTL, METHOD_IMTL_G, METHOD_ALIGNED_MTL, METHOD_GRADVAC, METHOD_DUALPROJ,
    METHODS
};
enum mgda_normalize { MGDA_L2, MGDA_NONE, MGDA_LOSS, MGDA_LOSS_L2 };
enum aligned_scale { ALIGNED_MIN, ALIGNED_MEDIAN, ALIGNED_RMSE };

/* Of all methods together; each reads its own (method_json.c has the rows with defaults and ranges). */
struct method_params {
    double init;                   /* uncertainty: both log-variances at the start */
    double lr;                     /* uncertainty, gradnorm, famo: step of the method's own state */
    double temperature;            /* dwa */
    double alpha;                  /* gradnorm: how hard the slower loss is pulled along */
    double gamma;                  /* famo: decay of its logits */
    double decay;                  /* loss_scale: of the running mean */
    enum mgda_normalize normalize; /* mgda: what each gradient is divided by first */
    double c;                      /* cagrad: how far from the mean gradient, as a share of its length */
    int rescale;                   /* cagrad: 0 none, 1 by 1/(1+c^2), 2 by 1/(1+c) */
    double max_norm;               /* nash_mtl: longest update in units of the Gram; 0 = null = off */
    enum aligned_scale scale;      /* aligned_mtl: the eigenvalue that all become */
    double beta;                   /* gradvac: of the running target cosine */
};

/* Where the three numbers of two gradients are taken. */
enum gram_level { GRAM_LOGITS, GRAM_LAST_LAYER, GRAM_FULL, GRAM_LEVELS };
extern const char *const gram_level_words[]; /* "logits", "last_layer", "full", NULL */
enum gram_scope { GRAM_MODEL, GRAM_LAYER };
struct gram_spec {
    enum gram_level level;
    enum gram_scope scope;
    int every;                     /* steps from one Gram to the next; the weights hold in between */
    double ema;                    /* share of the old Gram in the new one; 0: none */
};

bool method_is_adaptive(enum loss_method method);
bool method_is_gradient(enum loss_method method);
bool method_takes_gram(enum loss_method method);       /* gradient methods and gradnorm */
bool method_takes_preference(enum loss_method method); /* alpha is its own parameter: upgrad, dualproj, aligned_mtl, loss_scale */
#endif
