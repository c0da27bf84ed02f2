/* test_profile: lane time is shared out whole, the right work is counted, and measuring changes no bit. */
#include <time.h>

#include "tests/check.h"
#include "tests/unit/net_fixture.h"
#include "worker/run/profile_table.h"

static struct network *new_tiny_with(int lanes, bool profiled, const struct network_kernels *kernels)
{
    struct network_config c = config_tiny();
    struct network *net;
    struct err_note note;
    c.lanes = lanes;
    c.kernels = kernels;
    CHECK_INT(network_new(&c, &net, &note), OK);
    if (profiled) CHECK_INT(network_profile_on(net, &note), OK);
    network_init(net, 3);
    return net;
}
static struct network *new_tiny(int lanes, bool profiled)
{
    return new_tiny_with(lanes, profiled, NULL);
}

static void step(struct network *net)
{
    static float image[5][2 * 8 * 12];
    const float *images[5];
    for (uint32_t i = 0; i < 5; i++) fill_numbers(image[i], sizeof image[i] / sizeof image[i][0], 5, i), images[i] = image[i];
    network_forward(net, 5, images);
    for (int i = 0; i < 5; i++) fill_numbers(network_logit_gradient(net, 0, i), 3 * 8 * 12, 6, (uint32_t)i);
    network_backward(net, 5, 0);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void test_profile_shares_out_all_lane_time(void)
{
    for (int lanes = 1; lanes <= 2; lanes++) {
        struct network *net = new_tiny(lanes, true);
        struct profile *p = network_profile(net);
        double before = seconds();
        profile_phase(p, PROFILE_BOOKKEEPING);
        double began = seconds();
        for (int i = 0; i < 20; i++) step(net), profile_count_step(p, 5);
        double ended = seconds();
        CHECK_INT(profile_phase(p, PROFILE_NONE), PROFILE_BOOKKEEPING); /* forward and backward go back to where they were called */
        double after = seconds(), all = profile_lane_seconds(p);
        step(net); /* outside: only its own phases count */
        CHECK(all >= lanes * (ended - began) * 0.999 && all <= lanes * (after - before) * 1.001);
        CHECK_INT(profile_steps(p), 20);
        CHECK_INT(profile_images(p), 100);
        for (int kind = 0; kind < PROFILE_KINDS; kind++)
            if (kind != PROFILE_WAITING) CHECK(profile_sum_of(p, (enum profile_kind)kind).seconds >= 0);
        CHECK(profile_sum_of(p, PROFILE_CONV_WEIGHTS).seconds > 0 && profile_sum_of(p, PROFILE_TREE).seconds > 0);
        network_free(net);
    }
}

void test_profile_counts_each_sample_of_each_layer_once(void)
{
    struct network *net = new_tiny(2, true);
    struct profile_layer layer;
    int layers = 0;
    step(net);
    step(net);
    for (; network_profile_layer(net, layers, &layer); layers++)
        for (int k = 0; k < PROFILE_LAYER_KINDS; k++) {
            if (layer.kinds[k] == PROFILE_NONE) continue;
            CHECK_INT(profile_sum_of_node(network_profile(net), layer.kinds[k], layer.node).samples, 10);
            CHECK(layer.choice[k][0]);
        }
    CHECK_INT(layers, 3 * 2 + 2 + 2 * 2);
    CHECK(network_profile_layer(net, 1, &layer));
    CHECK_TEXT(layer.name, "encoder.0.conv.1");
    CHECK_NEAR(layer.flops, 2.0 * 9 * 3 * 3 * 8 * 12, 0);
    CHECK(network_profile_layer(net, 6, &layer));
    CHECK_TEXT(layer.name, "decoder.1.up");
    CHECK_NEAR(layer.flops, 2.0 * 4 * 5 * 4 * 2 * 3, 0);
    network_free(net);
}

/* Both kinds of backward of a Winograd layer are one, counted as that and as nothing else. */
void test_profile_counts_a_backward_pass_in_one_as_a_kind_of_its_own(void)
{
    struct network *net = new_tiny_with(2, true, kernels_of(config_tiny(), 2, ALGORITHM_WINOGRAD));
    struct profile_layer layer;
    int joined = 0, apart = 0;
    step(net);
    for (int i = 0; network_profile_layer(net, i, &layer); i++) {
        bool winograd = !strcmp(layer.choice[0], "winograd"), one = layer.kinds[3] != PROFILE_NONE;
        CHECK(one == winograd && one == (layer.kinds[2] == PROFILE_NONE));
        joined += one, apart += !one;
        if (one) CHECK_INT(profile_sum_of_node(network_profile(net), PROFILE_CONV_BACKWARD, layer.node).samples, 5);
        if (one) CHECK_INT(profile_sum_of_node(network_profile(net), PROFILE_CONV_DATA, layer.node).samples, 0);
    }
    bool possible = !strcmp(network_config(net)->backend, "dnnl");
    CHECK(joined == (possible ? 9 : 0) && joined + apart == 12);
    network_free(net);
}

void test_profile_counts_both_gradients_of_a_sample_backward_and_the_sample_forward(void)
{
    struct network_config c = config_tiny();
    struct network *net;
    struct err_note note;
    struct profile_layer layer;
    static float image[5][2 * 8 * 12];
    const float *images[5] = {image[0], image[1], image[2], image[3], image[4]};
    c.gradients = 2;
    CHECK_INT(network_new(&c, &net, &note), OK);
    CHECK_INT(network_profile_on(net, &note), OK);
    network_init(net, 3);
    for (int i = 0; i < 2; i++) network_forward(net, 5, images), network_backward_both(net, 5);
    CHECK(network_profile_layer(net, 3, &layer));
    for (int k = 0; k < PROFILE_LAYER_KINDS; k++)
        if (layer.kinds[k] != PROFILE_NONE) CHECK_INT(profile_sum_of_node(network_profile(net), layer.kinds[k], layer.node).samples, k ? 20 : 10);
    network_free(net);
}

void test_profile_changes_no_bit_and_is_absent_unless_asked_for(void)
{
    struct network *plain = new_tiny(2, false), *profiled = new_tiny(2, true);
    CHECK(!network_profile(plain));
    step(plain);
    step(profiled);
    CHECK(!memcmp(network_gradient(plain, 0), network_gradient(profiled, 0), network_arena_count(plain) * sizeof(float)));
    network_free(plain);
    network_free(profiled);
}
