/* report_headline: the short answer on top: can Dice and cross-entropy be trained together on this data, and how; no more than the numbers say. */
#include <math.h>
#include <string.h>
#include "server/report_parts.h"
#include "server/stats.h"

enum side { SIDE_BOTH, SIDE_ONE }; /* variants that train both losses, and one alone */
struct tally { /* over the variants of one side */
    double variants, trials, succeeded, diverged, unfinished;
};
struct view { /* what the sentences are made from */
    json_t *lines;
    const json_t *report;
    const char *monitor, *reference;
    double pairs; /* the most that a comparison has */
};

static bool is_side(const json_t *variant, enum side side)
{
    return !strcmp(report_text(variant, "losses"), "both") == (side == SIDE_BOTH);
}

static struct tally tally_of(const json_t *report, enum side side)
{
    struct tally t = {0};
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(report, "variants"), i, v) {
        if (!is_side(v, side)) continue;
        t.variants++;
        t.trials += report_number(v, "trials");
        t.succeeded += report_number(v, "succeeded");
        t.diverged += report_number(v, "diverged");
        t.unfinished += report_number(v, "unfinished");
    }
    return t;
}

static bool is_word(const json_t *c, const char *word)
{
    return !strcmp(report_text(c, "word"), word);
}

/* 1: better than the reference for sure or by far, -1: worse so, 0: neither. */
static int verdict_of(const json_t *c)
{
    double gain = report_number(c, "difference") * report_number(c, "better");
    return !is_word(c, "real") && !is_word(c, "large") ? 0 : gain > 0 ? 1 : -1;
}

/* "dice only -0.0123 (real), ce only -0.0004 (noise)": the variants of a side but the reference whose verdict is `verdict`; 2: any. */
static size_t list_side(const struct view *w, enum side side, int verdict, struct buf *to)
{
    size_t i, count = 0;
    json_t *v;
    json_array_foreach(json_object_get(w->report, "variants"), i, v) {
        const json_t *c = report_comparison(w->report, report_text(v, "name"), w->monitor);
        if (!is_side(v, side) || !c || isnan(report_number(c, "difference")) || (verdict != 2 && verdict_of(c) != verdict)) continue;
        enum err e = buf_printf(to, "%s%s %+.4f (%s)", count ? ", " : "", report_text(v, "name"), report_signed(report_number(c, "difference")), report_text(c, "word"));
        count += !e; /* past its bound the list is cut: the table has all of them */
    }
    return count;
}

static bool has_ahead(const struct view *w, enum side side)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(w->report, "variants"), i, v)
        if (is_side(v, side) && verdict_of(report_comparison(w->report, report_text(v, "name"), w->monitor)) > 0) return true;
    return false;
}

