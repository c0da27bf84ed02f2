/* test_adapt: weights that follow the losses, against hand-worked steps and the points where they come to rest. */
#include <math.h>
#include "tests/check.h"
#include "worker/train/adapt.h"

static struct loss_spec of(enum loss_method method)
{
    struct loss_spec loss;
    loss_spec_default(&loss);
    loss.strategy = method_is_gradient(method) ? LOSS_GRADIENT : LOSS_ADAPTIVE;
    loss.method = method;
    loss.gram.every = 1;
    loss.params = (struct method_params){.lr = 0.025, .temperature = 2, .alpha = 1.5, .gamma = 1e-3, .decay = 0.99, .c = 0.5, .rescale = 1, .beta = 0.5};
    return loss;
}

static struct adapt a;

void test_adapt_uncertainty_rests_where_each_weight_is_half_of_one_over_its_loss(void)
{
    struct loss_spec loss = of(METHOD_UNCERTAINTY);
    double w[2];
    const double losses[2] = {0.8, 0.05};
    adapt_start(&a, &loss);
    adapt_weights(&a, &loss, 1, 0, losses, w);
    CHECK(w[0] == 0.5 && w[1] == 0.5);
    adapt_weights(&a, &loss, 1, 1, losses, w); /* Adam's first step is lr long: slope .5 - .5 L > 0, so s falls by .025 */
    CHECK_NEAR(w[0], exp(0.025) / 2, 1e-6);
    CHECK_NEAR(w[1], exp(0.025) / 2, 1e-6);
    for (int i = 2; i < 6000; i++)
        adapt_weights(&a, &loss, 1, i, losses, w);
    CHECK_NEAR(w[0], 1 / (2 * 0.8), 1e-3);
    CHECK_NEAR(w[1], 1 / (2 * 0.05), 1e-2);
    loss.params.init = -0.5;
    adapt_start(&a, &loss);
    adapt_weights(&a, &loss, 1, 0, losses, w);
    CHECK_NEAR(w[1], exp(0.5) / 2, 1e-15);
}

void test_adapt_dwa_weighs_what_fell_less(void)
{
    struct loss_spec loss = of(METHOD_DWA);
    double w[2], means[3][2] = {{1, 1}, {0.9, 0.4}, {0.8, 0.3}};
    adapt_start(&a, &loss);
    adapt_end_epoch(&a, &loss); /* warm-up: no step, no epoch */
    for (int e = 0; e < 3; e++) {
        for (int k = 0; k < 2; k++) {
            const double losses[2] = {means[e][0] + (k ? 0.1 : -0.1), means[e][1] + (k ? 0.2 : -0.2)};
            adapt_weights(&a, &loss, 1, 2 * e + k, losses, w);
            if (e < 2)
                CHECK(w[0] == 1 && w[1] == 1);
        }
        adapt_end_epoch(&a, &loss);
        if (e == 0)
            CHECK_NEAR(a.epoch_mean[0][0], 1, 1e-15);
    }
    double r0 = exp(0.9 / 1 / 2), r1 = exp(0.4 / 1 / 2);
    CHECK_NEAR(w[0], 2 * r0 / (r0 + r1), 1e-12);
    CHECK_NEAR(w[0] + w[1], 2, 1e-12);
    adapt_weights(&a, &loss, 1, 6, (const double[]){1, 1}, w);
    r0 = exp(0.8 / 0.9 / 2), r1 = exp(0.3 / 0.4 / 2);
    CHECK_NEAR(w[1], 2 * r1 / (r0 + r1), 1e-12);
}

void test_adapt_gradnorm_brings_weighted_gradients_to_one_length(void)
{
    struct loss_spec loss = of(METHOD_GRADNORM);
    double w[2];
    const double losses[2] = {0.5, 0.5};
    adapt_start(&a, &loss);
    adapt_gram(&a, &loss, 0, &(struct gram){0.04, 0, 0.01}, losses); /* lengths .2 and .1: mean .15, so w1 falls by lr .2, w2 grows by lr .1 */
    adapt_weights(&a, &loss, 1, 0, losses, w);
    CHECK_NEAR(w[0], 2 * (1 - 0.005) / (2 - 0.0025), 1e-12);
    CHECK_NEAR(w[0] + w[1], 2, 1e-12);
    for (int i = 1; i < 2000; i++) {
        adapt_gram(&a, &loss, 0, &(struct gram){0.04, 0, 0.01}, losses);
        adapt_weights(&a, &loss, 1, i, losses, w);
    }
    CHECK_NEAR(w[0] * 0.2, w[1] * 0.1, 5e-3);
    /* with CE far behind (it has not fallen, Dice has) its share grows */
    for (int i = 0; i < 4000; i++)
        adapt_gram(&a, &loss, 0, &(struct gram){0.04, 0, 0.01}, (const double[]){0.1, 0.5});
    adapt_weights(&a, &loss, 1, 9, losses, w);
    CHECK(w[1] * 0.1 > 2 * w[0] * 0.2 && w[0] > 0);
}

