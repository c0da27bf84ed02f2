/* test_sweep_spec: from a sweep's body to its trials, and every refusal with its exact words. */
#include "schema/base/draw.h"
#include "schema/job/job_spec_json.h"
#include "schema/job/sweep_spec.h"
#include "tests/agree/contract.h"
#include "tests/agree/json_schema.h"
#include "tests/check.h"

/* Reads and expands; the first mistake in `note`. */
static enum err plan_of(const char *text, struct sweep_spec *spec, struct sweep_plan *plan, struct err_note *note)
{
    static struct err_list errors;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json) check_fail(__FILE__, __LINE__, "not JSON: %s", text);
    errors.count = errors.dropped = 0;
    *plan = (struct sweep_plan){0};
    enum err e = sweep_spec_read(json, spec, &errors);
    if (!e) e = sweep_expand(spec, plan, &errors);
    json_decref(json);
    if (note) *note = errors.notes[0];
    if (e && !note) check_fail(__FILE__, __LINE__, "%s: %s", errors.notes[0].pointer, errors.notes[0].detail);
    CHECK_INT(e != OK, errors.count > 0);
    return e;
}

static void done(struct sweep_spec *spec, struct sweep_plan *plan)
{
    sweep_plan_free(plan);
    sweep_spec_free(spec);
}

static double number_at(const json_t *job, const char *block, const char *key)
{
    return json_number_value(json_object_get(block ? json_object_get(job, block) : job, key));
}

#define BASE "\"base\": {\"dataset\": \"d\", \"loss\": {\"strategy\": \"constant\", \"alpha\": 0.1}, \"optimizer\": {\"lr\": 0.5, \"eps\": 0.25}}"

void test_sweep_grid_makes_every_combination_and_the_first_seed_of_all_comes_first(void)
{
    static struct sweep_spec spec;
    struct sweep_plan plan;
    CHECK_INT(plan_of("{\"name\": \"s\", " BASE ", \"axes\": [{\"pointer\": \"/loss/alpha\", \"grid\": [0.2, 0.8]}, {\"pointer\": \"/training/batch\", \"grid\": [2, 4, 8]}], \"seeds\": [5, 3]}",
                      &spec, &plan, NULL), OK);
    CHECK_INT(plan.variants, 6);
    CHECK_INT(plan.count, 12);
    CHECK_TEXT(plan.trials[0].label, "loss.alpha=0.2, training.batch=2");
    CHECK_TEXT(plan.trials[1].label, "loss.alpha=0.2, training.batch=4");
    CHECK_TEXT(plan.trials[5].label, "loss.alpha=0.8, training.batch=8");
    CHECK_INT(plan.trials[5].seed, 5);
    CHECK_INT(plan.trials[6].seed, 3);
    CHECK_NEAR(number_at(plan.trials[5].job, "loss", "alpha"), 0.8, 0);
    CHECK_NEAR(number_at(plan.trials[5].job, "training", "batch"), 8, 0);
    CHECK_NEAR(number_at(plan.trials[6].job, NULL, "seed"), 3, 0);
    CHECK_NEAR(number_at(plan.trials[0].job, "optimizer", "lr"), 0.5, 0);
    CHECK_TEXT(json_string_value(json_object_get(plan.trials[0].job, "name")), "s: loss.alpha=0.2, training.batch=2 seed 5");
    done(&spec, &plan);
}

