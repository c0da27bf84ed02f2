/* test_trainer: whole runs on a small generated set: losses fall in every strategy, and nothing changes a bit that should not. */
#include "tests/unit/trainer_fixture.h"

static void set_strategy(struct job_spec *spec, int which)
{
    struct loss_spec *loss = &spec->loss;
    if (which == 1) {
        loss->strategy = LOSS_SCHEDULED;
        loss->alpha = (struct alpha){.count = 2, .at = {0, 1}, .value = {1, 0}, .interp = ALPHA_LINEAR, .unit = ALPHA_FRACTION};
    }
    if (which >= 2) {
        loss->strategy = LOSS_SEPARATE_OPTIMIZERS;
        loss->optimizers.mode = (enum loss_mode)(which - 2);
        loss->optimizers.dice.lr = loss->optimizers.ce.lr = 1e-2;
    }
}

void test_trainer_lowers_both_losses_in_every_strategy(void)
{
    for (int which = 0; which < 5; which++) {
        struct run *r = new_run();
        set_strategy(&r->spec, which);
        train(r, 2, NULL);
        if (r->e)
            check_fail(__FILE__, __LINE__, "strategy %d: %s", which, r->note.detail);
        if (!(r->last_dice < 0.95 * r->first_dice && r->last_ce < 0.8 * r->first_ce))
            check_fail(__FILE__, __LINE__, "strategy %d: Dice %.3f to %.3f, CE %.3f to %.3f", which, r->first_dice, r->last_dice, r->first_ce, r->last_ce);
        CHECK_INT(r->result.steps, 24);
        CHECK(point_of(r, "val/dice", 2) && point_of(r, "val/dice/0", 0) && point_of(r, "val/iou/1", 1) && point_of(r, "loss/dice", 23));
        CHECK(!point_of(r, "alpha", 0) == (which >= 2));
        CHECK(!point_of(r, "lr/ce", 0) == (which < 2));
        CHECK(access("checkpoint-last", R_OK) == 0 && access("checkpoint-best", R_OK) == 0);
        free(r);
    }
}

/* Run r[lanes], on so many lanes, must come to the bits of r[1]. */
static void train_alike(struct run *r[], int lanes)
{
    shorten(r[lanes]);
    train(r[lanes], lanes, NULL);
    CHECK_INT(r[lanes]->e, OK);
    CHECK_TEXT(r[lanes]->result.weights_sha256, r[1]->result.weights_sha256);
    check_same_points(r[1], (const struct run *[]){r[lanes]}, 1);
}

void test_trainer_gives_the_same_weights_for_any_number_of_lanes(void)
{
    for (int which = 0; which < 4; which += 2) {
        struct run *r[4];
        for (int lanes = 1; lanes <= 3; lanes++) {
            r[lanes] = new_run();
            set_strategy(&r[lanes]->spec, which);
            train_alike(r, lanes);
        }
        for (int lanes = 1; lanes <= 3; lanes++)
            free(r[lanes]);
    }
}

/* Winograd, micro-batches that divide the batch and that do not, one gradient and two; other lanes, and a stop half-way. */
void test_trainer_gives_the_same_weights_with_winograd_and_micro_batches_for_any_lanes_and_after_a_resume(void)
{
    for (int micro_batch = 1; micro_batch <= 3; micro_batch++) {
        struct run *whole = NULL;
        for (int lanes = 1; lanes <= 5; lanes++) {
            struct run *r = new_run(), *before = new_run();
            set_strategy(&r->spec, micro_batch == 2 ? 0 : 2);
            shorten(r);
            r->micro_batch = before->micro_batch = micro_batch;
            before->spec = r->spec;
            before->stop_at = 3;
            if (lanes == 5)
                train(before, 3, NULL);
            train(r, lanes == 5 ? 2 : lanes, lanes == 5 ? "checkpoint-last" : NULL);
            CHECK_INT(r->e, OK);
            if (!whole)
                whole = r;
            CHECK_TEXT(r->result.weights_sha256, whole->result.weights_sha256);
            check_same_points(whole, (const struct run *[]){r, before}, 2);
            if (r != whole)
                free(r);
            free(before);
        }
        free(whole);
    }
}

/* Options that look at the whole batch, or at each pixel twice. */
void test_trainer_gives_the_same_weights_for_any_number_of_lanes_under_every_loss_option(void)
{
    for (int which = 0; which < 2; which++) {
        struct run *r[4];
        for (int lanes = 1; lanes <= 3; lanes++) {
            r[lanes] = new_run();
            struct loss_spec *loss = &r[lanes]->spec.loss;
            if (which)
                set_strategy(&r[lanes]->spec, 2);
            loss->activation = LOSS_SOFTMAX;
            loss->include_background = loss->dice.class_weight = true;
            loss->class_weight.kind = LOSS_BALANCED;
            loss_spec_balance(loss, set.splits[SPLIT_TRAIN].class_pixels, (int)set.num_classes);
            loss->ce.label_smoothing = 0.1;
            loss->ce.top_k = which ? 100 : 20;
            loss->ce.focal_gamma = which ? 1.5 : 0;
            train_alike(r, lanes);
        }
        for (int lanes = 1; lanes <= 3; lanes++)
            free(r[lanes]);
    }
}

