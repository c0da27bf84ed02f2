/* gradient_verdict: what the gradients of a run say at its end: the numbers, what dominates, a suggestion, how sure it is.
 *
 *   conflict rate >= 20 %                     resolve_conflict   pcgrad, cagrad
 *   else |g_dice|/|g_ce| outside [1/3, 3]     balance_lengths    imtl_g, nash_mtl, or a schedule
 *   else conflict rate < 5 %                  constant_alpha     nothing to mend
 *   else                                      undecided
 *   confidence medium: enough looks past the dense start, and neither the 95 % interval of the conflict rate (Wilson 1927) nor the
 *   quartiles of the ratio lie across a threshold; else low. */
#include "worker/train/gradient_verdict.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const double rate_low = 0.05, rate_high = 0.2, ratio_low = 1 / 3.0, ratio_high = 3, share_low = 0.25, share_high = 0.75, wilson_z = 1.96;
enum { LOOKS_ENOUGH = 20 /* past the dense start */, SCORES_LAST = 10, SCORES_LEAST = 3 };

const char *const verdict_dominants[] = {"dice", "ce", "balanced", NULL};
const char *const verdict_suggestions[] = {"constant_alpha", "balance_lengths", "resolve_conflict", "undecided", NULL};
const char *const verdict_confidences[] = {"low", "medium", "high", NULL};

/* ---- numbers ------------------------------------------------------------------------------------------- */
/* The values of one kept number in looks [first, end), as far as there are any. */
static size_t column_of(const struct diagnose *d, size_t offset, size_t first, size_t end, double *to)
{
    size_t count = 0;
    for (size_t i = first; i < end; i++) {
        double value;
        memcpy(&value, (const char *)&d->kept[i] + offset, sizeof value);
        if (!isnan(value))
            to[count++] = value;
    }
    return count;
}

static double quantile_of(const struct diagnose *d, size_t offset, size_t first, size_t end, double q)
{
    double values[DIAGNOSE_LOOKS_MAX];
    size_t count = column_of(d, offset, first, end, values);
    return count ? diagnose_quantile(values, count, q) : (double)NAN;
}

static double mean_of(const struct diagnose *d, size_t offset, size_t first, size_t end)
{
    double values[DIAGNOSE_LOOKS_MAX], sum = 0;
    size_t count = column_of(d, offset, first, end, values);
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count ? sum / (double)count : (double)NAN;
}

static size_t offset_of_ratio(int level)
{
    return offsetof(struct diagnose_kept, ratio) + (size_t)level * sizeof(double);
}

static void measure(const struct diagnose *d, struct gradient_verdict *v)
{
    size_t all = (size_t)d->state.run.kept, quarter = (all + 3) / 4;
    v->steps_seen = (int64_t)d->state.seen;
    v->alpha_effective = mean_of(d, offsetof(struct diagnose_kept, alpha_effective), all - quarter, all);
    for (int k = 0; k < GRAM_LEVELS; k++) {
        v->measured[k] = d->measured[k];
        if (!v->measured[k])
            continue;
        v->judged = (enum gram_level)k;
        v->level[k] = (struct verdict_level){.cos_median = quantile_of(d, offsetof(struct diagnose_kept, cos) + (size_t)k * sizeof(double), 0, all, 0.5),
                                             .conflict_rate = d->state.conflicts[k] / d->state.seen,
                                             .ratio_first = quantile_of(d, offset_of_ratio(k), 0, quarter, 0.5),
                                             .ratio_last = quantile_of(d, offset_of_ratio(k), all - quarter, all, 0.5)};
    }
}

/* The last validations and how far each lay from the running mean of all before and itself. */
struct tail {
    size_t count;
    double mean, score[SCORES_LAST], gap[SCORES_LAST];
};

static void add_score(struct tail *t, double score)
{
    if (t->count == SCORES_LAST) {
        memmove(t->score, t->score + 1, sizeof t->score - sizeof t->score[0]);
        memmove(t->gap, t->gap + 1, sizeof t->gap - sizeof t->gap[0]);
        t->count--;
    }
    t->mean = isnan(t->mean) ? score : 0.9 * t->mean + 0.1 * score;
    t->score[t->count] = score;
    t->gap[t->count++] = fabs(score - t->mean);
}

struct verdict_oscillation gradient_verdict_oscillation(const struct verdict_scores *scores)
{
    struct tail t = {.mean = NAN};
    for (size_t i = 0; i < scores->rows; i++)
        if (!isnan(scores->first[i * scores->stride]))
            add_score(&t, scores->first[i * scores->stride]);
    if (t.count < SCORES_LEAST)
        return (struct verdict_oscillation){NAN, NAN, NAN};
    struct verdict_oscillation o = {0, 0, 0};
    for (size_t i = 0; i < t.count; i++)
        o.ema_gap += t.gap[i] / (double)t.count;
    for (size_t i = 1; i + 1 < t.count; i++) {
        double before = t.score[i] - t.score[i - 1], after = t.score[i + 1] - t.score[i];
        o.second_difference += fabs(after - before) / (double)(t.count - 2);
        o.sign_changes += (before > 0 && after < 0) || (before < 0 && after > 0) ? 1 / (double)(t.count - 2) : 0;
    }
    return o;
}

/* ---- judgement ----------------------------------------------------------------------------------------- */
static enum verdict_dominant dominant_of(double share)
{
    return share > share_high ? VERDICT_DICE : share < share_low ? VERDICT_CE : VERDICT_BALANCED;
}

static bool lopsided(double ratio)
{
    return ratio < ratio_low || ratio > ratio_high;
}

