/* report_words: which differences are real and which are noise, and what a report does not show, in sentences. */
#include "server/report_parts.h"

#include <math.h>
#include <string.h>

enum { NAMES_MAX = 6 }; /* more are counted: the table has all of them */

static void add_name(struct buf *names, const char *name)
{
    enum err e = buf_printf(names, "%s%s", names->length ? ", " : "", name);
    if (e) return; /* past its bound the list is cut: the table has all of them */
}

/* "ce only is 0.0210 lower, which is worse (95 % interval -0.0330 to -0.0100, p 0.0020 after Holm's correction): real" */
static void say_difference(json_t *answer, const json_t *c, const char *reference)
{
    double d = report_number(c, "difference");
    const char *side = d > 0 ? "higher" : "lower", *worth = d * report_number(c, "better") > 0 ? "better" : "worse", *word = report_text(c, "word");
    if (!strcmp(word, "real"))
        report_say(answer, "%s: %s is %.4f %s than %s, which is %s (95 %% interval %+.4f to %+.4f, p = %.4f after Holm's correction over the variants): real.", report_text(c, "score"),
            report_text(c, "variant"), fabs(d), side, reference, worth, report_signed(report_number(c, "low")), report_signed(report_number(c, "high")), report_number(c, "p_holm"));
    else
        report_say(answer, "%s: %s is %.4f %s than %s in every one of %.0f pairs, which is %s, and more than three times the spread of the seeds (%.4f): large. Fewer than five seeds do not settle it.",
            report_text(c, "score"), report_text(c, "variant"), fabs(d), side, reference, report_number(c, "pairs"), worth, report_number(c, "spread"));
}

static void say_score(json_t *answer, const json_t *report, const char *score)
{
    struct buf noise, open, none;
    size_t noises = 0;
    const json_t *c;
    const char *reference = report_text(report, "reference");
    buf_init(&noise, 4096);
    buf_init(&open, 4096);
    buf_init(&none, 4096);
    for (size_t i = 0; i < json_array_size(json_object_get(report, "comparisons")); i++) {
        c = json_array_get(json_object_get(report, "comparisons"), i);
        const char *word = report_text(c, "word");
        if (strcmp(report_text(c, "score"), score)) continue;
        if (!strcmp(word, "real") || !strcmp(word, "large")) say_difference(answer, c, reference);
        else if (!strcmp(word, "noise")) {
            add_name(&noise, report_text(c, "variant"));
            noises++;
        }
        else add_name(report_number(c, "pairs") > 0 ? &open : &none, report_text(c, "variant"));
    }
    if (noise.length && noises > NAMES_MAX) report_say(answer, "%s: %zu variants are not told apart from %s, noise as far as these seeds show.", score, noises, reference);
    else if (noise.length) report_say(answer, "%s: not told apart from %s, noise as far as these seeds show: %s.", score, reference, noise.data);
    if (open.length) report_say(answer, "%s: not settled against %s (fewer than five seeds): %s.", score, reference, open.data);
    if (none.length) report_say(answer, "%s: no pair to compare with %s: %s.", score, reference, none.data);
    buf_free(&noise);
    buf_free(&open);
    buf_free(&none);
}

static void add_answer(json_t *report)
{
    json_t *answer = json_array();
    const json_t *scores = json_object_get(report, "scores"), *variants = json_object_get(report, "variants");
    for (size_t i = 0; i < json_array_size(scores); i++) say_score(answer, report, report_text(json_array_get(scores, i), "name"));
    if (!json_array_size(scores)) report_say(answer, "No trial has scores yet.");
    else if (json_array_size(variants) < 2) report_say(answer, "There is one variant: nothing to compare.");
    json_object_set_new(report, "answer", answer);
}

