/* test_read_through: layers that read through the norm before them: the same bits as behind a norm that wrote what they read. */
#include "tests/check.h"

#ifdef HAVE_DNNL
#include <stdlib.h>

#include "tests/unit/net_fixture.h"
#include "tests/unit/pair_fixture.h"
#include "worker/net/network_inside.h"

/* ---- one layer ----------------------------------------------------------------------------------------- */
enum { SAMPLES = 2 };
struct through {
    struct conv_shape s;
    struct norm_shape norm;
    struct pair z[SAMPLES], gamma, beta, w, bias;
    float *in, *stats, *written; /* [SAMPLES] z, its statistics, and what the norm writes */
    size_t in_count, out_count, stats_count;
    struct conv *conv;
    float *prepared, *scratch;
};

/* parts 2: the norm makes the first, the other is there. */
static struct through through_new(const struct backend *fast, int rows, int columns, int parts, int ins, int outs, int stride, enum model_norm norm)
{
    struct through t = {.s = {.block = fast->block, .in = rectangle(rows, columns), .parts = parts, .in_channels = ins, .out_channels = outs, .stride = stride, .bias = true}};
    struct network_layer_kernels kernels = {.forward = ALGORITHM_WINOGRAD, .backward_data = ALGORITHM_WINOGRAD, .backward_weights = ALGORITHM_WINOGRAD};
    const struct conv_use use = {.lanes = 1, .samples = SAMPLES, .cotangents = 1};
    struct tensor_layout layout = {.kind = TENSOR_CONV, .block = fast->block, .out = outs, .parts = parts, .in = ins, .taps = 9};
    size_t padded = (size_t)channels_padded(ins, fast->block);
    t.s.out = shape_convolved(t.s.in, stride);
    t.norm = (struct norm_shape){.block = fast->block, .channels = ins, .pixels = shape_pixels(t.s.in), .norm = norm, .groups = 1, .slope = 0.125f};
    t.in_count = activation_count(parts, ins, t.s.in, fast->block), t.out_count = activation_count(1, outs, t.s.out, fast->block), t.stats_count = 2 * padded + 16;
    t.gamma = pair_random(padded, 1), t.beta = pair_random(padded, 2), t.w = weights_random(&layout, 3), t.bias = pair_random((size_t)channels_padded(outs, fast->block), 4);
    for (size_t c = (size_t)ins; c < padded; c++) t.gamma.f[c] = t.beta.f[c] = 0;
    t.in = calloc(SAMPLES * t.in_count, sizeof(float)), t.written = calloc(SAMPLES * t.in_count, sizeof(float)), t.stats = calloc(SAMPLES * t.stats_count, sizeof(float));
    for (int i = 0; i < SAMPLES; i++) {
        float *in = t.in + (size_t)i * t.in_count;
        t.z[i] = activation_random(parts, ins, t.s.in, fast->block, 10 + (uint32_t)i);
        memcpy(in, t.z[i].f, t.in_count * sizeof(float));
        memcpy(t.written + (size_t)i * t.in_count, in, t.in_count * sizeof(float));
        fast->norm_forward(&t.norm, in, norm != MODEL_NORM_NONE ? t.gamma.f : NULL, norm != MODEL_NORM_NONE ? t.beta.f : NULL, t.stats + (size_t)i * t.stats_count, t.written + (size_t)i * t.in_count);
    }
    CHECK_INT(fast->conv_new(&t.s, &use, &kernels, &t.conv, NULL), OK);
    t.prepared = aligned_alloc(64, fast->conv_prepared_count(t.conv, false) * sizeof(float));
    t.scratch = aligned_alloc(64, (fast->conv_scratch_bytes(t.conv) + 63) / 64 * 64);
    fast->conv_prepare(t.conv, false, t.w.f, 0, fast->conv_prepare_tasks(t.conv, false), t.prepared);
    return t;
}

static void through_free(const struct backend *fast, struct through *t)
{
    struct pair *pairs[] = {&t->z[0], &t->z[1], &t->gamma, &t->beta, &t->w, &t->bias};
    float *floats[] = {t->in, t->stats, t->written, t->prepared, t->scratch};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) pair_free(pairs[i]);
    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) free(floats[i]);
    fast->conv_free(t->conv);
}

