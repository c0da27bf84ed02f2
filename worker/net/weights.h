/* weights: how parameter tensors lie in the arena (backend.h) and in canonical form (network.h), and the way between. */
#ifndef WORKER_NET_WEIGHTS_H
#define WORKER_NET_WEIGHTS_H
#include <stdbool.h>
#include <stddef.h>
#include "worker/net/backend.h"

enum tensor_kind { TENSOR_CONV, TENSOR_UP, TENSOR_HEAD, TENSOR_CHANNELS /* one value a channel */, TENSOR_PLAIN /* head bias */ };
struct tensor_layout {
    enum tensor_kind kind;
    int block;
    int out, parts, in, taps; /* channels without padding; in: of each part */
    bool image;               /* first layer: input channels are not blocked */
};

size_t tensor_arena_count(const struct tensor_layout *t);
size_t tensor_canonical_count(const struct tensor_layout *t);
/* Between forms, element_bytes 4 (float) or 8 (double) in the arena, float in canonical form. Padding is not touched. */
void tensor_to_canonical(const struct tensor_layout *t, size_t element_bytes, const void *arena, float *canonical);
void tensor_from_canonical(const struct tensor_layout *t, size_t element_bytes, const float *canonical, void *arena);
/* The same for the `count` elements of the canonical form from `first` on. */
void tensor_put(const struct tensor_layout *t, size_t element_bytes, const float *values, size_t first, size_t count, void *arena);
/* flipped = weights with each of the inner blocks transposed: [B in][B out] -> [B out][B in]. */
void weights_flip(int block, size_t element_bytes, size_t blocks, const void *weights, void *flipped);
#endif
