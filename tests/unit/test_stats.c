/* test_stats: against numbers of another hand (tests/vectors/stats/make.py), and that the tests keep what they promise. */
#include "server/stats.h"

#include <jansson.h>
#include <math.h>
#include "schema/base/draw.h"
#include "tests/check.h"

enum { PAIRS_MAX = 16, IMAGES_MAX = 16 };

static json_t *load(void)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/vectors/stats/stats.json", check_root());
    json_t *json = json_load_file(path, 0, NULL);
    if (!json) check_fail(__FILE__, __LINE__, "%s: cannot be read", path);
    return json;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static size_t numbers(const json_t *list, double *to)
{
    for (size_t i = 0; i < json_array_size(list); i++) to[i] = json_number_value(json_array_get(list, i));
    return json_array_size(list);
}

static void check_bootstrap(const json_t *c)
{
    static double room[STATS_ROUNDS];
    double difference[PAIRS_MAX], images[PAIRS_MAX][IMAGES_MAX];
    const double *redrawn[PAIRS_MAX] = {NULL};
    int set[PAIRS_MAX];
    size_t redraws = 0, i, count = numbers(json_object_get(c, "pairs"), difference);
    struct stats_interval got;
    json_t *one;
    json_array_foreach(json_object_get(c, "redrawn"), i, one) {
        set[i] = (int)json_integer_value(json_array_get(json_object_get(c, "sets"), i));
        if (!json_is_array(one)) continue;
        redraws = numbers(one, images[i]);
        redrawn[i] = images[i];
    }
    stats_bootstrap(&(struct stats_pairs){count, difference, redrawn, set, redraws, (size_t)number(c, "units")}, (uint64_t)number(c, "seed"), room, &got);
    CHECK_NEAR(got.mean, number(c, "mean"), 1e-15);
    CHECK_NEAR(got.low, number(c, "low"), 1e-9);
    CHECK_NEAR(got.high, number(c, "high"), 1e-9);
    CHECK_NEAR(got.p, number(c, "p"), 1e-9);
}

void test_stats_agree_with_numbers_of_another_hand(void)
{
    json_t *all = load(), *c;
    size_t i;
    double x[PAIRS_MAX], want[PAIRS_MAX];
    struct stats_summary s;
    size_t n = numbers(json_object_get(json_object_get(all, "summary"), "x"), x);
    stats_summarise(x, n, &s);
    CHECK_NEAR(s.mean, number(json_object_get(all, "summary"), "mean"), 1e-15);
    CHECK_NEAR(s.deviation, number(json_object_get(all, "summary"), "deviation"), 1e-15);
    CHECK_NEAR(s.low, 0.69, 0);
    CHECK_NEAR(s.high, 0.74, 0);
    json_array_foreach(json_object_get(all, "student"), i, c) CHECK_NEAR(stats_student(number(c, "t"), (int)number(c, "freedom")), number(c, "share"), 1e-12);
    json_array_foreach(json_object_get(all, "student_quantile"), i, c)
        CHECK_NEAR(stats_student_quantile(number(c, "share"), (int)number(c, "freedom")), number(c, "t"), 1e-9);
    json_array_foreach(json_object_get(all, "normal_quantile"), i, c) CHECK_NEAR(stats_normal_quantile(number(c, "share")), number(c, "z"), 1e-9);
    json_array_foreach(json_object_get(all, "bootstrap"), i, c) check_bootstrap(c);
    CHECK_INT(i, 4);
    json_array_foreach(json_object_get(all, "holm"), i, c) {
        n = numbers(json_object_get(c, "p"), x);
        numbers(json_object_get(c, "corrected"), want);
        stats_holm(x, n);
        for (size_t k = 0; k < n; k++) CHECK_NEAR(x[k], want[k], 1e-15);
    }
    json_decref(all);
}

/* With no difference at all (normal noise), p < 0.05 comes up in about one case of twenty also for few pairs; the plain percentile
   bootstrap would say so in one of seven with five. 150 cases: the standard error of the share is 0.018. */
void test_stats_of_pure_noise_find_a_difference_in_one_of_twenty(void)
{
    static double room[STATS_ROUNDS];
    enum { CASES = 150, PAIRS = 5 };
    int found = 0;
    for (uint64_t c = 0; c < CASES; c++) {
        double d[PAIRS];
        struct stats_interval got;
        for (size_t i = 0; i < PAIRS; i++) {
            double u = 1 - draw_unit(82, c, 2 * i), v = draw_unit(82, c, 2 * i + 1);
            d[i] = sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
        }
        stats_bootstrap(&(struct stats_pairs){.count = PAIRS, .difference = d}, c, room, &got);
        found += got.p < 0.05;
        CHECK(got.low <= got.mean && got.mean <= got.high);
    }
    if (found < 2 || found > CASES / 10) check_fail(__FILE__, __LINE__, "%d of %d cases of noise were called a difference", found, CASES);
}

void test_stats_of_one_pair_or_of_equal_runs_say_nothing(void)
{
    static double room[STATS_ROUNDS];
    struct stats_interval got;
    static const double one[] = {0.4}, equal[] = {0, 0, 0, 0, 0, 0};
    stats_bootstrap(&(struct stats_pairs){.count = 1, .difference = one}, 1, room, &got);
    CHECK_NEAR(got.p, 1, 0);
    CHECK(isnan(got.low));
    stats_bootstrap(&(struct stats_pairs){.count = 6, .difference = equal}, 1, room, &got);
    CHECK_NEAR(got.p, 1, 0);
    CHECK_NEAR(got.high, 0, 0);
}
