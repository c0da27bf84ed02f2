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

static const uint64_t set_places = UINT64_C(1) << 32; /* behind those of the pairs */

/* The difference of one pair in one round: with the round's images, or as it is. */
static double draw_pair(const struct stats_pairs *p, size_t i, uint64_t seed, uint64_t round)
{
    const double *redrawn = p->redrawn ? p->redrawn[i] : NULL;
    return redrawn ? redrawn[draw_below(seed, round, set_places + (uint64_t)p->set[i], (uint32_t)p->redraws)] : p->difference[i];
}

static void draw_rounds(const struct stats_pairs *p, uint64_t seed, double *means)
{
    for (uint64_t round = 0; round < STATS_ROUNDS; round++) {
        double sum = 0;
        for (size_t place = 0; place < p->count; place++) sum += draw_pair(p, draw_below(seed, round, place, (uint32_t)p->count), seed, round);
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

/* How far the mean scatters, and with how many degrees that is known. */
struct scatter {
    double drawn, widened; /* standard deviations: of the rounds; with small samples allowed for */
    int freedom;
};

static struct scatter scatter_of(const struct stats_pairs *p, const double *means)
{
    struct stats_summary rounds, pairs;
    double n = (double)p->count, units = (double)p->units;
    stats_summarise(means, STATS_ROUNDS, &rounds);
    stats_summarise(p->difference, p->count, &pairs);
    double all = rounds.deviation * rounds.deviation, of_seeds = pairs.deviation * pairs.deviation * (n - 1) / (n * n);
    double seeds = all * n / (n - 1), images = 0, freedom = n - 1;
    if (p->redrawn && p->units > 1 && all > of_seeds) { /* without images the two are the same but for the draws' own noise */
        seeds = of_seeds * n / (n - 1);
        images = (all - of_seeds) * units / (units - 1);
        freedom = floor((seeds + images) * (seeds + images) / (seeds * seeds / (n - 1) + images * images / (units - 1)));
    }
    return (struct scatter){rounds.deviation, sqrt(seeds + images), (int)freedom};
}

static double p_of(const struct scatter *s, double difference)
{
    if (s->widened > 0) return 2 * stats_student(-fabs(difference) / s->widened, s->freedom);
    return difference == 0 ? 1 : 0; /* every pair differs by exactly the same */
}

void stats_bootstrap(const struct stats_pairs *pairs, uint64_t seed, double *room, struct stats_interval *interval)
{
    struct stats_summary summary;
    stats_summarise(pairs->difference, pairs->count, &summary);
    *interval = (struct stats_interval){summary.mean, nan_value, nan_value, 1};
    if (pairs->count < 2) return;
    draw_rounds(pairs, seed, room);
    struct scatter s = scatter_of(pairs, room);
    double wider = s.drawn > 0 ? s.widened / s.drawn : 1, tail = normal(-wider * stats_student_quantile(0.975, s.freedom), 0);
    interval->low = quantile(room, tail);
    interval->high = quantile(room, 1 - tail);
    interval->p = p_of(&s, interval->mean);
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
