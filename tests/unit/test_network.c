/* test_network: whole networks: gradients, the same bits for any number of lanes, memory, parameters, refusals. */
#include <math.h>
#include <stdatomic.h>

#include "tests/check.h"
#include "tests/unit/net_fixture.h"
#include "worker/net/backend_list.h"
#include "worker/net/network_inside.h"

void test_network_parameter_counts_of_the_benchmark(void)
{
    struct network_config xs = config_xs(), s = config_s();
    size_t count;
    CHECK_INT(network_parameter_count(&xs, &count, NULL), OK);
    CHECK_INT(count, 1942306);
    CHECK_INT(network_parameter_count(&s, &count, NULL), OK);
    CHECK_INT(count, 7762498);
}

/* ---- gradients --------------------------------------------------------------------------------------- */
/* In double: L = sum over samples of cotangent . logits, each parameter moved by a small step. */
static double tiny_loss(struct network *net, int samples, double *const images[], double *const cotangents[])
{
    size_t count = (size_t)net->config.out_channels * 96;
    double sum = 0;
    (void)network_weights(net); /* they were changed */
    network_forward(net, samples, (const float *const *)(const void *)images);
    for (int i = 0; i < samples; i++) {
        const double *logits = (const double *)(const void *)network_logits(net, i);
        for (size_t k = 0; k < count; k++) sum += logits[k] * cotangents[i][k];
    }
    return sum;
}

static void fill_doubles(double *to, size_t count, uint32_t stream)
{
    struct rng r;
    rng_start(&r, 5, stream, 0, 0);
    for (size_t i = 0; i < count; i++) to[i] = rng_normal(&r);
}

static void check_network_gradient(struct network_config c, int block, int micro_batch)
{
    enum { SAMPLES = 3 };
    const struct network_kernels kernels = {.micro_batch = micro_batch};
    c.kernels = &kernels;
    struct backend backend = backend_ref_double(block);
    struct network *net;
    struct err_note note;
    if (network_new_on(&c, &backend, &net, &note)) check_fail(__FILE__, __LINE__, "%s %s", note.pointer, note.detail);
    network_init(net, 1);
    double *w = (double *)(void *)network_weights(net), *images[SAMPLES], *cotangents[SAMPLES];
    size_t count = network_arena_count(net), outs = (size_t)c.out_channels * 96;
    for (int i = 0; i < SAMPLES; i++) {
        fill_doubles(images[i] = calloc((size_t)c.in_channels * 96, 8), (size_t)c.in_channels * 96, (uint32_t)i);
        fill_doubles(cotangents[i] = calloc(outs, 8), outs, 100 + (uint32_t)i);
    }
    /* norm weights and biases away from 1 and 0, so that their part shows; padding stays as it is */
    for (size_t i = 0; i < count; i++)
        if (w[i] != 0) w[i] *= 1 + 0.25 * sin((double)i);
    tiny_loss(net, SAMPLES, images, cotangents);
    for (int i = 0; i < SAMPLES; i++) memcpy(network_logit_gradient(net, 0, i), cotangents[i], outs * 8);
    network_backward(net, SAMPLES, 0);
    double *g = malloc(count * 8);
    memcpy(g, network_gradient(net, 0), count * 8);
    /* Step 1e-6 keeps nearly all activations on their side of the kink; rounding is about 1e-16 * 100 / 1e-6 = 1e-8. */
    const double step = 1e-6;
    int tested = 0, nonzero = 0, off = 0;
    struct rng r;
    rng_start(&r, 2, 0, 0, 0);
    for (size_t i = 0; i < count; i++) {
        if (rng_below(&r, 3)) continue;
        double keep = w[i];
        w[i] = keep + step;
        double more = tiny_loss(net, SAMPLES, images, cotangents);
        w[i] = keep - step;
        double less = tiny_loss(net, SAMPLES, images, cotangents), want = (more - less) / (2 * step);
        w[i] = keep;
        tested++;
        nonzero += g[i] != 0;
        if (!(fabs(g[i] - want) <= 1e-5 * (1 + fabs(want)))) off++;
    }
    CHECK(tested > 50 && nonzero > 50);
    CHECK_INT(off, 0);
    for (int i = 0; i < SAMPLES; i++) free(images[i]), free(cotangents[i]);
    free(g);
    network_free(net);
}

void test_network_gradient_is_that_of_central_differences_with_strides(void)
{
    check_network_gradient(config_tiny(), 1, 2); /* and a last sample alone */
}

