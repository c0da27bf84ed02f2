/* report_images: images drawn with replacement, the same for all that were validated on them, and what each trial would have scored on
   such a draw. Pixels are summed over the drawn images first, so pooled Dice is drawn as it is made. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/draw.h"
#include "schema/base/sha256.h"
#include "schema/job/image_scores.h"
#include "server/must.h"
#include "server/report_parts.h"

/* More images than GROUPS_MAX are drawn in so many groups of neighbours: sums stay exact, a report stays quick, and neighbours, often
   slices of one patient, come together, which widens an interval rather than narrowing it. */
enum { GROUPS_MAX = 256, SETS_MAX = 64, FEATURES_OF_CLASS = 2, FEATURES_OF_MEASURE = 2 };
static const uint64_t draw_seed = 0x1ba9e5; /* of every report: the same draws, so the same text */

struct trial_images {
    int set; /* which images; -1: none were told */
    size_t groups, features, classes;
    int *index;     /* [classes] */
    double *sums;   /* [groups][features]: of each class the pixels both and predicted + truth; of each measure sum and count over images */
    double **drawn; /* [scores][REPORT_REDRAWS], NULL until drawn and for scores that do not follow */
    size_t scores;
};
struct image_set {
    char ids_sha256[SHA256_HEX];
    size_t groups;
    uint16_t *times; /* [REPORT_REDRAWS][groups]: how often each group is in each draw */
};
struct report_images {
    struct trial_images *of;
    size_t count, room;
    struct image_set sets[SETS_MAX];
    int set_count;
};

struct report_images *report_images_new(void)
{
    return must_calloc(1, sizeof(struct report_images));
}

void report_images_drop(struct report_images *r, size_t trial)
{
    struct trial_images *t = &r->of[trial];
    for (size_t s = 0; s < t->scores; s++) free(t->drawn[s]);
    free(t->drawn);
    t->drawn = NULL;
    t->scores = 0;
}

void report_images_free(struct report_images *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->count; i++) {
        report_images_drop(r, i);
        free(r->of[i].index);
        free(r->of[i].sums);
    }
    for (int s = 0; s < r->set_count; s++) free(r->sets[s].times);
    free(r->of);
    free(r);
}

/* ---- taking in ------------------------------------------------------------------------------------------------ */
static void draw_groups(struct image_set *set)
{
    set->times = must_calloc(REPORT_REDRAWS * set->groups, sizeof *set->times);
    for (uint64_t r = 0; r < REPORT_REDRAWS; r++)
        for (uint64_t k = 0; k < set->groups; k++) set->times[r * set->groups + draw_below(draw_seed, r, k, (uint32_t)set->groups)]++;
}

/* The set of these ids in this order; -1 when there are too many different ones to draw. */
static int find_set(struct report_images *r, const struct image_scores *s, size_t groups)
{
    struct sha256 hash;
    char hex[SHA256_HEX];
    sha256_start(&hash);
    for (size_t i = 0; i < s->images; i++) {
        const json_t *id = json_array_get(s->ids, i);
        sha256_add(&hash, json_string_value(id), json_string_length(id) + 1); /* with its NUL: "a", "bc" is not "ab", "c" */
    }
    sha256_end_hex(&hash, hex);
    for (int k = 0; k < r->set_count; k++)
        if (!strcmp(r->sets[k].ids_sha256, hex)) return k;
    if (r->set_count == SETS_MAX) return -1;
    struct image_set *set = &r->sets[r->set_count];
    memcpy(set->ids_sha256, hex, sizeof hex);
    set->groups = groups;
    draw_groups(set);
    return r->set_count++;
}

static void add_image(const struct image_scores *s, size_t image, double *sums)
{
    for (size_t k = 0; k < s->classes; k++) {
        sums[FEATURES_OF_CLASS * k] += s->of[k].both[image];
        sums[FEATURES_OF_CLASS * k + 1] += s->of[k].predicted[image] + s->of[k].truth[image];
    }
    for (enum image_measure m = 0; m < IMAGE_MEASURES; m++) {
        double value = image_score(s, image, m);
        if (isnan(value)) continue;
        sums[FEATURES_OF_CLASS * s->classes + FEATURES_OF_MEASURE * (size_t)m] += value;
        sums[FEATURES_OF_CLASS * s->classes + FEATURES_OF_MEASURE * (size_t)m + 1]++;
    }
}