void test_sweep_list_sets_several_fields_and_null_takes_one_away(void)
{
    static struct sweep_spec spec;
    struct sweep_plan plan;
    CHECK_INT(plan_of("{" BASE ", \"axes\": [{\"list\": [{\"name\": \"a\", \"set\": {\"/loss\": {\"strategy\": \"separate_optimizers\"}, \"/optimizer\": null}},"
                      " {\"name\": \"b\", \"set\": {\"/optimizer/eps\": null, \"/optimizer/lr\": 0.75}}]}]}", &spec, &plan, NULL), OK);
    CHECK_INT(plan.count, 2);
    CHECK_TEXT(plan.trials[0].label, "a");
    CHECK(!json_object_get(plan.trials[0].job, "optimizer"));
    CHECK(!json_object_get(json_object_get(plan.trials[1].job, "optimizer"), "eps"));
    CHECK_NEAR(number_at(plan.trials[1].job, "optimizer", "lr"), 0.75, 0);
    CHECK_INT(plan.trials[1].seed, 1); /* the job's default */
    done(&spec, &plan);
}

void test_sweep_more_samples_leave_the_first_draws_as_they_are(void)
{
#define RANDOM(samples) "{" BASE ", \"axes\": [{\"pointer\": \"/optimizer/lr\", \"random\": {\"low\": 1e-4, \"high\": 1e-2, \"scale\": \"log\"}}," \
                        " {\"pointer\": \"/training/batch\", \"random\": {\"low\": 1, \"high\": 64, \"whole\": true}}], \"samples\": " samples "}"
    static struct sweep_spec few_spec, many_spec;
    struct sweep_plan few, many;
    double low = 1, high = 0;
    CHECK_INT(plan_of(RANDOM("5"), &few_spec, &few, NULL), OK);
    CHECK_INT(plan_of(RANDOM("200"), &many_spec, &many, NULL), OK);
    CHECK_INT(few.count, 5);
    CHECK_INT(many.count, 200);
    for (int i = 0; i < 5; i++) CHECK_TEXT(few.trials[i].label, many.trials[i].label);
    for (int i = 0; i < 200; i++) {
        double lr = number_at(many.trials[i].job, "optimizer", "lr"), batch = number_at(many.trials[i].job, "training", "batch");
        CHECK(lr >= 1e-4 && lr <= 1e-2 && batch >= 1 && batch <= 64);
        if (lr < low) low = lr;
        if (lr > high) high = lr;
    }
    CHECK(low < 1.3e-4 && high > 8e-3); /* 200 log-uniform draws reach both ends */
    done(&few_spec, &few);
    done(&many_spec, &many);
}

void test_sweep_runs_every_variant_on_every_fold(void)
{
    static struct sweep_spec spec;
    struct sweep_plan plan;
    CHECK_INT(plan_of("{" BASE ", \"axes\": [{\"pointer\": \"/loss/alpha\", \"grid\": [0.2, 0.8]}], \"seeds\": 2, \"folds\": 3}", &spec, &plan, NULL), OK);
    CHECK_INT(plan.count, 12);
    CHECK_INT(plan.trials[0].fold, 0);
    CHECK_INT(plan.trials[3].fold, 1);
    CHECK_INT(plan.trials[5].seed, 1);
    CHECK_INT(plan.trials[6].seed, 2);
    CHECK_NEAR(number_at(plan.trials[5].job, "validation", "folds"), 3, 0);
    CHECK_NEAR(number_at(plan.trials[5].job, "validation", "fold"), 2, 0);
    CHECK_TEXT(json_string_value(json_object_get(plan.trials[5].job, "name")), "loss.alpha=0.8 seed 1 fold 2");
    done(&spec, &plan);
}

void test_sweep_value_named_twice_is_run_once_and_counted(void)
{
    static struct sweep_spec spec;
    struct sweep_plan plan;
    CHECK_INT(plan_of("{" BASE ", \"axes\": [{\"pointer\": \"/loss/alpha\", \"grid\": [0.2, 0.8, 0.2]}], \"seeds\": 3}", &spec, &plan, NULL), OK);
    CHECK_INT(plan.count, 6);
    CHECK_INT(plan.variants, 2);
    CHECK_INT(plan.duplicates, 3);
    done(&spec, &plan);
}

