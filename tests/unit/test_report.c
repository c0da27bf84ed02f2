/* test_report: from made-up results to words: what is real, what is noise, and that nothing is dropped. */
#include <math.h>
#include "tests/check.h"
#include "tests/unit/report_fixture.h"

static const json_t *comparison(const json_t *report, const char *variant, const char *score)
{
    const json_t *c = report_comparison(report, variant, score);
    if (!c) check_fail(__FILE__, __LINE__, "no comparison of %s on %s", variant, score);
    return c;
}

static char *dump(const json_t *report, const char *key)
{
    char *text = json_dumps(json_object_get(report, key), JSON_ENCODE_ANY);
    CHECK(text);
    return text;
}

/* Eight seeds; "far" is 0.1 higher with little spread, "near" wanders about the reference. */
static json_t *eight_seeds(void)
{
    static const double noise[] = {0.010, -0.012, 0.004, -0.006, 0.008, -0.003, -0.009, 0.007};
    json_t *results = fixture_empty();
    for (int s = 0; s < 8; s++) {
        double base = 0.7 + noise[(s + 3) % 8];
        fixture_add(results, "constant 0.5", s + 1, base, 0.05, 0);
        fixture_add(results, "far", s + 1, base + 0.1 + noise[s] / 4, 0.20 + noise[s], 0);
        fixture_add(results, "near", s + 1, base + noise[(s + 5) % 8], 0.05 + noise[s] / 10, 0);
    }
    return results;
}

void test_report_tells_a_real_difference_from_noise(void)
{
    json_t *results = eight_seeds(), *report = report_make(results, NULL);
    CHECK_TEXT(report_text(comparison(report, "far", "val/dice"), "word"), "real");
    CHECK_TEXT(report_text(comparison(report, "near", "val/dice"), "word"), "noise");
    CHECK_TEXT(report_text(comparison(report, "far", "val/ece"), "word"), "real");
    CHECK_INT((int)report_number(comparison(report, "far", "val/dice"), "pairs"), 8);
    CHECK(report_number(comparison(report, "near", "val/dice"), "p_holm") >= report_number(comparison(report, "near", "val/dice"), "p"));
    char *answer = dump(report, "answer"), *notes = dump(report, "notes");
    CHECK_HAS(answer, "val/dice: far is 0.1000 higher than constant 0.5, which is better (95 % interval");
    CHECK_HAS(answer, "val/ece: far is 0.1499 higher than constant 0.5, which is worse");
    CHECK_HAS(answer, "val/dice: not told apart from constant 0.5, noise as far as these seeds show: near.");
    CHECK_HAS(notes, "picked on the same validation set that it is told on");
    CHECK_HAS(notes, "as they are not built yet: mgda.");
    CHECK_HAS(notes, "Not told by these trials: val/dice_image, val/nsd, val/hd95");
    free(answer);
    free(notes);
    json_decref(report);
    json_decref(results);
}

void test_report_of_few_seeds_says_large_or_not_settled_and_no_more(void)
{
    json_t *results = fixture_empty();
    for (int s = 1; s <= 3; s++) {
        fixture_add(results, "constant 0.5", s, 0.70 + 0.01 * s, -1, 0);
        fixture_add(results, "dice only", s, 0.50 + 0.01 * s, -1, 0);
        fixture_add(results, "ce only", s, s == 2 ? 0.74 : 0.70, -1, 0);
    }
    json_t *report = report_make(results, NULL);
    CHECK_TEXT(report_text(comparison(report, "dice only", "val/dice"), "word"), "large");
    CHECK_TEXT(report_text(comparison(report, "ce only", "val/dice"), "word"), "not settled");
    CHECK(!json_object_get(comparison(report, "dice only", "val/dice"), "p"));
    CHECK(!json_object_get(comparison(report, "dice only", "val/dice"), "low"));
    char *all = json_dumps(report, 0);
    CHECK(!strstr(all, "\"real\"") && !strstr(all, "\"noise\""));
    free(all);
    json_decref(report);
    json_decref(results);
}