static enum verdict_suggestion suggestion_of(const struct verdict_level *at)
{
    if (at->conflict_rate >= rate_high)
        return VERDICT_RESOLVE_CONFLICT;
    if (isnan(at->ratio_last))
        return VERDICT_UNDECIDED; /* cross-entropy had no gradient */
    if (lopsided(at->ratio_last))
        return VERDICT_BALANCE_LENGTHS;
    return at->conflict_rate < rate_low ? VERDICT_CONSTANT_ALPHA : VERDICT_UNDECIDED;
}

static bool across(double low, double threshold, double high)
{
    return low < threshold && threshold <= high;
}

/* Is the conflict rate surely on one side of both thresholds? Looks follow each other in time, so this flatters a little. */
static bool rate_is_settled(double rate, double n)
{
    double z2 = wilson_z * wilson_z, middle = (rate + z2 / (2 * n)) / (1 + z2 / n);
    double half = wilson_z / (1 + z2 / n) * sqrt(rate * (1 - rate) / n + z2 / (4 * n * n));
    return !across(middle - half, rate_low, middle + half) && !across(middle - half, rate_high, middle + half);
}

static bool ratio_is_settled(const struct diagnose *d, int level)
{
    size_t all = (size_t)d->state.run.kept, first = all - (all + 3) / 4;
    double low = quantile_of(d, offset_of_ratio(level), first, all, 0.25), high = quantile_of(d, offset_of_ratio(level), first, all, 0.75);
    return !isnan(low) && !across(low, ratio_low, high) && !across(low, ratio_high, high);
}

/* Why it is not surer; confidence is low unless the only reason is that there is one seed. */
static const char *doubt_of(const struct diagnose *d, const struct gradient_verdict *v, enum verdict_confidence *confidence)
{
    *confidence = VERDICT_LOW;
    if (d->state.after_start < LOOKS_ENOUGH)
        return "few of these steps lie past the dense start; a smaller diagnostics.every tells more";
    if (!rate_is_settled(v->level[v->judged].conflict_rate, d->state.seen))
        return "the conflict rate is too close to a threshold for so few steps";
    if (!ratio_is_settled(d, (int)v->judged))
        return "the ratio scatters across a threshold";
    *confidence = VERDICT_MEDIUM;
    return "one run is one seed";
}

/* ---- words --------------------------------------------------------------------------------------------- */
static void add(char *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(char *text, const char *format, ...)
{
    size_t at = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + at, VERDICT_TEXT_MAX - at, format, args);
    va_end(args);
}

/* The judged level with its numbers, the others by their conflict: the last layer often conflicts while the whole does not. */
static void say_levels(const struct gradient_verdict *v, char *text)
{
    static const char *const where[GRAM_LEVELS] = {"at the logits", "at the last layer", "over all weights"};
    const struct verdict_level *at = &v->level[v->judged];
    add(text, "In %lld compared steps the gradients of Dice and cross-entropy opposed each other in %.1f %% %s", (long long)v->steps_seen, 100 * at->conflict_rate, where[v->judged]);
    if (!isnan(at->cos_median))
        add(text, " (median cosine %.2f)", at->cos_median);
    for (int k = (int)v->judged - 1; k >= 0; k--)
        if (v->measured[k])
            add(text, ", in %.1f %% %s", 100 * v->level[k].conflict_rate, where[k]);
    add(text, ". ");
    if (!isnan(at->ratio_first) && !isnan(at->ratio_last))
        add(text, "|g_dice| / |g_ce| was %.3g in the first quarter of them and %.3g in the last. ", at->ratio_first, at->ratio_last);
}

static void say(const struct gradient_verdict *v, const char *doubt, char *text)
{
    static const char *const dominants[] = {"Dice dominates", "cross-entropy dominates", "neither dominates"};
    static const char *const suggestions[] = {
        "a constant alpha is fine: there is little conflict to resolve, and the gradients are of similar length",
        "one gradient is three times as long as the other or more: a schedule of alpha, or strategy gradient with imtl_g or nash_mtl, weighs them evenly",
        "the gradients oppose each other often: compare strategy gradient with pcgrad or cagrad against this job, with several seeds",
        "nothing clear: compare a constant alpha with pcgrad, with several seeds",
    };
    text[0] = '\0';
    say_levels(v, text);
    if (!isnan(v->alpha_effective))
        add(text, "Weighted as in this job, Dice is %.0f %% of the update's length: %s. ", 100 * v->alpha_effective, dominants[v->dominant]);
    add(text, "Suggestion: %s. Confidence %s: %s.", suggestions[v->suggestion], verdict_confidences[v->confidence], doubt);
}

void gradient_verdict_alarm(const struct diagnose *d, char text[VERDICT_ALARM_MAX])
{
    text[0] = '\0';
    if (d->state.alarm_step >= 0)
        snprintf(text, VERDICT_ALARM_MAX,
                 "at step %.0f the logit gradients of Dice and cross-entropy had cosine %.3g, which two classes with hard labels cannot have: this points at a defect of this program "
                 "or of the machine, not at the data; do not trust this run",
                 d->state.alarm_step, d->state.alarm_cosine);
}

bool gradient_verdict_of(const struct diagnose *d, const struct verdict_scores *scores, struct gradient_verdict *v)
{
    memset(v, 0, sizeof *v);
    if (d->state.seen < 1)
        return false;
    measure(d, v);
    v->oscillation = gradient_verdict_oscillation(scores);
    v->dominant = dominant_of(v->alpha_effective);
    v->suggestion = suggestion_of(&v->level[v->judged]);
    gradient_verdict_alarm(d, v->alarm);
    say(v, doubt_of(d, v, &v->confidence), v->text);
    return true;
}
