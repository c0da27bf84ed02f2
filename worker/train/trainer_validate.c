/* trainer_validate: whole validation images through overlapping tiles, their scores, and the names of what an epoch reports. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "worker/train/trainer_parts.h"

static const char *const fixed_names[EPOCH_FIXED] = {
    [EPOCH_TOTAL] = "epoch/loss/total", [EPOCH_DICE] = "epoch/loss/dice", [EPOCH_CE] = "epoch/loss/ce", [EPOCH_ALPHA] = "epoch/alpha",
    [EPOCH_LR] = "epoch/lr", [EPOCH_LR_OTHER] = "epoch/lr/ce", [EPOCH_SKIPPED] = "epoch/steps_skipped",
    [EPOCH_GROUPS_LEFT] = "epoch/dice_groups_left_out", [EPOCH_WEIGHT_DICE] = "epoch/weight/dice", [EPOCH_WEIGHT_CE] = "epoch/weight/ce",
    [EPOCH_DEGENERATE] = "epoch/steps_degenerate", [VAL_EMPTY] = "val/images_without_foreground", [VAL_ECE_FOREGROUND] = "val/ece_foreground",
};
/* One column for the foreground, from VAL_FIRST on in this order, and behind all fixed columns one for each class: val/dice/0,
   val/dice/1 ... val/iou/0 ...
   To add a score: its measure in score.h, a row here (VAL_KINDS counts them), its line in README.md. */
static const struct {
    const char *name;
    enum score_measure measure;
    bool pooled;    /* else the mean over images */
    bool monitored; /* may be what makes a checkpoint the best */
} kinds[VAL_KINDS] = {
    {"val/dice", SCORE_DICE, true, true}, {"val/iou", SCORE_IOU, true, true}, {"val/dice_image", SCORE_DICE, false, true}, {"val/iou_image", SCORE_IOU, false, true},
    {"val/precision", SCORE_PRECISION, true, false}, {"val/recall", SCORE_RECALL, true, false},
    {"val/precision_image", SCORE_PRECISION, false, false}, {"val/recall_image", SCORE_RECALL, false, false},
    {"val/nsd", SCORE_NSD, false, false}, {"val/hd95", SCORE_HD95, false, false}, {"val/assd", SCORE_ASSD, false, false},
    {"val/ece", SCORE_ECE, true, false}, {"val/ece_image", SCORE_ECE, false, false}, {"val/brier", SCORE_BRIER, true, false}, {"val/brier_image", SCORE_BRIER, false, false},
};
/* How many images say nothing or everything about a class; a class of which none does has no value. */
static const char *const count_names[VAL_COUNTS] = {"val/images_both_empty", "val/images_truth_empty", "val/images_predicted_empty"};

static void name_column(struct trainer *t, const char *name, int of_class, bool monitored)
{
    char *to = t->names[t->columns];
    if (of_class < 0)
        snprintf(to, SERIES_NAME_MAX_BYTES, "%s", name);
    else
        snprintf(to, SERIES_NAME_MAX_BYTES, "%s/%d", name, of_class);
    t->name_of[t->columns] = to;
    if (monitored && !strcmp(to, t->spec->validation.monitor))
        t->monitor = t->columns;
    if (!strcmp(to, t->spec->loss.alpha.plateau.monitor))
        t->plateau_column = t->columns;
    t->columns++;
}

void trainer_name_columns(struct trainer *t)
{
    int classes = (int)t->c.set->num_classes;
    t->columns = 0;
    t->monitor = t->plateau_column = -1;
    for (int i = 0; i < EPOCH_FIXED; i++) {
        bool val = i >= VAL_FIRST && i < VAL_FIRST + VAL_KINDS;
        const char *name = val ? kinds[i - VAL_FIRST].name : i == EPOCH_LR && t->optimizers > 1 ? "epoch/lr/dice" : fixed_names[i];
        name_column(t, name, -1, val && kinds[i - VAL_FIRST].monitored);
    }
    for (int kind = 0; kind < VAL_KINDS; kind++)
        for (int k = 0; k < classes; k++)
            name_column(t, kinds[kind].name, k, kinds[kind].monitored);
    for (int kind = 0; kind < VAL_COUNTS; kind++)
        for (int k = 0; k < classes; k++)
            name_column(t, count_names[kind], k, false);
    for (int i = 0; t->diagnosis && i < diagnose_columns(&t->diagnosis->book); i++) { /* the last columns: trainer.c counts on it */
        char name[DIAGNOSE_NAME_MAX];
        diagnose_column_name(&t->diagnosis->book, i, name);
        name_column(t, name, -1, false);
    }
    assert(t->columns <= COLUMNS_MAX);
}

static void fill_row(const struct trainer *t, const struct score *s, double *row)
{
    int classes = (int)t->c.set->num_classes;
    const uint64_t *counts[VAL_COUNTS] = {s->both_empty, s->truth_empty, s->predicted_empty};
    double *of_class = row + EPOCH_FIXED, *of_counts = of_class + VAL_KINDS * classes;
    row[VAL_EMPTY] = (double)s->images_without_foreground;
    row[VAL_ECE_FOREGROUND] = s->ece_foreground;
    for (int kind = 0; kind < VAL_KINDS; kind++) {
        enum score_measure m = kinds[kind].measure;
        row[VAL_FIRST + kind] = kinds[kind].pooled ? s->pooled_mean[m] : s->image_mean[m];
        memcpy(of_class + kind * classes, kinds[kind].pooled ? s->pooled[m] : s->image[m], (size_t)classes * sizeof *row);
    }
    for (int kind = 0; kind < VAL_COUNTS; kind++)
        for (int k = 0; k < classes; k++)
            of_counts[kind * classes + k] = counts[kind][k] ? (double)counts[kind][k] : NAN;
}

