/* generate: draws one picture: tissue, fibres, lesions, light, then blur and noise. Each picture has streams of random
   numbers of its own, so any of them can be made alone. */
#include "worker/data/generate.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/net/rng.h"

/* What random numbers are for, so that a change of one part of the picture leaves the others as they were. */
enum { STREAM_TISSUE = 0x4c455301, STREAM_LIGHT, STREAM_DISTRACTORS, STREAM_LESIONS, STREAM_NOISE };

static const double PI = 3.14159265358979323846;
static const double TISSUE_GREY = 0.40;
enum { EMPTY_EVERY = 8, EMPTY_FIRST = 5 }; /* pictures 5, 13, 21, ... hold no lesion at all, as happens in screening */
/* Brightness of lesion kind k over the tissue: kinds alternate between bright and dark, and none is close to another. */
static const float lesion_contrast[7] = {0.26f, -0.22f, 0.42f, -0.34f, 0.15f, -0.12f, 0.55f};

struct canvas {
    uint32_t size;
    float *clean, *row; /* [size*size]; scratch for the blur, [size] */
};

/* Smooth random field: values on a coarse grid, interpolated by cosine weights, added with `amplitude`. */
static void add_field(struct canvas *c, struct rng *r, uint32_t cells, float amplitude)
{
    enum { CELLS_MAX = 64 };
    float grid[(CELLS_MAX + 1) * (CELLS_MAX + 1)];
    assert(cells <= CELLS_MAX);
    for (uint32_t i = 0; i < (cells + 1) * (cells + 1); i++) grid[i] = rng_between(r, -1, 1);
    for (uint32_t y = 0; y < c->size; y++)
        for (uint32_t x = 0; x < c->size; x++) {
            float v = (float)y * (float)cells / (float)c->size, u = (float)x * (float)cells / (float)c->size;
            uint32_t j = (uint32_t)v, i = (uint32_t)u;
            float b = v - (float)j, a = u - (float)i;
            a = a * a * (3 - 2 * a);
            b = b * b * (3 - 2 * b);
            const float *g = grid + j * (cells + 1) + i, *h = g + cells + 1;
            float top = g[0] + (g[1] - g[0]) * a, bottom = h[0] + (h[1] - h[0]) * a;
            c->clean[(size_t)y * c->size + x] += amplitude * (top + (bottom - top) * b);
        }
}

static void paint_tissue(struct canvas *c, const struct generator *g, uint32_t at)
{
    struct rng r;
    rng_start(&r, g->seed, STREAM_TISSUE, at, 0);
    for (size_t i = 0; i < (size_t)c->size * c->size; i++) c->clean[i] = (float)TISSUE_GREY;
    add_field(c, &r, 4, 0.06f);
    add_field(c, &r, 12, 0.04f);
    add_field(c, &r, 32, 0.03f);
}

/* An ellipse whose radius wavers with the angle. */
struct blob {
    double y, x, radius_y, radius_x, turn;
    double waver[3], phase[3]; /* of the 2nd, 3rd and 5th harmonic */
};

static struct blob draw_blob(struct rng *r, uint32_t size, double area)
{
    struct blob b;
    double stretch = sqrt((double)rng_between(r, 1.0f, 2.2f)), radius = sqrt(area / PI);
    b.y = (double)rng_uniform(r) * size;
    b.x = (double)rng_uniform(r) * size;
    b.radius_y = radius * stretch;
    b.radius_x = radius / stretch;
    b.turn = (double)rng_uniform(r) * PI;
    for (int k = 0; k < 3; k++) {
        b.waver[k] = (double)rng_between(r, 0.0f, 0.22f) / (k + 1);
        b.phase[k] = (double)rng_uniform(r) * 2 * PI;
    }
    return b;
}

/* Below 1 inside, 1 on the outline. */
static double blob_distance(const struct blob *b, double y, double x)
{
    double s = sin(b->turn), c = cos(b->turn);
    double v = ((y - b->y) * c - (x - b->x) * s) / b->radius_y, u = ((y - b->y) * s + (x - b->x) * c) / b->radius_x;
    double angle = atan2(v, u);
    double outline = 1 + b->waver[0] * cos(2 * angle + b->phase[0]) + b->waver[1] * cos(3 * angle + b->phase[1]) +
                     b->waver[2] * cos(5 * angle + b->phase[2]);
    return sqrt(v * v + u * u) / outline;
}

struct box {
    uint32_t top, left, bottom, right; /* bottom and right are outside */
};

