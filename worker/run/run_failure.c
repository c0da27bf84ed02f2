/* run_failure: how an error is called in a job's failure, what the program exits with, and what machine this is. */
#include "worker/run/run_failure.h"
#include <stddef.h>

struct failure_row {
    enum err e;
    const char *class;
    int exit_code;
};
static const struct failure_row failures[] = {
    {ERR_SPEC, "spec_error", EXIT_DATA}, {ERR_BAD_JSON, "spec_error", EXIT_DATA}, {ERR_RANGE, "spec_error", EXIT_DATA}, {ERR_NOT_BUILT, "spec_error", EXIT_DATA},
    {ERR_WORD_UNKNOWN, "spec_error", EXIT_DATA}, {ERR_CLASSES, "spec_error", EXIT_DATA}, {ERR_TOO_LARGE, "spec_error", EXIT_DATA}, {ERR_DATA, "data_error", EXIT_DATA},
    {ERR_NO_MEMORY, "out_of_memory", EXIT_MEMORY}, {ERR_NO_SPACE, "no_space", EXIT_SPACE}, {ERR_DIVERGED, "diverged", EXIT_DIVERGED},
};

static const struct failure_row *failure_of(enum err e)
{
    static const struct failure_row other = {ERR_INTERNAL, "internal", EXIT_INTERNAL};
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (failures[i].e == e)
            return &failures[i];
    return &other;
}

const char *run_failure_class(enum err e)
{
    return failure_of(e)->class;
}

int run_exit_code(enum err e)
{
    return e ? failure_of(e)->exit_code : EXIT_OK;
}

const char *run_isa(void)
{
#if defined __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
        return "avx512";
    if (__builtin_cpu_supports("avx2"))
        return "avx2";
    return "sse2";
#else
    return "generic";
#endif
}
