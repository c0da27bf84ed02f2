/* vec: one vector register of floats under one set of names, for kernel_simd.c, which is compiled for three levels of x86-64.
   v2: 4 floats, no fused multiply-add; v3: 8, fused; v4: 16, fused. A level's results are the same on every machine that has it. */
#ifndef WORKER_NET_VEC_H
#define WORKER_NET_VEC_H
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__)
#define VEC 16
typedef __m512 vec;
typedef __mmask16 vec_mask;
#define vec_load(p) _mm512_loadu_ps(p)
#define vec_store(p, a) _mm512_storeu_ps(p, a)
#define vec_store_past(p, a) _mm512_stream_ps(p, a) /* a whole line, past the caches: for what is read much later; then vec_fence() */
#define vec_set(x) _mm512_set1_ps(x)
#define vec_add(a, b) _mm512_add_ps(a, b)
#define vec_sub(a, b) _mm512_sub_ps(a, b)
#define vec_mul(a, b) _mm512_mul_ps(a, b)
#define vec_max(a, b) _mm512_max_ps(a, b)
#define vec_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vec_fnma(a, b, c) _mm512_fnmadd_ps(a, b, c) /* c - a * b */
#define vec_greater(a, b) _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define vec_nan(a) _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q)
#define vec_either(m, n) _kor_mask16(m, n)
#define vec_if(m, a, b) _mm512_mask_blend_ps(m, b, a) /* m ? a : b */
#elif defined(__AVX2__)
#define VEC 8
typedef __m256 vec;
typedef __m256 vec_mask;
#define vec_load(p) _mm256_loadu_ps(p)
#define vec_store(p, a) _mm256_storeu_ps(p, a)
#define vec_set(x) _mm256_set1_ps(x)
#define vec_add(a, b) _mm256_add_ps(a, b)
#define vec_sub(a, b) _mm256_sub_ps(a, b)
#define vec_mul(a, b) _mm256_mul_ps(a, b)
#define vec_max(a, b) _mm256_max_ps(a, b)
#define vec_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vec_fnma(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define vec_greater(a, b) _mm256_cmp_ps(a, b, _CMP_GT_OQ)
#define vec_nan(a) _mm256_cmp_ps(a, a, _CMP_UNORD_Q)
#define vec_either(m, n) _mm256_or_ps(m, n)
#define vec_if(m, a, b) _mm256_blendv_ps(b, a, m)
#else
#define VEC 4
typedef __m128 vec;
typedef __m128 vec_mask;
#define vec_load(p) _mm_loadu_ps(p)
#define vec_store(p, a) _mm_storeu_ps(p, a)
#define vec_set(x) _mm_set1_ps(x)
#define vec_add(a, b) _mm_add_ps(a, b)
#define vec_sub(a, b) _mm_sub_ps(a, b)
#define vec_mul(a, b) _mm_mul_ps(a, b)
#define vec_max(a, b) _mm_max_ps(a, b)
#define vec_fma(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
#define vec_fnma(a, b, c) _mm_sub_ps(c, _mm_mul_ps(a, b))
#define vec_greater(a, b) _mm_cmpgt_ps(a, b)
#define vec_nan(a) _mm_cmpunord_ps(a, a)
#define vec_either(m, n) _mm_or_ps(m, n)
#define vec_if(m, a, b) _mm_or_ps(_mm_and_ps(m, a), _mm_andnot_ps(m, b))
#endif
#ifndef vec_store_past
#define vec_store_past(p, a) vec_store(p, a) /* less than a line */
#endif
#define vec_fence() _mm_sfence() /* what went past the caches is there before anything that is stored later */
#define vec_zero() vec_set(0)
/* A stride that the compiler knows nothing of from here on: it would work out dozens of addresses before a loop, more than there are
   registers, and fetch each from the stack in it, where a stride and its multiples by addressing are enough. */
#define vec_stride(x) __asm__("" : "+r"(x))
#define INLINE static inline __attribute__((always_inline))
/* After a local array that is written before it is read: the build's flags would clear it each time. */
#define UNSET __attribute__((uninitialized))

/* Asks for the line `bytes` on from p, which may lie outside of what p points into. */
INLINE void vec_ask(const float *p, ptrdiff_t bytes)
{
    __builtin_prefetch((const void *)((uintptr_t)p + (uintptr_t)bytes), 0, 3);
}
/* For loops that stream through memory upwards or downwards: the processor's own prefetch stops at the end of each page. */
enum { VEC_AHEAD = 4096 };
INLINE void vec_ahead(const float *p)
{
    vec_ask(p, VEC_AHEAD);
}
INLINE void vec_ahead_down(const float *p)
{
    vec_ask(p, -VEC_AHEAD);
}

/* ((0+1)+(2+3))+... : the order is fixed. */
INLINE float vec_sum(vec a)
{
    float part[VEC];
    vec_store(part, a);
    for (int apart = 1; apart < VEC; apart *= 2)
        for (int i = 0; i < VEC; i += 2 * apart) part[i] += part[i + apart];
    return part[0];
}

/* Lane i is vec_sum(a[i]), in the same order of additions, for VEC vectors at once. */
INLINE vec vec_sums(const vec a[VEC])
{
#if VEC == 16
    /* Neighbours are added, and what comes from two vectors lies in one: lanes of 128 bits first, then these among each other. */
#define VEC_PAIR(shuffle, a, b) _mm512_add_ps(shuffle(a, b, 0x88), shuffle(a, b, 0xdd))
    vec pair[8] UNSET, four[4] UNSET;
    for (int i = 0; i < 8; i++) pair[i] = VEC_PAIR(_mm512_shuffle_ps, a[2 * i], a[2 * i + 1]);
    for (int i = 0; i < 4; i++) four[i] = VEC_PAIR(_mm512_shuffle_ps, pair[2 * i], pair[2 * i + 1]);
    vec low = VEC_PAIR(_mm512_shuffle_f32x4, four[0], four[1]), high = VEC_PAIR(_mm512_shuffle_f32x4, four[2], four[3]);
    return VEC_PAIR(_mm512_shuffle_f32x4, low, high);
#undef VEC_PAIR
#elif VEC == 8
    vec low = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
    vec high = _mm256_hadd_ps(_mm256_hadd_ps(a[4], a[5]), _mm256_hadd_ps(a[6], a[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
#else
    return _mm_hadd_ps(_mm_hadd_ps(a[0], a[1]), _mm_hadd_ps(a[2], a[3]));
#endif
}
#endif
