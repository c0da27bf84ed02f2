/* test_winograd: our Winograd convolutions against the law in double, over shapes, samples and parts, at each level this
   machine has. */
#include "tests/check.h"

#ifdef HAVE_DNNL
#include "tests/unit/pair_fixture.h"

enum { SAMPLES_MAX = 3, GUARD = 64, GAP = 32 };
static const float GUARD_VALUE = 12345.5f;

/* A buffer of floats with guards before and behind, filled with the guard's value all through. */
struct guarded {
    size_t count;
    float *all, *at;
};
static struct guarded guarded_new(size_t count)
{
    size_t bytes = ((count + 2 * GUARD) * sizeof(float) + 63) / 64 * 64;
    struct guarded g = {count, aligned_alloc(64, bytes), NULL};
    g.at = g.all + GUARD;
    for (size_t i = 0; i < count + 2 * GUARD; i++) g.all[i] = GUARD_VALUE;
    return g;
}
static void check_guard(const char *what, struct guarded g, size_t written, size_t stride, int samples)
{
    for (int i = 0; i < GUARD; i++)
        if (g.all[i] != GUARD_VALUE || g.at[g.count + (size_t)i] != GUARD_VALUE) check_fail(__FILE__, __LINE__, "%s: wrote outside", what);
    for (int n = 0; n < samples; n++)
        for (size_t i = written; i < stride && (size_t)n * stride + i < g.count; i++)
            if (g.at[(size_t)n * stride + i] != GUARD_VALUE) check_fail(__FILE__, __LINE__, "%s: wrote between samples %d and %d", what, n, n + 1);
}

static void check_error(const char *what, const struct conv_shape *s, const float *got, const double *want, size_t count, double bound)
{
    double off = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        off += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        size += want[i] * want[i];
    }
    CHECK(size > 0);
    if (!(sqrt(off / size) <= bound))
        check_fail(__FILE__, __LINE__, "%s, block %d, stride %d, %d x %d pixels, %d x %d to %d channels: relative error %.3g, bound %.3g", what, s->block, s->stride,
                   s->in.dims[0], s->in.dims[1], s->parts, s->in_channels, s->out_channels, sqrt(off / size), bound);
}

/* Everything that one shape needs: tensors of some samples, weights, and the law's layer. */
struct rig {
    const struct kernel_simd *simd;
    const struct backend *law;
    struct conv_shape s;
    int samples;
    struct conv *conv;
    struct pair w, bias, x[SAMPLES_MAX], d_y[SAMPLES_MAX];
    struct guarded in, out, stats, d_in, prepared, scratch;
    size_t in_count, out_count, in_stride, out_stride, stats_stride;
};

static struct rig rig_new(const struct backend *fast, const struct backend *law, struct conv_shape s, int samples)
{
    struct rig r = {.simd = kernel_pick(fast->block), .law = law, .samples = samples};
    struct tensor_layout layout = {.kind = TENSOR_CONV, .block = fast->block, .out = s.out_channels, .parts = s.parts, .in = s.in_channels, .taps = 9};
    struct network_layer_kernels direct = {0};
    s.block = fast->block;
    s.out = s.stride == 1 ? s.in : rectangle((s.in.dims[0] + 1) / 2, (s.in.dims[1] + 1) / 2);
    r.s = s;
    CHECK_INT(law->conv_new(&s, &use_of_one, &direct, &r.conv, NULL), OK);
    r.w = weights_random(&layout, 100);
    r.bias = pair_random((size_t)channels_padded(s.out_channels, s.block), 101);
    for (size_t c = (size_t)s.out_channels; c < r.bias.count; c++) r.bias.f[c] = 0, r.bias.d[c] = 0;
    r.in_count = activation_count(s.parts, s.in_channels, s.in, s.block), r.in_stride = r.in_count + GAP;
    r.out_count = activation_count(1, s.out_channels, s.out, s.block), r.out_stride = r.out_count + 2 * GAP;
    r.in = guarded_new((size_t)samples * r.in_stride), r.d_in = guarded_new((size_t)samples * r.in_stride);
    r.out = guarded_new((size_t)samples * r.out_stride);
    r.stats_stride = 2 * (size_t)channels_padded(s.out_channels, s.block) + GAP;
    r.stats = guarded_new((size_t)samples * r.stats_stride);
    size_t scratch = 0; /* fewer samples may need more */
    for (int n = 1; n <= samples; n++)
        for (int k = 0; k <= 2; k++) scratch = r.simd->winograd_scratch_count(&s, n, k) > scratch ? r.simd->winograd_scratch_count(&s, n, k) : scratch;
    r.prepared = guarded_new(r.simd->winograd_weights_count(&s)), r.scratch = guarded_new(scratch);
    for (int n = 0; n < samples; n++) {
        r.x[n] = activation_random(s.parts, s.in_channels, s.in, s.block, (uint32_t)n);
        r.d_y[n] = activation_random(1, s.out_channels, s.out, s.block, (uint32_t)(10 + n));
        memcpy(r.in.at + (size_t)n * r.in_stride, r.x[n].f, r.in_count * sizeof(float));
    }
    return r;
}

