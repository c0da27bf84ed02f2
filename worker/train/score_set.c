/* score_set: what each image has come to, and the sums over images in their order. */
#include "worker/train/score_set.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/clock.h"
#include "worker/train/calibration.h"
#include "worker/train/loss.h"
#include "worker/train/surface.h"

enum { SURFACES = SCORE_ASSD - SCORE_NSD + 1 }; /* NSD, HD95, ASSD */
struct image_scores {
    enum err e;
    double seconds;
    double (*surface)[SURFACES];    /* [classes] */
    struct calibration calibration; /* its classes' memory is the set's */
};
struct score_set {
    struct score_set_options o;
    bool surface, calibration;
    size_t count;
    struct image_scores *images;               /* [count] */
    double (*surfaces)[SURFACES];              /* [count][classes] */
    struct calibration_class *calibrations;    /* [count + 1][classes]: the images', and the pool's */
};

enum err score_set_new(const struct score_set_options *options, size_t images, struct score_set **out, struct err_note *note)
{
    size_t classes = (size_t)options->classes;
    struct score_set *s = calloc(1, sizeof *s);
    assert(options->classes >= 2 && options->classes <= SCORE_CLASSES_MAX);
    if (s) {
        s->o = *options;
        s->count = images;
        s->images = calloc(images + 1, sizeof *s->images);
        s->surfaces = calloc((images + 1) * classes, sizeof *s->surfaces);
        s->calibrations = calloc((images + 1) * classes, sizeof *s->calibrations);
    }
    if (!s || !s->images || !s->surfaces || !s->calibrations) {
        score_set_free(s);
        return err_set(note, ERR_NO_MEMORY, "/validation/scores", "no memory for the scores of %zu images", images);
    }
    *out = s;
    return OK;
}

void score_set_free(struct score_set *s)
{
    if (!s)
        return;
    free(s->images);
    free(s->surfaces);
    free(s->calibrations);
    free(s);
}

void score_set_start(struct score_set *s, bool surface, bool calibration)
{
    size_t classes = (size_t)s->o.classes;
    s->surface = surface;
    s->calibration = calibration;
    for (size_t i = 0; i < s->count; i++) {
        s->images[i] = (struct image_scores){.surface = s->surfaces + i * classes};
        calibration_start(&s->images[i].calibration, s->o.classes, s->calibrations + i * classes);
        for (size_t k = 0; k < classes; k++)
            for (int m = 0; m < SURFACES; m++)
                s->images[i].surface[k][m] = NAN;
    }
}

static bool is_scored(const struct score_set *s, int k)
{
    return k > 0 && k != s->o.ignore_index;
}

/* ---- one image --------------------------------------------------------------------------------------- */
static double diagonal_of(const struct grid *g)
{
    double sum = 0;
    for (int a = 0; a < g->rank; a++)
        sum += g->size[a] * g->spacing[a] * (g->size[a] * g->spacing[a]);
    return sqrt(sum);
}

/* What a class scores in an image, with the empty cases settled. */
static void settle(bool empty_is_one, const struct surface_score *found, double diagonal, double value[SURFACES])
{
    bool neither = !found->in_truth && !found->in_prediction, one_only = found->in_truth != found->in_prediction;
    double perfect = empty_is_one ? 0 : NAN;
    value[0] = neither ? 1 + perfect : one_only ? 0 : found->nsd;
    value[1] = neither ? perfect : one_only ? diagonal : found->hd95;
    value[2] = neither ? perfect : one_only ? diagonal : found->assd;
}

static enum err add_surfaces(const struct score_set *s, struct image_scores *to, const struct grid *grid, const uint8_t *predicted, const uint8_t *truth)
{
    size_t pixels = grid_count(grid);
    uint8_t *counted = malloc(pixels); /* the prediction, no class where nothing counts */
    enum err e = counted ? OK : ERR_NO_MEMORY;
    for (size_t i = 0; i < pixels && counted; i++)
        counted[i] = truth[i] == LABEL_IGNORED || truth[i] == s->o.ignore_index ? LABEL_IGNORED : predicted[i];
    for (int k = 1; k < s->o.classes && !e; k++) {
        struct surface_score found;
        if (!is_scored(s, k))
            continue;
        e = surface_of_class(grid, counted, truth, (uint8_t)k, s->o.tolerance, &found, NULL);
        if (!e)
            settle(s->o.empty_is_one, &found, diagonal_of(grid), to->surface[k]);
    }
    free(counted);
    return e;
}

