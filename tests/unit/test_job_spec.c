/* test_job_spec: the reader of jobs against tests/vectors/job_spec: what is accepted, what is refused and in which words;
   round trips, hashes, learning rates, and many broken specs that must only ever be refused. */
#include <dirent.h>
#include <math.h>
#include <sys/stat.h>

#include "schema/base/json_fields.h"
#include "schema/base/sha256.h"
#include "schema/job/dataset_json.h"
#include "schema/job/job_spec_json.h"
#include "tests/check.h"
#include "tests/unit/job_vectors.h"

static struct job_spec spec, again;
static struct err_list errors, warnings;

static enum err read_json(const json_t *json)
{
    memset(&errors, 0, sizeof errors);
    memset(&warnings, 0, sizeof warnings);
    return job_spec_read(json, &spec, &errors, &warnings);
}

static enum err read_text(const char *text)
{
    memset(&errors, 0, sizeof errors);
    memset(&warnings, 0, sizeof warnings);
    return job_spec_parse(text, strlen(text), &spec, &errors, &warnings);
}

static void check_round_trip(const char *name, const char *text)
{
    char first[65], second[65];
    if (read_text(text)) {
        char *got = vector_notes(&errors);
        check_fail(__FILE__, __LINE__, "%s is refused:\n%s", name, got);
    }
    json_t *json = job_spec_write(&spec);
    job_spec_hash(&spec, first);
    again = spec;
    if (read_json(json)) check_fail(__FILE__, __LINE__, "%s: its own resolved form is refused:\n%s", name, vector_notes(&errors));
    job_spec_hash(&spec, second);
    CHECK_TEXT(second, first);
    json_t *twice = job_spec_write(&spec);
    CHECK(json_equal(json, twice));
    CHECK_INT(spec.training.threads, again.training.threads);
    json_decref(twice);
    json_decref(json);
}

static void each_accepted(const char *name, const char *text)
{
    check_round_trip(name, text);
}

void test_job_spec_accepts_each_valid_vector_and_its_own_resolved_form(void)
{
    CHECK(each_vector("tests/vectors/job_spec/valid", each_accepted) >= 8);
}

void test_job_spec_accepts_each_example_and_runs_anywhere(void)
{
    CHECK(each_vector("schema/examples", each_accepted) >= 9);
    CHECK_INT(spec.dataset.source, DATASET_GENERATE);
}

void test_job_spec_refuses_each_invalid_vector_in_its_own_words(void)
{
    CHECK(each_refused_vector(NULL) >= 60);
}

void test_job_spec_refusals_have_a_vector_for_every_word_of_the_spec(void)
{
    static const enum err elsewhere[] = {ERR_DATASET_UNKNOWN, ERR_CLASSES}; /* the store's, and job_spec_check_classes below */
    bool seen[ERR_COUNT] = {0};
    each_refused_vector(seen);
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) seen[elsewhere[i]] = true;
    seen[ERR_NOT_FINITE] = true; /* JSON has no such number; the parser refuses 1e999 */
    for (enum err e = ERR_KEY_UNKNOWN; e < ERR_COUNT; e++)
        if (!seen[e]) check_fail(__FILE__, __LINE__, "no invalid vector is refused with %s", err_word(e));
}

void test_job_spec_fills_the_defaults_of_the_contract(void)
{
    CHECK_INT(read_text("{\"dataset\": \"isbi2012\"}"), OK);
    CHECK_TEXT(spec.dataset.name, "isbi2012");
    CHECK_TEXT(spec.project, "default");
    CHECK_TEXT(spec.validation.monitor, "val/dice");
    CHECK(spec.model.levels == 4 && spec.model.widths[3] == 128 && spec.model.norm == MODEL_NORM_INSTANCE && spec.model.slope == 0.01);
    CHECK(spec.loss.strategy == LOSS_CONSTANT && spec.loss.alpha.value[0] == 0.5 && spec.loss.dice.batch && spec.loss.ignore_index == -1);
    CHECK(spec.optimizer.type == OPTIMIZER_ADAM && spec.optimizer.lr == 1e-3 && spec.optimizer.clip_norm == 0);
    CHECK(spec.training.epochs == 15 && spec.training.steps_per_epoch == 20 && spec.training.batch == 4 && spec.training.patch[1] == 128);
    CHECK(spec.augmentation.mirror && !spec.augmentation.rotate90 && spec.seed == 1 && spec.max_attempts == 3 && !spec.kernels.given);
    CHECK_INT(read_text("{\"dataset\": \"a\", \"loss\": {\"strategy\": \"separate_optimizers\", \"optimizers\": {}}}"), OK);
    CHECK(spec.loss.optimizers.mode == LOSS_SIMULTANEOUS && spec.loss.optimizers.dice.lr == 1e-3 && spec.loss.optimizers.ce.lr == 1e-4);
    CHECK(spec.loss.optimizers.ce.betas[1] == 0.999 && spec.loss.optimizers.dice_steps == 1);
}

