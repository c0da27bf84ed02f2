/* handle_report: what a worker tells of its attempt: metrics, log lines, how it ended, that it gives the job back. */
#include "server/handle.h"

#include <stdlib.h>
#include <string.h>
#include "schema/base/json_fields.h"
#include "schema/job/image_scores.h"
#include "schema/job/job_state.h"
#include "schema/job/metric.h"
#include "server/must.h"

/* ---- metrics ------------------------------------------------------------------------------------------------------- */
struct batch_body {
    char lease_token[HANDLE_LEASE_TOKEN_BYTES];
    int64_t seq;
};
static const struct field metrics_fields[] = {
    {.name = "lease_token", .type = FIELD_TEXT, FIELD_AT(struct batch_body, lease_token), .required = true},
    {.name = "seq", .type = FIELD_INT64, FIELD_AT(struct batch_body, seq), .min = 1, .max = 9e15, .required = true},
    {.name = "series", .type = FIELD_OTHER},
    {0},
};

void handle_attempt_metrics(struct http_request *r)
{
    struct batch_body body = {0};
    struct queue_metrics args = {0};
    struct metric_batch batch;
    struct err_list errors = {0};
    json_t *json = NULL;
    if (!handle_read(r, metrics_fields, false, &body, &json)) return;
    if (metric_batch_read(json, &batch, &errors))
        handle_refuse_all(r, &errors);
    else {
        args.batch = &batch;
        if (handle_lease(r, body.lease_token, &args.lease)) handle_posted(r, queue_metrics(handle_app(r)->queue, &args, handle_done_204, r));
        metric_batch_free(&batch);
    }
    json_decref(json);
}

/* ---- logs ------------------------------------------------------------------------------------------------------------ */
enum { LOG_LINES_MAX = 1000, LOG_TEXT_BYTES_MAX = 8192 };
static const struct field logs_fields[] = {
    {.name = "lease_token", .type = FIELD_TEXT, FIELD_AT(struct batch_body, lease_token), .required = true},
    {.name = "seq", .type = FIELD_INT64, FIELD_AT(struct batch_body, seq), .min = 1, .max = 9e15, .required = true},
    {.name = "lines", .type = FIELD_OTHER},
    {0},
};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};

static bool is_level(const char *word)
{
    for (int i = 0; level_words[i]; i++)
        if (word && !strcmp(word, level_words[i])) return true;
    return false;
}

static void read_line(const json_t *json, size_t i, struct queue_log_line *line, struct err_list *errors)
{
    char pointer[64];
    const json_t *at = json_object_get(json, "at_ms"), *level = json_object_get(json, "level"), *text = json_object_get(json, "text");
    err_print(pointer, sizeof pointer, "/lines/%zu", i);
    if (!json_is_integer(at) || json_integer_value(at) < 0)
        json_fields_refuse(errors, ERR_TYPE, pointer, at, "at_ms: milliseconds since 1970", "");
    else if (!is_level(json_string_value(level)))
        json_fields_refuse(errors, ERR_WORD_UNKNOWN, pointer, level, "level: one of debug, info, warn, error", "");
    else if (!json_is_string(text) || json_string_length(text) > LOG_TEXT_BYTES_MAX)
        json_fields_refuse(errors, ERR_TYPE, pointer, text, "text: at most 8192 bytes", "");
    else
        *line = (struct queue_log_line){json_integer_value(at), json_string_value(level), json_string_value(text)};
}

/* The lines point into `list`. */
static struct queue_log_line *read_lines(const json_t *list, struct err_list *errors)
{
    size_t count = json_array_size(list), i;
    json_t *one;
    if (!json_is_array(list) || count < 1 || count > LOG_LINES_MAX)
        json_fields_refuse(errors, ERR_TYPE, "/lines", list, "an array of 1 to 1000 lines", "");
    struct queue_log_line *lines = must_calloc(count + 1, sizeof *lines);
    if (errors->count) return lines;
    json_array_foreach(list, i, one) read_line(one, i, &lines[i], errors);
    return lines;
}

void handle_attempt_logs(struct http_request *r)
{
    struct batch_body body = {0};
    struct err_list errors = {0};
    struct queue_logs args = {0};
    json_t *json = NULL;
    if (!handle_read(r, logs_fields, false, &body, &json)) return;
    const json_t *list = json_object_get(json, "lines");
    struct queue_log_line *lines = read_lines(list, &errors);
    if (errors.count)
        handle_refuse_all(r, &errors);
    else if (handle_lease(r, body.lease_token, &args.lease)) {
        args.seq = body.seq;
        args.lines = lines;
        args.count = json_array_size(list);
        handle_posted(r, queue_logs(handle_app(r)->queue, &args, handle_done_204, r));
    }
    free(lines);
    json_decref(json);
}

