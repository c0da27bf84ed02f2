/* run_failure: how an error is called in a job's failure, what the program exits with, and what machine this is. */
#ifndef WORKER_RUN_RUN_FAILURE_H
#define WORKER_RUN_RUN_FAILURE_H
#include "schema/base/err.h"

/* Exit codes of tandem-train (schema/README.md). */
enum { EXIT_OK = 0, EXIT_USAGE = 64, EXIT_DATA = 65, EXIT_INTERNAL = 70, EXIT_MEMORY = 71, EXIT_SPACE = 73, EXIT_STOPPED = 75, EXIT_DIVERGED = 76 };

/* How an error is called in failure.class, and what the program exits with. */
const char *run_failure_class(enum err e);
int run_exit_code(enum err e);
/* The instruction set of this machine as far as the kernels tell them apart: avx512, avx2, sse2. */
const char *run_isa(void);
#endif
