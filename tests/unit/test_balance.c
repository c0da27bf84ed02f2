/* test_balance: weights of two gradients: golden numbers, laws that each method promises, degenerate gradients. */
#include <jansson.h>
#include <math.h>
#include "tests/check.h"
#include "worker/train/balance.h"

static const struct method_params plain = {.normalize = MGDA_NONE, .c = 0.5, .rescale = 1, .max_norm = 0, .beta = 0.5};
static const struct balance_view even = {.alpha = 0.5, .loss = {1, 1}};

static struct balance of(enum loss_method method, double a, double b, double c)
{
    return balance_of(method, &plain, &(struct gram){a, b, c}, &even);
}

/* 400 Grams of two real vectors: cosines of all kinds, lengths over five decades. */
static struct gram any_gram(int i)
{
    double cosine = sin(1.7 * i + 0.3) * 0.999, n1 = exp(3 * sin(0.9 * i)), n2 = exp(3 * cos(2.3 * i + 1));
    return (struct gram){n1 * n1, cosine * n1 * n2, n2 * n2};
}

void test_balance_equals_the_golden_weights(void)
{
    static const struct {
        const char *key;
        enum loss_method method;
    } rows[] = {{"pcgrad", METHOD_PCGRAD}, {"upgrad", METHOD_UPGRAD}, {"dualproj", METHOD_DUALPROJ}, {"mgda", METHOD_MGDA},
                {"cagrad", METHOD_CAGRAD}, {"nash", METHOD_NASH_MTL}, {"imtlg", METHOD_IMTL_G}, {"aligned", METHOD_ALIGNED_MTL}};
    char path[512];
    snprintf(path, sizeof path, "%s/tests/vectors/gram/gram_golden.json", check_root());
    json_t *all = json_load_file(path, 0, NULL), *cases = json_object_get(all, "cases");
    CHECK(json_array_size(cases) >= 7);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *one = json_array_get(cases, i), *g = json_object_get(one, "gram");
        CHECK_INT(json_object_size(one), 1 + sizeof rows / sizeof *rows);
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            json_t *want = json_object_get(one, rows[k].key);
            struct balance w = of(rows[k].method, json_number_value(json_array_get(g, 0)), json_number_value(json_array_get(g, 1)), json_number_value(json_array_get(g, 2)));
            double w1 = json_number_value(json_array_get(want, 0)), w2 = json_number_value(json_array_get(want, 1));
            CHECK_NEAR(w.dice, w1, 1e-9 * fmax(1, fabs(w1)));
            CHECK_NEAR(w.ce, w2, 1e-9 * fmax(1, fabs(w2)));
            CHECK(!w.degenerate);
        }
    }
    json_decref(all);
}

void test_balance_does_not_care_which_loss_comes_first(void)
{
    for (int m = METHOD_PCGRAD; m < METHODS; m++)
        for (int i = 0; i < 400; i++) {
            struct gram g = any_gram(i), swapped = {g.ce, g.both, g.dice};
            struct method_params params = plain;
            params.normalize = (enum mgda_normalize)(i % 4);
            params.rescale = i % 3;
            params.scale = (enum aligned_scale)(i % 3);
            struct balance_view v = {.alpha = 0.3, .loss = {0.7, 0.2}, .target = 0.4}, w = {.alpha = 0.7, .loss = {0.2, 0.7}, .target = 0.4};
            struct balance one = balance_of((enum loss_method)m, &params, &g, &v), other = balance_of((enum loss_method)m, &params, &swapped, &w);
            CHECK_NEAR(one.dice, other.ce, 1e-7 * fabs(one.dice) + 1e-12);
            CHECK_NEAR(one.ce, other.dice, 1e-7 * fabs(one.ce) + 1e-12);
        }
}

/* Both gradients s times as long: pcgrad, upgrad, dualproj, mgda, cagrad, imtl_g, aligned_mtl, gradvac weigh the same, nash_mtl 1/s. */
void test_balance_follows_the_scale_of_both_gradients(void)
{
    for (int m = METHOD_PCGRAD; m < METHODS; m++)
        for (int i = 0; i < 400; i++) {
            struct gram g = any_gram(i), more = {9 * g.dice, 9 * g.both, 9 * g.ce};
            struct balance w = of((enum loss_method)m, g.dice, g.both, g.ce), v = of((enum loss_method)m, more.dice, more.both, more.ce);
            double by = m == METHOD_NASH_MTL ? 3 : 1;
            CHECK_NEAR(by * v.dice, w.dice, 1e-9 * fabs(w.dice) + 1e-12);
            CHECK_NEAR(by * v.ce, w.ce, 1e-9 * fabs(w.ce) + 1e-12);
        }
}

