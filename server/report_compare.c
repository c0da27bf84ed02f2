/* report_compare: every variant against the reference, seed by seed, on every score; which differences are real. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "server/must.h"
#include "server/report_parts.h"
#include "server/stats.h"

struct compare {
    json_t *report;
    const json_t *trials;
    const char *reference;
    const struct report_scores *scores;
    struct report_images *images;
    size_t *pair[2], pairs; /* places of the trials that belong together: of the variant, of the reference */
    /* of one score */
    size_t count;
    double *difference, **redrawn, *room;
    int *set;
    size_t over_images;     /* pairs whose images are drawn */
};

/* The trial of the reference with the same seed and fold; as many as there are trials if there is none. */
static size_t partner(const struct compare *c, const json_t *trial)
{
    size_t i;
    json_t *other;
    json_array_foreach(c->trials, i, other)
        if (report_is_of(other, c->reference) && json_equal(json_object_get(other, "seed"), json_object_get(trial, "seed")) &&
            json_equal(json_object_get(other, "fold"), json_object_get(trial, "fold")))
            return i;
    return i;
}

/* Those of a variant that have a partner; where there are enough to be tested, the images of both are drawn. */
static void find_pairs(struct compare *c, const char *variant)
{
    size_t i;
    json_t *trial;
    c->pairs = 0;
    json_array_foreach(c->trials, i, trial) {
        size_t other = report_is_of(trial, variant) ? partner(c, trial) : json_array_size(c->trials);
        if (other == json_array_size(c->trials)) continue;
        c->pair[0][c->pairs] = i;
        c->pair[1][c->pairs++] = other;
    }
    if (!c->images || c->pairs < STATS_PAIRS_MIN) return;
    for (i = 0; i < 2 * c->pairs; i++) report_images_draw(c->images, c->pair[i % 2][i / 2], c->scores);
}

/* False: there is nothing to draw, the difference stands as it is. */
static bool redraw_pair(struct compare *c, size_t pair, size_t score, double difference)
{
    int set[2] = {-1, -1};
    const double *drawn[2];
    for (int side = 0; side < 2; side++) {
        drawn[side] = c->images ? report_images_drawn(c->images, c->pair[side][pair], score, &set[side]) : NULL;
        if (!drawn[side]) return false;
    }
    if (set[0] != set[1]) return false; /* validated on other images: not to be paired image by image */
    c->set[c->count] = set[0];
    for (size_t d = 0; d < REPORT_REDRAWS; d++) {
        double x = drawn[0][d] - drawn[1][d];
        c->redrawn[c->count][d] = isnan(x) ? difference : x; /* no image of the draw has the class */
    }
    return true;
}

static void make_pairs(struct compare *c, size_t score)
{
    const char *name = c->scores->of[score].name;
    c->count = c->over_images = 0;
    for (size_t i = 0; i < c->pairs; i++) {
        double d = report_score(json_array_get(c->trials, c->pair[0][i]), name) - report_score(json_array_get(c->trials, c->pair[1][i]), name);
        if (isnan(d)) continue;
        c->difference[c->count] = d;
        if (!c->redrawn[c->count]) c->redrawn[c->count] = must_calloc(REPORT_REDRAWS, sizeof(double));
        if (redraw_pair(c, i, score, d)) c->over_images++;
        else {
            free(c->redrawn[c->count]);
            c->redrawn[c->count] = NULL;
        }
        c->count++;
    }
}

/* The spread of seeds that a difference is held against: of both, pooled. */
static double pooled_deviation(const struct compare *c, const char *variant, const char *score)
{
    const char *const names[] = {variant, c->reference};
    double squares = 0, freedom = 0;
    for (int k = 0; k < 2; k++) {
        const json_t *s = json_object_get(json_object_get(report_variant(c->report, names[k]), "scores"), score);
        double n = report_number(s, "n"), deviation = report_number(s, "deviation");
        if (!(n > 1)) continue;
        squares += (n - 1) * deviation * deviation;
        freedom += n - 1;
    }
    return freedom > 0 ? sqrt(squares / freedom) : (double)NAN;
}

