/* multiply_adds: the most multiplications and additions that this processor does, as a loop to be timed. */
#ifndef TESTS_BENCH_MULTIPLY_ADDS_H
#define TESTS_BENCH_MULTIPLY_ADDS_H

/* Ten independent chains of fused multiply-adds, two a cycle with a latency of four or five: eight would do. Written in assembly,
   because compilers fold such loops or keep an array of accumulators in memory. Returns operations (2 a lane). */
#if defined(__x86_64__)
#define CHAINS(reg, mul) \
    "vfmadd231ps " mul ", " mul ", " reg "0\n vfmadd231ps " mul ", " mul ", " reg "1\n vfmadd231ps " mul ", " mul ", " reg "2\n" \
    "vfmadd231ps " mul ", " mul ", " reg "3\n vfmadd231ps " mul ", " mul ", " reg "4\n vfmadd231ps " mul ", " mul ", " reg "5\n" \
    "vfmadd231ps " mul ", " mul ", " reg "6\n vfmadd231ps " mul ", " mul ", " reg "7\n vfmadd231ps " mul ", " mul ", " reg "8\n" \
    "vfmadd231ps " mul ", " mul ", " reg "9\n"
static double multiply_adds(long times)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        long left = times;
        __asm__ volatile("vpxorq %%zmm15, %%zmm15, %%zmm15\n 1:\n" CHAINS("%%zmm", "%%zmm15") "dec %0\n jnz 1b\n vzeroupper" : "+r"(left)::"xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                         "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm15", "cc");
        return 2.0 * 16 * 10 * (double)times;
    }
    if (!__builtin_cpu_supports("fma")) return 0;
    long left = times;
    __asm__ volatile("vpxor %%ymm15, %%ymm15, %%ymm15\n 1:\n" CHAINS("%%ymm", "%%ymm15") "dec %0\n jnz 1b\n vzeroupper" : "+r"(left)::"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                     "xmm6", "xmm7", "xmm8", "xmm9", "xmm15", "cc");
    return 2.0 * 8 * 10 * (double)times;
}
#else
static double multiply_adds(long times)
{
    (void)times;
    return 0; /* no loop for this processor: the peak is said to be 0 */
}
#endif
#endif
