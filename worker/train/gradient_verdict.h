/* gradient_verdict: what the gradients of a run say at its end: the numbers, what dominates, a suggestion, how sure it is. */
#ifndef WORKER_TRAIN_GRADIENT_VERDICT_H
#define WORKER_TRAIN_GRADIENT_VERDICT_H
#include "worker/train/diagnose.h"

enum verdict_dominant { VERDICT_DICE, VERDICT_CE, VERDICT_BALANCED };
enum verdict_suggestion { VERDICT_CONSTANT_ALPHA, VERDICT_BALANCE_LENGTHS, VERDICT_RESOLVE_CONFLICT, VERDICT_UNDECIDED };
/* One run is one seed, so it is never VERDICT_HIGH; the word is there for who looks at several. */
enum verdict_confidence { VERDICT_LOW, VERDICT_MEDIUM, VERDICT_HIGH };
enum { VERDICT_TEXT_MAX = 1600, VERDICT_ALARM_MAX = 320 };

/* NaN: there is no such number. */
struct gradient_verdict {
    int64_t steps_seen;
    bool measured[GRAM_LEVELS];
    struct verdict_level {
        double cos_median, conflict_rate;   /* over all looks; share of them with cos < 0 */
        double ratio_first, ratio_last;     /* medians of |g_dice|/|g_ce| over the first and the last quarter of the looks */
    } level[GRAM_LEVELS];
    enum gram_level judged;                 /* the deepest level that was measured: the rules look there */
    double alpha_effective;                 /* mean over the last quarter */
    struct verdict_oscillation {            /* of validation Dice, over the last ten validations; at least three */
        double second_difference;           /* mean |x_i+1 - 2 x_i + x_i-1| */
        double sign_changes;                /* share of neighbouring changes that turn round */
        double ema_gap;                     /* mean distance from the running mean of decay 0.9 over all validations */
    } oscillation;
    enum verdict_dominant dominant;         /* meaningless where alpha_effective is NaN */
    enum verdict_suggestion suggestion;
    enum verdict_confidence confidence;
    char text[VERDICT_TEXT_MAX], alarm[VERDICT_ALARM_MAX]; /* "": no alarm */
};

extern const char *const verdict_dominants[], *const verdict_suggestions[], *const verdict_confidences[];
/* A column of a table: [rows], `stride` doubles apart; NaN: not validated. */
struct verdict_scores {
    const double *first;
    size_t rows, stride;
};
/* scores: validation Dice of the epochs. False when no step was looked at: there is nothing to judge. */
bool gradient_verdict_of(const struct diagnose *d, const struct verdict_scores *scores, struct gradient_verdict *v);
/* The sentence of an alarm; "" without one. */
void gradient_verdict_alarm(const struct diagnose *d, char text[VERDICT_ALARM_MAX]);
struct verdict_oscillation gradient_verdict_oscillation(const struct verdict_scores *scores);
#endif