void test_job_spec_hash_sees_what_trains_and_nothing_else(void)
{
    char base[65], other[65];
    CHECK_INT(read_text("{\"dataset\": \"a\"}"), OK);
    job_spec_hash(&spec, base);
    CHECK(sha256_is_hex(base));
    CHECK_INT(read_text("{\"name\": \"n\", \"project\": \"p\", \"tags\": [\"t\"], \"notes\": \"x\", \"priority\": 5, \"max_attempts\": 9, "
                        "\"timeout_s\": 60, \"training\": {\"threads\": 3}, \"dataset\": \"a\", \"kernels\": {\"micro_batch\": 1, \"layers\": []}}"), OK);
    job_spec_hash(&spec, other);
    CHECK_TEXT(other, base);
    static const char *const differ[] = {"{\"dataset\": \"b\"}", "{\"dataset\": \"a\", \"seed\": 2}", "{\"dataset\": \"a\", \"training\": {\"epochs\": 16}}",
                                         "{\"dataset\": \"a\", \"loss\": {\"strategy\": \"constant\", \"alpha\": 0.50000000000000011}}",
                                         "{\"dataset\": \"a\", \"optimizer\": {\"betas\": [0.9, 0.99]}}"};
    for (size_t i = 0; i < sizeof differ / sizeof differ[0]; i++) {
        CHECK_INT(read_text(differ[i]), OK);
        job_spec_hash(&spec, other);
        CHECK(strcmp(base, other));
    }
}

static void remarks(const char *loss, const char *want)
{
    char text[1024], got[256] = "";
    snprintf(text, sizeof text, "{\"dataset\": \"a\", \"loss\": %s}", loss);
    CHECK_INT(read_text(text), OK);
    for (size_t i = 0; i < warnings.count; i++) {
        CHECK(warnings.notes[i].detail[0] && warnings.notes[i].pointer[0]);
        if (i) strcat(got, " ");
        strcat(got, warnings.notes[i].nearest);
    }
    CHECK_TEXT(got, want);
}

