/* submit: body -> JSON -> job specs -> what the queue takes. */
#include "server/submit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/buf.h"
#include "schema/base/json_text.h"
#include "schema/job/dataset_json.h"
#include "schema/job/job_memory.h"
#include "schema/job/job_spec_json.h"
#include "schema/job/loss_spec_json.h"
#include "server/json_body.h"
#include "server/must.h"

enum { VALUES_MAX = 200000 }; /* of one body: 1,000 specs of 200; each costs some 100 bytes once it is read */
enum { TEXTS_BYTES_MAX = 4 * JOB_TEXT_BYTES_MAX, TEXTS_BYTES_USUAL = 8192 };

struct submission *submission_new(void)
{
    return must_calloc(1, sizeof(struct submission));
}

void submission_free(struct submission *s)
{
    for (size_t i = 0; i < s->count; i++) free(s->texts[i]);
    free(s->texts);
    free(s->jobs);
    free(s);
}

enum { CHANNELS_ASSUMED = 1 /* as generators draw */, CLASSES_ASSUMED = 2 };

/* 0 = too much for 63 bits, which the reader refuses. The server opens no archive: what only the data set knows is taken as one
   channel and two classes, so for such jobs this is the least. */
static int64_t predict_bytes(const struct job_spec *spec)
{
    struct job_memory memory = {0};
    int classes = spec->dataset.source == DATASET_GENERATE ? spec->dataset.generate.classes : CLASSES_ASSUMED;
    return job_memory_predict(spec, CHANNELS_ASSUMED, classes, spec->training.threads, &memory) ? 0 : memory.total_bytes;
}

/* ---- the texts of a job: one block, one text after the other ---- */
enum text { TEXT_NAME, TEXT_PROJECT, TEXT_DATASET, TEXT_DATASET_JSON, TEXT_TAGS, TEXT_SPEC, TEXT_LOSS, TEXT_WARNINGS, TEXT_COUNT };

static enum err print_text(enum text which, const struct job_spec *spec, const struct err_list *warnings, struct buf *to)
{
    switch (which) {
    case TEXT_NAME: return buf_text(to, spec->name);
    case TEXT_PROJECT: return buf_text(to, spec->project);
    case TEXT_DATASET: return buf_text(to, spec->dataset.name);
    case TEXT_DATASET_JSON: return dataset_spec_print(&spec->dataset, to);
    case TEXT_TAGS: return job_tags_print(spec, to);
    case TEXT_SPEC: return job_spec_print(spec, to);
    case TEXT_LOSS: return loss_resolved_print(spec, to);
    case TEXT_WARNINGS: return job_warnings_print(warnings, to);
    case TEXT_COUNT: break;
    }
    return ERR_INTERNAL;
}

/* *block is the caller's to free, also after an error. */
static enum err print_texts(const struct job_spec *spec, const struct err_list *warnings, char **block, const char *texts[TEXT_COUNT])
{
    struct buf b;
    size_t at[TEXT_COUNT];
    buf_init(&b, TEXTS_BYTES_MAX);
    enum err e = buf_reserve(&b, TEXTS_BYTES_USUAL);
    for (enum text t = TEXT_NAME; t < TEXT_COUNT && !e; t++) {
        at[t] = b.length;
        e = print_text(t, spec, warnings, &b);
        if (!e) e = buf_add(&b, "", 1);
    }
    *block = buf_take(&b);
    for (enum text t = TEXT_NAME; t < TEXT_COUNT && !e; t++) texts[t] = *block + at[t];
    return e;
}

