/* kernel_pick: asks the processor once, or obeys TANDEM_ISA. */
#include "worker/net/kernel_pick.h"

#include <stdlib.h>
#include <string.h>

#include "schema/base/log.h"

static bool have_v4(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
static bool have_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
static bool have_v2(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
}

static const struct {
    const struct kernel_simd *kernels;
    bool (*have)(void);
} rows[] = {{&kernel_simd_v4, have_v4}, {&kernel_simd_v3, have_v3}, {&kernel_simd_v2, have_v2}};
enum { ROWS = sizeof rows / sizeof rows[0] };

const struct kernel_simd *kernel_pick(int block)
{
    const struct kernel_simd *best = NULL;
    const char *wanted = getenv("TANDEM_ISA");
    __builtin_cpu_init();
    for (int i = ROWS - 1; i >= 0; i--) {
        if (block % rows[i].kernels->width || !rows[i].have()) continue;
        best = rows[i].kernels;
        if (wanted && !strcmp(wanted, best->isa)) return best;
    }
    if (wanted && *wanted)
        log_warn("isa.missing", "wanted=%s block=%d taken=%s", wanted, block, best ? best->isa : "none");
    return best;
}
