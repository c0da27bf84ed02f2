/* job_spec: defaults, learning rates, and the rules that need the number of classes. */
#include "schema/job/job_spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/job/loss_check.h"
#include "schema/job/plateau_check.h"

void job_spec_default(struct job_spec *spec)
{
    static const int widths[] = {16, 32, 64, 128};
    memset(spec, 0, sizeof *spec);
    memcpy(spec->project, "default", sizeof "default");
    spec->dataset.source = DATASET_REGISTERED;
    spec->dataset.generate = (struct dataset_generate){
        .kind = "lesions", .images = 64, .size = 128, .classes = 2, .foreground = 0.03, .noise = 0.1, .seed = 7};
    spec->model = (struct model_spec){.levels = 4, .convs = 2, .down = MODEL_DOWN_MAXPOOL, .norm = MODEL_NORM_INSTANCE, .groups = 8,
                                      .activation = MODEL_LEAKY_RELU, .slope = 0.01};
    memcpy(spec->model.widths, widths, sizeof widths);
    loss_spec_default(&spec->loss);
    optimizer_spec_default(&spec->optimizer);
    spec->lr_schedule = (struct lr_schedule_spec){.type = LR_CONSTANT, .power = 0.9, .every = 10, .gamma = 0.1};
    spec->training = (struct training_spec){.epochs = 15, .steps_per_epoch = 20, .batch = 4, .rank = 2, .patch = {128, 128},
                                            .checkpoint_epochs = 1, .checkpoint_s = 300};
    spec->augmentation.mirror = true;
    spec->validation = (struct validation_spec){.every_epochs = 1, .tile_overlap = 0.5, .monitor = "val/dice", .previews = 4, .nsd_tolerance = 1};
    spec->seed = 1;
    spec->max_attempts = 3;
}

/* Warm-up of w epochs: lr (e+1)/(w+1). Then, with e and E counted from its end:
   constant lr | poly lr (1 - e/E)^power | cosine lr (end + (1 - end)(1 + cos(pi e/E))/2) | step lr gamma^floor(e/every) */
double lr_at(const struct lr_schedule_spec *s, double base_lr, int64_t epoch, int64_t epochs)
{
    if (epoch < s->warmup_epochs) return base_lr * (double)(epoch + 1) / (double)(s->warmup_epochs + 1);
    double e = (double)(epoch - s->warmup_epochs), share = e / (double)(epochs - s->warmup_epochs);
    switch (s->type) {
    case LR_CONSTANT: break;
    case LR_POLY: return base_lr * pow(1 - share, s->power);
    case LR_COSINE: return base_lr * (s->end + (1 - s->end) * (1 + cos(3.14159265358979323846 * share)) / 2);
    case LR_STEP: return base_lr * pow(s->gamma, floor(e / s->every));
    }
    return base_lr;
}

bool job_spec_is_sigmoid(const struct job_spec *spec, int num_classes)
{
    return spec->loss.activation == LOSS_SIGMOID || (spec->loss.activation == LOSS_BY_CLASSES && num_classes == 2);
}

int job_spec_out_channels(const struct job_spec *spec, int num_classes)
{
    return job_spec_is_sigmoid(spec, num_classes) ? 1 : num_classes;
}

static void check_ignore(const struct job_spec *spec, int classes, struct err_list *errors)
{
    int ignore = spec->loss.ignore_index;
    struct err_note *note = NULL;
    if (ignore >= classes) {
        note = err_add(errors, ERR_RANGE, "/loss/ignore_index", "no class has this index; raw mask values are left out by labels.ignore of dataset.json");
        err_print(note->allowed, sizeof note->allowed, "null or a class from 0 to %d", classes - 1);
    } else if (ignore >= 0 && classes == 2) {
        note = err_add(errors, ERR_IGNORE_IS_CLASS, "/loss/ignore_index", "without one of its two classes there is nothing to tell apart");
        err_print(note->allowed, sizeof note->allowed, "null; raw mask values are left out by labels.ignore of dataset.json");
    }
    if (note) err_print(note->found, sizeof note->found, "%d", ignore);
}

static void check_monitor(const struct job_spec *spec, int classes, struct err_list *errors)
{
    int k = -1;
    const char *monitor = spec->validation.monitor, *slash = strrchr(monitor, '/');
    if (slash && slash[1] >= '0' && slash[1] <= '9') k = (int)strtol(slash + 1, NULL, 10);
    bool ignored = k >= 0 && k == spec->loss.ignore_index;
    if (k < classes && !ignored) return;
    struct err_note *note = err_add(errors, ERR_RANGE, "/validation/monitor", "the data set has %d classes", classes);
    if (k < classes) err_print(note->detail, sizeof note->detail, "loss.ignore_index leaves this class out of all scores");
    err_print(note->found, sizeof note->found, "%s", monitor);
    err_print(note->allowed, sizeof note->allowed, "a class from 0 to %d%s", classes - 1, k < classes ? " but this one" : "");
}

void job_spec_check_classes(const struct job_spec *spec, int classes, struct err_list *errors)
{
    if (classes <= 0) return; /* not known yet */
    if (classes < 2) {
        struct err_note *note = err_add(errors, ERR_CLASSES, "/dataset", "the data set has %d class", classes);
        err_print(note->allowed, sizeof note->allowed, "two classes or more, background among them");
    } else if (spec->loss.activation == LOSS_SIGMOID && classes > 2) {
        struct err_note *note = err_add(errors, ERR_CLASSES, "/loss/activation", "sigmoid tells two classes apart; the data set has %d", classes);
        err_print(note->found, sizeof note->found, "\"sigmoid\"");
        err_print(note->allowed, sizeof note->allowed, "softmax, or no activation: then the number of classes decides");
    }
    check_ignore(spec, classes, errors);
    check_monitor(spec, classes, errors);
    plateau_check_classes(spec, classes, errors);
    loss_check_classes(&spec->loss, classes, errors);
}
