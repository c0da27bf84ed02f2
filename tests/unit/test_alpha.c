/* test_alpha: curves against golden numbers, named schedules, and every refusal with its words. */
#include "schema/job/alpha_json.h"

#include <math.h>

#include "schema/base/json_text.h"
#include "tests/check.h"

static struct err_list errors;
static struct alpha a;

/* Reads alpha for a job of 15 epochs of 20 steps. */
static void read_text(const char *text)
{
    json_t *json;
    CHECK_INT(json_text_parse(text, strlen(text), 65536, &json, NULL), OK);
    errors.count = errors.dropped = 0;
    alpha_read(json, 15, 20, &a, "/loss/alpha", &errors);
    json_decref(json);
}

void test_alpha_equals_the_golden_numbers(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/vectors/alpha/alpha_golden.json", check_root());
    json_t *cases = json_load_file(path, 0, NULL);
    CHECK(json_array_size(cases) >= 10);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *one = json_array_get(cases, i), *want = json_object_get(one, "alpha");
        json_int_t epochs = json_integer_value(json_object_get(one, "epochs"));
        static const char *const keys[] = {"name", "epochs", "alpha"};
        json_t *form = json_copy(one);
        for (int k = 0; k < 3; k++) json_object_del(form, keys[k]);
        errors.count = 0;
        alpha_read(form, epochs, 1, &a, "", &errors);
        CHECK_INT(errors.count, 0);
        for (int64_t e = 0; e < epochs; e++)
            CHECK_NEAR(alpha_at(&a, e, epochs, 0), json_number_value(json_array_get(want, (size_t)e)), 1e-12);
        json_decref(form);
    }
    json_decref(cases);
}

void test_alpha_units_count_epochs_steps_and_fractions(void)
{
    read_text("{\"points\": [[0, 1], [1, 0]], \"unit\": \"fraction\"}");
    CHECK_NEAR(alpha_at(&a, 3, 15, 60), 0.8, 1e-15);
    read_text("{\"points\": [[0, 1], [300, 0]], \"unit\": \"step\"}");
    CHECK_NEAR(alpha_at(&a, 0, 15, 75), 0.75, 1e-15);
    read_text("0.8");
    CHECK(alpha_is_constant(&a) && alpha_at(&a, 7, 15, 3) == 0.8);
    read_text("{\"points\": [[3, 0.25], [5, 0.75]]}");
    CHECK(alpha_at_time(&a, 0) == 0.25 && alpha_at_time(&a, 14) == 0.75 && !alpha_is_constant(&a));
}

void test_alpha_schedules_by_name_become_keyframes(void)
{
    struct buf text;
    buf_init(&text, 4096);
    read_text("{\"schedule\": \"cosine\", \"start\": 1.0, \"end\": 0.1, \"over\": 10}");
    CHECK_INT(errors.count, 0);
    CHECK_INT(alpha_print(&a, &text), OK);
    CHECK_TEXT(text.data, "{\"points\":[[0.0,1.0],[10.0,0.1]],\"interp\":\"cosine\",\"unit\":\"epoch\",\"repeat\":null,\"mirror\":false,"
                          "\"power\":0.9,\"k\":10.0}");
    json_t *json = json_text_take(OK, &text);
    alpha_read(json, 15, 20, &a, "", &errors);
    CHECK_INT(errors.count, 0);
    json_decref(json);
    read_text("{\"schedule\": \"linear\", \"start\": 1, \"end\": 0}");
    CHECK(a.unit == ALPHA_FRACTION && a.at[1] == 1 && errors.count == 0);
}

static void refused(const char *text, const char *code, const char *pointer, const char *detail)
{
    read_text(text);
    if (errors.count != 1) check_fail(__FILE__, __LINE__, "%s: %zu mistakes", text, errors.count);
    CHECK_TEXT(err_word(errors.notes[0].code), code);
    CHECK_TEXT(errors.notes[0].pointer, pointer);
    CHECK_TEXT(errors.notes[0].detail, detail);
}

