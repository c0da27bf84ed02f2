/* test_api: the real daemon on a free port: every operation once in a job's life, every reply held against openapi.json. */
#include <stdio.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "schema/base/sha256.h"
#include "tests/agree/contract.h"
#include "tests/check.h"
#include "tests/server/play.h"

static void get_all(struct client *c, const char *const *paths)
{
    for (; *paths; paths++) json_decref(call_json(c, 200, "GET", *paths, NULL));
}

static void look_around(struct client *c)
{
    static const char *const paths[] = {"/", "/livez", "/readyz", "/version", "/metrics", "/v1/openapi.json", "/v1/schemas/job", "/v1/schemas/problem",
                                        "/v1/strategies", "/v1/workers", "/v1/datasets", "/v1/jobs", NULL};
    get_all(c, paths);
    json_t *curve = call_json(c, 200, "POST", "/v1/alpha:preview", "{\"alpha\": {\"schedule\": \"linear\", \"start\": 1, \"end\": 0}, \"epochs\": 4}");
    CHECK_INT(json_array_size(json_object_get(curve, "alpha")), 4);
    CHECK_NEAR(json_number_value(json_array_get(json_object_get(curve, "alpha"), 0)), 1.0, 0);
    json_decref(curve);
    curve = call_json(c, 200, "POST", "/v1/alpha:preview", "{\"alpha\": {\"points\": [[0, 0], [2, 1]], \"unit\": \"step\", \"repeat\": 2, \"mirror\": true}, \"epochs\": 300, \"steps_per_epoch\": 10}");
    json_t *steps = json_object_get(curve, "steps");
    CHECK(json_integer_value(json_object_get(steps, "every_steps")) == 3 && json_array_size(json_object_get(steps, "alpha")) == 1000);
    CHECK_NEAR(json_number_value(json_array_get(json_object_get(steps, "alpha"), 1)), 0.5, 0);
    json_decref(curve);
    curve = call_json(c, 200, "POST", "/v1/alpha:preview", "{\"alpha\": {\"feedback\": \"plateau\", \"from\": 1, \"to\": 0.3, \"delta\": -0.4, \"patience\": 1}, \"epochs\": 7}");
    json_t *want = json_loads("{\"epochs\": 7, \"bounds\": {\"never_stalls\": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], \"always_stalls\": [1.0, 1.0, 0.6, 0.6, 0.6, 0.3, 0.3]},"
                              "\"plateau\": {\"feedback\": \"plateau\", \"monitor\": \"val/dice\", \"mode\": \"max\", \"patience\": 1, \"threshold\": 0.002, \"cooldown\": 2,"
                              "\"from\": 1.0, \"to\": 0.3, \"delta\": -0.4}}", 0, NULL);
    CHECK(want && json_equal(curve, want));
    json_decref(want);
    json_decref(curve);
}

static void put_datasets(struct client *c)
{
    json_t *set = call_json(c, 201, "PUT", "/v1/datasets/drawn", "{\"generate\": {\"images\": 8}}");
    CHECK_INT(json_integer_value(json_object_get(json_object_get(set, "generate"), "images")), 8);
    json_decref(set);
    json_decref(call_json(c, 200, "PUT", "/v1/datasets/drawn", "{\"generate\": {\"images\": 8}}"));
    json_decref(call_json(c, 201, "PUT", "/v1/datasets/archive", "not really an archive"));
    json_decref(call_json(c, 200, "GET", "/v1/datasets/archive", NULL));
}

/* On the archive's digest; a worker fetches it. */
static void fetch_dataset(struct client *c)
{
    char hex[SHA256_HEX], path[128];
    struct reply r;
    sha256_hex_of("not really an archive", 21, hex);
    snprintf(path, sizeof path, "/v1/worker/datasets/%s", hex);
    client_call(c, "GET", path, NULL, NULL, 0, &r);
    CHECK_INT(r.status, 200);
    CHECK_TEXT(r.body, "not really an archive");
    reply_free(&r);
}

