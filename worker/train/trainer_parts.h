/* trainer_parts: the inside of a trainer, shared by its files: step, validation, state; nobody else includes it. */
#ifndef WORKER_TRAIN_TRAINER_PARTS_H
#define WORKER_TRAIN_TRAINER_PARTS_H
#include "worker/data/sampler.h"
#include "worker/train/adapt.h"
#include "worker/train/compare.h"
#include "worker/train/diagnose.h"
#include "worker/train/loss.h"
#include "worker/train/optimizer.h"
#include "worker/train/predict.h"
#include "worker/train/score.h"
#include "worker/train/score_set.h"
#include "worker/train/strategy.h"
#include "worker/train/trainer.h"

/* Step series: what a step may report. Epoch series are the history's columns. */
enum step_series { STEP_TOTAL, STEP_DICE, STEP_CE, STEP_ALPHA, STEP_LR, STEP_LR_OTHER, STEP_WEIGHT_DICE, STEP_WEIGHT_CE, STEP_SERIES };
enum { SERIES_NAME_MAX_BYTES = DIAGNOSE_NAME_MAX, STEPS_HELD_MAX = 64, VAL_KINDS = 15, VAL_COUNTS = 3,
       COLUMNS_MAX = 64 + DIAGNOSE_PLACES_MAX + (VAL_KINDS + VAL_COUNTS) * SCORE_CLASSES_MAX };
/* Epoch columns before those of the classes. */
enum epoch_column { EPOCH_TOTAL, EPOCH_DICE, EPOCH_CE, EPOCH_ALPHA, EPOCH_LR, EPOCH_LR_OTHER, EPOCH_SKIPPED, EPOCH_GROUPS_LEFT,
                    EPOCH_WEIGHT_DICE, EPOCH_WEIGHT_CE, EPOCH_DEGENERATE,
                    VAL_FIRST, VAL_DICE = VAL_FIRST, VAL_EMPTY = VAL_FIRST + VAL_KINDS, VAL_ECE_FOREGROUND, EPOCH_FIXED };

/* Sums over the steps of the epoch that is under way; doubles only, saved as they are. */
struct epoch_sums {
    double counted, skipped; /* steps */
    double total, dice, ce, alpha;
    double groups_left;
    double weight[2], weighed; /* of adaptive and gradient strategies, and in how many steps */
    double degenerate;         /* steps whose gradients were 0, parallel or opposite */
};
/* What one step said; NaN: nothing. */
struct step_report {
    double value[STEP_SERIES];
};
/* Looks at both gradients beside the training: their book, the one under way, and those that wait to be told. */
struct diagnosis {
    struct diagnose book;
    bool due;                   /* the step in hand is looked at */
    struct diagnose_look look;
    double length[2];           /* sqrt of the sum over layers of (w |g|)^2 of Dice and of CE, where layers have weights of their own; else 0 */
    int held;
    struct {
        int64_t step;
        struct diagnose_look look;
    } held_looks[STEPS_HELD_MAX];
    char names[DIAGNOSE_PLACES_MAX][DIAGNOSE_SERIES][DIAGNOSE_NAME_MAX];
    struct trainer_point points[(DIAGNOSE_PLACES_MAX * DIAGNOSE_SERIES + 1) * STEPS_HELD_MAX];
};
struct clockwork { /* seconds of this process alone, for rates and the ETA */
    double started, last_checkpoint, last_flush, epoch_began;
    double train, validate, epoch_train;
    double epoch_processor; /* of all lanes together, in the steps */
    int64_t steps, validations, epoch_images;
};

struct trainer {
    struct trainer_config c;
    const struct job_spec *spec;
    struct network *net;
    struct lanes *lanes;
    struct trainer_result result;

    int64_t epoch, step_in_epoch, step; /* where the run stands */
    struct epoch_sums sums;
    size_t parameters;
    int optimizers;
    struct optimizer optimizer[OPTIMIZERS_MAX];
    float *best;   /* canonical; NULL until something was validated */
    bool best_is_now; /* the best weights are the network's */
    bool evaluated;   /* confusions and scores are those of the best weights */
    double best_score;
    int64_t best_epoch;
    struct plateau_state plateau; /* where alpha follows the validation */

    /* one batch */
    struct loss_options loss;
    struct sampler sampler;
    int batch;
    size_t pixels;          /* of a patch */
    size_t set_channels;
    float *image_memory;
    const float **images;   /* [batch] */
    uint8_t *labels;        /* [batch][pixels] */
    struct sample_place *places;
    float *terms;           /* [batch][pixels] of cross-entropy; NULL unless the loss needs them */
    struct loss_sums *loss_sums;
    struct loss_slopes *slopes;
    struct loss_value value;
    struct step_action action; /* the one whose gradient is being made */
    int gradient_k, prob_k;

    /* both gradients side by side: only where the network holds two */
    struct adapt adapt;
    struct compare *compare;
    float *ce_logits;          /* [lanes][channels][pixels]: of the sample in hand */
    struct gram *sample_grams; /* [batch] */
    struct diagnosis *diagnosis; /* NULL: the job wants none */

    struct predictor *predictor;
    struct confusion *confusions; /* [validation images] */
    struct score_set *scores;
    uint8_t *classes;             /* of the largest validation image */

