/* test_trainer_adapt: whole runs of every adaptive and gradient method: they learn, repeat, resume, and equal what they must. */
#include "schema/job/method_json.h"
#include "tests/unit/trainer_fixture.h"

static void set_method(struct job_spec *spec, enum loss_method method)
{
    spec->loss.strategy = method_rows[method].strategy;
    method_default(&spec->loss, method);
}

static struct run *run_of(enum loss_method method)
{
    struct run *r = new_run();
    set_method(&r->spec, method);
    return r;
}

static void train_or_fail(struct run *r, int lanes, const char *resume)
{
    train(r, lanes, resume);
    if (r->e)
        check_fail(__FILE__, __LINE__, "%s: %s", method_word(r->spec.loss.method), r->note.detail);
}

void test_trainer_learns_with_every_adaptive_and_gradient_method(void)
{
    for (int m = METHOD_NONE + 1; m < METHODS; m++) {
        struct run *r = run_of((enum loss_method)m);
        train_or_fail(r, 2, NULL);
        const struct trainer_point *first = point_of(r, "val/dice", 0), *last = point_of(r, "val/dice", 2);
        if (!(r->last_dice < 0.95 * r->first_dice && r->last_ce < 0.9 * r->first_ce && isfinite(r->last_ce)))
            check_fail(__FILE__, __LINE__, "%s: Dice %.3f to %.3f, CE %.3f to %.3f", method_word((enum loss_method)m), r->first_dice, r->last_dice, r->first_ce, r->last_ce);
        if (!(last->value > first->value && last->value > 0.3))
            check_fail(__FILE__, __LINE__, "%s: validation Dice %.3f to %.3f", method_word((enum loss_method)m), first->value, last->value);
        CHECK(point_of(r, "weight/dice", 0) && point_of(r, "weight/ce", 23) && point_of(r, "epoch/weight/ce", 2) && point_of(r, "loss/total", 3) && !point_of(r, "alpha", 0));
        free(r);
    }
}

