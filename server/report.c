/* report: from the scores of trials to variants and comparisons. */
#include "server/report.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "server/must.h"
#include "server/stats.h"

enum { SCORES_MAX = 64, IMAGES_MAX = 100000 };

/* What is judged; a name that ends in '/' takes every class. Others of the jobs' series are in the jobs. */
static const struct judged {
    const char *name, *what;
    int better; /* 1: more is better, -1: less is */
} judged[] = {
    {"val/dice", "Dice, pooled, mean of the foreground classes", 1}, {"val/dice/", "Dice, pooled, of one class", 1},
    {"val/dice_image", "Dice, mean over images", 1},                 {"val/nsd", "normalised surface distance", 1},
    {"val/hd95", "95 % Hausdorff distance", -1},                     {"val/ece", "expected calibration error", -1},
    {"val/ece_foreground", "expected calibration error of the foreground", -1}, {"val/brier", "Brier score", -1},
};
enum { JUDGED = sizeof judged / sizeof judged[0] };

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

static json_t *real_or_null(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* ---- which scores there are ------------------------------------------------------------------------------------------ */
struct score {
    char name[97];
    const struct judged *row;
};
struct score_list {
    struct score of[SCORES_MAX];
    size_t count;
};

static void add_score(struct score_list *s, const char *name, const struct judged *row)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->of[i].name, name)) return;
    if (s->count == SCORES_MAX) return;
    snprintf(s->of[s->count].name, sizeof s->of[0].name, "%s", name);
    s->of[s->count++].row = row;
}

static int by_name(const void *a, const void *b)
{
    const struct score *x = a, *y = b;
    size_t p = strlen(x->name), q = strlen(y->name);
    return x->row != y->row ? (x->row > y->row) - (x->row < y->row) : p != q ? (p > q) - (p < q) : strcmp(x->name, y->name); /* 2 before 10 */
}

static void find_scores(const json_t *trials, struct score_list *s)
{
    size_t i;
    json_t *trial, *value;
    const char *name;
    json_array_foreach(trials, i, trial)
        json_object_foreach(json_object_get(trial, "scores"), name, value)
            for (const struct judged *row = judged; row < judged + JUDGED; row++) {
                size_t length = strlen(row->name);
                bool class = row->name[length - 1] == '/';
                if (class ? !strncmp(name, row->name, length) : !strcmp(name, row->name)) add_score(s, name, row);
            }
    qsort(s->of, s->count, sizeof s->of[0], by_name);
}

static json_t *absent_scores(const struct score_list *s)
{
    json_t *absent = json_array();
    for (int r = 0; r < JUDGED; r++) {
        bool found = false;
        for (size_t i = 0; i < s->count; i++) found = found || s->of[i].row == &judged[r];
        if (!found && judged[r].name[strlen(judged[r].name) - 1] != '/') json_array_append_new(absent, json_string(judged[r].name));
    }
    return absent;
}

/* ---- trials ----------------------------------------------------------------------------------------------------------------- */
static bool is_of(const json_t *trial, const char *variant)
{
    return !strcmp(report_text(trial, "label"), variant);
}

/* Ran to its end, and the sweep did not let go of it: its scores stand for its variant. */
static bool counts(const json_t *trial)
{
    return !strcmp(report_text(trial, "state"), "succeeded") && !json_is_integer(json_object_get(trial, "pruned_epoch"));
}

static double score_of(const json_t *trial, const char *score)
{
    return counts(trial) ? report_number(json_object_get(trial, "scores"), score) : (double)NAN;
}

/* The trial of the reference with the same seed and fold, NULL if there is none. */
static const json_t *partner(const json_t *trials, const json_t *trial, const char *reference)
{
    size_t i;
    json_t *other;
    json_array_foreach(trials, i, other)
        if (is_of(other, reference) && json_equal(json_object_get(other, "seed"), json_object_get(trial, "seed")) &&
            json_equal(json_object_get(other, "fold"), json_object_get(trial, "fold")))
            return other;
    return NULL;
}

/* ---- variants ------------------------------------------------------------------------------------------------------------------ */
static json_t *summary_of(const json_t *trials, const char *variant, const char *score, double *room)
{
    size_t count = 0, i;
    json_t *trial, *seeds = json_array();
    struct stats_summary s;
    json_array_foreach(trials, i, trial) {
        double x = is_of(trial, variant) ? score_of(trial, score) : (double)NAN;
        if (isnan(x)) continue;
        room[count++] = x;
        json_array_append_new(seeds, json_real(x));
    }
    stats_summarise(room, count, &s);
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)s.count, "mean", real_or_null(s.mean), "deviation", real_or_null(s.deviation), "low",
                     real_or_null(s.low), "high", real_or_null(s.high), "values", seeds);
}

