/* test_report_headline: the short answer says what the numbers support and no more; what jobs told of their gradients; curves; charts. */
#include "tests/check.h"
#include "tests/unit/report_fixture.h"

static const double noise[] = {0.010, -0.012, 0.004, -0.006, 0.008, -0.003, -0.009, 0.007};

/* Eight seeds or fewer of the reference and of one loss alone, which is `gain` better, and of another mixture. */
static json_t *three(int seeds, double gain)
{
    json_t *results = fixture_empty();
    for (int s = 0; s < seeds; s++) {
        double base = 0.7 + noise[(s + 3) % 8];
        fixture_add(results, "constant 0.5", s + 1, base, 0.05 + noise[s] / 10, 0);
        fixture_add(results, "dice only", s + 1, base + gain + noise[s] / 4, 0.20 + noise[s], 0);
        fixture_add(results, "linear", s + 1, base + noise[(s + 5) % 8], 0.05 + noise[(s + 1) % 8] / 10, 0);
    }
    return results;
}

static char *headline_of(json_t *results)
{
    json_t *report = report_make(results, NULL);
    char *text = json_dumps(json_object_get(report, "headline"), 0);
    CHECK(text);
    json_decref(report);
    json_decref(results);
    return text;
}

static void check_says(json_t *results, const char *first, const char *second)
{
    char *text = headline_of(results);
    CHECK_HAS(text, first);
    CHECK_HAS(text, second);
    free(text);
}

void test_headline_says_yes_no_or_not_shown_as_the_numbers_do(void)
{
    check_says(three(8, -0.1), "Yes: of 16 trials with both losses 16 came to their end and 0 diverged; neither loss alone is shown to do better. On val/dice, against constant 0.5: dice only -0.1000 (real).",
               "How: no other way of mixing is told apart from constant 0.5 on val/dice (noise as far as these seeds show): -0.0001 (linear). The plainest will do");
    check_says(three(8, 0.1), "They can, but it does not pay here. Of 16 trials with both losses 16 came to their end; on val/dice, against constant 0.5: dice only +0.1000 (real).",
               "Probabilities: dice only is the worst calibrated, by +0.149");
    check_says(three(3, -0.1), "As far as so few seeds show, yes: of 6 trials with both losses 6 came to their end", "3 seeds cannot tell a real difference from noise: five or more can.");
    check_says(three(3, 0.1), "They can, but as far as so few seeds show it does not pay here. Of 6 trials", "dice only +0.1002 (large).");
    json_t *alone = fixture_empty(), *mixed = fixture_empty(), *wild = fixture_empty();
    fixture_add(alone, "dice only", 1, 0.7, -1, 0);
    json_object_set_new(json_object_get(alone, "sweep"), "reference", json_string("dice only"));
    check_says(alone, "Not shown: no variant of this sweep trains both losses.", "");
    fixture_add(mixed, "constant 0.5", 1, 0.7, -1, 0);
    fixture_add(mixed, "linear", 1, 0.7, -1, 0);
    check_says(mixed, "They train together: 2 of 2 trials with both losses came to their end, 0 diverged. What mixing is worth is not shown: there is nothing that trains one loss alone to compare with.", "");
    fixture_add(wild, "constant 0.5", 1, (double)NAN, -1, 0);
    check_says(wild, "No: the one trial that trains both losses did not come to its end.", "");
    json_t *twice = fixture_empty();
    for (int s = 1; s <= 2; s++) fixture_add(twice, "constant 0.5", s, (double)NAN, -1, 0);
    check_says(twice, "No: none of the 2 trials that train both losses came to its end.", "");
}

void test_headline_shows_what_rounds_to_zero_without_a_minus(void)
{
    json_t *results = fixture_empty();
    for (int s = 0; s < 8; s++) {
        fixture_add(results, "constant 0.5", s + 1, 0.7 + noise[s], -1, 0);
        fixture_add(results, "linear", s + 1, 0.7 + noise[(s + 5) % 8] - 0.00003, -1, 0);
    }
    check_says(results, "+0.0000 (linear", "");
}

