/* test_backend_dnnl: oneDNN and the vector kernels, op by op, against the law in double, at each level this machine has.

   Bound: a sum of n products a*b in float, in any order, is off by at most n * 2^-24 * sum|a*b| (Higham, Accuracy and
   Stability, 3.1); blocked sums behave like sqrt(n). Inputs are below 1 in magnitude, so the bound used is
   16 * 2^-24 * (1 + sqrt(n)) * (1 + largest result), which an indexing mistake misses by orders of magnitude. */
#include <math.h>

#include "tests/check.h"
#include "worker/net/backend.h"
#include "worker/net/rng.h"
#include "worker/net/weights.h"

#ifdef HAVE_DNNL
#include "worker/net/backend_dnnl.h"
#include "worker/net/kernel_pick.h"

static const char *const levels[] = {"v2", "v3", "v4"};

/* The same numbers in both precisions. */
struct pair {
    size_t count;
    float *f;
    double *d;
};

static struct pair pair_empty(size_t count)
{
    size_t bytes = (count * sizeof(float) + 63) / 64 * 64 + 64;
    struct pair p = {count, aligned_alloc(64, bytes), calloc(count + 1, sizeof(double))};
    memset(p.f, 0, bytes);
    return p;
}

static struct pair pair_random(size_t count, uint32_t stream)
{
    struct pair p = pair_empty(count);
    struct rng r;
    rng_start(&r, 21, stream, 0, 0);
    for (size_t i = 0; i < count; i++) p.d[i] = (double)(p.f[i] = rng_between(&r, -1, 1));
    return p;
}

static void pair_free(struct pair *p)
{
    free(p->f);
    free(p->d);
}

/* Channels past the last of each part are zero in every activation. */
static struct pair activation_random(int parts, int channels, struct shape s, int block, uint32_t stream)
{
    struct pair p = pair_random(activation_count(parts, channels, s, block), stream);
    size_t pixels = shape_pixels(s), padded = (size_t)channels_padded(channels, block);
    for (size_t c = 0; c < padded * (size_t)parts; c++)
        for (size_t i = 0; c % padded >= (size_t)channels && i < pixels; i++) {
            size_t at = activation_at(c, i, pixels, block);
            p.f[at] = 0;
            p.d[at] = 0;
        }
    return p;
}

static struct pair weights_random(const struct tensor_layout *t, uint32_t stream)
{
    struct pair canonical = pair_random(tensor_canonical_count(t), stream), p = pair_empty(tensor_arena_count(t));
    tensor_from_canonical(t, sizeof(float), canonical.f, p.f);
    tensor_from_canonical(t, sizeof(double), canonical.f, p.d);
    pair_free(&canonical);
    return p;
}

static void check_close(const char *what, struct pair p, double n)
{
    double most = 0;
    for (size_t i = 0; i < p.count; i++) most = fmax(most, fabs(p.d[i]));
    double bound = 16 * 0x1p-24 * (1 + sqrt(n)) * (1 + most);
    CHECK(most > 0);
    for (size_t i = 0; i < p.count; i++)
        if (!(fabs((double)p.f[i] - p.d[i]) <= bound))
            check_fail(__FILE__, __LINE__, "%s: element %zu of %zu is %.9g, the law says %.9g, bound %.3g", what, i, p.count, (double)p.f[i], p.d[i], bound);
}

static struct shape rectangle(int rows, int columns)
{
    return (struct shape){.rank = 2, .dims = {rows, columns, 1}};
}

/* Runs `test` at each level that this machine has, with the block that oneDNN likes here; `both_blocks`: with 8 and 16,
   for our own kernels, which serve either. */
static void at_each_level(bool both_blocks, void (*test)(const struct backend *fast, const struct backend *law))
{
    if (!backend_dnnl_available()) check_skip("this machine has no AVX2");
    int ran = 0;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        for (int block = 8; block <= 16; block += 8) {
            setenv("TANDEM_ISA", levels[i], 1);
            const struct kernel_simd *kernels = kernel_pick(block);
            struct backend fast = backend_dnnl();
            if (strcmp(kernels->isa, levels[i]) || (!both_blocks && block != fast.block)) continue;
            fast.block = block;
            struct backend law = backend_ref_double(block);
            fast.thread_start();
            test(&fast, &law);
            ran++;
        }
    CHECK(ran >= 2);
}

