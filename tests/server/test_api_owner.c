/* test_api_owner: a token sees, follows and steers what it submitted; everything of others is 404 and in no list. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "schema/api/api_table.h"
#include "server/auth.h"
#include "tests/check.h"
#include "tests/server/play.h"

#define SWEEP "{\"base\": " PLAY_JOB ", \"axes\": [{\"pointer\": \"/loss\", \"grid\": [{\"strategy\": \"constant\", \"alpha\": 0}, {\"strategy\": \"constant\"}]}], \"seeds\": "

enum { ANN, BOB, CHIEF, WHO_COUNT };
static const char *const flags[] = {"--token-file", "tokens", NULL};
static char secrets[WHO_COUNT][AUTH_SECRET_HEX];
static struct client who[WHO_COUNT];

static void start(struct daemon_run *d)
{
    static const char *const ids[] = {"ann", "bob", "chief"};
    char line[160];
    FILE *f = fopen("tokens", "w");
    CHECK(f);
    for (int i = 0; i < WHO_COUNT; i++) {
        auth_new_token(ids[i], i == CHIEF ? AUTH_ADMIN : AUTH_SUBMIT, secrets[i], line);
        fprintf(f, "%s\n", line);
    }
    fclose(f);
    CHECK_INT(chmod("tokens", 0600), 0);
    daemon_start(d, NULL, flags);
    for (int i = 0; i < WHO_COUNT; i++) {
        client_init(&who[i], d->port);
        who[i].token = secrets[i];
    }
}

static void stop(struct daemon_run *d)
{
    for (int i = 0; i < WHO_COUNT; i++) client_close(&who[i]);
    CHECK_INT(daemon_stop(d), 0);
}

/* Every operation under a job or a sweep, in an order in which its owner may call one after the other. */
static const struct {
    enum api_op op;
    const char *method, *path, *body; /* {id}: of the job, of the sweep */
    int status;                       /* for its owner */
} operations[] = {
    {API_JOB_GET, "GET", "/v1/jobs/{id}", NULL, 200},
    {API_JOB_GET, "GET", "/v1/jobs/{id}?wait=1&after=1", NULL, 200},
    {API_JOB_METRICS, "GET", "/v1/jobs/{id}/metrics", NULL, 200},
    {API_JOB_METRICS, "GET", "/v1/jobs/{id}/metrics?format=csv", NULL, 200},
    {API_JOB_LOGS, "GET", "/v1/jobs/{id}/logs", NULL, 200},
    {API_JOB_EVENTS, "GET", "/v1/jobs/{id}/events", NULL, 200},
    {API_JOB_ATTEMPTS, "GET", "/v1/jobs/{id}/attempts", NULL, 200},
    {API_JOB_IMAGES, "GET", "/v1/jobs/{id}/images", NULL, 200},
    {API_JOB_ARTIFACTS, "GET", "/v1/jobs/{id}/artifacts", NULL, 200},
    {API_JOB_ARTIFACT, "GET", "/v1/jobs/{id}/artifacts/model.safetensors", NULL, 200},
    {API_JOB_CANCEL, "POST", "/v1/jobs/{id}:cancel", "{\"grace_s\": 0.001}", 202},
    {API_JOB_RETRY, "POST", "/v1/jobs/{id}:retry", "{}", 202},
    {API_JOB_CANCEL, "POST", "/v1/jobs/{id}:cancel", "", 202},
    {API_SWEEP_GET, "GET", "/v1/sweeps/{id}", NULL, 200},
    {API_SWEEP_TRIALS, "GET", "/v1/sweeps/{id}/trials", NULL, 200},
    {API_SWEEP_REPORT, "GET", "/v1/sweeps/{id}/report", NULL, 200},
    {API_JOB_LIST, "GET", "/v1/jobs?sweep={id}", NULL, 200},
    {API_SWEEP_EXTEND, "POST", "/v1/sweeps/{id}:extend", SWEEP "2}", 202},
    {API_SWEEP_CANCEL, "POST", "/v1/sweeps/{id}:cancel", "", 202},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static int call(int me, size_t i, const char *job, const char *sweep)
{
    char path[256];
    struct reply r;
    bool of_sweep = strstr(operations[i].path, "sweep");
    const char *at = strstr(operations[i].path, "{id}");
    snprintf(path, sizeof path, "%.*s%s%s", (int)(at - operations[i].path), operations[i].path, of_sweep ? sweep : job, at + 4);
    const char *body = operations[i].body, *accept = operations[i].op == API_JOB_EVENTS ? "Accept: application/json\r\n" : NULL;
    client_call(&who[me], operations[i].method, path, accept, body, body ? strlen(body) : 0, &r);
    int status = r.status;
    if (status == 404) CHECK_HAS(r.body, of_sweep ? "no sweep has the id" : "no job has the id");
    reply_free(&r);
    return status;
}

/* A job of ann's that runs, with all that it can have; what the worker says is said by the admin. */
static void run_job(char job[64])
{
    struct lease l;
    char worker[64];
    play_submit(&who[ANN], PLAY_JOB, job);
    play_register(&who[CHIEF], "node", worker);
    CHECK(play_claim(&who[CHIEF], worker, "key", 0, &l));
    CHECK_TEXT(l.job, job);
    play_metrics(&who[CHIEF], &l, 1, "loss/total", 0, 10);
    json_decref(play_worker(&who[CHIEF], &l, 204, "logs", ", \"seq\": 1, \"lines\": [{\"at_ms\": 1, \"level\": \"info\", \"text\": \"epoch 1\"}]"));
    CHECK_INT(play_artifact(&who[CHIEF], &l, "model.safetensors?kind=model", "model bytes", 11), 201);
}

void test_every_operation_on_what_another_token_submitted_is_404(void)
{
    struct daemon_run d;
    char job[64], sweep[64];
    start(&d);
    run_job(job);
    json_t *made = call_json(&who[ANN], 201, "POST", "/v1/sweeps", SWEEP "1}");
    snprintf(sweep, sizeof sweep, "%s", json_string_value(json_object_get(made, "id")));
    json_decref(made);
    for (size_t i = 0; i < OPERATIONS; i++) CHECK_INT(call(BOB, i, job, sweep), 404);
    CHECK_TEXT(play_state(&who[ANN], job), "running"); /* nothing of it had an effect */
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (!operations[i].body) CHECK_INT(call(CHIEF, i, job, sweep), operations[i].status);
        if (operations[i].op == API_JOB_RETRY) /* the cancel's deadline ends it: nobody else stops it here */
            while (strcmp(play_state(&who[ANN], job), "cancelled")) json_decref(call_json(&who[CHIEF], 200, "GET", "/readyz", NULL));
        int status = call(ANN, i, job, sweep);
        if (status != operations[i].status) check_fail(__FILE__, __LINE__, "%s %s: %d", operations[i].method, operations[i].path, status);
    }
    stop(&d);
    daemon_start(&d, NULL, NULL); /* without tokens whoever is on this machine may do anything */
    struct client anybody;
    client_init(&anybody, d.port);
    CHECK_TEXT(play_state(&anybody, job), "cancelled");
    client_close(&anybody);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_no_operation_on_jobs_or_sweeps_is_forgotten_in_the_table_of_owners(void)
{
    for (enum api_op op = 0; op < API_OP_COUNT; op++) {
        const struct api_row *row = api_row(op);
        bool found = strncmp(row->path, "/v1/jobs/{", 10) && strncmp(row->path, "/v1/sweeps/{", 12);
        for (size_t i = 0; i < OPERATIONS; i++) found = found || operations[i].op == op;
        if (!found) check_fail(__FILE__, __LINE__, "%s %s", row->method, row->path);
    }
}

/* ---- lists --------------------------------------------------------------------------------------------------------- */
static size_t count_of(int me, const char *path, const char *key)
{
    json_t *list = call_json(&who[me], 200, "GET", path, NULL);
    size_t count = json_array_size(json_object_get(list, key));
    json_decref(list);
    return count;
}

void test_lists_hold_what_the_token_submitted(void)
{
    static const char *const paths[] = {"/v1/jobs", "/v1/jobs?state=queued", "/v1/jobs?state=queued,running", "/v1/jobs?project=default",
                                        "/v1/jobs?name=tiny&strategy=constant", "/v1/jobs?limit=4"};
    struct daemon_run d;
    char id[64], worker[64];
    struct lease l;
    start(&d);
    for (int i = 0; i < 3; i++) play_submit(&who[i == 1 ? BOB : ANN], PLAY_JOB, id);
    play_submit(&who[CHIEF], PLAY_JOB, id);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        CHECK_INT(count_of(ANN, paths[i], "jobs"), 2);
        CHECK_INT(count_of(BOB, paths[i], "jobs"), 1);
        CHECK_INT(count_of(CHIEF, paths[i], "jobs"), 4);
    }
    json_decref(call_json(&who[BOB], 201, "POST", "/v1/sweeps", SWEEP "1}"));
    CHECK_INT(count_of(ANN, "/v1/sweeps", "sweeps"), 0);
    CHECK_INT(count_of(BOB, "/v1/sweeps", "sweeps"), 1);
    CHECK_INT(count_of(BOB, "/v1/sweeps?project=other", "sweeps"), 0);
    CHECK_INT(count_of(CHIEF, "/v1/sweeps", "sweeps"), 1);
    play_register(&who[CHIEF], "node", worker);
    CHECK(play_claim(&who[CHIEF], worker, "key", 0, &l)); /* the oldest: ann's */
    for (int me = 0; me < WHO_COUNT; me++) {
        json_t *workers = call_json(&who[me], 200, "GET", "/v1/workers", NULL);
        const json_t *row = json_array_get(json_object_get(workers, "workers"), 0);
        CHECK_TEXT(json_string_value(json_object_get(row, "state")), "busy");
        CHECK_INT(json_array_size(json_object_get(row, "jobs")), me != BOB);
        json_decref(workers);
    }
    json_decref(call_json(&who[ANN], 201, "PUT", "/v1/datasets/drawn", "{\"generate\": {\"images\": 8}}"));
    CHECK_INT(count_of(BOB, "/v1/datasets", "datasets"), 1); /* data sets are everybody's */
    stop(&d);
}

