/* draw: random numbers that are a function of where they are wanted: the same (seed, stream, index) gives the same number, in any order. */
#ifndef SCHEMA_BASE_DRAW_H
#define SCHEMA_BASE_DRAW_H
#include <stdint.h>

/* 64 bits. Three rounds of the SplitMix64 finaliser (Steele, Lea, Flood 2014), one for each of the three numbers. */
uint64_t draw_u64(uint64_t seed, uint64_t stream, uint64_t index);
double draw_unit(uint64_t seed, uint64_t stream, uint64_t index); /* [0, 1), 53 bits */
/* 0 .. n-1, n >= 1 and below 2^32: the upper half of bits times n, off from uniform by less than n / 2^64. */
uint32_t draw_below(uint64_t seed, uint64_t stream, uint64_t index, uint32_t n);
#endif
