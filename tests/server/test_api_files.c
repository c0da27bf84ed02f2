/* test_api_files: what comes back is what was sent: metrics as JSON and CSV, artifacts whole, ranged and checked; figures in few digits. */
#include <stdio.h>
#include "schema/base/json_text.h"
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

/* ---- scores of single images ------------------------------------------------------------------------------------------------- */
#define COLUMNS_OF_A "\"both\": [90, 0, 40], \"predicted\": [95, 5, 50], \"truth\": [100, 5, 60]"
#define COLUMNS_OF_B "\"both\": [5, 0, 0], \"predicted\": [5, 0, 0], \"truth\": [5, 0, 9]"
#define IMAGES(more) ", \"outcome\": \"succeeded\", \"images\": {\"epoch\": 2, \"empty\": \"nan\", \"ids\": [\"one\", \"two\", \"three\"], \"classes\": [" \
    "{\"index\": 1, \"name\": \"a\", " COLUMNS_OF_A more "}, {\"index\": 2, \"name\": \"b\", " COLUMNS_OF_B "}]}"

static void check_refused(struct client *c, const struct lease *l, const char *body, const char *pointer, const char *allowed)
{
    json_t *problem = play_worker(c, l, 422, "finish", body);
    const json_t *first = json_array_get(json_object_get(problem, "errors"), 0);
    CHECK_TEXT(json_string_value(json_object_get(first, "pointer")), pointer);
    CHECK_TEXT(json_string_value(json_object_get(first, "allowed")), allowed);
    json_decref(problem);
}

static double image_number(const json_t *reply, size_t i, const char *key)
{
    return json_number_value(json_object_get(json_array_get(json_object_get(reply, "images"), i), key));
}

static const char *image_id(const json_t *reply, size_t i)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(reply, "images"), i), "id"));
}

