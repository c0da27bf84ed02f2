/* test_trainer_plateau: whole runs whose alpha follows the validation: it moves where the rule says, and lanes and kills change no bit. */
#include "schema/job/plateau_check.h"
#include "tests/unit/trainer_fixture.h"

/* Every score but a rise of 0.5 stalls: alpha must move. */
static void follow(struct run *r)
{
    struct loss_spec *loss = &r->spec.loss;
    loss->strategy = LOSS_SCHEDULED;
    alpha_constant(&loss->alpha, 1);
    loss->alpha.plateau = (struct plateau){.on = true, .monitor = "val/dice", .mode = PLATEAU_MAX, .patience = 2, .threshold = 0.5, .cooldown = 1, .from = 1, .to = 0.2, .delta = -0.5};
    r->spec.training.epochs = 8;
    r->spec.training.steps_per_epoch = 2;
    r->spec.training.batch = 3;
}

static double value_at(const struct run *r, const char *name, int64_t step)
{
    const struct trainer_point *p = point_of(r, name, step);
    if (!p)
        check_fail(__FILE__, __LINE__, "no %s at %lld", name, (long long)step);
    return p->value;
}

/* alpha of every epoch, by hand: validation 0 is the best, 1 and 2 stall, 3 cools down, 4 and 5 stall. */
static const double by_hand[] = {1, 1, 1, 0.5, 0.5, 0.5, 0.2, 0.2};

void test_trainer_with_a_plateau_moves_alpha_where_validation_stalls(void)
{
    struct run *r = new_run();
    follow(r);
    train(r, 2, NULL);
    CHECK_INT(r->e, OK);
    for (int e = 0; e < 8; e++) {
        CHECK_NEAR(value_at(r, "epoch/alpha", e), by_hand[e], 1e-15);
        for (int s = 0; s < 2; s++) {
            double alpha = value_at(r, "alpha", 2 * e + s), dice = value_at(r, "loss/dice", 2 * e + s), ce = value_at(r, "loss/ce", 2 * e + s);
            CHECK_NEAR(alpha, by_hand[e], 1e-15);
            CHECK_NEAR(value_at(r, "loss/total", 2 * e + s), alpha * dice + (1 - alpha) * ce, 1e-12);
        }
    }
    free(r);
}

void test_trainer_counts_validations_not_epochs_for_a_plateau(void)
{
    struct run *r = new_run();
    follow(r);
    r->spec.validation.every_epochs = 2; /* after epochs 1, 3, 5, 7: the stall is the third, and epoch 6 feels it */
    train(r, 2, NULL);
    CHECK_INT(r->e, OK);
    for (int e = 0; e < 8; e++)
        CHECK_NEAR(value_at(r, "epoch/alpha", e), e < 6 ? 1 : 0.5, 1e-15);
    free(r);
}

void test_trainer_with_a_plateau_gives_the_same_weights_for_any_number_of_lanes(void)
{
    struct run *r[4];
    for (int lanes = 1; lanes <= 3; lanes++) {
        r[lanes] = new_run();
        follow(r[lanes]);
        train(r[lanes], lanes, NULL);
        CHECK_INT(r[lanes]->e, OK);
        CHECK_TEXT(r[lanes]->result.weights_sha256, r[1]->result.weights_sha256);
        check_same_points(r[1], (const struct run *[]){r[lanes]}, 1);
    }
    for (int lanes = 1; lanes <= 3; lanes++)
        free(r[lanes]);
}

/* Stopped between steps (within the patience, after a move, in the cooldown), then in the validation that follows, then on to the end. */
void test_trainer_goes_on_in_the_middle_of_a_plateau_as_if_it_had_never_stopped(void)
{
    static const int64_t stops[] = {3, 5, 7, 12};
    struct run *whole = new_run();
    follow(whole);
    train(whole, 2, NULL);
    for (int i = 0; i < 4; i++) {
        struct run *parts[3];
        for (int k = 0; k < 3; k++) {
            parts[k] = new_run();
            follow(parts[k]);
            parts[k]->stop_at = k == 0 ? stops[i] : -1;
            parts[k]->stop_in_validation = k == 1;
            train(parts[k], k + 1, k ? "checkpoint-last" : NULL);
            CHECK_INT(parts[k]->e, OK);
            CHECK(parts[k]->result.stopped == (k < 2));
        }
        CHECK_TEXT(parts[2]->result.weights_sha256, whole->result.weights_sha256);
        check_same_points(whole, (const struct run *[]){parts[0], parts[1], parts[2]}, 3);
        for (int k = 0; k < 3; k++)
            free(parts[k]);
    }
    free(whole);
}

void test_trainer_has_a_series_for_every_monitor_of_a_plateau(void)
{
    for (int i = 0; plateau_monitors[i]; i++)
        for (int of_class = 0; of_class <= 1; of_class++) {
            struct run *r = new_run();
            follow(r);
            struct plateau *p = &r->spec.loss.alpha.plateau;
            snprintf(p->monitor, sizeof p->monitor, "%s%s", plateau_monitors[i], of_class ? "/1" : "");
            r->stop_at = 0;
            train(r, 1, NULL);
            if (r->e)
                check_fail(__FILE__, __LINE__, "%s: %s", p->monitor, r->note.detail);
            free(r);
        }
}

void test_trainer_refuses_a_plateau_with_nothing_to_follow(void)
{
    struct run *r = new_run();
    follow(r);
    snprintf(r->spec.loss.alpha.plateau.monitor, sizeof r->spec.loss.alpha.plateau.monitor, "val/dice/2");
    train(r, 1, NULL);
    CHECK(r->e == ERR_SPEC);
    CHECK_TEXT(r->note.pointer, "/loss/alpha/monitor");
    CHECK_TEXT(r->note.detail, "there is no series val/dice/2 in this job");
    free(r);
    r = new_run();
    follow(r);
    size_t count = set.splits[SPLIT_VAL].count;
    set.splits[SPLIT_VAL].count = 0;
    train(r, 1, NULL);
    set.splits[SPLIT_VAL].count = count;
    CHECK(r->e == ERR_SPEC);
    CHECK_TEXT(r->note.pointer, "/loss/alpha/feedback");
    CHECK_TEXT(r->note.detail, "the data set has no validation images: alpha would follow nothing");
    free(r);
}