static void check_same(const char *what, const struct through *t, const float *a, const float *b, size_t count)
{
    size_t nonzero = 0;
    for (size_t i = 0; i < count; i++) nonzero += a[i] != 0;
    CHECK(nonzero > count / 64); /* of one pixel and half a block, one weight in 36 */
    if (memcmp(a, b, count * sizeof(float)))
        check_fail(__FILE__, __LINE__, "%s, block %d, norm %d, stride %d, %d x %d pixels, %d x %d to %d channels: other bits through the norm", what, t->s.block, (int)t->norm.norm,
                   t->s.stride, t->s.in.dims[0], t->s.in.dims[1], t->s.parts, t->s.in_channels, t->s.out_channels);
}

static void compare_layer(const struct backend *fast, struct through *t)
{
    struct batch b = {.samples = SAMPLES, .cotangents = 1, .value = t->in_count > t->out_count ? t->in_count : t->out_count, .stats = t->stats_count};
    const struct norm_before norm = {&t->norm, t->norm.norm != MODEL_NORM_NONE ? t->gamma.f : NULL, t->norm.norm != MODEL_NORM_NONE ? t->beta.f : NULL, t->stats, t->stats_count};
    size_t stride = b.gradient = b.value, weights = t->w.count, out_bytes = SAMPLES * stride * sizeof(float);
    float *in[2], *out[2], *d_w[2], *d_bias = calloc(t->bias.count, sizeof(float));
    for (int k = 0; k < 2; k++) {
        in[k] = calloc(1, out_bytes), out[k] = calloc(1, out_bytes), d_w[k] = calloc(weights, sizeof(float));
        for (int i = 0; i < SAMPLES; i++) memcpy(in[k] + (size_t)i * stride, (k ? t->in : t->written) + (size_t)i * t->in_count, t->in_count * sizeof(float));
        fast->conv_forward(t->conv, 0, &b, t->scratch, in[k], k ? &norm : NULL, t->prepared, t->bias.f, out[k], NULL);
    }
    for (int i = 0; i < SAMPLES; i++) check_same("forward", t, out[0] + (size_t)i * stride, out[1] + (size_t)i * stride, t->out_count);
    for (int k = 0; k < 2; k++) fast->conv_backward_weights(t->conv, 0, &b, t->scratch, in[k], k ? &norm : NULL, out[0], d_w[k], d_bias);
    check_same("backward weights", t, d_w[0], d_w[1], weights);
    for (int k = 0; k < 2; k++) free(in[k]), free(out[k]), free(d_w[k]);
    free(d_bias);
}

/* Borders, sizes that no tile divides, single rows, many and padded channels; each kind of norm, one part and two, both strides. */
static void compare_layers(const struct backend *fast, const struct backend *law)
{
    static const int shapes[][4] = {{1, 1, 8, 8}, {1, 9, 16, 8}, {5, 6, 24, 40}, {13, 4, 17, 33}, {33, 47, 16, 16}, {24, 20, 8, 8}, {8, 8, 64, 64}};
    (void)law;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int n = 0; n < 12; n++) {
            enum model_norm norm = (const enum model_norm[]){MODEL_NORM_INSTANCE, MODEL_NORM_GROUP, MODEL_NORM_NONE}[n % 3];
            if (shapes[i][0] * shapes[i][1] == 1 && norm != MODEL_NORM_NONE) continue; /* one pixel is its own mean: all zeros */
            struct through t = through_new(fast, shapes[i][0], shapes[i][1], 1 + n / 3 % 2, shapes[i][2], shapes[i][3], 1 + n / 6, norm);
            compare_layer(fast, &t);
            through_free(fast, &t);
        }
}

void test_winograd_layers_that_read_through_a_norm_give_the_bits_of_those_behind_one(void)
{
    at_each_level(false, compare_layers);
}

