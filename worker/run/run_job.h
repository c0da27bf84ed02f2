/* run_job: one job from its file to its results; with its run_* files the one place that knows the job spec and the core in full. */
#ifndef WORKER_RUN_RUN_JOB_H
#define WORKER_RUN_RUN_JOB_H
#include <stdbool.h>

struct run_options {
    const char *job;     /* file with the spec */
    const char *data;    /* folder or archive; NULL for a generated set */
    const char *out;     /* folder, made if missing */
    const char *resume;  /* checkpoint; NULL: from the start */
    const char *backend; /* "dnnl", "ref"; NULL: the fastest here */
    int threads;         /* 0: as the spec says */
    int events_fd;       /* -1: alone in a shell */
    const char *tuning;  /* file of measured kernels, shared by the jobs of this machine; NULL: measured anew */
    bool profile;        /* measure, and print where the time went */
};
/* Runs it, writing checkpoints, model.safetensors, model.json, curves.csv, curves.svg, previews and result.json into `out`.
   Returns the exit code (run_failure.h); what went wrong has been said on stderr and as a `failed` event. */
int run_job(const struct run_options *options);
#endif
