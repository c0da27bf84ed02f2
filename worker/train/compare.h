/* compare: two gradients of one network side by side: dot products layer by layer, and their weighted sum. */
#ifndef WORKER_TRAIN_COMPARE_H
#define WORKER_TRAIN_COMPARE_H
#include <stdbool.h>
#include "schema/base/err.h"
#include "worker/net/lanes.h"
#include "worker/net/network.h"
#include "worker/train/balance.h"

/* A layer is a module ("encoder.0.conv.0", "head"): all tensors whose names differ only after it. Blocks hold neighbouring layers:
   "encoder.0", "decoder.2", "head". Both in the order of the parameter table; the head is the last of each. */
enum { COMPARE_LAYERS_MAX = 160, COMPARE_BLOCKS_MAX = 2 * NETWORK_LEVELS_MAX, COMPARE_NAME_MAX = 40 };
struct compare {
    int layers, blocks, slices;
    int block_of[COMPARE_LAYERS_MAX];
    char layer[COMPARE_LAYERS_MAX][COMPARE_NAME_MAX], block[COMPARE_BLOCKS_MAX][COMPARE_NAME_MAX];
    struct compare_slice {
        size_t first, count; /* of arena-form arrays */
        int layer;
        struct gram part;
    } *slice;
    /* the call in progress, read by the lanes */
    float *g1;
    const float *g2;
    const struct balance *weights;
};

/* ERR_NO_MEMORY. */
enum err compare_new(const struct network *net, struct compare **out, struct err_note *note) MUST_USE;
void compare_free(struct compare *c); /* NULL is fine */
/* of_layer: [layers]. g1, g2: arena form, of Dice and CE (or any two). Sums in double over fixed slices in a fixed order: the same
   bits for any number of lanes. Layers from `first_layer` on: those before stay as they are. */
void compare_gradients(struct compare *c, struct lanes *lanes, const float *g1, const float *g2, int first_layer, struct gram *of_layer);
/* to = from, of one layer. */
void compare_copy(const struct compare *c, float *to, const float *from, int layer);
/* g1 = w1 g1 + w2 g2 in float, weights: [layers]. With weights 1, 1 the very bits of g1 + g2. */
void compare_mix(struct compare *c, struct lanes *lanes, float *g1, const float *g2, const struct balance *weights);
struct gram gram_sum(const struct gram *grams, int count); /* in index order */
/* The Gram of both pure gradients from that of (mix, pure): mix = w_pure pure + w_other other, so other = (mix - w_pure pure) / w_other.
   mixed: dice = |mix|^2, both = mix.pure, ce = |pure|^2. w_other > 0. What is left of `other` below the rounding of float is 0. */
struct gram gram_of_mix(const struct gram *mixed, double w_pure, double w_other, bool pure_is_dice);
/* The three numbers of two arrays of floats. Eight partial sums in double. */
struct gram gram_of(const float *g1, const float *g2, size_t count);
#endif
