/* report: from the scores of trials to variants and comparisons. */
#include "server/report_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/must.h"
#include "server/stats.h"

const char *report_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

double report_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : json_is_string(value) ? strtod(json_string_value(value), NULL) : (double)NAN;
}

double report_signed(double difference)
{
    return fabs(difference) < 0.5e-4 ? 0 : difference;
}

json_t *report_real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

void report_say(json_t *list, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) abort();
    json_array_append_new(list, json_string(text));
    free(text);
}

const char *report_plural(double count)
{
    return count > 1 || count < 1 ? "s" : "";
}

static const json_t *of_name(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!strcmp(report_text(json_array_get(list, i), "name"), name)) return json_array_get(list, i);
    return NULL;
}

const json_t *report_variant(const json_t *report, const char *name)
{
    return of_name(json_object_get(report, "variants"), name);
}

const json_t *report_comparison(const json_t *report, const char *variant, const char *score)
{
    const json_t *list = json_object_get(report, "comparisons");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *c = json_array_get(list, i);
        if (!strcmp(report_text(c, "variant"), variant) && !strcmp(report_text(c, "score"), score)) return c;
    }
    return NULL;
}

/* ---- trials ----------------------------------------------------------------------------------------------------------------- */
bool report_is_of(const json_t *trial, const char *variant)
{
    return !strcmp(report_text(trial, "label"), variant);
}

bool report_counts(const json_t *trial)
{
    return !strcmp(report_text(trial, "state"), "succeeded") && !json_is_integer(json_object_get(trial, "pruned_epoch"));
}

double report_score(const json_t *trial, const char *score)
{
    return report_counts(trial) ? report_number(json_object_get(trial, "scores"), score) : (double)NAN;
}

/* ---- variants ------------------------------------------------------------------------------------------------------------------ */
static json_t *summary_of(const json_t *trials, const char *variant, const char *score, double *room)
{
    size_t count = 0, i;
    json_t *trial, *seeds = json_array();
    struct stats_summary s;
    json_array_foreach(trials, i, trial) {
        double x = report_is_of(trial, variant) ? report_score(trial, score) : (double)NAN;
        if (isnan(x)) continue;
        room[count++] = x;
        json_array_append_new(seeds, json_real(x));
    }
    stats_summarise(room, count, &s);
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)s.count, "mean", report_real(s.mean), "deviation", report_real(s.deviation), "low",
                     report_real(s.low), "high", report_real(s.high), "values", seeds);
}

static json_t *outcomes_of(const json_t *trials, const char *variant)
{
    static const char *const words[] = {"trials", "succeeded", "failed", "diverged", "cancelled", "pruned", "unfinished"};
    json_int_t n[7] = {0};
    size_t i;
    json_t *trial, *json = json_object();
    json_array_foreach(trials, i, trial) {
        const char *state = report_text(trial, "state");
        if (variant && !report_is_of(trial, variant)) continue;
        bool failed = !strcmp(state, "failed"), cancelled = !strcmp(state, "cancelled"), pruned = json_is_integer(json_object_get(trial, "pruned_epoch"));
        n[0]++;
        n[1] += report_counts(trial);
        n[2] += failed;
        n[3] += failed && !strcmp(report_text(trial, "failure"), "diverged");
        n[4] += cancelled;
        n[5] += pruned && !failed && !cancelled;
        n[6] += !failed && !cancelled && !pruned && strcmp(state, "succeeded") != 0;
    }
    for (int w = 0; w < 7; w++) json_object_set_new(json, words[w], json_integer(n[w]));
    return json;
}

/* "dice" or "ce" when the other loss has no weight in any step, else "both". */
static const char *losses_of(const json_t *loss)
{
    double alpha = report_number(loss, "alpha"), dice = report_number(loss, "lambda_dice"), ce = report_number(loss, "lambda_ce");
    if (strcmp(report_text(loss, "strategy"), "constant")) return "both";
    if (alpha >= 1 || (isnan(alpha) && ce <= 0)) return "dice";
    return alpha <= 0 || (isnan(alpha) && dice <= 0) ? "ce" : "both";
}

static json_t *variant_of(const json_t *trials, const json_t *first, const struct report_scores *scores, double *room)
{
    const char *variant = report_text(first, "label");
    json_t *of = json_object(), *json = outcomes_of(trials, variant);
    for (size_t s = 0; s < scores->count; s++) json_object_set_new(of, scores->of[s].name, summary_of(trials, variant, scores->of[s].name, room));
    json_object_set_new(json, "name", json_string(variant));
    json_object_set_new(json, "losses", json_string(losses_of(json_object_get(first, "loss"))));
    json_object_set_new(json, "scores", of);
    json_object_set_new(json, "conflict", report_conflict(trials, variant));
    return json;
}

/* ---- the rest --------------------------------------------------------------------------------------------------------------------- */
static void add_variants(json_t *report, const json_t *trials, const struct report_scores *scores, double *room)
{
    json_t *variants = json_array(), *seen = json_object(), *trial;
    size_t i;
    json_array_foreach(trials, i, trial) {
        const char *label = report_text(trial, "label");
        if (json_object_get(seen, label)) continue;
        json_object_set_new(seen, label, json_true());
        json_array_append_new(variants, variant_of(trials, trial, scores, room));
    }
    json_decref(seen);
    json_object_set_new(report, "variants", variants);
}