/* Fewer than five pairs cannot be tested: only a difference that every seed shows, three times their spread, is called large. */
static bool is_large(const struct compare *c, double mean, double spread)
{
    for (size_t i = 0; i < c->count; i++)
        if (!(c->difference[i] * mean > 0)) return false;
    return c->count >= 2 && fabs(mean) > 3 * spread;
}

/* Of all validation sets that the pairs were judged on. */
static size_t units_of(const struct compare *c)
{
    size_t units = 0;
    for (size_t i = 0; i < c->count; i++) {
        bool known = !c->redrawn[i];
        for (size_t k = 0; k < i; k++) known = known || (c->redrawn[k] && c->set[k] == c->set[i]);
        if (!known) units += report_images_units(c->images, c->set[i]);
    }
    return units;
}

static json_t *comparison_of(struct compare *c, const char *variant, size_t score, uint64_t seed)
{
    const struct report_score *of = &c->scores->of[score];
    struct stats_interval interval;
    struct stats_summary s;
    make_pairs(c, score);
    stats_summarise(c->difference, c->count, &s);
    double spread = pooled_deviation(c, variant, of->name);
    bool tested = c->count >= STATS_PAIRS_MIN;
    json_t *json = json_pack("{s:s, s:s, s:i, s:I, s:o, s:o, s:b}", "variant", variant, "score", of->name, "better", of->row->better, "pairs", (json_int_t)c->count, "difference",
                             report_real(s.mean), "spread", report_real(spread), "over_images", tested && c->over_images == c->count);
    if (tested) {
        stats_bootstrap(&(struct stats_pairs){c->count, c->difference, (const double *const *)c->redrawn, c->set, REPORT_REDRAWS, units_of(c)}, seed, c->room, &interval);
        json_object_set_new(json, "low", report_real(interval.low));
        json_object_set_new(json, "high", report_real(interval.high));
        json_object_set_new(json, "p", json_real(interval.p));
    } else
        json_object_set_new(json, "word", json_string(is_large(c, s.mean, spread) ? "large" : "not settled"));
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

/* cells[variant][score]; the draws of a variant's images are held for that variant alone, those of the reference for all. */
static void fill_cells(struct compare *c, json_t **cells)
{
    const json_t *variants = json_object_get(c->report, "variants");
    for (size_t v = 0; v < json_array_size(variants); v++) {
        const char *name = report_text(json_array_get(variants, v), "name");
        if (!strcmp(name, c->reference)) continue;
        find_pairs(c, name);
        for (size_t s = 0; s < c->scores->count; s++) cells[v * c->scores->count + s] = comparison_of(c, name, s, (uint64_t)s << 20 | v);
        for (size_t i = 0; i < c->pairs && c->images; i++) report_images_drop(c->images, c->pair[0][i]);
    }
}

void report_compare(json_t *report, const json_t *trials, const struct report_scores *scores, struct report_images *images)
{
    size_t n = json_array_size(trials) + 1, variants = json_array_size(json_object_get(report, "variants"));
    struct compare c = {.report = report, .trials = trials, .reference = report_text(report, "reference"), .scores = scores, .images = images,
                        .pair = {must_calloc(n, sizeof(size_t)), must_calloc(n, sizeof(size_t))}, .difference = must_calloc(n, sizeof(double)),
                        .redrawn = must_calloc(n, sizeof(double *)), .room = must_calloc(STATS_ROUNDS, sizeof(double)), .set = must_calloc(n, sizeof(int))};
    json_t **cells = must_calloc(variants * scores->count + 1, sizeof *cells), *comparisons = json_array();
    fill_cells(&c, cells);
    for (size_t s = 0; s < scores->count; s++) {
        size_t from = json_array_size(comparisons);
        for (size_t v = 0; v < variants; v++)
            if (cells[v * scores->count + s]) json_array_append_new(comparisons, cells[v * scores->count + s]);
        correct(comparisons, from);
    }
    json_object_set_new(report, "comparisons", comparisons);
    for (size_t i = 0; i < n; i++) free(c.redrawn[i]);
    void *const owned[] = {c.pair[0], c.pair[1], c.difference, c.redrawn, c.room, c.set, cells};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
}
