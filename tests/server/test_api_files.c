/* test_api_files: what comes back is what was sent: metrics as JSON and CSV, artifacts whole, ranged and checked. */
#include <stdio.h>
#include "tests/check.h"
#include "tests/server/play.h"

/* ---- metrics and files ------------------------------------------------------------------------------------------------------ */
void test_metrics_come_back_as_json_and_csv(void)
{
    struct daemon_run d;
    struct client c;
    struct lease l;
    struct reply r;
    char id[64], worker[64], path[160];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    play_start(&c, id, worker, &l);
    json_decref(play_worker(&c, &l, 204, "metrics", ", \"seq\": 1, \"series\": ["
        "{\"name\": \"loss/total\", \"kind\": \"result\", \"x\": \"step\", \"steps\": [0, 1], \"values\": [0.1, \"NaN\"]},"
        "{\"name\": \"loss/ce\", \"kind\": \"result\", \"x\": \"step\", \"steps\": [1], \"values\": [\"-Infinity\"]}]"));
    json_decref(play_worker(&c, &l, 204, "metrics", ", \"seq\": 1, \"series\": ["
        "{\"name\": \"loss/total\", \"kind\": \"result\", \"x\": \"step\", \"steps\": [0, 1], \"values\": [0.1, \"NaN\"]},"
        "{\"name\": \"loss/ce\", \"kind\": \"result\", \"x\": \"step\", \"steps\": [1], \"values\": [\"-Infinity\"]}]"));
    json_t *conflict = play_worker(&c, &l, 409, "metrics", ", \"seq\": 1, \"series\": [{\"name\": \"loss/total\", \"kind\": \"result\", \"x\": \"step\", \"steps\": [0], \"values\": [0.2]}]");
    CHECK_TEXT(problem_code(conflict), "metric_conflict");
    json_decref(conflict);
    snprintf(path, sizeof path, "/v1/jobs/%s/metrics?series=loss/total", id);
    json_t *json = call_json(&c, 200, "GET", path, NULL);
    const json_t *values = json_object_get(json_array_get(json_object_get(json, "series"), 0), "values");
    CHECK_INT(json_array_size(json_object_get(json, "series")), 1);
    CHECK_NEAR(json_number_value(json_array_get(values, 0)), 0.1, 0);
    CHECK_TEXT(json_string_value(json_array_get(values, 1)), "NaN");
    json_decref(json);
    snprintf(path, sizeof path, "/v1/jobs/%s/metrics", id);
    client_call(&c, "GET", path, "Accept: text/csv\r\n", NULL, 0, &r);
    CHECK_HAS(r.type, "text/csv");
    CHECK_TEXT(r.body, "x,step,loss/total,loss/ce\nstep,0,0.1,\nstep,1,NaN,-Infinity\n");
    char etag[80], header[128];
    snprintf(etag, sizeof etag, "%s", reply_header(&r, "ETag"));
    reply_free(&r);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", etag);
    client_call(&c, "GET", path, header, NULL, 0, &r);
    CHECK_INT(r.status, 304);
    reply_free(&r);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

static int put_with_digest(struct client *c, const struct lease *l, const char *header, const char *body, char code[64])
{
    char path[256], headers[512];
    struct reply r;
    snprintf(path, sizeof path, "%s/artifacts/preview-1.png?kind=preview", l->base);
    snprintf(headers, sizeof headers, "Lease-Token: %s\r\n%s", l->token, header);
    client_call(c, "PUT", path, headers, body, strlen(body), &r);
    snprintf(code, 64, "%s", problem_code(r.json));
    int status = r.status;
    reply_free(&r);
    return status;
}

void test_artifacts_are_checked_ranged_and_whole(void)
{
    struct daemon_run d;
    struct client c;
    struct lease l;
    struct reply r;
    char id[64], worker[64], path[160], code[64];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    play_start(&c, id, worker, &l);
    CHECK_INT(put_with_digest(&c, &l, "", "abc", code), 400);
    CHECK_INT(put_with_digest(&c, &l, "Tandem-Sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\r\n", "abd", code), 422);
    CHECK_TEXT(code, "digest_mismatch");
    CHECK_INT(put_with_digest(&c, &l, "Content-Digest: sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:\r\n", "abc", code), 201);
    CHECK_INT(put_with_digest(&c, &l, "Content-Digest: md5=:x:\r\n", "abc", code), 400);
    snprintf(path, sizeof path, "/v1/jobs/%s/artifacts/preview-1.png", id);
    client_call(&c, "GET", path, "Range: bytes=1-\r\n", NULL, 0, &r);
    CHECK_INT(r.status, 206);
    CHECK_TEXT(r.body, "bc");
    CHECK_TEXT(reply_header(&r, "Content-Range"), "bytes 1-2/3");
    CHECK_TEXT(reply_header(&r, "ETag"), "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
    reply_free(&r);
    client_call(&c, "GET", path, "Range: bytes=7-\r\n", NULL, 0, &r);
    CHECK_INT(r.status, 416);
    reply_free(&r);
    struct lease stale = l;
    snprintf(stale.token, sizeof stale.token, "wrong");
    CHECK_INT(play_artifact(&c, &stale, "model.json", "{}", 2), 409);
    /* 8 MiB come and go in pieces, with the bytes that were sent */
    size_t size = 8 << 20;
    char *big = malloc(size);
    CHECK(big);
    for (size_t i = 0; i < size; i++) big[i] = (char)(i * 2654435761u >> 24);
    CHECK_INT(play_artifact(&c, &l, "model.safetensors?kind=model", big, size), 201);
    snprintf(path, sizeof path, "/v1/jobs/%s/artifacts/model.safetensors", id);
    client_call(&c, "GET", path, NULL, NULL, 0, &r);
    CHECK_INT(r.length, size);
    CHECK(!memcmp(r.body, big, size));
    reply_free(&r);
    free(big);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}