/* ---- the head ------------------------------------------------------------------------------------------- */
static void compare_head(const struct backend *fast, int channels, int pixels)
{
    const struct head_shape s = {.block = fast->block, .channels = channels, .out_channels = 3, .pixels = (size_t)pixels};
    const struct norm_shape n = {.block = fast->block, .channels = channels, .pixels = (size_t)pixels, .norm = MODEL_NORM_INSTANCE, .groups = 1, .slope = 0.125f};
    size_t padded = (size_t)channels_padded(channels, fast->block), outs = 3 * (size_t)pixels;
    struct pair z = activation_random(1, channels, rectangle(1, pixels), fast->block, 1), y = pair_empty(z.count), gamma = pair_random(padded, 2), beta = pair_random(padded, 3);
    struct pair stats = pair_empty(2 * padded), w = pair_random(3 * padded, 4), bias = pair_random(3, 5), d = pair_random(outs, 6), logits[2], d_in[2], d_w[2], d_bias = pair_empty(3);
    for (size_t c = (size_t)channels; c < padded; c++) gamma.f[c] = beta.f[c] = 0;
    fast->norm_forward(&n, z.f, gamma.f, beta.f, stats.f, y.f);
    const struct norm_before norm = {&n, gamma.f, beta.f, stats.f, 2 * padded};
    for (int k = 0; k < 2; k++) {
        logits[k] = pair_empty(outs), d_in[k] = pair_empty(z.count), d_w[k] = pair_empty(3 * padded);
        fast->head_forward(&s, k ? z.f : y.f, k ? &norm : NULL, w.f, bias.f, logits[k].f);
        fast->head_backward(&s, &batch_of_one, k ? z.f : y.f, k ? &norm : NULL, w.f, d.f, d_in[k].f, d_w[k].f, d_bias.f);
    }
    if (memcmp(logits[0].f, logits[1].f, outs * sizeof(float)) || memcmp(d_in[0].f, d_in[1].f, z.count * sizeof(float)) ||
        memcmp(d_w[0].f, d_w[1].f, 3 * padded * sizeof(float)))
        check_fail(__FILE__, __LINE__, "head, block %d, %d channels, %d pixels: other bits through the norm", fast->block, channels, pixels);
    struct pair *all[] = {&z, &y, &gamma, &beta, &stats, &w, &bias, &d, &d_bias, logits, logits + 1, d_in, d_in + 1, d_w, d_w + 1};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) pair_free(all[i]);
}

/* Up to 32 channels a strip has 128 pixels, of 300 it has 13 or less; pixels that no strip and no vector divides. */
static void compare_heads(const struct backend *fast, const struct backend *law)
{
    static const int channels[] = {3, 16, 40, 300}, pixels[] = {9, 128, 200, 1000};
    (void)law;
    for (int c = 0; c < 4; c++)
        for (int p = 0; p < 4; p++) compare_head(fast, channels[c], pixels[p]);
}

void test_a_head_that_reads_through_a_norm_gives_the_bits_of_one_behind_it(void)
{
    at_each_level(true, compare_heads);
}

/* ---- a network ------------------------------------------------------------------------------------------ */
static bool may_read[CONV_KINDS]; /* kinds in which layers may read through norms */
static bool (*real_reads)(const struct conv *c, enum conv_kind kind);
static bool reads_where_it_may(const struct conv *c, enum conv_kind kind)
{
    return may_read[kind] && real_reads(c, kind);
}

static struct network *network_reading(const struct network_config *c, bool forward, bool weights)
{
    struct backend backend = backend_dnnl();
    struct network *net;
    real_reads = backend.conv_reads_norm;
    may_read[CONV_FORWARD] = forward, may_read[CONV_WEIGHTS] = weights;
    backend.conv_reads_norm = reads_where_it_may;
    backend.head_reads_norm = forward && weights;
    CHECK_INT(network_new_on(c, &backend, &net, NULL), OK);
    return net;
}

/* Its gradient, in arena form. */
static float *gradient_of_network(struct network *net)
{
    const struct network_config *c = network_config(net);
    size_t pixels = (size_t)(c->patch[0] * c->patch[1]), n = (size_t)c->in_channels * pixels, bytes = network_arena_count(net) * sizeof(float);
    float *data = malloc((size_t)c->batch * n * sizeof *data), *copy = malloc(bytes);
    const float *images[16];
    network_init(net, 3);
    for (int i = 0; i < c->batch; i++) fill_numbers(data + (size_t)i * n, n, 4, (uint32_t)i), images[i] = data + (size_t)i * n;
    network_forward(net, c->batch, images);
    for (int i = 0; i < c->batch; i++) fill_numbers(network_logit_gradient(net, 0, i), (size_t)c->out_channels * pixels, 8, (uint32_t)i);
    network_backward(net, c->batch, 0);
    memcpy(copy, network_gradient(net, 0), bytes);
    free(data);
    return copy;
}

static int count_reading(const struct network *net, enum conv_kind kind)
{
    int count = 0;
    for (int i = 0; i < net->graph.nodes; i++) count += net->graph.node[i].through[kind] != NONE;
    return count;
}

static struct network_config config_through(void)
{
    struct network_config c = config_tiny();
    for (int i = 0; i < 3; i++) c.widths[i] = (int[]){10, 20, 24}[i];
    c.patch[0] = 24;
    return c;
}

