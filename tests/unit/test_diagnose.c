/* test_diagnose: the book of looks at two gradients: when, what is kept, epochs, alarm, to bytes and back. */
#include <math.h>
#include "tests/check.h"
#include "worker/train/diagnose.h"

static const struct compare two_blocks = {.layers = 2, .blocks = 2, .block = {"encoder.0", "head"}};

static struct diagnose *book_of(struct loss_spec *loss)
{
    struct diagnose *d = malloc(sizeof *d);
    diagnose_start(d, loss, 2, &two_blocks);
    return d;
}

/* A look at all places with that cosine and ratio: |g_ce| = 1. */
static struct diagnose_look look_of(double cos, double ratio)
{
    struct diagnose_look look = {.alpha_effective = ratio / (1 + ratio)};
    for (int p = 0; p < GRAM_LEVELS + 2; p++) {
        look.at[p] = true;
        look.gram[p] = (struct gram){ratio * ratio, cos * ratio, 1};
    }
    return look;
}

void test_diagnose_looks_at_every_step_at_the_start_and_then_at_every_kth(void)
{
    struct diagnostics_spec spec = {.every = 10, .dense_steps = 3};
    const int64_t looked_at[] = {0, 1, 2, 10, 20}, not[] = {3, 9, 11, 19};
    for (size_t i = 0; i < 5; i++)
        CHECK(diagnose_due(&spec, looked_at[i]));
    for (size_t i = 0; i < 4; i++)
        CHECK(!diagnose_due(&spec, not[i]));
    spec.every = 0;
    CHECK(!diagnose_due(&spec, 0));
}

void test_diagnose_tells_cosines_lengths_and_ratios(void)
{
    const struct gram g = {9, -3, 4}, no_ce = {9, 0, 0};
    CHECK_NEAR(diagnose_value(&g, DIAGNOSE_COS), -0.5, 1e-15);
    CHECK_NEAR(diagnose_value(&g, DIAGNOSE_NORM_DICE), 3, 0);
    CHECK_NEAR(diagnose_value(&g, DIAGNOSE_NORM_CE), 2, 0);
    CHECK_NEAR(diagnose_value(&g, DIAGNOSE_RATIO), 1.5, 0);
    CHECK(isnan(diagnose_value(&no_ce, DIAGNOSE_COS)) && isnan(diagnose_value(&no_ce, DIAGNOSE_RATIO)));
}

void test_diagnose_sums_an_epoch_up_and_begins_the_next(void)
{
    struct loss_spec loss;
    loss_spec_default(&loss);
    struct diagnose *d = book_of(&loss);
    double row[64];
    char name[DIAGNOSE_NAME_MAX];
    CHECK_INT(diagnose_columns(d), 5 + 4 * 3);
    diagnose_column_name(d, 3, name);
    CHECK_TEXT(name, "epoch/grad/conflict_rate/block/encoder.0");
    diagnose_column_name(d, 5 + 3 + 2, name);
    CHECK_TEXT(name, "epoch/grad/cos_p50/full");
    diagnose_epoch(d, row);
    CHECK(isnan(row[0]) && isnan(row[10])); /* no look, no value */
    for (int i = 0; i < 5; i++) {
        struct diagnose_look look = look_of((i - 1) * 0.25, 2); /* -0.25, 0, 0.25, 0.5, 0.75 */
        diagnose_add(d, i, &look);
    }
    diagnose_epoch(d, row);
    CHECK_NEAR(row[2], 0.2, 1e-15);
    CHECK_NEAR(row[4], 0.2, 1e-15);
    CHECK_NEAR(row[5 + 2], -0.15, 1e-12);    /* p10 */
    CHECK_NEAR(row[5 + 3 + 2], 0.25, 1e-12); /* p50 */
    CHECK_NEAR(row[5 + 6 + 2], 0.65, 1e-12); /* p90 */
    CHECK_NEAR(row[5 + 9 + 2], 2.0 * 2 / 5, 1e-12);
    diagnose_next_epoch(d);
    diagnose_epoch(d, row);
    CHECK(isnan(row[2]) && d->state.seen == 5 && d->state.conflicts[GRAM_FULL] == 1);
    free(d);
}

void test_diagnose_takes_no_similarity_from_a_look_without_a_cosine(void)
{
    struct loss_spec loss;
    loss_spec_default(&loss);
    struct diagnose *d = book_of(&loss);
    struct diagnose_look fine = look_of(-0.5, 2), no_dice = look_of(0, 0), none = no_dice;
    for (int p = 0; p < GRAM_LEVELS + 2; p++)
        none.gram[p] = (struct gram){0, 0, 0};
    double row[64];
    diagnose_add(d, 0, &no_dice), diagnose_add(d, 1, &none);
    diagnose_epoch(d, row);
    for (int level = 0; level < GRAM_LEVELS; level++) {
        CHECK_NEAR(row[level], 0, 0); /* compared, and not in conflict */
        for (int column = 0; column < 4; column++)
            CHECK(isnan(row[5 + 3 * column + level]));
    }
    diagnose_add(d, 2, &fine);
    diagnose_epoch(d, row);
    CHECK_NEAR(row[GRAM_FULL], 1.0 / 3, 1e-15);
    CHECK_NEAR(row[5 + 3 + GRAM_FULL], -0.5, 1e-15);
    CHECK_NEAR(row[5 + 9 + GRAM_FULL], 2.0 * 2 / 5, 1e-12);
    diagnose_next_epoch(d);
    diagnose_add(d, 3, &no_dice);
    diagnose_epoch(d, row);
    CHECK(isnan(row[5 + 9 + GRAM_FULL])); /* nothing is left of the epoch before */
    free(d);
}

