/* attempt: the column of steps of one job: read the claim, make its folder, stage, run, empty the outbox, report. */
#include "worker/attempt.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "worker/child.h"
#include "worker/outbox.h"
#include "worker/verdict.h"

enum { WAIT_MS = 100, TAIL_LINES = 20, TAIL_BYTES = 8192, GOODBYE_MS = 2000 };
/* Five folders and files of one attempt: FOLDER/{job.json, child.log, resume.ckpt, out/, box/}. */
struct attempt {
    const struct attempt_settings *s;
    const json_t *claim;
    struct lease_key key;
    char folder[2048], job_path[2100], log_path[2100], resume_path[2100], out[2100], box[2100];
    char data_path[DATASET_PATH_BYTES]; /* "" for a generated set */
    bool resumes;
    struct lease *lease;
    struct outbox *outbox;
    struct dataset_hold hold;
    struct child child;
    struct lease_progress progress;
    double timeout_s;
    int64_t heard_ms, kill_at_ms;
    enum stop_reason stopped;
    struct child_end end;
    char message[512]; /* behind end.message */
    json_t *start, *result;
};

static void say(struct attempt *a, const char *level, const char *format, ...) PRINTF_LIKE(3, 4);
static void say(struct attempt *a, const char *level, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    outbox_log(a->outbox, level, text);
}

static void stop_for(struct attempt *a, enum stop_reason reason, const char *message)
{
    if (reason <= a->stopped) return;
    a->stopped = reason;
    if (message) err_print(a->message, sizeof a->message, "%s", message);
    log_info("attempt.stop", "job=%s attempt=%s why=%s %s", a->key.job, a->key.attempt, stop_word(reason), message ? message : "");
}

/* Everything that may end the attempt early, in one place; called from every loop that waits. */
static void look_around(struct attempt *a)
{
    struct err_note note;
    int64_t deadline_ms;
    if (*a->s->at_once) stop_for(a, STOP_AT_ONCE, NULL);
    if (lease_lost(a->lease, &note)) stop_for(a, STOP_LOST, note.detail);
    enum outbox_state box = outbox_state(a->outbox, &note);
    if (box == OUTBOX_LOST) stop_for(a, STOP_LOST, note.detail);
    if (box == OUTBOX_REFUSED) {
        char why[480];
        err_print(why, sizeof why, "the server refused what the worker sent: %s: %s", err_word(note.code), note.detail);
        stop_for(a, STOP_REFUSED, why);
    }
    stop_for(a, stop_of_command(lease_command(a->lease, &deadline_ms)), NULL);
    if (*a->s->drain) stop_for(a, STOP_DRAIN, NULL);
}

/* ---- staging -------------------------------------------------------------------------------------- */
static enum err read_claim(struct attempt *a, struct err_note *note)
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

static enum err make_folder(struct attempt *a, struct err_note *note)
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
    if (!e) say(a, "info", "resumes from %s at step %lld", name, (long long)json_integer_value(json_object_get(resume, "step")));
    return e;
}

static enum job_failure class_of(enum err e)
{
    switch (e) {
    case ERR_DATA: case ERR_NOT_FOUND: return FAILURE_DATA_ERROR;
    case ERR_NO_SPACE: return FAILURE_NO_SPACE;
    case ERR_NO_MEMORY: return FAILURE_OUT_OF_MEMORY;
    default: return FAILURE_INTERNAL;
    }
}

/* A stage that failed is an attempt whose child never was: it ended "by itself" with that class. */
static void fail(struct attempt *a, enum err e, const struct err_note *note)
{
    look_around(a);
    if (e == ERR_LEASE_LOST) stop_for(a, STOP_LOST, note->detail);
    if (e == ERR_CANCELLED && a->stopped) {
        a->end.exit_code = 75; /* told to stop before there was a child */
        return;
    }
    a->end.exit_code = 70;
    a->end.failed = class_of(e);
    err_print(a->message, sizeof a->message, "%s%s%s", note->pointer, *note->pointer ? ": " : "", note->detail);
    log_warn("attempt.failed", "job=%s attempt=%s class=%s %s", a->key.job, a->key.attempt, job_failure_word(a->end.failed), a->message);
}

