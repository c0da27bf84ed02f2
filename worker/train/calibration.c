/* calibration: bins of confidence against how often it was right, and squared errors of probabilities. */
#include "worker/train/calibration.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "worker/train/loss.h"

void calibration_start(struct calibration *c, int classes, struct calibration_class *of)
{
    assert(classes >= 2);
    memset(c, 0, sizeof *c);
    memset(of, 0, (size_t)classes * sizeof *of);
    c->classes = classes;
    c->of = of;
}

/* No float lies on an edge i/15 but 0 and 1, so it does not matter to which side edges belong. Blended probabilities may leave 0..1
   by a rounding. */
static int bin_of(double p)
{
    int bin = (int)(p * CALIBRATION_BINS);
    return bin < 0 ? 0 : bin < CALIBRATION_BINS ? bin : CALIBRATION_BINS - 1;
}

static void bins_add(struct calibration_bins *b, double confidence, int right)
{
    int bin = bin_of(confidence);
    b->count[bin]++;
    b->right[bin] += right ? 1u : 0u;
    b->confidence[bin] += confidence;
}

static int counts(uint8_t truth, int ignore_index)
{
    return truth != LABEL_IGNORED && truth != ignore_index;
}

/* What the network says of class k at pixel i. */
static double probability(int maps, const float *probabilities, size_t pixels, int k, size_t i)
{
    if (maps > 1)
        return probabilities[(size_t)k * pixels + i];
    return k ? probabilities[i] : 1 - (double)probabilities[i];
}

void calibration_add(struct calibration *c, int maps, const float *probabilities, const uint8_t *predicted, const uint8_t *truth, size_t pixels, int ignore_index)
{
    assert(maps == c->classes || (maps == 1 && c->classes == 2));
    for (int k = 0; k < c->classes; k++)
        for (size_t i = 0; i < pixels; i++) {
            if (!counts(truth[i], ignore_index))
                continue;
            double p = probability(maps, probabilities, pixels, k, i), off = p - (truth[i] == k);
            bins_add(&c->of[k].bins, p, truth[i] == k);
            c->of[k].squared += off * off;
        }
    for (size_t i = 0; i < pixels; i++)
        if (counts(truth[i], ignore_index)) {
            bins_add(&c->top, probability(maps, probabilities, pixels, predicted[i], i), predicted[i] == truth[i]);
            c->pixels++;
        }
}

static void bins_merge(struct calibration_bins *to, const struct calibration_bins *from)
{
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        to->count[b] += from->count[b];
        to->right[b] += from->right[b];
        to->confidence[b] += from->confidence[b];
    }
}

void calibration_merge(struct calibration *to, const struct calibration *from)
{
    assert(to->classes == from->classes);
    to->pixels += from->pixels;
    bins_merge(&to->top, &from->top);
    for (int k = 0; k < to->classes; k++) {
        bins_merge(&to->of[k].bins, &from->of[k].bins);
        to->of[k].squared += from->of[k].squared;
    }
}

static double ece_of_bins(const struct calibration_bins *b, uint64_t pixels)
{
    double sum = 0;
    for (int i = 0; i < CALIBRATION_BINS; i++)
        sum += fabs((double)b->right[i] - b->confidence[i]);
    return pixels ? sum / (double)pixels : NAN;
}

double calibration_ece(const struct calibration *c)
{
    return ece_of_bins(&c->top, c->pixels);
}

double calibration_ece_of(const struct calibration *c, int k)
{
    return ece_of_bins(&c->of[k].bins, c->pixels);
}

double calibration_brier(const struct calibration *c)
{
    double sum = 0;
    for (int k = 0; k < c->classes; k++)
        sum += c->of[k].squared;
    return c->pixels ? sum / (double)c->pixels : NAN;
}

double calibration_brier_of(const struct calibration *c, int k)
{
    return c->pixels ? c->of[k].squared / (double)c->pixels : NAN;
}