void test_network_gradient_is_that_of_central_differences_where_levels_take_parts_of_a_micro_batch(void)
{
    struct network_config c = config_tiny(); /* 96, 24 and 6 pixels */
    for (int i = 0; i < 2; i++) {
        c.part_pixels = (int[]){48, 5}[i]; /* one, two and all three at a time; then each alone throughout */
        check_network_gradient(c, 1, 3);
    }
}

void test_network_gradient_is_that_of_central_differences_with_pooling_and_padding(void)
{
    struct network_config c = config_tiny();
    c.down = MODEL_DOWN_MAXPOOL;
    c.conv_bias = true;
    c.norm = MODEL_NORM_GROUP;
    c.groups = 2;
    c.widths[0] = 2, c.widths[1] = 4, c.widths[2] = 6;
    check_network_gradient(c, 4, 2);
}

void test_network_gradient_is_that_of_central_differences_without_norm(void)
{
    struct network_config c = config_tiny();
    c.norm = MODEL_NORM_NONE;
    c.conv_bias = true;
    c.activation = MODEL_RELU;
    c.convs = 1;
    check_network_gradient(c, 1, 2);
    c.levels = 1;
    c.convs = 3;
    check_network_gradient(c, 1, 2);
}

/* ---- the fixed tree ---------------------------------------------------------------------------------- */
/* Two steps of plain descent with the gradient of sum(logits^2); returns weights in canonical form. */
static float *train_two_steps(struct network_config c, const char *backend, const struct network_kernels *kernels, int lanes, int samples, size_t *count)
{
    struct network *net;
    struct err_note note;
    c.kernels = kernels;
    c.lanes = lanes;
    c.backend = backend;
    if (network_new(&c, &net, &note)) check_fail(__FILE__, __LINE__, "%s %s", note.pointer, note.detail);
    network_init(net, 3);
    size_t pixels = (size_t)(c.patch[0] * c.patch[1]), n = (size_t)c.in_channels * pixels;
    float *data = malloc((size_t)samples * n * sizeof *data);
    const float *images[16];
    for (int i = 0; i < samples; i++) fill_numbers(data + (size_t)i * n, n, 4, (uint32_t)i), images[i] = data + (size_t)i * n;
    for (int step = 0; step < 2; step++) {
        network_forward(net, samples, images);
        for (int i = 0; i < samples; i++)
            for (size_t k = 0; k < (size_t)c.out_channels * pixels; k++)
                network_logit_gradient(net, 0, i)[k] = network_logits(net, i)[k] / (float)pixels;
        network_backward(net, samples, 0);
        float *w = network_weights(net);
        for (size_t k = 0; k < network_arena_count(net); k++) w[k] -= 0.01f * network_gradient(net, 0)[k];
    }
    CHECK_INT(network_parameter_count(&c, count, NULL), OK);
    float *canonical = malloc(*count * sizeof *canonical);
    network_get_parameters(net, canonical);
    free(data);
    network_free(net);
    return canonical;
}

void test_network_weights_are_the_same_bits_for_any_number_of_lanes(void)
{
    struct network_config c = config_tiny();
    for (int best = 0; best < 3; best++) /* plain C, the best direct, the best with Winograd */
        for (int which = 0; which < 9; which++) {
            size_t count;
            int samples = 1 + which / 3 * 2, micro_batch = 1 + which % 3;
            for (int i = 0; best && i < 3; i++) c.widths[i] = (int[]){16, 24, 40}[i];
            const struct network_kernels *kernels = kernels_of(c, micro_batch, best == 2 ? ALGORITHM_WINOGRAD : ALGORITHM_DIRECT);
            float *want = train_two_steps(c, best ? NULL : "ref", kernels, 1, samples, &count);
            for (int lanes = 2; lanes <= 4; lanes++) {
                float *got = train_two_steps(c, best ? NULL : "ref", kernels, lanes, samples, &count);
                CHECK(memcmp(got, want, count * sizeof *got) == 0);
                free(got);
            }
            free(want);
        }
}

/* One micro-batch: but for the first lane all have nothing to do but its parts, some of which are split again. */
void test_network_weights_are_the_same_bits_where_lanes_help_with_parts(void)
{
    struct network_config c = config_tiny();
    for (int best = 0; best < 3; best++)
        for (int split = 0; split < 2; split++) {
            size_t count;
            c.part_pixels = split ? 5 : 48; /* each sample a part; one, two and all five at a time */
            for (int i = 0; best && i < 3; i++) c.widths[i] = (int[]){16, 24, 40}[i];
            const struct network_kernels *kernels = kernels_of(c, 5, best == 2 ? ALGORITHM_WINOGRAD : ALGORITHM_DIRECT);
            float *want = train_two_steps(c, best ? NULL : "ref", kernels, 1, 5, &count);
            for (int lanes = 2; lanes <= 7; lanes++) {
                float *got = train_two_steps(c, best ? NULL : "ref", kernels, lanes, 5, &count);
                CHECK(memcmp(got, want, count * sizeof *got) == 0);
                free(got);
            }
            free(want);
        }
}

