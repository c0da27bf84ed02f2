/* backend_dnnl: each 3x3 layer is up to three oneDNN primitives; the first layer, Winograd, direct weight gradients with AVX2, and
   all that is no 3x3 run on kernel_simd. */
#include "worker/net/backend_dnnl.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/net/arena.h"
#include "worker/net/dnnl_shim.h"
#include "worker/net/kernel_pick.h"
#include "worker/net/weights.h"

enum { KINDS = 3 };
struct conv {
    struct conv_shape shape;
    struct conv_use use;
    const struct kernel_simd *simd;
    bool winograd[KINDS];          /* kernel_simd's */
    struct shim_conv *kind[KINDS]; /* NULL where kernel_simd serves: Winograd, see make_weights */
};
/* oneDNN's memory takes plain pointers for what it only reads, too. */
#define UNCONST(pointer) ((void *)(uintptr_t)(pointer))

bool backend_dnnl_available(void)
{
    return shim_start() && shim_block() && kernel_pick(shim_block());
}

static size_t image_count(int block, int channels, struct shape s)
{
    (void)block;
    return (size_t)channels * (size_t)(s.dims[0] + 2) * (size_t)(s.dims[1] + 2);
}

static void image_pack(int channels, struct shape s, const void *plain, void *packed)
{
    size_t rows = (size_t)s.dims[0], columns = (size_t)s.dims[1], row = columns + 2;
    const float *from = plain;
    float *to = packed;
    memset(packed, 0, image_count(0, channels, s) * sizeof(float));
    for (size_t c = 0; c < (size_t)channels; c++)
        for (size_t y = 0; y < rows; y++) memcpy(to + (c * (rows + 2) + y + 1) * row + 1, from + (c * rows + y) * columns, columns * sizeof(float));
}

static void conv_free(struct conv *c)
{
    if (!c) return;
    for (int k = 0; k < KINDS; k++) shim_conv_free(c->kind[k]);
    free(c);
}

static bool make_direct(struct conv *c, enum shim_kind kind)
{
    const struct conv_shape *s = &c->shape;
    const struct shim_conv_shape shape = {
        .block = s->block, .in_channels = s->parts * channels_padded(s->in_channels, s->block), .out_channels = channels_padded(s->out_channels, s->block),
        .in_rows = s->in.dims[0], .in_columns = s->in.dims[1], .out_rows = s->out.dims[0], .out_columns = s->out.dims[1],
        .stride = s->stride, .bias = s->bias && kind != SHIM_BACKWARD_DATA, .flipped = kind == SHIM_BACKWARD_DATA,
    };
    return (c->kind[kind] = shim_conv_new(kind, &shape, c->use.lanes)) != NULL;
}

/* Direct weight gradients: our kernel is a quarter faster than jit:avx2 (simd_conv.h). With AVX-512 oneDNN's is taken, but
   never its reference code, which is all that it has for images of one or two rows and a thousand times slower than ours. */
static bool make_direct_weights(struct conv *c)
{
    struct shim_conv **kind = &c->kind[SHIM_BACKWARD_WEIGHTS];
    if (c->shape.block == 8) return true;
    if (!make_direct(c, SHIM_BACKWARD_WEIGHTS)) return false;
    if (strstr(shim_conv_name(*kind), "ref")) {
        shim_conv_free(*kind);
        *kind = NULL;
    }
    return true;
}

/* The wanted algorithm; Winograd's here is for blocked inputs, elsewhere direct is taken. */
static bool make_kind(struct conv *c, enum shim_kind kind, enum network_algorithm *algorithm)
{
    if (c->shape.image) *algorithm = ALGORITHM_DIRECT;
    c->winograd[kind] = *algorithm == ALGORITHM_WINOGRAD;
    if (c->winograd[kind] || c->shape.image) return true;
    return kind == SHIM_BACKWARD_WEIGHTS ? make_direct_weights(c) : make_direct(c, kind);
}

