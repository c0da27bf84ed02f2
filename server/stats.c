/* stats: sums in the order given, draws by place: the same bits for the same numbers. */
#include "server/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/draw.h"

static const double nan_value = (double)NAN;

void stats_summarise(const double *x, size_t count, struct stats_summary *s)
{
    *s = (struct stats_summary){count, nan_value, nan_value, nan_value, nan_value};
    if (!count) return;
    double sum = 0, squares = 0;
    s->low = s->high = x[0];
    for (size_t i = 0; i < count; i++) {
        sum += x[i];
        s->low = x[i] < s->low ? x[i] : s->low;
        s->high = x[i] > s->high ? x[i] : s->high;
    }
    s->mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) squares += (x[i] - s->mean) * (x[i] - s->mean);
    if (count > 1) s->deviation = sqrt(squares / (double)(count - 1));
}

/* ---- distributions ------------------------------------------------------------------------------------------- */
/* Abramowitz & Stegun 26.7.3 and 26.7.4: with theta = atan(t / sqrt(n)), A = P(|T| <= t) is a finite sum for whole n:
   n odd:  2/pi (theta + sin (cos + 2/3 cos^3 + ... ))      n even:  sin (1 + 1/2 cos^2 + 1 3/(2 4) cos^4 + ...) */
double stats_student(double t, int freedom)
{
    double theta = atan(fabs(t) / sqrt((double)freedom)), s = sin(theta), c = cos(theta), term = freedom % 2 ? c : 1, sum = 0;
    for (int k = freedom % 2 ? 1 : 0; k <= freedom - 2; k += 2) {
        sum += term;
        term *= c * c * (double)(k + 1) / (double)(k + 2);
    }
    double within = freedom % 2 ? 2 / 3.14159265358979323846 * (theta + s * sum) : s * sum;
    return t < 0 ? (1 - within) / 2 : (1 + within) / 2;
}

static double normal(double z, int unused)
{
    (void)unused;
    return erfc(-z / 1.41421356237309504880) / 2;
}

/* By halving: 200 steps leave nothing of the width. The tails are found on the side where they are small. */
static double invert(double (*share_below)(double, int), double share, int freedom)
{
    double low = -1e6, high = 0;
    if (share > 0.5) return -invert(share_below, 1 - share, freedom);
    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;
        if (share_below(middle, freedom) < share) low = middle;
        else high = middle;
    }
    return (low + high) / 2;
}

double stats_student_quantile(double share, int freedom)
{
    return invert(stats_student, share, freedom);
}

double stats_normal_quantile(double share)
{
    return invert(normal, share, 0);
}

/* ---- bootstrap ----------------------------------------------------------------------------------------------------- */
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The mean of one pair in one round: of its images drawn anew, or the difference itself. `place` counts the round's draws. */
static double draw_pair(const struct stats_pairs *p, size_t i, uint64_t seed, uint64_t round, uint64_t *place)
{
    size_t images = p->images && p->images[i] ? p->image_count[i] : 0;
    double sum = 0;
    if (!images) return p->difference[i];
    for (size_t k = 0; k < images; k++) sum += p->images[i][draw_below(seed, round, (*place)++, (uint32_t)images)];
    return sum / (double)images;
}

static void draw_rounds(const struct stats_pairs *p, uint64_t seed, double *means)
{
    for (uint64_t round = 0; round < STATS_ROUNDS; round++) {
        double sum = 0;
        uint64_t place = 0;
        for (size_t k = 0; k < p->count; k++) {
            size_t i = draw_below(seed, round, place++, (uint32_t)p->count);
            sum += draw_pair(p, i, seed, round, &place);
        }
        means[round] = sum / (double)p->count;
    }
    qsort(means, STATS_ROUNDS, sizeof *means, by_value);
}

/* The quantile between two of the sorted means: linear in (n - 1) share, as NumPy's default. */
static double quantile(const double *sorted, double share)
{
    double at = share * (STATS_ROUNDS - 1);
    size_t below = (size_t)floor(at);
    if (below + 1 >= STATS_ROUNDS) return sorted[STATS_ROUNDS - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

static double p_of(const double *means, double difference, size_t pairs)
{
    struct stats_summary s;
    double n = (double)pairs;
    stats_summarise(means, STATS_ROUNDS, &s);
    if (s.deviation > 0) return 2 * stats_student(-fabs(difference) / (s.deviation * sqrt(n / (n - 1))), (int)pairs - 1);
    return difference == 0 ? 1 : 0; /* every pair differs by exactly the same */
}

void stats_bootstrap(const struct stats_pairs *pairs, uint64_t seed, double *room, struct stats_interval *interval)
{
    struct stats_summary summary;
    double n = (double)pairs->count;
    stats_summarise(pairs->difference, pairs->count, &summary);
    *interval = (struct stats_interval){summary.mean, nan_value, nan_value, 1};
    if (pairs->count < 2) return;
    draw_rounds(pairs, seed, room);
    double tail = normal(-sqrt(n / (n - 1)) * stats_student_quantile(0.975, (int)pairs->count - 1), 0);
    interval->low = quantile(room, tail);
    interval->high = quantile(room, 1 - tail);
    interval->p = p_of(room, interval->mean, pairs->count);
}

void stats_holm(double *p, size_t count)
{
    double least = 0; /* what the smaller ones came to */
    for (size_t done = 0; done < count; done++) {
        size_t smallest = count;
        for (size_t i = 0; i < count; i++) /* those done are marked by a sign */
            if (!signbit(p[i]) && (smallest == count || p[i] < p[smallest])) smallest = i;
        double corrected = p[smallest] * (double)(count - done);
        least = corrected > least ? corrected : least;
        p[smallest] = -(least > 1 ? 1 : least);
    }
    for (size_t i = 0; i < count; i++) p[i] = fabs(p[i]);
}
