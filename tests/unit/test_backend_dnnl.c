/* test_backend_dnnl: the 3x3 convolutions of the oneDNN backend against the law in double, and what oneDNN chose for them. */
#include "tests/check.h"

#ifdef HAVE_DNNL
#include "tests/unit/pair_fixture.h"

/* ---- 3x3 ------------------------------------------------------------------------------------------------ */
/* F(4x4, 3x3) is off by up to 2e-6 of the largest result (simd_winograd.h), a few times what direct sums are. */
static void compare_conv(const struct backend *fast, const struct backend *law, struct conv_shape s, enum network_algorithm algorithm)
{
    struct network_layer_kernels kernels = {.forward = algorithm, .backward_data = algorithm, .backward_weights = algorithm}, direct = {0};
    double looser = algorithm == ALGORITHM_WINOGRAD ? 16 : 1; /* check_close takes a square root of it */
    struct conv *a, *b;
    s.block = fast->block;
    s.out = shape_convolved(s.in, s.stride);
    struct tensor_layout layout = {.kind = TENSOR_CONV, .block = s.block, .out = s.out_channels, .parts = s.parts, .in = s.in_channels, .taps = 9, .image = s.image};
    CHECK_INT(fast->conv_new(&s, &use_of_one, &kernels, &a, NULL), OK);
    CHECK_INT(law->conv_new(&s, &use_of_one, &direct, &b, NULL), OK);
    for (int kind = 0; kind < 3 && !s.image && algorithm == ALGORITHM_DIRECT; kind++)
        if (strstr(backend_dnnl_choice(a, kind), "ref") || (kind < 2 && !strcmp(backend_dnnl_choice(a, kind), "simd")))
            check_fail(__FILE__, __LINE__, "kind %d of %d to %d channels, %d x %d, stride %d: %s", kind, s.in_channels, s.out_channels, s.in.dims[0],
                       s.in.dims[1], s.stride, backend_dnnl_choice(a, kind));
    struct pair x, w = weights_random(&layout, 1), bias = pair_random((size_t)channels_padded(s.out_channels, s.block), 2);
    struct pair y = pair_empty(activation_count(1, s.out_channels, s.out, s.block)), d_y = activation_random(1, s.out_channels, s.out, s.block, 3);
    struct pair d_w = pair_empty(w.count), d_bias = pair_empty(bias.count);
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
    struct pair ready = pair_empty(fast->conv_prepared_count(a, false));
    for (int task = ready.count ? fast->conv_prepare_tasks(a, false) : 0; task-- > 0;) fast->conv_prepare(a, false, w.f, task, 1, ready.f);
    fast->conv_forward(a, 0, &batch_of_one, scratch, x.f, NULL, ready.count ? ready.f : w.f, s.bias ? bias.f : NULL, y.f, NULL);
    law->conv_forward(b, 0, &batch_of_one, NULL, x.d, NULL, w.d, s.bias ? bias.d : NULL, y.d, NULL);
    check_close("forward", y, looser * 9.0 * s.parts * s.in_channels);
    fast->conv_backward_weights(a, 0, &batch_of_one, scratch, x.f, NULL, d_y.f, d_w.f, s.bias ? d_bias.f : NULL);
    law->conv_backward_weights(b, 0, &batch_of_one, NULL, x.d, NULL, d_y.d, d_w.d, s.bias ? d_bias.d : NULL);
    check_close("backward weights", d_w, looser * (double)shape_pixels(s.out));
    if (s.bias) check_close("backward bias", d_bias, (double)shape_pixels(s.out));
    if (!s.image) {
        struct pair d_x = pair_empty(x.count);
        struct pair flipped = pair_empty(fast->conv_prepared_count(a, true));
        for (int task = fast->conv_prepare_tasks(a, true); task-- > 0;) fast->conv_prepare(a, true, w.f, task, 1, flipped.f);
        fast->conv_backward_data(a, 0, &batch_of_one, scratch, d_y.f, flipped.count ? flipped.f : w.f, d_x.f);
        law->conv_backward_data(b, 0, &batch_of_one, NULL, d_y.d, w.d, d_x.d);
        check_close("backward data", d_x, looser * 9.0 * s.out_channels);
        pair_free(&d_x), pair_free(&flipped);
    }
    struct pair *all[] = {&x, &w, &bias, &y, &d_y, &d_w, &d_bias, &ready};
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
                                                                .out_channels = channels[o], .stride = stride, .bias = bias}, ALGORITHM_DIRECT);
                }
}

