/* job_check: rules between fields, and remarks. */
#include "schema/job/job_check.h"

#include <math.h>

#include "schema/base/json_text.h"
#include "schema/job/job_memory.h"
#include "schema/job/plateau_check.h"

static const int64_t memory_bytes_max = (int64_t)1 << 40; /* no machine that this is meant for has a tebibyte */

static struct err_note *say(struct err_list *errors, enum err code, const char *pointer, long long found, const char *detail)
{
    struct err_note *note = err_add(errors, code, pointer, "%s", detail);
    err_print(note->found, sizeof note->found, "%lld", found);
    return note;
}

static void check_halving(const struct job_spec *spec, const char *const at[2], const int sizes[], struct err_list *errors)
{
    int step = 1 << (spec->model.levels - 1);
    for (int d = 0; d < 2; d++)
        if (sizes[d] % step) {
            struct err_note *note = say(errors, ERR_RANGE, at[d], sizes[d], "cannot be halved once a level");
            err_print(note->allowed, sizeof note->allowed, "a multiple of %d: the model has %d levels", step, spec->model.levels);
        }
}

static void check_tile(const struct job_spec *spec, struct err_list *errors)
{
    static const char *const at[] = {"/validation/tile/0", "/validation/tile/1"};
    const struct validation_spec *v = &spec->validation;
    if (v->tile_rank == 2) check_halving(spec, at, v->tile, errors);
    if (v->tile_rank != 3) return;
    struct err_note *note = say(errors, ERR_NOT_BUILT, "/validation/tile", v->tile_rank, "volumes are not built yet");
    err_print(note->allowed, sizeof note->allowed, "null, or two sizes: rows and columns");
}

static void check_scores(const struct job_spec *spec, struct err_list *errors)
{
    const struct validation_spec *v = &spec->validation;
    if (v->score_count < 2 || v->scores[0] != v->scores[1]) return;
    err_print(err_add(errors, ERR_RANGE, "/validation/scores/1", "named twice")->allowed, sizeof errors->notes[0].allowed, "each word once");
}

static void check_patch(const struct job_spec *spec, struct err_list *errors)
{
    static const char *const at[] = {"/training/patch/0", "/training/patch/1"};
    const struct training_spec *t = &spec->training;
    int step = 1 << (spec->model.levels - 1);
    if (t->rank != 2) {
        struct err_note *note = say(errors, ERR_NOT_BUILT, "/training/patch", t->rank, "volumes are not built yet");
        err_print(note->allowed, sizeof note->allowed, "two sizes: rows and columns");
        return;
    }
    check_halving(spec, at, t->patch, errors);
    int deepest = (t->patch[0] / step) * (t->patch[1] / step);
    if (spec->model.norm == MODEL_NORM_INSTANCE && deepest == 1) {
        struct err_note *note = say(errors, ERR_RANGE, "/training/patch", deepest, "one pixel is left at the coarsest level: an instance norm makes it 0");
        err_print(note->allowed, sizeof note->allowed, "a larger patch, fewer levels, or another norm");
    }
    if (spec->augmentation.rotate90 && t->patch[0] != t->patch[1]) {
        struct err_note *note = say(errors, ERR_RANGE, "/augmentation/rotate90", t->patch[0] - t->patch[1], "a quarter turn needs a square patch");
        err_print(note->found, sizeof note->found, "%d x %d", t->patch[0], t->patch[1]);
        err_print(note->allowed, sizeof note->allowed, "false, or a square patch");
    }
}

static void check_groups(const struct job_spec *spec, struct err_list *errors)
{
    for (int l = 0; spec->model.norm == MODEL_NORM_GROUP && l < spec->model.levels; l++)
        if (spec->model.widths[l] % spec->model.groups) {
            struct err_note *note = say(errors, ERR_RANGE, "/model/groups", spec->model.groups, "does not divide every width");
            err_print(note->allowed, sizeof note->allowed, "a divisor of %d", spec->model.widths[l]);
            return;
        }
}

static void check_folds(const struct job_spec *spec, struct err_list *errors)
{
    int folds = spec->validation.folds, fold = spec->validation.fold;
    if (folds == 1) {
        struct err_note *note = say(errors, ERR_RANGE, "/validation/folds", folds, "one fold leaves nothing to train on");
        err_print(note->allowed, sizeof note->allowed, "0, or an integer from 2 to 20");
    } else if (folds ? fold >= folds : fold > 0) {
        struct err_note *note = say(errors, ERR_RANGE, "/validation/fold", fold, folds ? "there is no such fold" : "there are no folds: see validation.folds");
        err_print(note->allowed, sizeof note->allowed, "an integer from 0 to %d", folds ? folds - 1 : 0);
    } else if (spec->dataset.source == DATASET_GENERATE && spec->dataset.generate.images < folds) {
        struct err_note *note = say(errors, ERR_RANGE, "/validation/folds", folds, "more folds than pictures");
        err_print(note->allowed, sizeof note->allowed, "at most %d", spec->dataset.generate.images);
    }
}

