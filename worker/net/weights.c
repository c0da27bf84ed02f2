/* weights: one index function says where each canonical element lies; packing, unpacking and counting follow from it. */
#include "worker/net/weights.h"

#include <assert.h>
#include <string.h>

/* Indices of a canonical element: output channel, input channel (over all parts), tap. */
struct where {
    size_t out, in, tap;
};

static size_t in_padded(const struct tensor_layout *t)
{
    return t->image ? (size_t)(t->parts * t->in) : (size_t)t->parts * (size_t)channels_padded(t->in, t->block);
}

size_t tensor_arena_count(const struct tensor_layout *t)
{
    size_t out = (size_t)channels_padded(t->out, t->block);
    switch (t->kind) {
    case TENSOR_CONV:
    case TENSOR_UP: return out * in_padded(t) * (size_t)t->taps;
    case TENSOR_HEAD: return (size_t)t->out * in_padded(t);
    case TENSOR_CHANNELS: return out;
    case TENSOR_PLAIN: return (size_t)t->out;
    }
    assert(0);
    return 0;
}

size_t tensor_canonical_count(const struct tensor_layout *t)
{
    size_t in = t->kind == TENSOR_CHANNELS || t->kind == TENSOR_PLAIN ? 1 : (size_t)(t->parts * t->in);
    return (size_t)t->out * in * (size_t)t->taps;
}

static size_t arena_index(const struct tensor_layout *t, struct where w)
{
    size_t b = (size_t)t->block, taps = (size_t)t->taps;
    size_t in = t->image ? w.in : w.in / (size_t)t->in * (size_t)channels_padded(t->in, t->block) + w.in % (size_t)t->in;
    size_t in_blocks = in_padded(t) / b, out_blocks = (size_t)channels_padded(t->out, t->block) / b;
    if (t->kind == TENSOR_HEAD) return w.out * in_padded(t) + in;
    if (t->kind == TENSOR_CHANNELS || t->kind == TENSOR_PLAIN) return w.out;
    if (t->image) return ((w.out / b * in_padded(t) + in) * taps + w.tap) * b + w.out % b;
    size_t outer = t->kind == TENSOR_CONV ? w.out / b * in_blocks + in / b : in / b * out_blocks + w.out / b;
    return ((outer * taps + w.tap) * b + in % b) * b + w.out % b;
}

/* Canonical order: [out][in][tap], for a transposed convolution [in][out][tap]. */
static struct where canonical_where(const struct tensor_layout *t, size_t i)
{
    size_t taps = (size_t)t->taps, ins = (size_t)(t->parts * t->in), outs = (size_t)t->out;
    if (t->kind == TENSOR_CHANNELS || t->kind == TENSOR_PLAIN) return (struct where){.out = i};
    if (t->kind == TENSOR_UP) return (struct where){.in = i / taps / outs, .out = i / taps % outs, .tap = i % taps};
    return (struct where){.out = i / taps / ins, .in = i / taps % ins, .tap = i % taps};
}

/* From one tap of a window to the next in the arena: taps are neighbours in canonical order, so that the index with its
   divisions is worked out once a window (a checkpoint moves millions of elements). */
static size_t tap_step(const struct tensor_layout *t)
{
    size_t b = (size_t)t->block;
    return t->image ? b : b * b;
}

void tensor_to_canonical(const struct tensor_layout *t, size_t element_bytes, const void *arena, float *canonical)
{
    size_t count = tensor_canonical_count(t), taps = (size_t)t->taps, step = tap_step(t);
    for (size_t i = 0; i < count; i += taps) {
        size_t at = arena_index(t, canonical_where(t, i));
        for (size_t k = 0; k < taps; k++)
            canonical[i + k] = element_bytes == sizeof(float) ? ((const float *)arena)[at + k * step] : (float)((const double *)arena)[at + k * step];
    }
}

void tensor_put(const struct tensor_layout *t, size_t element_bytes, const float *values, size_t first, size_t count, void *arena)
{
    size_t taps = (size_t)t->taps, step = tap_step(t);
    for (size_t i = 0; i < count;) {
        struct where w = canonical_where(t, first + i);
        for (size_t at = arena_index(t, w); w.tap < taps && i < count; w.tap++, i++, at += step) {
            if (element_bytes == sizeof(float)) ((float *)arena)[at] = values[i];
            else ((double *)arena)[at] = (double)values[i];
        }
    }
}

void tensor_from_canonical(const struct tensor_layout *t, size_t element_bytes, const float *canonical, void *arena)
{
    tensor_put(t, element_bytes, canonical, 0, tensor_canonical_count(t), arena);
}

void weights_flip(int block, size_t element_bytes, size_t blocks, const void *weights, void *flipped)
{
    size_t b = (size_t)block;
    if (element_bytes == sizeof(double)) {
        for (size_t s = 0; s < blocks; s++)
            for (size_t i = 0; i < b; i++)
                for (size_t o = 0; o < b; o++) ((double *)flipped)[(s * b + o) * b + i] = ((const double *)weights)[(s * b + i) * b + o];
        return;
    }
    for (size_t s = 0; s < blocks; s++)
        for (size_t i = 0; i < b; i++)
            for (size_t o = 0; o < b; o++) ((float *)flipped)[(s * b + o) * b + i] = ((const float *)weights)[(s * b + i) * b + o];
}