/* ---- 3x3 ------------------------------------------------------------------------------------------------ */
static void compare_conv(const struct backend *fast, const struct backend *law, struct conv_shape s)
{
    struct network_layer_kernels kernels = {0};
    struct conv *a, *b;
    s.block = fast->block;
    s.out = shape_convolved(s.in, s.stride);
    struct tensor_layout layout = {.kind = TENSOR_CONV, .block = s.block, .out = s.out_channels, .parts = s.parts, .in = s.in_channels, .taps = 9, .image = s.image};
    CHECK_INT(fast->conv_new(&s, false, &kernels, 1, &a, NULL), OK);
    CHECK_INT(law->conv_new(&s, false, &kernels, 1, &b, NULL), OK);
    for (int kind = 0; kind < 3 && !s.image; kind++)
        if (strstr(backend_dnnl_choice(a, kind), "ref") || (kind < 2 && !strcmp(backend_dnnl_choice(a, kind), "simd")))
            check_fail(__FILE__, __LINE__, "kind %d of %d to %d channels, %d x %d, stride %d: %s", kind, s.in_channels, s.out_channels, s.in.dims[0],
                       s.in.dims[1], s.stride, backend_dnnl_choice(a, kind));
    struct pair x, w = weights_random(&layout, 1), bias = pair_random((size_t)channels_padded(s.out_channels, s.block), 2);
    struct pair y = pair_empty(activation_count(1, s.out_channels, s.out, s.block)), d_y = activation_random(1, s.out_channels, s.out, s.block, 3);
    struct pair d_w = pair_empty(w.count), d_bias = pair_empty(bias.count), flipped = pair_empty(w.count);
    for (int c = s.out_channels; c < channels_padded(s.out_channels, s.block); c++) bias.f[c] = 0, bias.d[c] = 0;
    void *scratch = aligned_alloc(64, (fast->conv_scratch_bytes(a) + 127) / 64 * 64);
    if (s.image) {
        struct pair plain = pair_random((size_t)s.in_channels * shape_pixels(s.in), 0);
        x = pair_empty(fast->image_count(s.block, s.in_channels, s.in));
        fast->image_pack(s.in_channels, s.in, plain.f, x.f);
        law->image_pack(s.in_channels, s.in, plain.d, x.d);
        pair_free(&plain);
    } else {
        x = activation_random(s.parts, s.in_channels, s.in, s.block, 0);
    }
    fast->conv_forward(a, 0, scratch, x.f, w.f, s.bias ? bias.f : NULL, y.f);
    law->conv_forward(b, 0, NULL, x.d, w.d, s.bias ? bias.d : NULL, y.d);
    check_close("forward", y, 9.0 * s.parts * s.in_channels);
    fast->conv_backward_weights(a, 0, scratch, x.f, d_y.f, d_w.f, s.bias ? d_bias.f : NULL);
    law->conv_backward_weights(b, 0, NULL, x.d, d_y.d, d_w.d, s.bias ? d_bias.d : NULL);
    check_close("backward weights", d_w, (double)shape_pixels(s.out));
    if (s.bias) check_close("backward bias", d_bias, (double)shape_pixels(s.out));
    if (!s.image) {
        struct pair d_x = pair_empty(x.count);
        if (fast->conv_flips(a)) tensor_flip(&layout, sizeof(float), w.f, flipped.f);
        fast->conv_backward_data(a, 0, scratch, d_y.f, fast->conv_flips(a) ? flipped.f : w.f, d_x.f);
        law->conv_backward_data(b, 0, NULL, d_y.d, w.d, d_x.d);
        check_close("backward data", d_x, 9.0 * s.out_channels);
        pair_free(&d_x);
    }
    struct pair *all[] = {&x, &w, &bias, &y, &d_y, &d_w, &d_bias, &flipped};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) pair_free(all[i]);
    free(scratch);
    fast->conv_free(a);
    law->conv_free(b);
}