static void work(struct client *c, const struct lease *l)
{
    json_t *beat = play_worker(c, l, 200, "heartbeat", ", \"phase\": \"training\", \"epoch\": 1, \"epochs\": 3, \"step\": 20, \"eta_s\": 2.5");
    CHECK_TEXT(json_string_value(json_object_get(beat, "command")), "none");
    json_decref(beat);
    play_metrics(c, l, 1, "loss/total", 0, 10);
    json_decref(play_worker(c, l, 204, "logs", ", \"seq\": 1, \"lines\": [{\"at_ms\": 1, \"level\": \"info\", \"text\": \"epoch 1\"}]"));
    CHECK_INT(play_artifact(c, l, "checkpoint-last?kind=checkpoint&step=20&epoch=1", "checkpoint bytes", 16), 201);
    CHECK_INT(play_artifact(c, l, "model.safetensors?kind=model", "model bytes", 11), 201);
    CHECK_INT(play_artifact(c, l, "model.safetensors?kind=model", "model bytes", 11), 200);
    char path[256], headers[256];
    struct reply r;
    snprintf(path, sizeof path, "%s/artifacts/checkpoint-last", l->base);
    snprintf(headers, sizeof headers, "Lease-Token: %s\r\n", l->token);
    client_call(c, "GET", path, headers, NULL, 0, &r);
    CHECK_INT(r.status, 200);
    CHECK_TEXT(r.body, "checkpoint bytes");
    reply_free(&r);
}

static void look_at_job(struct client *c, const char *id)
{
    static const char *const parts[] = {"", "/metrics", "/metrics?format=csv", "/logs", "/attempts", "/images", "/artifacts", "/artifacts/model.safetensors", NULL};
    for (int i = 0; parts[i]; i++) {
        char path[256];
        snprintf(path, sizeof path, "/v1/jobs/%s%s", id, parts[i]);
        json_decref(call_json(c, 200, "GET", path, NULL));
    }
}

static void look_at_events(struct daemon_run *d, const char *id)
{
    struct client c;
    struct sse event = {0};
    char path[256];
    struct reply r;
    client_init(&c, d->port);
    snprintf(path, sizeof path, "/v1/jobs/%s/events", id);
    client_call(&c, "GET", path, "Accept: application/json\r\n", NULL, 0, &r);
    CHECK_INT(r.status, 200);
    CHECK(json_array_size(json_object_get(r.json, "events")) > 3);
    reply_free(&r);
    client_call(&c, "GET", "/v1/events", "Accept: application/json\r\n", NULL, 0, &r);
    CHECK_INT(r.status, 200);
    reply_free(&r);
    sse_open(&c, path, -1);
    CHECK(sse_next(&c, 5000, &event));
    CHECK_TEXT(event.kind, "state");
    sse_free(&event);
    client_close(&c);
}

static void end_otherwise(struct client *c, const char *worker)
{
    struct lease l;
    char id[64], path[128];
    play_submit(c, PLAY_JOB, id);
    CHECK(play_claim(c, worker, "second", 0, &l));
    CHECK_TEXT(l.job, id);
    json_decref(play_worker(c, &l, 200, "release", ", \"reason\": \"drain\""));
    CHECK_TEXT(play_state(c, id), "queued");
    snprintf(path, sizeof path, "/v1/jobs/%s:cancel", id);
    json_decref(call_json(c, 202, "POST", path, ""));
    json_decref(call_json(c, 200, "POST", path, "{}"));
    CHECK_TEXT(play_state(c, id), "cancelled");
    snprintf(path, sizeof path, "/v1/jobs/%s:retry", id);
    json_decref(call_json(c, 202, "POST", path, "{\"from\": \"start\"}"));
    CHECK_TEXT(play_state(c, id), "queued");
}

#define SWEEP_OF(seeds) \
    "{\"base\": " PLAY_JOB ", \"axes\": [{\"pointer\": \"/loss\", \"grid\": [{\"strategy\": \"constant\", \"alpha\": 0}, {\"strategy\": \"constant\"}]}," \
    " {\"pointer\": \"/optimizer/lr\", \"random\": {\"low\": 1e-4, \"high\": 1e-2, \"scale\": \"log\"}}], \"samples\": 2, \"seeds\": " seeds ", \"prune\": {\"eta\": 2}}"
