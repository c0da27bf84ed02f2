/* run_tell: what a run says while it goes: to its parent as events, to a person at a shell as lines. */
#include "worker/run/run_inside.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "worker/run/run_failure.h"

static const double progress_event_s = 1; /* a parent hears of progress this often */

void run_say(struct run *r, const char *level, const char *text)
{
    json_lines_log(r->lines, level, "%s", text);
    if (json_lines_listened(r->lines))
        log_line(!strcmp(level, "error") ? LOG_LEVEL_ERROR : !strcmp(level, "warn") ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "train.said", "text=%s", text);
    else
        progress_line_say(&r->shown, "%s%s", !strcmp(level, "info") ? "" : !strcmp(level, "warn") ? "warning: " : "error: ", text);
}

/* ---- what the trainer says --------------------------------------------------------------------------- */
static void on_points(void *context, const struct trainer_point *points, size_t count)
{
    struct run *r = context;
    struct metric_point *copy = calloc(count, sizeof *copy);
    if (!json_lines_listened(r->lines) || !copy) {
        free(copy);
        return;
    }
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct metric_point){.name = points[i].name, .timing = points[i].timing, .by_epoch = points[i].by_epoch, .step = points[i].step, .value = points[i].value};
    json_lines_metric(r->lines, copy, count);
    free(copy);
}

static void on_progress(void *context, const struct trainer_progress *p)
{
    struct run *r = context;
    double now = (double)clock_mono_ms() / 1000;
    progress_line_show(&r->shown, p);
    if (now - r->last_progress_s < progress_event_s && p->step_in_epoch != 0)
        return;
    r->last_progress_s = now;
    json_lines_progress(r->lines, p->epoch, p->epochs, p->step, p->eta_s, p->images_per_s);
}

static void on_log(void *context, const char *level, const char *text)
{
    run_say(context, level, text);
}

static void on_checkpoint(void *context, const struct trainer_checkpoint *c)
{
    struct run *r = context;
    struct checkpoint_event event = {.path = c->path, .sha256 = c->sha256, .bytes = c->bytes, .step = c->step, .epoch = c->epoch, .best = c->best, .score = c->score};
    json_lines_checkpoint(r->lines, &event);
}

static void on_preview(void *context, const char *path, const char *name, int64_t epoch)
{
    struct run *r = context;
    json_lines_preview(r->lines, path, name, epoch);
}

static bool on_stop(void *context)
{
    (void)context;
    return term_requested();
}

struct trainer_calls run_trainer_calls(struct run *r)
{
    return (struct trainer_calls){.context = r, .points = on_points, .progress = on_progress, .log = on_log, .checkpoint = on_checkpoint, .preview = on_preview, .stop = on_stop};
}

/* ---- how it starts, how it fails --------------------------------------------------------------------- */
static size_t parameter_count(const struct run *r)
{
    int count;
    const struct network_parameter *table = network_parameters(r->net, &count);
    return table[count - 1].offset + table[count - 1].count;
}

void run_tell_start(struct run *r)
{
    json_t *classes = json_array(), *resolved = job_spec_write(&r->spec);
    for (unsigned k = 0; k < r->set.num_classes; k++)
        json_array_append_new(classes, json_string(r->set.classes[k]));
    size_t train = r->set.splits[SPLIT_TRAIN].count, val = r->set.splits[SPLIT_VAL].count, bytes = network_memory_used(r->net) + (size_t)r->set.bytes;
    if (r->validation_net)
        bytes += network_memory_used(r->validation_net);
    int threads = lanes_count(network_lanes(r->net));
    const char *backend = network_config(r->net)->backend;
    json_lines_emit(r->lines, "start",
                    json_pack("{s:I, s:I, s:I, s:o, s:I, s:i, s:s, s:s, s:o, s:O}", "parameters", (json_int_t)parameter_count(r), "train_images", (json_int_t)train, "val_images",
                              (json_int_t)val, "classes", classes, "memory_bytes", (json_int_t)bytes, "threads", threads, "backend", backend, "isa", run_isa(), "loss_resolved",
                              loss_resolved_write(&r->spec), "kernels", json_object_get(resolved, "kernels")));
    json_decref(resolved);
    progress_line_say(&r->shown, "%s: %zu training and %zu validation images, %u classes; %zu parameters, %.0f MiB, %d thread%s, %s on %s", r->set.name, train, val, r->set.num_classes,
                      parameter_count(r), (double)bytes / (1 << 20), threads, threads == 1 ? "" : "s", backend, run_isa());
}

void run_tell_failure(struct run *r, enum err e, const struct err_note *note)
{
    const struct trainer_result *t = r->trainer ? trainer_result(r->trainer) : NULL;
    json_t *fields = json_pack("{s:s, s:s}", "class", run_failure_class(e), "message", note->detail);
    if (e == ERR_DIVERGED && t) {
        json_object_set_new(fields, "epoch", json_integer(t->failed_epoch));
        json_object_set_new(fields, "step", json_integer(t->failed_step));
        json_object_set_new(fields, "samples", json_string(t->failed_samples));
    }
    json_lines_emit(r->lines, "failed", fields);
    progress_line_end(&r->shown);
    fprintf(stderr, "tandem-train: %s: %s\n", run_failure_class(e), note->detail);
    for (size_t i = 1; i < r->errors.count; i++)
        fprintf(stderr, "tandem-train: %s: %s\n", r->errors.notes[i].pointer, r->errors.notes[i].detail);
}
