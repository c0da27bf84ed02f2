/* clock: reads the two clocks, with the tests' shift added, and what this process has computed. */
#include "schema/base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t shift;

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000 + shift;
}

int64_t clock_mono_ms(void)
{
    return read_ns(CLOCK_BOOTTIME) / 1000000 + shift;
}

int64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_BOOTTIME) + shift * 1000000;
}

int64_t clock_processor_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void clock_test_shift_ms(int64_t shift_ms)
{
    shift = shift_ms;
}

void clock_sleep_ms(int64_t ms)
{
    if (ms <= 0) return;
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) && errno == EINTR) {
    }
}