static void compare_images(const struct backend *fast, const struct backend *law)
{
    static const int in[] = {1, 2, 3, 9}, out[] = {1, 16, 24, 33}, sizes[][2] = {{5, 7}, {8, 8}, {1, 1}, {2, 19}};
    for (size_t i = 0; i < 64; i++)
        compare_conv(fast, law, (struct conv_shape){.in = rectangle(sizes[i % 4][0], sizes[i % 4][1]), .parts = 1, .in_channels = in[i / 4 % 4],
                                                    .out_channels = out[i / 16], .stride = 1, .bias = i % 3 == 0, .image = true}, ALGORITHM_DIRECT);
}

void test_fast_first_layers_agree_with_the_law(void)
{
    at_each_level(true, compare_images);
}

void test_dnnl_convolutions_agree_with_the_law_and_none_is_a_slow_one(void)
{
    at_each_level(false, compare_convs);
}

/* The very layers of the benchmark, with its patches and with smaller ones down to the least: names only (their numbers are
   those of the sizes above). */
void test_dnnl_has_a_fast_kernel_for_every_layer_of_the_benchmark(void)
{
    if (!backend_dnnl_available()) check_skip("this machine has no AVX2");
    struct backend fast = backend_dnnl();
    fast.thread_start();
    for (int i = 0; i < 2 * 4 * 5 * 3; i++) {
        int base = i % 2 ? 32 : 16, level = i / 8 % 5, which = i / 40; /* within a level; from the one above, strided; of a decoder */
        const int patches[][2] = {{base * 8, base * 8}, {64, 64}, {32, 32}, {16, 32}}, *patch = patches[i / 2 % 4];
        int width = base << level, rows = patch[0] >> level, columns = patch[1] >> level;
        struct conv_shape s = {.block = fast.block, .in = rectangle(rows, columns), .parts = which == 2 ? 2 : 1, .in_channels = width, .out_channels = width, .stride = 1};
        struct network_layer_kernels kernels = {0};
        struct conv *conv;
        if (which == 1) s.in_channels /= 2, s.in = rectangle(2 * rows, 2 * columns), s.stride = 2;
        s.out = shape_convolved(s.in, s.stride);
        CHECK_INT(fast.conv_new(&s, &use_of_one, &kernels, &conv, NULL), OK);
        for (int kind = 0; kind < 3; kind++) {
            const char *choice = backend_dnnl_choice(conv, kind);
            if (strstr(choice, "ref") || (!strstr(choice, "jit") && kind < 2))
                check_fail(__FILE__, __LINE__, "kind %d of a layer of %d channels, %d x %d, stride %d: %s", kind, width, rows, columns, s.stride, choice);
        }
        fast.conv_free(conv);
    }
}

/* Winograd where a layer has it, said to be direct where it has not; against the law, through the backend's own calls. */
static void check_winograd_layer(const struct backend *fast, const struct backend *law, struct conv_shape s, bool has)
{
    struct network_layer_kernels kernels = {.forward = ALGORITHM_WINOGRAD, .backward_data = ALGORITHM_WINOGRAD, .backward_weights = ALGORITHM_WINOGRAD};
    enum network_algorithm want = has ? ALGORITHM_WINOGRAD : ALGORITHM_DIRECT;
    const struct conv_use use = {.lanes = 1, .samples = 3, .cotangents = 2};
    struct conv *a;
    s.block = fast->block, s.out = shape_convolved(s.in, s.stride);
    CHECK_INT(fast->conv_new(&s, &use, &kernels, &a, NULL), OK);
    CHECK(kernels.forward == want && kernels.backward_data == want && kernels.backward_weights == want);
    for (int kind = 0; kind < 3; kind++) CHECK(!strcmp(backend_dnnl_choice(a, kind), "winograd") == has);
    CHECK((fast->conv_prepared_count(a, false) > 0) == has);
    fast->conv_free(a);
    if (has) compare_conv(fast, law, s, ALGORITHM_WINOGRAD);
}

static void compare_winograd_layers(const struct backend *fast, const struct backend *law)
{
    struct conv_shape plain = {.in = rectangle(13, 16), .parts = 2, .in_channels = 16, .out_channels = 24, .stride = 1, .bias = true}, strided = plain, image = plain;
    strided.stride = 2;
    image.image = true, image.parts = 1;
    check_winograd_layer(fast, law, plain, true);
    check_winograd_layer(fast, law, strided, true);
    check_winograd_layer(fast, law, image, false);
}

void test_dnnl_layers_take_winograd_or_say_that_they_have_not(void)
{
    at_each_level(false, compare_winograd_layers);
}
#endif
