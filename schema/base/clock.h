/* clock: wall time for showing, monotonic time for leases and deadlines; the one place a test can move time. */
#ifndef SCHEMA_BASE_CLOCK_H
#define SCHEMA_BASE_CLOCK_H
#include <stdint.h>

int64_t clock_wall_ms(void);      /* since the epoch; for *_at_ms fields only */
int64_t clock_mono_ms(void);      /* CLOCK_BOOTTIME: never set back, runs on while suspended */
int64_t clock_mono_ns(void);
int64_t clock_processor_ns(void); /* what this process has computed, all its threads together */
void clock_test_shift_ms(int64_t shift_ms); /* tests only: added to clock_mono_ms and clock_wall_ms */
void clock_sleep_ms(int64_t ms);
#endif
