/* predict: tiles of one image after the other go through the network in groups, so that lanes are busy whether an image is one
   tile or a hundred; each image is blended in the order of its tiles by whoever takes it. */
#include "worker/train/predict.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "worker/data/tiles.h"
#include "worker/train/loss.h"

enum { GROUP_MAX = 32 /* tiles through the network at once */, GROUP_TILES_A_LANE = 4 /* enough that no lane waits long for the last */,
       GROUP_PIXELS = 1 << 20 /* and no more memory than this many pixels need, once every lane has a tile */ };

/* An image of which some tiles are done. */
struct open_image {
    size_t index;
    const struct dataset_image *image;
    struct tiles tiles;
    float *sums, *weight_sums;
    uint8_t *classes;
    int first_slot, slots; /* its tiles in this group */
    size_t blended;
};
struct slot {
    struct open_image *of;
    size_t tile;
};
struct predictor {
    struct network *net;
    double overlap;
    uint32_t height, width; /* of a tile */
    int channels, maps, group;
    float *pixels, *maps_of; /* [group][channels or maps][height*width] */
    float *weights;
    float *images[GROUP_MAX], *logits[GROUP_MAX];
    struct slot slots[GROUP_MAX];
    struct open_image open[GROUP_MAX + 1]; /* one may be left over from the group before */
    int opened;
    const struct predict_calls *calls;
};

static int group_of(int lanes, size_t plane)
{
    size_t fit = GROUP_PIXELS / plane, most = (size_t)lanes * GROUP_TILES_A_LANE;
    size_t group = fit < (size_t)lanes ? (size_t)lanes : fit < most ? fit : most;
    return group > GROUP_MAX ? GROUP_MAX : (int)group;
}

enum err predictor_new(struct network *net, double overlap, struct predictor **out, struct err_note *note)
{
    const struct network_config *c = network_config(net);
    struct predictor *p = calloc(1, sizeof *p);
    assert(c->rank == 2);
    if (!p)
        return err_set(note, ERR_NO_MEMORY, "/validation", "no memory for tiles");
    int lanes = lanes_count(network_lanes(net));
    *p = (struct predictor){.net = net, .overlap = overlap, .height = (uint32_t)c->patch[0], .width = (uint32_t)c->patch[1], .channels = c->in_channels, .maps = c->out_channels};
    size_t plane = (size_t)p->height * p->width;
    p->group = group_of(lanes, plane);
    p->pixels = calloc((size_t)(p->group * p->channels) * plane, sizeof(float));
    p->maps_of = calloc((size_t)(p->group * p->maps) * plane, sizeof(float));
    p->weights = calloc(plane, sizeof(float));
    if (!p->pixels || !p->maps_of || !p->weights) {
        predictor_free(p);
        return err_set(note, ERR_NO_MEMORY, "/validation", "no memory for %d tiles of %ux%u", lanes, c->patch[0], c->patch[1]);
    }
    tiles_weights(p->height, p->width, p->weights);
    for (int i = 0; i < p->group; i++) {
        p->images[i] = p->pixels + (size_t)(i * p->channels) * plane;
        p->logits[i] = p->maps_of + (size_t)(i * p->maps) * plane;
    }
    *out = p;
    return OK;
}

void predictor_free(struct predictor *p)
{
    if (!p)
        return;
    free(p->pixels);
    free(p->maps_of);
    free(p->weights);
    free(p);
}

/* ---- one group: read and infer tile by tile, blend and finish image by image ----------------------------- */
static void read_tile(void *context, int task, int lane)
{
    (void)lane;
    struct predictor *p = context;
    const struct slot *s = &p->slots[task];
    tiles_read(&s->of->tiles, s->tile, s->of->image, (unsigned)p->channels, p->images[task]);
}

static void finish_tile(void *context, int task, int lane)
{
    (void)lane;
    struct predictor *p = context;
    loss_probabilities(p->maps, p->logits[task], (size_t)p->height * p->width, p->logits[task]);
}

static size_t pixels_of(const struct dataset_image *image)
{
    return (size_t)image->height * image->width;
}

