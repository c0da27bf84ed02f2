/* run_job: one job from its file to its results; the one file that knows the job spec and the core in full. */
#include "worker/run/run_job.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "schema/job/job_spec_json.h"
#include "schema/job/image_scores.h"
#include "worker/run/curves.h"
#include "worker/run/image_table.h"
#include "worker/run/json_lines.h"
#include "worker/run/model_file.h"
#include "worker/run/profile_table.h"
#include "worker/run/progress_line.h"
#include "worker/run/run_data.h"
#include "worker/run/run_failure.h"
#include "worker/run/run_kernels.h"
#include "worker/run/sandbox.h"
#include "worker/run/score_table.h"
#include "worker/run/verdict_json.h"
#include "worker/train/durable_file.h"
#include "worker/train/strategy.h"
#include "worker/train/trainer.h"

enum { JOB_BYTES_MAX = 1 << 20, PATH_ROOM = 4096 };
static const double progress_event_s = 1; /* a parent hears of progress this often */

struct run {
    const struct run_options *options;
    struct job_spec spec;
    struct err_list errors, warnings;
    char spec_hash[SHA256_HEX], made_by[128];
    struct dataset set;
    struct run_kernels kernels;
    struct network_kernels tile_kernels;
    struct network *net, *validation_net; /* the second NULL: the first validates, too */
    struct trainer *trainer;
    json_t *images; /* what each validation image scored; NULL: none was */
    struct json_lines *lines;
    struct progress_line shown;
    double last_progress_s;
};

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

static void say(struct run *r, const char *level, const char *text)
{
    json_lines_log(r->lines, level, "%s", text);
    if (json_lines_listened(r->lines))
        log_line(!strcmp(level, "error") ? LOG_LEVEL_ERROR : !strcmp(level, "warn") ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "train.said", "text=%s", text);
    else
        progress_line_say(&r->shown, "%s%s", !strcmp(level, "info") ? "" : !strcmp(level, "warn") ? "warning: " : "error: ", text);
}

