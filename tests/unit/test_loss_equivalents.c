/* test_loss_equivalents: the Dice + cross-entropy of MONAI, nnU-Net, segmentation_models.pytorch, mmsegmentation and PyTorch, run by
   tests/vectors/loss_equivalents.py, against the Tandem block that schema/losses.md puts beside each. */
#include <jansson.h>
#include "schema/job/job_spec_json.h"
#include "tests/unit/loss_fixture.h"

static struct job_spec spec;
static struct err_list errors, warnings;

static double number(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    CHECK(json_is_number(value));
    return json_number_value(value);
}

static void check_near(const char *call, const char *what, double got, double want, double scale)
{
    if (!(fabs(got - want) <= 1e-6 * fabs(scale)))
        check_fail(__FILE__, __LINE__, "%s: %s is %.12g, theirs %.12g", call, what, got, want);
}

/* The block goes through the one reader, as a user's would. */
static void read_block(const char *call, json_t *loss, int channels)
{
    json_t *job = json_pack("{s:s, s:O}", "dataset", "a", "loss", loss);
    errors.count = warnings.count = 0;
    if (job_spec_read(job, &spec, &errors, &warnings))
        check_fail(__FILE__, __LINE__, "%s: %s: %s", call, errors.notes[0].pointer, errors.notes[0].detail);
    int classes = channels == 1 ? 2 : channels;
    job_spec_check_classes(&spec, classes, &errors);
    CHECK_INT(errors.count, 0);
    CHECK_INT(job_spec_out_channels(&spec, classes), channels);
    json_decref(job);
}

static void check_case(const json_t *row)
{
    const char *call = json_string_value(json_object_get(row, "call"));
    int channels = (int)number(row, "channels"), ignored = json_is_true(json_object_get(row, "ignored"));
    struct loss_options o;
    struct loss_value v;
    struct batch b;
    double dice_weight, ce_weight, l2 = 0, dot = 0;
    read_block(call, json_object_get(row, "loss"), channels);
    golden_batch(&b, channels);
    for (int i = 0; ignored && i < N * PIXELS; i += 4)
        b.labels[i] = LABEL_IGNORED;
    loss_options_of(&spec.loss, channels, &o);
    loss_spec_weights(&spec.loss, spec.loss.alpha.value[0], &dice_weight, &ce_weight);
    double value = evaluate_f64(&b, &o, dice_weight, ce_weight, &v), want = number(row, "value");
    for (int i = 0; i < N * channels * PIXELS; i++)
        l2 += b.g64[i] * b.g64[i], dot += b.g64[i] * sin(1.3 * i + 0.2);
    check_near(call, "the value", value + number(row, "shift"), want, want);
    check_near(call, "|gradient|", sqrt(l2), number(row, "grad_l2"), number(row, "grad_l2"));
    check_near(call, "gradient . sin", dot, number(row, "grad_dot"), number(row, "grad_l2"));
}

void test_loss_equivalents_have_the_numbers_of_the_other_programs(void)
{
    static const char *const libraries[] = {"monai", "nnunetv2", "smp", "mmsegmentation", "torch"};
    int met[5] = {0};
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/vectors/loss_equivalents.json", check_root());
    json_t *all = json_load_file(path, 0, NULL), *row;
    CHECK(all);
    size_t i;
    json_array_foreach(json_object_get(all, "cases"), i, row) {
        check_case(row);
        for (int k = 0; k < 5; k++)
            met[k] += !strcmp(json_string_value(json_object_get(row, "library")), libraries[k]);
    }
    CHECK(met[0] >= 13 && met[1] >= 6 && met[2] >= 5 && met[3] >= 4 && met[4] >= 3);
    json_decref(all);
}

/* The table that a reader meets holds each call and its block, letter by letter. */
void test_loss_equivalents_are_the_rows_of_the_table(void)
{
    static char page[65536];
    char path[1024], want[1024];
    snprintf(path, sizeof path, "%s/schema/losses.md", check_root());
    FILE *f = fopen(path, "r");
    CHECK(f);
    page[fread(page, 1, sizeof page - 1, f)] = '\0';
    fclose(f);
    snprintf(path, sizeof path, "%s/tests/vectors/loss_equivalents.json", check_root());
    json_t *all = json_load_file(path, 0, NULL), *row;
    size_t i;
    json_array_foreach(json_object_get(all, "cases"), i, row) {
        json_t *loss = json_object_get(row, "loss");
        json_object_del(loss, "strategy");
        char *block = json_dumps(loss, JSON_REAL_PRECISION(16));
        snprintf(want, sizeof want, "| `%s` | `%s` | %s", json_string_value(json_object_get(row, "call")), block, json_string_value(json_object_get(row, "convert")));
        if (!strstr(page, want))
            check_fail(__FILE__, __LINE__, "schema/losses.md lacks the row %s", want);
        free(block);
    }
    json_decref(all);
}