void test_trainer_goes_on_from_a_checkpoint_as_if_it_had_never_stopped(void)
{
    for (int which = 0; which < 5; which += 2) {
        struct run *whole = new_run();
        set_strategy(&whole->spec, which);
        shorten(whole);
        train(whole, 2, NULL);
        for (int64_t stop = 2; stop <= 6; stop += 2) { /* in an epoch, at its end, in the next */
            struct run *before = new_run(), *after = new_run();
            set_strategy(&before->spec, which);
            shorten(before);
            after->spec = before->spec;
            before->stop_at = stop;
            train(before, 1, NULL);
            CHECK(before->result.stopped && before->result.steps == stop);
            train(after, 2, "checkpoint-last");
            CHECK_INT(after->e, OK);
            CHECK_TEXT(after->result.weights_sha256, whole->result.weights_sha256);
            CHECK(after->result.best_epoch == whole->result.best_epoch && after->result.best_score == whole->result.best_score);
            check_same_points(whole, (const struct run *[]){before, after}, 2);
            free(before), free(after);
        }
        free(whole);
    }
}

void test_trainer_told_to_stop_while_it_validates_repeats_the_validation(void)
{
    struct run *whole = new_run(), *before = new_run(), *after = new_run();
    shorten(whole), shorten(before), shorten(after);
    train(whole, 1, NULL);
    before->stop_in_validation = true;
    train(before, 1, NULL);
    CHECK(before->result.stopped && before->result.steps == 4 && before->result.epochs == 0);
    CHECK(!point_of(before, "val/dice", 0));
    train(after, 1, "checkpoint-last");
    CHECK_TEXT(after->result.weights_sha256, whole->result.weights_sha256);
    check_same_points(whole, (const struct run *[]){before, after}, 2);
    free(whole), free(before), free(after);
}

/* loss.md section 1: with plain SGD both steps from one point are the step along lr_d*Dice + lr_c*CE. */
void test_trainer_two_sgd_at_one_point_train_as_one_weighted_sgd(void)
{
    struct run *two = new_run(), *one = new_run();
    struct optimizer_spec sgd = {.type = OPTIMIZER_SGD, .lr = 0.2, .momentum = 0.9};
    set_strategy(&two->spec, 2);
    two->spec.loss.optimizers.dice = two->spec.loss.optimizers.ce = sgd;
    two->spec.loss.optimizers.ce.lr = 0.05;
    one->spec.loss.by_lambda = true;
    one->spec.loss.lambda_dice = 0.2, one->spec.loss.lambda_ce = 0.05;
    one->spec.optimizer = sgd;
    one->spec.optimizer.lr = 1;
    shorten(two), shorten(one);
    train(two, 2, NULL);
    train(one, 2, NULL);
    for (int64_t step = 0; step < 8; step++) {
        CHECK_NEAR(point_of(two, "loss/dice", step)->value, point_of(one, "loss/dice", step)->value, 2e-5);
        CHECK_NEAR(point_of(two, "loss/ce", step)->value, point_of(one, "loss/ce", step)->value, 2e-5);
    }
    CHECK(!point_of(two, "loss/total", 0) && point_of(one, "loss/total", 0));
    CHECK(fabs(point_of(one, "loss/ce", 7)->value - point_of(one, "loss/ce", 0)->value) > 1e-3); /* it did move */
    free(two), free(one);
}

void test_trainer_takes_several_classes_with_one_of_them_ignored(void)
{
    struct generator g = GENERATOR_DEFAULT;
    g.images = 6, g.size = 48, g.classes = 8, g.foreground = 0.3, g.noise = 0.05;
    CHECK_INT(generate_dataset(&g, &set, NULL), OK);
    struct run *one = new_run(), *three = new_run();
    one->spec.loss.ignore_index = 2;
    one->spec.loss.include_background = false;
    one->spec.loss.dice.batch = true;
    snprintf(one->spec.validation.monitor, sizeof one->spec.validation.monitor, "val/iou/3");
    shorten(one);
    three->spec = one->spec;
    train(one, 1, NULL);
    train(three, 3, NULL);
    CHECK_INT(one->e, OK);
    CHECK_TEXT(one->result.weights_sha256, three->result.weights_sha256);
    CHECK(point_of(one, "val/dice/3", 0) && point_of(one, "val/dice_image/1", 1) && isfinite(point_of(one, "loss/total", 7)->value));
    CHECK(!point_of(one, "val/nsd/2", one->result.best_epoch) && point_of(one, "val/nsd/3", one->result.best_epoch));
    CHECK_INT(one->most_series, 50); /* an epoch has more, a batch of metrics takes 256 */
    CHECK(!isnan(one->result.best_score) && one->result.best_score == point_of(one, "val/iou/3", one->result.best_epoch)->value);
    free(one), free(three);
}