void test_images_of_a_finished_job_come_worst_first(void)
{
    struct daemon_run d;
    struct client c;
    struct lease l;
    char id[64], worker[64], path[160];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    play_start(&c, id, worker, &l);
    snprintf(path, sizeof path, "/v1/jobs/%s/images", id);
    json_t *none = call_json(&c, 200, "GET", path, NULL);
    CHECK_INT(json_integer_value(json_object_get(none, "of")), 0);
    json_decref(none);
    json_decref(play_worker(&c, &l, 200, "finish", IMAGES(", \"nsd\": [0.9, 0, 0.25], \"hd95\": [1, 4.5, 2]")));
    json_t *worst = call_json(&c, 200, "GET", path, NULL);
    CHECK_INT(json_integer_value(json_object_get(worst, "of")), 3);
    CHECK_TEXT(image_id(worst, 0), "two"); /* class 1 missed by 5 pixels, class 2 in neither */
    CHECK_NEAR(image_number(worst, 0, "dice"), 0, 0);
    CHECK_TEXT(image_id(worst, 1), "three");
    CHECK_NEAR(image_number(worst, 1, "dice"), (2 * 40 / 110.0 + 0) / 2, 1e-15); /* class 2 missed */
    CHECK_NEAR(image_number(worst, 2, "dice"), (2 * 90 / 195.0 + 1) / 2, 1e-15);
    json_decref(worst);
    snprintf(path, sizeof path, "/v1/jobs/%s/images?order=hd95&limit=1", id);
    worst = call_json(&c, 200, "GET", path, NULL);
    CHECK_INT(json_array_size(json_object_get(worst, "images")), 1);
    CHECK_TEXT(image_id(worst, 0), "two");
    CHECK_NEAR(image_number(worst, 0, "hd95"), 4.5, 0);
    json_decref(worst);
    snprintf(path, sizeof path, "/v1/jobs/%s/images?order=iou", id);
    json_t *problem = call_json(&c, 400, "GET", path, NULL);
    const json_t *first = json_array_get(json_object_get(problem, "errors"), 0);
    CHECK_TEXT(json_string_value(json_object_get(first, "detail")), "there is no order \"iou\"");
    CHECK_TEXT(json_string_value(json_object_get(first, "allowed")), "dice, nsd or hd95 (the worst first), or split");
    json_decref(problem);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_images_that_do_not_fit_together_are_refused_by_column(void)
{
    static const char columns[] = "pixels, one whole number an image", scores[] = "one number of at least 0, or null, an image";
    struct daemon_run d;
    struct client c;
    struct lease l;
    char id[64], worker[64];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    play_start(&c, id, worker, &l);
    check_refused(&c, &l, IMAGES(", \"nsd\": [0.9, 0]"), "/images/classes/0/nsd", scores);
    check_refused(&c, &l, IMAGES(", \"hd95\": [0.9, -1, 2]"), "/images/classes/0/hd95", scores);
    check_refused(&c, &l, ", \"outcome\": \"succeeded\", \"images\": {\"epoch\": 0, \"empty\": \"one\", \"ids\": [\"a\"], \"classes\": [{\"index\": 0, \"name\": \"b\", \"both\": [1], \"predicted\": [1.5], \"truth\": [2]}]}",
                  "/images/classes/0/predicted", columns);
    check_refused(&c, &l, ", \"outcome\": \"succeeded\", \"images\": {\"epoch\": 0, \"empty\": \"one\", \"ids\": [\"a\"], \"classes\": [{\"index\": 300, \"name\": \"b\", \"both\": [1], \"predicted\": [1], \"truth\": [2]}]}",
                  "/images/classes/0/index", "a whole number from 0 to 255");
    check_refused(&c, &l, ", \"outcome\": \"succeeded\", \"images\": {\"epoch\": 0, \"empty\": \"one\", \"ids\": [\"a\"], \"classes\": [{\"index\": 0, \"both\": [1], \"predicted\": [1], \"truth\": [2]}]}",
                  "/images/classes/0/name", "a text");
    check_refused(&c, &l, ", \"outcome\": \"succeeded\", \"images\": {\"epoch\": 0, \"empty\": \"zero\", \"ids\": [\"a\"], \"classes\": [{}]}", "/images/empty", "nan or one");
    check_refused(&c, &l, ", \"outcome\": \"succeeded\", \"images\": {\"epoch\": -1, \"empty\": \"nan\", \"ids\": [\"a\"], \"classes\": [{}]}", "/images/epoch", "a whole number of at least 0");
    check_refused(&c, &l, ", \"outcome\": \"succeeded\", \"images\": {\"epoch\": 0, \"empty\": \"nan\", \"ids\": [], \"classes\": [{}]}", "/images/ids", "1 to 1048576 texts");
    check_refused(&c, &l, ", \"outcome\": \"succeeded\", \"images\": {\"epoch\": 0, \"empty\": \"nan\", \"ids\": [\"a\"], \"classes\": []}", "/images/classes", "an array of 1 to 256 classes");
    check_refused(&c, &l, ", \"outcome\": \"succeeded\", \"images\": []", "/images", "an object");
    json_decref(play_worker(&c, &l, 200, "finish", ", \"outcome\": \"succeeded\", \"images\": null"));
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_api_figures_have_the_fewest_digits_that_read_back_as_the_same_number(void)
{
    struct daemon_run d;
    struct client c;
    struct reply r;
    char id[64], shortest[32];
    int figures = 0;
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    for (int i = 0; i < 3; i++) play_submit(&c, PLAY_JOB, id); /* commits take nanoseconds that are no round number of seconds */
    client_call(&c, "GET", "/metrics", NULL, NULL, 0, &r);
    CHECK_INT(r.status, 200);
    CHECK_HAS(r.body, "\ntandem_store_commit_seconds_total ");
    for (char *line = strtok(r.body, "\n"); line; line = strtok(NULL, "\n")) {
        if (*line == '#') continue;
        const char *value = strrchr(line, ' ') + 1;
        json_text_number(strtod(value, NULL), 0, shortest);
        CHECK_TEXT(value, shortest);
        figures++;
    }
    CHECK(figures > 16);
    reply_free(&r);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}