/* ---- events -------------------------------------------------------------------------------------------------------- */
static void hear(struct client *c, const char *job)
{
    struct sse event = {0};
    CHECK(sse_next(c, 5000, &event));
    CHECK_HAS(event.data, job);
    sse_free(&event);
}

/* More rows of others than a page holds lie between: the stream reads past them. */
void test_the_stream_of_all_events_tells_of_the_tokens_own_jobs(void)
{
    struct daemon_run d;
    struct client ear;
    struct reply r;
    char bobs[64], other[64], later[64], many[1 << 16] = "[";
    start(&d);
    for (int i = 0; i < 250; i++) strcat(many, i ? "," PLAY_JOB : PLAY_JOB);
    json_decref(call_json(&who[ANN], 201, "POST", "/v1/jobs", strcat(many, "]")));
    play_submit(&who[BOB], PLAY_JOB, bobs);
    client_init(&ear, d.port);
    ear.token = secrets[BOB];
    sse_open(&ear, "/v1/events", 0);
    hear(&ear, bobs);
    play_submit(&who[ANN], PLAY_JOB, other); /* live: not told */
    play_submit(&who[BOB], PLAY_JOB, later);
    hear(&ear, later);
    client_close(&ear);
    client_call(&who[BOB], "GET", "/v1/events?limit=1000", "Accept: application/json\r\n", NULL, 0, &r);
    CHECK_INT(r.status, 200);
    CHECK_INT(json_array_size(json_object_get(r.json, "events")), 2);
    CHECK_INT(json_integer_value(json_object_get(r.json, "next")), 253);
    reply_free(&r);
    stop(&d);
}

/* ---- keys ---------------------------------------------------------------------------------------------------------- */
static int submit_with_key(int me, const char *body, char id[64])
{
    struct reply r;
    client_call(&who[me], "POST", "/v1/jobs", "Idempotency-Key: monday\r\n", body, strlen(body), &r);
    int status = r.status;
    snprintf(id, 64, "%s", status < 300 ? json_string_value(json_object_get(r.json, "id")) : "");
    reply_free(&r);
    return status;
}

void test_an_idempotency_key_belongs_to_its_token(void)
{
    static const char other_job[] = "{\"dataset\": {\"generate\": {}}}";
    struct daemon_run d;
    char anns[64], bobs[64], again[64];
    start(&d);
    CHECK_INT(submit_with_key(ANN, PLAY_JOB, anns), 201);
    CHECK_INT(submit_with_key(BOB, PLAY_JOB, bobs), 201);
    CHECK(strcmp(anns, bobs));
    CHECK_INT(submit_with_key(ANN, PLAY_JOB, again), 200);
    CHECK_TEXT(again, anns);
    CHECK_INT(submit_with_key(BOB, other_job, again), 409);
    CHECK_INT(submit_with_key(CHIEF, other_job, again), 201);
    stop(&d);
}