    char names[COLUMNS_MAX][SERIES_NAME_MAX_BYTES];
    const char *name_of[COLUMNS_MAX];
    int columns, monitor;
    int plateau_column; /* of the score that alpha follows; -1: none of that name */
    double *history;
    int64_t history_rows;

    int held; /* steps whose points wait to be told */
    int64_t held_first;
    struct step_report held_reports[STEPS_HELD_MAX];
    struct clockwork clock;
};

double trainer_now_s(void);
void trainer_log(const struct trainer *t, const char *level, const char *format, ...) PRINTF_LIKE(3, 4);
/* trainer_tell.c: what the callbacks hear. Steps are held for up to a second and told series by series. */
void trainer_tell_steps(struct trainer *t); /* all that are held */
void trainer_hold_step(struct trainer *t, const struct step_report *report);
void trainer_tell_progress(const struct trainer *t, const struct step_report *report, bool validating);
void trainer_tell_epoch(const struct trainer *t, const double *row);
void trainer_tell_evaluation(const struct trainer *t, int64_t epoch, const double *row, double took_s); /* what is not NaN */
bool trainer_validates(const struct trainer *t, int64_t epoch); /* after that epoch */
/* trainer_step.c: one step at (epoch, step_in_epoch); does not move them. ERR_DIVERGED. */
enum err trainer_step(struct trainer *t, struct step_report *report, struct err_note *note) MUST_USE;
/* Gradient of t->action's mix of the batch into logit gradient t->gradient_k; the batch has been looked at. */
void trainer_logit_gradients(struct trainer *t);
/* The same of one sample and of any mix, on any lane, into `to`: [channels][pixels]. */
void trainer_sample_gradient(const struct trainer *t, const struct step_action *mix, int sample, float *to);
/* Forward pass and both losses of the batch in hand. ERR_DIVERGED. */
enum err trainer_look(struct trainer *t, int gradients, struct err_note *note) MUST_USE;
enum err trainer_look_again(struct trainer *t, struct err_note *note) MUST_USE; /* no gradient follows */
enum err trainer_diverged(struct trainer *t, const char *what, const char *how, struct err_note *note);
double trainer_rate(const struct trainer *t, int optimizer);
/* trainer_adapt.c: the step of an adaptive or gradient strategy after its look; fills the weights of plan->actions[0]. */
enum err trainer_adapt_step(struct trainer *t, struct step_plan *plan, struct step_report *report, struct err_note *note) MUST_USE;
/* Of the batch that was looked at; they use both of the network's gradients and leave the probabilities. */
struct gram trainer_logit_gram(struct trainer *t);
struct gram trainer_head_gram(struct trainer *t);
/* The full gradients of two mixes; the probabilities are used up. */
void trainer_two_gradients(struct trainer *t, const struct step_action *first, const struct step_action *second);
enum err trainer_check_weights(struct trainer *t, struct err_note *note) MUST_USE; /* ERR_DIVERGED: one is not finite */
/* trainer_diagnose.c: what it does leaves weights, losses and gradient 0 as they are, bit for bit. All are no-ops without a diagnosis. */
enum err trainer_diagnosis_new(struct trainer *t, struct err_note *note) MUST_USE; /* NULL unless the job wants one. ERR_NO_MEMORY */
/* After a step's first look at its batch: is this step looked at? Then the levels that need no backward pass are taken. */
void trainer_diagnosis_begin(struct trainer *t);
/* network_gradient(0) becomes the gradient of the mix; in a step that is looked at in full, the other comes with it. */
void trainer_backward_mix(struct trainer *t, const struct step_action *mix);
/* A step that holds both unweighted gradients anyway. weights: [layers], or NULL. */
void trainer_diagnosis_layers(struct trainer *t, const struct gram *of_layer, const struct balance *weights);
void trainer_diagnosis_pair(struct trainer *t, const struct step_action actions[2]); /* of network_gradient(0) and (1) */
void trainer_diagnosis_end(struct trainer *t, const struct step_plan *plan); /* before the next look of the same step */
void trainer_tell_looks(struct trainer *t);
/* trainer_validate.c: scores into `row` (a row of the history). *stopped: told to stop half-way, nothing written. */
enum err trainer_validate(struct trainer *t, double *row, bool *stopped, struct err_note *note) MUST_USE;
/* The network that validates gets these weights (canonical), or with NULL those that are being trained. ERR_NO_MEMORY. */
enum err trainer_show_weights(struct trainer *t, const float *weights, struct err_note *note) MUST_USE;
void trainer_name_columns(struct trainer *t);
bool trainer_scores(const struct trainer *t, enum validation_score which); /* at every validation */
/* trainer_follow.c: alpha that follows the validation (plateau.h). ERR_SPEC: a monitor that this data set does not have, or nothing to
   validate on. */
enum err trainer_check_follow(const struct trainer *t, struct err_note *note) MUST_USE;
void trainer_follow(struct trainer *t, const double *row); /* the scores of a validation, a row of the history */
/* trainer_state.c */
enum err trainer_save(struct trainer *t, bool new_best, struct err_note *note) MUST_USE;
enum err trainer_restore(struct trainer *t, const char *path, struct err_note *note) MUST_USE;
#endif