/* What it takes to do it again: seeds, folds, the hash of the sweep and of every job. */
static void add_repeat(json_t *report, const json_t *sweep, const json_t *trials)
{
    json_t *seeds = json_array(), *jobs = json_array(), *seen = json_object(), *trial;
    size_t i;
    json_array_foreach(trials, i, trial) {
        char key[32];
        snprintf(key, sizeof key, "%lld", (long long)json_integer_value(json_object_get(trial, "seed")));
        if (!json_object_get(seen, key)) json_array_append(seeds, json_object_get(trial, "seed"));
        json_object_set_new(seen, key, json_true());
        json_array_append_new(jobs, json_pack("{s:O, s:O, s:O, s:O, s:O}", "label", json_object_get(trial, "label"), "seed", json_object_get(trial, "seed"), "fold",
                                              json_object_get(trial, "fold"), "spec_hash", json_object_get(trial, "spec_hash"), "best_epoch", json_object_get(trial, "best_epoch")));
    }
    json_decref(seen);
    json_object_set_new(report, "repeat", json_pack("{s:O, s:o, s:o}", "spec_hash", json_object_get(sweep, "spec_hash"), "seeds", seeds, "jobs", jobs));
}

/* Who ran it, and how often it had to begin again: nothing of this is a result. */
static void add_run(json_t *report, const json_t *sweep, const json_t *trials)
{
    json_t *jobs = json_array(), *trial;
    size_t i;
    json_array_foreach(trials, i, trial)
        json_array_append_new(jobs, json_pack("{s:O, s:O, s:O, s:O}", "id", json_object_get(trial, "job"), "attempts", json_object_get(trial, "attempt"), "losses",
                                              json_object_get(trial, "losses"), "nondeterministic", json_object_get(trial, "nondeterministic")));
    json_object_set_new(report, "run", json_pack("{s:O, s:O, s:o}", "sweep", json_object_get(sweep, "id"), "created_at_ms", json_object_get(sweep, "created_at_ms"), "jobs", jobs));
}

static double seconds_of(const json_t *trials, const char *variant, double *room)
{
    size_t count = 0, i;
    json_t *trial;
    struct stats_summary s;
    json_array_foreach(trials, i, trial) {
        double x = report_is_of(trial, variant) && report_counts(trial) ? report_number(trial, "step_processor_s") : (double)NAN;
        if (!isnan(x)) room[count++] = x;
    }
    stats_summarise(room, count, &s);
    return s.mean;
}

static void add_timing(json_t *report, const json_t *trials, double *room)
{
    json_t *list = json_array(), *variant;
    size_t i;
    double standard = seconds_of(trials, report_text(report, "reference"), room);
    json_array_foreach(json_object_get(report, "variants"), i, variant) {
        double seconds = seconds_of(trials, report_text(variant, "name"), room);
        json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "name", report_text(variant, "name"), "step_processor_s", report_real(seconds), "relative",
                                              report_real(seconds / standard)));
    }
    json_object_set_new(report, "timing", json_pack("{s:o}", "variants", list));
}

static void add_head(json_t *report, const json_t *sweep, const json_t *trials, const struct report_scores *scores)
{
    const char *reference = report_text(sweep, "reference");
    json_t *names = json_array();
    for (size_t s = 0; s < scores->count; s++)
        json_array_append_new(names, json_pack("{s:s, s:s, s:i}", "name", scores->of[s].name, "what", scores->of[s].row->what, "better", scores->of[s].row->better));
    json_object_set(report, "name", json_object_get(sweep, "name"));
    json_object_set(report, "preset", json_object_get(sweep, "preset"));
    json_object_set(report, "not_built", json_object_get(sweep, "not_built"));
    json_object_set_new(report, "reference", json_string(*reference ? reference : report_text(json_array_get(trials, 0), "label")));
    json_object_set_new(report, "monitor", json_string(report_text(json_array_get(trials, 0), "monitor")));
    json_object_set_new(report, "outcomes", outcomes_of(trials, NULL));
    json_object_set_new(report, "scores", names);
    json_object_set_new(report, "absent", report_absent_scores(scores));
}

json_t *report_make(const json_t *results, struct report_images *images)
{
    const json_t *sweep = json_object_get(results, "sweep"), *trials = json_object_get(results, "trials");
    struct report_scores *scores = must_calloc(1, sizeof *scores);
    double *room = must_calloc(json_array_size(trials) + 1, sizeof *room);
    json_t *report = json_object();
    report_find_scores(trials, scores);
    add_head(report, sweep, trials, scores);
    add_variants(report, trials, scores, room);
    report_compare(report, trials, scores, images);
    json_object_set_new(report, "curves", report_curves(report, trials));
    add_repeat(report, sweep, trials);
    report_headline(report);
    report_words(report);
    add_run(report, sweep, trials);
    add_timing(report, trials, room);
    free(room);
    free(scores);
    return report;
}
