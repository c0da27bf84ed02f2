/* bench_surface: what NSD, HD95 and ASSD of one class of a picture as large as chasedb1's cost: branching lines all over it, the
   prediction one pixel off and with gaps. usage: bench_surface [ROUNDS]      the median of the thread's processor times */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "worker/train/surface.h"

enum { ROWS = 960, COLUMNS = 1000, ROUNDS_MAX = 99 };

static double processor_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void draw(uint8_t *truth, uint8_t *predicted)
{
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLUMNS; x++) {
            double wave = fmod(y + 40 * sin(x * 0.02) + 0.3 * x, 90), other = fmod(x + 30 * sin(y * 0.03), 130);
            truth[y * COLUMNS + x] = wave < 7 || other < 5;
            predicted[y * COLUMNS + x] = (wave > 1 && wave < 8 && x % 97 > 5) || other < 4;
        }
}

int main(int argc, char **argv)
{
    const struct grid g = {2, {ROWS, COLUMNS}, {1, 1}};
    uint8_t *truth = malloc((size_t)ROWS * COLUMNS), *predicted = malloc((size_t)ROWS * COLUMNS);
    struct surface_score s = {0};
    double took[ROUNDS_MAX];
    int rounds = argc > 1 ? atoi(argv[1]) : 9;
    if (rounds < 1 || rounds > ROUNDS_MAX || !truth || !predicted) return 64;
    draw(truth, predicted);
    for (int i = 0; i < rounds; i++) {
        double began = processor_s();
        if (surface_of_class(&g, predicted, truth, 1, 1, &s, NULL)) return 1;
        took[i] = processor_s() - began;
    }
    qsort(took, (size_t)rounds, sizeof *took, ascending);
    printf("%d x %d, borders of %zu and %zu pixels: %.1f ms (%.1f to %.1f, %d rounds)\n", ROWS, COLUMNS, s.prediction_border, s.truth_border, 1e3 * took[rounds / 2],
           1e3 * took[0], 1e3 * took[rounds - 1], rounds);
    free(truth);
    free(predicted);
    return 0;
}
