/* batch: columns joined by series name. */
#include "worker/batch.h"

#include <stdlib.h>
#include <string.h>

#include "schema/base/clock.h"
#include "schema/job/metric.h"

static json_t *must(json_t *value)
{
    if (!value) abort();
    return value;
}

static void open_batch(struct batch *batch)
{
    if (batch->items) return;
    batch->items = must(json_array());
    batch->by_name = must(json_object());
    batch->opened_ms = clock_mono_ms();
}

bool batch_takes(const struct batch *batch, const json_t *series)
{
    size_t i, names = json_array_size(batch->items);
    const json_t *one;
    json_array_foreach(series, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        const json_t *there = name ? json_object_get(batch->by_name, name) : NULL;
        if (!there && batch->items && ++names > METRIC_SERIES_MAX) return false;
        if (!there) continue;
        const json_t *have = json_object_get(there, "steps");
        json_int_t last = json_integer_value(json_array_get(have, json_array_size(have) - 1));
        if (json_integer_value(json_array_get(json_object_get(one, "steps"), 0)) <= last) return false;
        if (!json_equal(json_object_get(there, "kind"), json_object_get(one, "kind"))) return false;
        if (!json_equal(json_object_get(there, "x"), json_object_get(one, "x"))) return false;
    }
    return true;
}

static enum err check(const json_t *series, struct err_note *note)
{
    struct metric_batch read = {0};
    struct err_list *errors = calloc(1, sizeof *errors);
    json_t *event = json_pack("{s:O}", "series", series);
    if (!errors || !event) abort();
    enum err e = metric_batch_read(event, &read, errors);
    if (e && note) *note = errors->notes[0];
    if (e) e = ERR_SPEC;
    metric_batch_free(&read);
    json_decref(event);
    free(errors);
    return e;
}

enum err batch_add_series(struct batch *batch, const json_t *series, struct err_note *note)
{
    enum err e = check(series, note);
    if (e) return e;
    open_batch(batch);
    size_t i;
    json_t *one;
    json_array_foreach(series, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        json_t *steps = json_object_get(one, "steps"), *there = json_object_get(batch->by_name, name);
        batch->count += (int)json_array_size(steps);
        if (there) {
            json_array_extend(json_object_get(there, "steps"), steps);
            json_array_extend(json_object_get(there, "values"), json_object_get(one, "values"));
        } else {
            there = must(json_deep_copy(one));
            json_array_append_new(batch->items, there);
            json_object_set(batch->by_name, name, there);
        }
    }
    return OK;
}

void batch_add_line(struct batch *batch, int64_t at_ms, const char *level, const char *text)
{
    char clean[BATCH_LOG_TEXT_MAX];
    err_print(clean, sizeof clean, "%s", text);
    json_t *said = json_string(clean);
    if (!said) { /* a file name in another encoding, or noise on stderr */
        for (char *c = clean; *c; c++)
            if ((unsigned char)*c >= 128) *c = '?';
        said = must(json_string(clean));
    }
    open_batch(batch);
    json_array_append_new(batch->items, must(json_pack("{s:I, s:s, s:o}", "at_ms", (json_int_t)at_ms, "level", level, "text", said)));
    batch->count++;
}

char *batch_close(struct batch *batch, const char *key, const char *lease_token, int64_t seq)
{
    json_t *body = must(json_pack("{s:s, s:I, s:O}", "lease_token", lease_token, "seq", (json_int_t)seq, key, batch->items));
    char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!text) abort();
    json_decref(body);
    batch_drop(batch);
    return text;
}

void batch_drop(struct batch *batch)
{
    json_decref(batch->by_name);
    json_decref(batch->items);
    *batch = (struct batch){0};
}
