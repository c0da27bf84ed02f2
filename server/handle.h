/* handle: the operations of the REST API, one function each, and the few steps that all of them take. */
#ifndef SERVER_HANDLE_H
#define SERVER_HANDLE_H
#include "server/app.h"

/* One for each row of api.tbl, in its order; route.c ties them together. Two take uploads: their sinks are here, too. */
http_handler handle_root, handle_livez, handle_readyz, handle_version, handle_metrics, handle_openapi, handle_schema;
http_handler handle_strategies, handle_alpha_preview;
http_handler handle_job_submit, handle_job_list, handle_job_get, handle_job_cancel, handle_job_retry;
http_handler handle_job_metrics, handle_job_logs, handle_job_events, handle_job_attempts, handle_job_images, handle_job_artifacts,
    handle_job_artifact, handle_events;
http_handler handle_sweep_submit, handle_sweep_preview, handle_sweep_list, handle_sweep_get, handle_sweep_cancel, handle_sweep_extend,
    handle_sweep_trials, handle_sweep_report;
http_handler handle_dataset_list, handle_dataset_get, handle_dataset_put;
http_handler handle_worker_list, handle_backup, handle_worker_register, handle_worker_claim, handle_worker_dataset;
http_handler handle_attempt_heartbeat, handle_attempt_metrics, handle_attempt_logs, handle_attempt_finish,
    handle_attempt_release, handle_attempt_artifact_put, handle_attempt_artifact_get;
extern const struct http_sink sink_dataset_put, sink_attempt_artifact_put;

/* ---- the steps ------------------------------------------------------------------------------------------- */
struct app *handle_app(const struct http_request *r);
/* Whose jobs the caller may see, for queue_*: NULL for everybody's (an admin, or a server without tokens). */
const char *handle_owner(const struct http_request *r);
/* The end of a handler that called queue_*: `posted` is what it returned; when the queue is full, 503 goes out here. */
void handle_posted(struct http_request *r, enum err posted);
/* Sends an error and ends the request. */
void handle_refuse(struct http_request *r, enum err e, const struct err_note *note);
void handle_refuse_all(struct http_request *r, const struct err_list *errors);
/* 400: the query's `name` is a word that is not among the `allowed`, which are said as they are given. */
void handle_refuse_word(struct http_request *r, const char *name, const char *word, const char *allowed);
/* Sends a JSON value (takes it) and ends the request. */
void handle_reply(struct http_request *r, int status, json_t *json);
/* queue_done functions whose context is the request: the body as it is, or the error. */
void handle_done_200(void *context, struct queue_reply *reply);
void handle_done_201(void *context, struct queue_reply *reply); /* 200 when it existed */
void handle_done_204(void *context, struct queue_reply *reply);
/* The parts of them: true when the reply is an error, which then has been sent and the request ended. */
bool handle_failed(struct http_request *r, const struct queue_reply *reply);
void handle_take(struct http_request *r, int status, const char *type, struct queue_reply *reply); /* sets, does not finish */
void handle_etag(struct http_request *r, int64_t version);
/* The body as a JSON object by a table of fields into the struct at `to`, or a 400/422 that has been sent (false). An empty body is
   `{}` when `optional`. *json (may be NULL) keeps the object for what the table leaves to the caller. */
struct field;
bool handle_read(struct http_request *r, const struct field *fields, bool optional, void *to, json_t **json);
/* ?wait=S in seconds, at most 25; false when it was refused and the request ended. */
bool handle_wait_s(struct http_request *r, int64_t *wait_s);
/* A whole number from the query; false when it was refused and the request ended. */
bool handle_query(struct http_request *r, const char *name, int64_t low, int64_t high, int64_t absent, int64_t *value);
/* The lease that a worker's write names: {job} and {n} of the path, and the token. False: there can be no such attempt, which was said. */
enum { HANDLE_LEASE_TOKEN_BYTES = 129 };
bool handle_lease(struct http_request *r, const char *token, struct queue_lease *lease);
/* The JSON of `key` as text, NULL when absent or null; the caller frees it. */
char *handle_text_of(const json_t *json, const char *key);
/* Sends the file of a blob that the queue named in `reply` (Range, ETag = sha256), or the error; ends the request. */
void handle_file(void *context, struct queue_reply *reply);
#endif
