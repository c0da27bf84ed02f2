/* sweep_request: body -> JSON -> axes -> trials -> job specs -> what the queue takes. */
#include "server/sweep_request.h"

#include <stdlib.h>
#include <string.h>
#include "schema/base/json_text.h"
#include "server/json_body.h"
#include "server/must.h"

enum { SPEC_TEXT_BYTES_MAX = 8 << 20, LABELS_SHOWN = 1000 };

struct sweep_request *sweep_request_new(void)
{
    struct sweep_request *s = must_calloc(1, sizeof *s);
    s->jobs = submission_new();
    return s;
}

void sweep_request_free(struct sweep_request *s)
{
    for (size_t i = 0; s->trials && i < s->plan.count; i++) free((char *)(size_t)s->trials[i].kernels_json);
    free(s->trials);
    sweep_plan_free(&s->plan);
    sweep_spec_free(&s->spec);
    submission_free(s->jobs);
    json_decref(s->specs);
    free(s->spec_text);
    free(s->not_built_text);
    free(s);
}

static char *text_of(const json_t *json)
{
    struct buf b;
    buf_init(&b, SPEC_TEXT_BYTES_MAX);
    char *text = json_text_write(json, &b) ? NULL : buf_take(&b);
    buf_free(&b);
    return text;
}

/* ---- mistakes ------------------------------------------------------------------------------------------------- */
static bool is_said(const struct err_list *errors, size_t from, const struct err_note *note)
{
    for (size_t i = from; i < errors->count; i++)
        if (errors->notes[i].code == note->code && !strcmp(errors->notes[i].pointer, note->pointer) && !strcmp(errors->notes[i].found, note->found)) return true;
    return false;
}

/* "/12/loss/alpha" of trial 12 becomes "/base/loss/alpha", said once for all trials that share it. */
static void tell_of_trials(const struct sweep_request *s, struct err_list *found, struct err_list *errors)
{
    size_t from = errors->count;
    for (size_t i = 0; i < found->count; i++) {
        struct err_note *note = &found->notes[i];
        char *rest, pointer[sizeof note->pointer];
        size_t trial = note->pointer[0] == '/' ? strtoul(note->pointer + 1, &rest, 10) : 0;
        err_print(pointer, sizeof pointer, "/base%s", note->pointer[0] == '/' ? rest : "");
        memcpy(note->pointer, pointer, sizeof pointer);
        if (is_said(errors, from, note)) continue;
        struct err_note *told = err_add(errors, note->code, note->pointer, "%s", note->detail);
        *told = *note;
        if (trial < s->plan.count && strcmp(s->plan.trials[trial].label, "base"))
            err_print(told->detail, sizeof told->detail, "%s (in the trial %s)", note->detail, s->plan.trials[trial].label);
    }
    errors->dropped += found->dropped;
}

/* ---- trials ------------------------------------------------------------------------------------------------------ */
/* Jobs that differ in nothing of this have the same layers on the same sizes: what is quickest for one is so for all. */
static void shape_of(const json_t *spec, char hex[SHA256_HEX])
{
    const json_t *training = json_object_get(spec, "training"), *activation = json_object_get(json_object_get(spec, "loss"), "activation");
    json_t *shape = json_pack("{s:O, s:O, s:O, s:O, s:O?, s:O?}", "dataset", json_object_get(spec, "dataset"), "model", json_object_get(spec, "model"), "patch",
                              json_object_get(training, "patch"), "batch", json_object_get(training, "batch"), "activation", activation, "kernels", json_object_get(spec, "kernels"));
    char *text = text_of(shape);
    sha256_hex_of(text ? text : "", text ? strlen(text) : 0, hex);
    free(text);
    json_decref(shape);
}

static void make_trials(struct sweep_request *s)
{
    s->trials = must_calloc(s->plan.count, sizeof *s->trials);
    s->specs = json_array();
    for (size_t i = 0; i < s->plan.count; i++) json_array_append_new(s->specs, json_loads(s->jobs->jobs[i].spec_json, 0, NULL));
    for (size_t i = 0; i < s->plan.count; i++) {
        const json_t *spec = json_array_get(s->specs, i), *kernels = json_object_get(spec, "kernels");
        s->trials[i] = (struct queue_trial){.label = s->plan.trials[i].label, .seed = s->plan.trials[i].seed, .fold = s->plan.trials[i].fold};
        s->trials[i].kernels_json = json_is_object(kernels) ? text_of(kernels) : NULL;
        shape_of(spec, s->trials[i].shape);
    }
}

static enum err read_trials(struct sweep_request *s, struct err_list *errors)
{
    struct err_list *found = must_calloc(1, sizeof *found);
    json_t *jobs = json_array();
    for (size_t i = 0; i < s->plan.count; i++) json_array_append(jobs, s->plan.trials[i].job);
    enum err e = submission_read_jobs(s->jobs, jobs, found);
    tell_of_trials(s, found, errors);
    json_decref(jobs);
    free(found);
    if (!e) make_trials(s);
    return e;
}

/* A reference that no trial has would be found out when all is trained. */
static enum err check_reference(const struct sweep_request *s, struct err_list *errors)
{
    const char *labels[SWEEP_TRIALS_MAX + 1] = {0};
    if (!*s->spec.reference) return OK;
    for (size_t i = 0; i < s->plan.variants; i++) {
        labels[i] = s->plan.trials[i].label;
        if (!strcmp(labels[i], s->spec.reference)) return OK;
    }
    struct err_note *note = err_add(errors, ERR_WORD_UNKNOWN, "/reference", "no variant has this name");
    const char *nearest = err_nearest(s->spec.reference, labels);
    err_print(note->found, sizeof note->found, "%s", s->spec.reference);
    err_print(note->allowed, sizeof note->allowed, "one of %zu variants: %s, ...", s->plan.variants, labels[0]);
    if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
    return ERR_SPEC;
}

