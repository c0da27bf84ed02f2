/* attempt_hear: one function for each event that tandem-train sends. */
#include <math.h>
#include <string.h>

#include "schema/base/clock.h"
#include "schema/base/sha256.h"
#include "worker/attempt_inside.h"

const char *attempt_text(const json_t *event, const char *key)
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
    const json_t *kernels = json_object_get(event, "kernels");
    if (!json_is_object(kernels)) return;
    lease_kernels(a->lease, kernels);
    lease_beat(a->lease, a->s->client); /* at once: the other jobs of a sweep wait for it */
}

static void on_phase(struct attempt *a, json_t *event)
{
    err_print(a->progress.phase, sizeof a->progress.phase, "%s", attempt_text(event, "phase"));
    if (job_phase_of_word(a->progress.phase) < 0) a->progress.phase[0] = 0;
    lease_progress(a->lease, &a->progress);
}

static void on_metric(struct attempt *a, json_t *event)
{
    struct err_note note = {0};
    if (!outbox_metric(a->outbox, json_object_get(event, "series"), &note)) return;
    char why[480];
    err_print(why, sizeof why, "tandem-train sent a metric of another form: %s: %s", note.pointer, note.detail);
    attempt_stop(a, STOP_REFUSED, why);
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
        if (!strcmp(levels[i], attempt_text(event, "level"))) level = levels[i];
    outbox_log(a->outbox, level, attempt_text(event, "text"));
}

/* A file that cannot be kept costs a checkpoint or a picture, not the training; a full disk ends it. */
static void note_lost_file(struct attempt *a, const char *name, enum err e, const struct err_note *note)
{
    if (!e) return;
    attempt_say(a, "warn", "%s was not kept: %s", name, note->detail);
    if (e == ERR_NO_SPACE) attempt_stop(a, STOP_NO_SPACE, note->detail);
}

static void on_checkpoint(struct attempt *a, json_t *event)
{
    struct err_note note = {0};
    const char *sha256 = attempt_text(event, "sha256");
    struct outbox_file file = {.name = json_is_true(json_object_get(event, "best")) ? "checkpoint-best" : "checkpoint-last",
                               .kind = "checkpoint", .sha256 = sha256_is_hex(sha256) ? sha256 : NULL, .step = integer_of(event, "step", -1),
                               .epoch = integer_of(event, "epoch", -1), .score = number_of(event, "score")};
    note_lost_file(a, file.name, send_file(a, attempt_text(event, "path"), file, &note), &note);
}

static void on_preview(struct attempt *a, json_t *event)
{
    struct err_note note = {0};
    struct outbox_file file = {.name = attempt_text(event, "name"), .kind = "preview", .step = -1, .epoch = integer_of(event, "epoch", -1), .score = NAN};
    note_lost_file(a, file.name, send_file(a, attempt_text(event, "path"), file, &note), &note);
}

static void on_images(struct attempt *a, json_t *event)
{
    json_decref(a->images);
    a->images = json_incref(json_object_get(event, "images"));
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
        struct outbox_file file = {.name = attempt_text(one, "name"), .kind = attempt_text(one, "kind"), .step = -1, .epoch = -1, .score = NAN};
        enum err e = send_file(a, attempt_text(one, "path"), file, &note);
        if (!e) continue;
        a->end.done = false; /* a result without its model is none */
        a->end.failed = attempt_class_of(e) == FAILURE_NO_SPACE ? FAILURE_NO_SPACE : FAILURE_INTERNAL;
        err_print(a->message, sizeof a->message, "%s was not kept: %s", file.name, note.detail);
    }
}

static void on_failed(struct attempt *a, json_t *event)
{
    int class = job_failure_of_word(attempt_text(event, "class"));
    a->end.failed = class <= 0 || class == FAILURE_WORKER_LOST || class == FAILURE_POISON ? FAILURE_INTERNAL : (enum job_failure)class;
    err_print(a->message, sizeof a->message, "%s", attempt_text(event, "message"));
}

int attempt_hear(void *user, json_t *event)
{
    static const struct {
        const char *word;
        void (*take)(struct attempt *a, json_t *event);
    } rows[] = {{"start", on_start}, {"phase", on_phase}, {"metric", on_metric}, {"progress", on_progress}, {"log", on_log},
                {"checkpoint", on_checkpoint}, {"preview", on_preview}, {"images", on_images}, {"done", on_done}, {"failed", on_failed}};
    struct attempt *a = user;
    a->heard_ms = clock_mono_ms();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].word, attempt_text(event, "event"))) rows[i].take(a, event);
    return outbox_full(a->outbox);
}