/* ---- what it does not show -------------------------------------------------------------------------------------------------- */
static void note_outcomes(json_t *notes, const json_t *report)
{
    const json_t *o = json_object_get(report, "outcomes");
    double trials = report_number(o, "trials"), failed = report_number(o, "failed"), diverged = report_number(o, "diverged"),
           cancelled = report_number(o, "cancelled"), pruned = report_number(o, "pruned"), unfinished = report_number(o, "unfinished");
    if (unfinished > 0)
        report_say(notes, "%.0f of %.0f trial%s %s not ended: this is a report on the way.", unfinished, trials, report_plural(trials),
                   unfinished > 1 ? "have" : "has");
    if (failed > 1)
        report_say(notes, "%.0f of %.0f trials failed, %.0f of them diverged: they have no score and stand in the counts of their variant. "
                          "A mean over the rest flatters it.", failed, trials, diverged);
    else if (failed > 0)
        report_say(notes, "1 of %.0f trial%s failed%s: it has no score and stands in the counts of its variant. "
                          "A mean over the rest flatters the variant.", trials, report_plural(trials), diverged > 0 ? ", as it diverged" : "");
    if (cancelled > 0)
        report_say(notes, cancelled > 1 ? "%.0f trials were cancelled and have no score." : "%.0f trial was cancelled and has no score.", cancelled);
    if (pruned > 0)
        report_say(notes, pruned > 1 ? "%.0f trials were pruned: they fell behind at a rung and enter no mean. Which ones depends on the scores alone."
                                     : "%.0f trial was pruned: it fell behind at a rung and enters no mean. Which one depends on the scores alone.", pruned);
}

/* `before` the names, `after` them. */
static void note_absent(json_t *notes, const json_t *report, const char *key, const char *before)
{
    struct buf names;
    const json_t *list = json_object_get(report, key);
    buf_init(&names, 4096);
    for (size_t i = 0; i < json_array_size(list); i++) add_name(&names, json_string_value(json_array_get(list, i)));
    if (names.length) report_say(notes, "%s: %s.", before, names.data);
    buf_free(&names);
}

/* Which intervals have the images in them, and which cannot. */
static void note_images(json_t *notes, const json_t *report)
{
    const json_t *comparisons = json_object_get(report, "comparisons"), *scores = json_object_get(report, "scores");
    struct buf with, without;
    buf_init(&with, 4096);
    buf_init(&without, 4096);
    for (size_t s = 0; s < json_array_size(scores); s++) {
        const char *score = report_text(json_array_get(scores, s), "name");
        bool tested = false, over_images = true;
        for (size_t i = 0; i < json_array_size(comparisons); i++) {
            const json_t *c = json_array_get(comparisons, i);
            if (strcmp(report_text(c, "score"), score) || !json_object_get(c, "p")) continue;
            tested = true;
            over_images = over_images && json_is_true(json_object_get(c, "over_images"));
        }
        if (tested) add_name(over_images ? &with : &without, score);
    }
    if (with.length) report_say(notes, "Bootstrapped over seeds and over images within them, the same images for every seed of a round: %s. These intervals say how other seeds and other images of the same kind would vary.", with.data);
    if (without.length) report_say(notes, "Bootstrapped over seeds alone: %s. These intervals say how training varies, not how another set of images would.", without.data);
    buf_free(&with);
    buf_free(&without);
}

void report_words(json_t *report)
{
    json_t *notes = json_array();
    add_answer(report);
    report_say(notes, "Every score is that of the epoch with the best %s of its trial, picked on the same validation set that it is told on: it flatters every variant, the more so the more its curve jumps. "
               "New images will score lower.", report_text(report, "monitor"));
    note_outcomes(notes, report);
    note_absent(notes, report, "not_built", "Not among the trials, as they are not built yet");
    note_absent(notes, report, "absent", "Not told by these trials");
    note_images(notes, report);
    if (json_is_integer(json_object_get(json_array_get(json_object_get(json_object_get(report, "repeat"), "jobs"), 0), "fold")))
        report_say(notes, "Pairs are seeds and folds: folds share most of their training images, so the intervals are narrower than they should be.");
    report_say(notes, "One data set, one network, one budget: what holds here need not hold elsewhere.");
    json_object_set_new(report, "notes", notes);
}
