/* test_rng: Philox against the authors' known answers; the distributions have the moments they should. */
#include <math.h>

#include "tests/check.h"
#include "worker/net/rng.h"

void test_philox_gives_the_known_answers(void)
{
    /* kat_vectors of the Random123 library, lines "philox4x32 10" */
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t out[4];
        philox4x32(rows[i].counter, rows[i].key, out);
        for (int k = 0; k < 4; k++) CHECK_INT(out[k], rows[i].want[k]);
    }
}

void test_rng_streams_are_repeatable_and_differ_in_every_name(void)
{
    struct rng r, s;
    uint32_t first[5];
    for (uint32_t which = 0; which < 5; which++) {
        rng_start(&r, which == 1 ? 8 : 7, which == 2, which == 3, which == 4);
        first[which] = rng_u32(&r);
        for (uint32_t k = 0; k < which; k++) CHECK(first[k] != first[which]);
    }
    rng_start(&r, 7, 1, 2, 3);
    rng_start(&s, 7, 1, 2, 3);
    for (int i = 0; i < 100; i++) CHECK(rng_u32(&r) == rng_u32(&s));
}

void test_rng_distributions_have_their_moments(void)
{
    enum { N = 200000 };
    struct rng r;
    double sum = 0, square = 0, normal = 0, normal_square = 0;
    int sixth[6] = {0};
    rng_start(&r, 1, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        double u = rng_uniform(&r), z = rng_normal(&r);
        CHECK(u >= 0 && u < 1);
        sum += u, square += u * u, normal += z, normal_square += z * z;
        sixth[rng_below(&r, 6)]++;
    }
    /* five standard errors of each mean */
    CHECK_NEAR(sum / N, 0.5, 5 * sqrt(1.0 / 12 / N));
    CHECK_NEAR(square / N, 1.0 / 3, 5 * sqrt(4.0 / 45 / N));
    CHECK_NEAR(normal / N, 0, 5 * sqrt(1.0 / N));
    CHECK_NEAR(normal_square / N, 1, 5 * sqrt(2.0 / N));
    for (int i = 0; i < 6; i++) CHECK_NEAR(sixth[i], N / 6.0, 5 * sqrt(N * 5.0 / 36));
}