static void rig_free(struct rig *r)
{
    r->law->conv_free(r->conv);
    for (int n = 0; n < r->samples; n++) pair_free(&r->x[n]), pair_free(&r->d_y[n]);
    pair_free(&r->w), pair_free(&r->bias);
    struct guarded *all[] = {&r->in, &r->out, &r->stats, &r->d_in, &r->prepared, &r->scratch};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]->all);
}

/* Weights are prepared in two goes, as lanes do that share it. */
static void rig_prepare(struct rig *r, bool backward)
{
    int tasks = r->simd->winograd_prepare_tasks(&r->s, backward), half = tasks / 2;
    r->simd->winograd_prepare(&r->s, backward, r->w.f, half, tasks - half, r->prepared.at);
    r->simd->winograd_prepare(&r->s, backward, r->w.f, 0, half, r->prepared.at);
    check_guard("prepared", r->prepared, 0, 0, 0);
}

/* ---- forward, backward data ----------------------------------------------------------------------------- */
/* The statistics of r->out: those that a norm finds in it, and those of one sample are the same bits beside others and alone. */
static void compare_stats(struct rig *r, bool bias)
{
    size_t padded = (r->stats_stride - GAP) / 2;
    struct norm_shape norm = {.block = r->s.block, .channels = r->s.out_channels, .pixels = shape_pixels(r->s.out), .norm = MODEL_NORM_INSTANCE};
    struct pair alone = pair_empty(2 * padded), found = pair_empty(2 * padded), ones = pair_empty(padded), y = pair_empty(r->out_count);
    check_guard("statistics", r->stats, 2 * padded, r->stats_stride, r->samples);
    for (int n = 0; n < r->samples; n++) {
        const float *stats = r->stats.at + (size_t)n * r->stats_stride, *out = r->out.at + (size_t)n * r->out_stride;
        r->simd->winograd_forward(&r->s, 1, 0, r->in.at + (size_t)n * r->in_stride, NULL, r->prepared.at, bias ? r->bias.f : NULL, 0, y.f, 0, alone.f, r->scratch.at);
        CHECK(memcmp(alone.f, stats, 2 * padded * sizeof(float)) == 0);
        r->simd->norm_forward(&norm, out, ones.f, ones.f, found.f, y.f);
        for (size_t c = 0; c < padded; c++) {
            double deviation = 1 / (double)found.f[padded + c];
            CHECK_NEAR((double)stats[c], (double)found.f[c], 2e-6 * (deviation + fabs((double)found.f[c])));
            CHECK_NEAR((double)stats[padded + c] * deviation, 1, 1e-5);
        }
    }
    struct pair *all[] = {&alone, &found, &ones, &y};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) pair_free(all[i]);
}

static void compare_forward(struct rig *r, bool bias)
{
    struct pair y = pair_empty(r->out_count);
    rig_prepare(r, false);
    for (int again = 0; again < 2; again++) {
        struct guarded before = r->out;
        if (again) r->out = guarded_new(before.count);
        r->simd->winograd_forward(&r->s, r->samples, r->in_stride, r->in.at, NULL, r->prepared.at, bias ? r->bias.f : NULL, r->out_stride, r->out.at,
                                  r->stats_stride, again ? r->stats.at : NULL, r->scratch.at);
        check_guard("forward", r->out, r->out_count, r->out_stride, r->samples);
        check_guard("forward scratch", r->scratch, 0, 0, 0);
        if (!again) continue;
        CHECK(memcmp(before.at, r->out.at, before.count * sizeof(float)) == 0);
        free(before.all);
    }
    compare_stats(r, bias);
    for (int n = 0; n < r->samples; n++) {
        r->law->conv_forward(r->conv, 0, &batch_of_one, NULL, r->x[n].d, NULL, r->w.d, bias ? r->bias.d : NULL, y.d, NULL);
        check_error("forward", &r->s, r->out.at + (size_t)n * r->out_stride, y.d, r->out_count, 3e-6);
    }
    pair_free(&y);
}

