/* checkpoint: all that a training run needs to go on as if it had never stopped, in one file that proves itself. */
#ifndef WORKER_TRAIN_CHECKPOINT_H
#define WORKER_TRAIN_CHECKPOINT_H
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "schema/base/sha256.h"

enum { CHECKPOINT_VERSION = 4, CHECKPOINT_OPTIMIZERS_MAX = 2, CHECKPOINT_MOMENTS_MAX = 2, CHECKPOINT_MADE_BY_MAX = 128 };
enum checkpoint_best {
    CHECKPOINT_BEST_NONE,  /* nothing was validated yet */
    CHECKPOINT_BEST_SAME,  /* the best weights are these */
    CHECKPOINT_BEST_OTHER, /* they are in best_weights */
};

/* Arrays have `parameters` floats, in the network's canonical order. Sampling and schedules are functions of (epoch, step), so those
   counters are their whole state; strategies that learn and an alpha that follows the validation are in the carry. */
struct checkpoint {
    char spec_hash[SHA256_HEX];            /* of the resolved spec: job_spec_hash */
    char made_by[CHECKPOINT_MADE_BY_MAX];  /* program version, backend, instruction set: another one may round otherwise */
    int64_t epoch;                         /* 0-based epoch that goes on; == epochs when all is done */
    int64_t step_in_epoch;                 /* steps of it already taken */
    int64_t step;                          /* optimizer steps of the whole job */
    double best_score;                     /* meaningless without a best */
    int64_t best_epoch;
    enum checkpoint_best best;
    uint64_t parameters;
    float *weights, *best_weights;
    int optimizers;
    struct checkpoint_optimizer {
        int32_t type, moments; /* type: enum optimizer_type */
        int64_t steps;
        float *moment[CHECKPOINT_MOMENTS_MAX];
    } optimizer[CHECKPOINT_OPTIMIZERS_MAX];
    unsigned char *carry; /* the trainer's own: sums of the epoch so far, curves of the epochs before */
    uint64_t carry_bytes;
};

/* Atomic and durable (durable_file.h). Writes what `c` points to; keeps nothing. */
enum err checkpoint_write(const char *path, const struct checkpoint *c, char sha256[SHA256_HEX], int64_t *bytes, struct err_note *note) MUST_USE;
/* Reads and proves the file. ERR_CORRUPT, in words: not a checkpoint, another version, another byte order, cut short, longer
   than it says, damaged, of another job (spec_hash, unless NULL), of another network (parameters, unless 0). ERR_IO,
   ERR_NO_MEMORY. On success the caller frees with checkpoint_free; on error `c` is empty. */
enum err checkpoint_read(const char *path, const char *spec_hash, uint64_t parameters, struct checkpoint *c, struct err_note *note) MUST_USE;
void checkpoint_free(struct checkpoint *c); /* what checkpoint_read made; may be called twice */
#endif