void test_job_spec_remarks_on_what_is_allowed_but_odd(void)
{
    remarks("{\"strategy\": \"constant\", \"alpha\": 0.5}", "");
    remarks("{\"strategy\": \"constant\", \"alpha\": 1}", "dice_only");
    remarks("{\"strategy\": \"constant\", \"lambda_dice\": 1, \"lambda_ce\": 0}", "dice_only");
    remarks("{\"strategy\": \"constant\", \"lambda_dice\": 1, \"lambda_ce\": 1}", "adam_ignores_scale");
    remarks("{\"strategy\": \"scheduled\", \"alpha\": {\"schedule\": \"linear\", \"start\": 1, \"end\": 0}}", "alpha_end");
    CHECK_TEXT(warnings.notes[0].detail, "the last epoch trains with alpha 0.06667, not 0: epochs count from 0; to arrive, put the last point at epoch 14");
    remarks("{\"strategy\": \"scheduled\", \"alpha\": {\"points\": [[0, 1], [14, 0]]}}", "");
    remarks("{\"strategy\": \"scheduled\", \"alpha\": {\"points\": [[0, 0.3]]}}", "equivalent");
    remarks("{\"strategy\": \"scheduled\", \"alpha\": {\"points\": [[0, 1], [4, 0]], \"repeat\": 4}}", "");
#define PLATEAU(rest) "{\"strategy\": \"scheduled\", \"alpha\": {\"feedback\": \"plateau\", \"from\": 1, \"to\": 0.3, \"delta\": -0.35" rest "}}"
    remarks(PLATEAU(""), "");
    remarks(PLATEAU(", \"patience\": 13"), "alpha_end");
    CHECK_TEXT(warnings.notes[0].detail, "even if every validation stalls, the last epoch trains with alpha 0.65, not 0.3");
    remarks(PLATEAU(", \"patience\": 14"), "plateau_unreachable");
    CHECK_TEXT(warnings.notes[0].detail, "alpha can never move: the first stall takes 15 validations, one to set the best and 14 that do not improve on it; before the last epoch begins there are 14");
    remarks(PLATEAU(", \"mode\": \"min\""), "monitor_mode");
    CHECK_TEXT(warnings.notes[0].detail, "val/dice is better when it is large: alpha would move while it improves");
    remarks("{\"strategy\": \"separate_optimizers\", \"optimizers\": {}}", "adam_ignores_scale cost");
    remarks("{\"strategy\": \"separate_optimizers\", \"optimizers\": {\"mode\": \"alternating_batches\", \"dice\": {\"type\": \"sgd\"}}}", "");
    remarks("{\"strategy\": \"separate_optimizers\", \"optimizers\": {\"dice\": {\"type\": \"sgd\", \"lr\": 0.1}, \"ce\": {\"type\": \"sgd\"}}}", "equivalent cost");
    remarks("{\"strategy\": \"separate_optimizers\", \"optimizers\": {\"mode\": \"alternating\", \"dice\": {\"type\": \"sgd\", \"weight_decay\": 1e-4}, "
            "\"ce\": {\"weight_decay\": 1e-4}}}", "decay_twice cost");
}

static void classes(const char *loss, int count, const char *want)
{
    char text[512];
    snprintf(text, sizeof text, "{\"dataset\": \"a\", \"validation\": {\"monitor\": \"val/iou/2\"}, \"loss\": {\"strategy\": \"constant\"%s}}", loss);
    CHECK_INT(read_text(text), OK);
    job_spec_check_classes(&spec, count, &errors);
    char *got = vector_notes(&errors);
    CHECK_TEXT(got, want);
    free(got);
}

void test_job_spec_checks_what_only_the_number_of_classes_decides(void)
{
    classes("", 3, "");
    classes("", 0, ""); /* not known yet */
    classes(", \"activation\": \"sigmoid\"", 3,
            "classes /loss/activation: sigmoid tells two classes apart; the data set has 3; found \"sigmoid\"; allowed softmax, or no activation: "
            "then the number of classes decides\n");
    classes("", 2, "range /validation/monitor: the data set has 2 classes; found val/iou/2; allowed a class from 0 to 1\n");
    classes(", \"ignore_index\": 3", 3, "range /loss/ignore_index: no class has this index; raw mask values are left out by labels.ignore of dataset.json; "
                                        "found 3; allowed null or a class from 0 to 2\n");
    classes(", \"ignore_index\": 2", 3, "range /validation/monitor: loss.ignore_index leaves this class out of all scores; found val/iou/2; allowed a class from 0 to 2 but this one\n");
    CHECK_INT(read_text("{\"dataset\": \"a\"}"), OK);
    CHECK(job_spec_is_sigmoid(&spec, 2) && !job_spec_is_sigmoid(&spec, 3));
    CHECK(job_spec_out_channels(&spec, 2) == 1 && job_spec_out_channels(&spec, 5) == 5);
    spec.loss.activation = LOSS_SOFTMAX;
    CHECK(job_spec_out_channels(&spec, 2) == 2);
    job_spec_check_classes(&spec, 1, &errors);
    CHECK_INT(errors.notes[0].code, ERR_CLASSES);
}