void test_adapt_famo_moves_weight_to_the_loss_that_fell_less(void)
{
    struct loss_spec loss = of(METHOD_FAMO);
    double w[2], later[2];
    const double losses[2] = {0.5, 0.25};
    adapt_start(&a, &loss);
    CHECK(adapt_looks_again(&loss));
    adapt_weights(&a, &loss, 1, 0, losses, w);
    CHECK_NEAR(w[0], 1.0 / 3, 1e-7); /* z is even: weights go as 1/L, sum 1 */
    CHECK_NEAR(w[0] + w[1], 1, 1e-15);
    adapt_look_again(&a, &loss, (const double[]){0.5, 0.2});
    CHECK_NEAR(a.state[1], -0.025, 1e-6); /* CE fell: Adam's first step is lr long */
    CHECK_NEAR(a.state[0], 0.025, 1e-6);
    adapt_weights(&a, &loss, 1, 1, losses, later);
    CHECK(later[0] > w[0]);
    adapt_weights(&a, &loss, 1, 2, (const double[]){0, 0.2}, w); /* a Dice of 0 is finite */
    CHECK(isfinite(w[0]) && isfinite(w[1]));
}

void test_adapt_random_weights_depend_on_seed_and_step_alone(void)
{
    struct loss_spec loss = of(METHOD_RANDOM);
    double w[2], again[2], sum = 0, square = 0;
    adapt_start(&a, &loss);
    for (int i = 0; i < 4000; i++) {
        adapt_weights(&a, &loss, 7, i, (const double[]){1, 1}, w);
        CHECK_NEAR(w[0] + w[1], 1, 1e-12);
        CHECK(w[0] > 0 && w[0] < 1);
        sum += w[0];
        double logit = log(w[0] / w[1]); /* the difference of two normals: variance 2 */
        square += logit * logit;
    }
    CHECK_NEAR(sum / 4000, 0.5, 0.02);
    CHECK_NEAR(square / 4000, 2, 0.2);
    adapt_start(&a, &loss);
    adapt_weights(&a, &loss, 7, 3999, (const double[]){2, 3}, again);
    CHECK(w[0] == again[0] && w[1] == again[1]);
    adapt_weights(&a, &loss, 8, 3999, (const double[]){2, 3}, again);
    CHECK(w[0] != again[0]);
}

void test_adapt_loss_scale_divides_by_running_means(void)
{
    struct loss_spec loss = of(METHOD_LOSS_SCALE);
    double w[2];
    alpha_constant(&loss.alpha, 0.25);
    adapt_start(&a, &loss);
    adapt_weights(&a, &loss, 1, 0, (const double[]){0.5, 2}, w);
    CHECK_NEAR(w[0], 0.25 / 0.5, 1e-15);
    CHECK_NEAR(w[1], 0.75 / 2, 1e-15);
    adapt_weights(&a, &loss, 1, 1, (const double[]){0.4, 1}, w);
    CHECK_NEAR(w[0], 0.25 / (0.99 * 0.5 + 0.01 * 0.4), 1e-15);
    CHECK_NEAR(w[1], 0.75 / (0.99 * 2 + 0.01 * 1), 1e-15);
}

void test_adapt_holds_gradient_weights_between_grams_and_smooths_the_gram(void)
{
    struct loss_spec loss = of(METHOD_PCGRAD);
    double w[2];
    const double losses[2] = {1, 1};
    loss.gram.every = 4;
    loss.gram.ema = 0.5;
    adapt_start(&a, &loss);
    CHECK(adapt_wants_gram(&a, &loss, 5)); /* the first step after a warm-up has none yet */
    CHECK(!adapt_gram(&a, &loss, 0, &(struct gram){1, -0.5, 4}, losses));
    CHECK(!adapt_wants_gram(&a, &loss, 6) && adapt_wants_gram(&a, &loss, 8));
    adapt_weights(&a, &loss, 1, 6, losses, w);
    CHECK(w[0] == 1.5 && w[1] == 1.125);
    adapt_gram(&a, &loss, 0, &(struct gram){1, 0.1, 4}, losses); /* half of it and half of the old one: b = -0.2 */
    adapt_weights(&a, &loss, 1, 8, losses, w);
    CHECK_NEAR(w[0], 1.2, 1e-12);
    CHECK(adapt_gram(&a, &loss, 3, &(struct gram){0, 0, 4}, losses) && a.group[3].weight[0] == 1 && a.group[0].weight[0] == w[0]);
}

void test_adapt_gradvac_remembers_its_target(void)
{
    struct loss_spec loss = of(METHOD_GRADVAC);
    adapt_start(&a, &loss);
    adapt_gram(&a, &loss, 0, &(struct gram){1, 0.5, 1}, (const double[]){1, 1});
    CHECK(a.group[0].weight[0] == 1);
    CHECK_NEAR(a.group[0].target, 0.25, 1e-15);
    adapt_gram(&a, &loss, 0, &(struct gram){1, 0, 1}, (const double[]){1, 1}); /* below the target: pulled together */
    CHECK(a.group[0].weight[0] > 1);
    CHECK_NEAR(a.group[0].target, 0.125, 1e-15);
}