static void on_log(void *context, const char *level, const char *text)
{
    say(context, level, text);
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

/* ---- the column: read, load, build, train, write ----------------------------------------------------- */
static enum err read_job(struct run *r, struct err_note *note)
{
    const char *path = r->options->job;
    FILE *f = fopen(path, "rbe");
    char *text = f ? malloc(JOB_BYTES_MAX + 1) : NULL;
    size_t length = text ? fread(text, 1, JOB_BYTES_MAX + 1, f) : 0;
    if (f)
        fclose(f);
    if (!text)
        return err_set(note, f ? ERR_NO_MEMORY : ERR_SPEC, path, "cannot read %s: %s", path, strerror(errno));
    enum err e = length > JOB_BYTES_MAX ? ERR_TOO_LARGE : job_spec_parse(text, length, &r->spec, &r->errors, &r->warnings);
    free(text);
    if (e && r->errors.count) {
        const struct err_note *first = &r->errors.notes[0];
        return err_set(note, ERR_SPEC, first->pointer, "%s: %s: %s%s%s", path, first->pointer, first->detail, first->allowed[0] ? "; allowed: " : "", first->allowed);
    }
    if (e)
        return err_set(note, e, path, "%s: %s", path, e == ERR_TOO_LARGE ? "more than a mebibyte" : "not a job");
    for (size_t i = 0; i < r->warnings.count; i++)
        say(r, "warn", r->warnings.notes[i].detail);
    job_spec_hash(&r->spec, r->spec_hash);
    return OK;
}

static enum err load_data(struct run *r, struct err_note *note)
{
    enum err e = run_data_load(&r->spec, r->options->data, r->options->out, &r->set, note);
    if (e)
        return e;
    r->errors.count = 0;
    job_spec_check_classes(&r->spec, (int)r->set.num_classes, &r->errors);
    if (r->errors.count)
        return err_set(note, ERR_SPEC, r->errors.notes[0].pointer, "%s: %s", r->errors.notes[0].pointer, r->errors.notes[0].detail);
    loss_spec_balance(&r->spec.loss, r->set.splits[SPLIT_TRAIN].class_pixels, (int)r->set.num_classes);
    if (r->set.groups_in_both)
        say(r, "warn", "some groups are in both splits: validation is not independent of training");
    if (r->set.splits[SPLIT_VAL].count == 0)
        say(r, "warn", "the data set has no validation images: the model is that of the last epoch");
    return OK;
}

static enum err make_validation_network(struct run *r, struct err_note *note)
{
    struct network_config config;
    if (!r->spec.validation.tile_rank)
        return OK;
    model_tile_config(&r->spec, (int)r->set.channels, (int)r->set.num_classes, &config);
    config.lanes = network_config(r->net)->lanes;
    config.backend = network_config(r->net)->backend;
    model_tile_kernels(&r->spec, &r->tile_kernels);
    config.kernels = &r->tile_kernels;
    return network_new(&config, &r->validation_net, note);
}

static enum err choose_kernels(struct run *r, struct network_config *config, struct err_note *note)
{
    struct err_note warning;
    if (!r->spec.kernels.given)
        json_lines_phase(r->lines, "tuning");
    enum err e = run_kernels_choose(&r->kernels, &r->spec, r->spec_hash, config, r->options->out, r->options->resume != NULL, &warning, note);
    if (e)
        return e;
    if (warning.detail[0])
        say(r, "warn", warning.detail);
    if (r->kernels.tuned && r->kernels.measured) {
        char text[128];
        err_print(text, sizeof text, "kernels: %d cases timed in %.2f s; micro-batch %d", r->kernels.measured, r->kernels.seconds, r->kernels.kernels.micro_batch);
        say(r, "info", text);
    }
    config->kernels = &r->kernels.kernels;
    return OK;
}

static enum err make_network(struct run *r, struct err_note *note)
{
    struct network_config config;
    model_network_config(&r->spec, (int)r->set.channels, (int)r->set.num_classes, &config);
    config.gradients = strategy_gradients(&r->spec.loss);
    config.lanes = r->options->threads ? r->options->threads : r->spec.training.threads;
    config.backend = r->options->backend;
    enum err e = choose_kernels(r, &config, note);
    if (!e)
        e = network_new(&config, &r->net, note);
    if (e)
        return e;
    if (r->options->profile && (e = network_profile_on(r->net, note)))
        return e;
    if (network_kernels_changed(r->net))
        say(r, "warn", "kernels_changed: this machine lacks an algorithm that the job names; the last bits of the weights will differ");
    model_kernels_to_spec(network_kernels(r->net), &r->spec);
    e = make_validation_network(r, note);
    if (e)
        return e;
    e = run_kernels_write(&r->spec, r->options->out, note);
    if (e)
        return e;
    err_print(r->made_by, sizeof r->made_by, "tandem %s, %s, %s", TANDEM_VERSION, network_config(r->net)->backend, run_isa());
    return OK;
}

static enum err make_trainer(struct run *r, struct err_note *note)
{
    struct trainer_config config = {.spec = &r->spec, .set = &r->set, .net = r->net, .validation_net = r->validation_net, .out_dir = r->options->out, .resume = r->options->resume, .spec_hash = r->spec_hash,
                                    .made_by = r->made_by,
                                    .calls = {.context = r, .points = on_points, .progress = on_progress, .log = on_log, .checkpoint = on_checkpoint, .preview = on_preview, .stop = on_stop}};
    return trainer_new(&config, &r->trainer, note);
}

static size_t parameter_count(const struct run *r)
{
    int count;
    const struct network_parameter *table = network_parameters(r->net, &count);
    return table[count - 1].offset + table[count - 1].count;
}

static void tell_start(struct run *r)
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

/* The epoch whose weights were evaluated; -1 when no epoch was trained. */
static int64_t judged_epoch(const struct run *r)
{
    int64_t best = trainer_result(r->trainer)->best_epoch, rows = trainer_history(r->trainer).rows;
    return best >= 0 && best < rows ? best : rows - 1;
}

static json_t *result_json(const struct run *r)
{
    const struct trainer_result *t = trainer_result(r->trainer);
    json_t *j = json_pack("{s:s, s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:f}", "name", r->spec.name, "monitor", r->spec.validation.monitor, "best_score", json_lines_number(t->best_score),
                          "last_score", json_lines_number(t->last_score), "weights_sha256", t->weights_sha256, "epochs", (json_int_t)t->epochs, "steps", (json_int_t)t->steps,
                          "skipped_steps", (json_int_t)t->skipped_steps, "best_epoch", (json_int_t)t->best_epoch, "seconds", t->seconds);
    struct trainer_history h = trainer_history(r->trainer);
    int64_t row = judged_epoch(r);
    json_t *table = score_table_write(&h, row, &r->set, &r->spec.validation);
    json_object_set_new(j, "best", score_table_flat(&h, row)); /* every validation value of the best epoch */
    if (table && r->images)
        json_object_set_new(table, "worst_images", image_table_worst(r->images));
    if (table)
        json_object_set_new(j, "scores", table);
    struct gradient_verdict verdict;
    if (trainer_verdict(r->trainer, &verdict))
        json_object_set_new(j, "verdict", verdict_write(&verdict));
    json_object_set_new(j, "spec_hash", json_string(r->spec_hash));
    return j;
}

static const struct {
    const char *name, *kind;
} products[] = {{"model.safetensors", "model"}, {"model.json", "model"}, {"curves.csv", "curve"}, {"curves.svg", "curve"}, {"result.json", "other"}, {"images.json", "other"}};

static void tell_done(struct run *r, json_t *result)
{
    json_t *artifacts = json_array();
    char path[PATH_ROOM];
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        if (!r->images && !strcmp(products[i].name, "images.json"))
            continue;
        err_print(path, sizeof path, "%s/%s", r->options->out, products[i].name);
        json_array_append_new(artifacts, json_pack("{s:s, s:s, s:s}", "name", products[i].name, "path", path, "kind", products[i].kind));
    }
    json_lines_emit(r->lines, "done", json_pack("{s:O, s:o}", "result", result, "artifacts", artifacts));
    const struct trainer_result *t = trainer_result(r->trainer);
    char took[32];
    progress_duration(t->seconds, took, sizeof took);
    progress_line_end(&r->shown);
    progress_line_say(&r->shown, "done in %s: best %s %.4f at epoch %lld, last %.4f; weights sha256 %.16s...; model, curves and previews in %s", took, r->spec.validation.monitor,
                      t->best_score, (long long)t->best_epoch + 1, t->last_score, t->weights_sha256, r->options->out);
    const json_t *verdict = json_object_get(result, "verdict"), *alarm = json_object_get(verdict, "alarm");
    if (verdict)
        progress_line_say(&r->shown, "gradients: %s", json_string_value(json_object_get(verdict, "text")));
    if (json_is_string(alarm))
        progress_line_say(&r->shown, "ALARM: %s", json_string_value(alarm));
}

