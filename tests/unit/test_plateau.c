/* test_plateau: alpha that follows the validation, against tables worked out by hand, and its form in JSON. */
#include "schema/job/plateau_json.h"

#include <math.h>

#include "schema/job/plateau_check.h"
#include "tests/check.h"

static struct err_list errors;

/* One validation a row: its value, and alpha after it. */
struct row {
    double value, alpha;
};

static void follow(const struct plateau *p, const struct row *rows, size_t count)
{
    struct plateau_state s = {0};
    CHECK_NEAR(plateau_alpha(p, &s), p->from, 0);
    for (size_t i = 0; i < count; i++) {
        double before = plateau_alpha(p, &s);
        bool moved = plateau_see(p, &s, rows[i].value);
        double alpha = plateau_alpha(p, &s);
        if (fabs(alpha - rows[i].alpha) > 1e-15) check_fail(__FILE__, __LINE__, "after validation %zu: alpha %.17g, want %.17g", i, alpha, rows[i].alpha);
        CHECK(moved || !(alpha < before || alpha > before));
    }
}
#define FOLLOW(p, ...) follow(&(p), (const struct row[]){__VA_ARGS__}, sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row))

void test_plateau_moves_alpha_after_patience_validations_without_improvement(void)
{
    struct plateau p = {.on = true, .monitor = "val/dice", .mode = PLATEAU_MAX, .patience = 2, .threshold = 0.01, .from = 1, .to = 0.3, .delta = -0.3};
    /* 0.505 and 0.51 are within the threshold of 0.5, and so is 0.51 itself; 0.52 is above it; then 0.52 stays the best to the end */
    FOLLOW(p, {0.5, 1}, {0.505, 1}, {0.51, 0.7}, {0.52, 0.7}, {0.6, 0.7}, {0.59, 0.7}, {0.61, 0.4}, {0.1, 0.4}, {0.2, 0.3}, {0.1, 0.3}, {0.1, 0.3}, {0.9, 0.3});
}

void test_plateau_counts_nothing_but_the_best_while_it_cools_down(void)
{
    struct plateau p = {.on = true, .monitor = "val/dice", .mode = PLATEAU_MAX, .patience = 2, .threshold = 0, .cooldown = 2, .from = 0.2, .to = 1, .delta = 0.5};
    /* stall at the third; the two after it cool down, and the first of them is the new best; two more without improvement: the next */
    FOLLOW(p, {0.5, 0.2}, {0.4, 0.2}, {0.5, 0.7}, {0.6, 0.7}, {0.1, 0.7}, {0.6, 0.7}, {0.59, 1}, {0.1, 1}, {0.1, 1}, {0.1, 1}, {0.1, 1});
}

void test_plateau_takes_a_monitor_that_falls_and_values_that_are_none(void)
{
    struct plateau p = {.on = true, .monitor = "val/hd95", .mode = PLATEAU_MIN, .patience = 1, .threshold = 1, .from = 0.8, .to = 0, .delta = -0.25};
    FOLLOW(p, {40, 0.8}, {38, 0.8}, {37, 0.55}, {36, 0.55}, {NAN, 0.3}, {34.5, 0.3}, {100, 0.05}, {100, 0});
    FOLLOW(p, {NAN, 0.55}, {1000, 0.55}, {998, 0.55});
}

void test_plateau_alpha_is_rounded_once_however_often_it_moves(void)
{
    struct plateau p = {.on = true, .patience = 1, .from = 1, .to = 0.3, .delta = -0.1};
    struct plateau_state s = {.moves = 3};
    CHECK(plateau_alpha(&p, &s) == 0.7);
    s.moves = 7;
    CHECK(plateau_alpha(&p, &s) == 0.3);
    s.moves = 8;
    CHECK(plateau_alpha(&p, &s) == 0.3);
    p.delta = -0.35;
    s.moves = 2; /* in doubles 0.30000000000000004 */
    CHECK(plateau_alpha(&p, &s) == 0.3);
}

void test_plateau_bound_stalls_at_every_validation_that_may(void)
{
    struct plateau p = {.on = true, .patience = 2, .threshold = 0.002, .cooldown = 1, .from = 1, .to = 0.3, .delta = -0.3};
    /* validations 0 (the best), 1, 2: stall; 3 cools down; 4, 5: stall; 6 cools down; 7, 8: stall */
    static const double every[] = {1, 1, 1, 0.7, 0.7, 0.7, 0.4, 0.4, 0.4, 0.3}, third[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 0.7};
    double alpha[10];
    plateau_always(&p, 10, 1, alpha);
    for (int e = 0; e < 10; e++) CHECK_NEAR(alpha[e], every[e], 1e-15);
    plateau_always(&p, 10, 3, alpha); /* validations after epochs 2, 5, 8: patience counts those */
    for (int e = 0; e < 10; e++) CHECK_NEAR(alpha[e], third[e], 1e-15);
    CHECK(plateau_chances(10, 1) == 9 && plateau_chances(10, 3) == 3 && plateau_chances(9, 3) == 2 && plateau_chances(1, 1) == 0);
}

static struct plateau read_text(const char *text)
{
    struct plateau p = {0};
    json_t *json = json_loads(text, 0, NULL);
    CHECK(json);
    errors.count = errors.dropped = 0;
    plateau_read(json, &p, "/loss/alpha", &errors);
    json_decref(json);
    return p;
}

void test_plateau_says_all_its_keys_back_and_takes_the_mode_from_its_monitor(void)
{
    struct buf text;
    struct plateau p = read_text("{\"feedback\": \"plateau\", \"from\": 1, \"to\": 0.3, \"delta\": -0.1}");
    CHECK_INT(errors.count, 0);
    buf_init(&text, 4096);
    CHECK_INT(plateau_print(&p, &text), OK);
    CHECK_TEXT(text.data, "{\"feedback\":\"plateau\",\"monitor\":\"val/dice\",\"mode\":\"max\",\"patience\":5,\"threshold\":0.002,\"cooldown\":2,"
                          "\"from\":1.0,\"to\":0.3,\"delta\":-0.1}");
    buf_free(&text);
    for (int i = 0; plateau_monitors[i]; i++) {
        enum plateau_mode mode;
        CHECK(plateau_monitor(plateau_monitors[i], &mode));
        bool small = strstr(plateau_monitors[i], "hd95") || strstr(plateau_monitors[i], "assd") || strstr(plateau_monitors[i], "ece") || strstr(plateau_monitors[i], "brier");
        CHECK_INT(mode, small ? PLATEAU_MIN : PLATEAU_MAX);
    }
    CHECK_INT(read_text("{\"feedback\": \"plateau\", \"monitor\": \"val/assd/2\", \"from\": 0, \"to\": 1, \"delta\": 1}").mode, PLATEAU_MIN);
    CHECK_INT(read_text("{\"feedback\": \"plateau\", \"monitor\": \"val/assd\", \"mode\": \"max\", \"from\": 0, \"to\": 1, \"delta\": 1}").mode, PLATEAU_MAX);
}
