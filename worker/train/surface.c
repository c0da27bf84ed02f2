/* surface: borders by erosion, distances between them, and what they come to. */
#include "worker/train/surface.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An image as slices of rows; a picture has one slice, which is no axis: nothing lies before and behind it. */
struct shape {
    size_t slices, rows, columns;
    int volume;
};
/* First and one past the last, of slices, rows, columns. */
struct box {
    size_t low[3], high[3];
};
struct work {
    struct shape image;
    struct box box;
    struct grid grid; /* of the box */
    uint8_t *truth_border, *prediction_border; /* [box] */
    double *squared;                           /* [box] */
    double *distances[2];                      /* from the prediction's border, from the truth's */
    size_t count[2];
};

/* ---- the box around a class -------------------------------------------------------------------------- */
static void stretch(struct box *b, const size_t at[3])
{
    for (int a = 0; a < 3; a++) {
        b->low[a] = at[a] < b->low[a] ? at[a] : b->low[a];
        b->high[a] = at[a] + 1 > b->high[a] ? at[a] + 1 : b->high[a];
    }
}

/* Makes `b` hold every element of the class; returns whether there is one. */
static int stretch_over(struct box *b, const struct shape *s, const uint8_t *map, uint8_t class_index)
{
    int found = 0;
    for (size_t z = 0; z < s->slices; z++)
        for (size_t y = 0; y < s->rows; y++) {
            const uint8_t *row = map + (z * s->rows + y) * s->columns, *first = memchr(row, class_index, s->columns);
            const uint8_t *last = first ? memrchr(row, class_index, s->columns) : NULL;
            if (!first)
                continue;
            found = 1;
            stretch(b, (const size_t[]){z, y, (size_t)(first - row)});
            stretch(b, (const size_t[]){z, y, (size_t)(last - row)});
        }
    return found;
}

/* ---- borders ----------------------------------------------------------------------------------------- */
/* One row of a border between low and high. `beside`: the four rows that touch it, the row itself where there is no such axis. */
static void border_of_row(const uint8_t *row, const uint8_t *const beside[4], size_t low, size_t high, size_t columns, uint8_t k, uint8_t *border)
{
    const uint8_t *a = beside[0], *b = beside[1], *c = beside[2], *d = beside[3];
    size_t first = low > 0 ? low : 1, last = high < columns ? high : columns - 1;
    for (size_t x = first; x < last; x++)
        border[x - low] = (row[x] == k) & !((row[x - 1] == k) & (row[x + 1] == k) & (a[x] == k) & (b[x] == k) & (c[x] == k) & (d[x] == k));
    if (low == 0)
        border[0] = row[0] == k;
    if (high == columns)
        border[columns - 1 - low] = row[columns - 1] == k;
}

static size_t border_of(const struct work *w, const uint8_t *map, uint8_t k, uint8_t *border)
{
    const struct shape *s = &w->image;
    size_t count = 0, slice = s->rows * s->columns, low = w->box.low[2], high = w->box.high[2];
    for (size_t z = w->box.low[0]; z < w->box.high[0]; z++)
        for (size_t y = w->box.low[1]; y < w->box.high[1]; y++, border += high - low) {
            const uint8_t *row = map + z * slice + y * s->columns;
            int at_edge = y == 0 || y + 1 == s->rows || (s->volume && (z == 0 || z + 1 == s->slices));
            const uint8_t *beside[4] = {row - s->columns, row + s->columns, s->volume ? row - slice : row, s->volume ? row + slice : row};
            if (at_edge)
                for (size_t x = low; x < high; x++)
                    border[x - low] = row[x] == k;
            else
                border_of_row(row, beside, low, high, s->columns, k, border);
            for (size_t x = 0; x < high - low; x++)
                count += border[x];
        }
    return count;
}

/* ---- percentiles ------------------------------------------------------------------------------------- */
static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double middle_of_three(double a, double b, double c)
{
    return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

/* Puts the values so that values[k] is what sorting would put there, none before it larger, none behind it smaller. Hoare's
   selection; where its halves do not shrink as halves do, what is left is sorted. */
static void select_nth(double *values, size_t count, size_t k)
{
    size_t low = 0, high = count - 1, rounds = 64;
    for (; low < high && rounds; rounds--) {
        double pivot = middle_of_three(values[low], values[low + (high - low) / 2], values[high]);
        size_t i = low, j = high;
        for (;;) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i >= j)
                break;
            double kept = values[i];
            values[i++] = values[j];
            values[j--] = kept;
        }
        if (k <= j) /* low..j <= pivot <= j+1..high, and j < high */
            high = j;
        else
            low = j + 1;
    }
    if (low < high)
        qsort(values + low, high - low + 1, sizeof *values, ascending);
}

