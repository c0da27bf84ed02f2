/* plateau: alpha that moves when validation stalls: the rule and its state, the same in training and in the preview. */
#ifndef SCHEMA_JOB_PLATEAU_H
#define SCHEMA_JOB_PLATEAU_H
#include <stdbool.h>
#include <stdint.h>

enum plateau_mode { PLATEAU_MAX, PLATEAU_MIN }; /* which way the monitor improves */
enum { PLATEAU_MONITOR_BYTES = 40 };

/* A value improves when it passes the best so far by more than `threshold`, an absolute difference: scores have a scale of their
   own, and a relative one would mean less and less near 0. `patience` validations in a row without improvement are a stall: alpha
   moves by `delta`, never past `to`. The `cooldown` validations after a stall count for the best alone. A value of NaN (no such
   class in any image) does not improve. Source: ReduceLROnPlateau of PyTorch with threshold_mode "abs" and a patience of ours
   minus 1: it moves at the first bad validation after `patience` of them, we at the last of them. */
struct plateau {
    bool on;                              /* false: alpha has keyframes, and nothing else here means anything */
    char monitor[PLATEAU_MONITOR_BYTES];  /* "val/dice" */
    enum plateau_mode mode;
    int patience;                         /* validations, at least 1 */
    int cooldown;                         /* validations, at least 0 */
    double threshold;                     /* at least 0, in the unit of the monitor */
    double from, to, delta;               /* from and to in [0,1]; delta has the sign of to - from */
};

/* All zero before the first validation. Plain storage without gaps: a checkpoint holds it as it is. */
struct plateau_state {
    double best;      /* meaningless until `seen` */
    int32_t seen;     /* 1 once there was a value that is a number */
    int32_t bad;      /* validations in a row without improvement */
    int32_t cooldown; /* validations of it left */
    int32_t moves;    /* stalls so far: alpha = from + moves * delta, cut at `to` */
};

double plateau_alpha(const struct plateau *p, const struct plateau_state *s);
/* Takes the monitor's value of one validation; true: a stall, and alpha has moved (unless it stood at `to` already). */
bool plateau_see(const struct plateau *p, struct plateau_state *s, double value);
/* alpha of each of `epochs` when every validation that may stall does, into alpha[epochs]. The first one never stalls: it is what
   the others are held against. Validation comes after every `every_epochs`th epoch. (When none stalls, alpha is `from`.) */
void plateau_always(const struct plateau *p, int64_t epochs, int64_t every_epochs, double *alpha);
/* Validations whose stall a later epoch would feel: all but the one after the last epoch. */
int64_t plateau_chances(int64_t epochs, int64_t every_epochs);
#endif
