/* trainer: a training run from its first step (or a checkpoint) to its last: epochs, validation, checkpoints, best weights.
 *
 *        +--> step --> step --> ... --> [checkpoint_s is over: checkpoint] --> step --+
 *        |                                                                            | steps_per_epoch
 *     epoch + 1 <-- checkpoint <-- new best? <-- validate (every_epochs, and last) <--+
 *
 * The state is (epoch, step_in_epoch) and what a checkpoint holds; a run that stops anywhere and goes on from its last
 * checkpoint repeats the steps since then, bit for bit, because sampling and schedules are functions of those counters, and what follows the validation is in it. */
#include "worker/train/trainer.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/clock.h"
#include "worker/data/preview.h"
#include "worker/train/export.h"
#include "worker/train/trainer_parts.h"

/* ---- making one -------------------------------------------------------------------------------------- */
static size_t largest_image(const struct dataset_split *split)
{
    size_t most = 1;
    for (size_t i = 0; i < split->count; i++) {
        size_t pixels = (size_t)split->images[i].height * split->images[i].width;
        most = pixels > most ? pixels : most;
    }
    return most;
}

static int take_memory(struct trainer *t)
{
    const struct dataset_split *val = &t->c.set->splits[SPLIT_VAL];
    size_t n = (size_t)t->batch, image = t->set_channels * t->pixels;
    t->image_memory = calloc(n * image, sizeof(float));
    t->images = calloc(n, sizeof *t->images);
    t->labels = calloc(n, t->pixels);
    t->places = calloc(n, sizeof *t->places);
    t->terms = ce_needs_terms(&t->loss.ce) ? calloc(n * t->pixels, sizeof *t->terms) : NULL;
    t->loss_sums = calloc(n, sizeof *t->loss_sums);
    t->slopes = calloc(n, sizeof *t->slopes);
    t->confusions = calloc(val->count + 1, sizeof *t->confusions);
    t->classes = calloc(largest_image(val), 1);
    t->history = calloc((size_t)(t->spec->training.epochs + 1) * (size_t)t->columns, sizeof(double));
    if ((ce_needs_terms(&t->loss.ce) && !t->terms) || !t->image_memory || !t->images || !t->labels || !t->places || !t->loss_sums || !t->slopes || !t->confusions || !t->classes || !t->history)
        return 0;
    for (size_t i = 0; i < n; i++)
        t->images[i] = t->image_memory + i * image;
    return 1;
}

static void fill_in(struct trainer *t, const struct trainer_config *config)
{
    const struct job_spec *spec = config->spec;
    t->c = *config;
    t->spec = spec;
    t->net = config->net;
    t->lanes = network_lanes(config->net);
    t->batch = spec->training.batch;
    t->pixels = (size_t)spec->training.patch[0] * (size_t)spec->training.patch[1];
    t->set_channels = config->set->channels;
    t->optimizers = strategy_optimizers(&spec->loss);
    t->best_epoch = -1;
    t->best_score = NAN;
    assert(spec->loss.class_weight.kind == LOSS_UNWEIGHTED || spec->loss.class_weight.count == (int)config->set->num_classes);
    loss_options_of(&spec->loss, network_config(t->net)->out_channels, &t->loss);
    t->sampler = (struct sampler){.set = config->set, .seed = (uint64_t)spec->seed, .batch = (uint32_t)spec->training.batch,
                                  .patch_height = (uint32_t)spec->training.patch[0], .patch_width = (uint32_t)spec->training.patch[1],
                                  .oversample_foreground = spec->training.oversample_foreground, .mirror = spec->augmentation.mirror, .rotate90 = spec->augmentation.rotate90};
    const struct network_parameter *table;
    int count;
    table = network_parameters(t->net, &count);
    t->parameters = table[count - 1].offset + table[count - 1].count;
    adapt_start(&t->adapt, &spec->loss);
}

static enum err check(const struct trainer *t, struct err_note *note)
{
    const struct network_config *n = network_config(t->net);
    assert(t->spec->training.rank == 2 && n->batch >= t->batch && n->patch[0] == t->spec->training.patch[0] && n->patch[1] == t->spec->training.patch[1]);
    assert(n->in_channels == (int)t->c.set->channels && n->gradients >= strategy_gradients(&t->spec->loss));
    if (t->monitor < 0) {
        enum err e = err_set(note, ERR_SPEC, "/validation/monitor", "there is no series %s in this job", t->spec->validation.monitor);
        if (note) {
            err_print(note->found, sizeof note->found, "%s", t->spec->validation.monitor);
            err_print(note->allowed, sizeof note->allowed, "val/dice, val/iou, val/dice_image, val/iou_image, each also of one class: val/dice/0 to val/dice/%u", t->c.set->num_classes - 1);
        }
        return e;
    }
    enum err e = trainer_check_follow(t, note);
    return e ? e : sampler_check(&t->sampler, note);
}