static void check_times(const struct job_spec *spec, struct err_list *errors)
{
    int epochs = spec->training.epochs;
    if (spec->lr_schedule.warmup_epochs >= epochs) {
        struct err_note *note = say(errors, ERR_RANGE, "/lr_schedule/warmup_epochs", spec->lr_schedule.warmup_epochs, "the job ends before it is warm");
        err_print(note->allowed, sizeof note->allowed, "an integer from 0 to %d", epochs - 1);
    }
    if (spec->validation.every_epochs > epochs) {
        struct err_note *note = say(errors, ERR_RANGE, "/validation/every_epochs", spec->validation.every_epochs, "the job ends before its first validation");
        err_print(note->allowed, sizeof note->allowed, "an integer from 1 to %d", epochs);
    }
    if (spec->kernels.given && spec->kernels.micro_batch > spec->training.batch) {
        struct err_note *note = say(errors, ERR_RANGE, "/kernels/micro_batch", spec->kernels.micro_batch, "larger than the batch");
        err_print(note->allowed, sizeof note->allowed, "an integer from 1 to %d", spec->training.batch);
    }
}

static void check_memory(const struct job_spec *spec, struct err_list *errors)
{
    struct job_memory memory;
    if (spec->training.rank != 2) return;
    enum err e = job_memory_predict(spec, 1, spec->dataset.source == DATASET_GENERATE ? spec->dataset.generate.classes : 2, 1, &memory);
    if (!e && memory.total_bytes <= memory_bytes_max) return;
    struct err_note *note = err_add(errors, ERR_MEMORY_PREDICTED, "/training", "batch, patch and widths together need more memory than any worker has");
    if (e)
        err_print(note->found, sizeof note->found, "more than 2^63 bytes");
    else
        err_print(note->found, sizeof note->found, "%.1f GiB", (double)memory.total_bytes / (1 << 30));
    err_print(note->allowed, sizeof note->allowed, "at most %.0f GiB", (double)memory_bytes_max / (1 << 30));
}

void job_check(const struct job_spec *spec, struct err_list *errors)
{
    check_patch(spec, errors);
    check_tile(spec, errors);
    check_folds(spec, errors);
    check_scores(spec, errors);
    check_groups(spec, errors);
    check_times(spec, errors);
    check_memory(spec, errors);
    plateau_check(spec, errors);
    if (spec->dataset.source == DATASET_GENERATE) job_spec_check_classes(spec, spec->dataset.generate.classes, errors);
}

/* ---- remarks ------------------------------------------------------------------------------------------- */
static bool is_adam(const struct optimizer_spec *o)
{
    return o->type != OPTIMIZER_SGD;
}

static struct err_note *remark(struct err_list *warnings, const char *word, const char *pointer)
{
    struct err_note *note = err_add(warnings, OK, pointer, "%s", "");
    err_print(note->nearest, sizeof note->nearest, "%s", word);
    return note;
}

static void warn_alpha_end(const struct job_spec *spec, struct err_list *warnings)
{
    const struct alpha *a = &spec->loss.alpha;
    int64_t epochs = spec->training.epochs, steps = epochs * spec->training.steps_per_epoch;
    double last = alpha_at(a, epochs - 1, epochs, steps - 1), end = a->value[a->count - 1];
    if (a->repeat > 0 || alpha_is_constant(a) || fabs(last - end) < 1e-12) return;
    struct err_note *note = remark(warnings, "alpha_end", "/loss/alpha");
    err_print(note->detail, sizeof note->detail, "the last epoch trains with alpha %.4g, not %.4g: epochs count from 0; to arrive, put the last point at epoch %lld", last, end,
              (long long)epochs - 1);
}

static void warn_weights(const struct job_spec *spec, struct err_list *warnings)
{
    const struct loss_spec *loss = &spec->loss;
    double sum = loss->lambda_dice + loss->lambda_ce;
    bool only = loss->by_lambda ? loss->lambda_ce <= 0 : alpha_is_constant(&loss->alpha) && loss->alpha.value[0] >= 1;
    if (only) {
        struct err_note *note = remark(warnings, "dice_only", loss->by_lambda ? "/loss/lambda_ce" : "/loss/alpha");
        err_print(note->detail, sizeof note->detail, "Dice alone is unstable where foreground is rare, and its probabilities are badly calibrated: a little cross-entropy helps");
    }
    if (loss->strategy == LOSS_SCHEDULED && alpha_is_constant(&loss->alpha)) {
        struct err_note *note = remark(warnings, "equivalent", "/loss/alpha");
        err_print(note->detail, sizeof note->detail, "this schedule never moves: the same as strategy constant");
    }
    if (!loss->by_lambda || fabs(sum - 1) < 1e-12) return;
    char alpha[32], factor[32];
    json_text_number(loss->lambda_dice / sum, 0, alpha);
    json_text_number(sum, 0, factor);
    struct err_note *note = remark(warnings, is_adam(&spec->optimizer) ? "adam_ignores_scale" : "equivalent", "/loss/lambda_dice");
    if (is_adam(&spec->optimizer))
        err_print(note->detail, sizeof note->detail, "Adam ignores the scale of a loss: but for eps the same as alpha %s", alpha);
    else
        err_print(note->detail, sizeof note->detail, "the same as alpha %s with the learning rate times %s", alpha, factor);
}

