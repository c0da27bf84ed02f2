/* bench_peak: a contestant that does nothing but multiply-adds in registers, on as many lanes as it is told: what this machine gives a
   second thread at best. usage: bench_peak THREADS
   Says "ready ..."; for each line N on stdin it does N times as many as take a thread about half a second, and says "WALL CPU". */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/bench/multiply_adds.h"
#include "worker/net/lanes.h"

enum { TASKS = 1000, TIMES = 250000 /* half a millisecond each: nobody waits long for the last */ };

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void task(void *ctx, int number, int lane)
{
    (void)ctx, (void)number, (void)lane;
    multiply_adds(TIMES);
}

int main(int argc, char **argv)
{
    struct lanes *lanes;
    struct err_note note;
    char line[64];
    int threads = argc == 2 ? atoi(argv[1]) : 0;
    if (threads < 1) {
        fprintf(stderr, "usage: bench_peak THREADS\n");
        return 2;
    }
    if (multiply_adds(TIMES) <= 0) {
        printf("unavailable: no loop of multiply-adds for this processor\n");
        return 3;
    }
    if (lanes_new(threads, NULL, &lanes, &note)) {
        printf("unavailable: %s %s\n", note.pointer, note.detail);
        return 3;
    }
    printf("ready %d thread%s of multiply-adds\n", threads, threads == 1 ? "" : "s");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (int left = atoi(line); left > 0; left--) lanes_run(lanes, TASKS, task, NULL);
        printf("%.6f %.6f\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        fflush(stdout);
    }
    lanes_free(lanes);
    return 0;
}