static enum err make_optimizers(struct trainer *t, struct err_note *note)
{
    enum err e = OK;
    for (int k = 0; k < t->optimizers && !e; k++)
        e = optimizer_init(&t->optimizer[k], strategy_optimizer(&t->spec->loss, &t->spec->optimizer, k), network_arena_count(t->net), note);
    return e;
}

/* What it takes to see both gradients side by side. */
static enum err make_compare(struct trainer *t, struct err_note *note)
{
    const struct network_config *n = network_config(t->net);
    if (!method_takes_gram(t->spec->loss.method) && t->spec->loss.diagnostics.every == 0)
        return OK;
    t->ce_logits = calloc((size_t)n->lanes * (size_t)n->out_channels * t->pixels, sizeof *t->ce_logits);
    t->sample_grams = calloc((size_t)t->batch, sizeof *t->sample_grams);
    if (!t->ce_logits || !t->sample_grams)
        return err_set(note, ERR_NO_MEMORY, "/loss", "no memory to compare two gradients");
    enum err e = compare_new(t->net, &t->compare, note);
    return e ? e : trainer_diagnosis_new(t, note);
}

enum err trainer_new(const struct trainer_config *config, struct trainer **out, struct err_note *note)
{
    struct trainer *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(note, ERR_NO_MEMORY, "", "no memory for a trainer");
    fill_in(t, config);
    enum err e = make_compare(t, note);
    if (!e) {
        trainer_name_columns(t);
        e = check(t, note);
    }
    if (!e && !take_memory(t))
        e = err_set(note, ERR_NO_MEMORY, "/training/batch", "no memory for a batch of %d patches", t->batch);
    if (!e)
        e = make_optimizers(t, note);
    if (!e)
        e = score_set_new(&(struct score_set_options){.classes = (int)config->set->num_classes, .ignore_index = t->spec->loss.ignore_index,
                                                      .empty_is_one = t->spec->validation.empty == VALIDATION_EMPTY_ONE, .tolerance = t->spec->validation.nsd_tolerance},
                          config->set->splits[SPLIT_VAL].count, &t->scores, note);
    if (!e)
        e = predictor_new(config->validation_net ? config->validation_net : t->net, t->spec->validation.tile_overlap, &t->predictor, note);
    if (!e && config->resume)
        e = trainer_restore(t, config->resume, note);
    if (!e && !config->resume)
        network_init(t->net, (uint64_t)t->spec->seed);
    if (e) {
        trainer_free(t);
        return e;
    }
    *out = t;
    return OK;
}

void trainer_free(struct trainer *t)
{
    if (!t)
        return;
    for (int k = 0; k < OPTIMIZERS_MAX; k++)
        optimizer_fini(&t->optimizer[k]);
    predictor_free(t->predictor);
    score_set_free(t->scores);
    free(t->best);
    compare_free(t->compare);
    free(t->diagnosis);
    free(t->ce_logits);
    free(t->sample_grams);
    free(t->image_memory);
    free(t->images);
    free(t->labels);
    free(t->places);
    free(t->terms);
    free(t->loss_sums);
    free(t->slopes);
    free(t->confusions);
    free(t->classes);
    free(t->history);
    free(t);
}

/* ---- running ----------------------------------------------------------------------------------------- */
static bool told_to_stop(struct trainer *t)
{
    t->result.stopped |= t->c.calls.stop && t->c.calls.stop(t->c.calls.context);
    return t->result.stopped;
}

