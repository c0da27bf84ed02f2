/* test_distance: the distance transform against every pair, in one, two and three dimensions, with spacings. */
#include <math.h>
#include "tests/check.h"
#include "worker/train/distance.h"

static double by_every_pair(const struct grid *g, const uint8_t *in_set, size_t at)
{
    double best = INFINITY;
    for (size_t other = 0; other < grid_count(g); other++) {
        double sum = 0;
        size_t a = at, b = other;
        for (int axis = g->rank; axis-- > 0; a /= g->size[axis], b /= g->size[axis]) {
            double away = ((double)(a % g->size[axis]) - (double)(b % g->size[axis])) * g->spacing[axis];
            sum += away * away;
        }
        best = in_set[other] && sum < best ? sum : best;
    }
    return best;
}

/* share: of the elements in the set, in 1/1000. */
static void compare(const struct grid *g, unsigned share, uint64_t seed, double tolerance)
{
    size_t count = grid_count(g);
    uint8_t *in_set = malloc(count);
    double *squared = malloc(count * sizeof *squared);
    uint64_t state = seed * 2654435761u + 12345;
    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        in_set[i] = (state >> 33) % 1000 < share;
    }
    CHECK_INT(distance_squared(g, in_set, squared, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        double want = by_every_pair(g, in_set, i);
        if (isinf(want))
            CHECK(isinf(squared[i]));
        else
            CHECK_NEAR(squared[i], want, tolerance * (1 + want));
    }
    free(in_set);
    free(squared);
}

void test_distance_transform_equals_every_pair_exactly(void)
{
    static const unsigned shares[] = {0, 2, 30, 500};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            compare(&(struct grid){1, {57}, {1}}, shares[i], seed, 0);
            compare(&(struct grid){2, {31, 43}, {1, 1}}, shares[i], seed, 0);
            compare(&(struct grid){2, {1, 29}, {1, 1}}, shares[i], seed, 0);
            compare(&(struct grid){2, {29, 1}, {1, 1}}, shares[i], seed, 0);
            compare(&(struct grid){3, {7, 11, 9}, {1, 1, 1}}, shares[i], seed, 0);
        }
}

void test_distance_transform_keeps_spacings(void)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        compare(&(struct grid){2, {31, 23}, {2.5, 0.7}}, 10, seed, 1e-14);
        compare(&(struct grid){2, {17, 40}, {1, 1e-3}}, 20, seed, 1e-14);
        compare(&(struct grid){3, {6, 9, 14}, {3, 0.5, 0.8}}, 10, seed, 1e-14);
    }
}

void test_distance_transform_of_one_far_corner_is_exact(void)
{
    /* 5000 in a line: odd squares beyond 2^24, where a float would round */
    uint8_t *in_set = calloc(15000, 1);
    double *squared = malloc(15000 * sizeof *squared);
    in_set[0] = 1;
    CHECK_INT(distance_squared(&(struct grid){2, {3, 5000}, {1, 1}}, in_set, squared, NULL), 0);
    CHECK(squared[14999] == 4999.0 * 4999 + 4 && squared[4999] == 4999.0 * 4999);
    CHECK_INT(distance_squared(&(struct grid){2, {5000, 3}, {1, 1}}, in_set, squared, NULL), 0);
    CHECK(squared[14999] == 4999.0 * 4999 + 4 && squared[14997] == 4999.0 * 4999);
    free(in_set);
    free(squared);
}
