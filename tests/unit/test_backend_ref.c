/* test_backend_ref: every kernel of the law against central differences, in double, plain and blocked, with padding channels. */
#include <math.h>

#include "tests/check.h"
#include "worker/net/backend.h"
#include "worker/net/rng.h"
#include "worker/net/weights.h"

/* One op as a function of up to three inputs; the loss is the dot product of its output with `cotangent`. */
enum { INPUTS = 3 };
static const struct conv_use use = {.lanes = 1, .samples = 1, .cotangents = 1};
struct differentiable {
    struct backend backend;
    const void *shape;
    struct conv *conv;
    size_t count[INPUTS], out_count;
    double *in[INPUTS], *gradient[INPUTS], *out, *cotangent;
    void (*forward)(struct differentiable *d);
    void (*backward)(struct differentiable *d);
};

static double *random_numbers(size_t count, uint32_t stream)
{
    struct rng r;
    double *numbers = calloc(count ? count : 1, sizeof *numbers);
    rng_start(&r, 11, stream, 0, 0);
    for (size_t i = 0; i < count; i++) numbers[i] = rng_normal(&r);
    return numbers;
}

static double loss(struct differentiable *d)
{
    double sum = 0;
    d->forward(d);
    for (size_t i = 0; i < d->out_count; i++) sum += d->out[i] * d->cotangent[i];
    return sum;
}

/* Step 1e-5: truncation is about 1e-10 of the third derivative, rounding about 1e-16 * |loss| / 1e-5 = 1e-9. */
static void check_gradients(struct differentiable *d)
{
    const double step = 1e-5;
    for (int k = 0; k < INPUTS; k++) {
        d->in[k] = random_numbers(d->count[k], (uint32_t)k);
        d->gradient[k] = calloc(d->count[k] + 1, sizeof(double));
    }
    d->out = calloc(d->out_count, sizeof(double));
    d->cotangent = random_numbers(d->out_count, 9);
    d->forward(d);
    d->backward(d);
    int nonzero = 0;
    for (int k = 0; k < INPUTS; k++)
        for (size_t i = 0; i < d->count[k]; i++) {
            double x = d->in[k][i];
            d->in[k][i] = x + step;
            double more = loss(d);
            d->in[k][i] = x - step;
            double less = loss(d), want = (more - less) / (2 * step);
            d->in[k][i] = x;
            nonzero += want != 0;
            if (!(fabs(d->gradient[k][i] - want) <= 2e-7 * (1 + fabs(want))))
                check_fail(__FILE__, __LINE__, "input %d element %zu: gradient %.12g, differences say %.12g", k, i, d->gradient[k][i], want);
        }
    CHECK(nonzero > 0);
    for (int k = 0; k < INPUTS; k++) free(d->in[k]), free(d->gradient[k]);
    free(d->out);
    free(d->cotangent);
}

static struct shape rectangle(int rows, int columns)
{
    return (struct shape){.rank = 2, .dims = {rows, columns, 1}};
}

/* ---- convolution ------------------------------------------------------------------------------------- */
static void conv_forward(struct differentiable *d)
{
    d->backend.conv_forward(d->conv, 0, &batch_of_one, NULL, d->in[0], NULL, d->in[1], d->count[2] ? d->in[2] : NULL, d->out, NULL);
}
static void conv_backward(struct differentiable *d)
{
    const struct conv_shape *s = d->shape;
    d->backend.conv_backward_weights(d->conv, 0, &batch_of_one, NULL, d->in[0], NULL, d->cotangent, d->gradient[1], d->count[2] ? d->gradient[2] : NULL);
    if (!s->image) d->backend.conv_backward_data(d->conv, 0, &batch_of_one, NULL, d->cotangent, d->in[1], d->gradient[0]);
    else d->count[0] = 0; /* the image has no gradient */
}

static void check_conv(struct conv_shape s)
{
    struct network_layer_kernels kernels = {0};
    struct tensor_layout w = {.kind = TENSOR_CONV, .block = s.block, .out = s.out_channels, .parts = s.parts, .in = s.in_channels, .taps = 9,
                              .image = s.image};
    s.out = shape_convolved(s.in, s.stride);
    struct differentiable d = {.backend = backend_ref_double(s.block), .shape = &s, .forward = conv_forward, .backward = conv_backward};
    d.count[0] = s.image ? d.backend.image_count(s.block, s.in_channels, s.in) : activation_count(s.parts, s.in_channels, s.in, s.block);
    d.count[1] = tensor_arena_count(&w);
    d.count[2] = s.bias ? (size_t)channels_padded(s.out_channels, s.block) : 0;
    d.out_count = activation_count(1, s.out_channels, s.out, s.block);
    CHECK_INT(d.backend.conv_new(&s, &use, &kernels, &d.conv, NULL), OK);
    check_gradients(&d);
    d.backend.conv_free(d.conv);
}

