/* net_fixture: small networks, their data and a loss for the tests of worker/net. */
#ifndef TESTS_UNIT_NET_FIXTURE_H
#define TESTS_UNIT_NET_FIXTURE_H
#include <stdlib.h>
#include "worker/net/network.h"
#include "worker/net/rng.h"

/* The benchmark's networks (contract.md section 1). */
static inline struct network_config config_xs(void)
{
    return (struct network_config){.rank = 2, .in_channels = 1, .out_channels = 2, .levels = 5, .widths = {16, 32, 64, 128, 256}, .convs = 2,
                                   .down = MODEL_DOWN_STRIDE, .norm = MODEL_NORM_INSTANCE, .activation = MODEL_LEAKY_RELU, .slope = 0.01f,
                                   .patch = {128, 128, 1}, .batch = 16, .gradients = 1, .lanes = 1};
}
static inline struct network_config config_s(void)
{
    struct network_config c = config_xs();
    for (int i = 0; i < 5; i++) c.widths[i] *= 2;
    c.patch[0] = c.patch[1] = 256;
    c.batch = 8;
    return c;
}
static inline struct network_config config_tiny(void)
{
    return (struct network_config){.rank = 2, .in_channels = 2, .out_channels = 3, .levels = 3, .widths = {3, 4, 5}, .convs = 2,
                                   .down = MODEL_DOWN_STRIDE, .norm = MODEL_NORM_INSTANCE, .groups = 1, .activation = MODEL_LEAKY_RELU,
                                   .slope = 0.125f, .patch = {8, 12, 1}, .batch = 5, .gradients = 1, .lanes = 1};
}
/* These kernels for a network of this configuration: one algorithm throughout (where a layer has it). */
static inline const struct network_kernels *kernels_of(struct network_config c, int micro_batch, enum network_algorithm algorithm)
{
    static struct network_kernels k;
    struct network *net;
    c.kernels = NULL;
    c.backend = "ref";
    c.lanes = 1;
    c.batch = micro_batch;
    if (network_new(&c, &net, NULL)) abort();
    k = *network_kernels(net);
    network_free(net);
    k.micro_batch = micro_batch;
    for (int i = 0; i < k.layers; i++) k.layer[i].forward = k.layer[i].backward_data = k.layer[i].backward_weights = algorithm;
    return &k;
}
/* Uniform in [-1, 1); the same for the same seed and sample. */
static inline void fill_numbers(float *to, size_t count, uint64_t seed, uint32_t sample)
{
    struct rng r;
    rng_start(&r, seed, 77, sample, 0);
    for (size_t i = 0; i < count; i++) to[i] = rng_between(&r, -1, 1);
}
#endif