void test_job_spec_learning_rates_follow_their_schedule(void)
{
    struct lr_schedule_spec s = {.type = LR_CONSTANT};
    CHECK_NEAR(lr_at(&s, 0.1, 7, 10), 0.1, 0);
    s = (struct lr_schedule_spec){.type = LR_POLY, .power = 0.9};
    CHECK_NEAR(lr_at(&s, 0.01, 0, 10), 0.01, 0);
    CHECK_NEAR(lr_at(&s, 0.01, 5, 10), 0.01 * pow(0.5, 0.9), 1e-18);
    s = (struct lr_schedule_spec){.type = LR_COSINE, .end = 0.1};
    CHECK_NEAR(lr_at(&s, 1, 5, 10), 0.55, 1e-15);
    s = (struct lr_schedule_spec){.type = LR_STEP, .every = 3, .gamma = 0.5};
    CHECK_NEAR(lr_at(&s, 1, 7, 10), 0.25, 1e-15);
    s = (struct lr_schedule_spec){.type = LR_POLY, .power = 1, .warmup_epochs = 4};
    CHECK_NEAR(lr_at(&s, 1, 0, 14), 0.2, 1e-15);
    CHECK_NEAR(lr_at(&s, 1, 3, 14), 0.8, 1e-15);
    CHECK_NEAR(lr_at(&s, 1, 4, 14), 1, 1e-15);
    CHECK_NEAR(lr_at(&s, 1, 9, 14), 0.5, 1e-15);
}

void test_job_spec_says_the_method_back_in_full(void)
{
    struct buf text;
    buf_init(&text, 65536);
    CHECK_INT(read_text("{\"dataset\": \"a\", \"loss\": {\"strategy\": \"gradient\", \"method\": \"cagrad\", \"gram\": {\"every\": 4}}}"), OK);
    CHECK_INT(loss_resolved_print(&spec, &text), OK);
    CHECK_HAS(text.data, "\"method\":\"cagrad\",\"params\":{\"c\":0.5,\"rescale\":1},\"gram\":{\"level\":\"full\",\"scope\":\"model\",\"every\":4,\"ema\":0.0},\"warmup_epochs\":0");
    CHECK_HAS(text.data, "\"update\":\"w_dice g_dice + w_ce g_ce, the unweighted gradients\"");
    CHECK_HAS(text.data, "\"weights_sum\":\"about 1\"");
    CHECK_HAS(text.data, "|cos| above 1 - 1e-12");
    CHECK(!strstr(text.data, "\"alpha\":"));
    buf_free(&text);
    buf_init(&text, 65536);
    CHECK_INT(read_text("{\"dataset\": \"a\", \"loss\": {\"strategy\": \"adaptive\", \"method\": \"gradnorm\", \"warmup_epochs\": 2}}"), OK);
    CHECK_INT(loss_resolved_print(&spec, &text), OK);
    CHECK_HAS(text.data, "\"level\":\"last_layer\"");
    CHECK_HAS(text.data, "\"alpha\":0.5");
    buf_free(&text);
}

void test_job_spec_warns_of_the_cost_of_a_method_and_of_gradients_that_cannot_conflict(void)
{
    CHECK_INT(read_text("{\"dataset\": \"a\", \"loss\": {\"strategy\": \"gradient\", \"method\": \"pcgrad\", \"gram\": {\"every\": 2}}}"), OK);
    CHECK_INT(warnings.count, 1);
    CHECK_HAS(warnings.notes[0].detail, "about 1.33 times");
    CHECK_INT(read_text("{\"dataset\": \"a\", \"loss\": {\"strategy\": \"gradient\", \"method\": \"pcgrad\", \"gram\": {\"level\": \"logits\"}}}"), OK);
    CHECK_INT(warnings.count, 1);
    CHECK_TEXT(warnings.notes[0].nearest, "sign_theorem");
    CHECK_INT(read_text("{\"dataset\": \"a\", \"loss\": {\"strategy\": \"adaptive\", \"method\": \"famo\"}}"), OK);
    CHECK_INT(warnings.count, 1);
    CHECK_TEXT(warnings.notes[0].nearest, "cost");
}

