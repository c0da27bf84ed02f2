/* test_gradient_verdict: what made-up looks lead to: dominance, suggestion, confidence, words. */
#include <math.h>
#include "tests/check.h"
#include "worker/run/verdict_json.h"
#include "worker/train/gradient_verdict.h"

static const struct compare one_block = {.layers = 1, .blocks = 1, .block = {"head"}};
static const struct verdict_scores no_scores = {.rows = 0};

/* `looks` of which a share is in conflict, with that ratio; the first 50 lie in the dense start. share_of: alpha_effective. */
static struct gradient_verdict verdict_of(int looks, int every_kth_in_conflict, double ratio, double share)
{
    struct loss_spec loss;
    struct gradient_verdict v;
    loss_spec_default(&loss);
    struct diagnose *d = malloc(sizeof *d);
    diagnose_start(d, &loss, 3, &one_block);
    for (int i = 0; i < looks; i++) {
        double cos = every_kth_in_conflict && i % every_kth_in_conflict == 0 ? -0.2 : 0.6;
        struct diagnose_look look = {.alpha_effective = share};
        for (int p = 0; p < GRAM_LEVELS; p++)
            look.at[p] = true, look.gram[p] = (struct gram){ratio * ratio, cos * ratio, 1};
        diagnose_add(d, i < 50 ? i : 100 * i, &look);
    }
    CHECK(gradient_verdict_of(d, &no_scores, &v));
    free(d);
    return v;
}

void test_verdict_follows_conflict_first_and_length_second(void)
{
    static const struct {
        int conflict;
        double ratio;
        enum verdict_suggestion suggestion;
    } cases[] = {{0, 1, VERDICT_CONSTANT_ALPHA}, {4, 1, VERDICT_RESOLVE_CONFLICT}, {4, 10, VERDICT_RESOLVE_CONFLICT}, {0, 0.1, VERDICT_BALANCE_LENGTHS},
                 {0, 3.1, VERDICT_BALANCE_LENGTHS}, {10, 1, VERDICT_UNDECIDED}, {0, 2.9, VERDICT_CONSTANT_ALPHA}, {0, 0.34, VERDICT_CONSTANT_ALPHA}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gradient_verdict v = verdict_of(200, cases[i].conflict, cases[i].ratio, 0.5);
        if (v.suggestion != cases[i].suggestion)
            check_fail(__FILE__, __LINE__, "case %zu: %s, want %s", i, verdict_suggestions[v.suggestion], verdict_suggestions[cases[i].suggestion]);
    }
}

void test_verdict_says_which_loss_makes_up_the_update(void)
{
    CHECK_INT(verdict_of(60, 0, 1, 0.76).dominant, VERDICT_DICE);
    CHECK_INT(verdict_of(60, 0, 1, 0.24).dominant, VERDICT_CE);
    CHECK_INT(verdict_of(60, 0, 1, 0.3).dominant, VERDICT_BALANCED);
}

/* Medium needs 20 looks past the dense start, a settled rate and a settled ratio; high no run ever is. */
void test_verdict_is_sure_only_of_many_looks_clear_of_the_thresholds(void)
{
    struct gradient_verdict few = verdict_of(60, 0, 1, 0.5), many = verdict_of(200, 0, 1, 0.5), close = verdict_of(200, 17, 1, 0.5), clear = verdict_of(2000, 2, 1, 0.5);
    CHECK_INT(few.confidence, VERDICT_LOW);
    CHECK_HAS(few.text, "few of these steps lie past the dense start");
    CHECK_INT(many.confidence, VERDICT_MEDIUM);
    CHECK_HAS(many.text, "Confidence medium: one run is one seed.");
    CHECK_INT(close.confidence, VERDICT_LOW);
    CHECK_HAS(close.text, "too close to a threshold");
    CHECK_INT(clear.confidence, VERDICT_MEDIUM);
}

void test_verdict_says_its_numbers_in_words_and_in_json(void)
{
    struct gradient_verdict v = verdict_of(100, 4, 0.25, 0.2);
    CHECK_HAS(v.text, "In 100 compared steps the gradients of Dice and cross-entropy opposed each other in 25.0 % over all weights (median cosine 0.60), in 25.0 % at the last layer, in 25.0 % at the logits. ");
    CHECK_HAS(v.text, "|g_dice| / |g_ce| was 0.25 in the first quarter of them and 0.25 in the last. Weighted as in this job, Dice is 20 % of the update's length: cross-entropy dominates. ");
    CHECK_HAS(v.text, "Suggestion: the gradients oppose each other often");
    json_t *json = verdict_write(&v);
    const json_t *full = json_object_get(json_object_get(json, "levels"), "full");
    CHECK_INT(json_integer_value(json_object_get(json, "steps_seen")), 100);
    CHECK_NEAR(json_real_value(json_object_get(full, "conflict_rate")), 0.25, 1e-15);
    CHECK_NEAR(json_real_value(json_object_get(full, "cos_median")), 0.6, 1e-12);
    CHECK_NEAR(json_real_value(json_object_get(full, "ratio_last")), 0.25, 1e-12);
    CHECK_TEXT(json_string_value(json_object_get(json, "dominant")), "ce");
    CHECK_TEXT(json_string_value(json_object_get(json, "suggestion")), "resolve_conflict");
    CHECK_TEXT(json_string_value(json_object_get(json, "confidence")), "low");
    CHECK(json_is_null(json_object_get(json, "alarm")) && json_is_null(json_object_get(json_object_get(json, "oscillation"), "ema_gap")));
    json_decref(json);
}

void test_verdict_is_none_without_a_look(void)
{
    struct loss_spec loss;
    struct gradient_verdict v;
    loss_spec_default(&loss);
    struct diagnose *d = malloc(sizeof *d);
    diagnose_start(d, &loss, 2, &one_block);
    CHECK(!gradient_verdict_of(d, &no_scores, &v));
    d->state.seen = 1, d->state.alarm_step = 7, d->state.alarm_cosine = -0.25;
    CHECK(gradient_verdict_of(d, &no_scores, &v));
    CHECK_HAS(v.alarm, "at step 7 the logit gradients of Dice and cross-entropy had cosine -0.25");
    free(d);
}

/* 0.5 0.7 0.6 0.6: changes +0.2 -0.1 0; second differences 0.3, 0.1; one of two turns round. With a hole and a stride of two. */
void test_verdict_measures_how_validation_dice_swings(void)
{
    const double table[] = {0.5, 9, NAN, 9, 0.7, 9, 0.6, 9, 0.6, 9};
    struct verdict_scores scores = {.first = table, .rows = 5, .stride = 2};
    struct verdict_oscillation o = gradient_verdict_oscillation(&scores);
    CHECK_NEAR(o.second_difference, 0.2, 1e-12);
    CHECK_NEAR(o.sign_changes, 0.5, 1e-12);
    CHECK_NEAR(o.ema_gap, (0 + 0.18 + 0.072 + 0.0648) / 4, 1e-12);
    scores.rows = 3;
    CHECK(isnan(gradient_verdict_oscillation(&scores).ema_gap)); /* two scores are no swing */
}
