/* alpha: how much Dice weighs against cross-entropy, epoch by epoch or step by step: keyframes and their curve. */
#ifndef SCHEMA_JOB_ALPHA_H
#define SCHEMA_JOB_ALPHA_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/job/plateau.h"

enum alpha_interp { ALPHA_HOLD, ALPHA_LINEAR, ALPHA_COSINE, ALPHA_EXPONENTIAL, ALPHA_SIGMOID, ALPHA_POLY };
enum alpha_unit { ALPHA_EPOCH, ALPHA_STEP, ALPHA_FRACTION };
enum { ALPHA_POINTS_MAX = 64 };

/* alpha in [0,1] is always Dice's weight; cross-entropy gets 1 - alpha. A plain number is one point.
   Before the first point its value holds, after the last one the last value. */
struct alpha {
    int count;                       /* 1..ALPHA_POINTS_MAX */
    double at[ALPHA_POINTS_MAX];     /* strictly increasing, in `unit` */
    double value[ALPHA_POINTS_MAX];  /* each in [0,1] */
    enum alpha_interp interp;
    enum alpha_unit unit;
    double repeat;                   /* period in `unit`; 0 = none */
    bool mirror;                     /* odd periods run backwards */
    double power;                    /* poly */
    double k;                        /* sigmoid */
    struct plateau plateau;          /* .on: alpha follows the validation; its one point is where it starts */
};

void alpha_constant(struct alpha *a, double value);
/* The value at 0-based `epoch` of `epochs`, and 0-based optimizer step `step` of the whole job.
   Unit epoch: t = epoch; fraction: t = epoch / epochs; step: t = step. Where alpha follows the validation: its value until it moves. */
double alpha_at(const struct alpha *a, int64_t epoch, int64_t epochs, int64_t step);
/* The curve itself at time t in the schedule's own unit. */
double alpha_at_time(const struct alpha *a, double t);
bool alpha_is_constant(const struct alpha *a); /* false where it follows the validation: it may move */
#endif