/* Every level and scope, Grams held over steps and smoothed, a warm-up: killed anywhere and on other lanes, the same bits. */
void test_trainer_goes_on_with_an_adapted_strategy_as_if_it_had_never_stopped(void)
{
    static const struct {
        enum loss_method method;
        enum gram_level level;
        enum gram_scope scope;
        int every, warmup;
    } cases[] = {{METHOD_UNCERTAINTY, 0, 0, 1, 0}, {METHOD_DWA, 0, 0, 1, 0},  {METHOD_FAMO, 0, 0, 1, 1}, {METHOD_LOSS_SCALE, 0, 0, 1, 0}, {METHOD_RANDOM, 0, 0, 1, 0},
                 {METHOD_GRADNORM, GRAM_LAST_LAYER, GRAM_MODEL, 1, 0}, {METHOD_GRADVAC, GRAM_FULL, GRAM_LAYER, 3, 0}, {METHOD_MGDA, GRAM_LOGITS, GRAM_MODEL, 2, 1},
                 {METHOD_CAGRAD, GRAM_FULL, GRAM_MODEL, 3, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run *whole = run_of(cases[i].method);
        whole->spec.loss.gram = (struct gram_spec){cases[i].level, cases[i].scope, cases[i].every, 0.5};
        whole->spec.loss.warmup_epochs = cases[i].warmup;
        shorten(whole);
        whole->spec.training.epochs = cases[i].method == METHOD_DWA ? 4 : 2; /* dwa weighs from the third on */
        struct job_spec spec = whole->spec;
        train_or_fail(whole, 2, NULL);
        int64_t steps = 4 * spec.training.epochs;
        for (int64_t stop = steps - 5; stop < steps; stop += 2) {
            struct run *before = new_run(), *after = new_run();
            before->spec = after->spec = spec;
            before->stop_at = stop;
            train_or_fail(before, 1, NULL);
            train_or_fail(after, 3, "checkpoint-last");
            CHECK_TEXT(after->result.weights_sha256, whole->result.weights_sha256);
            check_same_points(whole, (const struct run *[]){before, after}, 2);
            free(before), free(after);
        }
        CHECK(!point_of(whole, "alpha", 0) == !cases[i].warmup && !point_of(whole, "alpha", steps - 1));
        free(whole);
    }
}

/* contract.md section 10: without conflict PCGrad is the plain sum, bit for bit, at logits and last layer. With SGD, so that a
   wrong length would show. */
void test_trainer_pcgrad_without_conflict_is_the_plain_sum(void)
{
    const struct optimizer_spec sgd = {.type = OPTIMIZER_SGD, .lr = 0.05, .momentum = 0.9};
    struct generator g = GENERATOR_DEFAULT;
    g.images = 10, g.size = 48, g.foreground = 0.5, g.noise = 0.05; /* with rare foreground the last layer's bias is in conflict at once */
    CHECK_INT(generate_dataset(&g, &set, NULL), OK);
    struct run *sum = new_run();
    shorten(sum);
    sum->spec.optimizer = sgd;
    sum->spec.loss.by_lambda = true; /* 1, 1 */
    train(sum, 2, NULL);
    CHECK_INT(sum->e, OK);
    for (int level = GRAM_LOGITS; level < GRAM_LEVELS; level++) {
        struct run *pc = run_of(METHOD_PCGRAD);
        shorten(pc);
        pc->spec.optimizer = sgd;
        pc->spec.loss.gram.level = (enum gram_level)level;
        train_or_fail(pc, 2, NULL);
        int64_t until = 0; /* the first step in conflict: up to its losses all must be equal */
        while (until < 8 && point_of(pc, "weight/dice", until)->value == 1 && point_of(pc, "weight/ce", until)->value == 1)
            until++;
        CHECK(level == GRAM_LOGITS ? until == 8 : until >= 2); /* at logits there is none: hard labels, two classes */
        for (int64_t step = 0; step <= until && step < 8; step++) {
            double off = point_of(pc, "loss/ce", step)->value - point_of(sum, "loss/ce", step)->value;
            CHECK(level == GRAM_FULL ? fabs(off) < 1e-5 : off == 0); /* full: g1 + g2 of two passes, see test_compare */
        }
        if (until == 8 && level != GRAM_FULL)
            CHECK_TEXT(pc->result.weights_sha256, sum->result.weights_sha256);
        free(pc);
    }
    free(sum);
}

/* One layer scope with weights that do not depend on the Gram is the model scope; and weights are really applied. */
void test_trainer_mixes_layers_by_their_own_weights(void)
{
    struct run *model = run_of(METHOD_DUALPROJ), *layer = run_of(METHOD_DUALPROJ), *bisector = run_of(METHOD_IMTL_G);
    shorten(model), shorten(layer), shorten(bisector);
    model->spec.training.epochs = layer->spec.training.epochs = bisector->spec.training.epochs = 1;
    layer->spec.loss.gram.scope = bisector->spec.loss.gram.scope = GRAM_LAYER;
    train_or_fail(model, 1, NULL), train_or_fail(layer, 2, NULL), train_or_fail(bisector, 2, NULL);
    CHECK(!point_of(layer, "weight/dice", 0) && !point_of(layer, "loss/total", 0) && point_of(layer, "loss/dice", 3));
    CHECK(strcmp(bisector->result.weights_sha256, layer->result.weights_sha256) != 0);
    free(model), free(layer), free(bisector);
}

void test_trainer_counts_degenerate_steps_and_goes_on(void)
{
    struct run *r = run_of(METHOD_NASH_MTL);
    shorten(r);
    r->spec.loss.dice.empty = LOSS_EMPTY_SKIP;
    for (size_t i = 0; i < set.splits[SPLIT_TRAIN].count; i++) /* no foreground anywhere: Dice is 0 and has no gradient */
        memset(set.splits[SPLIT_TRAIN].images[i].classes, 0, 48 * 48);
    train_or_fail(r, 2, NULL);
    CHECK_NEAR(point_of(r, "epoch/steps_degenerate", 0)->value, 4, 0);
    CHECK_NEAR(point_of(r, "weight/ce", 2)->value, 1 / sqrt(2), 1e-12); /* nash of (1, 0, 1), shortened to max_norm 1 */
    free(r);
}