void test_trainer_says_where_and_on_what_it_diverged(void)
{
    struct run *r = new_run();
    r->spec.optimizer.type = OPTIMIZER_SGD;
    r->spec.optimizer.lr = 1e30;
    r->spec.model.norm = MODEL_NORM_NONE;
    train(r, 2, NULL);
    CHECK_INT(r->e, ERR_DIVERGED);
    CHECK_HAS(r->note.detail, "epoch 0, step ");
    CHECK_HAS(r->result.failed_samples, " at ");
    CHECK(r->result.failed_step >= 1);
    free(r);
}

void test_trainer_does_not_end_well_with_weights_that_are_not_finite(void)
{
    struct run *r = new_run();
    shorten(r);
    r->spec.optimizer.type = OPTIMIZER_SGD;
    r->spec.optimizer.lr = 1e38;
    r->spec.loss.by_lambda = true;
    r->spec.loss.lambda_dice = r->spec.loss.lambda_ce = 1e10;
    r->spec.training.epochs = r->spec.training.steps_per_epoch = 1; /* no forward pass comes after the only update */
    train(r, 1, NULL);
    CHECK_INT(r->e, ERR_DIVERGED);
    CHECK_HAS(r->note.detail, "a weight is not finite at epoch 0, step 1");
    CHECK(access("checkpoint-last", F_OK) != 0);
    free(r);
}

void test_trainer_says_when_the_best_checkpoint_cannot_be_written(void)
{
    struct run *r = new_run();
    shorten(r);
    CHECK_INT(mkdir("checkpoint-best.part", 0755), 0); /* in the way of the link and of the copy */
    CHECK_INT(mkdir("checkpoint-best.part/full", 0755), 0);
    train(r, 1, NULL);
    CHECK_INT(r->e, ERR_IO);
    CHECK_HAS(r->note.detail, "checkpoint-best");
    free(r);
}

void test_trainer_refuses_a_monitor_that_is_no_series(void)
{
    struct run *r = new_run();
    snprintf(r->spec.validation.monitor, sizeof r->spec.validation.monitor, "val/dice/2");
    train(r, 1, NULL);
    CHECK_INT(r->e, ERR_SPEC);
    CHECK_TEXT(r->note.pointer, "/validation/monitor");
    CHECK_HAS(r->note.allowed, "val/dice/1");
    free(r);
}

void test_trainer_skips_batches_without_a_single_valid_pixel(void)
{
    struct run *r = new_run();
    for (size_t i = 0; i < set.splits[SPLIT_TRAIN].count; i++)
        memset(set.splits[SPLIT_TRAIN].images[i].classes, LABEL_IGNORE, 48 * 48);
    train(r, 2, NULL);
    CHECK_INT(r->e, OK);
    CHECK_INT(r->result.skipped_steps, 24);
    CHECK(!point_of(r, "loss/dice", 0) && point_of(r, "alpha", 0) && point_of(r, "val/dice", 0));
    CHECK_NEAR(point_of(r, "epoch/steps_skipped", 0)->value, 8, 0);
    free(r);
}

void test_trainer_tells_its_first_step_at_once_and_holds_those_after(void)
{
    struct run *r = new_run();
    shorten(r);
    train(r, 1, NULL);
    CHECK_INT(r->e, OK);
    CHECK(r->told_by_first_step > 0 && point_of(r, "loss/total", 0));
    for (size_t i = 0; i < r->told_by_first_step; i++)
        CHECK_INT(r->points[i].step, 0);
    free(r);
}

void test_trainer_writes_checkpoints_by_the_clock_between_epochs(void)
{
    struct run *r = new_run();
    shorten(r);
    r->spec.training.checkpoint_s = 1e-9;
    r->spec.training.checkpoint_epochs = 100;
    r->spec.validation.every_epochs = 100;
    train(r, 1, NULL);
    CHECK_INT(r->e, OK);
    CHECK(r->checkpoints >= 2 * 3 + 1);
    free(r);
}

