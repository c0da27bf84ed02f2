/* stats: what numbers over a few seeds can say: means, paired bootstrap with its small-sample correction, Holm. No JSON, no database. */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H
#include <stddef.h>
#include <stdint.h>

struct stats_summary {
    size_t count;
    double mean, deviation /* n - 1; NaN of one */, low, high; /* all NaN of none */
};
void stats_summarise(const double *x, size_t count, struct stats_summary *summary);

/* Pairs: the same seed (and fold) with one variant and with the reference. difference[i] = variant - reference of pair i. Where its images
   are known, redrawn[i][0 .. redraws) are what the difference would be with the images drawn anew: redraw k is of the same images in
   all pairs of one set (a validation split). */
struct stats_pairs {
    size_t count;
    const double *difference;
    const double *const *redrawn; /* NULL: of no pair; redrawn[i] NULL: not of this one */
    const int *set;               /* [count], from 0; looked at where redrawn[i] is there */
    size_t redraws;
    size_t units;                 /* images (or groups of them) that the redraws draw from, all sets together */
};
struct stats_interval {
    double mean, low, high; /* 95 % */
    double p;               /* two-sided, of no difference; 1 for fewer than two pairs */
};
enum { STATS_ROUNDS = 20000, STATS_PAIRS_MIN = 5 /* below it an interval says nothing that words could not */ };
/* Bootstrap of the mean difference: each round draws pairs with replacement, and images within them with replacement: one redraw for
   each set, as all seeds are judged on the same images (drawn apart for every seed, what is peculiar to an image would average out over
   the seeds, and the interval would be too narrow). A draw is a function of (seed, round, place), so the result is the same on every
   machine.
   The plain percentile interval is too narrow for few pairs: its tails are taken at alpha' = 2 Phi(-sqrt(n/(n-1)) t(1-alpha/2, n-1))
   (Hesterberg 2015, expanded percentile interval). p = 2 T(-|mean| / (s sqrt(n/(n-1)))) with n - 1 degrees, s the deviation of the means
   over the rounds: without images that is Student's paired test. (Counting rounds beyond 0 cannot tell 0.01 from 0.0001 for few pairs, and
   Holm's correction over ten variants needs just that.)
   With images the variance over the rounds has two parts: that of the seeds, known in closed form, and the rest, which the images brought.
   Each is widened by its own n/(n-1), and the degrees of freedom are those of Welch and Satterthwaite, rounded down: five seeds judged on
   a thousand images are not held to Student's width for five.
   `room` holds STATS_ROUNDS doubles. */
void stats_bootstrap(const struct stats_pairs *pairs, uint64_t seed, double *room, struct stats_interval *interval);
/* Holm's step-down correction of p[count], in place. */
void stats_holm(double *p, size_t count);

/* Student's t with `freedom` >= 1 whole degrees: P(T <= t) and its inverse; the normal's quantile. */
double stats_student(double t, int freedom);
double stats_student_quantile(double share, int freedom);
double stats_normal_quantile(double share);
#endif
