/* compare: two gradients of one network side by side: dot products layer by layer, and their weighted sum. */
#include "worker/train/compare.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE = 1 << 14 /* floats of one task: big enough to be worth handing out, small enough to share evenly */ };

/* "encoder.0.conv.0.weight" without its last part is the layer; its first two parts are the block, "head" alone. */
static void names_of(const char *parameter, char layer[COMPARE_NAME_MAX], char block[COMPARE_NAME_MAX])
{
    const char *last = strrchr(parameter, '.'), *dot = strchr(parameter, '.');
    err_print(layer, COMPARE_NAME_MAX, "%.*s", (int)(last - parameter), parameter);
    const char *second = dot < last ? strchr(dot + 1, '.') : last;
    err_print(block, COMPARE_NAME_MAX, "%.*s", (int)(second - parameter), parameter);
}

/* The layer of a parameter; a new one when its name is not that of the layer before. */
static int enter_layer(struct compare *c, const char *parameter)
{
    char layer[COMPARE_NAME_MAX], block[COMPARE_NAME_MAX];
    names_of(parameter, layer, block);
    if (c->layers && !strcmp(c->layer[c->layers - 1], layer))
        return c->layers - 1;
    if (!c->blocks || strcmp(c->block[c->blocks - 1], block)) {
        assert(c->blocks < COMPARE_BLOCKS_MAX);
        memcpy(c->block[c->blocks++], block, sizeof block);
    }
    assert(c->layers < COMPARE_LAYERS_MAX);
    memcpy(c->layer[c->layers], layer, sizeof layer);
    c->block_of[c->layers] = c->blocks - 1;
    return c->layers++;
}

static int slices_of(size_t count)
{
    return (int)((count + SLICE - 1) / SLICE);
}

enum err compare_new(const struct network *net, struct compare **out, struct err_note *note)
{
    int count, slices = 0;
    size_t first, length;
    const struct network_parameter *table = network_parameters(net, &count);
    struct compare *c = calloc(1, sizeof *c);
    for (int i = 0; i < count; i++) {
        network_parameter_place(net, i, &first, &length);
        slices += slices_of(length);
    }
    if (c)
        c->slice = calloc((size_t)slices + 1, sizeof *c->slice);
    if (!c || !c->slice) {
        compare_free(c);
        return err_set(note, ERR_NO_MEMORY, "", "no memory to compare gradients in %d slices", slices);
    }
    for (int i = 0; i < count; i++) {
        int layer = enter_layer(c, table[i].name);
        network_parameter_place(net, i, &first, &length);
        for (size_t at = 0; at < length; at += SLICE)
            c->slice[c->slices++] = (struct compare_slice){.first = first + at, .count = length - at < SLICE ? length - at : SLICE, .layer = layer};
    }
    *out = c;
    return OK;
}

void compare_free(struct compare *c)
{
    if (c)
        free(c->slice);
    free(c);
}

static double eight(const double part[8])
{
    return ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

struct gram gram_of(const float *g1, const float *g2, size_t count)
{
    double a[8] = {0}, b[8] = {0}, c[8] = {0};
    size_t at = 0;
    for (; at + 8 <= count; at += 8)
        for (size_t k = 0; k < 8; k++) {
            double x = (double)g1[at + k], y = (double)g2[at + k];
            a[k] += x * x;
            b[k] += x * y;
            c[k] += y * y;
        }
    for (; at < count; at++) {
        double x = (double)g1[at], y = (double)g2[at];
        a[0] += x * x;
        b[0] += x * y;
        c[0] += y * y;
    }
    return (struct gram){eight(a), eight(b), eight(c)};
}

struct gram gram_sum(const struct gram *grams, int count)
{
    struct gram sum = {0};
    for (int i = 0; i < count; i++) {
        sum.dice += grams[i].dice;
        sum.both += grams[i].both;
        sum.ce += grams[i].ce;
    }
    return sum;
}

/* |mix| is known to 2^-24 of itself, element by element: what is shorter than that is noise. */
static const double noise_squared = 1e-14;

struct gram gram_of_mix(const struct gram *mixed, double w_pure, double w_other, bool pure_is_dice)
{
    assert(w_other > 0);
    double mix = mixed->dice, both = mixed->both, pure = mixed->ce;
    double other = (mix - 2 * w_pure * both + w_pure * w_pure * pure) / (w_other * w_other), dot = (both - w_pure * pure) / w_other;
    if (!(other > noise_squared * mix / (w_other * w_other)))
        other = dot = 0 * mix; /* not finite stays so */
    return pure_is_dice ? (struct gram){pure, dot, other} : (struct gram){other, dot, pure};
}

static void compare_slice(void *context, int task, int lane)
{
    (void)lane;
    struct compare *c = context;
    struct compare_slice *s = &c->slice[c->slices - 1 - task]; /* from the end, so that few tasks are the last layers */
    s->part = gram_of(c->g1 + s->first, c->g2 + s->first, s->count);
}

void compare_gradients(struct compare *c, struct lanes *lanes, const float *g1, const float *g2, int first_layer, struct gram *of_layer)
{
    int first = 0;
    while (first < c->slices && c->slice[first].layer < first_layer)
        first++;
    c->g1 = (float *)(size_t)g1;
    c->g2 = g2;
    lanes_run(lanes, c->slices - first, compare_slice, c);
    for (int l = first_layer; l < c->layers; l++)
        of_layer[l] = (struct gram){0};
    for (int i = first; i < c->slices; i++) {
        const struct gram pair[2] = {of_layer[c->slice[i].layer], c->slice[i].part};
        of_layer[c->slice[i].layer] = gram_sum(pair, 2);
    }
}

void compare_copy(const struct compare *c, float *to, const float *from, int layer)
{
    for (int i = 0; i < c->slices; i++)
        if (c->slice[i].layer == layer)
            memcpy(to + c->slice[i].first, from + c->slice[i].first, c->slice[i].count * sizeof *to);
}

static void mix_slice(void *context, int task, int lane)
{
    (void)lane;
    struct compare *c = context;
    const struct compare_slice *s = &c->slice[task];
    float w1 = (float)c->weights[s->layer].dice, w2 = (float)c->weights[s->layer].ce;
    float *g1 = c->g1 + s->first;
    const float *g2 = c->g2 + s->first;
    for (size_t i = 0; i < s->count; i++)
        g1[i] = w1 * g1[i] + w2 * g2[i];
}

void compare_mix(struct compare *c, struct lanes *lanes, float *g1, const float *g2, const struct balance *weights)
{
    c->g1 = g1;
    c->g2 = g2;
    c->weights = weights;
    lanes_run(lanes, c->slices, mix_slice, c);
}
