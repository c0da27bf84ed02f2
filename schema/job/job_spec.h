/* job_spec: one training job with every default filled in; what server, worker and clients all mean by "a job". No JSON here. */
#ifndef SCHEMA_JOB_JOB_SPEC_H
#define SCHEMA_JOB_JOB_SPEC_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "schema/job/loss_spec.h"

enum dataset_source { DATASET_REGISTERED, DATASET_PATH, DATASET_GENERATE };
enum model_down { MODEL_DOWN_MAXPOOL, MODEL_DOWN_STRIDE };
enum model_norm { MODEL_NORM_INSTANCE, MODEL_NORM_GROUP, MODEL_NORM_NONE };
enum model_activation { MODEL_LEAKY_RELU, MODEL_RELU };
enum validation_score { VALIDATION_SURFACE, VALIDATION_CALIBRATION, VALIDATION_SCORES };
enum validation_empty { VALIDATION_EMPTY_NAN, VALIDATION_EMPTY_ONE };
enum lr_type { LR_CONSTANT, LR_POLY, LR_COSINE, LR_STEP };
enum { JOB_NAME_MAX = 128, JOB_NOTES_MAX = 4096, JOB_TAGS_MAX = 16, JOB_TAG_MAX = 64, WIDTHS_MAX = 8, NAME_MAX_BYTES = 64,
       KERNELS_MAX = 80 /* 8 levels of 4 convolutions make 67 */, PATH_BYTES_MAX = 512 };

struct dataset_generate {
    char kind[16];        /* "lesions" */
    int images;           /* 2..10000 */
    int size;             /* 32..2048 pixels, square */
    int classes;          /* 2..8 with background */
    double foreground;    /* share of pixels, (0, 0.5] */
    double noise;         /* 0..1 of the contrast */
    int64_t seed;
};
struct dataset_spec {
    enum dataset_source source;
    char name[NAME_MAX_BYTES + 1];   /* registered: ^[a-z0-9][a-z0-9._-]{0,63}$ */
    char path[PATH_BYTES_MAX + 1];   /* under a worker's --data-root; relative, no ".." */
    struct dataset_generate generate;
};
struct model_spec {
    int levels, widths[WIDTHS_MAX];  /* 2..8 levels, 1..1024 channels each */
    int convs;                       /* per block, 1..4 */
    enum model_down down;
    enum model_norm norm;
    int groups;
    enum model_activation activation;
    double slope;
    bool conv_bias;
};
struct lr_schedule_spec {
    enum lr_type type;
    double power;          /* poly: lr*(1-e/E)^power */
    double end;            /* cosine: from lr to lr*end... see lr_at */
    int every;             /* step: epochs between drops */
    double gamma;          /* step: factor of a drop */
    int warmup_epochs;     /* linear from lr/(w+1) */
};
struct training_spec {
    int epochs, steps_per_epoch, batch;
    int rank, patch[3];              /* patch has `rank` sizes: 2 today, 3 with the volumes */
    int threads;                     /* 0 = all that the worker gives */
    double oversample_foreground;    /* share of the batch cropped around foreground, 0..1 */
    int checkpoint_epochs;           /* >= 1 */
    double checkpoint_s;             /* > 0 */
};
struct validation_spec {
    int every_epochs;
    int folds, fold;       /* 0: the data set's own split; else 2..20 folds, and which of them validates, from 0 */
    int tile_rank, tile[3]; /* rows, columns of a tile; tile_rank 0: the training patch */
    double tile_overlap;    /* 0..0.9 of a tile */
    char monitor[64];      /* "val/dice", "val/iou", "val/dice/1" */
    int previews;          /* 0..64 images */
    int score_count;
    enum validation_score scores[VALIDATION_SCORES]; /* made at every validation; the others once, of the best weights */
    double nsd_tolerance;  /* pixels, >= 0 */
    enum validation_empty empty; /* an image with a class neither true nor predicted: left out of its means, or perfect */
};
/* The algorithm of each layer and kind of convolution, and the micro-batch; filled by a worker before step 1. */
struct kernels_spec {
    bool given;
    int micro_batch;                 /* >= 1 */
    int count;
    struct {
        char layer[48];              /* "encoder.0.conv.0" */
        char forward[12], backward_data[12], backward_weights[12]; /* "direct" | "winograd" */
    } layers[KERNELS_MAX];
};
struct job_spec {
    char name[JOB_NAME_MAX + 1], project[NAME_MAX_BYTES + 1], notes[JOB_NOTES_MAX + 1];
    int tag_count;
    char tags[JOB_TAGS_MAX][JOB_TAG_MAX + 1];
    struct dataset_spec dataset;
    struct model_spec model;
    struct loss_spec loss;
    struct optimizer_spec optimizer; /* unused with separate_optimizers */
    struct lr_schedule_spec lr_schedule;
    struct training_spec training;
    struct { bool mirror, rotate90; } augmentation;
    struct validation_spec validation;
    int64_t seed;
    int priority;                    /* -100..100, higher first */
    int max_attempts;                /* 1..100 */
    double timeout_s;                /* 0 = null = none */
    struct kernels_spec kernels;
};

void job_spec_default(struct job_spec *spec); /* everything but the data set */
/* Learning rate factor's product: the rate of `base_lr` at 0-based epoch e of E under the schedule (contract.md section 1). */
double lr_at(const struct lr_schedule_spec *s, double base_lr, int64_t epoch, int64_t epochs);
/* Facts that only the data set knows (0 = not known yet): checked once they are. Adds to `errors`. */
void job_spec_check_classes(const struct job_spec *spec, int num_classes, struct err_list *errors);
/* Output channels of the network for that many classes: 1 for two classes with sigmoid, else num_classes. */
int job_spec_out_channels(const struct job_spec *spec, int num_classes);
bool job_spec_is_sigmoid(const struct job_spec *spec, int num_classes);
#endif
