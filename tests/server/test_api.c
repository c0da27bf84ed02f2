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
    static const char *const parts[] = {"", "/metrics", "/metrics?format=csv", "/logs", "/attempts", "/artifacts", "/artifacts/model.safetensors", NULL};
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
    look_around(&c);
    json_decref(call_json(&c, 200, "POST", "/v1/admin:backup", ""));
    contract_check_all_seen();
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}