static enum err conv_new(const struct conv_shape *s, const struct conv_use *use, struct network_layer_kernels *kernels, struct conv **out,
                         struct err_note *note)
{
    struct conv *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c) return err_set(note, ERR_NO_MEMORY, "", "no memory for a convolution layer");
    c->shape = *s;
    c->use = *use;
    c->simd = kernel_pick(s->block);
    bool good = make_kind(c, SHIM_FORWARD, &kernels->forward);
    if (good && !use->forward_only)
        good = make_kind(c, SHIM_BACKWARD_DATA, &kernels->backward_data) && make_kind(c, SHIM_BACKWARD_WEIGHTS, &kernels->backward_weights);
    if (!good) {
        conv_free(c);
        return err_set(note, ERR_NO_MEMORY, "backend", "oneDNN has no convolution of %d to %d channels, %d x %d pixels, stride %d, or no memory for it",
                       s->parts * s->in_channels, s->out_channels, s->in.dims[0], s->in.dims[1], s->stride);
    }
    *out = c;
    return OK;
}

static size_t weights_count(const struct conv_shape *s)
{
    return 9 * (size_t)s->parts * (size_t)channels_padded(s->in_channels, s->block) * (size_t)channels_padded(s->out_channels, s->block);
}

/* oneDNN's primitives take one sample: weight gradients of the second and later ones are made apart, then added. */
static size_t sum_bytes(const struct conv *c)
{
    if (!c->kind[SHIM_BACKWARD_WEIGHTS] || c->use.samples < 2) return 0;
    return (weights_count(&c->shape) + (size_t)channels_padded(c->shape.out_channels, c->shape.block)) * sizeof(float);
}

static void keep_larger(size_t *most, size_t floats)
{
    if (floats * sizeof(float) > *most) *most = floats * sizeof(float);
}

/* Over all numbers of samples of one call: fewer may need more. To backward data alone both gradients are twice the samples. */
static size_t winograd_scratch_bytes(const struct conv *c)
{
    size_t most = 0;
    int both = c->use.forward_only ? 1 : c->use.cotangents;
    for (int n = 1; n <= c->use.samples * both; n++) keep_larger(&most, c->simd->winograd_scratch_count(&c->shape, n, 0));
    for (int n = 1; n <= c->use.samples && !c->use.forward_only; n++)
        for (int k = 1; k <= both; k++) keep_larger(&most, c->simd->winograd_scratch_count(&c->shape, n, k));
    return most;
}

static size_t conv_scratch_bytes(const struct conv *c)
{
    bool winograd = c->winograd[SHIM_FORWARD] || c->winograd[SHIM_BACKWARD_DATA] || c->winograd[SHIM_BACKWARD_WEIGHTS];
    size_t most = winograd ? winograd_scratch_bytes(c) : 0;
    for (int k = 0; k < KINDS; k++) {
        size_t need = c->kind[k] ? shim_conv_scratch_bytes(c->kind[k]) : 0;
        if (k == SHIM_BACKWARD_WEIGHTS) need = arena_round(need) + sum_bytes(c);
        if (need > most) most = need;
    }
    return most;
}

/* Direct backward data reads flipped weights; a task is one block of output channels. */
static size_t flip_blocks(const struct conv_shape *s)
{
    return 9 * (size_t)s->parts * (size_t)channels_padded(s->in_channels, s->block) / (size_t)s->block;
}

static bool flips(const struct conv *c, bool backward)
{
    return backward && c->kind[SHIM_BACKWARD_DATA];
}

static int conv_prepare_tasks(const struct conv *c, bool backward)
{
    if (c->winograd[backward ? SHIM_BACKWARD_DATA : SHIM_FORWARD]) return c->simd->winograd_prepare_tasks(&c->shape, backward);
    return flips(c, backward) ? channels_padded(c->shape.out_channels, c->shape.block) / c->shape.block : 0;
}

static size_t conv_prepared_count(const struct conv *c, bool backward)
{
    if (c->winograd[backward ? SHIM_BACKWARD_DATA : SHIM_FORWARD]) return c->simd->winograd_weights_count(&c->shape);
    return flips(c, backward) ? weights_count(&c->shape) : 0;
}