/* ---- what the child says -------------------------------------------------------------------------- */
static const char *text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    return text ? text : "";
}

static int64_t integer_of(const json_t *event, const char *key, int64_t other)
{
    const json_t *value = json_object_get(event, key);
    return json_is_integer(value) ? json_integer_value(value) : other;
}

static double number_of(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* The child names files; only those that lie in its own output folder are sent anywhere. */
static enum err send_file(struct attempt *a, const char *path, struct outbox_file file, struct err_note *note)
{
    char real[DATASET_PATH_BYTES];
    size_t length = strlen(a->out);
    if (!strncmp(path, a->out, length) && path[length] == '/') path += length + 1;
    enum err e = dataset_path_under(a->out, path, real, note);
    file.path = real;
    return e ? e : outbox_file(a->outbox, &file, note);
}

static void on_start(struct attempt *a, json_t *event)
{
    json_decref(a->start);
    a->start = json_incref(event);
}

static void on_phase(struct attempt *a, json_t *event)
{
    err_print(a->progress.phase, sizeof a->progress.phase, "%s", text_of(event, "phase"));
    if (job_phase_of_word(a->progress.phase) < 0) a->progress.phase[0] = 0;
    lease_progress(a->lease, &a->progress);
}

static void on_metric(struct attempt *a, json_t *event)
{
    struct err_note note = {0};
    if (!outbox_metric(a->outbox, json_object_get(event, "series"), &note)) return;
    char why[480];
    err_print(why, sizeof why, "tandem-train sent a metric of another form: %s: %s", note.pointer, note.detail);
    stop_for(a, STOP_REFUSED, why);
}

static void on_progress(struct attempt *a, json_t *event)
{
    a->progress.epoch = integer_of(event, "epoch", 0);
    a->progress.epochs = integer_of(event, "epochs", 0);
    a->progress.step = integer_of(event, "step", 0);
    a->progress.eta_s = number_of(event, "eta_s");
    lease_progress(a->lease, &a->progress);
}

static void on_log(struct attempt *a, json_t *event)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    const char *level = "info";
    for (size_t i = 0; i < 4; i++)
        if (!strcmp(levels[i], text_of(event, "level"))) level = levels[i];
    outbox_log(a->outbox, level, text_of(event, "text"));
}

/* A file that cannot be kept costs a checkpoint or a picture, not the training; a full disk ends it. */
static void note_lost_file(struct attempt *a, const char *name, enum err e, const struct err_note *note)
{
    if (!e) return;
    say(a, "warn", "%s was not kept: %s", name, note->detail);
    if (e == ERR_NO_SPACE) stop_for(a, STOP_NO_SPACE, note->detail);
}

static void on_checkpoint(struct attempt *a, json_t *event)
{
    struct err_note note = {0};
    const char *sha256 = text_of(event, "sha256");
    struct outbox_file file = {.name = json_is_true(json_object_get(event, "best")) ? "checkpoint-best" : "checkpoint-last",
                               .kind = "checkpoint", .sha256 = sha256_is_hex(sha256) ? sha256 : NULL, .step = integer_of(event, "step", -1),
                               .epoch = integer_of(event, "epoch", -1), .score = number_of(event, "score")};
    note_lost_file(a, file.name, send_file(a, text_of(event, "path"), file, &note), &note);
}

static void on_preview(struct attempt *a, json_t *event)
{
    struct err_note note = {0};
    struct outbox_file file = {.name = text_of(event, "name"), .kind = "preview", .step = -1, .epoch = integer_of(event, "epoch", -1), .score = NAN};
    note_lost_file(a, file.name, send_file(a, text_of(event, "path"), file, &note), &note);
}

