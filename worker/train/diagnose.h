/* diagnose: what the gradients of Dice and cross-entropy did to each other in the steps of a run that were looked at: cosines,
   lengths, conflicts. Bookkeeping alone: trainer_diagnose.c measures, gradient_verdict.c judges. */
#ifndef WORKER_TRAIN_DIAGNOSE_H
#define WORKER_TRAIN_DIAGNOSE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/job/loss_spec.h"
#include "worker/train/compare.h"

/* Places where two gradients are compared: the levels in the order of enum gram_level, then the blocks of the network. */
enum { DIAGNOSE_PLACES_MAX = GRAM_LEVELS + COMPARE_BLOCKS_MAX, DIAGNOSE_NAME_MAX = 64,
       /* Looks kept for medians. Beyond that every second one goes, and from then on only every second is kept, then every fourth ... */
       DIAGNOSE_LOOKS_MAX = 4096, DIAGNOSE_EPOCH_LOOKS_MAX = 1024 };
enum diagnose_series { DIAGNOSE_COS, DIAGNOSE_NORM_DICE, DIAGNOSE_NORM_CE, DIAGNOSE_RATIO, DIAGNOSE_SERIES };

/* One look: the Gram of the two unweighted gradients at each place. */
struct diagnose_look {
    bool at[DIAGNOSE_PLACES_MAX];        /* measured? */
    struct gram gram[DIAGNOSE_PLACES_MAX];
    double alpha_effective;              /* w1 sqrt(a) / (w1 sqrt(a) + w2 sqrt(c)): Dice's share of the update; NaN: cannot be said */
};
/* What is kept of a look. NaN where there is no such value. */
struct diagnose_kept {
    double cos[GRAM_LEVELS], ratio[GRAM_LEVELS], alpha_effective;
};
/* Every stride-th look, in the order they came. */
struct diagnose_thinned {
    double offered, stride, kept;
};

struct diagnose {
    const struct diagnostics_spec *spec; /* borrowed */
    int places;
    char place[DIAGNOSE_PLACES_MAX][DIAGNOSE_NAME_MAX]; /* "logits", "full", "block/encoder.0" */
    bool measured[DIAGNOSE_PLACES_MAX];
    bool theorem;                        /* the logit gradients cannot oppose each other: diagnose_sign_theorem */
    struct diagnose_state {              /* doubles only: a checkpoint holds it as it is */
        double seen, after_start;        /* steps looked at; of them past the dense start */
        double conflicts[GRAM_LEVELS];   /* steps with a negative cosine */
        double alarm_step, alarm_cosine; /* the first step that broke the sign theorem; -1: none */
        struct diagnose_thinned run, epoch;
        double epoch_seen, epoch_conflicts[DIAGNOSE_PLACES_MAX]; /* of the epoch under way */
        double epoch_cosines[GRAM_LEVELS], epoch_similarity[GRAM_LEVELS]; /* looks in which neither gradient was 0, and the sum over them */
    } state;
    struct diagnose_kept kept[DIAGNOSE_LOOKS_MAX];
    double epoch_cos[DIAGNOSE_EPOCH_LOOKS_MAX][GRAM_LEVELS];
};
_Static_assert(sizeof(struct diagnose_state) % sizeof(double) == 0 && sizeof(struct diagnose_kept) % sizeof(double) == 0, "doubles only");

/* Is this step (0-based, of the whole job) looked at? The first dense_steps, then every `every`-th. */
bool diagnose_due(const struct diagnostics_spec *spec, int64_t step);
/* Does the sign theorem hold: two classes, hard labels, no label smoothing, smooth_nr <= smooth_dr? Then the gradients of Dice and
   cross-entropy agree in sign at every logit, and a negative cosine there is a defect. Proof in a line: at y = 1 Dice falls with p
   (its derivative is (D - 2)/S < 0 as D <= 1), at y = 0 it rises (D/S > 0), as cross-entropy does; weights and p(1-p) are positive. */
bool diagnose_sign_theorem(const struct loss_spec *loss, int classes);
/* Empty, for a network of those blocks. */
void diagnose_start(struct diagnose *d, const struct loss_spec *loss, int classes, const struct compare *compare);
/* "grad/cos/logits", "grad/norm_dice/block/encoder.0", "grad/ratio/full": the name and the value; NaN: no gradient there, no value. */
void diagnose_name(const struct diagnose *d, int place, enum diagnose_series series, char name[DIAGNOSE_NAME_MAX]);
double diagnose_value(const struct gram *g, enum diagnose_series series);
/* True: it is the first that breaks the sign theorem (cosine at the logits below -1e-6 where the theorem holds). */
bool diagnose_add(struct diagnose *d, int64_t step, const struct diagnose_look *look);
/* Columns of an epoch, all places and levels whether measured or not, and their names: conflict_rate of every place; cos_p10, cos_p50,
   cos_p90 and similarity 2 |g1||g2| / (|g1|^2 + |g2|^2) (mean; Yu et al. 2020) of every level. Where a gradient was 0 there is no cosine:
   such a look is in conflict_rate alone, as one without conflict. */
int diagnose_columns(const struct diagnose *d);
void diagnose_column_name(const struct diagnose *d, int column, char name[DIAGNOSE_NAME_MAX]);
/* Fills the columns, NaN where there is nothing to say. */
void diagnose_epoch(const struct diagnose *d, double *row);
void diagnose_next_epoch(struct diagnose *d);
/* The state as bytes, for a checkpoint. restore: false when they are of no such state. */
size_t diagnose_bytes(const struct diagnose *d);
void diagnose_save(const struct diagnose *d, unsigned char *to);
bool diagnose_restore(struct diagnose *d, const unsigned char *from, size_t bytes);

/* Sorts `values` (count >= 1) and tells the quantile q in [0,1], between neighbours by the line. */
double diagnose_quantile(double *values, size_t count, double q);
#endif