/* What nobody writes has no place in memory, either. */
void test_a_network_that_reads_through_its_norms_gives_the_bits_of_one_that_does_not(void)
{
    if (!backend_dnnl_available()) check_skip("this machine has no AVX2");
    struct network_config c = config_through();
    c.kernels = kernels_of(c, 2, ALGORITHM_WINOGRAD);
    float *want = NULL;
    size_t memory = 0;
    for (int way = 0; way < 4; way++) {
        struct network *net = network_reading(&c, way & 1, way & 2);
        float *got = gradient_of_network(net);
        int all = way == 3 ? 10 : 5; /* the second convolution of each of five blocks; and the head, and both readers of two skips */
        CHECK_INT(count_reading(net, CONV_FORWARD), way & 1 ? all : 0);
        CHECK_INT(count_reading(net, CONV_WEIGHTS), way & 2 ? all : 0);
        CHECK_INT(count_reading(net, CONV_DATA), 0);
        if (!way) want = got, memory = network_memory_used(net);
        else {
            CHECK(memcmp(want, got, network_arena_count(net) * sizeof *got) == 0);
            CHECK((network_memory_used(net) < memory) == (way == 3));
            free(got);
        }
        network_free(net);
    }
    free(want);
}

/* Direct kernels read what the norm writes; one kind of a layer may be direct and the other not. */
void test_a_network_reads_through_norms_only_where_its_kernels_can(void)
{
    if (!backend_dnnl_available()) check_skip("this machine has no AVX2");
    struct network_config c = config_through();
    struct network_kernels kernels = *kernels_of(c, 2, ALGORITHM_DIRECT);
    struct network *net;
    c.kernels = &kernels;
    for (int i = 0; i < kernels.layers; i++) { /* layers 1, 5, 9: Winograd forward; 3, 7: weights */
        if (i % 4 == 1) kernels.layer[i].forward = ALGORITHM_WINOGRAD;
        if (i % 4 == 3) kernels.layer[i].backward_weights = ALGORITHM_WINOGRAD;
    }
    CHECK_INT(network_new(&c, &net, NULL), OK);
    for (int i = 0; i < net->graph.nodes; i++) {
        const struct node *n = &net->graph.node[i];
        bool own = n->in != NONE && net->graph.value[n->in].in_place_of != NONE;
        if (n->op != &op_conv) continue;
        CHECK((n->through[CONV_FORWARD] != NONE) == (own && n->layer % 4 == 1) && (n->through[CONV_WEIGHTS] != NONE) == (own && n->layer % 4 == 3));
        CHECK_INT(n->through[CONV_DATA], NONE);
    }
    network_free(net);
}

static bool reads_skip(const struct network *net, const char *name)
{
    for (int i = 0; i < net->graph.nodes; i++) {
        const struct node *n = &net->graph.node[i];
        if (strcmp(n->name, name)) continue;
        CHECK((n->through[CONV_FORWARD] != NONE) == (n->through[CONV_WEIGHTS] != NONE));
        return n->through[CONV_FORWARD] != NONE;
    }
    check_fail(__FILE__, __LINE__, "no layer %s", name);
    return false;
}

/* One kind of one reader that is direct: the norm writes the skip for all of them, and the bits are what they were. */
void test_a_skip_is_read_through_its_norm_by_both_its_readers_or_by_neither(void)
{
    if (!backend_dnnl_available()) check_skip("this machine has no AVX2");
    struct network_config c = config_through();
    for (int which = 0; which < 4; which++) { /* encoder.1.conv.0 and decoder.0.conv.0 read skip 0 */
        struct network_kernels kernels = *kernels_of(c, 2, ALGORITHM_WINOGRAD);
        float *gradient[2];
        for (int i = 0; i < kernels.layers; i++) {
            if (strcmp(kernels.layer[i].name, which % 2 ? "encoder.1.conv.0" : "decoder.0.conv.0")) continue;
            *(which < 2 ? &kernels.layer[i].forward : &kernels.layer[i].backward_weights) = ALGORITHM_DIRECT;
        }
        c.kernels = &kernels;
        for (int reading = 0; reading < 2; reading++) {
            struct network *net = network_reading(&c, reading, reading);
            CHECK(!reads_skip(net, "encoder.1.conv.0") && !reads_skip(net, "decoder.0.conv.0"));
            CHECK(reads_skip(net, "encoder.2.conv.0") == reading && reads_skip(net, "decoder.1.conv.0") == reading);
            gradient[reading] = gradient_of_network(net);
            if (reading) CHECK(memcmp(gradient[0], gradient[1], network_arena_count(net) * sizeof(float)) == 0);
            network_free(net);
        }
        free(gradient[0]), free(gradient[1]);
    }
}
#endif
