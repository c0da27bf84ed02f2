/* job_spec_json: the table of the whole job, and what is only wrong together.
   To add a key: its member in job_spec.h with unit and range, its default in job_spec.c, a row here, one accepted and one
   refused case in tests/vectors/job_spec, its line in openapi.json. */
#include "schema/job/job_spec_json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "schema/base/json_fields.h"
#include "schema/base/sha256.h"
#include "schema/job/dataset_json.h"
#include "schema/job/job_check.h"
#include "schema/job/loss_spec_json.h"
#include "schema/job/model_json.h"

enum { JOB_BYTES_MAX = 256 * 1024 };
static const char *const lr_types[] = {"constant", "poly", "cosine", "step", NULL};

static bool algorithm_fits(const char *text)
{
    return !strcmp(text, "direct") || !strcmp(text, "winograd");
}

static bool project_fits(const char *text)
{
    return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

static bool monitor_fits(const char *text)
{
    static const char *const words[] = {"val/dice", "val/iou"};
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(words[i]), digits;
        if (strncmp(text, words[i], n)) continue;
        if (!text[n]) return true;
        digits = text[n] == '/' ? strspn(text + n + 1, "0123456789") : 0;
        if (digits >= 1 && digits <= 3 && !text[n + 1 + digits]) return true;
    }
    return false;
}