/* A rung at the end of every trial or behind it would prune nothing, and nobody would be told. */
static enum err check_prune_reach(const struct sweep_request *s, struct err_list *errors)
{
    json_int_t longest = 0;
    for (size_t i = 0; i < s->plan.count && s->spec.prune.on; i++) {
        json_int_t own = json_integer_value(json_object_get(json_object_get(json_array_get(s->specs, i), "training"), "epochs"));
        longest = own > longest ? own : longest;
    }
    if (!s->spec.prune.on || s->spec.prune.min_epochs < longest) return OK;
    struct err_note *note = err_add(errors, ERR_RANGE, "/prune/min_epochs", "no trial trains longer than this: nothing would be pruned");
    err_print(note->found, sizeof note->found, "%d", s->spec.prune.min_epochs);
    err_print(note->allowed, sizeof note->allowed, "less than %lld, the epochs of the longest trial", (long long)longest);
    return ERR_SPEC;
}

static void fill_args(struct sweep_request *s)
{
    const struct sweep_prune *prune = &s->spec.prune;
    json_t *written = sweep_spec_write(&s->spec);
    s->spec_text = text_of(written);
    json_decref(written);
    s->not_built_text = text_of(s->spec.not_built);
    s->args = (struct queue_sweep){
        .name = s->spec.name, .project = s->jobs->jobs[0].project, .preset = s->spec.preset, .reference = s->spec.reference,
        .spec_json = s->spec_text, .not_built_json = s->not_built_text, .duplicates = (int64_t)s->plan.duplicates, .max_running = s->spec.max_running,
        .prune_metric = prune->on ? prune->metric : NULL, .prune_min_epochs = prune->min_epochs, .prune_eta = prune->eta,
        .jobs = s->jobs->jobs, .trials = s->trials, .count = s->plan.count, .body_sha256 = s->body_sha256,
    };
    if (s->spec_text) sha256_hex_of(s->spec_text, strlen(s->spec_text), s->args.spec_hash);
}

enum err sweep_request_read(struct sweep_request *s, const char *body, size_t length, struct err_list *errors, struct err_note *note)
{
    json_t *json = NULL;
    sha256_hex_of(body, length, s->body_sha256);
    if (!submission_values_fit(body, length, note)) return ERR_TOO_LARGE;
    enum err e = json_text_parse(body, length, SPEC_TEXT_BYTES_MAX, &json, note);
    if (!e) e = sweep_spec_read(json, &s->spec, errors);
    if (!e) e = sweep_expand(&s->spec, &s->plan, errors);
    if (!e) e = read_trials(s, errors);
    if (!e) e = check_reference(s, errors);
    if (!e) e = check_prune_reach(s, errors);
    if (!e) fill_args(s);
    json_decref(json);
    return e || s->spec_text ? e : err_set(note, ERR_TOO_LARGE, "", "a sweep of more than %d bytes", SPEC_TEXT_BYTES_MAX);
}

/* ---- preview ---------------------------------------------------------------------------------------------------------- */
static json_t *compute_of(const struct sweep_request *s)
{
    int64_t epochs = 0, steps = 0, pictures = 0, memory = 0, least = 0;
    for (size_t i = 0; i < s->plan.count; i++) {
        const json_t *training = json_object_get(json_array_get(s->specs, i), "training");
        int64_t own = json_integer_value(json_object_get(training, "epochs")), per = json_integer_value(json_object_get(training, "steps_per_epoch"));
        epochs += own;
        steps += own * per;
        pictures += own * per * json_integer_value(json_object_get(training, "batch"));
        least += s->spec.prune.on && s->spec.prune.min_epochs < own ? s->spec.prune.min_epochs : own;
        if (s->jobs->jobs[i].memory_bytes > memory) memory = s->jobs->jobs[i].memory_bytes;
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "epochs", (json_int_t)epochs, "epochs_at_least", (json_int_t)least, "steps", (json_int_t)steps, "pictures",
                     (json_int_t)pictures, "memory_bytes", (json_int_t)memory);
}

json_t *sweep_request_preview(const struct sweep_request *s)
{
    json_t *labels = json_array(), *shapes = json_object();
    for (size_t i = 0; i < s->plan.variants && i < LABELS_SHOWN; i++) json_array_append_new(labels, json_string(s->plan.trials[i].label));
    for (size_t i = 0; i < s->plan.count; i++) json_object_set_new(shapes, s->trials[i].shape, json_true());
    json_t *json = json_pack("{s:I, s:I, s:I, s:i, s:I, s:I, s:O, s:o, s:o, s:s, s:o}", "trials", (json_int_t)s->plan.count, "variants", (json_int_t)s->plan.variants,
                             "seeds", (json_int_t)(s->spec.seed_count ? s->spec.seed_count : 1), "folds", s->spec.folds, "duplicates", (json_int_t)s->plan.duplicates, "shapes",
                             (json_int_t)json_object_size(shapes), "not_built", s->spec.not_built, "labels", labels, "compute", compute_of(s), "spec_hash",
                             s->args.spec_hash, "spec", sweep_spec_write(&s->spec));
    json_decref(shapes);
    return json;
}
