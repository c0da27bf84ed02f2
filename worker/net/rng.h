/* rng: counter-based random numbers (Philox4x32-10): any number of any stream without drawing those before it. */
#ifndef WORKER_NET_RNG_H
#define WORKER_NET_RNG_H
#include <stdint.h>

/* Ten rounds of Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* One stream of numbers. Two streams with the same four names are equal on every machine; with other names independent. */
struct rng {
    uint32_t key[2], counter[4], out[4];
    int left;          /* of out[] */
    int has_normal;
    double normal;     /* the second of a Box-Muller pair */
};

/* `stream` says what the numbers are for (one constant per use); a and b say which, such as epoch and sample. */
void rng_start(struct rng *r, uint64_t seed, uint32_t stream, uint32_t a, uint32_t b);
uint32_t rng_u32(struct rng *r);
float rng_uniform(struct rng *r);                        /* [0,1), 24 bits */
float rng_between(struct rng *r, float low, float high); /* [low, high) */
uint32_t rng_below(struct rng *r, uint32_t n);           /* 0..n-1, each as likely as any other; n >= 1 */
double rng_normal(struct rng *r);                        /* mean 0, variance 1 */
#endif
