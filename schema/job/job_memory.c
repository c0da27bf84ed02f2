/* job_memory: the sizes of a U-Net's arrays, added up with checked arithmetic.

   Channels are padded to 16 (the widest block a kernel reads). w_l is the padded width of level l, s_l its pixels, L the levels,
   K the convolutions a block, B the batch, T the lanes, M the samples of a micro-batch, floats of 4 bytes. Where `kernels` is not
   given it is counted as if each choice were the dearest: leaves of single samples, gradients of micro_batch_tuned_max().

   parameters (real widths):
     encoder l   3x3 w_{l-1} w_l + (K-1) 3x3 w_l w_l; + K (2 w_l) norm; + K w_l bias
     up l        2x2 w_{l+1} w_l + w_l
     decoder l   3x3 (2 w_l) w_l + (K-1) 3x3 w_l w_l; + K (2 w_l) norm; + K w_l bias
     head        w_0 out + out
   model        = padded parameters x (1 weights + G gradients + 2 or 1 moments of each optimizer + B/M G leaves: the gradient of
                  each micro-batch, summed in a fixed tree + T G: that of a part of one, where M > 1 + 2 for the copies a checkpoint makes
                  + 8 for weights prepared for Winograd, 36 for 9 in both directions)
   activations  = B x sum over levels of s_l w_l x (each convolution keeps its input to the norm: K in the encoder, K in the decoder
                  and 2 for its joined input, and a quarter more for pools, statistics and what a kernel lays out anew)
                  + B x the largest s_l w_l (where backward makes its activations again, one after the other);
                  or, in the same place, what inference needs where that is more: T x M x (sum over levels of 2 s_l w_l, the joined
                  inputs that wait, and the largest of them)
                  + B x s_0 x (inputs + (1 + G) logits, padded)
   scratch      = T x (2 G M x the largest joined input of one sample: the gradients in flight + 2 x for the kernels' own work)
   tile         = with validation.tile, the inference network of tiles of that size: padded parameters x 6 (weights, and what a kernel
                  makes of them) + T x (M x sum over levels of 2 s_l w_l, the joined inputs that wait, and twice the largest of them)
                  + 4 T x s_0 x (inputs + out) for tiles on their way in and out
   fixed        = 64 MiB for the program, its libraries and the pictures being read */
#include "schema/job/job_memory.h"

#include <stdbool.h>
#include <string.h>

enum { CHANNEL_BLOCK = 16, FLOAT_BYTES = 4 };
static const int64_t fixed_bytes = (int64_t)64 << 20;

/* A sum that remembers that it ran over. */
struct sum {
    int64_t value;
    bool over;
};

static void add(struct sum *s, int64_t a, int64_t b, int64_t c)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product) || __builtin_mul_overflow(product, c, &product) ||
        __builtin_add_overflow(s->value, product, &s->value))
        s->over = true;
}

static int64_t pad(int64_t channels)
{
    return (channels + CHANNEL_BLOCK - 1) / CHANNEL_BLOCK * CHANNEL_BLOCK;
}

static int64_t same(int64_t channels)
{
    return channels;
}

static int64_t power(int64_t base, int exponent)
{
    int64_t p = 1;
    while (exponent-- > 0) p *= base;
    return p;
}

/* One block: its first convolution reads `in` channels; then K-1 more, norms and biases. */
static void add_block(struct sum *s, const struct job_spec *spec, int64_t in, int64_t width)
{
    int64_t kernel = power(3, spec->training.rank), k = spec->model.convs;
    add(s, kernel, in, width);
    add(s, kernel * (k - 1), width, width);
    if (spec->model.norm != MODEL_NORM_NONE) add(s, 2, k, width);
    if (spec->model.conv_bias) add(s, 1, k, width);
}

static void add_parameters(struct sum *s, const struct job_spec *spec, int in_channels, int out_channels, int64_t (*round)(int64_t))
{
    const struct model_spec *m = &spec->model;
    int64_t in = round(in_channels), up = power(2, spec->training.rank);
    for (int l = 0; l < m->levels; l++) {
        add_block(s, spec, in, round(m->widths[l]));
        in = round(m->widths[l]);
    }
    for (int l = m->levels - 2; l >= 0; l--) {
        int64_t width = round(m->widths[l]);
        add(s, up, round(m->widths[l + 1]), width);
        add(s, 1, 1, width);
        add_block(s, spec, 2 * width, width);
    }
    add(s, round(m->widths[0]) + 1, round(out_channels), 1);
}

static int moments(const struct optimizer_spec *o)
{
    return o->type == OPTIMIZER_SGD ? 1 : 2;
}

static int64_t pixels_at(const int sizes[], int rank, int level)
{
    int64_t pixels = 1;
    for (int d = 0; d < rank; d++) pixels *= sizes[d] >> level;
    return pixels;
}

static int64_t floats_at(const struct job_spec *spec, int level)
{
    return pixels_at(spec->training.patch, spec->training.rank, level) * pad(spec->model.widths[level]);
}

static int64_t largest_joined(const struct job_spec *spec)
{
    int64_t largest = 0;
    for (int l = 0; l < spec->model.levels; l++)
        if (2 * floats_at(spec, l) > largest) largest = 2 * floats_at(spec, l);
    return largest;
}