void test_sweep_written_and_read_again_makes_the_same_trials(void)
{
    static struct sweep_spec spec, again;
    struct sweep_plan plan, second;
    CHECK_INT(plan_of("{\"preset\": \"loss_comparison\", " BASE ", \"seeds\": 2, \"prune\": {\"min_epochs\": 2}, \"max_running\": 3}", &spec, &plan, NULL), OK);
    json_t *written = sweep_spec_write(&spec);
    char *text = json_dumps(written, 0);
    CHECK_INT(plan_of(text, &again, &second, NULL), OK);
    CHECK_INT(plan.count, second.count);
    for (size_t i = 0; i < plan.count; i++) {
        CHECK_TEXT(plan.trials[i].label, second.trials[i].label);
        CHECK(json_equal(plan.trials[i].job, second.trials[i].job));
    }
    CHECK_TEXT(again.reference, "constant 0.5");
    CHECK_INT(again.max_running, 3);
    free(text);
    json_decref(written);
    done(&spec, &plan);
    done(&again, &second);
}

/* Every member of the preset is a trial that the job reader takes, or it is named as not built: none is dropped in silence. */
void test_sweep_preset_compares_what_is_built_and_names_the_rest(void)
{
    static struct sweep_spec spec;
    static struct job_spec job;
    static struct err_list errors, warnings;
    struct sweep_plan plan;
    CHECK_INT(plan_of("{\"preset\": \"loss_comparison\", \"base\": {\"dataset\": {\"generate\": {}}, \"optimizer\": {\"type\": \"sgd\", \"lr\": 0.01}, \"loss\": {\"strategy\": \"constant\","
                      " \"alpha\": 0.3, \"dice\": {\"batch\": false}}}, \"seeds\": 3}", &spec, &plan, NULL), OK);
    CHECK_INT(plan.variants + json_array_size(spec.not_built), 13);
    CHECK(plan.variants >= 7);
    CHECK_TEXT(plan.trials[0].label, "dice only");
    CHECK_TEXT(plan.trials[2].label, "constant 0.5");
    CHECK_NEAR(number_at(json_object_get(plan.trials[0].job, "loss"), NULL, "alpha"), 1, 0);
    for (size_t i = 0; i < plan.count; i++) {
        CHECK(json_is_false(json_object_get(json_object_get(json_object_get(plan.trials[i].job, "loss"), "dice"), "batch"))); /* the base's own */
        if (job_spec_read(plan.trials[i].job, &job, &errors, &warnings)) check_fail(__FILE__, __LINE__, "%s: %s %s", plan.trials[i].label, errors.notes[0].pointer, errors.notes[0].detail);
        bool separate = job.loss.strategy == LOSS_SEPARATE_OPTIMIZERS; /* the base's optimizer in every variant */
        CHECK_NEAR(separate ? job.loss.optimizers.dice.lr : job.optimizer.lr, 0.01, 0);
        if (separate) CHECK_NEAR(job.loss.optimizers.ce.lr, 0.001, 0);
        CHECK_INT(separate ? job.loss.optimizers.ce.type : job.optimizer.type, OPTIMIZER_SGD);
    }
    done(&spec, &plan);
}

/* The examples of README: the reader takes them, openapi.json describes them, every job in them is one. */
void test_sweep_examples_fit_the_reader_and_openapi(void)
{
    static const char *const names[] = {"loss_comparison", "random_pruned"};
    json_t *openapi = contract_load();
    for (int i = 0; i < 2; i++) {
        static struct sweep_spec spec;
        static struct job_spec job;
        static struct err_list errors, warnings;
        struct sweep_plan plan;
        struct schema_note note = {0};
        char path[1024];
        snprintf(path, sizeof path, "%s/schema/examples/sweeps/%s.json", check_root(), names[i]);
        json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
        CHECK(json);
        if (!json_schema_fits(openapi, contract_schema(openapi, "SweepSpec"), json, &note)) check_fail(__FILE__, __LINE__, "%s: %s %s", path, note.pointer, note.text);
        CHECK_INT(sweep_spec_read(json, &spec, &errors), OK);
        CHECK_INT(sweep_expand(&spec, &plan, &errors), OK);
        for (size_t k = 0; k < plan.count; k++) CHECK_INT(job_spec_read(plan.trials[k].job, &job, &errors, &warnings), OK);
        json_t *written = sweep_spec_write(&spec);
        if (!json_schema_fits(openapi, contract_schema(openapi, "SweepSpec"), written, &note)) check_fail(__FILE__, __LINE__, "%s written: %s %s", path, note.pointer, note.text);
        json_decref(written);
        json_decref(json);
        done(&spec, &plan);
    }
    json_decref(openapi);
}