void test_previews_have_names_that_the_server_takes_whatever_the_images_are_called(void)
{
    char name[TRAINER_PREVIEW_NAME], long_id[140];
    trainer_preview_name(0, "Image_11L", name);
    CHECK_TEXT(name, "preview-0-image_11l.png");
    trainer_preview_name(63, "a b/\xc3\xa9.x", name);
    CHECK_TEXT(name, "preview-63-a_b___.x.png");
    memset(long_id, 'Z', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = 0;
    trainer_preview_name(7, long_id, name);
    CHECK_INT(strlen(name), 64);
    CHECK_TEXT(name + 60, ".png");
}

/* ---- scores of borders and of probabilities ------------------------------------------------------------ */
static bool has_point(const struct run *r, const char *name, int64_t epoch)
{
    return point_of(r, name, epoch) != NULL;
}

void test_trainer_scores_borders_and_calibration_of_the_best_weights_and_at_every_validation_when_asked(void)
{
    struct run *once = new_run(), *always = new_run();
    static const char *const names[] = {"val/nsd", "val/nsd/1", "val/hd95/1", "val/assd", "val/ece", "val/ece/1", "val/ece_foreground", "val/ece_image", "val/brier", "val/brier_image/1"};
    always->spec.validation.score_count = 2;
    always->spec.validation.scores[1] = VALIDATION_CALIBRATION;
    once->spec.validation.nsd_tolerance = always->spec.validation.nsd_tolerance = 2;
    once->other_weights = true; /* the best are not those of the network */
    train(once, 1, NULL);
    train(always, 3, NULL);
    CHECK_TEXT(always->result.weights_sha256, once->result.weights_sha256);
    int64_t best = once->result.best_epoch;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int64_t epoch = 0; epoch < 3; epoch++) {
            CHECK(has_point(always, names[i], epoch));
            CHECK(has_point(once, names[i], epoch) == (epoch == best));
        }
    check_same_points(once, (const struct run *[]){always}, 1); /* bit for bit, whatever the lanes, and the overlap scores of every epoch too */
    for (int64_t epoch = 0; epoch < 3; epoch++)
        CHECK(has_point(once, "val/precision", epoch) && has_point(once, "val/recall_image/1", epoch) && !has_point(once, "val/ece/0", epoch));
    double nsd = point_of(once, "val/nsd", best)->value, ece = point_of(once, "val/ece", best)->value, brier = point_of(once, "val/brier", best)->value;
    CHECK(nsd > 0.05 && nsd <= 1 && ece > 0 && ece < 0.5 && brier > 0 && brier < 1);
    CHECK_NEAR(point_of(once, "val/brier/1", best)->value, brier / 2, 1e-12);
    free(once), free(always);
}

void test_trainer_told_to_stop_while_it_evaluates_comes_back_to_it(void)
{
    struct run *whole = new_run(), *before = new_run(), *after = new_run();
    shorten(whole), shorten(before), shorten(after);
    train(whole, 1, NULL);
    before->stop_in_evaluation = true;
    train(before, 1, NULL);
    CHECK(before->e == OK && before->result.stopped && before->result.epochs == whole->result.epochs);
    CHECK(!point_of(before, "val/nsd", whole->result.best_epoch));
    train(after, 2, "checkpoint-last");
    CHECK(!after->result.stopped && point_of(after, "val/nsd", whole->result.best_epoch));
    check_same_points(whole, (const struct run *[]){before, after}, 2);
    free(whole), free(before), free(after);
}

/* ---- a network of its own for validation --------------------------------------------------------------- */
void test_trainer_validates_in_tiles_of_the_patch_as_without_a_tile(void)
{
    struct run *plain = new_run(), *tiled = new_run();
    tiled->spec.validation.tile_rank = 2;
    tiled->spec.validation.tile[0] = tiled->spec.validation.tile[1] = 32;
    train(plain, 2, NULL);
    train(tiled, 2, NULL);
    CHECK_INT(plain->e, OK);
    CHECK_INT(tiled->e, OK);
    CHECK_TEXT(tiled->result.weights_sha256, plain->result.weights_sha256);
    CHECK(tiled->count == plain->count && tiled->count > 0);
    check_same_points(plain, (const struct run *[]){tiled}, 1);
    free(plain), free(tiled);
}

void test_trainer_whole_image_tiles_change_the_scores_and_nothing_else(void)
{
    struct run *plain = new_run(), *whole = new_run();
    whole->spec.validation.tile_rank = 2;
    whole->spec.validation.tile[0] = whole->spec.validation.tile[1] = 48; /* the size of the images */
    train(plain, 2, NULL);
    train(whole, 2, NULL);
    CHECK_INT(whole->e, OK);
    CHECK_TEXT(whole->result.weights_sha256, plain->result.weights_sha256);
    int differ = 0;
    for (int64_t epoch = 0; epoch < plain->spec.training.epochs; epoch++) {
        const struct trainer_point *a = point_of(plain, "val/dice", epoch), *b = point_of(whole, "val/dice", epoch);
        CHECK(a && b && b->value >= 0 && b->value <= 1);
        differ += memcmp(&a->value, &b->value, sizeof a->value) != 0;
    }
    CHECK(differ > 0);
    free(plain), free(whole);
}