void test_report_counts_what_diverged_and_what_was_pruned(void)
{
    json_t *results = eight_seeds();
    fixture_add(results, "wild", 1, 0.9, -1, 0);
    fixture_add(results, "wild", 2, (double)NAN, -1, 0);
    fixture_add(results, "wild", 3, 0.95, -1, 2); /* its score is of an unfair length: it enters no mean */
    json_t *report = report_make(results, NULL), *variants = json_object_get(report, "variants"), *wild = json_array_get(variants, 3);
    CHECK_TEXT(report_text(wild, "name"), "wild");
    CHECK_INT((int)report_number(wild, "trials"), 3);
    CHECK_INT((int)report_number(wild, "succeeded"), 1);
    CHECK_INT((int)report_number(wild, "diverged"), 1);
    CHECK_INT((int)report_number(wild, "pruned"), 1);
    CHECK_NEAR(report_number(json_object_get(json_object_get(wild, "scores"), "val/dice"), "mean"), 0.9, 0);
    CHECK_TEXT(report_text(comparison(report, "wild", "val/dice"), "word"), "not settled");
    char *notes = dump(report, "notes");
    CHECK_HAS(notes, "1 of 27 trials failed, as it diverged: it has no score and stands in the counts of its variant");
    CHECK_HAS(notes, "1 trial was pruned: it fell behind");
    free(notes);
    json_decref(report);
    json_decref(results);
}

void test_report_is_the_same_whoever_ran_it_and_in_whatever_order(void)
{
    json_t *results = eight_seeds(), *other = eight_seeds(), *trials = json_object_get(other, "trials"), *trial;
    size_t i;
    json_array_foreach(trials, i, trial) {
        json_object_set_new(trial, "attempt", json_integer((json_int_t)i));
        json_object_set_new(trial, "losses", json_integer(2));
        json_object_set_new(trial, "job", json_string("another"));
        json_object_set_new(trial, "step_processor_s", json_real(0.01 * (double)i));
    }
    json_t *one = report_make(results, NULL), *two = report_make(other, NULL);
    CHECK(!json_equal(one, two));
    static const char *const apart[] = {"run", "timing"};
    for (int k = 0; k < 2; k++) {
        json_object_del(one, apart[k]);
        json_object_del(two, apart[k]);
    }
    CHECK(json_equal(one, two));
    json_t *all[] = {one, two, results, other};
    for (int k = 0; k < 4; k++) json_decref(all[k]);
}

void test_report_holds_the_dice_of_every_class(void)
{
    json_t *results = fixture_empty();
    fixture_add(results, "constant 0.5", 1, 0.7, 0.1, 0);
    json_t *scores = json_object_get(json_array_get(json_object_get(results, "trials"), 0), "scores");
    for (int k = 0; k < 256; k++) {
        char name[16];
        snprintf(name, sizeof name, "val/dice/%d", k);
        json_object_set_new(scores, name, json_string("0.5"));
    }
    json_t *report = report_make(results, NULL), *names = json_object_get(report, "scores");
    CHECK_INT(json_array_size(names), 258); /* with val/dice and val/ece */
    CHECK_TEXT(report_text(json_array_get(names, 256), "name"), "val/dice/255");
    json_decref(report);
    json_decref(results);
}

void test_report_pages_hold_the_words_and_escape_names(void)
{
    json_t *results = eight_seeds();
    json_object_set_new(json_object_get(results, "sweep"), "name", json_string("<b>|losses"));
    fixture_add(results, "<script>|x", 1, 0.7, 0.1, 0);
    json_t *report = report_make(results, NULL);
    struct buf md, html;
    buf_init(&md, 1 << 20);
    buf_init(&html, 1 << 20);
    CHECK_INT(report_markdown(report, &md), OK);
    CHECK_INT(report_html(report, &html), OK);
    CHECK_HAS(md.data, "| far | 8 | 8 | 0 | 0 | 0 | 0.7998 ± ");
    CHECK_HAS(md.data, "| <script>\\|x | 1");
    CHECK_HAS(md.data, "Seeds 1, 2, 3, 4, 5, 6, 7, 8; sweep sweep-id; spec hash abc.");
    CHECK_HAS(html.data, "<svg viewBox");
    CHECK_HAS(html.data, "&lt;script&gt;|x");
    CHECK(!strstr(html.data, "<script"));
    CHECK(!strstr(html.data, "http")); /* nothing is fetched */
    buf_free(&md);
    buf_free(&html);
    json_decref(report);
    json_decref(results);
}