static void on_done(struct attempt *a, json_t *event)
{
    json_decref(a->result);
    a->result = json_incref(json_object_get(event, "result"));
    err_print(a->progress.phase, sizeof a->progress.phase, "uploading");
    lease_progress(a->lease, &a->progress);
    a->end.done = true;
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(event, "artifacts"), i, one) {
        struct err_note note = {0};
        struct outbox_file file = {.name = text_of(one, "name"), .kind = text_of(one, "kind"), .step = -1, .epoch = -1, .score = NAN};
        enum err e = send_file(a, text_of(one, "path"), file, &note);
        if (!e) continue;
        a->end.done = false; /* a result without its model is none */
        a->end.failed = class_of(e) == FAILURE_NO_SPACE ? FAILURE_NO_SPACE : FAILURE_INTERNAL;
        err_print(a->message, sizeof a->message, "%s was not kept: %s", file.name, note.detail);
    }
}

static void on_failed(struct attempt *a, json_t *event)
{
    int class = job_failure_of_word(text_of(event, "class"));
    a->end.failed = class <= 0 || class == FAILURE_WORKER_LOST || class == FAILURE_POISON ? FAILURE_INTERNAL : (enum job_failure)class;
    err_print(a->message, sizeof a->message, "%s", text_of(event, "message"));
}

static int on_event(void *user, json_t *event)
{
    static const struct {
        const char *word;
        void (*take)(struct attempt *a, json_t *event);
    } rows[] = {{"start", on_start}, {"phase", on_phase}, {"metric", on_metric}, {"progress", on_progress}, {"log", on_log},
                {"checkpoint", on_checkpoint}, {"preview", on_preview}, {"done", on_done}, {"failed", on_failed}};
    struct attempt *a = user;
    a->heard_ms = clock_mono_ms();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].word, text_of(event, "event"))) rows[i].take(a, event);
    return outbox_full(a->outbox);
}

/* ---- the child runs ------------------------------------------------------------------------------- */
static enum err start_child(struct attempt *a, struct err_note *note)
{
    const struct child_settings settings = {
        .program = a->s->train_program, .job_path = a->job_path, .data_path = *a->data_path ? a->data_path : NULL, .out_path = a->out,
        .resume_path = a->resumes ? a->resume_path : NULL, .log_path = a->log_path, .threads = a->s->threads};
    enum err e = child_start(&settings, &a->child, note);
    if (!e) log_info("child.started", "job=%s attempt=%s pid=%d", a->key.job, a->key.attempt, (int)a->child.pid);
    return e;
}

static void watch_clocks(struct attempt *a, int64_t started_ms, bool full)
{
    int64_t now = clock_mono_ms();
    char why[128];
    if (full) a->heard_ms = now; /* it waits for us, not we for it */
    if (a->timeout_s > 0 && (double)(now - started_ms) > a->timeout_s * 1000) {
        snprintf(why, sizeof why, "the attempt ran longer than timeout_s = %g", a->timeout_s);
        stop_for(a, STOP_TIMEOUT, why);
    }
    if (a->s->no_progress_ms && now - a->heard_ms > a->s->no_progress_ms) {
        snprintf(why, sizeof why, "tandem-train said nothing for %lld s", (long long)a->s->no_progress_ms / 1000);
        stop_for(a, STOP_STUCK, why);
    }
}

/* TERM once, KILL after the grace (or most of the time that the server gave), or KILL at once. */
static void press(struct attempt *a)
{
    int64_t deadline_ms = 0, now = clock_mono_ms();
    if (!a->stopped || a->child.killed) return;
    if (stop_kills(a->stopped) || (a->kill_at_ms && now >= a->kill_at_ms)) {
        child_signal(&a->child, SIGKILL);
        return;
    }
    if (a->kill_at_ms) return;
    lease_command(a->lease, &deadline_ms);
    int64_t grace_ms = deadline_ms && deadline_ms * 4 / 5 < a->s->grace_ms ? deadline_ms * 4 / 5 : a->s->grace_ms;
    a->kill_at_ms = now + grace_ms;
    child_signal(&a->child, SIGTERM);
}