static struct box box_around(double y, double x, double reach, uint32_t size)
{
    double last = size;
    return (struct box){(uint32_t)fmin(last, fmax(0, floor(y - reach))), (uint32_t)fmin(last, fmax(0, floor(x - reach))),
                        (uint32_t)fmin(last, fmax(0, ceil(y + reach))), (uint32_t)fmin(last, fmax(0, ceil(x + reach)))};
}

/* Paints where the class map is still background; returns how many pixels became lesion. */
static uint32_t paint_lesion(struct canvas *c, const struct blob *b, uint8_t class_index, float contrast, uint8_t *classes)
{
    uint32_t painted = 0;
    struct box box = box_around(b->y, b->x, 1.5 * fmax(b->radius_y, b->radius_x) + 1, c->size);
    for (uint32_t y = box.top; y < box.bottom; y++)
        for (uint32_t x = box.left; x < box.right; x++) {
            size_t i = (size_t)y * c->size + x;
            double d = blob_distance(b, y, x);
            if (d >= 1 || classes[i]) continue;
            classes[i] = class_index;
            c->clean[i] += contrast * (float)(1 - 0.35 * d * d); /* paler towards the rim */
            painted++;
        }
    return painted;
}

/* The lesion pixels this picture should have: none for some, for the others so spread that the mean over the set is
   `foreground`. */
static double lesion_budget(const struct generator *g, uint32_t at, struct rng *r)
{
    uint32_t empty = (g->images + EMPTY_EVERY - 1 - EMPTY_FIRST) / EMPTY_EVERY;
    if (at % EMPTY_EVERY == EMPTY_FIRST || g->foreground <= 0) return 0;
    double mean = (double)g->images / (g->images - empty), most = fmin(1.8, 0.7 / g->foreground), least = 2 * mean - most;
    return g->foreground * (double)g->size * g->size * (least + (most - least) * (double)rng_uniform(r));
}

static void paint_lesions(struct canvas *c, const struct generator *g, uint32_t at, uint8_t *classes)
{
    enum { TRIES_MAX = 2000 };
    const double area_min = 12, area_max = 0.02 * (double)g->size * g->size + 4 * area_min;
    struct rng r;
    rng_start(&r, g->seed, STREAM_LESIONS, at, 0);
    double left = lesion_budget(g, at, &r);
    for (int i = 0; i < TRIES_MAX && left >= area_min; i++) {
        /* small ones are as common as large ones */
        double area = area_min * pow(area_max / area_min, (double)rng_uniform(&r));
        struct blob b = draw_blob(&r, g->size, fmin(area, left));
        uint8_t kind = (uint8_t)(1 + rng_below(&r, g->classes - 1));
        float contrast = lesion_contrast[kind - 1] * rng_between(&r, 0.75f, 1.15f);
        left -= paint_lesion(c, &b, kind, contrast, classes);
    }
}

/* A thin bright line, curving: looks like a lesion in brightness, not in shape. */
static void paint_fibre(struct canvas *c, struct rng *r)
{
    double y = (double)rng_uniform(r) * c->size, x = (double)rng_uniform(r) * c->size;
    double heading = (double)rng_uniform(r) * 2 * PI;
    double bend = ((double)rng_uniform(r) - 0.5) * 4 / c->size, half = 0.6 + 0.006 * c->size * (double)rng_uniform(r);
    float brightness = rng_between(r, 0.12f, 0.24f);
    uint32_t steps = (uint32_t)((0.3 + 0.6 * (double)rng_uniform(r)) * c->size);
    for (uint32_t s = 0; s < steps; s++, y += sin(heading), x += cos(heading), heading += bend) {
        struct box box = box_around(y, x, half + 1, c->size);
        for (uint32_t j = box.top; j < box.bottom; j++)
            for (uint32_t i = box.left; i < box.right; i++) {
                double distance = hypot(j - y, i - x);
                float *pixel = &c->clean[(size_t)j * c->size + i], lit = (float)TISSUE_GREY + brightness;
                if (distance <= half && *pixel < lit) *pixel = lit;
            }
    }
}

/* A wide soft spot without an outline: shadow or glare. */
static void paint_smudge(struct canvas *c, struct rng *r)
{
    double y = (double)rng_uniform(r) * c->size, x = (double)rng_uniform(r) * c->size;
    double sigma = (0.05 + 0.09 * (double)rng_uniform(r)) * c->size;
    float strength = rng_between(r, -0.14f, 0.12f);
    struct box box = box_around(y, x, 3 * sigma, c->size);
    for (uint32_t j = box.top; j < box.bottom; j++)
        for (uint32_t i = box.left; i < box.right; i++) {
            double d2 = ((j - y) * (j - y) + (i - x) * (i - x)) / (2 * sigma * sigma);
            c->clean[(size_t)j * c->size + i] += strength * (float)exp(-d2);
        }
}