/* ---- can they ------------------------------------------------------------------------------------------------- */
static void say_together(const struct view *w)
{
    struct tally both = tally_of(w->report, SIDE_BOTH), one = tally_of(w->report, SIDE_ONE);
    struct buf all, better;
    bool mixed_reference = is_side(report_variant(w->report, w->reference), SIDE_BOTH);
    buf_init(&all, 2048);
    buf_init(&better, 2048);
    size_t compared = list_side(w, mixed_reference ? SIDE_ONE : SIDE_BOTH, 2, &all), singles_ahead = list_side(w, mixed_reference ? SIDE_ONE : SIDE_BOTH, mixed_reference ? 1 : -1, &better);
    const char *their = both.succeeded > 1 ? "their" : "its";
    bool few = w->pairs < STATS_PAIRS_MIN, pays = singles_ahead < compared || has_ahead(w, SIDE_BOTH);
    if (both.variants < 1)
        report_say(w->lines, "Not shown: no variant of this sweep trains both losses.");
    else if (both.succeeded < 1)
        report_say(w->lines, both.unfinished > 0 ? "Not shown yet: no trial that trains both losses has ended."
                             : both.trials > 1     ? "No: none of the %.0f trials that train both losses came to its end."
                                                   : "No: the one trial that trains both losses did not come to its end.", both.trials);
    else if (one.variants < 1 || !compared)
        report_say(w->lines, "They train together: %.0f of %.0f trial%s with both losses came to %s end, %.0f diverged. "
                             "What mixing is worth is not shown: there is nothing that trains one loss alone to compare with.",
                   both.succeeded, both.trials, report_plural(both.trials), their, both.diverged);
    else if (!pays)
        report_say(w->lines, "They can, but %sit does not pay here. Of %.0f trial%s with both losses %.0f came to %s end; on %s, against %s: %s.",
                   few ? "as far as so few seeds show " : "", both.trials, report_plural(both.trials), both.succeeded, their, w->monitor, w->reference,
                   better.data);
    else
        report_say(w->lines, "%s: of %.0f trial%s with both losses %.0f came to %s end and %.0f diverged; %s. On %s, against %s: %s.",
                   few ? "As far as so few seeds show, yes" : "Yes", both.trials, report_plural(both.trials), both.succeeded, their, both.diverged,
                   singles_ahead ? "but not every way of doing it pays" : mixed_reference ? "neither loss alone is shown to do better" : "one loss alone is not shown to do better",
                   w->monitor, w->reference, all.data);
    buf_free(&all);
    buf_free(&better);
}

/* "from -0.1904 (separate alternating) to +0.0005 (pcgrad)": the ends of what is not told apart; how many there are. */
static size_t range_of_open(const struct view *w, struct buf *to)
{
    const json_t *low = NULL, *high = NULL;
    size_t i, count = 0;
    json_t *v;
    json_array_foreach(json_object_get(w->report, "variants"), i, v) {
        const json_t *c = report_comparison(w->report, report_text(v, "name"), w->monitor);
        double d = report_number(c, "difference");
        if (!is_side(v, SIDE_BOTH) || isnan(d) || verdict_of(c)) continue;
        count++;
        if (!low || d < report_number(low, "difference")) low = c;
        if (!high || d > report_number(high, "difference")) high = c;
    }
    enum err e = !count ? OK : buf_printf(to, count > 1 ? "from %+.4f (%s) to %+.4f (%s)" : "%+.4f (%s)", report_signed(report_number(low, "difference")), report_text(low, "variant"),
                                         report_signed(report_number(high, "difference")), report_text(high, "variant"));
    return e ? 0 : count;
}

/* ---- how -------------------------------------------------------------------------------------------------------- */
static void say_how(const struct view *w)
{
    struct buf better, worse, open;
    buf_init(&better, 2048);
    buf_init(&worse, 2048);
    buf_init(&open, 2048);
    size_t ahead = list_side(w, SIDE_BOTH, 1, &better), behind = list_side(w, SIDE_BOTH, -1, &worse), same = range_of_open(w, &open);
    bool mixed_reference = is_side(report_variant(w->report, w->reference), SIDE_BOTH);
    const char *unproven = w->pairs < STATS_PAIRS_MIN ? "not settled by these seeds" : "noise as far as these seeds show";
    if (ahead) report_say(w->lines, "How: better than %s: %s.", w->reference, better.data);
    if (behind) report_say(w->lines, "Avoid: worse than %s: %s.", w->reference, worse.data);
    if (same && !ahead && mixed_reference)
        report_say(w->lines, "How: no %sway of mixing is told apart from %s on %s (%s): %s. The plainest will do until more seeds say otherwise.", behind ? "further " : "other ", w->reference,
                   w->monitor, unproven, open.data);
    else if (same)
        report_say(w->lines, "Not told apart from %s on %s (%s): %s.", w->reference, w->monitor, unproven, open.data);
    buf_free(&better);
    buf_free(&worse);
    buf_free(&open);
}