void score_set_add(struct score_set *s, size_t index, const struct grid *grid, const uint8_t *predicted, const uint8_t *truth, int maps, const float *probabilities)
{
    assert(index < s->count);
    struct image_scores *to = &s->images[index];
    int64_t began = clock_mono_ns();
    if (s->calibration)
        calibration_add(&to->calibration, maps, probabilities, predicted, truth, grid_count(grid), s->o.ignore_index);
    if (s->surface)
        to->e = add_surfaces(s, to, grid, predicted, truth);
    to->seconds = (double)(clock_mono_ns() - began) * 1e-9;
}

double score_set_seconds(const struct score_set *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += s->images[i].seconds;
    return sum;
}

double score_set_surface_of(const struct score_set *s, size_t index, int k, enum score_measure measure)
{
    assert(index < s->count && measure >= SCORE_NSD && measure <= SCORE_ASSD);
    return s->images[index].surface[k][measure - SCORE_NSD];
}

/* ---- all images -------------------------------------------------------------------------------------- */
static void finish_surface(const struct score_set *s, int m, struct score *score)
{
    struct score_mean images = {0}, of_class[SCORE_CLASSES_MAX] = {{0}};
    for (size_t i = 0; i < s->count; i++) {
        struct score_mean foreground = {0};
        for (int k = 1; k < s->o.classes; k++) {
            score_mean_add(&of_class[k], s->images[i].surface[k][m]);
            score_mean_add(&foreground, s->images[i].surface[k][m]);
        }
        score_mean_add(&images, score_mean_of(&foreground));
    }
    score->image_mean[SCORE_NSD + m] = score_mean_of(&images);
    for (int k = 1; k < s->o.classes; k++)
        score->image[SCORE_NSD + m][k] = score_mean_of(&of_class[k]);
}

static void finish_calibration(const struct score_set *s, struct score *score)
{
    struct calibration pool;
    struct score_mean ece = {0}, brier = {0}, foreground = {0};
    calibration_start(&pool, s->o.classes, s->calibrations + s->count * (size_t)s->o.classes);
    for (size_t i = 0; i < s->count; i++) {
        calibration_merge(&pool, &s->images[i].calibration);
        score_mean_add(&ece, calibration_ece(&s->images[i].calibration));
        score_mean_add(&brier, calibration_brier(&s->images[i].calibration));
    }
    for (int k = 1; k < s->o.classes; k++) {
        struct score_mean ece_k = {0}, brier_k = {0};
        if (!is_scored(s, k))
            continue;
        for (size_t i = 0; i < s->count; i++) {
            score_mean_add(&ece_k, calibration_ece_of(&s->images[i].calibration, k));
            score_mean_add(&brier_k, calibration_brier_of(&s->images[i].calibration, k));
        }
        score->image[SCORE_ECE][k] = score_mean_of(&ece_k);
        score->image[SCORE_BRIER][k] = score_mean_of(&brier_k);
        score->pooled[SCORE_ECE][k] = calibration_ece_of(&pool, k);
        score->pooled[SCORE_BRIER][k] = calibration_brier_of(&pool, k);
        score_mean_add(&foreground, score->pooled[SCORE_ECE][k]);
    }
    score->image_mean[SCORE_ECE] = score_mean_of(&ece);
    score->image_mean[SCORE_BRIER] = score_mean_of(&brier);
    score->pooled_mean[SCORE_ECE] = calibration_ece(&pool);
    score->pooled_mean[SCORE_BRIER] = calibration_brier(&pool);
    score->ece_foreground = score_mean_of(&foreground);
}

enum err score_set_finish(const struct score_set *s, struct score *score, struct err_note *note)
{
    assert(score->classes == s->o.classes);
    for (size_t i = 0; i < s->count; i++)
        if (s->images[i].e)
            return err_set(note, s->images[i].e, "/validation/scores", "no memory for the distances between borders in image %zu", i);
    for (int m = 0; m < SURFACES && s->surface; m++)
        finish_surface(s, m, score);
    if (s->calibration)
        finish_calibration(s, score);
    return OK;
}
