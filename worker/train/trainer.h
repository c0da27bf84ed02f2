/* trainer: a training run from its first step (or a checkpoint) to its last: epochs, validation, checkpoints, best weights.
   Knows no JSON and no network protocol: what happens is told through callbacks. */
#ifndef WORKER_TRAIN_TRAINER_H
#define WORKER_TRAIN_TRAINER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "schema/base/sha256.h"
#include "schema/job/job_spec.h"
#include "worker/data/dataset.h"
#include "worker/net/network.h"
#include "worker/train/gradient_verdict.h"
#include "worker/train/score.h"

/* One value of one series. Result series are the same bits in every run of a spec; timing series are not. */
struct trainer_point {
    const char *name; /* "loss/total"; lives as long as the trainer */
    bool timing, by_epoch;
    int64_t step;     /* of the whole job, or the 0-based epoch */
    double value;
};
struct trainer_progress {
    int64_t epoch, epochs, step_in_epoch, steps_per_epoch, step;
    double eta_s;        /* NaN until it can be told */
    double images_per_s; /* training alone, since this process began */
    bool has_alpha;
    double alpha, dice, ce;      /* of the last step */
    double val_dice, best_score; /* NaN until there is one */
    bool validating;
};
struct trainer_checkpoint {
    const char *path, *sha256;
    int64_t bytes, step, epoch;
    bool best;
    double score; /* NaN: none yet */
};
/* Each may be NULL. Called from the thread that runs the trainer, between steps. */
struct trainer_calls {
    void *context;
    void (*points)(void *context, const struct trainer_point *points, size_t count); /* neighbours of one series together */
    void (*progress)(void *context, const struct trainer_progress *progress);
    void (*log)(void *context, const char *level, const char *text);
    void (*checkpoint)(void *context, const struct trainer_checkpoint *checkpoint);
    void (*preview)(void *context, const char *path, const char *name, int64_t epoch);
    bool (*stop)(void *context); /* true: finish the step, write a checkpoint, return */
};
/* Everything here is borrowed and must outlive the trainer. */
struct trainer_config {
    const struct job_spec *spec;    /* resolved and checked against the data set's classes */
    const struct dataset *set;
    struct network *net;            /* made for spec: patch, batch, strategy_gradients() gradients, lanes */
    struct network *validation_net; /* inference only, of the same model, its patch the validation tile; NULL: net, in tiles of the training patch */
    const char *out_dir;            /* checkpoint-last, checkpoint-best, preview-*.png */
    const char *resume;             /* a checkpoint file; NULL: start with network_init(seed) */
    const char *spec_hash, *made_by;
    struct trainer_calls calls;
};
/* What the run has come to; valid until trainer_free. */
struct trainer_result {
    bool stopped;                 /* by calls.stop: a checkpoint is written, epochs are left */
    int64_t epochs, steps;        /* done, over all attempts */
    int64_t skipped_steps;        /* of this process: every pixel of the batch was ignored */
    int64_t best_epoch;           /* -1: nothing was validated */
    double best_score, last_score; /* of the monitor; NaN: none */
    char weights_sha256[SHA256_HEX]; /* of the last weights in canonical order */
    int64_t failed_epoch, failed_step; /* ERR_DIVERGED only */
    char failed_samples[256];
    double seconds;
};
/* Values of every epoch so far, one row an epoch, NaN where there is none: the curves. */
struct trainer_history {
    int columns;
    const char *const *names; /* "epoch/loss/dice", "val/dice/1" ... */
    int64_t rows;
    const double *values;     /* [rows][columns] */
};

struct trainer; /* opaque */
/* ERR_SPEC: a monitor that this data set does not have, a patch the sampler refuses. ERR_DATA, ERR_CORRUPT (resume),
   ERR_NO_MEMORY. */
enum err trainer_new(const struct trainer_config *config, struct trainer **out, struct err_note *note) MUST_USE;
void trainer_free(struct trainer *t); /* NULL is fine */
/* Runs to the end, or until told to stop. ERR_DIVERGED (a loss that is not finite), ERR_IO, ERR_NO_SPACE, ERR_NO_MEMORY. */
enum err trainer_run(struct trainer *t, struct err_note *note) MUST_USE;
const struct trainer_result *trainer_result(const struct trainer *t);
struct trainer_history trainer_history(const struct trainer *t);
/* What the gradients of the run so far say. False: no step was looked at (loss.diagnostics). */
bool trainer_verdict(const struct trainer *t, struct gradient_verdict *v);
/* After the run: the weights of the best epoch (of the last, if none was validated), canonical. */
const float *trainer_best_weights(struct trainer *t);
/* What a preview is called, as a file and as an artifact: preview-0-image_11l.png. Artifact names are 1 to 64 of a-z 0-9 . _ -:
   letters of the id become small ones, what else is not allowed '_', and a long id is cut. */
enum { TRAINER_PREVIEW_NAME = 65 };
void trainer_preview_name(size_t number, const char *id, char name[TRAINER_PREVIEW_NAME]);
/* After the run, where there are validation images: every image once more with the best weights, for its own scores and for those that
   were not made at every validation. These go into the history's row of the best epoch and to calls.points. Told to stop, it gives up:
   result.stopped. ERR_NO_MEMORY. */
enum err trainer_evaluate(struct trainer *t, struct err_note *note) MUST_USE;
/* What class k of a validation image scored then; false where nothing was evaluated. */
struct trainer_image_score {
    struct score_counts counts;
    double nsd, hd95; /* NaN: the class is in neither map, or is the background or ignored */
};
bool trainer_image_score(const struct trainer *t, size_t image, int k, struct trainer_image_score *score);
/* After the run: previews of validation images with the best weights, as many as the spec asks for. */
enum err trainer_previews(struct trainer *t, struct err_note *note) MUST_USE;
#endif