static void compare_convs(const struct backend *fast, const struct backend *law)
{
    static const int channels[] = {1, 3, 16, 24, 32}, sizes[][2] = {{5, 7}, {8, 8}, {13, 4}, {1, 2}, {2, 1}, {16, 33}};
    for (size_t i = 0; i < 5; i++)
        for (size_t o = 0; o < 5; o++)
            for (size_t k = 0; k < 6; k++)
                for (int stride = 1; stride <= 2; stride++) {
                    bool bias = (i + o + k) % 2;
                    compare_conv(fast, law, (struct conv_shape){.in = rectangle(sizes[k][0], sizes[k][1]), .parts = 1 + (o == 2), .in_channels = channels[i],
                                                                .out_channels = channels[o], .stride = stride, .bias = bias});
                }
}

static void compare_images(const struct backend *fast, const struct backend *law)
{
    static const int in[] = {1, 2, 3, 9}, out[] = {1, 16, 24, 33}, sizes[][2] = {{5, 7}, {8, 8}, {1, 1}, {2, 19}};
    for (size_t i = 0; i < 64; i++)
        compare_conv(fast, law, (struct conv_shape){.in = rectangle(sizes[i % 4][0], sizes[i % 4][1]), .parts = 1, .in_channels = in[i / 4 % 4],
                                                    .out_channels = out[i / 16], .stride = 1, .bias = i % 3 == 0, .image = true});
}

void test_fast_first_layers_agree_with_the_law(void)
{
    at_each_level(true, compare_images);
}

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
        CHECK_INT(law->conv_new(&s, false, &direct, 1, &conv, NULL), OK);
        struct pair x = activation_random(s.parts, s.in_channels, s.in, s.block, 0), d_y = activation_random(1, 20, s.out, s.block, 1);
        struct pair d_w = pair_empty(tensor_arena_count(&layout)), d_bias = pair_empty((size_t)channels_padded(20, s.block));
        kernels->conv_backward_weights(&s, x.f, d_y.f, d_w.f, d_bias.f);
        law->conv_backward_weights(conv, 0, NULL, x.d, d_y.d, d_w.d, d_bias.d);
        check_close("small backward weights", d_w, (double)shape_pixels(s.out));
        check_close("small backward bias", d_bias, (double)shape_pixels(s.out));
        law->conv_free(conv);
        pair_free(&x), pair_free(&d_y), pair_free(&d_w), pair_free(&d_bias);
    }
}

void test_fast_weight_gradients_of_small_images_agree_with_the_law(void)
{
    at_each_level(true, compare_small);
}

void test_dnnl_convolutions_agree_with_the_law_and_none_is_a_slow_one(void)
{
    at_each_level(false, compare_convs);
}

/* The very layers of the benchmark: names only (their numbers are those of the sizes above). */
void test_dnnl_has_a_fast_kernel_for_every_layer_of_the_benchmark(void)
{
    if (!backend_dnnl_available()) check_skip("this machine has no AVX2");
    struct backend fast = backend_dnnl();
    fast.thread_start();
    for (int base = 16; base <= 32; base += 16)
        for (int level = 0; level < 5; level++)
            for (int which = 0; which < 3; which++) { /* within a level; from the one above, strided; of a decoder */
                int width = base << level, side = (base * 8) >> level;
                struct conv_shape s = {.block = fast.block, .in = rectangle(side, side), .parts = which == 2 ? 2 : 1, .in_channels = width, .out_channels = width, .stride = 1};
                struct network_layer_kernels kernels = {0};
                struct conv *conv;
                if (which == 1) s.in_channels /= 2, s.in = rectangle(2 * side, 2 * side), s.stride = 2;
                s.out = shape_convolved(s.in, s.stride);
                CHECK_INT(fast.conv_new(&s, false, &kernels, 2, &conv, NULL), OK);
                for (int kind = 0; kind < 3; kind++)
                    if (kind < 2 || fast.block == 16) CHECK_HAS(backend_dnnl_choice(conv, kind), "jit");
                fast.conv_free(conv);
            }
}