static void compare_backward_data(struct rig *r)
{
    struct pair d_x = pair_empty(r->in_count);
    rig_prepare(r, true);
    for (int n = 0; n < r->samples; n++) memcpy(r->out.at + (size_t)n * r->out_stride, r->d_y[n].f, r->out_count * sizeof(float));
    r->simd->winograd_backward_data(&r->s, r->samples, r->out_stride, r->out.at, r->prepared.at, r->in_stride, r->d_in.at, r->scratch.at);
    check_guard("backward data", r->d_in, r->in_count, r->in_stride, r->samples);
    check_guard("backward data scratch", r->scratch, 0, 0, 0);
    for (int n = 0; n < r->samples; n++) {
        r->law->conv_backward_data(r->conv, 0, &batch_of_one, NULL, r->d_y[n].d, r->w.d, d_x.d);
        check_error("backward data", &r->s, r->d_in.at + (size_t)n * r->in_stride, d_x.d, r->in_count, 3e-6);
    }
    pair_free(&d_x);
}

/* ---- both in one ----------------------------------------------------------------------------------------- */
/* Backward data on the way of weight gradients is what it is alone, and so are the weights, `d_w`. */
static void compare_joined(struct rig *r, struct winograd_backward all, float *const d_w[])
{
    size_t apart = (size_t)r->samples * r->in_stride;
    struct guarded joined = guarded_new(2 * apart), alone = guarded_new(2 * apart);
    float *const again[2] = {guarded_new(r->w.count).at, guarded_new(r->w.count).at};
    rig_prepare(r, true);
    all.prepared = r->prepared.at, all.d_w = again, all.d_in = joined.at, all.d_in_stride = r->in_stride, all.d_in_apart = apart;
    r->simd->winograd_backward(&r->s, &all, r->scratch.at);
    check_guard("backward in one, scratch", r->scratch, 0, 0, 0);
    for (int c = 0; c < all.cotangents; c++) {
        r->simd->winograd_backward_data(&r->s, r->samples, r->out_stride, all.d_out + (size_t)c * all.out_apart, r->prepared.at, r->in_stride,
                                        alone.at + (size_t)c * apart, r->scratch.at);
        CHECK(memcmp(again[c], d_w[c], r->w.count * sizeof(float)) == 0);
    }
    check_guard("backward in one", joined, r->in_count, r->in_stride, r->samples * all.cotangents);
    CHECK(memcmp(joined.at, alone.at, 2 * apart * sizeof(float)) == 0);
    free(joined.all), free(alone.all), free(again[0] - GUARD), free(again[1] - GUARD);
}

/* ---- weight gradients ----------------------------------------------------------------------------------- */
/* Of one or two gradients of the same outputs; the second is the first one's samples in the other order. */
static void compare_backward_weights(struct rig *r, int cotangents)
{
    size_t apart = (size_t)r->samples * r->out_stride;
    struct guarded d_out = guarded_new(2 * apart), d_w[2], d_bias[2];
    float *w[2], *b[2];
    for (int c = 0; c < 2; c++) {
        d_w[c] = guarded_new(r->w.count), d_bias[c] = guarded_new(r->bias.count);
        w[c] = d_w[c].at, b[c] = d_bias[c].at;
        for (int n = 0; n < r->samples; n++) {
            const float *from = r->d_y[c ? r->samples - 1 - n : n].f;
            memcpy(d_out.at + (size_t)c * apart + (size_t)n * r->out_stride, from, r->out_count * sizeof(float));
        }
    }
    const struct winograd_backward all = {.samples = r->samples, .cotangents = cotangents, .in_stride = r->in_stride, .in = r->in.at, .out_stride = r->out_stride,
                                          .out_apart = apart, .d_out = d_out.at, .d_w = w, .d_bias = b};
    r->simd->winograd_backward(&r->s, &all, r->scratch.at);
    check_guard("backward weights scratch", r->scratch, 0, 0, 0);
    compare_joined(r, all, w);
    for (int c = 0; c < 2; c++) {
        struct pair sum = pair_empty(r->w.count), sum_bias = pair_empty(r->bias.count), one = pair_empty(r->w.count), one_bias = pair_empty(r->bias.count);
        for (int n = 0; n < r->samples; n++) {
            r->law->conv_backward_weights(r->conv, 0, &batch_of_one, NULL, r->x[n].d, NULL, r->d_y[c ? r->samples - 1 - n : n].d, one.d, one_bias.d);
            for (size_t i = 0; i < one.count; i++) sum.d[i] += one.d[i];
            for (size_t i = 0; i < one_bias.count; i++) sum_bias.d[i] += one_bias.d[i];
        }
        check_guard("backward weights", d_w[c], c < cotangents ? r->w.count : 0, r->w.count, 1);
        check_guard("backward bias", d_bias[c], c < cotangents ? r->bias.count : 0, r->bias.count, 1);
        if (c < cotangents) {
            check_error("backward weights", &r->s, w[c], sum.d, sum.count, 1e-5);
            check_error("backward bias", &r->s, b[c], sum_bias.d, sum_bias.count, 1e-6);
        }
        pair_free(&sum), pair_free(&sum_bias), pair_free(&one), pair_free(&one_bias), free(d_w[c].all), free(d_bias[c].all);
    }
    free(d_out.all);
}