static json_t *outcomes_of(const json_t *trials, const char *variant)
{
    static const char *const words[] = {"trials", "succeeded", "failed", "diverged", "cancelled", "pruned", "unfinished"};
    json_int_t n[7] = {0};
    size_t i;
    json_t *trial, *json = json_object();
    json_array_foreach(trials, i, trial) {
        const char *state = report_text(trial, "state");
        if (variant && !is_of(trial, variant)) continue;
        bool failed = !strcmp(state, "failed"), cancelled = !strcmp(state, "cancelled"), pruned = json_is_integer(json_object_get(trial, "pruned_epoch"));
        n[0]++;
        n[1] += counts(trial);
        n[2] += failed;
        n[3] += failed && !strcmp(report_text(trial, "failure"), "diverged");
        n[4] += cancelled;
        n[5] += pruned && !failed && !cancelled;
        n[6] += !failed && !cancelled && !pruned && strcmp(state, "succeeded") != 0;
    }
    for (int w = 0; w < 7; w++) json_object_set_new(json, words[w], json_integer(n[w]));
    return json;
}

/* Means over the jobs of what was told of their gradients, where it was. */
static json_t *telemetry_of(const json_t *trials, const char *variant, double *room)
{
    json_t *names = json_object(), *telemetry = json_object(), *trial, *value;
    size_t i;
    const char *name;
    json_array_foreach(trials, i, trial)
        if (is_of(trial, variant) && counts(trial)) json_object_update(names, json_object_get(trial, "means"));
    json_object_foreach(names, name, value) {
        size_t count = 0;
        struct stats_summary s;
        json_array_foreach(trials, i, trial) {
            double x = is_of(trial, variant) && counts(trial) ? report_number(json_object_get(trial, "means"), name) : (double)NAN;
            if (!isnan(x)) room[count++] = x;
        }
        stats_summarise(room, count, &s);
        json_object_set_new(telemetry, name, real_or_null(s.mean));
    }
    json_decref(names);
    return telemetry;
}

static json_t *variant_of(const json_t *trials, const char *variant, const struct score_list *scores, double *room)
{
    json_t *of = json_object(), *json = outcomes_of(trials, variant);
    for (size_t s = 0; s < scores->count; s++) json_object_set_new(of, scores->of[s].name, summary_of(trials, variant, scores->of[s].name, room));
    json_object_set_new(json, "name", json_string(variant));
    json_object_set_new(json, "scores", of);
    json_object_set_new(json, "telemetry", telemetry_of(trials, variant, room));
    return json;
}

/* ---- comparisons -------------------------------------------------------------------------------------------------------------------- */
struct pairing { /* one variant against the reference on one score */
    size_t count;
    double *difference, **images, *room;
    size_t *image_count;
    bool with_images;
};

/* Differences image by image, where both have their images in the same order. */
static void pair_images(struct pairing *p, const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "images"), *y = json_object_get(b, "images");
    size_t n = json_array_size(x), used = 0;
    p->images[p->count] = NULL;
    p->image_count[p->count] = 0;
    if (!n || n > IMAGES_MAX || json_array_size(y) != n) return;
    double *d = must_calloc(n, sizeof *d);
    for (size_t i = 0; i < n; i++) {
        const json_t *u = json_array_get(x, i), *v = json_array_get(y, i);
        if (json_is_number(u) && json_is_number(v)) d[used++] = json_number_value(u) - json_number_value(v);
    }
    p->images[p->count] = d;
    p->image_count[p->count] = used;
    p->with_images = p->with_images || used;
}

static void make_pairs(struct pairing *p, const json_t *trials, const char *variant, const char *reference, const char *score)
{
    size_t i;
    json_t *trial;
    p->count = 0;
    p->with_images = false;
    json_array_foreach(trials, i, trial) {
        const json_t *other = is_of(trial, variant) ? partner(trials, trial, reference) : NULL;
        double d = other ? score_of(trial, score) - score_of(other, score) : (double)NAN;
        if (isnan(d)) continue;
        p->difference[p->count] = d;
        p->images[p->count] = NULL;
        if (!strcmp(score, "val/dice_image")) pair_images(p, trial, other);
        p->count++;
    }
}

static void free_images(struct pairing *p)
{
    for (size_t i = 0; i < p->count; i++) free(p->images[i]);
}

/* The spread of seeds that a difference is held against: of both, pooled. */
static double pooled_deviation(const json_t *report, const char *variant, const char *reference, const char *score)
{
    size_t i;
    json_t *v;
    double squares = 0, freedom = 0;
    json_array_foreach(json_object_get(report, "variants"), i, v) {
        const json_t *s = json_object_get(json_object_get(v, "scores"), score);
        double n = report_number(s, "n"), deviation = report_number(s, "deviation");
        if ((strcmp(report_text(v, "name"), variant) && strcmp(report_text(v, "name"), reference)) || !(n > 1)) continue;
        squares += (n - 1) * deviation * deviation;
        freedom += n - 1;
    }
    return freedom > 0 ? sqrt(squares / freedom) : (double)NAN;
}

/* Fewer than five pairs cannot be tested: only a difference that every seed shows, three times their spread, is called large. */
static bool is_large(const struct pairing *p, double mean, double spread)
{
    for (size_t i = 0; i < p->count; i++)
        if (!(p->difference[i] * mean > 0)) return false;
    return p->count >= 2 && fabs(mean) > 3 * spread;
}