static enum err one_step(struct trainer *t, struct err_note *note)
{
    struct step_report report;
    double began = trainer_now_s();
    int64_t processor_ns = clock_processor_ns();
    enum err e = trainer_step(t, &report, note);
    profile_phase(network_profile(t->net), PROFILE_METRICS);
    if (e) {
        trainer_tell_steps(t);
        return e;
    }
    double took = trainer_now_s() - began;
    t->clock.train += took;
    t->clock.epoch_train += took;
    t->clock.epoch_processor += (double)(clock_processor_ns() - processor_ns) * 1e-9;
    t->clock.steps++;
    t->clock.epoch_images += t->batch;
    t->best_is_now = false;
    trainer_hold_step(t, &report);
    t->step++;
    t->step_in_epoch++;
    trainer_tell_progress(t, &report, false);
    profile_count_step(network_profile(t->net), t->batch);
    profile_phase(network_profile(t->net), PROFILE_BOOKKEEPING);
    bool due = trainer_now_s() - t->clock.last_checkpoint >= t->spec->training.checkpoint_s;
    if (due && t->step_in_epoch < t->spec->training.steps_per_epoch) {
        trainer_tell_steps(t);
        return trainer_save(t, false, note);
    }
    return OK;
}

static void sum_up(const struct trainer *t, double *row)
{
    struct step_plan plan;
    const struct epoch_sums *s = &t->sums;
    strategy_plan(&t->spec->loss, t->epoch, t->spec->training.epochs, t->step - 1, &t->plateau, &plan);
    for (int i = 0; i < t->columns; i++)
        row[i] = NAN;
    row[EPOCH_TOTAL] = plan.weighted && s->counted > 0 ? s->total / s->counted : NAN;
    row[EPOCH_DICE] = s->counted > 0 ? s->dice / s->counted : NAN;
    row[EPOCH_CE] = s->counted > 0 ? s->ce / s->counted : NAN;
    row[EPOCH_ALPHA] = plan.has_alpha ? s->alpha / (s->counted + s->skipped) : NAN;
    for (int k = 0; k < t->optimizers; k++)
        row[EPOCH_LR + k] = lr_at(&t->spec->lr_schedule, t->optimizer[k].spec.lr, t->epoch, t->spec->training.epochs);
    row[EPOCH_SKIPPED] = s->skipped > 0 ? s->skipped : NAN;
    for (int i = 0; i < 2; i++)
        row[EPOCH_WEIGHT_DICE + i] = s->weighed > 0 ? s->weight[i] / s->weighed : NAN;
    row[EPOCH_DEGENERATE] = s->degenerate > 0 ? s->degenerate : NAN;
    row[EPOCH_GROUPS_LEFT] = s->groups_left > 0 ? s->groups_left : NAN;
    if (t->diagnosis)
        diagnose_epoch(&t->diagnosis->book, row + t->columns - diagnose_columns(&t->diagnosis->book));
}

/* Keeps the weights if they score higher than all before. A score of NaN (no such class anywhere) is never the best. */
static enum err judge(struct trainer *t, double score, bool *new_best, struct err_note *note)
{
    *new_best = !isnan(score) && (!t->best || score > t->best_score);
    if (!*new_best)
        return OK;
    if (!t->best)
        t->best = malloc((t->parameters + 1) * sizeof *t->best);
    if (!t->best)
        return err_set(note, ERR_NO_MEMORY, "", "no memory for the best weights");
    network_get_parameters(t->net, t->best);
    t->best_score = score;
    t->best_epoch = t->epoch;
    t->best_is_now = true;
    return OK;
}

static enum err end_epoch(struct trainer *t, struct err_note *note)
{
    double *row = t->history + t->history_rows * t->columns;
    bool new_best = false;
    trainer_tell_steps(t);
    sum_up(t, row);
    enum err e = trainer_check_weights(t, note);
    if (e)
        return e;
    if (trainer_validates(t, t->epoch)) {
        bool stopped;
        double began = trainer_now_s();
        trainer_tell_progress(t, NULL, true);
        enum profile_kind before = profile_phase(network_profile(t->net), PROFILE_VALIDATION);
        e = trainer_validate(t, row, &stopped, note);
        profile_phase(network_profile(t->net), before);
        if (e)
            return e;
        if (stopped) { /* the epoch ends when it goes on: its steps are done, its validation is not */
            t->result.stopped = true;
            return trainer_save(t, false, note);
        }
        t->clock.validate += trainer_now_s() - began;
        t->clock.validations++;
        e = judge(t, row[t->monitor], &new_best, note);
        if (e)
            return e;
        trainer_follow(t, row);
    }
    t->history_rows++;
    trainer_tell_epoch(t, row);
    adapt_end_epoch(&t->adapt, &t->spec->loss);
    t->epoch++;
    t->step_in_epoch = 0;
    t->sums = (struct epoch_sums){0};
    if (t->diagnosis)
        diagnose_next_epoch(&t->diagnosis->book);
    trainer_tell_progress(t, NULL, false);
    bool last = t->epoch == t->spec->training.epochs;
    if (new_best || last || t->epoch % t->spec->training.checkpoint_epochs == 0)
        return trainer_save(t, new_best, note);
    return OK;
}

