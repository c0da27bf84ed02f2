/* run_prepare: from a job's file to a trainer that can start: reads the job, loads its data, chooses kernels, builds the networks. */
#include "worker/run/run_inside.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "worker/run/model_file.h"
#include "worker/run/run_data.h"
#include "worker/run/run_failure.h"
#include "worker/train/strategy.h"

enum { JOB_BYTES_MAX = 1 << 20 };

/* The first mistake, with what was found and what is allowed; run_tell_failure prints the others. */
static enum err refuse(const struct run *r, const char *path, struct err_note *note)
{
    const struct err_note *first = &r->errors.notes[0];
    return err_set(note, ERR_SPEC, first->pointer, "%s: %s: %s%s%s%s%s", path, first->pointer, first->detail, first->found[0] ? "; found " : "", first->found,
                   first->allowed[0] ? "; allowed " : "", first->allowed);
}

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
    if (e && r->errors.count)
        return refuse(r, path, note);
    if (e)
        return err_set(note, e, path, "%s: %s", path, e == ERR_TOO_LARGE ? "more than a mebibyte" : "not a job");
    for (size_t i = 0; i < r->warnings.count; i++)
        run_say(r, "warn", r->warnings.notes[i].detail);
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
        return refuse(r, r->options->job, note);
    loss_spec_balance(&r->spec.loss, r->set.splits[SPLIT_TRAIN].class_pixels, (int)r->set.num_classes);
    if (r->set.groups_in_both)
        run_say(r, "warn", "some groups are in both splits: validation is not independent of training");
    if (r->set.splits[SPLIT_VAL].count == 0)
        run_say(r, "warn", "the data set has no validation images: the model is that of the last epoch");
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
        run_say(r, "warn", warning.detail);
    if (r->kernels.tuned && r->kernels.measured) {
        char text[128];
        err_print(text, sizeof text, "kernels: %d cases timed in %.2f s; micro-batch %d", r->kernels.measured, r->kernels.seconds, r->kernels.kernels.micro_batch);
        run_say(r, "info", text);
    }
    config->kernels = &r->kernels.kernels;
    return OK;
}

/* Kernels that another worker chose, or a user gave, may hold too many samples together for the lanes of this one: those without a
   micro-batch can only help with the levels that take one in parts. */
static void tell_idle_lanes(struct run *r)
{
    char text[256];
    const struct network_config *c = network_config(r->net);
    int micro_batch = network_kernels(r->net)->micro_batch, tasks = (c->batch + micro_batch - 1) / micro_batch;
    if (tasks >= c->lanes || micro_batch == 1) return;
    err_print(text, sizeof text,
              "kernels: micro-batches of %d in a batch of %d keep %d of %d threads busy, the others only help; "
              "a smaller kernels.micro_batch, or none, uses them all",
              micro_batch, c->batch, tasks, c->lanes);
    run_say(r, "warn", text);
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
        run_say(r, "warn", "kernels_changed: this machine lacks an algorithm that the job names; the last bits of the weights will differ");
    tell_idle_lanes(r);
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
    struct trainer_config config = {.spec = &r->spec, .set = &r->set, .net = r->net, .validation_net = r->validation_net,
                                    .out_dir = r->options->out, .resume = r->options->resume, .spec_hash = r->spec_hash, .made_by = r->made_by, .calls = run_trainer_calls(r)};
    return trainer_new(&config, &r->trainer, note);
}

enum err run_prepare(struct run *r, struct err_note *note)
{
    enum err e = read_job(r, note);
    if (!e)
        e = load_data(r, note);
    if (!e)
        e = make_network(r, note);
    return e ? e : make_trainer(r, note);
}