static void warn_separate(const struct job_spec *spec, struct err_list *warnings)
{
    const struct optimizer_spec *d = &spec->loss.optimizers.dice, *c = &spec->loss.optimizers.ce;
    enum loss_mode mode = spec->loss.optimizers.mode;
    bool plain = d->weight_decay <= 0 && c->weight_decay <= 0 && d->clip_norm <= 0 && c->clip_norm <= 0;
    bool same = fabs(d->momentum - c->momentum) < 1e-15 && d->nesterov == c->nesterov;
    if (is_adam(d) && is_adam(c))
        err_print(remark(warnings, "adam_ignores_scale", "/loss/optimizers")->detail, sizeof warnings->notes[0].detail,
                  "with two Adams the losses have no weights; only the ratio of the learning rates decides, here %.6g to 1", d->lr / c->lr);
    if (mode == LOSS_SIMULTANEOUS && !is_adam(d) && !is_adam(c) && plain && same)
        err_print(remark(warnings, "equivalent", "/loss/optimizers")->detail, sizeof warnings->notes[0].detail,
                  "two SGDs with the same momentum at the same point: the same as one SGD on %.6g Dice + %.6g cross-entropy with learning rate 1", d->lr, c->lr);
    if (d->weight_decay > 0 && c->weight_decay > 0)
        err_print(remark(warnings, "decay_twice", "/loss/optimizers/ce/weight_decay")->detail, sizeof warnings->notes[0].detail,
                  "both optimizers decay the same weights: leave it to one");
    if (mode != LOSS_ALTERNATING_BATCHES)
        err_print(remark(warnings, "cost", "/loss/optimizers/mode")->detail, sizeof warnings->notes[0].detail, "a step costs about %s a one-loss step: %s",
                  mode == LOSS_SIMULTANEOUS ? "5/3 of" : "twice", mode == LOSS_SIMULTANEOUS ? "one forward and two backward passes" : "two forward and two backward passes");
}

static void warn_method(const struct job_spec *spec, struct err_list *warnings)
{
    const struct loss_spec *loss = &spec->loss;
    bool full = method_takes_gram(loss->method) && loss->gram.level == GRAM_FULL;
    bool projects = loss->method == METHOD_PCGRAD || loss->method == METHOD_UPGRAD || loss->method == METHOD_DUALPROJ;
    double factor = full ? 1 + 2.0 / 3 / (loss->gram.scope == GRAM_LAYER ? 1 : loss->gram.every) : loss->method == METHOD_FAMO ? 4.0 / 3 : 1;
    if (projects && loss->gram.level == GRAM_LOGITS && loss->activation != LOSS_SOFTMAX && loss->ce.label_smoothing <= 0 && loss->dice.smooth_nr <= loss->dice.smooth_dr) {
        struct err_note *note = remark(warnings, "sign_theorem", "/loss/gram/level");
        err_print(note->detail, sizeof note->detail, "with two classes and hard labels the gradients of Dice and cross-entropy have the same sign at every logit: at level logits this method "
                                                     "never finds a conflict");
    }
    if (factor > 1.01) {
        struct err_note *note = remark(warnings, "cost", full ? "/loss/gram" : "/loss/method");
        err_print(note->detail, sizeof note->detail, "a step costs about %.2f times a one-loss step: %s", factor, full ? "two backward passes where gradients are compared" : "one more forward pass");
    }
}

void job_warn(const struct job_spec *spec, struct err_list *warnings)
{
    if (spec->loss.strategy == LOSS_SEPARATE_OPTIMIZERS) {
        warn_separate(spec, warnings);
        return;
    }
    if (spec->loss.method != METHOD_NONE) {
        warn_method(spec, warnings);
        return;
    }
    if (spec->loss.alpha.plateau.on)
        plateau_warn(spec, warnings);
    else if (spec->loss.strategy == LOSS_SCHEDULED)
        warn_alpha_end(spec, warnings);
    warn_weights(spec, warnings);
}
