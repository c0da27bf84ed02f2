/* predict: the class map of a whole image of any size, from overlapping tiles through the network, on all lanes. */
#include "worker/train/predict.h"
#include <assert.h>
#include <stdlib.h>
#include "worker/data/tiles.h"
#include "worker/train/loss.h"

enum { GROUP_MAX = 32 }; /* tiles through the network at once: enough to keep every lane busy, and no more memory than that */

struct predictor {
    struct network *net;
    double overlap;
    uint32_t height, width; /* of a tile */
    int channels, maps, group;
    float *pixels, *maps_of; /* [group][channels or maps][height*width] */
    float *weights;
    float *images[GROUP_MAX], *logits[GROUP_MAX];
    const struct tiles *tiles; /* of the image in work */
    const struct dataset_image *image;
    size_t first;
};

enum err predictor_new(struct network *net, double overlap, struct predictor **out, struct err_note *note)
{
    const struct network_config *c = network_config(net);
    struct predictor *p = calloc(1, sizeof *p);
    assert(c->rank == 2);
    if (!p)
        return err_set(note, ERR_NO_MEMORY, "/validation", "no memory for tiles");
    int lanes = lanes_count(network_lanes(net));
    *p = (struct predictor){.net = net, .overlap = overlap, .height = (uint32_t)c->patch[0], .width = (uint32_t)c->patch[1], .channels = c->in_channels, .maps = c->out_channels};
    p->group = 4 * lanes < GROUP_MAX ? 4 * lanes : GROUP_MAX;
    size_t plane = (size_t)p->height * p->width;
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

static void read_tile(void *context, int task, int lane)
{
    (void)lane;
    struct predictor *p = context;
    tiles_read(p->tiles, p->first + (size_t)task, p->image, (unsigned)p->channels, p->images[task]);
}

static void finish_tile(void *context, int task, int lane)
{
    (void)lane;
    struct predictor *p = context;
    loss_probabilities(p->maps, p->logits[task], (size_t)p->height * p->width, p->logits[task]);
}

/* Blends every tile of the image into sums, group by group, in the order of the tiles. */
static void blend_all(struct predictor *p, float *sums, float *weight_sums)
{
    struct lanes *lanes = network_lanes(p->net);
    size_t count = tiles_count(p->tiles);
    tiles_blend_start(p->tiles, (unsigned)p->maps, sums, weight_sums);
    for (p->first = 0; p->first < count; p->first += (size_t)p->group) {
        int n = count - p->first < (size_t)p->group ? (int)(count - p->first) : p->group;
        lanes_run(lanes, n, read_tile, p);
        network_infer(p->net, n, (const float *const *)p->images, p->logits);
        lanes_run(lanes, n, finish_tile, p);
        for (int i = 0; i < n; i++)
            tiles_blend_add(p->tiles, p->first + (size_t)i, (unsigned)p->maps, p->weights, p->logits[i], sums, weight_sums);
    }
    tiles_blend_finish(p->tiles, (unsigned)p->maps, sums, weight_sums);
}

enum err predict_image(struct predictor *p, const struct dataset_image *image, uint8_t *classes, struct err_note *note)
{
    size_t pixels = (size_t)image->height * image->width;
    struct tiles tiles = tiles_plan(image->height, image->width, p->height, p->width, p->overlap);
    float *sums = calloc(pixels * (size_t)p->maps, sizeof(float)), *weight_sums = calloc(pixels, sizeof(float));
    enum err e = OK;
    if (sums && weight_sums) {
        p->tiles = &tiles;
        p->image = image;
        blend_all(p, sums, weight_sums);
        tiles_classes((unsigned)p->maps, pixels, sums, classes);
    } else {
        e = err_set(note, ERR_NO_MEMORY, image->id ? image->id : "", "no memory for the class maps of an image of %ux%u", image->height, image->width);
    }
    free(sums);
    free(weight_sums);
    return e;
}
