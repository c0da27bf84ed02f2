/* loss_math: exp and log as straight code, so that compilers turn a loop of them into vector instructions. */
#ifndef WORKER_TRAIN_LOSS_MATH_H
#define WORKER_TRAIN_LOSS_MATH_H
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* e^x for x <= 0 (2 ulp); 0 below -87; NaN stays NaN. x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its series to r^7,
   2^n through the exponent bits. Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits. */
static inline float exp_f32(float x)
{
    const float magic = 12582912.0f;
    float clamped = x < -87.0f ? -87.0f : x;
    float shifted = clamped * 1.44269504f + magic;
    float n = shifted - magic;
    float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f; /* ln 2 in two parts: the first has few bits, n times it is exact */
    float e = 1.0f / 5040;
    e = e * r + 1.0f / 720;
    e = e * r + 1.0f / 120;
    e = e * r + 1.0f / 24;
    e = e * r + 1.0f / 6;
    e = e * r + 0.5f;
    e = e * r + 1.0f;
    e = e * r + 1.0f;
    float scale = float_of_bits((bits_of_float(shifted) + 127u) << 23);
    return x < -87.0f ? 0.0f : e * scale;
}

/* Natural logarithm for x in [1, 1e30] (absolute error below 2e-7 times the result or 1e-7); NaN and inf stay so.
   x = 2^k m with m in [0.75, 1.5); log m by the series of 2 artanh(u), u = (m-1)/(m+1), |u| <= 0.2. */
static inline float log_f32(float x)
{
    uint32_t bits = bits_of_float(x) - 0x3f400000u; /* 0.75 */
    float k = (float)((int32_t)bits >> 23);
    float m = float_of_bits((bits & 0x007fffffu) + 0x3f400000u);
    float u = (m - 1.0f) / (m + 1.0f), uu = u * u;
    float a = 1.0f / 9;
    a = a * uu + 1.0f / 7;
    a = a * uu + 1.0f / 5;
    a = a * uu + 1.0f / 3;
    a = a * uu + 1.0f;
    return (k * 0.693147181f + 2 * u * a) + (x - x);
}
#endif
