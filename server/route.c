/* route: rows of api.tbl, each with its handler.
   To add an operation: a row in api.tbl, one in openapi.json, a function in a handle_*.c (declared in handle.h), a row below,
   and a request in tests/server/test_api.c: the contract test misses whichever is forgotten. */
#include "server/route.h"

#include <assert.h>
#include "schema/api/api_table.h"
#include "server/handle.h"

static const struct {
    http_handler *handler;
    const struct http_sink *sink;
} handlers[API_OP_COUNT] = {
    [API_ROOT] = {handle_root, NULL},
    [API_LIVEZ] = {handle_livez, NULL},
    [API_READYZ] = {handle_readyz, NULL},
    [API_VERSION] = {handle_version, NULL},
    [API_METRICS] = {handle_metrics, NULL},
    [API_OPENAPI] = {handle_openapi, NULL},
    [API_SCHEMA] = {handle_schema, NULL},
    [API_STRATEGIES] = {handle_strategies, NULL},
    [API_ALPHA_PREVIEW] = {handle_alpha_preview, NULL},
    [API_JOB_SUBMIT] = {handle_job_submit, NULL},
    [API_JOB_LIST] = {handle_job_list, NULL},
    [API_JOB_GET] = {handle_job_get, NULL},
    [API_JOB_CANCEL] = {handle_job_cancel, NULL},
    [API_JOB_RETRY] = {handle_job_retry, NULL},
    [API_JOB_METRICS] = {handle_job_metrics, NULL},
    [API_JOB_LOGS] = {handle_job_logs, NULL},
    [API_JOB_EVENTS] = {handle_job_events, NULL},
    [API_JOB_ATTEMPTS] = {handle_job_attempts, NULL},
    [API_JOB_IMAGES] = {handle_job_images, NULL},
    [API_JOB_ARTIFACTS] = {handle_job_artifacts, NULL},
    [API_JOB_ARTIFACT] = {handle_job_artifact, NULL},
    [API_EVENTS] = {handle_events, NULL},
    [API_SWEEP_SUBMIT] = {handle_sweep_submit, NULL},
    [API_SWEEP_PREVIEW] = {handle_sweep_preview, NULL},
    [API_SWEEP_LIST] = {handle_sweep_list, NULL},
    [API_SWEEP_GET] = {handle_sweep_get, NULL},
    [API_SWEEP_TRIALS] = {handle_sweep_trials, NULL},
    [API_SWEEP_REPORT] = {handle_sweep_report, NULL},
    [API_SWEEP_CANCEL] = {handle_sweep_cancel, NULL},
    [API_SWEEP_EXTEND] = {handle_sweep_extend, NULL},
    [API_DATASET_LIST] = {handle_dataset_list, NULL},
    [API_DATASET_GET] = {handle_dataset_get, NULL},
    [API_DATASET_PUT] = {handle_dataset_put, &sink_dataset_put},
    [API_WORKER_LIST] = {handle_worker_list, NULL},
    [API_BACKUP] = {handle_backup, NULL},
    [API_WORKER_REGISTER] = {handle_worker_register, NULL},
    [API_WORKER_CLAIM] = {handle_worker_claim, NULL},
    [API_WORKER_DATASET] = {handle_worker_dataset, NULL},
    [API_ATTEMPT_HEARTBEAT] = {handle_attempt_heartbeat, NULL},
    [API_ATTEMPT_METRICS] = {handle_attempt_metrics, NULL},
    [API_ATTEMPT_LOGS] = {handle_attempt_logs, NULL},
    [API_ATTEMPT_FINISH] = {handle_attempt_finish, NULL},
    [API_ATTEMPT_RELEASE] = {handle_attempt_release, NULL},
    [API_ATTEMPT_ARTIFACT_PUT] = {handle_attempt_artifact_put, &sink_attempt_artifact_put},
    [API_ATTEMPT_ARTIFACT_GET] = {handle_attempt_artifact_get, NULL},
};

static const unsigned roles[] = {
    [API_ANYONE] = 0,
    [API_SUBMIT] = AUTH_SUBMIT,
    [API_WORKER] = AUTH_WORKER,
    [API_ADMIN] = AUTH_ADMIN,
};

const struct http_routes *route_table(void)
{
    static struct http_route rows[API_OP_COUNT + 1];
    static const struct http_routes table = {http_find_in_array, rows};
    for (int op = 0; op < API_OP_COUNT; op++) {
        const struct api_row *row = api_row((enum api_op)op);
        assert(handlers[op].handler && row->body_max >= 0);
        rows[op] = (struct http_route){row->name, row->method, row->path, roles[row->role], (uint64_t)row->body_max,
                                       handlers[op].handler, handlers[op].sink};
    }
    return &table;
}