/* What the queue must know of a spec that has been read without mistakes. */
static enum err job_of_spec(const struct job_spec *spec, const struct err_list *warnings, struct queue_job *job, char **block)
{
    const char *texts[TEXT_COUNT] = {NULL};
    enum err e = print_texts(spec, warnings, block, texts);
    *job = (struct queue_job){
        .name = texts[TEXT_NAME],
        .project = texts[TEXT_PROJECT],
        .strategy = loss_strategy_word(spec->loss.strategy),
        .dataset = spec->dataset.source == DATASET_REGISTERED ? texts[TEXT_DATASET] : NULL,
        .dataset_json = texts[TEXT_DATASET_JSON],
        .tags_json = texts[TEXT_TAGS],
        .spec_json = texts[TEXT_SPEC],
        .loss_resolved_json = texts[TEXT_LOSS],
        .warnings_json = texts[TEXT_WARNINGS],
        .needs_data_path = spec->dataset.source == DATASET_PATH,
        .priority = spec->priority,
        .max_attempts = spec->max_attempts,
        .epochs = spec->training.epochs,
        .timeout_s = spec->timeout_s,
        .memory_bytes = predict_bytes(spec),
    };
    job_spec_hash(spec, job->spec_hash);
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
    static _Thread_local struct job_spec spec;     /* 14 KiB and 64 KiB, which are not to be cleared for every job */
    static _Thread_local struct err_list warnings;
    warnings.count = warnings.dropped = 0;
    size_t before = errors->count;
    enum err e = job_spec_read(json, &spec, errors, &warnings);
    if (e && s->is_array) put_index_before(errors, before, s->count);
    size_t i = s->count++;
    return e ? e : job_of_spec(&spec, &warnings, &s->jobs[i], &s->texts[i]);
}

static enum err read_all(struct submission *s, const json_t *json, struct err_list *errors)
{
    size_t count = s->is_array ? json_array_size(json) : 1;
    enum err worst = OK;
    s->jobs = must_calloc(count, sizeof *s->jobs);
    s->texts = must_calloc(count, sizeof *s->texts);
    for (size_t i = 0; i < count && errors->count < ERR_LIST_MAX; i++) {
        enum err e = read_job(s, s->is_array ? json_array_get(json, i) : json, errors);
        if (e) worst = e;
    }
    return worst;
}

/* 4 MiB of "[],[],[]," would become a hundred times that in memory: counted before anything is built. */
bool submission_values_fit(const char *body, size_t length, struct err_note *note)
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
    if (values > VALUES_MAX) err_set(note, ERR_TOO_LARGE, "", "more than %d values in one body", VALUES_MAX);
    return values <= VALUES_MAX;
}

enum err submission_read(struct submission *s, const char *body, size_t length, struct err_list *errors, struct err_note *note)
{
    size_t skip = strspn(body, " \t\r\n");
    s->is_array = body[skip] == '[';
    if (!s->is_array && length > SUBMIT_JOB_BYTES_MAX)
        return err_set(note, ERR_TOO_LARGE, "", "a job spec of %zu bytes: at most %d are allowed", length, SUBMIT_JOB_BYTES_MAX);
    if (!body[skip]) return err_set(note, ERR_BAD_JSON, "", "the body is empty: one JSON value is expected");
    if (!submission_values_fit(body, length, note)) return ERR_TOO_LARGE;
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

enum err submission_read_jobs(struct submission *s, const json_t *jobs, struct err_list *errors)
{
    s->is_array = true;
    return read_all(s, jobs, errors);
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

static enum err add_dry_run(const struct queue_job *job, struct buf *to)
{
    const struct {
        const char *key, *json;
    } texts[] = {{"spec", job->spec_json}, {"loss_resolved", job->loss_resolved_json}, {"warnings", job->warnings_json}};
    bool assumed = job->dataset || job->needs_data_path;
    enum err e = buf_printf(to, "{\"dry_run\":true,\"memory_bytes\":%lld,\"spec_hash\":\"%s\",\"memory_assumes\":", (long long)job->memory_bytes, job->spec_hash);
    if (!e) e = assumed ? buf_printf(to, "{\"channels\":%d,\"classes\":%d}", CHANNELS_ASSUMED, CLASSES_ASSUMED) : buf_text(to, "null");
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !e; i++) {
        e = json_text_add_key(to, texts[i].key);
        if (!e) e = buf_text(to, texts[i].json);
    }
    return e ? e : buf_text(to, "}");
}

enum err submission_dry_run(const struct submission *s, struct buf *to)
{
    if (!s->is_array) return add_dry_run(s->jobs, to);
    enum err e = buf_text(to, "{\"dry_run\":true,\"jobs\":[");
    for (size_t i = 0; i < s->count && !e; i++) {
        if (i) e = buf_text(to, ",");
        if (!e) e = add_dry_run(&s->jobs[i], to);
    }
    return e ? e : buf_text(to, "]}");
}