/* What of the costlier scores is made at every validation. */
bool trainer_scores(const struct trainer *t, enum validation_score which)
{
    for (int i = 0; i < t->spec->validation.score_count; i++)
        if (t->spec->validation.scores[i] == which)
            return true;
    return false;
}

static void score_image(void *context, size_t index, const float *probabilities, const uint8_t *classes)
{
    struct trainer *t = context;
    const struct dataset_image *image = &t->c.set->splits[SPLIT_VAL].images[index];
    struct grid grid = {.rank = 2, .size = {image->height, image->width}, .spacing = {1, 1}};
    confusion_start(&t->confusions[index], (int)t->c.set->num_classes);
    confusion_add(&t->confusions[index], classes, image->classes, grid_count(&grid), t->spec->loss.ignore_index);
    score_set_add(t->scores, index, &grid, classes, image->classes, network_config(t->net)->out_channels, probabilities);
}

static bool told_to_stop(void *context)
{
    const struct trainer *t = context;
    return t->c.calls.stop && t->c.calls.stop(t->c.calls.context);
}

/* The weights that are to be judged, for the network that judges them. */
enum err trainer_show_weights(struct trainer *t, const float *weights, struct err_note *note)
{
    if (t->c.validation_net == NULL) {
        if (weights)
            network_set_parameters(t->net, weights);
        return OK;
    }
    float *now = weights ? NULL : malloc((t->parameters + 1) * sizeof *now);
    if (!weights && !now)
        return err_set(note, ERR_NO_MEMORY, "/validation/tile", "no memory for a copy of the weights");
    if (now)
        network_get_parameters(t->net, now);
    network_set_parameters(t->c.validation_net, weights ? weights : now);
    free(now);
    return OK;
}

/* Every validation image through the network that judges, and all scores of them into `row`. */
static enum err score_all(struct trainer *t, bool surface, bool calibration, double *row, bool *stopped, struct err_note *note)
{
    const struct dataset_split *val = &t->c.set->splits[SPLIT_VAL];
    struct predict_calls calls = {.context = t, .image = score_image, .stop = told_to_stop};
    struct score score;
    score_set_start(t->scores, surface, calibration);
    enum err e = predict_set(t->predictor, val->images, val->count, &calls, stopped, note);
    if (e || *stopped)
        return e;
    score_of(t->confusions, val->count, t->spec->loss.ignore_index, t->spec->validation.empty == VALIDATION_EMPTY_ONE, &score);
    e = score_set_finish(t->scores, &score, note);
    if (!e)
        fill_row(t, &score, row);
    return e;
}

enum err trainer_validate(struct trainer *t, double *row, bool *stopped, struct err_note *note)
{
    enum err e = trainer_show_weights(t, NULL, note);
    return e ? e : score_all(t, trainer_scores(t, VALIDATION_SURFACE), trainer_scores(t, VALIDATION_CALIBRATION), row, stopped, note);
}

/* What the epoch of the best weights has not been scored on yet goes into its row of the history, and is told as of that epoch. */
enum err trainer_evaluate(struct trainer *t, struct err_note *note)
{
    bool calibration = !trainer_scores(t, VALIDATION_CALIBRATION), stopped;
    if (t->c.set->splits[SPLIT_VAL].count == 0 || t->history_rows == 0)
        return OK;
    int64_t epoch = t->best_epoch >= 0 ? t->best_epoch : t->history_rows - 1;
    double *row = t->history + epoch * t->columns, *now = malloc((size_t)t->columns * sizeof *now);
    double began = trainer_now_s();
    enum err e = now ? trainer_show_weights(t, t->best, note) : err_set(note, ERR_NO_MEMORY, "/validation/scores", "no memory for %d scores", t->columns);
    for (int i = 0; i < t->columns && now; i++)
        now[i] = NAN;
    if (!e)
        e = score_all(t, true, calibration, now, &stopped, note); /* borders always: each image's are told */
    if (!e && stopped)
        t->result.stopped = true; /* the last checkpoint stands at the end: who goes on from it comes here at once */
    for (int i = 0; i < t->columns && !e && !stopped; i++) {
        if (isnan(row[i]))
            row[i] = now[i];
        else
            now[i] = NAN;
    }
    if (!e && !stopped)
        trainer_tell_evaluation(t, epoch, now, trainer_now_s() - began);
    t->evaluated = !e && !stopped;
    free(now);
    return e;
}

bool trainer_image_score(const struct trainer *t, size_t image, int k, struct trainer_image_score *score)
{
    if (!t->evaluated)
        return false;
    *score = (struct trainer_image_score){t->confusions[image].of[k], score_set_surface_of(t->scores, image, k, SCORE_NSD),
                                          score_set_surface_of(t->scores, image, k, SCORE_HD95)};
    return true;
}
