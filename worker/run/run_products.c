/* run_products: what a finished run leaves: result, model, curves, previews, scores of single images; and the event that it is done. */
#include "worker/run/run_inside.h"
#include <stdlib.h>
#include <string.h>
#include "schema/job/image_scores.h"
#include "worker/run/curves.h"
#include "worker/run/image_table.h"
#include "worker/run/model_file.h"
#include "worker/run/score_table.h"
#include "worker/run/verdict_json.h"
#include "worker/train/durable_file.h"

/* The epoch whose weights were evaluated; -1 when no epoch was trained. */
static int64_t judged_epoch(const struct run *r)
{
    int64_t best = trainer_result(r->trainer)->best_epoch, rows = trainer_history(r->trainer).rows;
    return best >= 0 && best < rows ? best : rows - 1;
}

static enum err result_json(const struct run *r, json_t **result, struct err_note *note)
{
    json_t *worst = NULL;
    enum err e = r->images ? image_table_worst(r->images, &worst, note) : OK;
    if (e)
        return e;
    const struct trainer_result *t = trainer_result(r->trainer);
    json_t *j = json_pack("{s:s, s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:f}", "name", r->spec.name, "monitor", r->spec.validation.monitor, "best_score", json_lines_number(t->best_score),
                          "last_score", json_lines_number(t->last_score), "weights_sha256", t->weights_sha256, "epochs", (json_int_t)t->epochs, "steps", (json_int_t)t->steps,
                          "skipped_steps", (json_int_t)t->skipped_steps, "best_epoch", (json_int_t)t->best_epoch, "seconds", t->seconds);
    struct trainer_history h = trainer_history(r->trainer);
    int64_t row = judged_epoch(r);
    json_t *table = score_table_write(&h, row, &r->set, &r->spec.validation);
    json_object_set_new(j, "best", score_table_flat(&h, row)); /* every validation value of the best epoch */
    if (table && worst)
        json_object_set(table, "worst_images", worst);
    json_decref(worst);
    if (table)
        json_object_set_new(j, "scores", table);
    struct gradient_verdict verdict;
    if (trainer_verdict(r->trainer, &verdict))
        json_object_set_new(j, "verdict", verdict_write(&verdict));
    json_object_set_new(j, "spec_hash", json_string(r->spec_hash));
    *result = j;
    return OK;
}

static const struct {
    const char *name, *kind;
} products[] = {{"model.safetensors", "model"}, {"model.json", "model"}, {"curves.csv", "curve"}, {"curves.svg", "curve"}, {"result.json", "other"}, {"images.json", "other"}};

static void tell_done(struct run *r, json_t *result)
{
    json_t *artifacts = json_array();
    char path[RUN_PATH_BYTES];
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
    char path[RUN_PATH_BYTES];
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
    char path[RUN_PATH_BYTES];
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
        run_say(r, "warn", "the scores of single images are in images.json alone: the set is too large to tell the server, and a report will not draw its images anew");
    free(text);
    return e;
}

enum err run_write_products(struct run *r, struct err_note *note)
{
    json_t *result = NULL;
    enum err e = write_images(r, note);
    if (!e)
        e = result_json(r, &result, note);
    if (!e)
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