static const struct {
    const char *body, *pointer, *code, *detail, *allowed;
} refused[] = {
    {"{}", "/base", "key_missing", "is needed", ""},
    {"{\"base\": 3}", "/base", "type", "is no object", "a job spec"},
    {"{\"base\": {}, \"axis\": []}", "/axis", "key_unknown", "unknown key", NULL},
    {"{\"base\": {}, \"preset\": \"loss_comparson\"}", "/preset", "word_unknown", "there is no such preset", "null or loss_comparison"},
    {"{\"base\": {}, \"seeds\": 0}", "/seeds", "range", "are the seeds of every variant", NULL},
    {"{\"base\": {}, \"seeds\": [1, 2, 1]}", "/seeds/2", "range", "is no seed, or stands twice", NULL},
    {"{\"base\": {}, \"seeds\": [1, -2]}", "/seeds/1", "range", "is no seed, or stands twice", NULL},
    {"{\"base\": {}, \"folds\": 1}", "/folds", "range", "one fold leaves nothing to train on", "0, or an integer from 2 to 20"},
    {"{\"base\": {}, \"folds\": 3, \"axes\": [{\"pointer\": \"/validation/fold\", \"grid\": [0]}]}", "/axes/0/pointer", "key_unexpected", "folds says it already", "another field"},
    {"{\"base\": {}, \"samples\": 0}", "/samples", "range", NULL, "an integer from 1 to 1000"},
    {"{\"base\": {}, \"max_running\": -1}", "/max_running", "range", NULL, "an integer from 0 to 10000"},
    {"{\"base\": {}, \"axes\": {}}", "/axes", "type", "are what is varied", "an array of at most 16 axes"},
    {"{\"base\": {}, \"axes\": [{\"pointer\": \"/seed\"}]}", "/axes/0", "key_unexpected", "an axis has one of three forms", NULL},
    {"{\"base\": {}, \"axes\": [{\"grid\": [1]}]}", "/axes/0", "key_unexpected", "an axis has one of three forms", NULL},
    {"{\"base\": {}, \"axes\": [{\"pointer\": \"/a\", \"grid\": [1], \"random\": [1]}]}", "/axes/0", "key_unexpected", "an axis has one of three forms", NULL},
    {"{\"base\": {}, \"axes\": [{\"pointer\": \"alpha\", \"grid\": [1]}]}", "/axes/0/pointer", "range", "names no field of a job", "a JSON pointer into the job: \"/loss/alpha\""},
    {"{\"base\": {}, \"axes\": [{\"pointer\": \"/name\", \"grid\": [\"a\"]}]}", "/axes/0/pointer", "key_unexpected", "names of jobs are made from their values", "another field"},
    {"{\"base\": {}, \"seeds\": 2, \"axes\": [{\"pointer\": \"/seed\", \"grid\": [1]}]}", "/axes/0/pointer", "key_unexpected", "seeds says it already", "another field"},
    {"{\"base\": {}, \"axes\": [{\"pointer\": \"/a\", \"grid\": []}]}", "/axes/0/grid", "type", "an axis has values", "1 to 1000 values"},
    {"{\"base\": {}, \"axes\": [{\"pointer\": \"/a\", \"random\": {\"low\": 1}}]}", "/axes/0/random/high", "key_missing", "is needed", NULL},
    {"{\"base\": {}, \"axes\": [{\"pointer\": \"/a\", \"random\": {\"low\": 1, \"high\": 1}}]}", "/axes/0/random/high", "range", "leaves nothing to draw from", "a number above low"},
    {"{\"base\": {}, \"axes\": [{\"pointer\": \"/a\", \"random\": {\"low\": 0, \"high\": 1, \"scale\": \"log\"}}]}", "/axes/0/random/low", "range", "has no logarithm", "a number above 0"},
    {"{\"base\": {}, \"axes\": [{\"list\": [{\"set\": {}}]}]}", "/axes/0/list/0/name", "type", "names the entry in labels and reports", "a text of 1 to 120 bytes"},
    {"{\"base\": {}, \"axes\": [{\"list\": [{\"name\": \"a\"}]}]}", "/axes/0/list/0/set", "type", "says what the entry changes", NULL},
    {"{\"base\": {}, \"axes\": [{\"list\": [{\"name\": \"a\", \"set\": {}, \"x\": 1}]}]}", "/axes/0/list/0/x", "key_unknown", "unknown key", "name and set"},
    {"{\"base\": {\"loss\": 3}, \"axes\": [{\"pointer\": \"/loss/alpha\", \"grid\": [1, 2]}]}", "/axes/0", "range", "the pointer leads through a value that holds no others", NULL},
    {"{\"base\": {\"model\": {\"widths\": [8]}}, \"axes\": [{\"pointer\": \"/model/widths/1\", \"grid\": [1, 2]}]}", "/axes/0", "range", "the pointer leads through a value that holds no others", NULL},
    {"{\"base\": {}, \"seeds\": 600, \"axes\": [{\"pointer\": \"/a\", \"grid\": [1, 2]}]}", "/axes", "range", "these are too many trials for one request: a sweep can be extended", "at most 1000 trials"},
    {"{\"base\": {}, \"prune\": {\"metric\": \"loss/total\"}}", "/prune/metric", "range", NULL, "val/dice, or one class of it: val/dice/1"},
    {"{\"base\": {}, \"prune\": {\"eta\": 1}}", "/prune/eta", "range", NULL, "an integer from 2 to 16"},
    {"{\"base\": {\"validation\": {\"every_epochs\": 2}}, \"prune\": {\"min_epochs\": 3}}", "/prune/min_epochs", "range", "no score is taken at this epoch: base.validation.every_epochs is 2", "a multiple of 2"},
};

