/* test_arena: planning sums without overflow, packs without overlap, and the memory taken is zero and aligned. */
#include <stdint.h>

#include "tests/check.h"
#include "worker/net/arena.h"
#include "worker/net/rng.h"

void test_arena_plan_aligns_and_notices_overflow(void)
{
    struct arena_plan plan = {0};
    CHECK_INT(arena_place(&plan, 2, 65), 0);
    CHECK_INT(arena_place(&plan, 1, 1), 256);
    CHECK_INT(plan.bytes, 320);
    arena_place(&plan, SIZE_MAX / 64, 4096);
    CHECK(plan.overflow);
    struct arena a;
    struct err_note note;
    CHECK_INT(arena_new(&plan, &a, &note), ERR_NO_MEMORY);
    plan = (struct arena_plan){0};
    arena_place(&plan, 1, SIZE_MAX - 8);
    CHECK(plan.overflow);
}

void test_arena_gives_zeroed_aligned_memory(void)
{
    struct arena_plan plan = {0};
    struct arena a;
    arena_place(&plan, 3, 1000);
    CHECK_INT(arena_new(&plan, &a, NULL), OK);
    CHECK((uintptr_t)a.base % ARENA_ALIGN == 0);
    for (size_t i = 0; i < a.bytes; i++) CHECK(a.base[i] == 0);
    arena_free(&a);
    arena_free(&a);
}

void test_arena_packs_spans_without_overlap(void)
{
    struct rng r;
    rng_start(&r, 3, 0, 0, 0);
    for (int round = 0; round < 200; round++) {
        struct arena_span s[30];
        size_t sum = 0;
        for (int i = 0; i < 30; i++) {
            int first = (int)rng_below(&r, 40);
            s[i] = (struct arena_span){.bytes = rng_below(&r, 5000), .first = first, .last = first + (int)rng_below(&r, 10)};
            sum += arena_round(s[i].bytes);
        }
        size_t bytes = arena_pack(s, 30);
        CHECK(bytes <= sum);
        for (int i = 0; i < 30; i++) {
            CHECK(s[i].offset % ARENA_ALIGN == 0 && s[i].offset + s[i].bytes <= bytes);
            for (int k = 0; k < i; k++)
                if (s[i].first <= s[k].last && s[k].first <= s[i].last)
                    CHECK(s[i].offset + s[i].bytes <= s[k].offset || s[k].offset + s[k].bytes <= s[i].offset);
        }
    }
}