static void conv_prepare(const struct conv *c, bool backward, const void *w, int first, int count, void *prepared)
{
    size_t b = (size_t)c->shape.block, blocks = flip_blocks(&c->shape), at = (size_t)first * blocks * b * b;
    assert(first >= 0 && first + count <= conv_prepare_tasks(c, backward));
    if (!flips(c, backward)) c->simd->winograd_prepare(&c->shape, backward, w, first, count, prepared);
    else weights_flip(c->shape.block, sizeof(float), (size_t)count * blocks, (const float *)w + at, (float *)prepared + at);
}

static bool conv_gives_stats(const struct conv *c)
{
    return c->winograd[SHIM_FORWARD];
}

static bool conv_reads_norm(const struct conv *c, enum conv_kind kind)
{
    return kind != CONV_DATA && c->winograd[kind];
}

static bool conv_joins_backward(const struct conv *c)
{
    return c->winograd[SHIM_BACKWARD_DATA] && c->winograd[SHIM_BACKWARD_WEIGHTS];
}

static void conv_forward(struct conv *c, int lane, const struct batch *b, void *scratch, const void *in, const struct norm_before *norm, const void *w,
                         const void *bias, void *out, void *stats)
{
    if (c->winograd[SHIM_FORWARD]) {
        c->simd->winograd_forward(&c->shape, b->samples, b->value, in, norm, w, bias, b->value, out, b->stats, stats, scratch);
        return;
    }
    assert(!stats && !norm);
    for (size_t i = 0; i < (size_t)b->samples; i++) {
        const float *from = (const float *)in + i * b->value;
        float *to = (float *)out + i * b->value;
        if (c->shape.image) c->simd->image_forward(&c->shape, from, w, bias, to);
        else shim_conv_run(c->kind[SHIM_FORWARD], lane, scratch, UNCONST(from), UNCONST(w), UNCONST(bias), to);
    }
}

static void conv_backward_data(struct conv *c, int lane, const struct batch *b, void *scratch, const void *d_out, const void *w, void *d_in)
{
    assert(!c->shape.image);
    if (c->winograd[SHIM_BACKWARD_DATA]) {
        c->simd->winograd_backward_data(&c->shape, batch_gradients(b), b->gradient, d_out, w, b->gradient, d_in, scratch);
        return;
    }
    for (size_t i = 0; i < (size_t)batch_gradients(b); i++)
        shim_conv_run(c->kind[SHIM_BACKWARD_DATA], lane, scratch, (float *)d_in + i * b->gradient, UNCONST(w), NULL, (float *)UNCONST(d_out) + i * b->gradient);
}

static void shim_weights(struct conv *c, int lane, const struct batch *b, void *scratch, const float *in, const float *d_out, float *d_w, float *d_bias)
{
    struct shim_conv *kind = c->kind[SHIM_BACKWARD_WEIGHTS];
    float *apart = (float *)(void *)((unsigned char *)scratch + arena_round(shim_conv_scratch_bytes(kind))), *bias_apart = apart + weights_count(&c->shape);
    assert(b->samples <= c->use.samples);
    for (size_t i = 0; i < (size_t)b->samples; i++) {
        shim_conv_run(kind, lane, scratch, (float *)UNCONST(in) + i * b->value, i ? apart : d_w, i ? bias_apart : d_bias, (float *)UNCONST(d_out) + i * batch_gradient_step(b));
        if (i) c->simd->add(d_w, apart, weights_count(&c->shape));
        if (i && d_bias) c->simd->add(d_bias, bias_apart, (size_t)channels_padded(c->shape.out_channels, c->shape.block));
    }
}

