/* attempt: the column of steps of one job: stage, run the child, empty the outbox, report; and what may end it early. */
#include <assert.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "worker/attempt_inside.h"

enum { WAIT_MS = 100, TAIL_LINES = 20, TAIL_BYTES = 8192, GOODBYE_MS = 2000 };

void attempt_say(struct attempt *a, const char *level, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    outbox_log(a->outbox, level, text);
}

void attempt_stop(struct attempt *a, enum stop_reason reason, const char *message)
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
    if (*a->s->at_once) attempt_stop(a, STOP_AT_ONCE, NULL);
    if (lease_lost(a->lease, &note)) attempt_stop(a, STOP_LOST, note.detail);
    enum outbox_state box = outbox_state(a->outbox, &note);
    if (box == OUTBOX_LOST) attempt_stop(a, STOP_LOST, note.detail);
    if (box == OUTBOX_REFUSED) {
        char why[480];
        err_print(why, sizeof why, "the server refused what the worker sent: %s: %s", err_word(note.code), note.detail);
        attempt_stop(a, STOP_REFUSED, why);
    }
    attempt_stop(a, stop_of_command(lease_command(a->lease, &deadline_ms)), NULL);
    if (*a->s->drain) attempt_stop(a, STOP_DRAIN, NULL);
}

/* A stage that failed is an attempt whose child never was: it ended "by itself" with that class. */
static void fail(struct attempt *a, enum err e, const struct err_note *note)
{
    look_around(a);
    if (e == ERR_LEASE_LOST) attempt_stop(a, STOP_LOST, note->detail);
    if (e == ERR_CANCELLED && a->stopped) {
        a->end.exit_code = 75; /* told to stop before there was a child */
        return;
    }
    a->end.exit_code = 70;
    a->end.failed = attempt_class_of(e);
    err_print(a->message, sizeof a->message, "%s%s%s", note->pointer, *note->pointer ? ": " : "", note->detail);
    log_warn("attempt.failed", "job=%s attempt=%s class=%s %s", a->key.job, a->key.attempt, job_failure_word(a->end.failed), a->message);
}

/* ---- the child runs ------------------------------------------------------------------------------- */
static enum err start_child(struct attempt *a, struct err_note *note)
{
    const struct child_settings settings = {
        .program = a->s->train_program, .job_path = a->job_path, .data_path = *a->data_path ? a->data_path : NULL, .out_path = a->out,
        .resume_path = a->resumes ? a->resume_path : NULL, .tuning_path = a->s->tuning_path, .log_path = a->log_path, .threads = a->s->threads};
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
        attempt_stop(a, STOP_TIMEOUT, why);
    }
    if (a->s->no_progress_ms && now - a->heard_ms > a->s->no_progress_ms) {
        snprintf(why, sizeof why, "tandem-train said nothing for %lld s", (long long)a->s->no_progress_ms / 1000);
        attempt_stop(a, STOP_STUCK, why);
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
        if (child_read(&a->child, WAIT_MS, !full, attempt_hear, a, &note)) attempt_stop(a, STOP_REFUSED, note.detail);
        look_around(a);
        watch_clocks(a, started_ms, full);
        press(a);
    }
    if (child_read_rest(&a->child, attempt_hear, a, &note)) attempt_stop(a, STOP_REFUSED, note.detail);
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
    bool succeeded = !strcmp(v->outcome, "succeeded");
    if (a->result && succeeded) json_object_set(body, "result", a->result);
    if (a->images && succeeded) json_object_set(body, "images", a->images);
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
                 job_failure_word(v->failure), attempt_text(reply.json, "state"));
    api_reply_free(&reply);
    json_decref(body);
    bool host = v->failure == FAILURE_NO_SPACE || (v->failure == FAILURE_INTERNAL && a->end.exit_code == 127);
    return e ? ATTEMPT_LOST : release ? ATTEMPT_RELEASED : host ? ATTEMPT_HOST_FAILED : ATTEMPT_FINISHED;
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
        attempt_say(a, "error", "failed (%s): %s", job_failure_word(v.failure), v.message);
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
    attempt_say(a, "info", "attempt %s on %s with %d thread%s", a->key.attempt, a->s->host, a->s->threads, a->s->threads == 1 ? "" : "s");
    enum err e = attempt_stage(a, &note);
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
    if (attempt_read_claim(&a, &note)) {
        log_error("claim.unreadable", "%s: %s", note.pointer, note.detail);
        return end;
    }
    log_info("job.claimed", "job=%s attempt=%s lease_ms=%lld", a.key.job, a.key.attempt, (long long)a.key.lease_ms);
    enum err e = attempt_make_folder(&a, &note);
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
    json_decref(a.images);
    explicit_bzero(a.key.token, sizeof a.key.token);
    return end;
}