static void run_child(struct attempt *a)
{
    struct err_note note = {0};
    int64_t started_ms = a->heard_ms = clock_mono_ms();
    while (!child_ended(&a->child)) {
        bool full = outbox_full(a->outbox);
        if (child_read(&a->child, WAIT_MS, !full, on_event, a, &note)) stop_for(a, STOP_REFUSED, note.detail);
        look_around(a);
        watch_clocks(a, started_ms, full);
        press(a);
    }
    if (child_read_rest(&a->child, on_event, a, &note)) stop_for(a, STOP_REFUSED, note.detail);
    a->end.exit_code = child_exit_code(&a->child, &a->end.signal_number);
    a->end.killed = a->child.killed;
    a->end.out_of_memory = child_was_out_of_memory(&a->child);
    log_info("child.ended", "job=%s attempt=%s code=%d signal=%d", a->key.job, a->key.attempt, a->end.exit_code, a->end.signal_number);
}

/* The last lines of its stderr tell what an assert or a sanitizer had to say. */
static void send_tail(struct attempt *a)
{
    char bytes[TAIL_BYTES + 1];
    FILE *file = fopen(a->log_path, "re");
    if (!file) return;
    if (!fseek(file, -TAIL_BYTES, SEEK_END)) clearerr(file);
    size_t length = fread(bytes, 1, TAIL_BYTES, file), start = length;
    fclose(file);
    bytes[length] = 0;
    for (int lines = 0; start > 0; start--)
        if (bytes[start - 1] == '\n' && start < length && ++lines == TAIL_LINES) break;
    char *rest = bytes + start;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line) outbox_log(a->outbox, "error", line);
}

/* ---- the end -------------------------------------------------------------------------------------- */
static json_t *body_of(struct attempt *a, const struct verdict *v)
{
    json_t *body = json_pack("{s:s}", "lease_token", a->key.token);
    if (!body) abort();
    if (v->what == VERDICT_RELEASE) {
        json_object_set_new(body, "reason", json_string(v->outcome));
        return body;
    }
    json_object_set_new(body, "outcome", json_string(v->outcome));
    if (a->result && !strcmp(v->outcome, "succeeded")) json_object_set(body, "result", a->result);
    if (v->failure != FAILURE_NONE) {
        json_t *message = json_string(v->message);
        json_object_set_new(body, "failure", json_pack("{s:s, s:o}", "class", job_failure_word(v->failure), "message",
                                                       message ? message : json_string("(not UTF-8)")));
    }
    const char *const keys[] = {"kernels", "loss_resolved"};
    for (int i = 0; i < 2; i++)
        if (json_is_object(json_object_get(a->start, keys[i]))) json_object_set(body, keys[i], json_object_get(a->start, keys[i]));
    return body;
}

static enum attempt_end report(struct attempt *a, const struct verdict *v)
{
    bool release = v->what == VERDICT_RELEASE;
    json_t *body = body_of(a, v);
    lease_beat(a->lease, a->s->client); /* a short job ends before its first heartbeat is due */
    struct api_call call = {.op = release ? API_ATTEMPT_RELEASE : API_ATTEMPT_FINISH, .params = {{"job", a->key.job}, {"n", a->key.attempt}},
                            .body = body, .repeatable = true, .retry_ms = a->s->away_ms, .stop = a->s->at_once};
    struct api_reply reply;
    struct err_note note = {0};
    enum err e = api_call(a->s->client, &call, &reply, &note);
    lease_over(a->lease);
    if (e)
        log_warn("attempt.unreported", "job=%s attempt=%s outcome=%s code=%s %s", a->key.job, a->key.attempt, v->outcome, err_word(e), note.detail);
    else
        log_info("attempt.ended", "job=%s attempt=%s outcome=%s class=%s state=%s", a->key.job, a->key.attempt, v->outcome,
                 job_failure_word(v->failure), text_of(reply.json, "state"));
    api_reply_free(&reply);
    json_decref(body);
    return e ? ATTEMPT_LOST : release ? ATTEMPT_RELEASED : ATTEMPT_FINISHED;
}

