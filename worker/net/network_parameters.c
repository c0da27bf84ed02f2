/* network_parameters: the parameter table, both forms of it, and initialisation. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "worker/net/network_inside.h"
#include "worker/net/rng.h"

enum { STREAM_INIT = 0x696e6974 /* "init" */ };

const struct network_parameter *network_parameters(const struct network *net, int *count)
{
    *count = net->graph.tensors;
    return net->parameter;
}

void network_parameter_place(const struct network *net, int which, size_t *first, size_t *count)
{
    assert(which >= 0 && which < net->graph.tensors);
    *first = net->graph.tensor[which].first;
    *count = tensor_arena_count(&net->graph.tensor[which].layout);
}

size_t network_arena_count(const struct network *net)
{
    return net->graph.arena_count;
}

float *network_weights(struct network *net)
{
    net->prepared_fresh[0] = net->prepared_fresh[1] = false;
    return (float *)(void *)network_at(net, net->plan.weights);
}

const float *network_weights_seen(const struct network *net)
{
    return (const float *)(const void *)network_at(net, net->plan.weights);
}

float *network_gradient(struct network *net, int k)
{
    assert(k >= 0 && k < net->config.gradients);
    return (float *)(void *)network_leaf(net, 0, k);
}

void network_to_canonical(const struct network *net, const float *arena, float *canonical)
{
    size_t e = net->backend.element_bytes;
    for (int i = 0; i < net->graph.tensors; i++) {
        const struct tensor *t = &net->graph.tensor[i];
        tensor_to_canonical(&t->layout, e, (const unsigned char *)arena + t->first * e, canonical + t->as.offset);
    }
}

void network_from_canonical(const struct network *net, const float *canonical, float *arena)
{
    size_t e = net->backend.element_bytes;
    memset(arena, 0, net->plan.arena_bytes);
    for (int i = 0; i < net->graph.tensors; i++) {
        const struct tensor *t = &net->graph.tensor[i];
        tensor_from_canonical(&t->layout, e, canonical + t->as.offset, (unsigned char *)arena + t->first * e);
    }
}

void network_get_parameters(const struct network *net, float *canonical)
{
    network_to_canonical(net, network_weights_seen(net), canonical);
}

void network_set_parameters(struct network *net, const float *canonical)
{
    network_from_canonical(net, canonical, network_weights(net));
}

/* torch.nn.Conv2d and ConvTranspose2d: kaiming_uniform with a = sqrt(5), which is U(-b, b) with b = 1/sqrt(fan_in); the
   bias draws from the same range. Elements in canonical order, so every backend starts from the same numbers. */
static void init_tensor(const struct network *net, int which, uint64_t seed)
{
    const struct tensor *t = &net->graph.tensor[which];
    size_t e = net->backend.element_bytes;
    unsigned char *to = network_at(net, net->plan.weights) + t->first * e;
    float buffer[1024], bound = t->fan_in ? (float)(1 / sqrt((double)t->fan_in)) : 0;
    struct rng r;
    rng_start(&r, seed, STREAM_INIT, (uint32_t)which, 0);
    for (size_t first = 0; first < t->as.count;) {
        size_t n = t->as.count - first < 1024 ? t->as.count - first : 1024;
        for (size_t i = 0; i < n; i++) buffer[i] = t->norm_weight ? 1 : t->norm_bias ? 0 : rng_between(&r, -bound, bound);
        tensor_put(&t->layout, e, buffer, first, n, to);
        first += n;
    }
}

void network_init(struct network *net, uint64_t seed)
{
    memset(network_weights(net), 0, net->plan.arena_bytes);
    for (int i = 0; i < net->graph.tensors; i++) init_tensor(net, i, seed);
}