void test_headline_does_not_call_mixing_useless_where_another_way_of_it_is_ahead(void)
{
    json_t *results = three(8, 0.1);
    for (int s = 0; s < 8; s++) fixture_add(results, "pcgrad", s + 1, 0.9 + noise[(s + 3) % 8] + noise[s] / 4, -1, 0);
    check_says(results, "Yes: of 24 trials with both losses 24 came to their end and 0 diverged; but not every way of doing it pays. On val/dice, against constant 0.5: dice only +0.1000 (real).",
               "How: better than constant 0.5: pcgrad +0.2000 (real).");
}

/* ---- gradients ------------------------------------------------------------------------------------------------------ */
static void tell(json_t *results, size_t trial, double rate, double first, const char *suggestion, const char *alarm)
{
    json_object_set_new(json_array_get(json_object_get(results, "trials"), trial), "verdict",
                        json_pack("{s:i, s:{s:{s:f, s:f, s:f, s:f}, s:{s:f, s:f, s:f, s:f}}, s:s, s:f, s:s, s:s?}", "steps_seen", 60, "levels", "logits", "cos_median", 0.5, "conflict_rate", 0.0,
                                  "ratio_first", 2.0, "ratio_last", 1.0, "full", "cos_median", 0.25, "conflict_rate", rate, "ratio_first", first, "ratio_last", 1.5, "dominant", "ce",
                                  "alpha_effective", 0.25, "suggestion", suggestion, "alarm", alarm));
}

void test_report_takes_medians_of_what_the_jobs_told_of_their_gradients(void)
{
    json_t *results = three(3, -0.1);
    tell(results, 0, 0.02, 0.25, "constant_alpha", NULL);
    tell(results, 3, 0.06, 0.5, "constant_alpha", "the logits disagree in sign.");
    tell(results, 6, 0.30, 0.125, "resolve_conflict", NULL);
    json_t *report = report_make(results, NULL);
    const json_t *conflict = json_object_get(report_variant(report, "constant 0.5"), "conflict"), *full = json_object_get(json_object_get(conflict, "levels"), "full");
    CHECK_NEAR(report_number(conflict, "trials"), 3, 0);
    CHECK_NEAR(report_number(full, "conflict_rate"), 0.06, 0);
    CHECK_NEAR(report_number(full, "ratio_first"), 0.25, 0);
    CHECK_NEAR(report_number(json_object_get(conflict, "suggestions"), "constant_alpha"), 2, 0);
    CHECK(!json_object_get(json_object_get(conflict, "levels"), "last_layer")); /* not measured */
    CHECK(json_is_null(json_object_get(report_variant(report, "linear"), "conflict")));
    struct buf md, html;
    buf_init(&md, 1 << 20);
    buf_init(&html, 1 << 20);
    CHECK_INT(report_markdown(report, &md), OK);
    CHECK_INT(report_html(report, &html), OK);
    CHECK_HAS(md.data, "| constant 0.5 | full | 0.060 | 0.250 | 0.250 | 1.500 | 0.250 | 3 |\n");
    CHECK_HAS(md.data, "- Gradients of constant 0.5, in the whole network: in conflict in 6.0 % of the diagnosed steps, median cosine 0.25; the gradient of Dice is 0.25 times that of"
                       " cross-entropy at first and 1.5 times at the end (medians over 3 trials).\n- Alarm of a trial of constant 0.5: the logits disagree in sign.\n");
    CHECK_HAS(html.data, "<th>constant 0.5</th>\n<td>full</td>\n<td>0.0600</td><td>0.2500</td><td>0.2500</td><td>1.5000</td><td>0.25</td><td>3</td></tr>");
    buf_free(&md);
    buf_free(&html);
    json_decref(report);
    json_decref(results);
}

void test_headline_leaves_out_gradients_that_have_no_cosine(void)
{
    json_t *results = three(3, -0.1), *verdict;
    tell(results, 0, 0, 0.25, "undecided", NULL);
    verdict = json_object_get(json_array_get(json_object_get(results, "trials"), 0), "verdict");
    json_object_set_new(json_object_get(json_object_get(verdict, "levels"), "full"), "cos_median", json_null());
    char *text = headline_of(results);
    CHECK(!strstr(text, "nan") && !strstr(text, "Gradients of"));
    free(text);
}

