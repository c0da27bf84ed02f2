/* submit: body -> JSON -> job specs -> what the queue takes. */
#include "server/submit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/buf.h"
#include "schema/base/json_text.h"
#include "schema/job/job_memory.h"
#include "schema/job/job_spec_json.h"
#include "server/json_body.h"
#include "server/must.h"

enum { VALUES_MAX = 200000 }; /* of one body: 1,000 specs of 200; each costs some 100 bytes once it is read */
enum { SPEC_TEXT_BYTES_MAX = 1 << 20 }; /* a resolved spec: what was sent, and every default */

struct submission *submission_new(void)
{
    struct submission *s = must_calloc(1, sizeof *s);
    s->specs = json_array();
    s->losses = json_array();
    s->warnings = json_array();
    return s;
}

static void free_texts(struct queue_job *job)
{
    free((char *)(size_t)job->tags_json);
    free((char *)(size_t)job->spec_json);
    free((char *)(size_t)job->loss_resolved_json);
    free((char *)(size_t)job->warnings_json);
}

void submission_free(struct submission *s)
{
    for (size_t i = 0; i < s->count; i++) free_texts(&s->jobs[i]);
    free(s->jobs);
    json_decref(s->specs);
    json_decref(s->losses);
    json_decref(s->warnings);
    free(s);
}

static enum err text_of(const json_t *json, const char **text)
{
    struct buf b;
    buf_init(&b, SPEC_TEXT_BYTES_MAX);
    enum err e = json_text_write(json, &b);
    *text = buf_take(&b);
    buf_free(&b);
    return e;
}

static const char *word_at(const json_t *spec, const char *block, const char *key)
{
    return json_string_value(json_object_get(block ? json_object_get(spec, block) : spec, key));
}

/* 0 = too much for 63 bits, which the reader refuses. The server opens no archive: what only the data set knows is taken as one
   channel and two classes, so for such jobs this is the least. */
static int64_t predict_bytes(const struct job_spec *spec)
{
    struct job_memory memory = {0};
    int classes = spec->dataset.source == DATASET_GENERATE ? spec->dataset.generate.classes : 2;
    return job_memory_predict(spec, 1, classes, spec->training.threads, &memory) ? 0 : memory.total_bytes;
}

/* What the queue must know of a spec that has been read without mistakes. The names are those of `resolved`. */
static enum err job_of_spec(const struct job_spec *spec, const json_t *resolved, const json_t *loss, const json_t *warnings,
                            struct queue_job *job)
{
    *job = (struct queue_job){
        .name = word_at(resolved, NULL, "name"),
        .project = word_at(resolved, NULL, "project"),
        .strategy = word_at(resolved, "loss", "strategy"),
        .dataset = json_string_value(json_object_get(resolved, "dataset")),
        .needs_data_path = spec->dataset.source == DATASET_PATH,
        .priority = spec->priority,
        .max_attempts = spec->max_attempts,
        .epochs = spec->training.epochs,
        .timeout_s = spec->timeout_s,
        .memory_bytes = predict_bytes(spec),
    };
    job_spec_hash_of(resolved, job->spec_hash);
    enum err e = text_of(json_object_get(resolved, "tags"), &job->tags_json);
    if (!e) e = text_of(resolved, &job->spec_json);
    if (!e) e = text_of(loss, &job->loss_resolved_json);
    if (!e) e = text_of(warnings, &job->warnings_json);
    return e;
}

/* In an array, mistakes are told as "/3/loss/alpha". */
static void put_index_before(struct err_list *errors, size_t from, size_t index)
{
    for (size_t i = from; i < errors->count; i++) {
        char pointer[sizeof errors->notes[i].pointer];
        err_print(pointer, sizeof pointer, "/%zu%s", index, errors->notes[i].pointer);
        memcpy(errors->notes[i].pointer, pointer, sizeof pointer);
    }
}

/* One job of the body: a bad one adds to `errors`, a good one to `s`. */
static enum err read_job(struct submission *s, const json_t *json, struct err_list *errors)
{
    struct job_spec spec = {0};
    struct err_list warnings = {0}; /* 64 KiB: on the stack, as freeing that much makes malloc tidy up each time */
    size_t before = errors->count;
    enum err e = job_spec_read(json, &spec, errors, &warnings);
    if (e && s->is_array) put_index_before(errors, before, s->count);
    json_array_append_new(s->specs, e ? json_null() : job_spec_write(&spec));
    json_array_append_new(s->losses, e ? json_null() : loss_resolved_write(&spec));
    json_array_append_new(s->warnings, job_warnings_write(&warnings));
    size_t i = s->count++;
    if (!e)
        e = job_of_spec(&spec, json_array_get(s->specs, i), json_array_get(s->losses, i), json_array_get(s->warnings, i), &s->jobs[i]);
    return e;
}