/* in, out: padded channels of the image and of the logits. */
static struct sum activations_of(const struct job_spec *spec, int64_t lanes, int64_t micro, int64_t gradients, int64_t in, int64_t out)
{
    const struct model_spec *m = &spec->model;
    struct sum kept = {0}, inference = {0};
    int64_t batch = spec->training.batch, k = m->convs, largest = largest_joined(spec);
    for (int l = 0; l < m->levels; l++) {
        int64_t values = l + 1 < m->levels ? 2 * k + 2 : k;
        add(&kept, floats_at(spec, l) * FLOAT_BYTES, batch, values + (values + 3) / 4);
        add(&inference, 2 * floats_at(spec, l) * FLOAT_BYTES, lanes, micro);
    }
    add(&kept, largest / 2 * FLOAT_BYTES, batch, 1);
    add(&inference, largest * FLOAT_BYTES, lanes, micro);
    struct sum s = {inference.value > kept.value ? inference.value : kept.value, inference.over || kept.over};
    bool terms = spec->loss.ce.focal_gamma > 0 || spec->loss.ce.top_k < 100; /* one float a pixel of the batch */
    add(&s, pixels_at(spec->training.patch, spec->training.rank, 0) * FLOAT_BYTES, batch, in + (1 + gradients) * out + terms);
    return s;
}

static void add_tile(struct sum *s, const struct job_spec *spec, int64_t padded, int in_channels, int out_channels, int64_t lanes, int64_t micro)
{
    const struct validation_spec *v = &spec->validation;
    int64_t largest = 0;
    if (!v->tile_rank) return;
    add(s, padded, FLOAT_BYTES, 6);
    for (int l = 0; l < spec->model.levels; l++) {
        int64_t joined = 2 * pixels_at(v->tile, v->tile_rank, l) * pad(spec->model.widths[l]);
        add(s, joined, FLOAT_BYTES, lanes * micro);
        if (joined > largest) largest = joined;
    }
    add(s, largest * FLOAT_BYTES, lanes, 2);
    add(s, pixels_at(v->tile, v->tile_rank, 0) * FLOAT_BYTES, 4 * lanes, in_channels + pad(out_channels));
}

static bool all_direct(const struct kernels_spec *k)
{
    for (int i = 0; i < k->count; i++)
        if (strcmp(k->layers[i].forward, "direct") || strcmp(k->layers[i].backward_data, "direct") || strcmp(k->layers[i].backward_weights, "direct"))
            return false;
    return true;
}

int micro_batch_tuned_max(int batch, const int patch[], int rank)
{
    int64_t fit = MICRO_BATCH_PIXELS_TUNED_MAX / pixels_at(patch, rank, 0), most = batch < MICRO_BATCH_TUNED_MAX ? batch : MICRO_BATCH_TUNED_MAX;
    return (int)(fit < 1 ? 1 : fit < most ? fit : most);
}

enum err job_memory_predict(const struct job_spec *spec, int in_channels, int num_classes, int threads, struct job_memory *memory)
{
    bool two = spec->loss.strategy == LOSS_SEPARATE_OPTIMIZERS;
    int64_t batch = spec->training.batch, gradients = loss_spec_gradients(&spec->loss), lanes = threads > 0 ? threads : 1;
    int out = job_spec_out_channels(spec, num_classes > 0 ? num_classes : 2);
    int states = two ? moments(&spec->loss.optimizers.dice) + moments(&spec->loss.optimizers.ce) : moments(&spec->optimizer);
    struct sum parameters = {0}, padded = {0}, model = {0}, scratch = {0}, tile = {0}, total = {0};
    add_parameters(&parameters, spec, in_channels, out, same);
    add_parameters(&padded, spec, in_channels, out, pad);
    int64_t prepared = spec->kernels.given && all_direct(&spec->kernels) ? 1 : 8, tuned = micro_batch_tuned_max((int)batch, spec->training.patch, spec->training.rank);
    int64_t micro = spec->kernels.given ? spec->kernels.micro_batch : tuned, leaves = spec->kernels.given ? (batch + micro - 1) / micro : batch;
    add(&model, padded.value, FLOAT_BYTES, 3 + prepared + gradients + states + leaves * gradients);
    if (micro > 1) add(&model, padded.value, FLOAT_BYTES, lanes * gradients); /* of a stage that takes a micro-batch in parts: at most all */
    struct sum activations = activations_of(spec, lanes, micro, gradients, pad(in_channels), pad(out));
    add(&scratch, largest_joined(spec) * FLOAT_BYTES, lanes, 2 * gradients * micro + 2);
    add_tile(&tile, spec, padded.value, in_channels, out, lanes, micro);
    add(&total, model.value, 1, 1);
    add(&total, activations.value, 1, 1);
    add(&total, scratch.value, 1, 1);
    add(&total, tile.value, 1, 1);
    add(&total, fixed_bytes, 1, 1);
    *memory = (struct job_memory){parameters.value, model.value, activations.value, scratch.value, tile.value, total.value};
    return parameters.over || padded.over || model.over || activations.over || scratch.over || tile.over || total.over ? ERR_TOO_LARGE : OK;
}
