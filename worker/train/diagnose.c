/* diagnose: what the gradients of Dice and cross-entropy did to each other in the steps of a run that were looked at. */
#include "worker/train/diagnose.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool diagnose_due(const struct diagnostics_spec *spec, int64_t step)
{
    return spec->every > 0 && (step < spec->dense_steps || step % spec->every == 0);
}

bool diagnose_sign_theorem(const struct loss_spec *loss, int classes)
{
    return classes == 2 && !(loss->ce.label_smoothing > 0) && loss->dice.smooth_nr <= loss->dice.smooth_dr;
}

void diagnose_start(struct diagnose *d, const struct loss_spec *loss, int classes, const struct compare *compare)
{
    const struct diagnostics_spec *spec = &loss->diagnostics;
    memset(d, 0, sizeof *d);
    d->spec = spec;
    d->theorem = diagnose_sign_theorem(loss, classes);
    d->state.alarm_step = -1;
    d->state.run.stride = d->state.epoch.stride = 1;
    d->places = GRAM_LEVELS;
    for (int k = 0; k < GRAM_LEVELS; k++) {
        err_print(d->place[k], sizeof d->place[k], "%s", gram_level_words[k]);
        d->measured[k] = spec->at[k];
    }
    for (int b = 0; b < compare->blocks; b++) {
        err_print(d->place[d->places], sizeof d->place[0], "block/%s", compare->block[b]);
        d->measured[d->places++] = spec->at[GRAM_FULL] && spec->blocks;
    }
}

/* ---- values and their names ---------------------------------------------------------------------------- */
void diagnose_name(const struct diagnose *d, int place, enum diagnose_series series, char name[DIAGNOSE_NAME_MAX])
{
    static const char *const words[DIAGNOSE_SERIES] = {"cos", "norm_dice", "norm_ce", "ratio"};
    err_print(name, DIAGNOSE_NAME_MAX, "grad/%s/%s", words[series], d->place[place]);
}

double diagnose_value(const struct gram *g, enum diagnose_series series)
{
    switch (series) {
    case DIAGNOSE_COS: return gram_cosine(g);
    case DIAGNOSE_NORM_DICE: return sqrt(g->dice);
    case DIAGNOSE_NORM_CE: return sqrt(g->ce);
    case DIAGNOSE_RATIO: return g->ce > 0 ? sqrt(g->dice) / sqrt(g->ce) : (double)NAN;
    case DIAGNOSE_SERIES: break;
    }
    assert(0 && "no such series");
    return NAN;
}

static double similarity(const struct gram *g)
{
    return 2 * sqrt(g->dice) * sqrt(g->ce) / (g->dice + g->ce);
}

/* ---- adding looks -------------------------------------------------------------------------------------- */
/* Which of `rows` (each `bytes` long, `max` of them) the next look goes to; NULL: this one is not kept. What is kept depends on the
   count of looks alone, so a run that goes on from a checkpoint keeps the same ones. */
static void *place_for(struct diagnose_thinned *t, void *rows, size_t bytes, size_t max)
{
    unsigned char *at = rows;
    bool wanted = fmod(t->offered++, t->stride) < 0.5;
    if (!wanted)
        return NULL;
    if ((size_t)t->kept == max) {
        for (size_t i = 0; 2 * i < max; i++)
            memmove(at + i * bytes, at + 2 * i * bytes, bytes);
        t->kept = (double)((max + 1) / 2);
        t->stride *= 2; /* max is even: the look in hand is a multiple of the new stride, too */
    }
    return at + (size_t)t->kept++ * bytes;
}
_Static_assert(DIAGNOSE_LOOKS_MAX % 2 == 0 && DIAGNOSE_EPOCH_LOOKS_MAX % 2 == 0, "see place_for");

static void keep(struct diagnose *d, const struct diagnose_look *look)
{
    struct diagnose_kept row = {.alpha_effective = look->alpha_effective}, *to;
    for (int k = 0; k < GRAM_LEVELS; k++) {
        row.cos[k] = look->at[k] ? gram_cosine(&look->gram[k]) : (double)NAN;
        row.ratio[k] = look->at[k] ? diagnose_value(&look->gram[k], DIAGNOSE_RATIO) : (double)NAN;
    }
    to = place_for(&d->state.run, d->kept, sizeof row, DIAGNOSE_LOOKS_MAX);
    if (to)
        *to = row;
    double *cos = place_for(&d->state.epoch, d->epoch_cos, sizeof d->epoch_cos[0], DIAGNOSE_EPOCH_LOOKS_MAX);
    if (cos)
        memcpy(cos, row.cos, sizeof row.cos);
}

/* Rounding may take a cosine of 0 below 0. */
static const double alarm_cosine = -1e-6;

static bool alarms(struct diagnose *d, int64_t step, const struct diagnose_look *look)
{
    double cos = look->at[GRAM_LOGITS] ? gram_cosine(&look->gram[GRAM_LOGITS]) : (double)NAN;
    if (!d->theorem || d->state.alarm_step >= 0 || !(cos < alarm_cosine))
        return false;
    d->state.alarm_step = (double)step;
    d->state.alarm_cosine = cos;
    return true;
}

