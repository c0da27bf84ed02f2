/* test_strategy: what one step of each strategy does, and what the alternation of batches is. */
#include "tests/check.h"
#include "worker/train/strategy.h"

static struct loss_spec separate(enum loss_mode mode, enum loss_order order)
{
    struct loss_spec loss;
    loss_spec_default(&loss);
    loss.strategy = LOSS_SEPARATE_OPTIMIZERS;
    loss.optimizers.mode = mode;
    loss.optimizers.order = order;
    loss.optimizers.dice_steps = 2;
    loss.optimizers.ce_steps = 3;
    return loss;
}

void test_strategy_scheduled_mixes_by_alpha_of_the_epoch(void)
{
    struct loss_spec loss;
    loss_spec_default(&loss);
    loss.strategy = LOSS_SCHEDULED;
    loss.alpha = (struct alpha){.count = 2, .at = {0, 1}, .value = {1, 0}, .interp = ALPHA_LINEAR, .unit = ALPHA_FRACTION};
    struct step_plan plan;
    strategy_plan(&loss, 3, 10, 77, NULL, &plan);
    CHECK_INT(plan.count, 1);
    CHECK(plan.has_alpha && plan.weighted && plan.actions[0].forward);
    CHECK_NEAR(plan.alpha, 0.7, 1e-15);
    CHECK_NEAR(plan.actions[0].dice_weight, 0.7, 1e-15);
    CHECK_NEAR(plan.actions[0].ce_weight, 0.3, 1e-15);
    CHECK_INT(strategy_optimizers(&loss), 1);
    CHECK_INT(strategy_gradients(&loss), 2); /* the second is looked at, and */
    loss.diagnostics.every = 0;
    CHECK_INT(strategy_gradients(&loss), 1); /* not without diagnostics */
}

void test_strategy_constant_takes_lambdas_as_they_are(void)
{
    struct loss_spec loss;
    loss_spec_default(&loss);
    loss.by_lambda = true;
    loss.lambda_dice = 1, loss.lambda_ce = 3;
    struct step_plan plan;
    strategy_plan(&loss, 0, 10, 0, NULL, &plan);
    CHECK(!plan.has_alpha && plan.actions[0].dice_weight == 1 && plan.actions[0].ce_weight == 3);
}

void test_strategy_simultaneous_takes_both_gradients_of_one_forward(void)
{
    struct loss_spec loss = separate(LOSS_SIMULTANEOUS, LOSS_DICE_FIRST);
    struct step_plan plan;
    strategy_plan(&loss, 0, 10, 0, NULL, &plan);
    CHECK_INT(plan.count, 2);
    CHECK(plan.actions[0].forward && !plan.actions[1].forward && !plan.has_alpha && !plan.weighted);
    CHECK_INT(plan.actions[0].optimizer, OPTIMIZER_DICE);
    CHECK_INT(plan.actions[1].optimizer, OPTIMIZER_CE);
    CHECK(plan.actions[0].dice_weight == 1 && plan.actions[0].ce_weight == 0);
    CHECK(plan.actions[1].dice_weight == 0 && plan.actions[1].ce_weight == 1);
    CHECK_INT(strategy_gradients(&loss), 2);
    CHECK_INT(strategy_optimizers(&loss), 2);
}

void test_strategy_alternating_looks_again_before_the_second_step(void)
{
    struct loss_spec loss = separate(LOSS_ALTERNATING, LOSS_CE_FIRST);
    struct step_plan plan;
    strategy_plan(&loss, 0, 10, 0, NULL, &plan);
    CHECK_INT(plan.count, 2);
    CHECK(plan.actions[0].forward && plan.actions[1].forward);
    CHECK_INT(plan.actions[0].optimizer, OPTIMIZER_CE);
    CHECK_INT(plan.actions[1].optimizer, OPTIMIZER_DICE);
    CHECK_INT(strategy_gradients(&loss), 2); /* the second is looked at, and */
    loss.diagnostics.every = 0;
    CHECK_INT(strategy_gradients(&loss), 1); /* not without diagnostics */
}

void test_strategy_alternating_batches_counts_steps_of_the_whole_job(void)
{
    const char *want[2] = {"ddcccddccc", "cccddcccdd"};
    for (int order = 0; order <= 1; order++) {
        struct loss_spec loss = separate(LOSS_ALTERNATING_BATCHES, (enum loss_order)order);
        for (int64_t step = 0; step < 10; step++) {
            struct step_plan plan;
            strategy_plan(&loss, step / 4, 10, step, NULL, &plan);
            CHECK_INT(plan.count, 1);
            CHECK_INT(plan.actions[0].optimizer, want[order][step] == 'd' ? OPTIMIZER_DICE : OPTIMIZER_CE);
        }
    }
}