void test_alpha_refuses_each_mistake_in_its_own_words(void)
{
    refused("1.5", "alpha_range", "/loss/alpha", "alpha is the weight of Dice");
    refused("-1e-9", "alpha_range", "/loss/alpha", "alpha is the weight of Dice");
    refused("\"0.5\"", "alpha_type", "/loss/alpha", "not an alpha");
    refused("{\"points\": []}", "points_empty", "/loss/alpha/points", "there is no point");
    refused("{}", "points_empty", "/loss/alpha/points", "there is no point");
    refused("{\"points\": 3}", "type", "/loss/alpha/points", "there is no point");
    refused("{\"points\": [[0, 1], [0, 0]]}", "points_order", "/loss/alpha/points/1", "points go forward in time");
    refused("{\"points\": [[0, 1], [3, 1.2]]}", "alpha_range", "/loss/alpha/points/1/1", "alpha is the weight of Dice");
    refused("{\"points\": [[0, 1, 2]]}", "type", "/loss/alpha/points/0", "not a point");
    refused("{\"points\": [[-1, 1]]}", "range", "/loss/alpha/points", "a moment before the start");
    refused("{\"points\": [[0, 1], [16, 0]]}", "points_beyond_end", "/loss/alpha/points", "the last point is never reached: the job ends at epoch 15");
    refused("{\"points\": [[0, 1], [301, 0]], \"unit\": \"step\"}", "points_beyond_end", "/loss/alpha/points",
            "the last point is never reached: the job ends at step 300");
    refused("{\"points\": [[0, 1], [5, 0]], \"repeat\": 4}", "points_beyond_end", "/loss/alpha/points",
            "the last point is never reached: the curve begins again after 4");
    refused("{\"points\": [[0, 1], [1.5, 0]], \"unit\": \"fraction\"}", "fraction_range", "/loss/alpha/points", "a fraction of the job");
    refused("{\"points\": [[0, 1], [5, 0]], \"interp\": \"lineer\"}", "interp_unknown", "/loss/alpha/interp", "unknown word");
    CHECK_TEXT(errors.notes[0].nearest, "linear");
    refused("{\"points\": [[0, 1], [5, 0]], \"interp\": \"exponential\"}", "exp_nonpositive", "/loss/alpha", "an exponential curve never reaches 0");
    refused("{\"points\": [[0, 1], [5, 0]], \"repeat\": 0}", "repeat_nonpositive", "/loss/alpha/repeat", "out of range");
    refused("{\"points\": [[0, 1], [5, 0]], \"mirror\": true}", "key_unexpected", "/loss/alpha/mirror", "nothing repeats: mirror needs repeat");
    refused("{\"point\": [[0, 1]]}", "key_unknown", "/loss/alpha/point", "unknown key");
    CHECK_TEXT(errors.notes[0].nearest, "points");
    refused("{\"schedule\": \"linear\", \"end\": 0}", "key_missing", "/loss/alpha/start", "is needed");
    refused("{\"schedule\": \"linear\", \"start\": 2, \"end\": 0}", "alpha_range", "/loss/alpha/start", "out of range");
    refused("{\"schedule\": \"linear\", \"start\": 1, \"end\": 0, \"over\": 100}", "points_beyond_end", "/loss/alpha/over",
            "the last point is never reached: the job ends at epoch 15");
    refused("{\"schedule\": \"linear\", \"start\": 1, \"end\": 0, \"unit\": \"step\"}", "key_missing", "/loss/alpha/over",
            "a schedule in the unit step says over how many");
    refused("{\"feedback\": 1}", "type", "/loss/alpha/feedback", "not a word");
    refused("{\"feedback\": \"platau\"}", "word_unknown", "/loss/alpha/feedback", "unknown word");
    CHECK_TEXT(errors.notes[0].nearest, "plateau");
}

void test_alpha_stays_within_its_bounds_at_every_moment(void)
{
    for (int interp = 0; interp <= ALPHA_POLY; interp++) {
        alpha_constant(&a, 1);
        a.count = 2;
        a.at[1] = 3;
        a.value[1] = 1e-9;
        a.interp = (enum alpha_interp)interp;
        for (double t = -1; t < 5; t += 0.001) CHECK(alpha_at_time(&a, t) >= 0 && alpha_at_time(&a, t) <= 1);
        CHECK(alpha_at_time(&a, 0) == 1 && alpha_at_time(&a, 3) == 1e-9);
    }
}