static enum err one_epoch(struct trainer *t, struct err_note *note)
{
    t->clock.epoch_began = trainer_now_s();
    t->clock.epoch_train = t->clock.epoch_processor = 0;
    t->clock.epoch_images = 0;
    while (t->step_in_epoch < t->spec->training.steps_per_epoch) {
        enum err e = one_step(t, note);
        if (e)
            return e;
        if (told_to_stop(t)) {
            trainer_tell_steps(t);
            return trainer_save(t, false, note);
        }
    }
    return end_epoch(t, note);
}

static enum err summarise(struct trainer *t, struct err_note *note)
{
    float *last = malloc((t->parameters + 1) * sizeof *last);
    if (!last)
        return err_set(note, ERR_NO_MEMORY, "", "no memory for the last weights");
    network_get_parameters(t->net, last);
    export_weights_sha256(last, t->parameters, t->result.weights_sha256);
    if (!t->best)
        t->best = last; /* nothing was validated: the last weights are all there is */
    else
        free(last);
    t->result.epochs = t->epoch;
    t->result.steps = t->step;
    t->result.best_epoch = t->best_epoch;
    t->result.best_score = t->best_score;
    t->result.last_score = t->history_rows ? t->history[(t->history_rows - 1) * t->columns + t->monitor] : NAN;
    t->result.seconds = trainer_now_s() - t->clock.started;
    return OK;
}

enum err trainer_run(struct trainer *t, struct err_note *note)
{
    t->clock.started = t->clock.last_checkpoint = trainer_now_s(); /* nothing is flushed yet: the first step is told at once */
    profile_phase(network_profile(t->net), PROFILE_BOOKKEEPING);
    while (t->epoch < t->spec->training.epochs && !t->result.stopped) {
        enum err e = one_epoch(t, note);
        if (e)
            return e;
    }
    enum err e = summarise(t, note);
    profile_phase(network_profile(t->net), PROFILE_NONE);
    return e;
}

const struct trainer_result *trainer_result(const struct trainer *t)
{
    return &t->result;
}

struct trainer_history trainer_history(const struct trainer *t)
{
    return (struct trainer_history){.columns = t->columns, .names = t->name_of, .rows = t->history_rows, .values = t->history};
}

const float *trainer_best_weights(struct trainer *t)
{
    return t->best;
}

void trainer_preview_name(size_t number, const char *id, char name[TRAINER_PREVIEW_NAME])
{
    int n = snprintf(name, TRAINER_PREVIEW_NAME, "preview-%zu-", number);
    assert(n > 0 && n + 5 < TRAINER_PREVIEW_NAME);
    for (; *id && n + 5 < TRAINER_PREVIEW_NAME; id++) { /* 5: ".png" and its end */
        bool upper = *id >= 'A' && *id <= 'Z';
        bool plain = (*id >= 'a' && *id <= 'z') || (*id >= '0' && *id <= '9') || strchr("._-", *id);
        name[n++] = (char)(upper ? *id - 'A' + 'a' : plain ? *id : '_');
    }
    memcpy(name + n, ".png", 5);
}

enum err trainer_previews(struct trainer *t, struct err_note *note)
{
    const struct dataset_split *val = &t->c.set->splits[SPLIT_VAL];
    enum err e = trainer_show_weights(t, t->best, note);
    for (size_t i = 0; i < val->count && i < (size_t)t->spec->validation.previews && !e; i++) {
        char name[TRAINER_PREVIEW_NAME], path[4300];
        trainer_preview_name(i, val->images[i].id, name);
        snprintf(path, sizeof path, "%.4000s/%s", t->c.out_dir, name);
        e = predict_image(t->predictor, &val->images[i], t->classes, note);
        if (!e)
            e = preview_write(path, &val->images[i], t->c.set->channels, t->classes, note);
        if (!e && t->c.calls.preview)
            t->c.calls.preview(t->c.calls.context, path, name, t->best_epoch);
    }
    return e;
}
