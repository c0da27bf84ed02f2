/* test_report_images: images drawn anew as another hand draws them (tests/vectors/stats/make.py), and what that does to a report. */
#include <math.h>
#include "server/stats.h"
#include "tests/check.h"
#include "tests/unit/report_fixture.h"

void test_redraws_of_images_agree_with_numbers_of_another_hand(void)
{
    char path[1024];
    size_t i, s, r;
    json_t *c, *list, *want;
    const char *name;
    snprintf(path, sizeof path, "%s/tests/vectors/stats/stats.json", check_root());
    json_t *all = json_load_file(path, 0, NULL);
    CHECK(all);
    struct report_images *images = report_images_new();
    json_array_foreach(json_object_get(all, "redraws"), i, c) report_images_add(images, json_object_get(c, "images"));
    CHECK_INT(i, 2);
    json_array_foreach(json_object_get(all, "redraws"), i, c) {
        struct report_scores scores = {0};
        json_object_foreach(json_object_get(c, "scores"), name, list) snprintf(scores.of[scores.count++].name, sizeof scores.of[0].name, "%s", name);
        report_images_draw(images, i, &scores);
        for (s = 0; s < scores.count; s++) {
            int set;
            const double *drawn = report_images_drawn(images, i, s, &set);
            CHECK(drawn);
            CHECK_INT(set, (int)i); /* other ids, other images */
            json_array_foreach(json_object_get(json_object_get(c, "scores"), scores.of[s].name), r, want) CHECK_NEAR(drawn[r], json_number_value(want), 1e-12);
        }
    }
    report_images_free(images);
    json_decref(all);
}

/* Six seeds whose differences agree to the last digit, on images that do not: over seeds alone the interval is a point; with the images
   drawn anew, the same for all seeds, it is as wide as ten images make it. */
static json_t *same_in_every_seed(struct report_images *images, bool paired)
{
    json_t *results = fixture_empty();
    for (int seed = 1; seed <= 6; seed++)
        for (int v = 0; v < 2; v++) {
            json_t *both = json_array(), *pixels = json_array(), *ids = json_array();
            double sum = 0;
            for (int k = 0; k < 10; k++) {
                int hit = 50 + 2 * k + (v ? (k % 2 ? 9 : -5) : 0); /* better on odd images, worse on even ones; +2 on the average */
                sum += hit;
                json_array_append_new(both, json_integer(hit));
                json_array_append_new(pixels, json_integer(100));
                char id[16];
                snprintf(id, sizeof id, "%s%d", v && !paired ? "other" : "image", k);
                json_array_append_new(ids, json_string(id));
            }
            fixture_add(results, v ? "mixed" : "constant 0.5", seed, sum / 1000, -1, 0);
            json_t *scores = json_pack("{s:i, s:s, s:o, s:[{s:i, s:s, s:o, s:O, s:o}]}", "epoch", 1, "empty", "nan", "ids", ids, "classes", "index", 1, "name", "a", "both", both, "predicted",
                                       pixels, "truth", pixels);
            report_images_add(images, scores);
            json_decref(scores);
        }
    return results;
}

void test_report_draws_the_same_images_for_every_seed(void)
{
    struct report_images *images = report_images_new();
    json_t *results = same_in_every_seed(images, true), *with = report_make(results, images), *without = report_make(results, NULL);
    const json_t *a = report_comparison(with, "mixed", "val/dice"), *b = report_comparison(without, "mixed", "val/dice");
    CHECK_NEAR(report_number(a, "difference"), 0.02, 1e-12);
    CHECK(json_is_true(json_object_get(a, "over_images")) && !json_is_true(json_object_get(b, "over_images")));
    CHECK_TEXT(report_text(b, "word"), "real"); /* the seeds agree */
    CHECK_NEAR(report_number(b, "high") - report_number(b, "low"), 0, 1e-12);
    CHECK_TEXT(report_text(a, "word"), "noise"); /* the images do not */
    double half = 0.07 / sqrt(10), width = report_number(a, "high") - report_number(a, "low"); /* differences of images: +-0.07 about 0.02 */
    double t = sqrt(10.0 / 9) * stats_student_quantile(0.975, 9); /* all of the scatter is that of ten images */
    CHECK_NEAR(width / (2 * half * t), 1, 0.1); /* drawn apart for each seed it would be 1/sqrt(6) of that */
    char *notes = json_dumps(json_object_get(with, "notes"), 0);
    CHECK_HAS(notes, "Bootstrapped over seeds and over images within them, the same images for every seed of a round: val/dice.");
    free(notes);
    report_images_free(images);
    json_t *owned[] = {results, with, without};
    for (int k = 0; k < 3; k++) json_decref(owned[k]);
}

void test_report_does_not_pair_images_of_other_names(void)
{
    struct report_images *images = report_images_new();
    json_t *results = same_in_every_seed(images, false), *report = report_make(results, images);
    const json_t *c = report_comparison(report, "mixed", "val/dice");
    CHECK(!json_is_true(json_object_get(c, "over_images")));
    CHECK_NEAR(report_number(c, "high") - report_number(c, "low"), 0, 1e-12);
    report_images_free(images);
    json_decref(results);
    json_decref(report);
}

void test_report_takes_no_harm_from_images_that_are_no_images(void)
{
    struct report_images *images = report_images_new();
    struct report_scores scores = {.count = 1, .of = {{"val/dice", NULL}}};
    json_t *broken = json_pack("{s:i, s:[s]}", "epoch", 1, "ids", "a");
    report_images_add(images, broken);
    report_images_add(images, NULL);
    for (size_t i = 0; i < 2; i++) {
        int set;
        report_images_draw(images, i, &scores);
        CHECK(!report_images_drawn(images, i, 0, &set));
    }
    report_images_free(images);
    json_decref(broken);
}