static json_t *comparison_of(json_t *report, const json_t *trials, const char *variant, const struct score *score, uint64_t seed, struct pairing *p)
{
    const char *reference = report_text(report, "reference");
    struct stats_interval interval;
    struct stats_summary s;
    make_pairs(p, trials, variant, reference, score->name);
    stats_summarise(p->difference, p->count, &s);
    double spread = pooled_deviation(report, variant, reference, score->name);
    bool tested = p->count >= STATS_PAIRS_MIN;
    json_t *json = json_pack("{s:s, s:s, s:i, s:I, s:o, s:o, s:b}", "variant", variant, "score", score->name, "better", score->row->better, "pairs", (json_int_t)p->count,
                             "difference", real_or_null(s.mean), "spread", real_or_null(spread), "over_images", p->with_images);
    if (tested) {
        stats_bootstrap(&(struct stats_pairs){p->count, p->difference, (const double *const *)p->images, p->image_count}, seed, p->room, &interval);
        json_object_set_new(json, "low", real_or_null(interval.low));
        json_object_set_new(json, "high", real_or_null(interval.high));
        json_object_set_new(json, "p", json_real(interval.p));
    } else
        json_object_set_new(json, "word", json_string(is_large(p, s.mean, spread) ? "large" : "not settled"));
    free_images(p);
    return json;
}

/* Holm's correction over the variants that were tested on one score; then the word. */
static void correct(json_t *comparisons, size_t from)
{
    size_t count = json_array_size(comparisons), tested = 0;
    double *p = must_calloc(count + 1, sizeof *p);
    for (size_t i = from; i < count; i++) {
        const json_t *one = json_array_get(comparisons, i);
        if (json_object_get(one, "p")) p[tested++] = report_number(one, "p");
    }
    stats_holm(p, tested);
    tested = 0;
    for (size_t i = from; i < count; i++) {
        json_t *one = json_array_get(comparisons, i);
        if (!json_object_get(one, "p")) continue;
        json_object_set_new(one, "p_holm", json_real(p[tested]));
        json_object_set_new(one, "word", json_string(p[tested] < 0.05 ? "real" : "noise"));
        tested++;
    }
    free(p);
}

static void compare(json_t *report, const json_t *trials, const struct score_list *scores, struct pairing *p)
{
    json_t *comparisons = json_array(), *variant;
    size_t v;
    for (size_t s = 0; s < scores->count; s++) {
        size_t from = json_array_size(comparisons);
        json_array_foreach(json_object_get(report, "variants"), v, variant) {
            const char *name = report_text(variant, "name");
            if (!strcmp(name, report_text(report, "reference"))) continue;
            json_array_append_new(comparisons, comparison_of(report, trials, name, &scores->of[s], (uint64_t)s << 20 | v, p));
        }
        correct(comparisons, from);
    }
    json_object_set_new(report, "comparisons", comparisons);
}

/* ---- the rest --------------------------------------------------------------------------------------------------------------------- */
static void add_variants(json_t *report, const json_t *trials, const struct score_list *scores, double *room)
{
    json_t *variants = json_array(), *seen = json_object(), *trial;
    size_t i;
    json_array_foreach(trials, i, trial) {
        const char *label = report_text(trial, "label");
        if (json_object_get(seen, label)) continue;
        json_object_set_new(seen, label, json_true());
        json_array_append_new(variants, variant_of(trials, label, scores, room));
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
        double x = is_of(trial, variant) && counts(trial) ? report_number(trial, "s_per_step") : (double)NAN;
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
        json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "name", report_text(variant, "name"), "s_per_step", real_or_null(seconds), "relative",
                                              real_or_null(seconds / standard)));
    }
    json_object_set_new(report, "timing", json_pack("{s:o}", "variants", list));
}

static void add_head(json_t *report, const json_t *sweep, const json_t *trials, const struct score_list *scores)
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
    json_object_set_new(report, "absent", absent_scores(scores));
}

json_t *report_make(const json_t *results)
{
    const json_t *sweep = json_object_get(results, "sweep"), *trials = json_object_get(results, "trials");
    size_t count = json_array_size(trials) + 1;
    struct score_list *scores = must_calloc(1, sizeof *scores);
    double *room = must_calloc(count, sizeof *room);
    struct pairing p = {.difference = must_calloc(count, sizeof(double)), .images = must_calloc(count, sizeof(double *)),
                        .room = must_calloc(STATS_ROUNDS, sizeof(double)), .image_count = must_calloc(count, sizeof(size_t))};
    json_t *report = json_object();
    find_scores(trials, scores);
    add_head(report, sweep, trials, scores);
    add_variants(report, trials, scores, room);
    compare(report, trials, scores, &p);
    add_repeat(report, sweep, trials);
    report_words(report);
    add_run(report, sweep, trials);
    add_timing(report, trials, room);
    void *const owned[] = {p.difference, p.images, p.room, p.image_count, room, scores};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    return report;
}