static enum err write_curves(struct run *r, struct err_note *note)
{
    char path[PATH_ROOM];
    struct trainer_history h = trainer_history(r->trainer);
    const char *title = r->spec.name[0] ? r->spec.name : r->set.name;
    err_print(path, sizeof path, "%s/curves.csv", r->options->out);
    enum err e = curves_write_csv(path, &h, note);
    if (e)
        return e;
    err_print(path, sizeof path, "%s/curves.svg", r->options->out);
    return curves_write_svg(path, title, &h, r->set.classes, (int)r->set.num_classes, note);
}

static enum err write_text(struct run *r, const char *name, const char *text, struct err_note *note)
{
    char path[PATH_ROOM];
    err_print(path, sizeof path, "%s/%s", r->options->out, name);
    return text ? durable_text(path, text, strlen(text), note) : err_set(note, ERR_NO_MEMORY, path, "no memory for %s", name);
}

static enum err write_result(struct run *r, const json_t *result, struct err_note *note)
{
    char *text = json_dumps(result, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    enum err e = write_text(r, "result.json", text, note);
    free(text);
    return e;
}

/* The file holds all of them; the server is told those of a set that is not too large for it. */
static enum err write_images(struct run *r, struct err_note *note)
{
    r->images = image_table_write(r->trainer, &r->set, &r->spec, judged_epoch(r));
    if (!r->images)
        return OK;
    char *text = json_dumps(r->images, JSON_COMPACT | JSON_REAL_PRECISION(17));
    enum err e = write_text(r, "images.json", text, note);
    if (!e && strlen(text) <= IMAGE_SCORES_BYTES_MAX)
        json_lines_emit(r->lines, "images", json_pack("{s:O}", "images", r->images));
    else if (!e)
        say(r, "warn", "the scores of single images are in images.json alone: the set is too large to tell the server, and a report will not draw its images anew");
    free(text);
    return e;
}

static enum err write_products(struct run *r, struct err_note *note)
{
    enum err e = write_images(r, note);
    if (e)
        return e;
    json_t *result = result_json(r);
    e = model_file_write(r->options->out, &r->spec, &r->set, r->net, trainer_best_weights(r->trainer), result, note);
    if (!e)
        e = write_curves(r, note);
    if (!e)
        e = trainer_previews(r->trainer, note);
    if (!e)
        e = write_result(r, result, note);
    if (!e)
        tell_done(r, result);
    json_decref(result);
    return e;
}

static enum err steps_of_a_run(struct run *r, struct err_note *note)
{
    json_lines_phase(r->lines, "staging");
    enum err e = read_job(r, note);
    if (!e)
        e = load_data(r, note);
    if (!e)
        e = make_network(r, note);
    if (!e)
        e = make_trainer(r, note);
    if (e)
        return e;
    tell_start(r);
    json_lines_phase(r->lines, "training");
    e = trainer_run(r->trainer, note);
    if (e || trainer_result(r->trainer)->stopped)
        return e;
    json_lines_phase(r->lines, "evaluating");
    e = trainer_evaluate(r->trainer, note);
    if (e || trainer_result(r->trainer)->stopped)
        return e;
    return write_products(r, note);
}

static void tell_failure(struct run *r, enum err e, const struct err_note *note)
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

/* The folder of a file, for the sandbox: a checkpoint may lie anywhere. */
static const char *folder_of(const char *path, char *to, size_t size)
{
    const char *slash = strrchr(path, '/');
    err_print(to, size, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    return to[0] ? to : "/";
}

static enum err fence(const struct run_options *o, int tuning_fd, char *said, size_t size, struct err_note *note)
{
    char job[PATH_ROOM], resume[PATH_ROOM], data[PATH_ROOM];
    struct stat st;
    struct sandbox s = {.write_dirs = {o->out}, .die_with_parent = o->events_fd >= 0};
    int n = 0;
    if (access(o->job, R_OK) < 0)
        return err_set(note, ERR_SPEC, o->job, "cannot read %s: %s", o->job, strerror(errno));
    if (o->data && access(o->data, R_OK) < 0)
        return err_set(note, ERR_DATA, o->data, "cannot read %s: %s", o->data, strerror(errno));
    if (o->resume && access(o->resume, R_OK) < 0)
        return err_set(note, ERR_IO, o->resume, "cannot read %s: %s", o->resume, strerror(errno));
    s.read_dirs[n++] = folder_of(o->job, job, sizeof job);
    if (o->resume)
        s.read_dirs[n++] = folder_of(o->resume, resume, sizeof resume);
    if (o->data)
        s.read_dirs[n++] = stat(o->data, &st) == 0 && S_ISREG(st.st_mode) ? folder_of(o->data, data, sizeof data) : o->data;
    int kept = 0;
    if (o->events_fd >= 0)
        s.keep_fds[kept++] = o->events_fd;
    if (tuning_fd >= 0)
        s.keep_fds[kept] = tuning_fd;
    return sandbox_enter(&s, said, size, note);
}

int run_job(const struct run_options *options)
{
    struct run *r = calloc(1, sizeof *r);
    struct err_note note = {0};
    char said[512] = "";
    if (!r)
        return EXIT_MEMORY;
    r->options = options;
    enum err e = OK;
    if (mkdir(options->out, 0755) < 0 && errno != EEXIST)
        e = err_set(&note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, options->out, "cannot make %s: %s", options->out, strerror(errno));
    struct err_note no_tuning = {0};
    enum err tuning = tuning_file_open(&r->kernels.file, options->tuning, run_isa(), &no_tuning);
    if (!e)
        e = fence(options, r->kernels.file.fd, said, sizeof said, &note);
    r->lines = json_lines_open(options->events_fd);
    term_watch(options->events_fd < 0);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is told as a full disk, not as a death */
    progress_line_start(&r->shown, options->events_fd < 0 ? stdout : NULL);
    if (!e && json_lines_listened(r->lines))
        say(r, "info", said);
    if (!e && tuning)
        say(r, "warn", no_tuning.detail);
    if (!e)
        e = steps_of_a_run(r, &note);
    if (e)
        tell_failure(r, e, &note);
    bool stopped = !e && trainer_result(r->trainer)->stopped;
    if (stopped)
        progress_line_say(&r->shown, "stopped after step %lld; go on with --resume %s/checkpoint-last", (long long)trainer_result(r->trainer)->steps, options->out);
    if (!e && options->profile)
        profile_table_print(stdout, r->net);
    json_decref(r->images);
    trainer_free(r->trainer);
    network_free(r->validation_net);
    network_free(r->net);
    dataset_free(&r->set);
    tuning_file_close(&r->kernels.file);
    json_lines_close(r->lines);
    free(r);
    return stopped ? EXIT_STOPPED : run_exit_code(e);
}