static void take_in(struct report_images *r, const struct image_scores *s, struct trial_images *t)
{
    t->groups = s->images < GROUPS_MAX ? s->images : GROUPS_MAX;
    t->classes = s->classes;
    t->features = FEATURES_OF_CLASS * s->classes + FEATURES_OF_MEASURE * IMAGE_MEASURES;
    t->set = find_set(r, s, t->groups);
    t->index = must_calloc(s->classes, sizeof *t->index);
    t->sums = must_calloc(t->groups * t->features, sizeof *t->sums);
    for (size_t k = 0; k < s->classes; k++) t->index[k] = s->of[k].index;
    for (size_t i = 0; i < s->images; i++) add_image(s, i, t->sums + i * t->groups / s->images * t->features);
}

void report_images_add(struct report_images *r, const json_t *scores)
{
    struct image_scores s = {0};
    struct err_list errors = {0};
    if (r->count == r->room) {
        r->room = r->room ? 2 * r->room : 64;
        r->of = must_realloc(r->of, r->room * sizeof *r->of);
    }
    struct trial_images *t = &r->of[r->count++];
    *t = (struct trial_images){.set = -1};
    if (json_is_object(scores) && !image_scores_read(scores, "/images", &s, &errors)) take_in(r, &s, t);
    image_scores_free(&s);
}

/* ---- drawing --------------------------------------------------------------------------------------------------- */
struct formula { /* how a score follows from the sums */
    enum { FORMULA_NONE, FORMULA_POOLED, FORMULA_CLASS, FORMULA_MEAN } kind;
    size_t at; /* class or measure */
};

static struct formula formula_of(const struct trial_images *t, const char *score)
{
    static const struct {
        const char *name;
        enum image_measure measure;
    } means[] = {{"val/dice_image", IMAGE_DICE}, {"val/nsd", IMAGE_NSD}, {"val/hd95", IMAGE_HD95}};
    for (size_t i = 0; i < sizeof means / sizeof means[0]; i++)
        if (!strcmp(score, means[i].name)) return (struct formula){FORMULA_MEAN, means[i].measure};
    if (!strcmp(score, "val/dice")) return (struct formula){FORMULA_POOLED, 0};
    for (size_t k = 0; k < t->classes && !strncmp(score, "val/dice/", 9); k++)
        if (atoi(score + 9) == t->index[k]) return (struct formula){FORMULA_CLASS, k};
    return (struct formula){FORMULA_NONE, 0};
}

static double dice_of(const double *sums, size_t k)
{
    double all = sums[FEATURES_OF_CLASS * k + 1];
    return all > 0 ? 2 * sums[FEATURES_OF_CLASS * k] / all : (double)NAN;
}

static double value_of(const struct trial_images *t, struct formula f, const double *sums)
{
    const double *mean = sums + FEATURES_OF_CLASS * t->classes + FEATURES_OF_MEASURE * f.at;
    double sum = 0, count = 0;
    if (f.kind == FORMULA_CLASS) return dice_of(sums, f.at);
    if (f.kind == FORMULA_MEAN) return mean[1] > 0 ? mean[0] / mean[1] : (double)NAN;
    for (size_t k = 0; k < t->classes; k++) {
        double dice = t->index[k] > 0 ? dice_of(sums, k) : (double)NAN;
        sum += isnan(dice) ? 0 : dice;
        count += !isnan(dice);
    }
    return count > 0 ? sum / count : (double)NAN;
}

size_t report_images_units(const struct report_images *r, int set)
{
    return r->sets[set].groups;
}

void report_images_draw(struct report_images *r, size_t trial, const struct report_scores *scores)
{
    struct trial_images *t = &r->of[trial];
    if (t->set < 0 || t->drawn) return;
    const uint16_t *times = r->sets[t->set].times;
    double *sums = must_calloc(t->features, sizeof *sums);
    struct formula formula[REPORT_SCORES_MAX];
    t->drawn = must_calloc(scores->count, sizeof *t->drawn);
    t->scores = scores->count;
    for (size_t s = 0; s < scores->count; s++) {
        formula[s] = formula_of(t, scores->of[s].name);
        if (formula[s].kind != FORMULA_NONE) t->drawn[s] = must_calloc(REPORT_REDRAWS, sizeof(double));
    }
    for (size_t d = 0; d < REPORT_REDRAWS; d++) {
        memset(sums, 0, t->features * sizeof *sums);
        for (size_t g = 0; g < t->groups; g++) {
            double n = times[d * t->groups + g];
            for (size_t f = 0; f < t->features && n > 0; f++) sums[f] += n * t->sums[g * t->features + f];
        }
        for (size_t s = 0; s < scores->count; s++)
            if (t->drawn[s]) t->drawn[s][d] = value_of(t, formula[s], sums);
    }
    free(sums);
}

const double *report_images_drawn(const struct report_images *r, size_t trial, size_t score, int *set)
{
    const struct trial_images *t = &r->of[trial];
    if (!t->drawn) return NULL;
    *set = t->set;
    return t->drawn[score];
}