static void sweep_once(struct client *c)
{
    char path[128];
    json_decref(call_json(c, 200, "POST", "/v1/sweeps:preview", SWEEP_OF("2")));
    json_t *sweep = call_json(c, 201, "POST", "/v1/sweeps", SWEEP_OF("2"));
    CHECK_INT(json_integer_value(json_object_get(sweep, "trials")), 8);
    const char *id = json_string_value(json_object_get(sweep, "id"));
    snprintf(path, sizeof path, "/v1/sweeps/%s", id);
    json_decref(call_json(c, 200, "GET", path, NULL));
    snprintf(path, sizeof path, "/v1/jobs?sweep=%s&state=queued", id);
    json_t *jobs = call_json(c, 200, "GET", path, NULL);
    CHECK_INT(json_array_size(json_object_get(jobs, "jobs")), 8);
    json_decref(jobs);
    static const char *const parts[] = {"/trials", "/report", "/report?format=md", "/report?format=html"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/v1/sweeps/%s%s", id, parts[i]);
        json_decref(call_json(c, 200, "GET", path, NULL));
    }
    snprintf(path, sizeof path, "/v1/sweeps/%s:extend", id);
    json_decref(call_json(c, 202, "POST", path, SWEEP_OF("3")));
    snprintf(path, sizeof path, "/v1/sweeps/%s:cancel", id);
    json_decref(call_json(c, 202, "POST", path, ""));
    json_decref(call_json(c, 200, "POST", path, "{}"));
    json_decref(call_json(c, 200, "GET", "/v1/sweeps", NULL));
    json_decref(sweep);
}