void test_ref_conv_gradients_are_those_of_central_differences(void)
{
    for (int block = 1; block <= 4; block += 3)
        for (int stride = 1; stride <= 2; stride++) {
            check_conv((struct conv_shape){.block = block, .in = rectangle(5, 4), .parts = 1, .in_channels = 3, .out_channels = 2, .stride = stride});
            check_conv((struct conv_shape){.block = block, .in = rectangle(4, 7), .parts = 2, .in_channels = 2, .out_channels = 5, .stride = stride, .bias = true});
            check_conv((struct conv_shape){.block = block, .in = rectangle(1, 3), .parts = 1, .in_channels = 1, .out_channels = 1, .stride = stride});
            check_conv((struct conv_shape){.block = block, .in = rectangle(4, 5), .parts = 1, .in_channels = 3, .out_channels = 5, .stride = stride, .image = true});
        }
}

/* The law itself, against a convolution written in the other way round: pixel by pixel, with bounds tested each time. */
static void check_correlation(int rows, int columns, int stride)
{
    struct conv_shape s = {.block = 1, .in = rectangle(rows, columns), .parts = 1, .in_channels = 2, .out_channels = 3, .stride = stride, .bias = true};
    struct backend b = backend_ref_double(1);
    struct network_layer_kernels kernels = {0};
    struct conv *conv;
    s.out = shape_convolved(s.in, stride);
    double *x = random_numbers((size_t)(2 * rows * columns), 0), *w = random_numbers(54, 1), *bias = random_numbers(3, 2), out[90];
    CHECK_INT(b.conv_new(&s, &use, &kernels, &conv, NULL), OK);
    b.conv_forward(conv, 0, &batch_of_one, NULL, x, NULL, w, bias, out, NULL);
    for (int o = 0; o < 3; o++)
        for (int y = 0; y < s.out.dims[0]; y++)
            for (int c = 0; c < s.out.dims[1]; c++) {
                double want = bias[o];
                for (int i = 0; i < 2; i++)
                    for (int k = 0; k < 9; k++) {
                        int v = y * stride + k / 3 - 1, u = c * stride + k % 3 - 1;
                        if (v >= 0 && v < rows && u >= 0 && u < columns) want += w[(o * 2 + i) * 9 + k] * x[(i * rows + v) * columns + u];
                    }
                CHECK_NEAR(out[(o * s.out.dims[0] + y) * s.out.dims[1] + c], want, 1e-13);
            }
    b.conv_free(conv);
    free(x), free(w), free(bias);
}

void test_ref_conv_is_a_cross_correlation_with_zero_border(void)
{
    for (int stride = 1; stride <= 2; stride++)
        for (int rows = 1; rows <= 5; rows++)
            for (int columns = 1; columns <= 6; columns++) check_correlation(rows, columns, stride);
}

/* ---- transposed convolution -------------------------------------------------------------------------- */
static void up_forward(struct differentiable *d)
{
    d->backend.up_forward(d->shape, d->in[0], d->in[1], d->in[2], d->out);
}
static void up_backward(struct differentiable *d)
{
    d->backend.up_backward_weights(d->shape, &batch_of_one, d->in[0], d->cotangent, d->gradient[1], d->gradient[2]);
    d->backend.up_backward_data(d->shape, d->cotangent, d->in[1], d->gradient[0]);
}

void test_ref_up_gradients_are_those_of_central_differences(void)
{
    for (int block = 1; block <= 4; block += 3) {
        struct up_shape s = {.block = block, .in = rectangle(3, 2), .in_channels = 5, .out_channels = 3};
        struct tensor_layout w = {.kind = TENSOR_UP, .block = block, .out = 3, .parts = 1, .in = 5, .taps = 4};
        struct differentiable d = {.backend = backend_ref_double(block), .shape = &s, .forward = up_forward, .backward = up_backward};
        d.count[0] = activation_count(1, 5, s.in, block);
        d.count[1] = tensor_arena_count(&w);
        d.count[2] = (size_t)channels_padded(3, block);
        d.out_count = activation_count(1, 3, rectangle(6, 4), block);
        check_gradients(&d);
    }
}

/* ---- norm and activation ----------------------------------------------------------------------------- */
static double stats[64];
static void norm_forward(struct differentiable *d)
{
    const struct norm_shape *s = d->shape;
    bool norm = s->norm != MODEL_NORM_NONE;
    d->backend.norm_forward(s, d->in[0], norm ? d->in[1] : NULL, norm ? d->in[2] : NULL, stats, d->out);
}
static void norm_backward(struct differentiable *d)
{
    const struct norm_shape *s = d->shape;
    bool norm = s->norm != MODEL_NORM_NONE;
    for (size_t i = 0; i < d->out_count; i++) d->gradient[0][i] = 0.25 * d->cotangent[i];
    double *more = calloc(d->out_count, sizeof *more);
    for (size_t i = 0; i < d->out_count; i++) more[i] = 0.75 * d->cotangent[i];
    d->backend.norm_backward(s, &batch_of_one, d->in[0], norm ? d->in[1] : NULL, norm ? d->in[2] : NULL, stats, d->gradient[0], more, d->gradient[1], d->gradient[2]);
    free(more);
}