bool diagnose_add(struct diagnose *d, int64_t step, const struct diagnose_look *look)
{
    struct diagnose_state *s = &d->state;
    s->seen++;
    s->epoch_seen++;
    s->after_start += step >= d->spec->dense_steps;
    keep(d, look);
    for (int p = 0; p < d->places; p++) {
        if (!look->at[p])
            continue;
        double cos = gram_cosine(&look->gram[p]);
        bool conflict = cos < 0; /* without a gradient there is no conflict, either */
        s->epoch_conflicts[p] += conflict;
        if (p >= GRAM_LEVELS)
            continue;
        s->conflicts[p] += conflict;
        if (isnan(cos))
            continue;
        s->epoch_cosines[p]++;
        s->epoch_similarity[p] += similarity(&look->gram[p]);
    }
    return alarms(d, step, look);
}

/* ---- epochs -------------------------------------------------------------------------------------------- */
static const struct {
    const char *word;
    double quantile; /* of the cosines; NaN: the mean similarity */
} level_columns[] = {{"cos_p10", 0.1}, {"cos_p50", 0.5}, {"cos_p90", 0.9}, {"similarity", (double)NAN}};
enum { LEVEL_COLUMNS = sizeof level_columns / sizeof level_columns[0] };

int diagnose_columns(const struct diagnose *d)
{
    return d->places + LEVEL_COLUMNS * GRAM_LEVELS;
}

void diagnose_column_name(const struct diagnose *d, int column, char name[DIAGNOSE_NAME_MAX])
{
    int more = column - d->places;
    if (more < 0)
        err_print(name, DIAGNOSE_NAME_MAX, "epoch/grad/conflict_rate/%s", d->place[column]);
    else
        err_print(name, DIAGNOSE_NAME_MAX, "epoch/grad/%s/%s", level_columns[more / GRAM_LEVELS].word, d->place[more % GRAM_LEVELS]);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double diagnose_quantile(double *values, size_t count, double q)
{
    assert(count >= 1 && q >= 0 && q <= 1);
    qsort(values, count, sizeof *values, ascending);
    double at = q * (double)(count - 1);
    size_t below = (size_t)at, above = below + 1 < count ? below + 1 : below;
    return values[below] + (at - (double)below) * (values[above] - values[below]);
}

/* Of the epoch's looks at one level; NaN when there was no gradient in any of them. */
static double level_value(const struct diagnose *d, int which, int level)
{
    double cos[DIAGNOSE_EPOCH_LOOKS_MAX];
    size_t count = 0;
    if (isnan(level_columns[which].quantile))
        return d->state.epoch_cosines[level] > 0 ? d->state.epoch_similarity[level] / d->state.epoch_cosines[level] : (double)NAN;
    for (size_t i = 0; i < (size_t)d->state.epoch.kept; i++)
        if (!isnan(d->epoch_cos[i][level]))
            cos[count++] = d->epoch_cos[i][level];
    return count ? diagnose_quantile(cos, count, level_columns[which].quantile) : (double)NAN;
}

void diagnose_epoch(const struct diagnose *d, double *row)
{
    const struct diagnose_state *s = &d->state;
    for (int p = 0; p < d->places; p++)
        row[p] = d->measured[p] && s->epoch_seen > 0 ? s->epoch_conflicts[p] / s->epoch_seen : (double)NAN;
    for (int i = 0; i < LEVEL_COLUMNS * GRAM_LEVELS; i++) {
        int level = i % GRAM_LEVELS;
        row[d->places + i] = d->measured[level] && s->epoch_seen > 0 ? level_value(d, i / GRAM_LEVELS, level) : (double)NAN;
    }
}

void diagnose_next_epoch(struct diagnose *d)
{
    struct diagnose_state *s = &d->state;
    s->epoch_seen = 0;
    memset(s->epoch_conflicts, 0, sizeof s->epoch_conflicts);
    memset(s->epoch_cosines, 0, sizeof s->epoch_cosines);
    memset(s->epoch_similarity, 0, sizeof s->epoch_similarity);
    s->epoch = (struct diagnose_thinned){.stride = 1};
}

/* ---- to a checkpoint and back: state, kept looks of the run, cosines of the epoch ------------------------- */
static size_t bytes_of(const struct diagnose_state *s)
{
    return sizeof *s + (size_t)s->run.kept * sizeof(struct diagnose_kept) + (size_t)s->epoch.kept * GRAM_LEVELS * sizeof(double);
}

size_t diagnose_bytes(const struct diagnose *d)
{
    return bytes_of(&d->state);
}

void diagnose_save(const struct diagnose *d, unsigned char *to)
{
    size_t looks = (size_t)d->state.run.kept * sizeof d->kept[0];
    memcpy(to, &d->state, sizeof d->state);
    memcpy(to + sizeof d->state, d->kept, looks);
    memcpy(to + sizeof d->state + looks, d->epoch_cos, (size_t)d->state.epoch.kept * sizeof d->epoch_cos[0]);
}

bool diagnose_restore(struct diagnose *d, const unsigned char *from, size_t bytes)
{
    struct diagnose_state s;
    if (bytes < sizeof s)
        return false;
    memcpy(&s, from, sizeof s);
    if (!(s.run.kept >= 0 && s.run.kept <= DIAGNOSE_LOOKS_MAX && s.epoch.kept >= 0 && s.epoch.kept <= DIAGNOSE_EPOCH_LOOKS_MAX) || bytes != bytes_of(&s))
        return false;
    size_t looks = (size_t)s.run.kept * sizeof d->kept[0];
    d->state = s;
    memcpy(d->kept, from + sizeof s, looks);
    memcpy(d->epoch_cos, from + sizeof s + looks, (size_t)s.epoch.kept * sizeof d->epoch_cos[0]);
    return true;
}