void test_job_spec_says_the_loss_back_in_full(void)
{
    int methods = 0;
    struct buf text;
    buf_init(&text, 65536);
    CHECK_INT(read_text("{\"dataset\": \"a\", \"loss\": {\"strategy\": \"scheduled\", \"alpha\": {\"schedule\": \"linear\", \"start\": 1, \"end\": 0}}}"), OK);
    json_t *json = loss_resolved_write(&spec);
    CHECK_INT(json_text_write(json, &text), OK);
    CHECK_HAS(text.data, "{\"strategy\":\"scheduled\",\"alpha\":{\"points\":[[0.0,1.0],[1.0,0.0]],\"interp\":\"linear\",\"unit\":\"fraction\"");
    CHECK_HAS(text.data, "\"total\":\"alpha(t) Dice + (1 - alpha(t)) CE\"");
    CHECK_HAS(text.data, "alpha = 1 - epoch/max_epochs");
    CHECK_INT(json_array_size(json_object_get(json, "alpha_by_epoch")), 15);
    json_decref(json);
    static const char *const said[][2] = {
        {"\"ce\": {}", "mean over the pixels that are not ignored of -log of the probability of the true class"},
        {"\"ce\": {\"top_k\": 10}", "sum F / their number over the pixels that are not ignored, of these the 10 percent of highest F in the batch; F = n_y; n_c = -log p_c, y the true class"},
        {"\"ce\": {\"pos_weight\": 2, \"label_smoothing\": 0.1}", "sum F / their number over the pixels that are not ignored; F = ((1 - e) w_y n_y + e/C sum w_c n_c); n_c = -log p_c, "
                                                                       "y the true class, e = label_smoothing, w_1 = pos_weight"},
        {"\"ce\": {\"include_background\": false}", "sum F / sum w_y over the pixels that are not ignored nor background; F = w_y n_y; n_c = -log p_c, y the true class, w_0 = 0"},
        {"\"class_weight\": [1, 2, 3], \"ce\": {\"focal_gamma\": 2, \"include_background\": false}",
         "sum F / sum w_y over the pixels that are not ignored nor background; F = (1 - p_y)^focal_gamma w_y n_y; n_c = -log p_c, y the true class, w = class_weight, w_0 = 0"}};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        char job[256];
        snprintf(job, sizeof job, "{\"dataset\": \"a\", \"loss\": {\"strategy\": \"constant\", %s}}", said[i][0]);
        CHECK_INT(read_text(job), OK);
        json = loss_resolved_write(&spec);
        CHECK_TEXT(json_string_value(json_object_get(json_object_get(json, "formulas"), "ce")), said[i][1]);
        CHECK_INT(json_array_size(json_object_get(json, "equivalent")), i ? 0 : 2); /* MONAI's and nnU-Net's names hold for the plain loss only */
        CHECK_INT(json_array_size(json_object_get(json, "class_weights")), i == 4 ? 3 : 0);
        json_decref(json);
    }
    json = strategies_write();
    CHECK_INT(json_array_size(json_object_get(json, "strategies")), 5);
    for (size_t i = 0; i < 5; i++) { /* each example is accepted where the strategy is built, and only there */
        json_t *row = json_array_get(json_object_get(json, "strategies"), i), *example = json_object_get(row, "example");
        json_t *job = json_pack("{s:s, s:O}", "dataset", "a", "loss", example);
        CHECK_INT(read_json(job) == OK, json_is_true(json_object_get(row, "built")));
        json_decref(job);
        size_t k;
        json_t *method;
        json_array_foreach(json_object_get(row, "methods"), k, method) {
            job = json_pack("{s:s, s:O}", "dataset", "a", "loss", json_object_get(method, "example"));
            CHECK_INT(read_json(job), OK);
            methods++;
            json_decref(job);
        }
    }
    CHECK_INT(methods, METHODS - 1);
    json_decref(json);
    buf_free(&text);
}