void test_ref_norm_gradients_are_those_of_central_differences(void)
{
    static const struct {
        enum model_norm norm;
        int channels, groups;
        float slope;
    } rows[] = {{MODEL_NORM_INSTANCE, 3, 1, 0.125f}, {MODEL_NORM_INSTANCE, 5, 1, 0}, {MODEL_NORM_GROUP, 6, 2, 0.125f},
                {MODEL_NORM_GROUP, 6, 6, 0.125f}, {MODEL_NORM_NONE, 3, 1, 0.125f}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int block = 1; block <= 4; block += 3) {
            struct norm_shape s = {.block = block, .channels = rows[i].channels, .pixels = 7, .norm = rows[i].norm, .groups = rows[i].groups, .slope = rows[i].slope};
            struct differentiable d = {.backend = backend_ref_double(block), .shape = &s, .forward = norm_forward, .backward = norm_backward};
            d.out_count = d.count[0] = (size_t)channels_padded(s.channels, block) * s.pixels;
            if (s.norm != MODEL_NORM_NONE) d.count[1] = d.count[2] = (size_t)channels_padded(s.channels, block);
            check_gradients(&d);
        }
}

void test_ref_norm_gives_mean_zero_and_variance_one(void)
{
    struct norm_shape s = {.block = 1, .channels = 1, .pixels = 1000, .norm = MODEL_NORM_INSTANCE, .slope = 1};
    double *z = random_numbers(1000, 0), out[1000], one = 1, zero = 0, sum = 0, square = 0;
    for (int i = 0; i < 1000; i++) z[i] = 1e4 + 3 * z[i];
    backend_ref_double(1).norm_forward(&s, z, &one, &zero, stats, out);
    for (int i = 0; i < 1000; i++) sum += out[i], square += out[i] * out[i];
    CHECK_NEAR(sum / 1000, 0, 1e-10);
    CHECK_NEAR(square / 1000, 1, 2e-6); /* eps / variance is 1e-5 / 9 */
    free(z);
}

/* ---- pooling and head -------------------------------------------------------------------------------- */
static void pool_forward(struct differentiable *d)
{
    d->backend.pool_forward(d->shape, d->in[0], d->out);
}
static void pool_backward(struct differentiable *d)
{
    d->backend.pool_backward(d->shape, d->in[0], d->cotangent, d->gradient[0]);
}
static void head_forward(struct differentiable *d)
{
    d->backend.head_forward(d->shape, d->in[0], NULL, d->in[1], d->in[2], d->out);
}
static void head_backward(struct differentiable *d)
{
    d->backend.head_backward(d->shape, &batch_of_one, d->in[0], NULL, d->in[1], d->cotangent, d->gradient[0], d->gradient[1], d->gradient[2]);
}

void test_ref_pool_and_head_gradients_are_those_of_central_differences(void)
{
    for (int block = 1; block <= 4; block += 3) {
        struct pool_shape pool = {.block = block, .channels = 3, .in = rectangle(4, 6)};
        struct differentiable p = {.backend = backend_ref_double(block), .shape = &pool, .forward = pool_forward, .backward = pool_backward};
        p.count[0] = activation_count(1, 3, pool.in, block);
        p.out_count = p.count[0] / 4;
        check_gradients(&p);
        struct head_shape head = {.block = block, .channels = 5, .out_channels = 3, .pixels = 6};
        struct differentiable h = {.backend = backend_ref_double(block), .shape = &head, .forward = head_forward, .backward = head_backward};
        h.count[0] = (size_t)channels_padded(5, block) * 6;
        h.count[1] = 3 * (size_t)channels_padded(5, block);
        h.count[2] = 3;
        h.out_count = 18;
        check_gradients(&h);
    }
}

void test_ref_pool_adds_to_the_first_of_equal_maxima(void)
{
    struct pool_shape s = {.block = 1, .channels = 1, .in = rectangle(2, 2)};
    double in[4] = {1, 5, 5, 5}, out, d_out = 2, d_in[4] = {1, 1, 1, 1};
    struct backend b = backend_ref_double(1);
    b.pool_forward(&s, in, &out);
    b.pool_backward(&s, in, &d_out, d_in);
    CHECK(out == 5 && d_in[0] == 1 && d_in[1] == 3 && d_in[2] == 1 && d_in[3] == 1);
    in[3] = (double)NAN;
    b.pool_forward(&s, in, &out);
    CHECK(isnan(out));
}
