/* distance: the exact Euclidean distance of every element of a grid to the nearest one of a set.
 *
 * The squared distance is a sum over axes, so its minimum over the set can be taken axis by axis. Along the slowest axis
 * two sweeps count the steps to the nearest element. Along every other axis each element q of a line carries what was found so
 * far, f(q), and the answer at x is min over q of f(q) + s²(x-q)²: the lower envelope of parabolas of one shape, of which any
 * two cross once. The envelope is built from left to right, then read from left to right. */
#include "worker/train/distance.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for one line. */
struct line {
    double *height;   /* [n] f */
    double *from;     /* [n] where parabola k of the envelope begins to be the lowest */
    uint32_t *centre; /* [n] its q */
};

size_t grid_count(const struct grid *g)
{
    size_t count = 1;
    assert(g->rank >= 1 && g->rank <= GRID_RANK_MAX);
    for (int a = 0; a < g->rank; a++) {
        assert(g->size[a] > 0 && g->spacing[a] > 0 && count <= SIZE_MAX / g->size[a]);
        count *= g->size[a];
    }
    return count;
}

/* Along the slowest axis: steps to the nearest of the set, down and up again, then squared lengths. */
static void sweep_slowest(const struct grid *g, size_t plane, const uint8_t *in_set, double *squared)
{
    size_t count = plane * g->size[0];
    double spacing = g->spacing[0];
    for (size_t i = 0; i < plane; i++)
        squared[i] = in_set[i] ? 0 : INFINITY;
    for (size_t i = plane; i < count; i++)
        squared[i] = in_set[i] ? 0 : squared[i - plane] + 1;
    for (size_t i = count - plane; i-- > 0;) {
        double other = squared[i + plane] + 1;
        squared[i] = other < squared[i] ? other : squared[i];
    }
    for (size_t i = 0; i < count; i++)
        squared[i] = squared[i] * spacing * (squared[i] * spacing);
}

/* Where the parabola of q comes below that of the earlier v, counted in elements. */
static double crossing(const struct line *l, double per_square, uint32_t v, uint32_t q)
{
    double sum = (double)q + v, apart = (double)q - v;
    return 0.5 * ((l->height[q] - l->height[v]) * per_square / apart + sum);
}

/* The envelope of the n heights of a line; returns how many parabolas it has. */
static uint32_t build_envelope(const struct line *l, uint32_t n, double spacing)
{
    double per_square = 1 / (spacing * spacing);
    uint32_t k = 0;
    for (uint32_t q = 0; q < n; q++) {
        double from = -INFINITY;
        if (isinf(l->height[q]))
            continue;
        while (k > 0 && (from = crossing(l, per_square, l->centre[k - 1], q)) <= l->from[k - 1])
            k--;
        l->centre[k] = q;
        l->from[k] = k ? from : -INFINITY;
        k++;
    }
    return k;
}

static void read_envelope(const struct line *l, uint32_t parabolas, uint32_t n, double spacing, double *to, size_t stride)
{
    uint32_t k = 0;
    for (uint32_t x = 0; x < n; x++) {
        while (k + 1 < parabolas && l->from[k + 1] < x)
            k++;
        double away = ((double)x - l->centre[k]) * spacing;
        to[x * stride] = away * away + l->height[l->centre[k]];
    }
}

/* Every line along `axis`; neighbours on it lie `stride` apart. */
static void lower_lines(const struct grid *g, int axis, size_t stride, size_t count, const struct line *l, double *squared)
{
    uint32_t n = g->size[axis];
    for (size_t first = 0; first < count; first += stride * n)
        for (size_t at = first; at < first + stride; at++) {
            for (uint32_t x = 0; x < n; x++)
                l->height[x] = squared[at + x * stride];
            uint32_t parabolas = build_envelope(l, n, g->spacing[axis]);
            if (parabolas)
                read_envelope(l, parabolas, n, g->spacing[axis], squared + at, stride);
        }
}

enum err distance_squared(const struct grid *g, const uint8_t *in_set, double *squared, struct err_note *note)
{
    size_t count = grid_count(g), longest = 1, stride = count / g->size[0];
    for (int a = 1; a < g->rank; a++)
        longest = g->size[a] > longest ? g->size[a] : longest;
    struct line l = {.height = malloc(longest * sizeof(double)), .from = malloc(longest * sizeof(double)), .centre = malloc(longest * sizeof(uint32_t))};
    enum err e = l.height && l.from && l.centre ? OK : err_set(note, ERR_NO_MEMORY, "", "no memory for a line of %zu distances", longest);
    if (!e) {
        sweep_slowest(g, stride, in_set, squared);
        for (int a = 1; a < g->rank; a++) {
            stride /= g->size[a];
            lower_lines(g, a, stride, count, &l, squared);
        }
    }
    free(l.height);
    free(l.from);
    free(l.centre);
    return e;
}