double percentile_of(double *values, size_t count, double p)
{
    assert(count > 0 && p >= 0 && p <= 100);
    double position = p / 100 * (double)(count - 1);
    size_t k = (size_t)floor(position);
    double part = position - (double)k;
    select_nth(values, count, k);
    if (k + 1 == count || part <= 0)
        return values[k];
    double next = values[k + 1];
    for (size_t i = k + 2; i < count; i++)
        next = values[i] < next ? values[i] : next;
    return values[k] + (next - values[k]) * part;
}

/* ---- distances --------------------------------------------------------------------------------------- */
static enum err take_memory(struct work *w, struct err_note *note)
{
    size_t box = grid_count(&w->grid);
    w->truth_border = malloc(box);
    w->prediction_border = malloc(box);
    w->squared = malloc(box * sizeof *w->squared);
    if (w->truth_border && w->prediction_border && w->squared)
        return OK;
    return err_set(note, ERR_NO_MEMORY, "", "no memory for the distances between borders in %zu pixels", box);
}

/* The distances from one border to the other. */
static enum err measure(struct work *w, int which, const uint8_t *from, const uint8_t *to, struct err_note *note)
{
    size_t box = grid_count(&w->grid), n = 0;
    double *list = w->distances[which] = malloc(w->count[which] * sizeof *list);
    if (!list)
        return err_set(note, ERR_NO_MEMORY, "", "no memory for the distances of %zu pixels of a border", w->count[which]);
    enum err e = distance_squared(&w->grid, to, w->squared, note);
    for (const uint8_t *at = e ? NULL : memchr(from, 1, box); at; at = memchr(at, 1, (size_t)(from + box - at))) /* most are 0 */
        list[n++] = sqrt(w->squared[at++ - from]);
    assert(e || n == w->count[which]);
    return e;
}

static void sum_up(struct work *w, double tolerance, struct surface_score *score)
{
    double sum = 0;
    size_t near = 0, all = w->count[0] + w->count[1];
    for (int which = 0; which < 2; which++)
        for (size_t i = 0; i < w->count[which]; i++) {
            sum += w->distances[which][i];
            near += w->distances[which][i] <= tolerance;
        }
    score->assd = sum / (double)all;
    score->nsd = (double)near / (double)all;
    score->hd95 = fmax(percentile_of(w->distances[0], w->count[0], 95), percentile_of(w->distances[1], w->count[1], 95));
}

static enum err compare(struct work *w, const uint8_t *predicted, const uint8_t *truth, uint8_t class_index, double tolerance, struct surface_score *score, struct err_note *note)
{
    enum err e = take_memory(w, note);
    if (e)
        return e;
    w->count[0] = score->prediction_border = border_of(w, predicted, class_index, w->prediction_border);
    w->count[1] = score->truth_border = border_of(w, truth, class_index, w->truth_border);
    e = measure(w, 0, w->prediction_border, w->truth_border, note);
    if (!e)
        e = measure(w, 1, w->truth_border, w->prediction_border, note);
    if (!e)
        sum_up(w, tolerance, score);
    return e;
}

enum err surface_of_class(const struct grid *g, const uint8_t *predicted, const uint8_t *truth, uint8_t class_index, double tolerance, struct surface_score *score,
                          struct err_note *note)
{
    int first = GRID_RANK_MAX - g->rank;
    assert(g->rank >= 2 && g->rank <= 3 && tolerance >= 0);
    *score = (struct surface_score){.nsd = NAN, .hd95 = NAN, .assd = NAN};
    struct work w = {.image = {.slices = g->rank == 3 ? g->size[0] : 1, .rows = g->size[g->rank - 2], .columns = g->size[g->rank - 1], .volume = g->rank == 3},
                     .box = {.low = {SIZE_MAX, SIZE_MAX, SIZE_MAX}}, .grid = {.rank = g->rank}};
    score->in_truth = stretch_over(&w.box, &w.image, truth, class_index);
    score->in_prediction = stretch_over(&w.box, &w.image, predicted, class_index);
    if (!score->in_truth || !score->in_prediction)
        return OK;
    for (int a = 0; a < g->rank; a++) {
        w.grid.size[a] = (uint32_t)(w.box.high[first + a] - w.box.low[first + a]);
        w.grid.spacing[a] = g->spacing[a];
    }
    enum err e = compare(&w, predicted, truth, class_index, tolerance, score, note);
    free(w.truth_border);
    free(w.prediction_border);
    free(w.squared);
    free(w.distances[0]);
    free(w.distances[1]);
    return e;
}