static void paint_distractors(struct canvas *c, const struct generator *g, uint32_t at)
{
    struct rng r;
    rng_start(&r, g->seed, STREAM_DISTRACTORS, at, 0);
    uint32_t fibres = 1 + rng_below(&r, 4), smudges = 2 + rng_below(&r, 4);
    for (uint32_t i = 0; i < fibres; i++) paint_fibre(c, &r);
    for (uint32_t i = 0; i < smudges; i++) paint_smudge(c, &r);
}

/* Light falls from one side and fades to the corners: value * (1 + slope along a direction) * (1 - fall * r^2). */
static void paint_light(struct canvas *c, const struct generator *g, uint32_t at)
{
    struct rng r;
    rng_start(&r, g->seed, STREAM_LIGHT, at, 0);
    double heading = (double)rng_uniform(&r) * 2 * PI, slope = 0.15 + 0.35 * (double)rng_uniform(&r);
    double fall = 0.10 + 0.25 * (double)rng_uniform(&r);
    double middle = (c->size - 1) / 2.0, gain = 0.85 + 0.35 * (double)rng_uniform(&r);
    for (uint32_t y = 0; y < c->size; y++)
        for (uint32_t x = 0; x < c->size; x++) {
            double v = (y - middle) / middle, u = (x - middle) / middle;
            double light = gain * (1 + slope * (v * sin(heading) + u * cos(heading))) * (1 - fall * (v * v + u * u) / 2);
            c->clean[(size_t)y * c->size + x] *= (float)light;
        }
}

/* One line of a Gaussian blur, in place: `count` values `stride` apart, edges repeated. */
static void blur_line(float *line, size_t stride, uint32_t count, const float *kernel, int reach, float *copy)
{
    for (uint32_t i = 0; i < count; i++) copy[i] = line[i * stride];
    for (uint32_t i = 0; i < count; i++) {
        float sum = 0;
        for (int k = -reach; k <= reach; k++) {
            int64_t from = (int64_t)i + k;
            from = from < 0 ? 0 : from >= count ? (int64_t)count - 1 : from;
            sum += kernel[k + reach] * copy[from];
        }
        line[i * stride] = sum;
    }
}

static void blur(struct canvas *c, double sigma)
{
    enum { REACH_MAX = 48 /* 3 sigma of the largest blur */ };
    float kernel[2 * REACH_MAX + 1];
    double sum = 0;
    int reach = (int)ceil(3 * sigma);
    if (sigma <= 0) return;
    assert(reach <= REACH_MAX);
    for (int k = -reach; k <= reach; k++) sum += exp(-k * k / (2 * sigma * sigma));
    for (int k = -reach; k <= reach; k++) kernel[k + reach] = (float)(exp(-k * k / (2 * sigma * sigma)) / sum);
    for (uint32_t y = 0; y < c->size; y++) blur_line(c->clean + (size_t)y * c->size, 1, c->size, kernel, reach, c->row);
    for (uint32_t x = 0; x < c->size; x++) blur_line(c->clean + x, c->size, c->size, kernel, reach, c->row);
}

static void add_noise(const struct canvas *c, const struct generator *g, uint32_t at, uint8_t *pixels)
{
    struct rng r;
    rng_start(&r, g->seed, STREAM_NOISE, at, 0);
    for (size_t i = 0; i < (size_t)c->size * c->size; i++) {
        double v = (double)c->clean[i] + g->noise * rng_normal(&r);
        pixels[i] = (uint8_t)lround(255 * fmin(1, fmax(0, v)));
    }
}

enum err generate_image(const struct generator *generator, uint32_t at, uint8_t *pixels, uint8_t *classes)
{
    size_t count = (size_t)generator->size * generator->size;
    struct canvas c = {generator->size, malloc(count * sizeof(float)), malloc(generator->size * sizeof(float))};
    enum err e = c.clean && c.row ? OK : ERR_NO_MEMORY;
    if (!e) {
        memset(classes, 0, count);
        paint_tissue(&c, generator, at);
        paint_distractors(&c, generator, at);
        paint_lesions(&c, generator, at, classes);
        paint_light(&c, generator, at);
        blur(&c, generator->blur);
        add_noise(&c, generator, at, pixels);
    }
    free(c.clean);
    free(c.row);
    return e;
}