void test_job_spec_previews_alpha_epoch_by_epoch(void)
{
    json_t *reply, *ask = json_loads("{\"alpha\": {\"points\": [[0, 1], [40, 0]], \"unit\": \"step\"}, \"epochs\": 4, \"steps_per_epoch\": 10}", 0, NULL);
    CHECK_INT(alpha_preview(ask, &reply, &errors), OK);
    const double want[] = {1, 0.75, 0.5, 0.25};
    for (size_t e = 0; e < 4; e++) CHECK_NEAR(json_number_value(json_array_get(json_object_get(reply, "alpha"), e)), want[e], 1e-15);
    json_decref(reply);
    json_decref(ask);
    ask = json_loads("{\"epochs\": 0, \"alfa\": 1}", 0, NULL);
    CHECK_INT(alpha_preview(ask, &reply, &errors), ERR_SPEC);
    char *got = vector_notes(&errors);
    CHECK_TEXT(got, "range /epochs: out of range; found 0; allowed an integer from 1 to 100000\n"
                    "key_unknown /alfa: unknown key; found alfa; allowed one of: alpha, epochs, steps_per_epoch, every_epochs; nearest alpha\n"
                    "key_missing /alpha: is needed; allowed a number, points, a schedule or a plateau\n");
    free(got);
    json_decref(ask);
}

void test_job_spec_paths_stay_below_their_root(void)
{
    static const char *const good[] = {"a", "a/b", "isbi 2012/x", "..a", "a..b"}, *const bad[] = {"", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\n", "a\\b"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) CHECK(dataset_path_fits(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK(!dataset_path_fits(bad[i]));
    CHECK(dataset_name_fits("isbi2012") && dataset_name_fits("0.a_b-c") && !dataset_name_fits("A") && !dataset_name_fits("-a") && !dataset_name_fits(""));
}

/* ---- many broken specs --------------------------------------------------------------------------------- */
static uint64_t random_state = 20260101;
static uint32_t next_random(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

static void mutate(char *text, size_t *length, size_t size)
{
    static const char *const pieces[] = {"null", "-1", "1e308", "1e-320", "9223372036854775807", "{}", "[]", "\"\"", "true", "[[0,1],[0,0]]", "\"\xc3\xa4\"", "0.5,", "}", "[[[["};
    size_t at = next_random((uint32_t)*length);
    const char *piece = pieces[next_random(sizeof pieces / sizeof pieces[0])];
    switch (next_random(4)) {
    case 0: text[at] = (char)(32 + next_random(95)); break;
    case 1: text[at] = (char)next_random(256); break;
    case 2: { /* a whole value in place of another: from a colon to the next comma or bracket */
        char *colon = memchr(text + at, ':', *length - at);
        if (!colon) break;
        size_t from = (size_t)(colon - text) + 1, to = from + strcspn(text + from, ",}]"), n = strlen(piece);
        if (to > *length || *length - (to - from) + n >= size) break;
        memmove(text + from + n, text + to, *length - to + 1);
        memcpy(text + from, piece, n);
        *length = *length - (to - from) + n;
        break;
    }
    default:
        memmove(text + at, text + at + 1, *length - at);
        (*length)--;
    }
}

static int refused_count, mutated_count;
static void mutate_many(const char *name, const char *text)
{
    static char broken[65536];
    (void)name;
    for (int i = 0; i < 300; i++) {
        size_t length = strlen(text);
        memcpy(broken, text, length + 1);
        for (uint32_t n = 1 + next_random(4); n && length > 1; n--) mutate(broken, &length, sizeof broken);
        memset(&errors, 0, sizeof errors);
        memset(&warnings, 0, sizeof warnings);
        mutated_count++;
        enum err e = job_spec_parse(broken, length, &spec, &errors, &warnings);
        CHECK_INT(e != OK, errors.count != 0);
        json_t *notes = json_notes_write(&errors);
        CHECK_INT(json_array_size(notes), errors.count);
        json_decref(notes);
        refused_count += e != OK;
        if (e) continue;
        char hex[65];
        job_spec_hash(&spec, hex);
        json_t *json = loss_resolved_write(&spec);
        CHECK(json);
        json_decref(json);
    }
}

void test_job_spec_survives_five_thousand_broken_specs(void)
{
    each_vector("tests/vectors/job_spec/valid", mutate_many);
    each_vector("schema/examples", mutate_many);
    CHECK(mutated_count >= 5000);
    CHECK(refused_count > mutated_count / 2 && refused_count < mutated_count);
}