/* ---- finish and release ------------------------------------------------------------------------------------------------- */
struct failure_body {
    char class[32], message[1025];
};
static bool failure_fits(const char *text)
{
    return job_failure_of_word(text) > 0;
}
static const struct field failure_fields[] = {
    {.name = "class", .type = FIELD_TEXT, FIELD_AT(struct failure_body, class), .required = true, .text_fits = failure_fits,
     .allowed = "one of: spec_error, data_error, diverged, timeout, no_progress, worker_lost, out_of_memory, no_space, poison, internal"},
    {.name = "message", .type = FIELD_TEXT, FIELD_AT(struct failure_body, message)},
    {0},
};
static const char *const outcome_words[] = {"succeeded", "failed", "cancelled", "paused", "pruned", NULL};
enum { OUTCOME_FAILED = 1 };
struct finish_body {
    char lease_token[HANDLE_LEASE_TOKEN_BYTES];
    int outcome;
};
static const struct field finish_fields[] = {
    {.name = "lease_token", .type = FIELD_TEXT, FIELD_AT(struct finish_body, lease_token), .required = true},
    {.name = "outcome", .type = FIELD_WORD, FIELD_AT(struct finish_body, outcome), .words = outcome_words, .required = true},
    {.name = "result", .type = FIELD_OTHER},
    {.name = "images", .type = FIELD_OTHER},
    {.name = "failure", .type = FIELD_OTHER},
    {.name = "kernels", .type = FIELD_OTHER},
    {.name = "loss_resolved", .type = FIELD_OTHER},
    {0},
};

static void read_failure(const json_t *json, bool failed, struct failure_body *failure, struct err_list *errors)
{
    const json_t *given = json_object_get(json, "failure");
    if (given && !json_is_null(given))
        json_fields_read(given, failure_fields, failure, "/failure", errors);
    else if (failed)
        json_fields_refuse(errors, ERR_KEY_MISSING, "/failure", given, "an object with class and message", "failed needs its failure");
}

static void objects_only(const json_t *json, struct err_list *errors)
{
    static const char *const keys[] = {"result", "kernels", "loss_resolved", NULL};
    for (int i = 0; keys[i]; i++) {
        const json_t *value = json_object_get(json, keys[i]);
        char pointer[32];
        json_pointer_join(pointer, sizeof pointer, "", keys[i]);
        if (value && !json_is_null(value) && !json_is_object(value)) json_fields_refuse(errors, ERR_TYPE, pointer, value, "an object", "");
    }
}

/* Once checked here they are stored as they came. */
static void check_images(const json_t *json, struct err_list *errors)
{
    const json_t *given = json_object_get(json, "images");
    struct image_scores scores;
    if (!given || json_is_null(given)) return;
    if (image_scores_read(given, "/images", &scores, errors) == ERR_NO_MEMORY) err_add(errors, ERR_NO_MEMORY, "/images", "no memory for the scores of so many images");
    image_scores_free(&scores);
}

static void post_finish(struct http_request *r, const struct finish_body *body, const struct failure_body *failure, const json_t *json)
{
    struct queue_finish args = {.outcome = outcome_words[body->outcome], .failure_class = *failure->class ? failure->class : NULL,
                                .failure_message = failure->message};
    if (!handle_lease(r, body->lease_token, &args.lease)) return;
    char *result = handle_text_of(json, "result"), *kernels = handle_text_of(json, "kernels"), *loss = handle_text_of(json, "loss_resolved"),
         *images = handle_text_of(json, "images");
    args.result_json = result;
    args.images_json = images;
    args.kernels_json = kernels;
    args.loss_resolved_json = loss;
    handle_posted(r, queue_finish(handle_app(r)->queue, &args, handle_done_200, r));
    free(result);
    free(images);
    free(kernels);
    free(loss);
}

void handle_attempt_finish(struct http_request *r)
{
    struct finish_body body = {0};
    struct failure_body failure = {0};
    struct err_list errors = {0};
    json_t *json = NULL;
    if (!handle_read(r, finish_fields, false, &body, &json)) return;
    read_failure(json, body.outcome == OUTCOME_FAILED, &failure, &errors);
    objects_only(json, &errors);
    check_images(json, &errors);
    if (errors.count)
        handle_refuse_all(r, &errors);
    else
        post_finish(r, &body, &failure, json);
    json_decref(json);
}

struct release_body {
    char lease_token[HANDLE_LEASE_TOKEN_BYTES], reason[257];
};
static const struct field release_fields[] = {
    {.name = "lease_token", .type = FIELD_TEXT, FIELD_AT(struct release_body, lease_token), .required = true},
    {.name = "reason", .type = FIELD_TEXT, FIELD_AT(struct release_body, reason), .one_line = true},
    {0},
};

void handle_attempt_release(struct http_request *r)
{
    struct release_body body = {0};
    struct queue_lease lease;
    if (!handle_read(r, release_fields, false, &body, NULL) || !handle_lease(r, body.lease_token, &lease)) return;
    handle_posted(r, queue_release(handle_app(r)->queue, &lease, body.reason, handle_done_200, r));
}
