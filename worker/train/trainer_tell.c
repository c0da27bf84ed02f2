/* trainer_tell: what a trainer's callbacks hear: values of steps and epochs, progress, log lines. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include "schema/base/clock.h"
#include "worker/train/trainer_parts.h"

enum { SERIES_TOLD_MAX = 50 };
static const double flush_s = 1; /* how long the values of a step may wait to be told */
static const char *const step_names[STEP_SERIES] = {"loss/total", "loss/dice", "loss/ce", "alpha", "lr", "lr/ce", "weight/dice", "weight/ce"};

double trainer_now_s(void)
{
    return (double)clock_mono_ns() * 1e-9;
}

void trainer_log(const struct trainer *t, const char *level, const char *format, ...)
{
    char text[512];
    va_list args;
    if (!t->c.calls.log)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    t->c.calls.log(t->c.calls.context, level, text);
}

/* What steps have said so far, series by series: a column each for whoever writes it down. */
void trainer_tell_steps(struct trainer *t)
{
    struct trainer_point points[STEP_SERIES * STEPS_HELD_MAX];
    size_t n = 0;
    for (int s = 0; s < STEP_SERIES; s++)
        for (int i = 0; i < t->held; i++) {
            const char *name = s == STEP_LR && t->optimizers > 1 ? "lr/dice" : step_names[s];
            double value = t->held_reports[i].value[s];
            if (!isnan(value))
                points[n++] = (struct trainer_point){.name = name, .step = t->held_first + i, .value = value};
        }
    if (n && t->c.calls.points)
        t->c.calls.points(t->c.calls.context, points, n);
    trainer_tell_looks(t);
    t->held = 0;
    t->clock.last_flush = trainer_now_s();
}

void trainer_hold_step(struct trainer *t, const struct step_report *report)
{
    if (t->held == 0)
        t->held_first = t->step;
    t->held_reports[t->held++] = *report;
    if (t->held == STEPS_HELD_MAX || trainer_now_s() - t->clock.last_flush > flush_s)
        trainer_tell_steps(t);
}

static int64_t steps_left(const struct trainer *t)
{
    int64_t all = (int64_t)t->spec->training.epochs * t->spec->training.steps_per_epoch;
    return all - (t->epoch * t->spec->training.steps_per_epoch + t->step_in_epoch);
}

bool trainer_validates(const struct trainer *t, int64_t epoch)
{
    return t->c.set->splits[SPLIT_VAL].count > 0 && ((epoch + 1) % t->spec->validation.every_epochs == 0 || epoch + 1 == t->spec->training.epochs);
}

static double eta_s(const struct trainer *t)
{
    if (t->clock.steps == 0)
        return NAN;
    double left = (double)steps_left(t) * t->clock.train / (double)t->clock.steps;
    int64_t validations = 0;
    for (int64_t e = t->epoch; e < t->spec->training.epochs; e++)
        validations += trainer_validates(t, e);
    if (t->clock.validations)
        return left + (double)validations * t->clock.validate / (double)t->clock.validations;
    return left;
}

void trainer_tell_progress(const struct trainer *t, const struct step_report *report, bool validating)
{
    if (!t->c.calls.progress)
        return;
    double val_dice = t->history_rows ? t->history[(t->history_rows - 1) * t->columns + VAL_DICE] : NAN;
    struct trainer_progress p = {.epoch = t->epoch, .epochs = t->spec->training.epochs, .step_in_epoch = t->step_in_epoch, .steps_per_epoch = t->spec->training.steps_per_epoch,
                                 .step = t->step, .eta_s = eta_s(t), .images_per_s = t->clock.train > 0 ? (double)t->clock.steps * t->batch / t->clock.train : NAN,
                                 .has_alpha = report && !isnan(report->value[STEP_ALPHA]), .alpha = report ? report->value[STEP_ALPHA] : NAN,
                                 .dice = report ? report->value[STEP_DICE] : NAN, .ce = report ? report->value[STEP_CE] : NAN, .val_dice = val_dice,
                                 .best_score = t->best_score, .validating = validating};
    t->c.calls.progress(t->c.calls.context, &p);
}

/* In pieces: many classes make more series than one batch of metrics may hold (METRIC_SERIES_MAX in schema/job/metric.h). */
static void tell_columns(const struct trainer *t, int64_t epoch, const double *row)
{
    struct trainer_point points[SERIES_TOLD_MAX];
    size_t n = 0;
    for (int i = 0; i < t->columns && t->c.calls.points; i++) {
        if (!isnan(row[i]))
            points[n++] = (struct trainer_point){.name = t->name_of[i], .by_epoch = true, .step = epoch, .value = row[i]};
        if (n == SERIES_TOLD_MAX || (n && i + 1 == t->columns)) {
            t->c.calls.points(t->c.calls.context, points, n);
            n = 0;
        }
    }
}

void trainer_tell_epoch(const struct trainer *t, const double *row)
{
    struct trainer_point points[5];
    size_t n = 0;
    double now = trainer_now_s(), train = t->clock.epoch_train, steps = (double)t->clock.epoch_images / t->batch;
    tell_columns(t, t->epoch, row);
    points[n++] = (struct trainer_point){.name = "time/epoch_s", .timing = true, .by_epoch = true, .step = t->epoch, .value = now - t->clock.epoch_began};
    if (train > 0)
        points[n++] = (struct trainer_point){.name = "time/images_per_s", .timing = true, .by_epoch = true, .step = t->epoch, .value = (double)t->clock.epoch_images / train};
    if (steps > 0)
        points[n++] = (struct trainer_point){.name = "time/step_processor_s", .timing = true, .by_epoch = true, .step = t->epoch, .value = t->clock.epoch_processor / steps};
    if (!isnan(eta_s(t)))
        points[n++] = (struct trainer_point){.name = "eta_s", .timing = true, .by_epoch = true, .step = t->epoch, .value = eta_s(t)};
    if (t->spec->validation.score_count && trainer_validates(t, t->epoch))
        points[n++] = (struct trainer_point){.name = "time/scores_s", .timing = true, .by_epoch = true, .step = t->epoch, .value = score_set_seconds(t->scores)};
    if (t->c.calls.points)
        t->c.calls.points(t->c.calls.context, points, n);
}

void trainer_tell_evaluation(const struct trainer *t, int64_t epoch, const double *row, double took_s)
{
    struct trainer_point points[] = {{.name = "time/evaluation_s", .timing = true, .by_epoch = true, .step = epoch, .value = took_s},
                                     {.name = "time/scores_s", .timing = true, .by_epoch = true, .step = epoch, .value = score_set_seconds(t->scores)}};
    tell_columns(t, epoch, row);
    if (t->c.calls.points) /* the second was told with its epoch where some are made at every validation */
        t->c.calls.points(t->c.calls.context, points, t->spec->validation.score_count ? 1 : 2);
    trainer_log(t, "info", "the best weights on %zu validation images: %.3g s, of it %.3g s on borders and calibration, all lanes together",
                t->c.set->splits[SPLIT_VAL].count, took_s, score_set_seconds(t->scores));
}
