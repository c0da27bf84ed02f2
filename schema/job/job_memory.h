/* job_memory: how much memory training a job will take, before anything is taken. */
#ifndef SCHEMA_JOB_JOB_MEMORY_H
#define SCHEMA_JOB_JOB_MEMORY_H
#include <stdint.h>
#include "schema/job/job_spec.h"

/* The most samples of a micro-batch that a worker may choose by itself, and the most pixels in their patches; more must be given. */
enum { MICRO_BATCH_TUNED_MAX = 16, MICRO_BATCH_PIXELS_TUNED_MAX = 1 << 19 };
int micro_batch_tuned_max(int batch, const int patch[], int rank);
struct job_memory {
    int64_t parameters;       /* numbers that are trained */
    int64_t model_bytes;      /* weights, gradients, moments of each optimizer, gradient leaves of the micro-batches */
    int64_t activation_bytes; /* of the whole batch */
    int64_t scratch_bytes;    /* of the lanes */
    int64_t tile_bytes;       /* of the network that validates, where validation.tile asks for one of its own */
    int64_t total_bytes;
};
/* Predicted peak bytes of a job on `in_channels` pictures of `num_classes` classes by `threads` lanes (0 = 1). It errs upward:
   never below what the network really plans (tests/agree/test_memory_agrees.c holds both against each other).
   ERR_TOO_LARGE when the sizes do not even fit into 63 bits. The formula stands in job_memory.c. */
enum err job_memory_predict(const struct job_spec *spec, int in_channels, int num_classes, int threads, struct job_memory *memory) MUST_USE;
#endif