/* The gradient of `samples` samples from number `first` on. */
static void gradient_of(struct network *net, int first, int samples, float *to)
{
    float data[5][2 * 96];
    const float *images[5];
    for (int i = 0; i < samples; i++) fill_numbers(data[i], 2 * 96, 4, (uint32_t)(first + i)), images[i] = data[i];
    network_forward(net, samples, images);
    for (int i = 0; i < samples; i++) fill_numbers(network_logit_gradient(net, 0, i), 3 * 96, 8, (uint32_t)(first + i));
    network_backward(net, samples, 0);
    memcpy(to, network_gradient(net, 0), network_arena_count(net) * sizeof *to);
}

void test_network_sums_micro_batches_in_a_fixed_tree(void)
{
    /* ((g0+g1)+(g2+g3))+g4, with pairs (g01+g23)+g4, each g from a batch that holds it alone: not the running sum */
    for (int micro_batch = 1; micro_batch <= 2; micro_batch++) {
        struct network_config c = config_tiny();
        const struct network_kernels kernels = {.micro_batch = micro_batch};
        struct network *net;
        c.backend = "ref";
        c.kernels = &kernels;
        CHECK_INT(network_new(&c, &net, NULL), OK);
        network_init(net, 3);
        size_t count = network_arena_count(net);
        float *leaf[5] = {NULL}, *all = malloc(count * sizeof *all);
        for (int i = 0; i < 5; i += micro_batch) gradient_of(net, i, i + micro_batch > 5 ? 1 : micro_batch, leaf[i] = malloc(count * sizeof(float)));
        gradient_of(net, 0, 5, all);
        int differs = 0;
        for (size_t i = 0; i < count; i++) {
            float left = micro_batch == 1 ? leaf[0][i] + leaf[1][i] : leaf[0][i], right = micro_batch == 1 ? leaf[2][i] + leaf[3][i] : leaf[2][i];
            CHECK(all[i] == (left + right) + leaf[4][i]);
            differs += all[i] != left + (right + leaf[4][i]);
        }
        CHECK(differs > 0);
        for (int i = 0; i < 5; i++) free(leaf[i]);
        free(all);
        network_free(net);
    }
}

void test_network_adds_the_parts_of_a_micro_batch_in_the_order_of_samples(void)
{
    struct network_config c = config_tiny();
    const struct network_kernels kernels = {.micro_batch = 5};
    struct network *net;
    c.backend = "ref";
    c.kernels = &kernels;
    c.part_pixels = 1; /* each sample is a part */
    CHECK_INT(network_new(&c, &net, NULL), OK);
    network_init(net, 3);
    size_t count = network_arena_count(net);
    float *one = malloc(count * sizeof *one), *sum = malloc(count * sizeof *sum), *all = malloc(count * sizeof *all);
    for (int i = 0; i < 5; i++) {
        gradient_of(net, i, 1, i ? one : sum);
        for (size_t k = 0; i && k < count; k++) sum[k] += one[k];
    }
    gradient_of(net, 0, 5, all);
    CHECK(memcmp(all, sum, count * sizeof *all) == 0);
    free(one), free(sum), free(all);
    network_free(net);
}