void test_sweep_mistakes_are_refused_with_their_exact_words(void)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        static struct sweep_spec spec;
        struct sweep_plan plan;
        struct err_note note;
        if (plan_of(refused[i].body, &spec, &plan, &note) != ERR_SPEC) check_fail(__FILE__, __LINE__, "accepted: %s", refused[i].body);
        CHECK_TEXT(note.pointer, refused[i].pointer);
        CHECK_TEXT(err_word(note.code), refused[i].code);
        if (refused[i].detail) CHECK_TEXT(note.detail, refused[i].detail);
        if (refused[i].allowed) CHECK_TEXT(note.allowed, refused[i].allowed);
        done(&spec, &plan);
    }
}

/* Values of an independent implementation of SplitMix64's finaliser (Python, arbitrary integers): a report made elsewhere is the same. */
void test_draws_are_the_same_everywhere(void)
{
    CHECK(draw_u64(1, 2, 3) == UINT64_C(0xd0734750fde362b3));
    CHECK(draw_u64(0, 0, 0) == UINT64_C(0x238275bc38fcbe91));
    CHECK_INT(draw_below(7, 1, 4, 10), 5);
    double sum = 0;
    for (uint64_t i = 0; i < 100000; i++) sum += draw_unit(5, 6, i);
    CHECK_NEAR(sum / 100000, 0.5, 0.004); /* 4 standard errors */
}
