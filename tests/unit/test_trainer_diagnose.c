/* test_trainer_diagnose: whole runs looked at: nothing else changes, the numbers are right, they survive a kill, the alarm is heard. */
#include "schema/job/method_json.h"
#include "tests/unit/trainer_fixture.h"
#include "worker/train/trainer_parts.h"

struct case_of {
    enum loss_strategy strategy;
    enum loss_mode mode;
    enum loss_method method;
    enum gram_level level;
    enum gram_scope scope;
    int every, warmup;
};
/* Every kind of step there is. */
static const struct case_of cases[] = {
    {.strategy = LOSS_CONSTANT}, {.strategy = LOSS_SCHEDULED},
    {.strategy = LOSS_SEPARATE_OPTIMIZERS, .mode = LOSS_SIMULTANEOUS}, {.strategy = LOSS_SEPARATE_OPTIMIZERS, .mode = LOSS_ALTERNATING},
    {.strategy = LOSS_SEPARATE_OPTIMIZERS, .mode = LOSS_ALTERNATING_BATCHES},
    {LOSS_ADAPTIVE, 0, METHOD_UNCERTAINTY, 0, 0, 1, 1}, {LOSS_ADAPTIVE, 0, METHOD_FAMO, 0, 0, 1, 0}, {LOSS_ADAPTIVE, 0, METHOD_GRADNORM, GRAM_LAST_LAYER, GRAM_MODEL, 1, 0},
    {LOSS_GRADIENT, 0, METHOD_CAGRAD, GRAM_FULL, GRAM_MODEL, 3, 1}, {LOSS_GRADIENT, 0, METHOD_PCGRAD, GRAM_LOGITS, GRAM_MODEL, 2, 0},
    {LOSS_GRADIENT, 0, METHOD_GRADVAC, GRAM_FULL, GRAM_LAYER, 1, 0},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void set_case(struct job_spec *spec, const struct case_of *c)
{
    spec->loss.strategy = c->strategy;
    spec->loss.optimizers.mode = c->mode;
    if (c->method) {
        method_default(&spec->loss, c->method);
        spec->loss.gram = (struct gram_spec){c->level, c->scope, c->every, 0};
        spec->loss.warmup_epochs = c->warmup;
    }
    if (c->strategy == LOSS_SCHEDULED) { /* 0.9, then 0.1: either loss is once the lighter one */
        spec->loss.alpha.count = 2;
        spec->loss.alpha.at[1] = 1;
        spec->loss.alpha.value[0] = 0.9, spec->loss.alpha.value[1] = 0.1;
    }
}

static struct run *run_of(const struct case_of *c, int every, int dense_steps)
{
    struct run *r = new_run();
    shorten(r);
    set_case(&r->spec, c);
    r->spec.loss.diagnostics.every = every;
    r->spec.loss.diagnostics.dense_steps = dense_steps;
    return r;
}

static void train_or_fail(struct run *r, int lanes, const char *resume)
{
    train(r, lanes, resume);
    if (r->e)
        check_fail(__FILE__, __LINE__, "strategy %d, method %s: %s", (int)r->spec.loss.strategy, method_word(r->spec.loss.method), r->note.detail);
}

static bool is_grad(const char *name)
{
    return strstr(name, "grad/") != NULL;
}

void test_trainer_looked_at_comes_to_the_same_weights_and_rows_with_every_strategy(void)
{
    for (int i = 0; i < CASES; i++) {
        struct run *off = run_of(&cases[i], 0, 0), *on = run_of(&cases[i], 2, 3);
        off->micro_batch = on->micro_batch = i % 3; /* direct, and Winograd of one and two samples */
        train_or_fail(off, 1, NULL), train_or_fail(on, 2, NULL);
        CHECK_TEXT(on->result.weights_sha256, off->result.weights_sha256);
        check_same_points(off, (const struct run *[]){on}, 1);
        size_t grads = 0;
        for (size_t k = 0; k < off->count; k++)
            CHECK(!is_grad(off->names[k]));
        for (size_t k = 0; k < on->count; k++)
            grads += is_grad(on->names[k]);
        CHECK_INT(on->count - grads, off->count);
        static const char *const here[] = {"grad/cos/logits", "grad/norm_dice/last_layer", "grad/norm_ce/full", "grad/ratio/block/encoder.0", "grad/cos/block/head"};
        for (size_t k = 0; k < 5; k++) /* steps 0 to 2, then 4 and 6 */
            if (!point_of(on, here[k], 0) || !point_of(on, here[k], 1) || point_of(on, here[k], 3) || !point_of(on, here[k], 6) || point_of(on, here[k], 7))
                check_fail(__FILE__, __LINE__, "case %d: %s is told of the wrong steps", i, here[k]);
        CHECK(point_of(on, "grad/alpha_effective", 4) && point_of(on, "epoch/grad/conflict_rate/full", 1) && point_of(on, "epoch/grad/cos_p50/logits", 0) && point_of(on, "epoch/grad/similarity/full", 0));
        free(off), free(on);
    }
}

static double value_of(const struct run *r, const char *series, const char *place, int64_t step)
{
    char name[64];
    snprintf(name, sizeof name, "grad/%s/%s", series, place);
    const struct trainer_point *p = point_of(r, name, step);
    if (!p)
        check_fail(__FILE__, __LINE__, "%s at %lld is missing", name, (long long)step);
    return p->value;
}

/* At the same weights the mix's two gradients are those of a strategy that makes both, one backward pass each: step 0 of all. */
void test_trainer_takes_both_gradients_out_of_any_mix(void)
{
    static const char *const places[] = {"logits", "last_layer", "full", "block/encoder.0", "block/decoder.1", "block/head"}, *const series[] = {"cos", "norm_dice", "norm_ce", "ratio"};
    struct run *both = run_of(&cases[2], 1, 0);
    train_or_fail(both, 1, NULL);
    for (int i = 0; i < CASES; i++) {
        struct run *r = run_of(&cases[i], 1, 0);
        if (i == 0)
            r->spec.loss.alpha.value[0] = 0.05; /* CE is nearly all of it */
        train_or_fail(r, 1, NULL);
        for (size_t p = 0; p < 6; p++)
            for (size_t s = 0; s < 4; s++) {
                double want = value_of(both, series[s], places[p], 0), got = value_of(r, series[s], places[p], 0);
                if (fabs(got - want) > 1e-5 * (s ? fabs(want) : 1))
                    check_fail(__FILE__, __LINE__, "case %d: %s/%s %.9g, want %.9g", i, series[s], places[p], got, want);
            }
        free(r);
    }
    double norm = value_of(both, "norm_dice", "block/head", 0); /* the head is a block, and the last layer */
    CHECK_NEAR(norm, value_of(both, "norm_dice", "last_layer", 0), 0);
    free(both);
}

/* Without level full the last layer is made alone, without a pass through the network: the same numbers. */
void test_trainer_compares_the_last_layer_without_a_backward_pass(void)
{
    struct run *full = run_of(&cases[0], 1, 0), *head = run_of(&cases[0], 1, 0);
    head->spec.loss.diagnostics.at[GRAM_FULL] = head->spec.loss.diagnostics.blocks = false;
    train_or_fail(full, 1, NULL), train_or_fail(head, 2, NULL);
    for (int64_t step = 0; step < 8; step++) {
        CHECK_NEAR(value_of(head, "cos", "last_layer", step), value_of(full, "cos", "last_layer", step), 1e-5);
        CHECK_NEAR(value_of(head, "norm_dice", "logits", step), value_of(full, "norm_dice", "logits", step), 0);
    }
    CHECK(!point_of(head, "grad/cos/full", 0) && !point_of(head, "grad/cos/block/head", 0) && !point_of(head, "epoch/grad/similarity/full", 0));
    CHECK_TEXT(head->result.weights_sha256, full->result.weights_sha256);
    free(full), free(head);
}

/* Two classes with hard labels agree at every logit: loss.md's theorem, in a run. */
void test_trainer_never_sees_two_classes_with_hard_labels_in_conflict_at_the_logits(void)
{
    for (int softmax = 0; softmax < 2; softmax++) {
        struct run *r = new_run();
        r->spec.loss.diagnostics.every = 1;
        r->spec.loss.activation = softmax ? LOSS_SOFTMAX : LOSS_BY_CLASSES;
        train_or_fail(r, 2, NULL);
        for (int64_t step = 0; step < 24; step++)
            CHECK(value_of(r, "cos", "logits", step) > 0);
        free(r);
    }
}

void test_trainer_says_what_share_of_the_update_is_dice(void)
{
    struct run *r = run_of(&cases[0], 1, 0), *two = run_of(&cases[2], 1, 0), *alone = run_of(&cases[0], 1, 0);
    r->spec.loss.alpha.value[0] = 0.25;
    alone->spec.loss.alpha.value[0] = 1;
    two->spec.loss.optimizers.dice.lr = 3e-3, two->spec.loss.optimizers.ce.lr = 1e-3;
    train_or_fail(r, 1, NULL), train_or_fail(two, 1, NULL), train_or_fail(alone, 1, NULL);
    double dice = 0.25 * value_of(r, "norm_dice", "full", 5), ce = 0.75 * value_of(r, "norm_ce", "full", 5);
    CHECK_NEAR(point_of(r, "grad/alpha_effective", 5)->value, dice / (dice + ce), 1e-12);
    CHECK_NEAR(point_of(two, "grad/alpha_effective", 5)->value, 0.75, 1e-12); /* Adam divides lengths out */
    CHECK_NEAR(point_of(alone, "grad/alpha_effective", 5)->value, 1, 0);
    CHECK(value_of(alone, "norm_ce", "full", 5) > 0); /* cross-entropy is seen, though nothing follows it */
    free(r), free(two), free(alone);
}

/* ---- the verdict, killed and resumed, and the alarm ------------------------------------------------------- */
struct heard {
    struct gradient_verdict verdict;
    bool has_verdict;
    int alarms, steps, stop_at;
};

static void hear_log(void *context, const char *level, const char *text)
{
    struct heard *h = context;
    h->alarms += !strcmp(level, "error") && strstr(text, "had cosine -");
}

static void hear_progress(void *context, const struct trainer_progress *p)
{
    ((struct heard *)context)->steps += !isnan(p->dice);
}

static bool hear_stop(void *context)
{
    const struct heard *h = context;
    return h->stop_at > 0 && h->steps >= h->stop_at;
}

/* A short run; `force`: the theorem is believed to hold, whatever the spec says. */
static void run_and_hear(struct job_spec *spec, struct heard *h, bool force, const char *resume)
{
    struct network_config config = {.rank = 2, .in_channels = 1, .out_channels = 1, .levels = spec->model.levels, .widths = {8, 16, 16}, .convs = spec->model.convs, .down = spec->model.down,
                                    .norm = spec->model.norm, .groups = spec->model.groups, .activation = spec->model.activation, .slope = (float)spec->model.slope,
                                    .patch = {32, 32}, .batch = spec->training.batch, .gradients = strategy_gradients(&spec->loss), .lanes = 2};
    struct network *net;
    struct trainer *t;
    CHECK_INT(network_new(&config, &net, NULL), OK);
    struct trainer_config c = {.spec = spec, .set = &set, .net = net, .out_dir = ".", .resume = resume, .made_by = "test",
                               .spec_hash = "0000000000000000000000000000000000000000000000000000000000000000",
                               .calls = {.context = h, .progress = hear_progress, .log = hear_log, .stop = hear_stop}};
    CHECK_INT(trainer_new(&c, &t, NULL), OK);
    if (force)
        t->diagnosis->book.theorem = true;
    CHECK_INT(trainer_run(t, NULL), OK);
    h->has_verdict = trainer_verdict(t, &h->verdict);
    trainer_free(t);
    network_free(net);
}

void test_trainer_killed_and_resumed_comes_to_the_same_looks_and_verdict(void)
{
    static const int kinds[] = {0, 3, 8};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct run *whole = run_of(&cases[kinds[i]], 2, 3);
        whole->spec.training.checkpoint_s = 1e9;
        struct job_spec spec = whole->spec;
        struct heard want = {0};
        train_or_fail(whole, 2, NULL);
        run_and_hear(&spec, &want, false, NULL);
        CHECK(want.has_verdict && want.verdict.steps_seen == 5);
        for (int stop = 1; stop < 8; stop += 2) {
            struct run *before = new_run(), *after = new_run();
            struct heard cut = {.stop_at = stop}, rest = {0};
            before->spec = after->spec = spec;
            before->stop_at = stop;
            train_or_fail(before, 1, NULL), train_or_fail(after, 3, "checkpoint-last");
            check_same_points(whole, (const struct run *[]){before, after}, 2);
            run_and_hear(&spec, &cut, false, NULL), run_and_hear(&spec, &rest, false, "checkpoint-last");
            CHECK_TEXT(rest.verdict.text, want.verdict.text);
            CHECK(memcmp(&rest.verdict.level, &want.verdict.level, sizeof want.verdict.level) == 0 && memcmp(&rest.verdict.oscillation, &want.verdict.oscillation, sizeof want.verdict.oscillation) == 0);
            free(before), free(after);
        }
        free(whole);
    }
}

/* With labels smoothed by 0.9 the logit gradients do oppose each other; whoever believed the theorem then would have to cry. */
void test_trainer_raises_the_alarm_once_where_the_theorem_is_broken(void)
{
    struct run *r = run_of(&cases[0], 1, 0);
    struct heard forced = {0}, plain = {0};
    r->spec.loss.ce.label_smoothing = 0.9;
    r->spec.training.epochs = 4;
    run_and_hear(&r->spec, &forced, true, NULL), run_and_hear(&r->spec, &plain, false, NULL);
    CHECK_INT(forced.alarms, 1);
    CHECK_HAS(forced.verdict.alarm, "the logit gradients of Dice and cross-entropy had cosine -");
    CHECK_INT(plain.alarms, 0);
    CHECK_TEXT(plain.verdict.alarm, "");
    CHECK_NEAR(plain.verdict.level[GRAM_LOGITS].conflict_rate, forced.verdict.level[GRAM_LOGITS].conflict_rate, 0);
    r->spec.loss.diagnostics.every = 0;
    struct heard off = {0};
    run_and_hear(&r->spec, &off, false, NULL);
    CHECK(!off.has_verdict);
    free(r);
}
