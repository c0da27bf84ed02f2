/* test_compare: two gradients side by side against sums in one loop; the last layer's share alone; mixes. */
#include "tests/check.h"
#include "tests/unit/net_fixture.h"
#include "worker/train/compare.h"

/* A network after a forward pass and both backward passes of made-up logit gradients. */
static struct network *net_with_gradients(int lanes, int samples)
{
    struct network_config c = config_tiny();
    struct network *net;
    struct err_note note;
    float images[5][2 * 96];
    const float *at[5];
    c.gradients = 2;
    c.lanes = lanes;
    CHECK_INT(network_new(&c, &net, &note), OK);
    network_init(net, 3);
    for (int i = 0; i < 5; i++) {
        fill_numbers(images[i], 2 * 96, 9, (uint32_t)i);
        at[i] = images[i];
    }
    network_forward(net, samples, at);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < samples; i++)
            fill_numbers(network_logit_gradient(net, k, i), 3 * 96, 20 + (uint64_t)k, (uint32_t)i);
    for (int k = 0; k < 2; k++)
        network_backward(net, samples, k);
    return net;
}

void test_compare_adds_up_every_layer_and_names_them(void)
{
    struct network *net = net_with_gradients(2, 4);
    struct compare *c;
    struct gram of_layer[COMPARE_LAYERS_MAX], all = {0};
    CHECK_INT(compare_new(net, &c, NULL), OK);
    CHECK_TEXT(c->layer[0], "encoder.0.conv.0");
    CHECK_TEXT(c->layer[c->layers - 1], "head");
    CHECK_TEXT(c->block[0], "encoder.0");
    CHECK_TEXT(c->block[c->blocks - 1], "head");
    CHECK_INT(c->blocks, 3 + 2 + 1);
    CHECK_INT(c->layers, 5 * 4 + 2 + 1); /* two convolutions and two norms a block, two upward steps, the head */
    compare_gradients(c, network_lanes(net), network_gradient(net, 0), network_gradient(net, 1), 0, of_layer);
    const float *g1 = network_gradient(net, 0), *g2 = network_gradient(net, 1);
    for (size_t i = 0; i < network_arena_count(net); i++) {
        all.dice += (double)g1[i] * (double)g1[i];
        all.both += (double)g1[i] * (double)g2[i];
        all.ce += (double)g2[i] * (double)g2[i];
    }
    struct gram sum = gram_sum(of_layer, c->layers);
    CHECK_NEAR(sum.dice, all.dice, 1e-12 * all.dice);
    CHECK_NEAR(sum.both, all.both, 1e-12 * all.dice);
    CHECK_NEAR(sum.ce, all.ce, 1e-12 * all.ce);
    compare_free(c);
    network_free(net);
}

void test_compare_gives_the_same_bits_for_any_number_of_lanes(void)
{
    static float g1[200000], g2[200000];
    struct network_config config = config_xs();
    struct network *net;
    struct compare *c;
    struct gram want[COMPARE_LAYERS_MAX], got[COMPARE_LAYERS_MAX];
    config.levels = 3, config.batch = 1, config.patch[0] = config.patch[1] = 32;
    CHECK_INT(network_new(&config, &net, NULL), OK);
    CHECK(network_arena_count(net) <= 200000);
    CHECK_INT(compare_new(net, &c, NULL), OK);
    CHECK(c->slices > c->layers); /* a layer of several slices is among them */
    fill_numbers(g1, 200000, 1, 0);
    fill_numbers(g2, 200000, 2, 0);
    for (int lanes = 1; lanes <= 3; lanes++) {
        struct lanes *l;
        CHECK_INT(lanes_new(lanes, NULL, &l, NULL), OK);
        compare_gradients(c, l, g1, g2, 0, got);
        if (lanes == 1)
            memcpy(want, got, sizeof want[0] * (size_t)c->layers);
        CHECK(memcmp(want, got, sizeof want[0] * (size_t)c->layers) == 0);
        lanes_free(l);
    }
    compare_free(c);
    network_free(net);
}

void test_compare_mix_with_weights_one_is_the_sum_bit_for_bit(void)
{
    struct network *net = net_with_gradients(1, 5);
    struct compare *c;
    struct balance weights[COMPARE_LAYERS_MAX];
    size_t count = network_arena_count(net);
    float *sum = malloc(count * sizeof *sum), *g1 = network_gradient(net, 0), *g2 = network_gradient(net, 1);
    CHECK_INT(compare_new(net, &c, NULL), OK);
    for (int l = 0; l < c->layers; l++)
        weights[l] = (struct balance){.dice = 1, .ce = 1};
    for (size_t i = 0; i < count; i++)
        sum[i] = g1[i] + g2[i];
    compare_mix(c, network_lanes(net), g1, g2, weights);
    CHECK(memcmp(sum, g1, count * sizeof *sum) == 0);
    weights[c->layers - 1] = (struct balance){.dice = 0.5, .ce = -2};
    compare_mix(c, network_lanes(net), g1, g2, weights);
    size_t first, length;
    int parameters;
    network_parameters(net, &parameters);
    network_parameter_place(net, parameters - 1, &first, &length);
    CHECK(g1[first] == 0.5f * sum[first] - 2.0f * g2[first]);
    CHECK(g1[0] == sum[0] + g2[0]);
    free(sum);
    compare_free(c);
    network_free(net);
}

/* The head's gradient alone is the same bits as in a whole pass, for any number of lanes and samples. */
void test_network_head_gradient_alone_is_that_of_the_whole_pass(void)
{
    for (int samples = 1; samples <= 5; samples += 2)
        for (int lanes = 1; lanes <= 2; lanes++) {
            struct network *net = net_with_gradients(lanes, samples);
            size_t count = network_arena_count(net), first, length;
            float *whole = malloc(count * sizeof *whole);
            int parameters;
            network_parameters(net, &parameters);
            memcpy(whole, network_gradient(net, 1), count * sizeof *whole);
            memset(network_gradient(net, 1), 0, count * sizeof *whole);
            network_backward_head(net, samples, 1);
            for (int p = parameters - 2; p < parameters; p++) {
                network_parameter_place(net, p, &first, &length);
                CHECK(memcmp(whole + first, network_gradient(net, 1) + first, length * sizeof *whole) == 0);
                CHECK(whole[first] != 0);
            }
            network_parameter_place(net, 0, &first, &length);
            CHECK(network_gradient(net, 1)[first] == 0); /* nothing else was touched */
            free(whole);
            network_free(net);
        }
}