/* Dice alone s times as long: the bisectors (nash_mtl, imtl_g, mgda by l2) keep the direction, so w1 s / w2 stays. */
void test_balance_bisectors_ignore_the_scale_of_one_gradient(void)
{
    struct method_params l2 = plain;
    l2.normalize = MGDA_L2;
    for (int i = 0; i < 400; i++) {
        struct gram g = any_gram(i), more = {25 * g.dice, 5 * g.both, g.ce};
        const enum loss_method methods[] = {METHOD_NASH_MTL, METHOD_IMTL_G, METHOD_MGDA};
        for (int k = 0; k < 3; k++) {
            struct balance w = balance_of(methods[k], &l2, &g, &even), v = balance_of(methods[k], &l2, &more, &even);
            CHECK_NEAR(5 * v.dice / v.ce / (w.dice / w.ce), 1, 1e-9);
        }
        struct balance by_norm = balance_of(METHOD_MGDA, &l2, &g, &even), imtl = of(METHOD_IMTL_G, g.dice, g.both, g.ce);
        CHECK_NEAR(by_norm.dice, imtl.dice, 1e-9);
        CHECK_NEAR(by_norm.dice + by_norm.ce, 1, 1e-12);
    }
}

/* These promise that the update (d) never raises either loss to first order: d.g1 >= 0 and d.g2 >= 0. */
void test_balance_never_climbs_where_the_method_promises_not_to(void)
{
    const enum loss_method methods[] = {METHOD_PCGRAD, METHOD_UPGRAD, METHOD_DUALPROJ, METHOD_MGDA, METHOD_NASH_MTL, METHOD_IMTL_G};
    for (size_t k = 0; k < sizeof methods / sizeof *methods; k++)
        for (int i = 0; i < 400; i++) {
            struct gram g = any_gram(i);
            struct balance w = of(methods[k], g.dice, g.both, g.ce);
            double along1 = w.dice * g.dice + w.ce * g.both, along2 = w.dice * g.both + w.ce * g.ce;
            double size = sqrt(fabs(w.dice * along1 + w.ce * along2));
            CHECK(along1 >= -1e-9 * size * sqrt(g.dice) && along2 >= -1e-9 * size * sqrt(g.ce));
            if (methods[k] == METHOD_NASH_MTL) /* w_i (d.g_i) = 1: the bargaining equation */
                CHECK(fabs(w.dice * along1 - 1) < 1e-6 && fabs(w.ce * along2 - 1) < 1e-6);
            if (methods[k] == METHOD_IMTL_G)
                CHECK_NEAR(along1 / sqrt(g.dice), along2 / sqrt(g.ce), 1e-9 * sqrt(g.dice + g.ce));
        }
}

/* CAGrad's definition: of all d within c |g_mean| of the mean, none has a better worst descent. Searched on a fan of directions. */
void test_balance_cagrad_has_the_best_worst_descent_of_its_ball(void)
{
    struct method_params params = plain;
    params.rescale = 0;
    for (int i = 0; i < 60; i++) {
        double angle = acos(0.95 * sin(1.7 * i)), n = exp(2 * sin(0.7 * i)), g1[2] = {n, 0}, g2[2] = {cos(angle), sin(angle)};
        params.c = 0.2 + 0.1 * (i % 8);
        struct gram g = {n * n, n * cos(angle), 1};
        struct balance w = balance_of(METHOD_CAGRAD, &params, &g, &even);
        double mean[2] = {(g1[0] + g2[0]) / 2, (g1[1] + g2[1]) / 2}, reach = params.c * hypot(mean[0], mean[1]), best = -INFINITY;
        double d[2] = {w.dice * g1[0] + w.ce * g2[0], w.dice * g1[1] + w.ce * g2[1]};
        CHECK_NEAR(hypot(d[0] - mean[0], d[1] - mean[1]), reach, 1e-9 * n + 1e-9);
        for (int k = 0; k < 100000; k++) {
            double turn = 6.283185307179586 * k / 100000, e[2] = {mean[0] + reach * cos(turn), mean[1] + reach * sin(turn)};
            best = fmax(best, fmin(e[0] * g1[0] + e[1] * g1[1], e[0] * g2[0] + e[1] * g2[1]));
        }
        CHECK_NEAR(fmin(d[0] * g1[0] + d[1] * g1[1], d[0] * g2[0] + d[1] * g2[1]), best, 1e-3 * n * (n + 1));
    }
}

