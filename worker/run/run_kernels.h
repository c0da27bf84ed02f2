/* run_kernels: which algorithm and micro-batch each convolution of a run uses: as the job names them, as the run that goes on
   had them, or as they are fastest here. */
#ifndef WORKER_RUN_RUN_KERNELS_H
#define WORKER_RUN_RUN_KERNELS_H
#include <stdbool.h>
#include "schema/job/job_spec.h"
#include "worker/run/tuning_file.h"

struct run_kernels {
    struct tuning_file file;
    struct network_kernels kernels;
    bool tuned;     /* chosen by measurement now, not given */
    int measured;   /* cases timed for that; the rest was known */
    double seconds; /* that it took */
};
/* The choice for the network of `config`, of which `kernels` is not read. spec->kernels when given; else, when `resumes`, those
   in out_dir/resolved.json if that is the same job's (spec_hash); else network_tune. Changes nothing but `rk`; a tuning file that
   cannot be written is told in `warning` ("" otherwise). ERR_NO_MEMORY, and what network_new refuses. */
enum err run_kernels_choose(struct run_kernels *rk, const struct job_spec *spec, const char *spec_hash, const struct network_config *config, const char *out_dir,
                            bool resumes, struct err_note *warning, struct err_note *note) MUST_USE;
/* out_dir/resolved.json: the job with every default and its kernels; submitted again it repeats the run. ERR_IO, ERR_NO_SPACE. */
enum err run_kernels_write(const struct job_spec *spec, const char *out_dir, struct err_note *note) MUST_USE;
#endif