void test_api_every_operation_answers_as_openapi_says(void)
{
    struct daemon_run d;
    struct client c;
    struct lease l;
    char id[64], worker[64];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    look_around(&c);
    put_datasets(&c);
    fetch_dataset(&c);
    play_submit(&c, PLAY_JOB, id);
    play_register(&c, "hand", worker);
    CHECK(play_claim(&c, worker, "first", 0, &l));
    CHECK_TEXT(l.job, id);
    work(&c, &l);
    json_t *end = play_worker(&c, &l, 200, "finish", ", \"outcome\": \"succeeded\", \"result\": {\"best_score\": 0.9}, \"kernels\": {\"micro_batch\": 1, \"layers\": []}");
    CHECK_TEXT(json_string_value(json_object_get(end, "state")), "succeeded");
    json_decref(end);
    CHECK_TEXT(play_state(&c, id), "succeeded");
    look_at_job(&c, id);
    look_at_events(&d, id);
    end_otherwise(&c, worker);
    sweep_once(&c);
    look_around(&c);
    json_decref(call_json(&c, 200, "POST", "/v1/admin:backup", ""));
    contract_check_all_seen();
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

/* ---- refusals, word for word ------------------------------------------------------------------------------------------ */
static const struct {
    const char *method, *path, *body;
    int status;
    const char *code, *pointer, *detail; /* of errors[0]; detail "": not looked at */
} refusals[] = {
    {"POST", "/v1/jobs", "", 400, "bad_json", NULL, "the body is empty: one JSON value is expected"},
    {"POST", "/v1/jobs", "{\"dataset\": 1,}", 400, "bad_json", NULL, "line 1 column 15: string or '}' expected near '}'"},
    {"POST", "/v1/jobs", "{\"seed\": 1, \"seed\": 2}", 400, "bad_json", NULL, "line 1 column 18: duplicate object key near '\"seed\"'"},
    {"POST", "/v1/jobs", "[]", 413, "too_large", NULL, "an array of 0 jobs: 1 to 1000 are allowed"},
    {"POST", "/v1/jobs", "{\"dataset\": \"archiv\"}", 422, "dataset_unknown", "/dataset", "no data set has this name: register it with PUT /v1/datasets/archiv"},
    {"POST", "/v1/jobs", "{\"dataset\": \"archive\", \"model\": {\"type\": \"unetr\"}}", 422, "model_unknown", "/model/type", ""},
    {"POST", "/v1/jobs", "{\"dataset\": \"archive\", \"lsos\": {}}", 422, "key_unknown", "/lsos", ""},
    {"POST", "/v1/jobs", "[{\"dataset\": \"archive\"}, {\"dataset\": \"archive\", \"seed\": -1}]", 422, "range", "/1/seed", ""},
    {"POST", "/v1/jobs", "[{\"dataset\": \"archive\"}, {\"dataset\": \"nowhere\"}]", 422, "dataset_unknown", "/1/dataset", ""},
    {"POST", "/v1/jobs?dry_run=1", "{\"dataset\": \"nowhere\"}", 422, "dataset_unknown", "/dataset", ""},
    {"POST", "/v1/jobs?dry_run=maybe", "{\"dataset\": \"archive\"}", 400, "bad_request", NULL, "the query parameter dry_run must be a whole number"},
    {"GET", "/v1/jobs/nonsense", NULL, 404, "not_found", NULL, ""},
    {"GET", "/v1/jobs/01900000-0000-7000-8000-000000000000", NULL, 404, "not_found", NULL, ""},
    {"GET", "/v1/jobs?limit=501", NULL, 400, "bad_request", NULL, "the query parameter limit must be a whole number"},
    {"GET", "/v1/jobs?state=done", NULL, 400, "bad_request", NULL, ""},
    {"GET", "/v1/jobs/01900000-0000-7000-8000-000000000000?wait=26", NULL, 400, "bad_request", NULL, "the query parameter wait must be a whole number"},
    {"GET", "/v1/jobs/01900000-0000-7000-8000-000000000000/metrics?format=xml", NULL, 400, "bad_request", "format", "there is no format \"xml\""},
    {"GET", "/v1/jobs/01900000-0000-7000-8000-000000000000/logs", NULL, 404, "not_found", NULL, ""},
    {"GET", "/v1/jobs/01900000-0000-7000-8000-000000000000/events", NULL, 404, "not_found", NULL, ""},
    {"GET", "/v1/jobs/01900000-0000-7000-8000-000000000000/artifacts/model", NULL, 404, "not_found", NULL, ""},
    {"POST", "/v1/jobs/01900000-0000-7000-8000-000000000000:cancel", "{\"grace\": 1}", 422, "key_unknown", "/grace", ""},
    {"POST", "/v1/jobs/01900000-0000-7000-8000-000000000000:cancel", "", 404, "not_found", NULL, ""},
    {"POST", "/v1/jobs/01900000-0000-7000-8000-000000000000:retry", "{\"from\": \"stert\"}", 422, "word_unknown", "/from", ""},
    {"PUT", "/v1/datasets/Upper", "x", 422, "spec_invalid", NULL, ""},
    {"PUT", "/v1/datasets/set", "", 400, "bad_request", NULL, "the body is empty: send one archive, or {\"generate\": {...}}"},
    {"PUT", "/v1/datasets/set", "{\"generate\": {\"images\": 1}}", 422, "range", "/generate/images", ""},
    {"PUT", "/v1/datasets/set", "{\"generat\": {}}", 422, "key_unknown", "/generat", ""},
    {"POST", "/v1/sweeps", "", 400, "bad_json", NULL, ""},
    {"POST", "/v1/sweeps", "{}", 422, "key_missing", "/base", "is needed"},
    {"POST", "/v1/sweeps", "{\"base\": {\"dataset\": \"archiv\"}}", 422, "dataset_unknown", "/base/dataset", "no data set has this name: register it with PUT /v1/datasets/archiv"},
    {"POST", "/v1/sweeps:preview", "{\"base\": {\"dataset\": \"archiv\"}}", 422, "dataset_unknown", "/0/dataset", ""},
    {"POST", "/v1/sweeps", "{\"base\": {\"dataset\": \"archive\", \"loss\": {\"strategy\": \"constant\"}}, \"axes\": [{\"pointer\": \"/loss/alpha\", \"grid\": [0, 2]}]}", 422,
     "alpha_range", "/base/loss/alpha", ""},
    {"POST", "/v1/sweeps", "{\"base\": {\"dataset\": \"archive\"}, \"axes\": [{\"pointer\": \"/sede\", \"grid\": [1, 2]}]}", 422, "key_unknown", "/base/sede", "unknown key (in the trial sede=1)"},
    {"POST", "/v1/sweeps", "{\"base\": {\"dataset\": {\"path\": \"x\"}, \"training\": {\"epochs\": 4}}, \"prune\": {\"min_epochs\": 4}}", 422, "range", "/prune/min_epochs",
     "no trial trains longer than this: nothing would be pruned"},
    {"POST", "/v1/sweeps", "{\"base\": {\"dataset\": \"archive\"}, \"reference\": \"bas\"}", 422, "word_unknown", "/reference", "no variant has this name"},
    {"GET", "/v1/sweeps/nonsense", NULL, 404, "not_found", NULL, "no sweep has the id nonsense"},
    {"GET", "/v1/jobs?sweep=nonsense", NULL, 404, "not_found", NULL, "no sweep has the id nonsense"},
    {"POST", "/v1/sweeps/nonsense:cancel", "", 404, "not_found", NULL, ""},
    {"GET", "/v1/sweeps/nonsense/trials", NULL, 404, "not_found", NULL, ""},
    {"GET", "/v1/sweeps/nonsense/report", NULL, 404, "not_found", NULL, "no sweep has the id nonsense"},
    {"GET", "/v1/sweeps/nonsense/report?format=pdf", NULL, 400, "bad_request", "format", "there is no format \"pdf\""},
    {"POST", "/v1/sweeps/nonsense:extend", "{\"base\": {\"dataset\": \"archive\"}}", 404, "not_found", NULL, ""},
    {"GET", "/v1/datasets/nowhere", NULL, 404, "not_found", NULL, ""},
    {"GET", "/v1/schemas/jobs", NULL, 404, "not_found", "name", "there is no schema \"jobs\""},
    {"POST", "/v1/alpha:preview", "{\"alpha\": 1.5}", 422, "alpha_range", "/alpha", ""},
    {"POST", "/v1/alpha:preview", "{}", 422, "key_missing", "/alpha", ""},
    {"POST", "/v1/worker/register", "{\"protocol\": 2, \"new_key\": 1}", 426, "upgrade_required", "/protocol", "this server speaks worker protocol 1, not 2"},
    {"POST", "/v1/worker/register", "{\"protocol\": 1}", 422, "key_missing", "/name", ""},
    {"POST", "/v1/worker/register", "{\"protocol\": 1, \"name\": \"w\", \"labels\": {\"a\": 1}}", 422, "type", "/labels/a", ""},
    {"POST", "/v1/worker/claim", "{\"worker_id\": \"01900000-0000-7000-8000-000000000000\", \"claim_key\": \"k\"}", 404, "not_found", NULL, ""},
    {"POST", "/v1/attempts/01900000-0000-7000-8000-000000000000/1:heartbeat", "{}", 422, "key_missing", "/lease_token", ""},
    {"POST", "/v1/attempts/01900000-0000-7000-8000-000000000000/1:heartbeat", "{\"lease_token\": \"t\"}", 404, "not_found", NULL, ""},
    {"POST", "/v1/attempts/01900000-0000-7000-8000-000000000000/x:heartbeat", "{\"lease_token\": \"t\"}", 404, "not_found", NULL, ""},
    {"POST", "/v1/attempts/01900000-0000-7000-8000-000000000000/1:finish", "{\"lease_token\": \"t\", \"outcome\": \"failed\"}", 422, "key_missing", "/failure", ""},
    {"POST", "/v1/attempts/01900000-0000-7000-8000-000000000000/1:finish", "{\"lease_token\": \"t\", \"outcome\": \"done\"}", 422, "word_unknown", "/outcome", ""},
    {"POST", "/v1/attempts/01900000-0000-7000-8000-000000000000/1:logs", "{\"lease_token\": \"t\", \"seq\": 1, \"lines\": []}", 422, "type", "/lines", ""},
    {"POST", "/v1/attempts/01900000-0000-7000-8000-000000000000/1:metrics", "{\"lease_token\": \"t\", \"seq\": 0, \"series\": []}", 422, "range", "/seq", ""},
    {"PUT", "/v1/attempts/01900000-0000-7000-8000-000000000000/1/artifacts/a", "x", 400, "bad_request", "Lease-Token", "this header is missing: it proves that the job is yours"},
    {"GET", "/v1/attempts/01900000-0000-7000-8000-000000000000/1/artifacts/a", NULL, 400, "bad_request", "Lease-Token", ""},
    {"GET", "/v1/worker/datasets/0000000000000000000000000000000000000000000000000000000000000000", NULL, 404, "not_found", NULL, ""},
    {"DELETE", "/v1/jobs", NULL, 405, "method_not_allowed", NULL, ""},
    {"GET", "/v1/nothing", NULL, 404, "not_found", NULL, ""},
};

/* Prints what is wrong, so that one run shows all of it. */
static int check_refusal(struct client *c, size_t i)
{
    struct reply r;
    client_call(c, refusals[i].method, refusals[i].path, NULL, refusals[i].body, refusals[i].body ? strlen(refusals[i].body) : 0, &r);
    const json_t *first = json_array_get(json_object_get(r.json, "errors"), 0);
    const char *pointer = json_string_value(json_object_get(first, "pointer")), *detail = json_string_value(json_object_get(first, "detail"));
    bool good = r.status == refusals[i].status && !strcmp(problem_code(r.json), refusals[i].code);
    if (refusals[i].pointer) good = good && pointer && !strcmp(pointer, refusals[i].pointer);
    if (*refusals[i].detail) good = good && detail && !strcmp(detail, refusals[i].detail);
    if (!good) printf("%s %s %s\n  got %d %s\n", refusals[i].method, refusals[i].path, refusals[i].body ? refusals[i].body : "", r.status, r.body);
    reply_free(&r);
    return !good;
}

void test_api_refusals_say_what_where_and_how(void)
{
    int bad = 0;
    struct daemon_run d;
    struct client c;
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    json_decref(call_json(&c, 201, "PUT", "/v1/datasets/archive", "bytes"));
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) bad += check_refusal(&c, i);
    CHECK_INT(bad, 0);
    json_t *problem = call_json(&c, 422, "POST", "/v1/jobs", "{\"dataset\": \"archiv\"}");
    CHECK_TEXT(json_string_value(json_object_get(json_array_get(json_object_get(problem, "errors"), 0), "nearest")), "archive");
    json_decref(problem);
    json_t *list = call_json(&c, 200, "GET", "/v1/jobs", NULL);
    CHECK_INT(json_array_size(json_object_get(list, "jobs")), 0); /* nothing of an array with one bad job was kept */
    json_decref(list);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

/* 4 MiB of empty arrays, and 4 MiB of one text: refused, and at once. */
void test_api_body_that_would_swell_is_refused_before_it_does(void)
{
    enum { BYTES = (4 << 20) - 2 };
    struct daemon_run d;
    struct client c;
    struct reply r;
    char *body = malloc(BYTES);
    CHECK(body);
    for (size_t i = 0; i < BYTES; i++) body[i] = "[],"[i % 3];
    body[0] = '[';
    body[1] = '[';
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    client_call(&c, "POST", "/v1/jobs", NULL, body, BYTES, &r);
    CHECK_INT(r.status, 413);
    CHECK_HAS(r.body, "more than 200000 values in one body");
    reply_free(&r);
    memset(body, 'a', BYTES);
    body[0] = '{';
    client_call(&c, "POST", "/v1/jobs", NULL, body, BYTES, &r);
    CHECK_INT(r.status, 413);
    CHECK_HAS(r.body, "at most 262144 are allowed");
    reply_free(&r);
    free(body);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

/* ---- the two places that a job's view comes from ----------------------------------------------------------------------------- */
static const char *const shapes[] = {
    PLAY_JOB, "{\"dataset\": \"drawn\", \"name\": \"\\u00e4 \\\"b\\\"\", \"tags\": [\"x\", \"y\"], \"project\": \"p\", \"priority\": -3, \"max_attempts\": 7, \"timeout_s\": 60}",
    "{\"dataset\": {\"path\": \"cells/a\"}, \"loss\": {\"strategy\": \"separate_optimizers\", \"optimizers\": {}}, \"training\": {\"epochs\": 2}}",
    "{\"dataset\": {\"generate\": {\"classes\": 3}}, \"loss\": {\"strategy\": \"scheduled\", \"alpha\": {\"schedule\": \"linear\", \"start\": 1, \"end\": 0}}}"};

static void same_when_read_back(struct client *c, const char *body)
{
    char path[128];
    json_t *told = call_json(c, 201, "POST", "/v1/jobs", body);
    snprintf(path, sizeof path, "/v1/jobs/%s", json_string_value(json_object_get(told, "id")));
    json_t *read = call_json(c, 200, "GET", path, NULL);
    CHECK(json_integer_value(json_object_get(json_object_get(read, "reason"), "position")) >= 1); /* which a submit does not count */
    json_object_set_new(json_object_get(read, "reason"), "position", json_null());
    char *left = json_dumps(told, JSON_INDENT(1)), *right = json_dumps(read, JSON_INDENT(1));
    CHECK_TEXT(left, right);
    free(left);
    free(right);
    json_decref(told);
    json_decref(read);
}

/* The reply to a submit is made of what was inserted, that to a GET of what is read: key by key, in the same order, the same. */
void test_api_submit_tells_what_reading_the_job_tells(void)
{
    struct daemon_run d;
    struct client c;
    char worker[64];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    json_decref(call_json(&c, 201, "PUT", "/v1/datasets/drawn", "{\"generate\": {\"images\": 8}}"));
    for (int with_worker = 0; with_worker < 2; with_worker++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) same_when_read_back(&c, shapes[i]);
        play_register(&c, "node", worker);
    }
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

/* ---- idempotency, arrays, dry run, list ------------------------------------------------------------------------------------ */
static json_t *submit_with_key(struct client *c, int status, const char *key, const char *body)
{
    char header[256];
    struct reply r;
    snprintf(header, sizeof header, "Idempotency-Key: %s\r\n", key);
    client_call(c, "POST", "/v1/jobs", header, body, strlen(body), &r);
    if (r.status != status) check_fail(__FILE__, __LINE__, "got %d, want %d: %s", r.status, status, r.body);
    json_t *json = json_incref(r.json);
    reply_free(&r);
    return json;
}

void test_api_same_idempotency_key_gives_the_same_job(void)
{
    struct daemon_run d;
    struct client c;
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    json_t *first = submit_with_key(&c, 201, "k1", PLAY_JOB), *again = submit_with_key(&c, 200, "k1", PLAY_JOB);
    CHECK_TEXT(json_string_value(json_object_get(again, "id")), json_string_value(json_object_get(first, "id")));
    json_t *other = submit_with_key(&c, 409, "k1", "{\"dataset\": {\"generate\": {}}}");
    CHECK_TEXT(problem_code(other), "idempotency_conflict");
    json_t *third = submit_with_key(&c, 201, "k2", PLAY_JOB);
    CHECK(strcmp(json_string_value(json_object_get(third, "id")), json_string_value(json_object_get(first, "id"))));
    json_t *list = call_json(&c, 200, "GET", "/v1/jobs", NULL);
    CHECK_INT(json_array_size(json_object_get(list, "jobs")), 2);
    daemon_kill(&d); /* what was answered is on the disk */
    client_close(&c);
    daemon_start(&d, d.data, NULL);
    client_init(&c, d.port);
    json_t *after = submit_with_key(&c, 200, "k1", PLAY_JOB);
    CHECK_TEXT(json_string_value(json_object_get(after, "id")), json_string_value(json_object_get(first, "id")));
    json_t *all[] = {first, again, other, third, list, after};
    for (int i = 0; i < 6; i++) json_decref(all[i]);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_api_dry_run_resolves_and_stores_nothing(void)
{
    struct daemon_run d;
    struct client c;
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    json_t *one = call_json(&c, 200, "POST", "/v1/jobs?dry_run=1", PLAY_JOB);
    CHECK_INT(json_integer_value(json_object_get(json_object_get(json_object_get(one, "spec"), "training"), "batch")), 4);
    CHECK(json_integer_value(json_object_get(one, "memory_bytes")) > 1000000);
    CHECK(json_is_null(json_object_get(one, "memory_assumes")));
    json_t *path = call_json(&c, 200, "POST", "/v1/jobs?dry_run=1", "{\"dataset\": {\"path\": \"cells\"}}"), *assumes = json_object_get(path, "memory_assumes");
    CHECK_INT(json_integer_value(json_object_get(assumes, "channels")), 1);
    CHECK_INT(json_integer_value(json_object_get(assumes, "classes")), 2);
    json_decref(path);
    json_t *two = call_json(&c, 200, "POST", "/v1/jobs?dry_run=1", "[" PLAY_JOB ", " PLAY_JOB "]");
    CHECK_INT(json_array_size(json_object_get(two, "jobs")), 2);
    json_t *list = call_json(&c, 200, "GET", "/v1/jobs", NULL);
    CHECK_INT(json_array_size(json_object_get(list, "jobs")), 0);
    json_decref(one);
    json_decref(two);
    json_decref(list);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

#define HUGE_JOB "{\"dataset\": {\"generate\": {\"images\": 8, \"size\": 1024}}, \"training\": {\"patch\": [1024, 1024], \"batch\": 64}}"
void test_api_job_that_cannot_fit_is_refused(void)
{
    static const char *const flags[] = {"--job-memory-max", "1G", NULL};
    struct daemon_run d;
    struct client c;
    char worker[64];
    daemon_start(&d, NULL, flags);
    client_init(&c, d.port);
    json_t *problem = call_json(&c, 422, "POST", "/v1/jobs", HUGE_JOB);
    CHECK_TEXT(problem_code(problem), "memory_predicted");
    json_decref(problem);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
    daemon_start(&d, d.data, NULL);
    client_init(&c, d.port);
    play_register(&c, "small", worker); /* 4 GB */
    problem = call_json(&c, 422, "POST", "/v1/jobs?dry_run=1", HUGE_JOB);
    CHECK_TEXT(problem_code(problem), "memory_predicted");
    json_decref(problem);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

static size_t count_pages(struct client *c, const char *filter, size_t *jobs)
{
    char path[256];
    size_t pages = 0;
    long long cursor = 0;
    *jobs = 0;
    do {
        snprintf(path, sizeof path, cursor ? "/v1/jobs?limit=7%s&cursor=%lld" : "/v1/jobs?limit=7%s", filter, cursor);
        json_t *page = call_json(c, 200, "GET", path, NULL);
        *jobs += json_array_size(json_object_get(page, "jobs"));
        cursor = json_integer_value(json_object_get(page, "next"));
        json_decref(page);
        pages++;
    } while (cursor && pages < 100);
    return pages;
}

void test_api_list_walks_all_pages_once(void)
{
    struct daemon_run d;
    struct client c;
    size_t jobs;
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    for (int i = 0; i < 10; i++)
        json_decref(call_json(&c, 201, "POST", "/v1/jobs", i % 2 ? "[" PLAY_JOB ", " PLAY_JOB ", " PLAY_JOB "]"
                              : "{\"project\": \"apart\", \"tags\": [\"x\"], \"dataset\": {\"generate\": {}}}"));
    CHECK_INT(count_pages(&c, "", &jobs), 3);
    CHECK_INT(jobs, 20);
    CHECK_INT(count_pages(&c, "&project=apart", &jobs), 1);
    CHECK_INT(jobs, 5);
    count_pages(&c, "&tag=x&state=queued,running&strategy=constant", &jobs);
    CHECK_INT(jobs, 5);
    count_pages(&c, "&name=tin", &jobs);
    CHECK_INT(jobs, 15);
    count_pages(&c, "&state=running", &jobs);
    CHECK_INT(jobs, 0);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}