static enum err read_all(struct submission *s, const json_t *json, struct err_list *errors)
{
    size_t count = s->is_array ? json_array_size(json) : 1;
    enum err worst = OK;
    s->jobs = must_calloc(count, sizeof *s->jobs);
    for (size_t i = 0; i < count && errors->count < ERR_LIST_MAX; i++) {
        enum err e = read_job(s, s->is_array ? json_array_get(json, i) : json, errors);
        if (e) worst = e;
    }
    return worst;
}

/* 4 MiB of "[],[],[]," would become a hundred times that in memory: counted before anything is built. */
static bool values_fit(const char *body, size_t length)
{
    size_t values = 0;
    bool in_text = false;
    for (size_t i = 0; i < length; i++) {
        if (in_text && body[i] == '\\')
            i++;
        else if (body[i] == '"')
            in_text = !in_text;
        else if (!in_text && (body[i] == ',' || body[i] == '[' || body[i] == '{'))
            values++;
    }
    return values <= VALUES_MAX;
}

enum err submission_read(struct submission *s, const char *body, size_t length, struct err_list *errors, struct err_note *note)
{
    size_t skip = strspn(body, " \t\r\n");
    s->is_array = body[skip] == '[';
    if (!s->is_array && length > SUBMIT_JOB_BYTES_MAX)
        return err_set(note, ERR_TOO_LARGE, "", "a job spec of %zu bytes: at most %d are allowed", length, SUBMIT_JOB_BYTES_MAX);
    if (!body[skip]) return err_set(note, ERR_BAD_JSON, "", "the body is empty: one JSON value is expected");
    if (!values_fit(body, length)) return err_set(note, ERR_TOO_LARGE, "", "more than %d values in one body", VALUES_MAX);
    json_t *json = NULL;
    sha256_hex_of(body, length, s->body_sha256);
    enum err e = json_of_text(body, length, JSON_DEPTH_MAX + s->is_array, &json, note);
    if (e) return e;
    if (s->is_array && (json_array_size(json) < 1 || json_array_size(json) > SUBMIT_JOBS_MAX))
        e = err_set(note, ERR_TOO_LARGE, "", "an array of %zu jobs: 1 to %d are allowed", json_array_size(json), SUBMIT_JOBS_MAX);
    else
        e = read_all(s, json, errors);
    json_decref(json);
    return e;
}

void submission_check_memory(const struct submission *s, int64_t bytes_max, const char *whose, struct err_list *errors)
{
    for (size_t i = 0; i < s->count; i++) {
        char pointer[64] = "/training";
        if (!bytes_max || s->jobs[i].memory_bytes <= bytes_max) continue;
        if (s->is_array) err_print(pointer, sizeof pointer, "/%zu/training", i);
        struct err_note *note = err_add(errors, ERR_MEMORY_PREDICTED, pointer,
                                        "training is predicted to take %.2f GB at its peak, %s allows %.2f GB: a smaller batch, patch or widths would help",
                                        (double)s->jobs[i].memory_bytes / 1e9, whose, (double)bytes_max / 1e9);
        err_print(note->found, sizeof note->found, "%lld bytes", (long long)s->jobs[i].memory_bytes);
        err_print(note->allowed, sizeof note->allowed, "at most %lld bytes", (long long)bytes_max);
    }
}

void submission_check_workers(const struct submission *s, const char *workers_json, struct err_list *errors)
{
    json_t *json = json_loads(workers_json, 0, NULL), *worker;
    size_t i;
    int64_t largest = 0;
    bool known = true;
    json_array_foreach(json_object_get(json, "workers"), i, worker) {
        int64_t bytes = json_integer_value(json_object_get(worker, "memory_bytes"));
        if (!strcmp(json_string_value(json_object_get(worker, "state")), "away")) continue;
        known = known && bytes > 0;
        if (bytes > largest) largest = bytes;
    }
    if (known) submission_check_memory(s, largest, "the largest worker", errors);
    json_decref(json);
}

static json_t *dry_run_of(const struct submission *s, size_t i)
{
    return json_pack("{s:b, s:I, s:O, s:s, s:O, s:O}", "dry_run", 1, "memory_bytes", (json_int_t)s->jobs[i].memory_bytes, "spec", json_array_get(s->specs, i), "spec_hash", s->jobs[i].spec_hash,
                     "loss_resolved", json_array_get(s->losses, i), "warnings", json_array_get(s->warnings, i));
}

json_t *submission_dry_run(const struct submission *s)
{
    if (!s->is_array) return dry_run_of(s, 0);
    json_t *jobs = json_array();
    for (size_t i = 0; i < s->count; i++) json_array_append_new(jobs, dry_run_of(s, i));
    return json_pack("{s:b, s:o}", "dry_run", 1, "jobs", jobs);
}