void test_dnnl_winograd_is_right_or_said_to_be_missing(void)
{
    if (!backend_dnnl_available()) check_skip("this machine has no AVX2");
    struct backend fast = backend_dnnl(), law = backend_ref_double(fast.block);
    struct network_layer_kernels kernels = {.forward = ALGORITHM_WINOGRAD, .backward_data = ALGORITHM_WINOGRAD, .backward_weights = ALGORITHM_WINOGRAD};
    struct conv_shape s = {.block = fast.block, .in = rectangle(16, 16), .parts = 1, .in_channels = 32, .out_channels = 32, .stride = 1};
    struct tensor_layout layout = {.kind = TENSOR_CONV, .block = s.block, .out = 32, .parts = 1, .in = 32, .taps = 9};
    struct conv *a, *b;
    s.out = s.in;
    fast.thread_start();
    CHECK_INT(fast.conv_new(&s, false, &kernels, 1, &a, NULL), OK);
    if (kernels.forward == ALGORITHM_DIRECT) CHECK(!strstr(backend_dnnl_choice(a, 0), "wino"));
    else CHECK_HAS(backend_dnnl_choice(a, 0), "wino");
    CHECK(fast.conv_flips(a) == (kernels.backward_data == ALGORITHM_DIRECT));
    struct network_layer_kernels direct = {0};
    CHECK_INT(law.conv_new(&s, false, &direct, 1, &b, NULL), OK);
    struct pair x = activation_random(1, 32, s.in, s.block, 0), w = weights_random(&layout, 1), y = pair_empty(x.count);
    void *scratch = aligned_alloc(64, (fast.conv_scratch_bytes(a) + 127) / 64 * 64);
    fast.conv_forward(a, 0, scratch, x.f, w.f, NULL, y.f);
    law.conv_forward(b, 0, NULL, x.d, w.d, NULL, y.d);
    check_close("winograd or direct", y, 9 * 32 * 16); /* F(4x4,3x3) loses about two bits (core.md: up to 1.5e-6 relative) */
    pair_free(&x), pair_free(&w), pair_free(&y);
    free(scratch);
    fast.conv_free(a);
    law.conv_free(b);
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
    fast->up_backward_weights(&s, x.f, d_y.f, d_w.f, d_bias.f);
    law->up_backward_weights(&s, x.d, d_y.d, d_w.d, d_bias.d);
    check_close("up backward weights", d_w, (double)shape_pixels(size));
    check_close("up backward bias", d_bias, (double)shape_pixels(wide));
    tensor_flip(&layout, sizeof(float), w.f, flipped.f);
    fast->up_backward_data(&s, d_y.f, flipped.f, d_x.f);
    law->up_backward_data(&s, d_y.d, w.d, d_x.d);
    check_close("up backward data", d_x, 4.0 * out);
    struct pair *all[] = {&x, &w, &bias, &y, &d_y, &d_x, &d_w, &d_bias, &flipped};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) pair_free(all[i]);
}

static void compare_ups(const struct backend *fast, const struct backend *law)
{
    static const int channels[] = {1, 3, 16, 24, 32}, sizes[][2] = {{3, 7}, {4, 8}, {1, 1}, {2, 5}};
    for (size_t i = 0; i < 5; i++)
        for (size_t o = 0; o < 5; o++)
            for (size_t k = 0; k < 4; k++) compare_up(fast, law, channels[i], channels[o], rectangle(sizes[k][0], sizes[k][1]));
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
        fast->norm_backward(&s, z.f, norm ? gamma.f : NULL, norm ? beta.f : NULL, stats.f, g.f, two ? more.f : NULL, d_gamma.f, d_beta.f);
        law->norm_backward(&s, z.d, norm ? gamma.d : NULL, norm ? beta.d : NULL, stats.d, g.d, two ? more.d : NULL, d_gamma.d, d_beta.d);
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
            fast->head_forward(&head, x.f, w.f, bias.f, logits.f), law->head_forward(&head, x.d, w.d, bias.d, logits.d);
            fast->head_backward(&head, x.f, w.f, d_logits.f, d_in.f, d_w.f, d_bias.f);
            law->head_backward(&head, x.d, w.d, d_logits.d, d_in.d, d_w.d, d_bias.d);
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
