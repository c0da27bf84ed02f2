/* test_kernel_simd: our own vector kernels, op by op, against the law in double, at each level this machine has. */
#include "tests/check.h"

#ifdef HAVE_DNNL
#include "tests/unit/pair_fixture.h"

/* ---- 3x3 weight gradients ------------------------------------------------------------------------------- */
/* Our own weight gradient of blocked layers with both blocks (the oneDNN backend may prefer oneDNN's), down to one pixel. */
static void compare_small(const struct backend *fast, const struct backend *law)
{
    static const int sizes[][2] = {{1, 1}, {1, 4}, {2, 3}, {7, 6}};
    const struct kernel_simd *kernels = kernel_pick(fast->block);
    for (int i = 0; i < 16; i++) {
        struct conv_shape s = {.block = fast->block, .in = rectangle(sizes[i % 4][0], sizes[i % 4][1]), .parts = 1 + i / 8, .in_channels = 3 + 14 * (i / 4 % 2),
                               .out_channels = 20, .stride = 1 + i / 4 % 2, .bias = true};
        struct tensor_layout layout = {.kind = TENSOR_CONV, .block = s.block, .out = 20, .parts = s.parts, .in = s.in_channels, .taps = 9};
        struct network_layer_kernels direct = {0};
        struct conv *conv;
        s.out = shape_convolved(s.in, s.stride);
        CHECK_INT(law->conv_new(&s, &use_of_one, &direct, &conv, NULL), OK);
        struct pair x = activation_random(s.parts, s.in_channels, s.in, s.block, 0), d_y = activation_random(1, 20, s.out, s.block, 1);
        struct pair d_w = pair_empty(tensor_arena_count(&layout)), d_bias = pair_empty((size_t)channels_padded(20, s.block));
        kernels->conv_backward_weights(&s, &batch_of_one, x.f, d_y.f, d_w.f, d_bias.f);
        law->conv_backward_weights(conv, 0, &batch_of_one, NULL, x.d, NULL, d_y.d, d_w.d, d_bias.d);
        check_close("small backward weights", d_w, (double)shape_pixels(s.out));
        check_close("small backward bias", d_bias, (double)shape_pixels(s.out));
        law->conv_free(conv);
        pair_free(&x), pair_free(&d_y), pair_free(&d_w), pair_free(&d_bias);
    }
}

/* One after the other. */
static struct pair activations(int count, int parts, int channels, struct shape s, int block, uint32_t stream)
{
    size_t each = activation_count(parts, channels, s, block);
    struct pair all = pair_empty((size_t)count * each);
    for (int i = 0; i < count; i++) {
        struct pair a = activation_random(parts, channels, s, block, stream + (uint32_t)i);
        memcpy(all.f + (size_t)i * each, a.f, each * sizeof(float)), memcpy(all.d + (size_t)i * each, a.d, each * sizeof(double));
        pair_free(&a);
    }
    return all;
}

/* Two samples, two gradients of each, images of several pieces of 128 output pixels, the last of them not whole; what was there is overwritten. */
static void compare_pieces(const struct backend *fast, const struct backend *law)
{
    static const int sizes[][2] = {{5, 131}, {23, 30}, {41, 9}};
    const struct kernel_simd *kernels = kernel_pick(fast->block);
    for (int i = 0; i < 6; i++) {
        struct conv_shape s = {.block = fast->block, .in = rectangle(sizes[i % 3][0], sizes[i % 3][1]), .parts = 2, .in_channels = 17, .out_channels = 20, .stride = 1 + i / 3};
        struct tensor_layout layout = {.kind = TENSOR_CONV, .block = s.block, .out = 20, .parts = s.parts, .in = s.in_channels, .taps = 9};
        struct network_layer_kernels direct = {0};
        struct conv *conv;
        s.out = shape_convolved(s.in, s.stride);
        CHECK_INT(law->conv_new(&s, &use_of_one, &direct, &conv, NULL), OK);
        size_t in = activation_count(2, 17, s.in, s.block), out = activation_count(1, 20, s.out, s.block);
        size_t weights = tensor_arena_count(&layout), biases = (size_t)channels_padded(20, s.block);
        struct pair x = activations(2, 2, 17, s.in, s.block, 0), d_y = activations(4, 1, 20, s.out, s.block, 2), d_w = pair_random(2 * (weights + biases), 6);
        const struct batch two = {.samples = 2, .cotangents = 2, .value = in, .gradient = out, .leaf_apart = weights + biases};
        kernels->conv_backward_weights(&s, &two, x.f, d_y.f, d_w.f, d_w.f + weights);
        law->conv_backward_weights(conv, 0, &two, NULL, x.d, NULL, d_y.d, d_w.d, d_w.d + weights);
        for (int k = 0; k < 2; k++) { /* each by itself: as one gradient of a batch whose samples lie two gradients apart */
            struct pair alone = pair_empty(weights);
            const struct batch one = {.samples = 2, .cotangents = 1, .value = in, .gradient = 2 * out};
            law->conv_backward_weights(conv, 0, &one, NULL, x.d, NULL, d_y.d + (size_t)k * out, alone.d, NULL);
            CHECK(memcmp(alone.d, d_w.d + (size_t)k * two.leaf_apart, weights * sizeof(double)) == 0);
            pair_free(&alone);
        }
        check_close("backward weights by pieces", d_w, 2.0 * (double)shape_pixels(s.out));
        law->conv_free(conv);
        pair_free(&x), pair_free(&d_y), pair_free(&d_w);
    }
}