/* Two gradients of one forward pass: twice the same is twice as much, and both at once are the same bits as one by one. */
static void check_two_gradients(const char *backend, int micro_batch, int part_pixels, enum network_algorithm algorithm)
{
    enum { SAMPLES = 5 };
    struct network_config c = config_tiny();
    struct network *net;
    float data[SAMPLES][2 * 96];
    const float *images[SAMPLES];
    c.gradients = 2;
    c.lanes = 2;
    c.backend = backend;
    c.down = micro_batch % 2 ? MODEL_DOWN_MAXPOOL : MODEL_DOWN_STRIDE;
    c.part_pixels = part_pixels;
    for (int i = 0; !backend && i < 3; i++) c.widths[i] = (int[]){16, 24, 40}[i];
    c.kernels = kernels_of(c, micro_batch, algorithm);
    CHECK_INT(network_new(&c, &net, NULL), OK);
    network_init(net, 3);
    size_t count = network_arena_count(net), bytes = count * sizeof(float);
    float *one[2] = {malloc(bytes), malloc(bytes)};
    for (uint32_t i = 0; i < SAMPLES; i++) fill_numbers(data[i], 2 * 96, 4, i), images[i] = data[i];
    network_forward(net, SAMPLES, images);
    for (int doubled = 1; doubled >= 0; doubled--) {
        for (int i = 0; i < SAMPLES; i++) {
            fill_numbers(network_logit_gradient(net, 0, i), 3 * 96, 8, (uint32_t)i);
            fill_numbers(network_logit_gradient(net, 1, i), 3 * 96, 9, (uint32_t)i);
            for (int k = 0; doubled && k < 3 * 96; k++) network_logit_gradient(net, 1, i)[k] = 2 * network_logit_gradient(net, 0, i)[k];
        }
        int nonzero = 0;
        for (int k = 0; k < 2; k++) {
            network_backward(net, SAMPLES, k);
            memcpy(one[k], network_gradient(net, k), bytes);
        }
        memset(network_gradient(net, 0), 0, bytes), memset(network_gradient(net, 1), 0, bytes);
        network_backward_both(net, SAMPLES);
        CHECK(memcmp(network_gradient(net, 0), one[0], bytes) == 0 && memcmp(network_gradient(net, 1), one[1], bytes) == 0);
        for (size_t i = 0; i < count; i++) { /* doubling is exact all the way */
            CHECK(!doubled || one[1][i] == 2 * one[0][i]);
            nonzero += one[0][i] != 0 && one[1][i] != 0;
        }
        CHECK(nonzero > 100);
    }
    free(one[0]), free(one[1]);
    network_free(net);
}

void test_network_gives_two_gradients_from_one_forward(void)
{
    for (int which = 0; which < 6; which++) {
        int micro_batch = 1 + which % 3, part_pixels = which < 3 ? 0 : 48;
        check_two_gradients("ref", micro_batch, part_pixels, ALGORITHM_DIRECT);
        check_two_gradients(NULL, micro_batch, part_pixels, ALGORITHM_DIRECT);
        check_two_gradients(NULL, micro_batch, part_pixels, ALGORITHM_WINOGRAD);
    }
}

/* ---- backends ------------------------------------------------------------------------------------------ */
static float *canonical_gradient(struct network_config c, const char *backend, const struct network_kernels *kernels, size_t *count)
{
    c.kernels = kernels;
    struct network *net;
    size_t pixels = (size_t)(c.patch[0] * c.patch[1]), n = (size_t)c.in_channels * pixels;
    float *data = malloc((size_t)c.batch * n * sizeof *data);
    const float *images[16];
    c.backend = backend;
    CHECK_INT(network_new(&c, &net, NULL), OK);
    network_init(net, 3);
    for (int i = 0; i < c.batch; i++) fill_numbers(data + (size_t)i * n, n, 4, (uint32_t)i), images[i] = data + (size_t)i * n;
    network_forward(net, c.batch, images);
    for (int i = 0; i < c.batch; i++) fill_numbers(network_logit_gradient(net, 0, i), (size_t)c.out_channels * pixels, 8, (uint32_t)i);
    network_backward(net, c.batch, 0);
    CHECK_INT(network_parameter_count(&c, count, NULL), OK);
    float *canonical = malloc(*count * sizeof *canonical);
    network_to_canonical(net, network_gradient(net, 0), canonical);
    free(data);
    network_free(net);
    return canonical;
}

/* The best backend against plain C, all the way: float rounding and a few activations that land on the other side of zero
   are all that may differ, 1e-4 of the gradient's length (seen: below 1e-6). */
void test_network_gradients_of_the_best_backend_are_those_of_plain_c(void)
{
    for (int which = 0; which < 12; which++) {
        int variant = which / 2;
        struct network_config c = config_tiny();
        c.down = variant % 2 ? MODEL_DOWN_STRIDE : MODEL_DOWN_MAXPOOL;
        c.norm = variant / 2 == 0 ? MODEL_NORM_INSTANCE : variant / 2 == 1 ? MODEL_NORM_GROUP : MODEL_NORM_NONE;
        c.conv_bias = variant / 2 != 0;
        for (int i = 0; i < 3; i++) c.widths[i] = (int[]){10, 20, 24}[i];
        c.groups = 2;
        c.patch[0] = 24;
        c.part_pixels = variant < 3 ? 0 : 150; /* 288, 72 and 18 pixels */
        size_t count;
        double off = 0, length = 0;
        float *want = canonical_gradient(c, "ref", NULL, &count);
        float *got = canonical_gradient(c, NULL, kernels_of(c, 1 + variant % 4, which % 2 ? ALGORITHM_WINOGRAD : ALGORITHM_DIRECT), &count);
        for (size_t i = 0; i < count; i++) {
            off += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
            length += (double)want[i] * (double)want[i];
        }
        CHECK(length > 0);
        if (!(sqrt(off) <= 1e-4 * sqrt(length))) check_fail(__FILE__, __LINE__, "variant %d: off by %g of the length", which, sqrt(off / length));
        free(want), free(got);
    }
}

