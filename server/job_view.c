/* job_view: the rows of a job's view, in the order in which they are written. */
#include "server/job_view.h"

#include <math.h>
#include <string.h>
#include "schema/base/json_fields.h"

static enum err write_text(const void *from, struct buf *to)
{
    const char *text = *(const char *const *)from;
    return json_text_add_string(to, text, strlen(text));
}

static enum err write_word(const void *from, struct buf *to)
{
    const char *word = *(const char *const *)from;
    return word && *word ? write_text(from, to) : buf_text(to, "null");
}

static enum err write_json(const void *from, struct buf *to)
{
    const char *json = *(const char *const *)from;
    return buf_text(to, json && *json ? json : "null");
}

static bool has_texts(const void *base)
{
    return ((const struct job_view *)base)->has_texts;
}

#define ROW(key, field_type, member, ...) {.name = key, .type = field_type, FIELD_AT(struct job_view, member), __VA_ARGS__}
#define TEXT(key, member) ROW(key, FIELD_OTHER, member, .write = write_text)
#define WORD(key, member) ROW(key, FIELD_OTHER, member, .write = write_word)
#define JSON(key, member) ROW(key, FIELD_OTHER, member, .write = write_json)
#define LONG(key, member) ROW(key, FIELD_OTHER, member, .write = write_json, .applies = has_texts)
#define NUMBER(key, member) ROW(key, FIELD_INT64, member, .nullable = true, .null_value = STORE_ABSENT)

/* The rows of the inner objects lie in the view itself, like its own. */
static const struct field reason_rows[] = {TEXT("code", reason.code), ROW("message", FIELD_TEXT, reason.message, .one_line = true), NUMBER("position", reason.position), {0}};
static const struct field progress_rows[] = {NUMBER("epoch", progress.epoch), NUMBER("epochs", progress.epochs), NUMBER("step", progress.step),
                                             ROW("eta_s", FIELD_REAL, progress.eta_s, .help = "NaN is written as null"), {0}};
static const struct field failure_rows[] = {TEXT("class", failure.class), TEXT("message", failure.message), {0}};

static enum err write_reason(const void *from, struct buf *to)
{
    const struct job_view *v = from;
    return v->reason.code ? json_fields_print(reason_rows, v, to) : buf_text(to, "null");
}

static enum err write_failure(const void *from, struct buf *to)
{
    const struct job_view *v = from;
    return v->failure.class && *v->failure.class ? json_fields_print(failure_rows, v, to) : buf_text(to, "null");
}

static const struct field rows[] = {
    TEXT("id", id), TEXT("name", name), TEXT("project", project), WORD("sweep", sweep), TEXT("strategy", strategy), JSON("dataset", dataset_json),
    TEXT("state", state), {.name = "reason", .type = FIELD_OTHER, .write = write_reason}, WORD("phase", phase), WORD("intent", intent),
    NUMBER("priority", priority), NUMBER("attempt", attempt), NUMBER("max_attempts", max_attempts), NUMBER("losses", losses),
    ROW("nondeterministic", FIELD_BOOL, nondeterministic, .standard = 0), TEXT("spec_hash", spec_hash), NUMBER("version", version),
    NUMBER("created_at_ms", created_at_ms), NUMBER("started_at_ms", started_at_ms), NUMBER("finished_at_ms", finished_at_ms),
    {.name = "progress", .type = FIELD_OBJECT, .fields = progress_rows}, {.name = "failure", .type = FIELD_OTHER, .write = write_failure},
    JSON("tags", tags_json), JSON("result", result_json),
    LONG("spec", spec_json), LONG("loss_resolved", loss_resolved_json), LONG("kernels", kernels_json), LONG("warnings", warnings_json), {0}};

void job_view_of_new(struct job_view *v, const struct queue_job *job, const char *id, int64_t version, int64_t now_ms)
{
    *v = (struct job_view){
        .id = id, .name = job->name, .project = job->project, .strategy = job->strategy, .dataset_json = job->dataset_json, .state = "queued",
        .priority = job->priority, .max_attempts = job->max_attempts, .spec_hash = job->spec_hash, .version = version,
        .created_at_ms = now_ms, .started_at_ms = STORE_ABSENT, .finished_at_ms = STORE_ABSENT,
        .progress = {STORE_ABSENT, job->epochs, STORE_ABSENT, (double)NAN}, .tags_json = job->tags_json, .has_texts = true,
        .spec_json = job->spec_json, .loss_resolved_json = job->loss_resolved_json,
        .warnings_json = job->warnings_json ? job->warnings_json : "[]",
    };
}

void job_view_waits(struct job_view *v, const struct worker_tally *tally, bool needs_data_path, int64_t memory_bytes, int64_t position)
{
    char *to = v->reason.message;
    size_t size = sizeof v->reason.message;
    v->reason.position = position;
    v->reason.code = "no_worker";
    if (!tally->alive)
        err_print(to, size, "0 workers alive: start one with tandem-worker");
    else if (needs_data_path && !tally->alive_with_paths) {
        v->reason.code = "requirements";
        err_print(to, size, "no worker alive was started with a --data-root");
    } else if (tally->largest_memory_bytes && memory_bytes > tally->largest_memory_bytes) {
        v->reason.code = "requirements";
        err_print(to, size, "no worker alive has the %lld MiB that it will take", (long long)(memory_bytes >> 20));
    } else
        err_print(to, size, "%lld workers alive, none free yet", (long long)tally->alive);
}

enum err job_view_print(const struct job_view *v, struct buf *to)
{
    enum err e = json_fields_print(rows, v, to);
    if (!e) to->length--;
    return e;
}