/* ---- one of a kind ------------------------------------------------------------------------------------------------- */
/* Both pages of the report, one after the other. */
static char *pages_of(json_t *results)
{
    json_t *report = report_make(results, NULL);
    struct buf pages;
    buf_init(&pages, 1 << 20);
    CHECK_INT(report_markdown(report, &pages), OK);
    CHECK_INT(report_html(report, &pages), OK);
    json_decref(report);
    json_decref(results);
    return buf_take(&pages);
}

static void check_singular(const char *pages)
{
    static const char *const nouns[] = {"trials", "seeds", "variants", "pairs"};
    for (size_t k = 0; k < sizeof nouns / sizeof nouns[0]; k++) {
        char wrong[32];
        for (const char *before = " >("; *before; before++) {
            snprintf(wrong, sizeof wrong, "%c1 %s", *before, nouns[k]);
            if (strstr(pages, wrong)) check_fail(__FILE__, __LINE__, "the pages say \"%s\"", wrong);
        }
    }
}

void test_report_counts_one_in_the_singular(void)
{
    json_t *alone = fixture_empty(), *each = fixture_empty(), *trials = json_object_get(each, "trials");
    fixture_add(alone, "constant 0.5", 1, 0.7, -1, 0);
    tell(alone, 0, 0, 0.25, "constant_alpha", NULL);
    char *pages = pages_of(alone);
    CHECK_HAS(pages, "1 variant, 1 seed, 1 trial, 1 scored; compared with ");
    CHECK_HAS(pages, "They train together: 1 of 1 trial with both losses came to its end, 0 diverged.");
    CHECK_HAS(pages, "(medians over 1 trial).");
    CHECK_HAS(pages, "\nSeed 1; sweep sweep-id");
    CHECK_HAS(pages, "<p>Seed 1; sweep <code>");
    check_singular(pages);
    free(pages);
    static const char *const labels[] = {"constant 0.5", "dice only", "wild", "pruned", "cancelled", "pending"};
    for (int k = 0; k < 6; k++) fixture_add(each, labels[k], 1, k == 2 ? (double)NAN : 0.7 - 0.1 * k, -1, k == 3);
    json_object_set_new(json_array_get(trials, 4), "state", json_string("cancelled"));
    json_object_set_new(json_array_get(trials, 5), "state", json_string("pending"));
    pages = pages_of(each);
    CHECK_HAS(pages, "of 5 trials with both losses 1 came to its end and 1 diverged");
    CHECK_HAS(pages, "- 1 of 6 trials has not ended: this is a report on the way.");
    CHECK_HAS(pages, "- 1 of 6 trials failed, as it diverged: it has no score and stands in the counts of its variant."
                     " A mean over the rest flatters the variant.");
    CHECK_HAS(pages, "- 1 trial was cancelled and has no score.");
    CHECK_HAS(pages, "- 1 trial was pruned: it fell behind at a rung and enters no mean. Which one depends on the scores alone.");
    CHECK_HAS(pages, "- 1 seed cannot tell a real difference from noise");
    check_singular(pages);
    free(pages);
}