/* Layers keep weights in forms of their own: made once for all passes with the same weights, anew after a change. */
static atomic_int prepared_tasks;
static void (*real_prepare)(const struct conv *c, bool backward, const void *w, int first, int count, void *prepared);
static void counting_prepare(const struct conv *c, bool backward, const void *w, int first, int count, void *prepared)
{
    prepared_tasks += count;
    real_prepare(c, backward, w, first, count, prepared);
}

void test_network_prepares_its_weights_once_for_each_change(void)
{
    struct network_config c = config_tiny();
    struct backend backend;
    struct network *net;
    float data[2 * 96] = {1}, logits[3 * 96], first[3 * 96];
    const float *images[1] = {data};
    float *out[1] = {logits};
    CHECK_INT(backend_find(NULL, &backend, NULL), OK);
    if (!backend.conv_prepare) check_skip("the only backend here reads its weights as they are");
    real_prepare = backend.conv_prepare;
    backend.conv_prepare = counting_prepare;
    CHECK_INT(network_new_on(&c, &backend, &net, NULL), OK);
    network_init(net, 3);
    int once = 0;
    for (int i = 0; i < net->graph.nodes; i++)
        for (int k = 0; net->graph.node[i].conv && k < 2; k++) once += net->graph.node[i].prepared[k].tasks;
    for (int change = 0; change < 3; change++) {
        prepared_tasks = 0;
        for (int pass = 0; pass < 2; pass++) {
            network_forward(net, 1, images);
            fill_numbers(network_logit_gradient(net, 0, 0), 3 * 96, 8, 0);
            network_backward(net, 1, 0);
            network_infer(net, 1, images, out);
        }
        if (change == 0) memcpy(first, logits, sizeof first);
        CHECK(once > 0 && prepared_tasks == once);
        CHECK((memcmp(first, logits, sizeof first) == 0) == (change == 0));
        float *w = network_weights(net);
        for (size_t i = 0; i < network_arena_count(net); i++) w[i] *= 1.5f;
    }
    network_free(net);
}

/* ---- inference --------------------------------------------------------------------------------------- */
void test_network_infers_what_it_computes_in_training(void)
{
    for (int down = 0; down < 2; down++)
        for (int best = 0; best < 3; best++) {
            struct network_config c = config_tiny();
            c.down = down ? MODEL_DOWN_STRIDE : MODEL_DOWN_MAXPOOL;
            c.backend = best ? NULL : "ref";
            c.lanes = 3;
            c.batch = 4;
            c.part_pixels = 48;
            c.kernels = kernels_of(c, 1 + down + best, best == 2 ? ALGORITHM_WINOGRAD : ALGORITHM_DIRECT);
            struct network *train, *infer;
            CHECK_INT(network_new(&c, &train, NULL), OK);
            c.inference_only = true;
            CHECK_INT(network_new(&c, &infer, NULL), OK);
            CHECK(network_memory_used(infer) < network_memory_used(train));
            network_init(train, 9);
            network_init(infer, 9);
            float data[4][2 * 96], out[8][3 * 96], want[4][3 * 96], *logits[8];
            const float *images[8];
            for (uint32_t i = 0; i < 8; i++) fill_numbers(data[i % 4], 2 * 96, 4, i % 4), images[i] = data[i % 4], logits[i] = out[i];
            network_forward(train, 4, images);
            for (int i = 0; i < 4; i++) memcpy(want[i], network_logits(train, i), sizeof want[i]), memset(network_logits(train, i), 0, sizeof want[i]);
            network_look(train, 4, images);
            for (int i = 0; i < 4; i++) CHECK(memcmp(network_logits(train, i), want[i], sizeof want[0]) == 0);
            for (int which = 0; which < 2; which++) {
                memset(out, 0, sizeof out);
                network_infer(which ? infer : train, 8, images, logits);
                for (int i = 0; i < 8; i++) CHECK(memcmp(out[i], want[i % 4], sizeof want[0]) == 0);
            }
            network_free(train);
            network_free(infer);
        }
}
