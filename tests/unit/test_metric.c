/* test_metric: batches of series go there and back; broken ones are refused with the place. */
#include "schema/job/metric.h"

#include <math.h>

#include "schema/base/json_text.h"
#include "tests/check.h"

static struct err_list errors;
static struct metric_batch batch;

static enum err read_text(const char *text)
{
    json_t *json;
    CHECK_INT(json_text_parse(text, strlen(text), 1 << 20, &json, NULL), OK);
    errors.count = errors.dropped = 0;
    enum err e = metric_batch_read(json, &batch, &errors);
    json_decref(json);
    return e;
}

void test_metric_batch_goes_there_and_back(void)
{
    const char *text = "{\"seq\":3,\"series\":[{\"name\":\"loss/dice\",\"kind\":\"result\",\"x\":\"step\",\"steps\":[0,1,7,8],"
                       "\"values\":[0.25,\"NaN\",\"Infinity\",\"-Infinity\"]},{\"name\":\"time/epoch_s\",\"kind\":\"timing\",\"x\":\"epoch\","
                       "\"steps\":[0],\"values\":[1.5]}]}";
    struct buf again;
    buf_init(&again, 4096);
    CHECK_INT(read_text(text), OK);
    CHECK(batch.count == 2 && batch.seq == 3 && isnan(batch.series[0].values[1]) && batch.series[0].steps[2] == 7);
    json_t *json = metric_batch_write(&batch);
    CHECK_INT(json_text_write(json, &again), OK);
    CHECK_TEXT(again.data, text);
    json_decref(json);
    buf_free(&again);
    metric_batch_free(&batch);
    metric_batch_free(&batch);
}

static void refused(const char *text, const char *pointer, const char *detail)
{
    CHECK_INT(read_text(text), ERR_SPEC);
    CHECK(!batch.series && errors.count >= 1);
    CHECK_TEXT(errors.notes[0].pointer, pointer);
    CHECK_TEXT(errors.notes[0].detail, detail);
}
#define ONE(name, steps, values) "{\"series\":[{\"name\":" name ",\"kind\":\"result\",\"x\":\"step\",\"steps\":" steps ",\"values\":" values "}]}"

void test_metric_batch_refuses_what_is_broken(void)
{
    refused(ONE("\"a\"", "[0,0]", "[1,2]"), "/series/0/steps/1", "not a step that can follow");
    refused(ONE("\"a\"", "[-1]", "[1]"), "/series/0/steps/0", "not a step that can follow");
    refused(ONE("\"a\"", "[0]", "[\"nan\"]"), "/series/0/values/0", "not a value");
    refused(ONE("\"a\"", "[0]", "[]"), "/series/0", "1 steps and 0 values: as many of each, at least one");
    refused(ONE("\"a//b\"", "[0]", "[1]"), "/series/0/name", "does not have the form that is needed");
    refused(ONE("\"a\"", "{}", "[1]"), "/series/0/steps", "not an array");
    refused("{\"series\":[]}", "/series", "not that many series");
    refused("{\"seq\":0,\"series\":[]}", "/seq", "not a batch number");
    refused("{\"series\":[{\"name\":\"a\",\"kind\":\"result\",\"x\":\"step\",\"steps\":[0],\"values\":[1]},"
            "{\"name\":\"a\",\"kind\":\"result\",\"x\":\"step\",\"steps\":[0],\"values\":[1]}]}", "/series/1", "the series a is there twice");
    refused("[]", "", "not an object");
}

void test_metric_names_have_a_form(void)
{
    CHECK(metric_name_fits("val/dice/1") && metric_name_fits("alpha") && metric_name_fits("time/images_per_s"));
    CHECK(!metric_name_fits("") && !metric_name_fits("/a") && !metric_name_fits("a/") && !metric_name_fits("a b") && !metric_name_fits("\xc3\xa4"));
    char name[METRIC_NAME_MAX + 2];
    memset(name, 'a', sizeof name);
    name[METRIC_NAME_MAX + 1] = 0;
    CHECK(!metric_name_fits(name) && metric_name_fits(name + 1));
}