/* ---- curves --------------------------------------------------------------------------------------------------------- */
void test_report_curves_are_means_over_the_seeds_that_ran_to_their_end(void)
{
    json_t *results = three(2, -0.1), *trials = json_object_get(results, "trials");
    json_object_set_new(json_array_get(trials, 0), "curve", json_pack("[[i, f], [i, f], [i, n]]", 0, 0.25, 1, 0.5, 2));
    json_object_set_new(json_array_get(trials, 3), "curve", json_pack("[[i, f], [i, f], [i, f]]", 0, 0.75, 1, 0.75, 2, 0.5));
    fixture_add(results, "constant 0.5", 3, 0.9, -1, 2);
    json_object_set_new(json_array_get(trials, 6), "curve", json_pack("[[i, f]]", 0, 0.9)); /* pruned */
    json_t *report = report_make(results, NULL), *want = json_pack("{s:s, s:[i, i, i], s:[f, f, f], s:[f, f, f], s:[f, f, f]}", "name", "constant 0.5", "epochs", 0, 1, 2, "mean", 0.5, 0.625, 0.5,
                                                                   "low", 0.25, 0.5, 0.5, "high", 0.75, 0.75, 0.5);
    const json_t *curves = json_object_get(report, "curves");
    CHECK_TEXT(report_text(curves, "score"), "val/dice");
    CHECK_INT(json_array_size(json_object_get(curves, "variants")), 1);
    CHECK(json_equal(json_array_get(json_object_get(curves, "variants"), 0), want));
    struct buf html;
    buf_init(&html, 1 << 20);
    CHECK_INT(report_html(report, &html), OK);
    CHECK_HAS(html.data, "<polyline points=");
    CHECK_HAS(html.data, "class=\"band\"");
    CHECK_HAS(html.data, "<title>two scores against each other</title>");
    CHECK(!strstr(html.data, "nan") && !strstr(html.data, "inf\""));
    buf_free(&html);
    json_t *owned[] = {results, report, want};
    for (int k = 0; k < 3; k++) json_decref(owned[k]);
}

/* Fourteen variants: the colours come round, and a ring in the chart is a ring in its legend. */
void test_report_legend_shows_the_marks_of_its_chart(void)
{
    json_t *results = fixture_empty();
    int dots = 0, rings = 0;
    for (int v = 0; v < 14; v++) {
        char name[16];
        snprintf(name, sizeof name, v ? "variant %d" : "constant 0.5", v);
        fixture_add(results, name, 1, 0.5 + 0.01 * v, 0.1 + 0.01 * v, 0);
    }
    char *pages = pages_of(results), *chart = strstr(pages, "<title>two scores against each other</title>");
    CHECK(chart);
    *strstr(chart, "</svg>") = 0;
    CHECK(!strstr(chart, "stroke-dasharray"));
    for (char *c = chart; (c = strstr(c, "r=\"6.5\"")); c++) {
        char *name = strstr(c, "class=\"");
        dots += !strncmp(name, "class=\"large\"", 13), rings += !strncmp(name, "class=\"ring\"", 12);
    }
    CHECK_INT(dots + rings, 2 * 14);
    CHECK(dots > 0 && rings > 0 && dots % 2 == 0 && rings % 2 == 0);
    free(pages);
}

void test_report_says_why_a_chart_is_not_there(void)
{
    static const char curves[] = "their range, too</h2>\n", planes[] = "a small one a seed</h2>\n",
                      why[] = "<p>No chart: a curve needs two epochs of a trial that ran to its end.</p>\n";
    json_t *results = fixture_empty(), *trials = json_object_get(results, "trials"), *none = fixture_empty();
    fixture_add(none, "constant 0.5", 1, (double)NAN, -1, 0);
    fixture_add(results, "constant 0.5", 1, 0.7, -1, 0);
    fixture_add(results, "dice only", 1, 0.6, 0.1, 2); /* pruned: its ece does not count */
    json_object_set_new(json_array_get(trials, 0), "curve", json_pack("[[i, f]]", 0, 0.7));
    char *pages = pages_of(results), *after = strstr(pages, curves);
    CHECK(after && !strncmp(after + strlen(curves), why, strlen(why)));
    after = strstr(pages, planes);
    CHECK(after && !strncmp(after + strlen(planes), "<p>No chart: no variant has both scores", 39));
    CHECK_HAS(pages, "<h3>val/ece <small>expected calibration error, less is better</small></h3>\n"
                     "<div class=\"pair\"><p>No chart: no trial that ran to its end has this score.</p>");
    CHECK(!strstr(pages, "Dice of single classes"));
    free(pages);
    pages = pages_of(none);
    CHECK_HAS(pages, why);
    CHECK(!strstr(pages, "Score by score"));
    free(pages);
}