void test_fast_weight_gradients_by_pieces_agree_with_the_law(void)
{
    at_each_level(true, compare_pieces);
}

void test_fast_weight_gradients_of_small_images_agree_with_the_law(void)
{
    at_each_level(true, compare_small);
}

/* ---- 2x2 transposed ------------------------------------------------------------------------------------- */
static void compare_up(const struct backend *fast, const struct backend *law, int in, int out, struct shape size)
{
    struct up_shape s = {.block = fast->block, .in = size, .in_channels = in, .out_channels = out};
    struct tensor_layout layout = {.kind = TENSOR_UP, .block = s.block, .out = out, .parts = 1, .in = in, .taps = 4};
    struct shape wide = rectangle(2 * size.dims[0], 2 * size.dims[1]);
    struct pair x = activation_random(1, in, size, s.block, 0), w = weights_random(&layout, 1), bias = pair_random((size_t)channels_padded(out, s.block), 2);
    struct pair y = pair_empty(activation_count(1, out, wide, s.block)), d_y = activation_random(1, out, wide, s.block, 3);
    struct pair d_x = pair_empty(x.count), d_w = pair_empty(w.count), d_bias = pair_empty(bias.count), flipped = pair_empty(w.count);
    for (int c = out; c < channels_padded(out, s.block); c++) bias.f[c] = 0, bias.d[c] = 0;
    fast->up_forward(&s, x.f, w.f, bias.f, y.f);
    law->up_forward(&s, x.d, w.d, bias.d, y.d);
    check_close("up forward", y, in);
    fast->up_backward_weights(&s, &batch_of_one, x.f, d_y.f, d_w.f, d_bias.f);
    law->up_backward_weights(&s, &batch_of_one, x.d, d_y.d, d_w.d, d_bias.d);
    check_close("up backward weights", d_w, (double)shape_pixels(size));
    check_close("up backward bias", d_bias, (double)shape_pixels(wide));
    weights_flip(s.block, sizeof(float), w.count / (size_t)(s.block * s.block), w.f, flipped.f);
    fast->up_backward_data(&s, d_y.f, flipped.f, d_x.f);
    law->up_backward_data(&s, d_y.d, w.d, d_x.d);
    check_close("up backward data", d_x, 4.0 * out);
    struct pair *all[] = {&x, &w, &bias, &y, &d_y, &d_x, &d_w, &d_bias, &flipped};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) pair_free(all[i]);
}

static void compare_ups(const struct backend *fast, const struct backend *law)
{
    static const int channels[] = {1, 3, 16, 24, 32}, sizes[][2] = {{3, 7}, {4, 8}, {1, 1}, {2, 5}, {7, 61}}; /* the last: more than one piece of weight gradients */
    for (size_t i = 0; i < 5; i++)
        for (size_t o = 0; o < 5; o++)
            for (size_t k = 0; k < 5; k++) compare_up(fast, law, channels[i], channels[o], rectangle(sizes[k][0], sizes[k][1]));
    compare_up(fast, law, 280, 72, rectangle(9, 16)); /* channels in chunks, pixels in pieces */
}