/* GradVac turns each gradient until its cosine with the other is the target; at target 0 it is PCGrad. */
void test_balance_gradvac_reaches_its_target_cosine(void)
{
    for (int i = 0; i < 400; i++) {
        struct gram g = any_gram(i);
        double cosine = gram_cosine(&g), aim = 0.9 * sin(0.31 * i);
        struct balance_view v = even;
        v.target = aim;
        struct balance w = balance_of(METHOD_GRADVAC, &plain, &g, &v), pc = of(METHOD_PCGRAD, g.dice, g.both, g.ce), at_0 = of(METHOD_GRADVAC, g.dice, g.both, g.ce);
        CHECK_NEAR(at_0.dice, pc.dice, 1e-9 * pc.dice);
        CHECK_NEAR(at_0.ce, pc.ce, 1e-9 * pc.ce);
        if (cosine >= aim) {
            CHECK(w.dice == 1 && w.ce == 1);
            continue;
        }
        double k = w.ce - 1; /* g1 + k g2 */
        CHECK_NEAR((g.both + k * g.ce) / sqrt((g.dice + 2 * k * g.both + k * k * g.ce) * g.ce), aim, 1e-7);
    }
    CHECK_NEAR(balance_next_target(&plain, &(struct gram){1, 0.8, 1}, 0.2), 0.5, 1e-15);
    CHECK(balance_next_target(&plain, &(struct gram){0, 0, 1}, 0.2) == 0.2);
}

void test_balance_aligned_rmse_keeps_the_mean_eigenvalue(void)
{
    struct method_params params = plain;
    for (int i = 0; i < 100; i++) {
        struct gram g = any_gram(i);
        params.scale = ALIGNED_RMSE;
        struct balance w = balance_of(METHOD_ALIGNED_MTL, &params, &g, &even);
        /* the aligned gradients are orthogonal and sqrt(trace/2) long: their mean is half of that times sqrt(2) */
        CHECK_NEAR((w.dice * w.dice * g.dice + 2 * w.dice * w.ce * g.both + w.ce * w.ce * g.ce) / ((g.dice + g.ce) / 4), 1, 1e-6);
    }
}

void test_balance_nash_is_no_longer_than_max_norm(void)
{
    struct method_params params = plain;
    params.max_norm = 1;
    struct gram g = any_gram(5);
    struct balance w = balance_of(METHOD_NASH_MTL, &params, &g, &even);
    CHECK_NEAR(w.dice * w.dice * g.dice + 2 * w.dice * w.ce * g.both + w.ce * w.ce * g.ce, 1, 1e-9);
    params.max_norm = 2;
    w = balance_of(METHOD_NASH_MTL, &params, &g, &even);
    CHECK_NEAR(w.dice * w.dice * g.dice + 2 * w.dice * w.ce * g.both + w.ce * w.ce * g.ce, 2, 1e-9);
}

/* contract.md section 10: zero, parallel and opposite gradients get the weights of a = c = 1, b = 0, and are counted. */
void test_balance_degenerate_gradients_get_the_weights_of_orthogonal_ones(void)
{
    static const struct gram odd[] = {{0, 0, 1}, {1, 0, 0}, {0, 0, 0}, {9e-21, 0, 1}, {4, 2, 1}, {4, -2, 1}, {1e-30, 1e-30, 1e-30}};
    for (int m = METHOD_PCGRAD; m < METHODS; m++) {
        struct balance want = of((enum loss_method)m, 1, 0, 1);
        CHECK(!want.degenerate);
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            struct balance w = balance_of((enum loss_method)m, &plain, &odd[i], &(struct balance_view){.alpha = 0.5, .loss = {0, 3}, .target = 0.9});
            CHECK(w.degenerate && w.dice == want.dice && w.ce == want.ce && isfinite(w.dice) && isfinite(w.ce));
        }
        struct balance near = of((enum loss_method)m, 1, 1 - 1e-9, 1), against = of((enum loss_method)m, 1, 1e-9 - 1, 1);
        CHECK(!near.degenerate && !against.degenerate && isfinite(near.dice) && isfinite(against.dice) && isfinite(near.ce) && isfinite(against.ce));
    }
}

void test_balance_sums_to_what_the_contract_says_without_conflict(void)
{
    static const double sums[METHODS] = {[METHOD_PCGRAD] = 2, [METHOD_UPGRAD] = 1, [METHOD_MGDA] = 1, [METHOD_DUALPROJ] = 1, [METHOD_IMTL_G] = 1, [METHOD_GRADVAC] = 2};
    for (int m = METHOD_PCGRAD; m < METHODS; m++) {
        struct balance w = of((enum loss_method)m, 2, 1, 3);
        if (sums[m] > 0)
            CHECK_NEAR(w.dice + w.ce, sums[m], 1e-12);
    }
}