/* Rows, columns, parts, channels in and out, samples: every remainder by the tile of 4, borders only, a block of tiles that
   ends inside a sample, channels that fill half a panel or no block; the last: several blocks at every level, of whole panels and half ones. */
static const int shapes[][6] = {
    {1, 1, 1, 8, 8, 1},    {1, 5, 1, 8, 16, 2},   {2, 3, 1, 16, 8, 3},   {3, 37, 1, 3, 24, 1},  {4, 4, 2, 16, 16, 2},  {5, 6, 1, 24, 40, 2},
    {7, 9, 2, 8, 20, 3},   {8, 8, 1, 64, 64, 3},  {10, 11, 2, 32, 32, 1}, {12, 16, 1, 32, 64, 2}, {13, 4, 1, 17, 33, 1}, {37, 35, 1, 16, 16, 1},
    {24, 20, 1, 8, 8, 2},  {37, 36, 2, 16, 8, 1}, {6, 6, 1, 128, 128, 1}, {37, 36, 1, 64, 48, 1},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };
static struct rig rig_of(const struct backend *fast, const struct backend *law, int i, int stride)
{
    const int *n = shapes[i];
    return rig_new(fast, law, (struct conv_shape){.in = rectangle(n[0], n[1]), .stride = stride, .parts = n[2], .in_channels = n[3], .out_channels = n[4]}, n[5]);
}

static void compare_both_ways(const struct backend *fast, const struct backend *law)
{
    for (int i = 0; i < 2 * SHAPES; i++) {
        struct rig r = rig_of(fast, law, i / 2, 1 + i % 2);
        compare_forward(&r, i % 2 == i / 2 % 2);
        compare_backward_data(&r);
        rig_free(&r);
    }
}

void test_winograd_forward_and_backward_data_agree_with_the_law(void)
{
    at_each_level(true, compare_both_ways);
}

/* A mean a thousand deviations from zero: plain sums of squares would keep no digit of the variance. */
static void compare_far_stats(const struct backend *fast, const struct backend *law)
{
    struct rig r = rig_new(fast, law, (struct conv_shape){.in = rectangle(33, 47), .stride = 1, .parts = 1, .in_channels = 16, .out_channels = 16}, 2);
    for (size_t c = 0; c < r.bias.count; c++) r.bias.f[c] += 3000, r.bias.d[c] = (double)r.bias.f[c];
    compare_forward(&r, true);
    for (int n = 0; n < r.samples; n++) {
        struct norm_shape norm = {.block = r.s.block, .channels = 16, .pixels = shape_pixels(r.s.out), .norm = MODEL_NORM_INSTANCE};
        struct pair y = pair_empty(r.out_count), exact = pair_empty(2 * r.bias.count), ones = pair_empty(r.bias.count);
        for (size_t i = 0; i < r.out_count; i++) y.d[i] = (double)r.out.at[(size_t)n * r.out_stride + i];
        law->norm_forward(&norm, y.d, ones.d, ones.d, exact.d, y.d);
        const float *stats = r.stats.at + (size_t)n * r.stats_stride;
        for (size_t c = 0; c < 16; c++) CHECK_NEAR((double)stats[r.bias.count + c] / exact.d[r.bias.count + c], 1, 1e-5);
        pair_free(&y), pair_free(&exact), pair_free(&ones);
    }
    rig_free(&r);
}

void test_winograd_statistics_keep_their_digits_far_from_zero(void)
{
    at_each_level(true, compare_far_stats);
}

static void compare_weights(const struct backend *fast, const struct backend *law)
{
    for (int i = 0; i < 2 * SHAPES; i++) {
        struct rig r = rig_of(fast, law, i / 2, 1 + i % 2);
        compare_backward_weights(&r, 1 + i / 2 % 2);
        rig_free(&r);
    }
}

void test_winograd_weight_gradients_agree_with_the_law(void)
{
    at_each_level(true, compare_weights);
}
#endif