/* Dice may be equal where calibration is not: the most consistent difference between losses. */
static void say_calibration(const struct view *w)
{
    const json_t *best = NULL, *worst = NULL;
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(w->report, "comparisons"), i, c) {
        double d = report_number(c, "difference");
        if (strcmp(report_text(c, "score"), "val/ece") || !verdict_of(c)) continue;
        if (d < 0 && (!best || d < report_number(best, "difference"))) best = c;
        if (d > 0 && (!worst || d > report_number(worst, "difference"))) worst = c;
    }
    if (worst)
        report_say(w->lines, "Probabilities: %s is the worst calibrated, by %+.4f in val/ece against %s (%s).", report_text(worst, "variant"), report_signed(report_number(worst, "difference")), w->reference,
                   report_text(worst, "word"));
    if (best)
        report_say(w->lines, "Probabilities: %s is the best calibrated, by %+.4f in val/ece against %s (%s).", report_text(best, "variant"), report_signed(report_number(best, "difference")), w->reference,
                   report_text(best, "word"));
}

/* ---- the gradients ------------------------------------------------------------------------------------------------ */
/* Of the reference; of the first variant that told any, when the reference did not. */
static const json_t *told_conflict(const struct view *w, const char **name)
{
    const json_t *own = json_object_get(report_variant(w->report, w->reference), "conflict");
    size_t i;
    json_t *v;
    *name = w->reference;
    if (json_is_object(own)) return own;
    json_array_foreach(json_object_get(w->report, "variants"), i, v) {
        *name = report_text(v, "name");
        if (json_is_object(json_object_get(v, "conflict"))) return json_object_get(v, "conflict");
    }
    return NULL;
}

static void say_conflict(const struct view *w)
{
    static const struct {
        const char *key, *where;
    } levels[] = {{"full", "in the whole network"}, {"last_layer", "at the last layer"}, {"logits", "at the logits"}};
    const char *name;
    const json_t *conflict = told_conflict(w, &name), *level = NULL;
    size_t l = 0, i;
    json_t *alarm;
    for (; conflict && l < 3 && !level; l++) level = json_object_get(json_object_get(conflict, "levels"), levels[l].key);
    double told = report_number(level, "conflict_rate") + report_number(level, "cos_median") + report_number(level, "ratio_first") + report_number(level, "ratio_last");
    if (!isnan(told)) /* one of them has no value where a gradient was 0 throughout: the table shows the rest */
        report_say(w->lines, "Gradients of %s, %s: in conflict in %.1f %% of the diagnosed steps, median cosine %.2f; "
                             "the gradient of Dice is %.2g times that of cross-entropy at first and %.2g times at the end (medians over %.0f trial%s).",
                   name, levels[l - 1].where, 100 * report_number(level, "conflict_rate"), report_number(level, "cos_median"), report_number(level, "ratio_first"),
                   report_number(level, "ratio_last"), report_number(conflict, "trials"), report_plural(report_number(conflict, "trials")));
    json_array_foreach(json_object_get(conflict, "alarms"), i, alarm) report_say(w->lines, "Alarm of a trial of %s: %s", name, json_string_value(alarm));
}

void report_headline(json_t *report)
{
    struct view w = {json_array(), report, report_text(report, "monitor"), report_text(report, "reference"), 0};
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(report, "comparisons"), i, c)
        if (!strcmp(report_text(c, "score"), w.monitor)) w.pairs = fmax(w.pairs, report_number(c, "pairs"));
    if (json_array_size(json_object_get(report, "variants"))) {
        say_together(&w);
        say_how(&w);
        say_calibration(&w);
        say_conflict(&w);
    }
    if (w.pairs > 0 && w.pairs < STATS_PAIRS_MIN)
        report_say(w.lines, "%.0f seed%s cannot tell a real difference from noise: five or more can. "
                            "Extend the sweep with the same body and more seeds.", w.pairs, report_plural(w.pairs));
    json_object_set_new(report, "headline", w.lines);
}
