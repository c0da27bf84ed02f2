/* sweep_spec: a base job, axes over its fields, seeds and folds: what a sweep tries, and the trials this makes. */
#ifndef SCHEMA_JOB_SWEEP_SPEC_H
#define SCHEMA_JOB_SWEEP_SPEC_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "schema/job/job_spec.h"

/* As JSON (every key but base has a default):
     {"name": "", "preset": null | "loss_comparison", "base": {a job spec},
      "axes": [{"pointer": "/loss/alpha", "grid": [0.2, 0.5, 0.8]},
               {"pointer": "/optimizer/lr", "random": {"low": 1e-4, "high": 1e-2, "scale": "linear" | "log", "whole": false}},
               {"pointer": "/training/batch", "random": [2, 4, 8]},
               {"list": [{"name": "dice only", "set": {"/loss": {"strategy": "constant", "alpha": 1}}}, ...]}],
      "samples": 1, "random_seed": 1, "seeds": 3 | [1, 2, 3] | null, "folds": 0 | 5, "max_running": 0,
      "prune": null | {"metric": "val/dice", "min_epochs": 1, "eta": 3}, "reference": "" | "a variant's name"}
   A variant is one choice on every axis: all combinations of grid and list axes, times `samples` draws of all random axes together.
   Every variant runs with every seed and, with folds, on every fold. A value of null takes the key away: its default holds.
   A draw is a function of (random_seed, axis, sample): more samples leave those there were as they are. */
enum { SWEEP_TRIALS_MAX = 1000 /* in one request */, SWEEP_AXES_MAX = 16, SWEEP_SEEDS_MAX = 1000, SWEEP_FOLDS_MAX = 20,
       SWEEP_LABEL_BYTES = 161, SWEEP_PRESET_BYTES = 32 };

struct sweep_prune {
    bool on;
    char metric[64]; /* "val/dice", or one class of it */
    int min_epochs;  /* the first rung; the others are at min_epochs eta^k */
    int eta;         /* a rung keeps the best 1/eta */
};
struct sweep_spec {
    char name[JOB_NAME_MAX + 1], preset[SWEEP_PRESET_BYTES], reference[SWEEP_LABEL_BYTES]; /* "" = none */
    int samples, folds, max_running; /* 0 folds: the data set's own split; 0 running: no limit */
    int64_t random_seed;
    int seed_count;                  /* 0: the base's own seed */
    int64_t seeds[SWEEP_SEEDS_MAX];
    struct sweep_prune prune;
    json_t *base, *axes;             /* owned; the preset's list is among the axes */
    json_t *not_built;               /* owned; names of the preset's members that no reader takes yet */
};
/* Collects every mistake of the sweep's own keys; those of the jobs come from reading the jobs. OK or ERR_SPEC; free it in both cases. */
enum err sweep_spec_read(const json_t *json, struct sweep_spec *spec, struct err_list *errors) MUST_USE;
/* As it was understood: defaults, the preset expanded to a list. Reading that again gives the same trials. New reference. */
json_t *sweep_spec_write(const struct sweep_spec *spec);
void sweep_spec_free(struct sweep_spec *spec);

struct sweep_trial {
    char label[SWEEP_LABEL_BYTES]; /* of its variant: "loss.alpha=0.5, dice only"; "base" without axes */
    int64_t seed;                  /* of the job, given or not */
    int fold;                      /* from 0; -1 without folds */
    json_t *job;                   /* owned: the job spec, as if it had been submitted */
};
struct sweep_plan {
    size_t count, variants, duplicates; /* duplicates: draws or values that named a trial a second time; left out */
    struct sweep_trial *trials;         /* seeds outermost, then folds, then variants: the first seed of all comes first */
};
/* ERR_SPEC with mistakes of pointers and of too many trials. Free the plan in both cases. */
enum err sweep_expand(const struct sweep_spec *spec, struct sweep_plan *plan, struct err_list *errors) MUST_USE;
void sweep_plan_free(struct sweep_plan *plan);

/* ---- presets (sweep_preset.c) ---- */
/* The list axis of a preset over `base`, without the members that the job reader does not take yet: their names go to `not_built`.
   New reference; NULL when there is no such preset. */
json_t *sweep_preset_axis(const char *preset, const json_t *base, json_t *not_built);
const char *const *sweep_preset_words(void);
const char *sweep_preset_reference(const char *preset);
#endif