void test_fast_transposed_convolutions_agree_with_the_law(void)
{
    at_each_level(true, compare_ups);
}

/* ---- norm, activation ----------------------------------------------------------------------------------- */
static void compare_norm(const struct backend *fast, const struct backend *law, struct norm_shape s, double offset)
{
    s.block = fast->block;
    struct shape size = rectangle(1, (int)s.pixels);
    size_t padded = (size_t)channels_padded(s.channels, s.block);
    struct pair z = activation_random(1, s.channels, size, s.block, 0), y = pair_empty(z.count), gamma = pair_random(padded, 1), beta = pair_random(padded, 2);
    struct pair d = activation_random(1, s.channels, size, s.block, 3), more = activation_random(1, s.channels, size, s.block, 4);
    struct pair stats = pair_empty(2 * padded), d_gamma = pair_empty(padded), d_beta = pair_empty(padded);
    for (size_t c = (size_t)s.channels; c < padded; c++) gamma.f[c] = beta.f[c] = 0, gamma.d[c] = beta.d[c] = 0;
    for (size_t i = 0; i < z.count; i++) { /* a mean far from zero is where sums of squares lose digits */
        size_t channel = i / (s.pixels * (size_t)s.block) * (size_t)s.block + i % (size_t)s.block;
        if (channel < (size_t)s.channels) z.d[i] = (double)(z.f[i] += (float)offset);
    }
    bool norm = s.norm != MODEL_NORM_NONE;
    fast->norm_forward(&s, z.f, norm ? gamma.f : NULL, norm ? beta.f : NULL, norm ? stats.f : NULL, y.f);
    law->norm_forward(&s, z.d, norm ? gamma.d : NULL, norm ? beta.d : NULL, norm ? stats.d : NULL, y.d);
    /* z itself carries 2^-24 * offset; dividing by a deviation of 0.58 enlarges that by less than 2 */
    check_close("norm forward", y, 1 + 4 * offset * offset);
    /* a sign near zero may fall either way: take such pixels out of the comparison by giving them no gradient */
    for (size_t i = 0; i < y.count; i++)
        if (fabs(y.d[i]) < 1e-5 * (1 + offset)) d.f[i] = more.f[i] = 0, d.d[i] = more.d[i] = 0;
    for (int two = 0; two < 2; two++) {
        struct pair g = pair_empty(d.count);
        memcpy(g.f, d.f, d.count * sizeof(float));
        memcpy(g.d, d.d, d.count * sizeof(double));
        fast->norm_backward(&s, &batch_of_one, z.f, norm ? gamma.f : NULL, norm ? beta.f : NULL, stats.f, g.f, two ? more.f : NULL, d_gamma.f, d_beta.f);
        law->norm_backward(&s, &batch_of_one, z.d, norm ? gamma.d : NULL, norm ? beta.d : NULL, stats.d, g.d, two ? more.d : NULL, d_gamma.d, d_beta.d);
        check_close("norm backward", g, 4 + 4 * offset * offset);
        if (norm) {
            check_close("norm backward weight", d_gamma, (double)s.pixels * (1 + offset));
            check_close("norm backward bias", d_beta, (double)s.pixels);
        }
        pair_free(&g);
    }
    struct pair *all[] = {&z, &y, &gamma, &beta, &d, &more, &stats, &d_gamma, &d_beta};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) pair_free(all[i]);
}

static void compare_norms(const struct backend *fast, const struct backend *law)
{
    static const int channels[] = {1, 3, 16, 24, 32};
    static const size_t pixels[] = {9, 30, 64, 1000, 4097}; /* over very few the deviation may be tiny, and no bound holds */
    for (size_t c = 0; c < 5; c++)
        for (size_t p = 0; p < 5; p++) {
            struct norm_shape s = {.channels = channels[c], .pixels = pixels[p], .norm = MODEL_NORM_INSTANCE, .slope = 0.01f};
            compare_norm(fast, law, s, 0);
            compare_norm(fast, law, s, 30);
            s.slope = 0;
            s.norm = MODEL_NORM_NONE;
            compare_norm(fast, law, s, 0);
            s.norm = MODEL_NORM_GROUP;
            s.groups = channels[c] % 8 ? 1 : 8;
            compare_norm(fast, law, s, 0);
        }
}