#define ROW(struct_name, member_name, field_type, ...) \
    {.name = #member_name, .type = field_type, FIELD_AT(struct struct_name, member_name), __VA_ARGS__}
static const struct field lr_schedule_fields[] = {
    ROW(lr_schedule_spec, type, FIELD_WORD, .words = lr_types, .help = "how the learning rates move"),
    ROW(lr_schedule_spec, power, FIELD_REAL, .min = 0, .max = 100, .open_min = true, .help = "poly: lr (1 - e/E)^power"),
    ROW(lr_schedule_spec, end, FIELD_REAL, .min = 0, .max = 1, .help = "cosine: from lr to lr * end"),
    ROW(lr_schedule_spec, every, FIELD_INT, .min = 1, .max = 100000, .help = "step: epochs between drops"),
    ROW(lr_schedule_spec, gamma, FIELD_REAL, .min = 0, .max = 1, .open_min = true, .help = "step: factor of a drop"),
    ROW(lr_schedule_spec, warmup_epochs, FIELD_INT, .min = 0, .max = 100000, .help = "epochs in which the rate rises to lr"),
    {0}};
static const struct field training_fields[] = {
    ROW(training_spec, epochs, FIELD_INT, .min = 1, .max = 100000, .help = "rounds, each with a validation"),
    ROW(training_spec, steps_per_epoch, FIELD_INT, .min = 1, .max = 1000000, .help = "batches in a round"),
    ROW(training_spec, batch, FIELD_INT, .min = 1, .max = 1024, .help = "pictures in a step"),
    {.name = "patch", .type = FIELD_INT, .offset = offsetof(struct training_spec, patch), .size = sizeof(int), .min = 8, .max = 4096,
     .array_min = 2, .array_max = 3, .count_offset = offsetof(struct training_spec, rank), .help = "rows and columns of a crop"},
    ROW(training_spec, threads, FIELD_INT, .apart = true, .min = 0, .max = 1024, .help = "0: all that the worker gives"),
    ROW(training_spec, oversample_foreground, FIELD_REAL, .min = 0, .max = 1, .help = "share of the batch cropped around foreground"),
    ROW(training_spec, checkpoint_epochs, FIELD_INT, .min = 1, .max = 100000, .help = "epochs between checkpoints"),
    ROW(training_spec, checkpoint_s, FIELD_REAL, .min = 0, .max = 1e9, .open_min = true, .help = "a long epoch is saved after so many seconds, too"),
    {0}};
static const struct field augmentation_fields[] = {
    {.name = "mirror", .type = FIELD_BOOL, FIELD_AT(struct job_spec, augmentation.mirror), .help = "flip both axes at random"},
    {.name = "rotate90", .type = FIELD_BOOL, FIELD_AT(struct job_spec, augmentation.rotate90), .help = "quarter turns at random; a square patch"},
    {0}};
static const char *const score_words[] = {"surface", "calibration", NULL}, *const empty_words[] = {"nan", "one", NULL};
static const struct field validation_fields[] = {
    ROW(validation_spec, every_epochs, FIELD_INT, .min = 1, .max = 100000, .help = "epochs between validations"),
    ROW(validation_spec, folds, FIELD_INT, .min = 0, .max = 20, .help = "0: the data set's own split; else its items are dealt anew, a group never apart"),
    ROW(validation_spec, fold, FIELD_INT, .min = 0, .max = 19, .help = "the fold that validates; the others train"),
    {.name = "tile", .type = FIELD_INT, .offset = offsetof(struct validation_spec, tile), .size = sizeof(int), .min = 8, .max = 4096, .nullable = true,
     .array_min = 2, .array_max = 3, .count_offset = offsetof(struct validation_spec, tile_rank), .help = "rows and columns that are judged at once; null: the training patch"},
    ROW(validation_spec, tile_overlap, FIELD_REAL, .min = 0, .max = 0.9, .help = "share of a tile that neighbouring tiles have in common"),
    ROW(validation_spec, monitor, FIELD_TEXT, .text_fits = monitor_fits, .allowed = "val/dice, val/iou, or one class of them: val/dice/1", .help = "what makes a checkpoint the best"),
    ROW(validation_spec, previews, FIELD_INT, .min = 0, .max = 64, .help = "validation pictures to draw"),
    {.name = "scores", .type = FIELD_WORD, .offset = offsetof(struct validation_spec, scores), .size = sizeof(enum validation_score), .words = score_words,
     .array_max = VALIDATION_SCORES, .count_offset = offsetof(struct validation_spec, score_count), .help = "made at every validation, not only of the best weights"},
    ROW(validation_spec, nsd_tolerance, FIELD_REAL, .min = 0, .max = 1e6, .help = "pixels by which borders may differ for val/nsd"),
    ROW(validation_spec, empty, FIELD_WORD, .words = empty_words, .help = "an image that lacks a class, truly and as predicted: no value, or a perfect one"),
    {0}};
static const struct field kernel_fields[] = {
    {.name = "layer", .type = FIELD_TEXT, .offset = offsetof(struct kernels_spec, layers[0].layer) - offsetof(struct kernels_spec, layers),
     .size = sizeof ((struct kernels_spec *)NULL)->layers[0].layer, .required = true, .one_line = true},
    {.name = "forward", .type = FIELD_TEXT, .offset = offsetof(struct kernels_spec, layers[0].forward) - offsetof(struct kernels_spec, layers),
     .size = 12, .required = true, .text_fits = algorithm_fits, .allowed = "\"direct\" or \"winograd\""},
    {.name = "backward_data", .type = FIELD_TEXT, .offset = offsetof(struct kernels_spec, layers[0].backward_data) - offsetof(struct kernels_spec, layers),
     .size = 12, .required = true, .text_fits = algorithm_fits, .allowed = "\"direct\" or \"winograd\""},
    {.name = "backward_weights", .type = FIELD_TEXT, .offset = offsetof(struct kernels_spec, layers[0].backward_weights) - offsetof(struct kernels_spec, layers),
     .size = 12, .required = true, .text_fits = algorithm_fits, .allowed = "\"direct\" or \"winograd\""},
    {0}};
static const struct field kernels_fields[] = {
    ROW(kernels_spec, micro_batch, FIELD_INT, .min = 1, .max = 1024, .help = "pictures in one call of a kernel"),
    {.name = "layers", .type = FIELD_OBJECT, .offset = offsetof(struct kernels_spec, layers), .size = sizeof ((struct kernels_spec *)NULL)->layers[0],
     .fields = kernel_fields, .array_min = 0, .array_max = KERNELS_MAX, .count_offset = offsetof(struct kernels_spec, count)},
    {0}};

static void read_kernels(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    struct kernels_spec *kernels = to;
    if (json_is_null(value)) return;
    kernels->given = true;
    kernels->micro_batch = 1;
    json_fields_read(value, kernels_fields, kernels, pointer, errors);
}

static enum err write_kernels(const void *from, struct buf *to)
{
    const struct kernels_spec *kernels = from;
    return kernels->given ? json_fields_print(kernels_fields, kernels, to) : buf_text(to, "null");
}

static void read_dataset(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    dataset_spec_read(value, to, pointer, errors);
}

static enum err write_dataset(const void *from, struct buf *to)
{
    return dataset_spec_print(from, to);
}

static enum err write_loss(const void *from, struct buf *to)
{
    return loss_spec_print(from, to);
}

static bool has_optimizer(const void *base)
{
    return ((const struct job_spec *)base)->loss.strategy != LOSS_SEPARATE_OPTIMIZERS;
}

/* Rows that are `apart` do not change what is trained: job_spec_hash leaves them out. */
static const struct field job_fields[] = {
    ROW(job_spec, name, FIELD_TEXT, .apart = true, .one_line = true, .help = "for people"),
    ROW(job_spec, project, FIELD_TEXT, .apart = true, .text_fits = project_fits, .allowed = "1 to 64 letters, digits, . _ -", .help = "jobs that belong together"),
    {.name = "tags", .type = FIELD_TEXT, .offset = offsetof(struct job_spec, tags), .size = JOB_TAG_MAX + 1, .apart = true, .one_line = true,
     .array_min = 0, .array_max = JOB_TAGS_MAX, .count_offset = offsetof(struct job_spec, tag_count), .help = "to filter by"},
    ROW(job_spec, notes, FIELD_TEXT, .apart = true, .help = "for people"),
    ROW(job_spec, dataset, FIELD_OTHER, .read = read_dataset, .write = write_dataset, .help = "what to train on: the one key without default"),
    ROW(job_spec, model, FIELD_OBJECT, .fields = model_fields, .help = "the network"),
    ROW(job_spec, loss, FIELD_OTHER, .write = write_loss, .help = "how Dice and cross-entropy are combined"),
    ROW(job_spec, optimizer, FIELD_OBJECT, .fields = optimizer_fields, .applies = has_optimizer, .help = "not with separate_optimizers, which brings its own two"),
    ROW(job_spec, lr_schedule, FIELD_OBJECT, .fields = lr_schedule_fields, .help = "how learning rates move"),
    ROW(job_spec, training, FIELD_OBJECT, .fields = training_fields, .help = "how long and on what"),
    {.name = "augmentation", .type = FIELD_OBJECT, .fields = augmentation_fields, .help = "what is done to a crop"},
    ROW(job_spec, validation, FIELD_OBJECT, .fields = validation_fields, .help = "how it is judged"),
    ROW(job_spec, seed, FIELD_INT64, .min = 0, .max = 9007199254740991.0, .help = "of every random choice"),
    ROW(job_spec, priority, FIELD_INT, .apart = true, .min = -100, .max = 100, .help = "higher first"),
    ROW(job_spec, max_attempts, FIELD_INT, .apart = true, .min = 1, .max = 100, .help = "tries after failures that may pass"),
    ROW(job_spec, timeout_s, FIELD_REAL, .apart = true, .min = 0, .max = 1e9, .open_min = true, .nullable = true, .help = "longest run"),
    ROW(job_spec, kernels, FIELD_OTHER, .apart = true, .read = read_kernels, .write = write_kernels, .help = "the algorithm of each layer; filled by a worker"),
    {0}};

enum err job_spec_read(const json_t *json, struct job_spec *spec, struct err_list *errors, struct err_list *warnings)
{
    size_t before = errors->count + errors->dropped;
    job_spec_default(spec);
    json_fields_read(json, job_fields, spec, "", errors);
    if (!json_is_object(json)) return ERR_SPEC;
    if (!json_object_get(json, "dataset")) dataset_spec_read(NULL, &spec->dataset, "/dataset", errors);
    loss_spec_read(json_object_get(json, "loss"), spec->training.epochs, spec->training.steps_per_epoch, &spec->loss, "/loss", errors);
    const json_t *optimizer = json_object_get(json, "optimizer");
    if (optimizer && spec->loss.strategy == LOSS_SEPARATE_OPTIMIZERS)
        json_fields_refuse(errors, ERR_KEY_UNEXPECTED, "/optimizer", optimizer, "loss.optimizers.dice and loss.optimizers.ce",
                           "separate_optimizers brings its own two");
    job_check(spec, errors);
    if (errors->count + errors->dropped > before) return ERR_SPEC;
    job_warn(spec, warnings);
    return OK;
}

enum err job_spec_parse(const char *text, size_t length, struct job_spec *spec, struct err_list *errors, struct err_list *warnings)
{
    json_t *json;
    struct err_note note;
    enum err e = json_text_parse(text, length, JOB_BYTES_MAX, &json, &note);
    job_spec_default(spec);
    if (e) {
        err_add(errors, e, "", "%s", note.detail);
        return e;
    }
    e = job_spec_read(json, spec, errors, warnings);
    json_decref(json);
    return e;
}

enum err job_spec_print(const struct job_spec *spec, struct buf *to)
{
    return json_fields_print(job_fields, spec, to);
}

json_t *job_spec_write(const struct job_spec *spec)
{
    return json_fields_write(job_fields, spec);
}

void job_spec_hash(const struct job_spec *spec, char hex[65])
{
    struct buf text;
    buf_init(&text, JOB_TEXT_BYTES_MAX);
    enum err e = json_fields_print_core(job_fields, spec, &text);
    assert(!e);
    sha256_hex_of(text.data, text.length, hex);
    buf_free(&text);
}

enum err job_tags_print(const struct job_spec *spec, struct buf *to)
{
    enum err e = buf_text(to, "[");
    for (int i = 0; i < spec->tag_count && !e; i++) {
        if (i) e = buf_text(to, ",");
        if (!e) e = json_text_add_string(to, spec->tags[i], strlen(spec->tags[i]));
    }
    return e ? e : buf_text(to, "]");
}

enum err job_warnings_print(const struct err_list *warnings, struct buf *to)
{
    enum err e = buf_text(to, "[");
    for (size_t i = 0; i < warnings->count && !e; i++) {
        const struct err_note *n = &warnings->notes[i];
        e = buf_text(to, i ? ",{" : "{");
        if (!e) e = json_text_add_pair(to, "code", n->nearest);
        if (!e) e = json_text_add_pair(to, "pointer", n->pointer);
        if (!e) e = json_text_add_pair(to, "detail", n->detail);
        if (!e) e = buf_text(to, "}");
    }
    return e ? e : buf_text(to, "]");
}
