/* play: the calls of a user and a worker. */
#include "tests/server/play.h"

#include "schema/base/sha256.h"
#include "tests/check.h"

static void copy_text(char *to, size_t size, const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    if (!text) check_fail(__FILE__, __LINE__, "no text \"%s\"", key);
    snprintf(to, size, "%s", text);
}

void play_submit(struct client *c, const char *body, char id[64])
{
    json_t *job = call_json(c, 201, "POST", "/v1/jobs", body);
    copy_text(id, 64, job, "id");
    json_decref(job);
}

void play_register(struct client *c, const char *name, char worker_id[64])
{
    char body[512];
    snprintf(body, sizeof body, "{\"protocol\": 1, \"name\": \"%s\", \"host\": \"here\", \"pid\": 1, \"version\": \"test\", \"labels\": {\"rack\": \"a\"},"
             " \"capacity\": {\"threads\": 2, \"memory_bytes\": 4000000000}, \"data_paths\": false}", name);
    json_t *welcome = call_json(c, 201, "POST", "/v1/worker/register", body);
    copy_text(worker_id, 64, welcome, "worker_id");
    json_decref(welcome);
}

bool play_claim(struct client *c, const char *worker_id, const char *key, int wait_s, struct lease *l)
{
    char body[256], path[64];
    struct reply r;
    snprintf(body, sizeof body, "{\"worker_id\": \"%s\", \"claim_key\": \"%s\"}", worker_id, key);
    snprintf(path, sizeof path, "/v1/worker/claim?wait=%d", wait_s);
    client_call(c, "POST", path, NULL, body, strlen(body), &r);
    if (r.status == 200) {
        copy_text(l->job, sizeof l->job, r.json, "job");
        copy_text(l->token, sizeof l->token, r.json, "lease_token");
        l->attempt = (int)json_integer_value(json_object_get(r.json, "attempt"));
        snprintf(l->base, sizeof l->base, "/v1/attempts/%s/%d", l->job, l->attempt);
    } else
        CHECK_INT(r.status, 204);
    bool got = r.status == 200;
    reply_free(&r);
    return got;
}

json_t *play_worker(struct client *c, const struct lease *l, int status, const char *verb, const char *more)
{
    char path[256], *body = malloc(strlen(more) + 512);
    CHECK(body);
    snprintf(path, sizeof path, "%s:%s", l->base, verb);
    sprintf(body, "{\"lease_token\": \"%s\"%s}", l->token, more);
    json_t *json = call_json(c, status, "POST", path, body);
    free(body);
    return json;
}

void play_metrics(struct client *c, const struct lease *l, int seq, const char *name, int first_step, int count)
{
    char more[16384];
    size_t n = (size_t)snprintf(more, sizeof more, ", \"seq\": %d, \"series\": [{\"name\": \"%s\", \"kind\": \"result\", \"x\": \"step\", \"steps\": [", seq, name);
    for (int i = 0; i < count; i++) n += (size_t)snprintf(more + n, sizeof more - n, "%s%d", i ? ", " : "", first_step + i);
    n += (size_t)snprintf(more + n, sizeof more - n, "], \"values\": [");
    for (int i = 0; i < count; i++) n += (size_t)snprintf(more + n, sizeof more - n, "%s%g", i ? ", " : "", 1.0 / (first_step + i + 1));
    n += (size_t)snprintf(more + n, sizeof more - n, "]}]");
    CHECK(n < sizeof more);
    json_decref(play_worker(c, l, 204, "metrics", more));
}

int play_artifact(struct client *c, const struct lease *l, const char *name_and_query, const void *bytes, size_t length)
{
    char path[512], headers[512], hex[SHA256_HEX];
    struct reply r;
    sha256_hex_of(bytes, length, hex);
    snprintf(path, sizeof path, "%s/artifacts/%s", l->base, name_and_query);
    snprintf(headers, sizeof headers, "Lease-Token: %s\r\nTandem-Sha256: %s\r\n", l->token, hex);
    client_call(c, "PUT", path, headers, bytes, length, &r);
    int status = r.status;
    reply_free(&r);
    return status;
}

const char *play_state(struct client *c, const char *job)
{
    static char state[32];
    char path[128];
    snprintf(path, sizeof path, "/v1/jobs/%s", job);
    json_t *json = call_json(c, 200, "GET", path, NULL);
    copy_text(state, sizeof state, json, "state");
    json_decref(json);
    return state;
}

void play_start(struct client *c, char id[64], char worker[64], struct lease *l)
{
    play_submit(c, PLAY_JOB, id);
    play_register(c, "hand", worker);
    CHECK(play_claim(c, worker, "key", 0, l));
}
