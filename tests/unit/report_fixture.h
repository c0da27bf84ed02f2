/* report_fixture: results of a sweep made by hand. */
#ifndef TESTS_UNIT_REPORT_FIXTURE_H
#define TESTS_UNIT_REPORT_FIXTURE_H
#include <math.h>
#include <stdio.h>
#include "server/report_parts.h"

/* Adds a trial of `label`; score NaN: it diverged; pruned at `pruned` (0: not). */
static inline void fixture_add(json_t *results, const char *label, int seed, double dice, double ece, int pruned)
{
    json_t *trials = json_object_get(results, "trials"), *scores = json_object();
    char text[32];
    bool diverged = isnan(dice);
    snprintf(text, sizeof text, "%.17g", dice);
    if (!diverged) json_object_set_new(scores, "val/dice", json_string(text));
    snprintf(text, sizeof text, "%.17g", ece);
    if (!diverged && ece >= 0) json_object_set_new(scores, "val/ece", json_string(text));
    json_array_append_new(trials, json_pack("{s:i, s:s, s:i, s:n, s:s, s:s, s:s?, s:o, s:i, s:i, s:i, s:s, s:s, s:i, s:o, s:{s:s, s:f}, s:f}", "trial", (int)json_array_size(trials), "label", label,
                                            "seed", seed, "fold", "job", "j", "state", diverged ? "failed" : "succeeded" /* a pruned one may have ended before it heard */, "failure", diverged ? "diverged" : NULL,
                                            "pruned_epoch", pruned ? json_integer(pruned) : json_null(), "attempt", 1, "losses", 0, "nondeterministic", 0, "spec_hash", "h",
                                            "monitor", "val/dice", "best_epoch", 3, "scores", scores, "loss", "strategy", "constant", "alpha", !strcmp(label, "dice only") ? 1.0 : !strcmp(label, "ce only") ? 0.0 : 0.5, "step_processor_s", 0.5));
}

static inline json_t *fixture_empty(void)
{
    return json_pack("{s:{s:s, s:n, s:s, s:[s], s:s, s:s, s:i}, s:[]}", "sweep", "name", "losses", "preset", "reference", "constant 0.5", "not_built", "mgda", "spec_hash", "abc", "id",
                     "sweep-id", "created_at_ms", 5, "trials");
}
#endif