/* d_in: NULL for weight gradients alone. */
static void winograd_backward(struct conv *c, const struct batch *b, void *scratch, const float *in, const struct norm_before *norm, const float *d_out,
                              const float *w, float *d_in, float *d_w, float *d_bias)
{
    float *const d_ws[2] = {d_w, d_w + b->leaf_apart}, *const d_biases[2] = {d_bias, d_bias ? d_bias + b->leaf_apart : NULL};
    const struct winograd_backward all = {
        .samples = b->samples, .cotangents = b->cotangents, .in_stride = b->value, .in = in, .norm = norm, .out_stride = batch_gradient_step(b),
        .out_apart = batch_gradient(b, 1, 0), .d_out = d_out, .d_w = d_ws, .d_bias = d_biases, .prepared = w, .d_in_stride = batch_gradient_step(b),
        .d_in_apart = batch_gradient(b, 1, 0), .d_in = d_in,
    };
    c->simd->winograd_backward(&c->shape, &all, scratch);
}

static void conv_backward(struct conv *c, int lane, const struct batch *b, void *scratch, const void *in, const struct norm_before *norm, const void *d_out,
                          const void *w, void *d_in, void *d_w, void *d_bias)
{
    (void)lane;
    assert(c->winograd[SHIM_BACKWARD_DATA] && c->winograd[SHIM_BACKWARD_WEIGHTS]);
    winograd_backward(c, b, scratch, in, norm, d_out, w, d_in, d_w, d_bias);
}

static void conv_backward_weights(struct conv *c, int lane, const struct batch *b, void *scratch, const void *in, const struct norm_before *norm,
                                  const void *d_out, void *d_w, void *d_bias)
{
    assert(!norm || c->winograd[SHIM_BACKWARD_WEIGHTS]);
    if (c->winograd[SHIM_BACKWARD_WEIGHTS]) winograd_backward(c, b, scratch, in, norm, d_out, NULL, NULL, d_w, d_bias);
    else if (c->shape.image) c->simd->image_backward_weights(&c->shape, b, in, d_out, d_w, d_bias);
    else if (!c->kind[SHIM_BACKWARD_WEIGHTS]) c->simd->conv_backward_weights(&c->shape, b, in, d_out, d_w, d_bias);
    else
        for (int k = 0; k < b->cotangents; k++) {
            size_t leaf = (size_t)k * b->leaf_apart;
            shim_weights(c, lane, b, scratch, in, (const float *)d_out + batch_gradient(b, k, 0), (float *)d_w + leaf, d_bias ? (float *)d_bias + leaf : NULL);
        }
}

const char *backend_dnnl_choice(const struct conv *c, int kind)
{
    return c->winograd[kind] ? "winograd" : c->kind[kind] ? shim_conv_name(c->kind[kind]) : "simd";
}

struct backend backend_dnnl(void)
{
    int block = shim_block();
    const struct kernel_simd *k = kernel_pick(block);
    return (struct backend){
        .name = "dnnl", .block = block, .element_bytes = sizeof(float), .thread_start = shim_thread_start, .image_count = image_count,
        .image_pack = image_pack, .conv_new = conv_new, .conv_free = conv_free, .conv_scratch_bytes = conv_scratch_bytes,
        .conv_prepared_count = conv_prepared_count, .conv_prepare_tasks = conv_prepare_tasks, .conv_prepare = conv_prepare,
        .conv_choice = backend_dnnl_choice, .conv_gives_stats = conv_gives_stats, .conv_reads_norm = conv_reads_norm,
        .conv_joins_backward = conv_joins_backward, .conv_forward = conv_forward, .conv_backward_data = conv_backward_data,
        .conv_backward_weights = conv_backward_weights, .conv_backward = conv_backward,
        .up_flips = true, .up_forward = k->up_forward, .up_backward_data = k->up_backward_data, .up_backward_weights = k->up_backward_weights,
        .norm_forward = k->norm_forward, .norm_again = k->norm_again, .norm_backward = k->norm_backward, .pool_forward = k->pool_forward, .pool_backward = k->pool_backward,
        .head_reads_norm = true, .head_forward = k->head_forward, .head_backward = k->head_backward, .add = k->add,
    };
}