static void blend_image(void *context, int task, int lane)
{
    (void)lane;
    struct predictor *p = context;
    struct open_image *o = &p->open[task];
    unsigned maps = (unsigned)p->maps;
    if (o->blended == 0)
        tiles_blend_start(&o->tiles, maps, o->sums, o->weight_sums);
    for (int i = o->first_slot; i < o->first_slot + o->slots; i++, o->blended++)
        tiles_blend_add(&o->tiles, p->slots[i].tile, maps, p->weights, p->logits[i], o->sums, o->weight_sums);
    if (o->blended < tiles_count(&o->tiles))
        return;
    tiles_blend_finish(&o->tiles, maps, o->sums, o->weight_sums);
    tiles_classes(maps, pixels_of(o->image), o->sums, o->classes);
    p->calls->image(p->calls->context, o->index, o->sums, o->classes);
}

static void run_group(struct predictor *p, int tiles)
{
    struct lanes *lanes = network_lanes(p->net);
    lanes_run(lanes, tiles, read_tile, p);
    network_infer(p->net, tiles, (const float *const *)p->images, p->logits);
    lanes_run(lanes, tiles, finish_tile, p);
    lanes_run(lanes, p->opened, blend_image, p);
}

/* ---- images come and go ---------------------------------------------------------------------------------- */
static void close_image(struct open_image *o)
{
    free(o->sums);
    free(o->weight_sums);
    free(o->classes);
}

static enum err open_image(struct predictor *p, const struct dataset_image *image, size_t index, struct err_note *note)
{
    struct open_image *o = &p->open[p->opened];
    size_t pixels = pixels_of(image);
    *o = (struct open_image){.index = index, .image = image, .tiles = tiles_plan(image->height, image->width, p->height, p->width, p->overlap)};
    o->sums = calloc(pixels * (size_t)p->maps, sizeof(float));
    o->weight_sums = calloc(pixels, sizeof(float));
    o->classes = calloc(pixels, 1);
    if (o->sums && o->weight_sums && o->classes) {
        p->opened++;
        return OK;
    }
    close_image(o);
    return err_set(note, ERR_NO_MEMORY, image->id ? image->id : "", "no memory for the class maps of an image of %ux%u", image->height, image->width);
}

/* Frees the images that are finished; the one that is not, if any, becomes the first. */
static void close_finished(struct predictor *p)
{
    int left = 0;
    for (int i = 0; i < p->opened; i++) {
        if (p->open[i].blended == tiles_count(&p->open[i].tiles))
            close_image(&p->open[i]);
        else
            p->open[left++] = p->open[i];
    }
    assert(left <= 1);
    p->opened = left;
}

/* Fills the group with the next tiles, opening images as they are needed. Returns how many, or -1. */
static int fill_group(struct predictor *p, const struct dataset_image *images, size_t count, size_t *next, struct err_note *note)
{
    int tiles = 0;
    for (int i = 0; tiles < p->group; i++) {
        if (i == p->opened && *next == count)
            break;
        if (i == p->opened && open_image(p, &images[*next], *next, note))
            return -1;
        struct open_image *o = &p->open[i];
        size_t left = tiles_count(&o->tiles) - o->blended;
        if (o->index == *next)
            ++*next;
        o->first_slot = tiles;
        o->slots = left < (size_t)(p->group - tiles) ? (int)left : p->group - tiles;
        for (int k = 0; k < o->slots; k++)
            p->slots[tiles++] = (struct slot){o, o->blended + (size_t)k};
    }
    return tiles;
}

enum err predict_set(struct predictor *p, const struct dataset_image *images, size_t count, const struct predict_calls *calls, bool *stopped, struct err_note *note)
{
    size_t next = 0;
    int tiles;
    p->calls = calls;
    p->opened = 0;
    *stopped = false;
    while ((tiles = fill_group(p, images, count, &next, note)) > 0) {
        *stopped = calls->stop && calls->stop(calls->context);
        if (*stopped)
            break;
        run_group(p, tiles);
        close_finished(p);
    }
    for (int i = 0; i < p->opened; i++)
        close_image(&p->open[i]);
    p->opened = 0;
    return tiles < 0 ? ERR_NO_MEMORY : OK;
}

struct copy {
    uint8_t *classes;
    size_t pixels;
};

static void copy_classes(void *context, size_t index, const float *probabilities, const uint8_t *classes)
{
    struct copy *c = context;
    (void)index;
    (void)probabilities;
    memcpy(c->classes, classes, c->pixels);
}

enum err predict_image(struct predictor *p, const struct dataset_image *image, uint8_t *classes, struct err_note *note)
{
    struct copy copy = {classes, pixels_of(image)};
    struct predict_calls calls = {.context = &copy, .image = copy_classes};
    bool stopped;
    return predict_set(p, image, 1, &calls, &stopped, note);
}