void test_fast_norm_and_activation_agree_with_the_law(void)
{
    at_each_level(true, compare_norms);
}

/* ---- pooling, head -------------------------------------------------------------------------------------- */
static void compare_pool_and_head(const struct backend *fast, const struct backend *law)
{
    static const int channels[] = {1, 3, 16, 24, 32};
    for (size_t c = 0; c < 5; c++)
        for (int out = 1; out <= 5; out += 2) {
            struct pool_shape pool = {.block = fast->block, .channels = channels[c], .in = rectangle(6, 2 * out)};
            struct pair x = activation_random(1, channels[c], pool.in, fast->block, 0), y = pair_empty(x.count / 4);
            struct pair d = activation_random(1, channels[c], rectangle(3, out), fast->block, 1), d_x = activation_random(1, channels[c], pool.in, fast->block, 2);
            fast->pool_forward(&pool, x.f, y.f), law->pool_forward(&pool, x.d, y.d);
            fast->pool_backward(&pool, x.f, d.f, d_x.f), law->pool_backward(&pool, x.d, d.d, d_x.d);
            check_close("pool forward", y, 0);
            check_close("pool backward", d_x, 1);
            struct head_shape head = {.block = fast->block, .channels = channels[c], .out_channels = out, .pixels = shape_pixels(pool.in)};
            struct tensor_layout layout = {.kind = TENSOR_HEAD, .block = fast->block, .out = out, .parts = 1, .in = channels[c], .taps = 1};
            struct pair w = weights_random(&layout, 3), bias = pair_random((size_t)out, 4), logits = pair_empty((size_t)out * head.pixels);
            struct pair d_logits = pair_random(logits.count, 5), d_in = pair_empty(x.count), d_w = pair_empty(w.count), d_bias = pair_empty((size_t)out);
            fast->head_forward(&head, x.f, NULL, w.f, bias.f, logits.f), law->head_forward(&head, x.d, NULL, w.d, bias.d, logits.d);
            fast->head_backward(&head, &batch_of_one, x.f, NULL, w.f, d_logits.f, d_in.f, d_w.f, d_bias.f);
            law->head_backward(&head, &batch_of_one, x.d, NULL, w.d, d_logits.d, d_in.d, d_w.d, d_bias.d);
            check_close("head forward", logits, channels[c]);
            check_close("head backward data", d_in, out);
            check_close("head backward weights", d_w, (double)head.pixels);
            check_close("head backward bias", d_bias, (double)head.pixels);
            struct pair *all[] = {&x, &y, &d, &d_x, &w, &bias, &logits, &d_logits, &d_in, &d_w, &d_bias};
            for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) pair_free(all[i]);
        }
}

void test_fast_pool_and_head_agree_with_the_law(void)
{
    at_each_level(true, compare_pool_and_head);
}

void test_fast_pool_breaks_ties_and_passes_nan_as_the_law_does(void)
{
    if (!backend_dnnl_available()) check_skip("this machine has no AVX2");
    struct backend fast = backend_dnnl(), law = backend_ref_float(fast.block);
    struct pool_shape s = {.block = fast.block, .channels = fast.block, .in = rectangle(2, 2)};
    size_t count = 4 * (size_t)fast.block, quarter = (size_t)fast.block;
    struct pair x = pair_random(count, 0), d = pair_random(quarter, 1), a = pair_empty(count), y = pair_empty(count);
    for (size_t i = 0; i < count; i++) x.f[i] = x.f[i] > 0; /* many ties */
    fast.pool_backward(&s, x.f, d.f, a.f);
    law.pool_backward(&s, x.f, d.f, y.f);
    CHECK(memcmp(a.f, y.f, count * sizeof(float)) == 0);
    for (size_t i = 0; i < quarter; i++) x.f[(i % 4) * quarter + i] = NAN;
    fast.pool_forward(&s, x.f, a.f);
    for (size_t i = 0; i < quarter; i++) CHECK(isnan(a.f[i]));
    pair_free(&x), pair_free(&d), pair_free(&a), pair_free(&y);
}
#endif