/* Second TERM: one short word to the server, so that the job need not wait for its lease to run out. */
static void say_goodbye(struct attempt *a)
{
    json_t *body = json_pack("{s:s, s:s}", "lease_token", a->key.token, "reason", stop_word(STOP_AT_ONCE));
    struct api_call call = {.op = API_ATTEMPT_RELEASE, .params = {{"job", a->key.job}, {"n", a->key.attempt}}, .body = body, .timeout_ms = GOODBYE_MS};
    struct api_reply reply;
    if (api_call(a->s->client, &call, &reply, NULL)) log_warn("attempt.dropped", "job=%s attempt=%s", a->key.job, a->key.attempt);
    lease_over(a->lease);
    api_reply_free(&reply);
    json_decref(body);
}

static enum attempt_end conclude(struct attempt *a)
{
    struct verdict v;
    a->end.stopped = a->stopped;
    a->end.message = a->message;
    verdict_of(&a->end, &v);
    if (v.what == VERDICT_FINISH && v.failure != FAILURE_NONE) {
        say(a, "error", "failed (%s): %s", job_failure_word(v.failure), v.message);
        send_tail(a);
    }
    while (v.what != VERDICT_DISCARD && outbox_state(a->outbox, NULL) != OUTBOX_REFUSED && !outbox_is_empty(a->outbox)) {
        clock_sleep_ms(WAIT_MS / 4);
        enum stop_reason before = a->stopped;
        look_around(a); /* after the child's end only these three can still change what is to be said */
        if (a->stopped != before && (a->stopped == STOP_LOST || a->stopped == STOP_AT_ONCE || a->stopped == STOP_REFUSED)) {
            a->end.stopped = a->stopped;
            a->end.done = false;
            verdict_of(&a->end, &v);
        }
    }
    if (v.what != VERDICT_DISCARD) return report(a, &v);
    if (a->stopped == STOP_AT_ONCE) say_goodbye(a);
    log_warn("attempt.discarded", "job=%s attempt=%s why=%s %s", a->key.job, a->key.attempt, v.outcome, a->message);
    return ATTEMPT_LOST;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static void train(struct attempt *a)
{
    struct err_note note = {0};
    say(a, "info", "attempt %s on %s with %d thread%s", a->key.attempt, a->s->host, a->s->threads, a->s->threads == 1 ? "" : "s");
    enum err e = write_job(a, &note);
    if (!e) e = stage_data(a, &note);
    if (!e) e = stage_resume(a, &note);
    look_around(a);
    if (!e && a->stopped) e = err_set(&note, ERR_CANCELLED, "", "stopped before it began");
    if (!e) e = start_child(a, &note);
    if (e)
        fail(a, e, &note);
    else
        run_child(a);
}

enum attempt_end attempt_run(const struct attempt_settings *settings, const json_t *claim)
{
    struct attempt a = {.s = settings, .claim = claim, .hold.lock = -1, .child.events = -1,
                        .progress = {.phase = "staging", .eta_s = NAN}};
    struct err_note note = {0};
    enum attempt_end end = ATTEMPT_LOST;
    if (read_claim(&a, &note)) {
        log_error("claim.unreadable", "%s: %s", note.pointer, note.detail);
        return end;
    }
    log_info("job.claimed", "job=%s attempt=%s lease_ms=%lld", a.key.job, a.key.attempt, (long long)a.key.lease_ms);
    enum err e = make_folder(&a, &note);
    a.lease = lease_start(settings->beat, &a.key, settings->away_ms, settings->interrupt);
    lease_progress(a.lease, &a.progress);
    a.outbox = outbox_open(&(struct outbox_settings){.client = settings->client, .key = a.key, .dir = a.box});
    if (e)
        fail(&a, e, &note);
    else
        train(&a);
    end = conclude(&a);
    lease_stop(a.lease);
    outbox_close(a.outbox);
    child_free(&a.child);
    dataset_cache_release(&a.hold);
    nftw(a.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    json_decref(a.start);
    json_decref(a.result);
    explicit_bzero(a.key.token, sizeof a.key.token);
    return end;
}
