/* trainer_validate: whole validation images through overlapping tiles, and the names of what an epoch reports. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "worker/train/trainer_parts.h"

static const char *const fixed_names[EPOCH_FIXED] = {
    [EPOCH_TOTAL] = "epoch/loss/total", [EPOCH_DICE] = "epoch/loss/dice", [EPOCH_CE] = "epoch/loss/ce", [EPOCH_ALPHA] = "epoch/alpha",
    [EPOCH_LR] = "epoch/lr", [EPOCH_LR_OTHER] = "epoch/lr/ce", [EPOCH_SKIPPED] = "epoch/steps_skipped",
    [EPOCH_GROUPS_LEFT] = "epoch/dice_groups_left_out", [VAL_DICE] = "val/dice",
    [VAL_IOU] = "val/iou", [VAL_DICE_IMAGE] = "val/dice_image", [VAL_IOU_IMAGE] = "val/iou_image", [VAL_EMPTY] = "val/images_without_foreground",
};
/* then each of these of every class: val/dice/0, val/dice/1 ... val/iou/0 ... */
static const enum epoch_column by_class[] = {VAL_DICE, VAL_IOU, VAL_DICE_IMAGE, VAL_IOU_IMAGE};
enum { CLASS_COLUMNS = sizeof by_class / sizeof *by_class };

void trainer_name_columns(struct trainer *t)
{
    int classes = (int)t->c.set->num_classes;
    for (int i = 0; i < EPOCH_FIXED; i++)
        snprintf(t->names[i], sizeof t->names[i], "%s", fixed_names[i]);
    if (t->optimizers > 1)
        snprintf(t->names[EPOCH_LR], sizeof t->names[EPOCH_LR], "epoch/lr/dice");
    t->columns = EPOCH_FIXED;
    for (int kind = 0; kind < CLASS_COLUMNS; kind++)
        for (int k = 0; k < classes; k++)
            snprintf(t->names[t->columns++], SERIES_NAME_MAX_BYTES, "%s/%d", fixed_names[by_class[kind]], k);
    t->monitor = -1;
    for (int i = 0; i < t->columns; i++) {
        t->name_of[i] = t->names[i];
        if (i >= VAL_DICE && i != VAL_EMPTY && !strcmp(t->names[i], t->spec->validation.monitor))
            t->monitor = i;
    }
}

static void fill_row(const struct trainer *t, const struct score *s, double *row)
{
    int classes = (int)t->c.set->num_classes;
    const double *of_class[CLASS_COLUMNS] = {s->dice, s->iou, s->dice_image, s->iou_image};
    row[VAL_DICE] = s->dice_mean;
    row[VAL_IOU] = s->iou_mean;
    row[VAL_DICE_IMAGE] = s->dice_image_mean;
    row[VAL_IOU_IMAGE] = s->iou_image_mean;
    row[VAL_EMPTY] = (double)s->images_without_foreground;
    for (int kind = 0; kind < CLASS_COLUMNS; kind++)
        for (int k = 0; k < classes; k++)
            row[EPOCH_FIXED + kind * classes + k] = of_class[kind][k];
}

static void count_image(void *context, size_t index, const float *probabilities, const uint8_t *classes)
{
    struct trainer *t = context;
    const struct dataset_image *image = &t->c.set->splits[SPLIT_VAL].images[index];
    (void)probabilities;
    confusion_start(&t->confusions[index], (int)t->c.set->num_classes);
    confusion_add(&t->confusions[index], classes, image->classes, (size_t)image->height * image->width, t->spec->loss.ignore_index);
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

enum err trainer_validate(struct trainer *t, double *row, bool *stopped, struct err_note *note)
{
    const struct dataset_split *val = &t->c.set->splits[SPLIT_VAL];
    struct predict_calls calls = {.context = t, .image = count_image, .stop = told_to_stop};
    struct score score;
    enum err e = trainer_show_weights(t, NULL, note);
    if (!e)
        e = predict_set(t->predictor, val->images, val->count, &calls, stopped, note);
    if (e || *stopped)
        return e;
    score_of(t->confusions, val->count, t->spec->loss.ignore_index, &score);
    fill_row(t, &score, row);
    return OK;
}