void test_diagnose_leaves_out_what_was_not_measured(void)
{
    struct loss_spec loss;
    loss_spec_default(&loss);
    loss.diagnostics.at[GRAM_LAST_LAYER] = false, loss.diagnostics.blocks = false;
    struct diagnose *d = book_of(&loss);
    struct diagnose_look look = look_of(0.5, 1);
    double row[64];
    look.at[GRAM_LAST_LAYER] = false;
    diagnose_add(d, 0, &look);
    diagnose_epoch(d, row);
    CHECK(!isnan(row[GRAM_LOGITS]) && !isnan(row[GRAM_FULL]) && isnan(row[GRAM_LAST_LAYER]) && isnan(row[3]) && isnan(row[5 + GRAM_LAST_LAYER]));
    CHECK(isnan(d->kept[0].cos[GRAM_LAST_LAYER]));
    free(d);
}

/* However many looks there are, they fit, spread evenly over the run; and half-way to bytes and back changes nothing. */
void test_diagnose_thins_many_looks_and_goes_on_from_bytes(void)
{
    struct loss_spec loss;
    loss_spec_default(&loss);
    struct diagnose *whole = book_of(&loss), *cut = book_of(&loss);
    enum { LOOKS = 3 * DIAGNOSE_LOOKS_MAX + 17 };
    for (int i = 0; i < LOOKS; i++) {
        struct diagnose_look look = look_of(0.5, 1 + i);
        if (i == LOOKS / 2) {
            size_t bytes = diagnose_bytes(whole);
            unsigned char *saved = malloc(bytes);
            diagnose_save(whole, saved);
            CHECK(!diagnose_restore(cut, saved, bytes - 8));
            CHECK(diagnose_restore(cut, saved, bytes));
            free(saved);
        }
        diagnose_add(whole, i, &look);
        if (i >= LOOKS / 2)
            diagnose_add(cut, i, &look);
    }
    CHECK_NEAR(whole->state.seen, LOOKS, 0);
    CHECK(whole->state.run.kept > DIAGNOSE_LOOKS_MAX / 2 && whole->state.run.kept <= DIAGNOSE_LOOKS_MAX);
    for (int i = 0; i < (int)whole->state.run.kept; i++)
        CHECK_NEAR(whole->kept[i].ratio[GRAM_FULL], 1 + i * whole->state.run.stride, 1e-9);
    CHECK(memcmp(&whole->state, &cut->state, sizeof cut->state) == 0);
    CHECK(memcmp(whole->kept, cut->kept, (size_t)cut->state.run.kept * sizeof cut->kept[0]) == 0);
    CHECK(memcmp(whole->epoch_cos, cut->epoch_cos, (size_t)cut->state.epoch.kept * sizeof cut->epoch_cos[0]) == 0);
    free(whole), free(cut);
}

void test_diagnose_raises_one_alarm_where_the_sign_theorem_is_broken(void)
{
    struct loss_spec loss;
    loss_spec_default(&loss);
    struct diagnose *d = book_of(&loss);
    struct diagnose_look fine = look_of(-9e-7, 1), broken = look_of(-2e-6, 1);
    CHECK(d->theorem);
    CHECK(!diagnose_add(d, 0, &fine)); /* rounding */
    CHECK(diagnose_add(d, 1, &broken));
    CHECK(!diagnose_add(d, 2, &broken));
    CHECK_NEAR(d->state.alarm_step, 1, 0);
    free(d);
    loss.ce.label_smoothing = 0.1; /* now they may */
    d = book_of(&loss);
    CHECK(!diagnose_add(d, 0, &broken) && d->state.alarm_step < 0);
    free(d);
    CHECK(!diagnose_sign_theorem(&loss, 2));
    loss.ce.label_smoothing = 0;
    CHECK(diagnose_sign_theorem(&loss, 2) && !diagnose_sign_theorem(&loss, 3));
    loss.dice.smooth_nr = 2 * loss.dice.smooth_dr;
    CHECK(!diagnose_sign_theorem(&loss, 2));
}

void test_diagnose_takes_a_pure_gradient_out_of_a_mix(void)
{
    const struct gram pure = {7, -2, 3}; /* of g_dice and g_ce */
    for (int dice = 0; dice < 2; dice++) {
        double w1 = dice ? 0.3 : 0.8, w2 = 1 - w1;
        double mix = w1 * w1 * pure.dice + 2 * w1 * w2 * pure.both + w2 * w2 * pure.ce;
        double with_dice = w1 * pure.dice + w2 * pure.both, with_ce = w1 * pure.both + w2 * pure.ce;
        struct gram mixed = {mix, dice ? with_dice : with_ce, dice ? pure.dice : pure.ce}, got;
        got = gram_of_mix(&mixed, dice ? w1 : w2, dice ? w2 : w1, dice);
        CHECK_NEAR(got.dice, pure.dice, 1e-12);
        CHECK_NEAR(got.both, pure.both, 1e-12);
        CHECK_NEAR(got.ce, pure.ce, 1e-12);
    }
    struct gram mixed = {0.09 * 3 * (1 + 1e-15), 0.3 * 3, 3}, got = gram_of_mix(&mixed, 0.3, 0.7, false); /* nothing but 0.3 CE in it */
    CHECK(got.dice == 0 && got.both == 0 && got.ce == 3);
    mixed = (struct gram){NAN, NAN, 3};
    CHECK(isnan(gram_of_mix(&mixed, 0.3, 0.7, false).dice)); /* what is not finite stays so */
}
