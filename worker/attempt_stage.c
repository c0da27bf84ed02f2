/* attempt_stage: what must be there before the child starts: the claim read, a folder, job.json, the data, the checkpoint. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/attempt_inside.h"

enum err attempt_read_claim(struct attempt *a, struct err_note *note)
{
    const char *job = NULL, *token = NULL;
    json_int_t number = 0, lease_ms = 0, heartbeat_ms = 0;
    json_t *claim;
    memcpy(&claim, &a->claim, sizeof claim); /* json_unpack borrows, but takes no const */
    json_error_t error;
    if (json_unpack_ex(claim, &error, 0, "{s:s, s:I, s:s, s:I, s:I}", "job", &job, "attempt", &number, "lease_token", &token,
                       "lease_ms", &lease_ms, "heartbeat_ms", &heartbeat_ms))
        return err_set(note, ERR_BAD_JSON, "claim", "%s", error.text);
    if (strlen(job) >= sizeof a->key.job || strlen(token) >= sizeof a->key.token || lease_ms < 1 || heartbeat_ms < 1 || strchr(job, '/'))
        return err_set(note, ERR_BAD_JSON, "claim", "a value is out of range");
    strcpy(a->key.job, job);
    strcpy(a->key.token, token);
    snprintf(a->key.attempt, sizeof a->key.attempt, "%lld", (long long)number);
    a->key.lease_ms = lease_ms;
    a->key.heartbeat_ms = heartbeat_ms;
    const json_t *timeout = json_object_get(json_object_get(a->claim, "spec"), "timeout_s");
    a->timeout_s = json_is_number(timeout) ? json_number_value(timeout) : 0;
    return OK;
}

enum err attempt_make_folder(struct attempt *a, struct err_note *note)
{
    int n = snprintf(a->folder, sizeof a->folder, "%s/%s-%s", a->s->work_dir, a->key.job, a->key.attempt);
    if (n < 0 || (size_t)n >= sizeof a->folder) return err_set(note, ERR_IO, a->s->work_dir, "the path is too long");
    const struct {
        char *to;
        const char *name;
    } paths[] = {{a->job_path, "job.json"}, {a->log_path, "child.log"}, {a->resume_path, "resume.ckpt"}, {a->out, "out"}, {a->box, "box"}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) snprintf(paths[i].to, sizeof a->out, "%.2047s/%s", a->folder, paths[i].name);
    if (mkdir(a->folder, 0700) || mkdir(a->out, 0700) || mkdir(a->box, 0700))
        return err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, a->folder, "cannot be made: %s", strerror(errno));
    return OK;
}

/* The spec as the child reads it: a registered generator stands in it as the generator itself. */
static enum err write_job(struct attempt *a, struct err_note *note)
{
    json_t *spec = json_copy(json_object_get(a->claim, "spec"));
    json_t *generate = json_object_get(json_object_get(a->claim, "dataset"), "generate");
    if (json_is_object(generate)) json_object_set_new(spec, "dataset", json_pack("{s:O}", "generate", generate));
    int failed = json_dump_file(spec, a->job_path, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    json_decref(spec);
    return failed ? err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, a->job_path, "cannot be written: %s", strerror(errno)) : OK;
}

static enum err stage_data(struct attempt *a, struct err_note *note)
{
    const json_t *dataset = json_object_get(a->claim, "dataset");
    const char *path = json_string_value(json_object_get(dataset, "path")), *sha256 = json_string_value(json_object_get(dataset, "sha256"));
    if (json_is_object(json_object_get(dataset, "generate"))) return OK;
    if (path && !a->s->data_root) return err_set(note, ERR_DATA, "/dataset/path", "this worker was started without --data-root");
    if (path) return dataset_path_under(a->s->data_root, path, a->data_path, note);
    if (!sha256) return err_set(note, ERR_DATA, "/dataset", "the server named no data");
    struct dataset_cache cache = a->s->cache;
    cache.client = a->s->client;
    cache.stop = a->s->interrupt;
    cache.retry_ms = a->s->away_ms;
    enum err e = dataset_cache_get(&cache, sha256, json_integer_value(json_object_get(dataset, "bytes")), &a->hold, note);
    if (!e) strcpy(a->data_path, a->hold.path);
    return e;
}

static enum err stage_resume(struct attempt *a, struct err_note *note)
{
    const json_t *resume = json_object_get(a->claim, "resume");
    const char *name = json_string_value(json_object_get(resume, "name")), *sha256 = json_string_value(json_object_get(resume, "sha256"));
    if (!json_is_object(resume)) return OK;
    if (!name || !sha256) return err_set(note, ERR_BAD_JSON, "claim", "resume names no file");
    struct api_call call = {.op = API_ATTEMPT_ARTIFACT_GET, .params = {{"job", a->key.job}, {"n", a->key.attempt}, {"name", name}},
                            .lease_token = a->key.token, .download_path = a->resume_path, .want_sha256 = sha256,
                            .accept = "application/octet-stream", .retry_ms = a->s->away_ms, .stop = a->s->interrupt};
    struct api_reply reply;
    enum err e = api_call(a->s->client, &call, &reply, note);
    api_reply_free(&reply);
    a->resumes = !e;
    if (!e) attempt_say(a, "info", "resumes from %s at step %lld", name, (long long)json_integer_value(json_object_get(resume, "step")));
    return e;
}

enum job_failure attempt_class_of(enum err e)
{
    switch (e) {
    case ERR_DATA: case ERR_NOT_FOUND: return FAILURE_DATA_ERROR;
    case ERR_NO_SPACE: return FAILURE_NO_SPACE;
    case ERR_NO_MEMORY: return FAILURE_OUT_OF_MEMORY;
    default: return FAILURE_INTERNAL;
    }
}

enum err attempt_stage(struct attempt *a, struct err_note *note)
{
    enum err e = write_job(a, note);
    if (!e) e = stage_data(a, note);
    return e ? e : stage_resume(a, note);
}
