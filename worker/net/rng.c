/* rng: Philox4x32-10 and the few distributions drawn from it. */
#include "worker/net/rng.h"

#include <assert.h>
#include <math.h>

static void philox_round(uint32_t c[4], const uint32_t k[2])
{
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k[0], (uint32_t)p1, (uint32_t)(p0 >> 32) ^ c[3] ^ k[1], (uint32_t)p0};
    for (int i = 0; i < 4; i++) c[i] = next[i];
}

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t k[2] = {key[0], key[1]};
    for (int i = 0; i < 4; i++) out[i] = counter[i];
    for (int round = 0; round < 10; round++) {
        philox_round(out, k);
        k[0] += 0x9E3779B9u; /* golden ratio */
        k[1] += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
}

void rng_start(struct rng *r, uint64_t seed, uint32_t stream, uint32_t a, uint32_t b)
{
    *r = (struct rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)}, .counter = {0, stream, a, b}};
}

uint32_t rng_u32(struct rng *r)
{
    if (!r->left) {
        philox4x32(r->counter, r->key, r->out);
        r->counter[0]++;
        assert(r->counter[0] != 0); /* 2^34 numbers of one stream */
        r->left = 4;
    }
    return r->out[4 - r->left--];
}

float rng_uniform(struct rng *r)
{
    return (float)(rng_u32(r) >> 8) * 0x1p-24f;
}

float rng_between(struct rng *r, float low, float high)
{
    return low + (high - low) * rng_uniform(r);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
    assert(n >= 1);
    uint32_t rest = (uint32_t)(0x100000000u % n); /* the lowest `rest` products would favour some numbers (Lemire 2019) */
    uint64_t product;
    do product = (uint64_t)rng_u32(r) * n;
    while ((uint32_t)product < rest);
    return (uint32_t)(product >> 32);
}

double rng_normal(struct rng *r)
{
    if (r->has_normal) {
        r->has_normal = 0;
        return r->normal;
    }
    double u = ((double)rng_u32(r) + 1) * 0x1p-32, v = (double)rng_u32(r) * 0x1p-32;
    double radius = sqrt(-2 * log(u)), angle = 6.283185307179586 * v;
    r->has_normal = 1;
    r->normal = radius * sin(angle);
    return radius * cos(angle);
}
