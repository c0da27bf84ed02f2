/* draw: SplitMix64's finaliser over seed, stream and index. */
#include "schema/base/draw.h"

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

uint64_t draw_u64(uint64_t seed, uint64_t stream, uint64_t index)
{
    return mix(mix(mix(seed) ^ stream) ^ index);
}

double draw_unit(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (double)(draw_u64(seed, stream, index) >> 11) * 0x1p-53;
}

uint32_t draw_below(uint64_t seed, uint64_t stream, uint64_t index, uint32_t n)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint32_t)(((wide)draw_u64(seed, stream, index) * n) >> 64);
}
