/* test_api_live: what waits and what lasts: long-polls, event streams, restarts, stops, files, roles. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "schema/base/sha256.h"
#include "server/auth.h"
#include "tests/check.h"
#include "tests/server/play.h"

static const char *const short_lease[] = {"--lease-ms", "2000", "--backoff-ms", "50", NULL};

/* A running job with its lease. */
static void start_job(struct client *c, char id[64], char worker[64], struct lease *l)
{
    play_submit(c, PLAY_JOB, id);
    play_register(c, "hand", worker);
    CHECK(play_claim(c, worker, "key", 0, l));
}

static int64_t version_of(struct client *c, const char *id)
{
    char path[128];
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    json_t *job = call_json(c, 200, "GET", path, NULL);
    int64_t version = json_integer_value(json_object_get(job, "version"));
    json_decref(job);
    return version;
}

/* Nothing may arrive on a parked request for a while; 100 ms is no proof, only a chance to catch an answer that came at once. */
static void check_is_parked(struct client *c)
{
    char byte;
    struct timeval wait = {.tv_usec = 100000};
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    CHECK_INT(recv(c->fd, &byte, 1, MSG_PEEK), -1);
    wait.tv_usec = 0;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
}

/* ---- long-polls ------------------------------------------------------------------------------------------------------- */
void test_long_poll_of_a_job_returns_when_it_changes(void)
{
    struct daemon_run d;
    struct client c, waiter;
    struct reply r;
    char id[64], path[160], cancel[160];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    client_init(&waiter, d.port);
    play_submit(&c, PLAY_JOB, id);
    snprintf(cancel, sizeof cancel, "/v1/jobs/%s:cancel", id);
    snprintf(path, sizeof path, "/v1/jobs/%s?wait=20&after=%lld", id, (long long)version_of(&c, id));
    int64_t start = clock_mono_ms();
    client_send(&waiter, "GET", path, NULL, NULL, 0);
    check_is_parked(&waiter);
    json_decref(call_json(&c, 202, "POST", cancel, ""));
    CHECK(client_receive(&waiter, "GET", path, 10000, &r));
    CHECK_INT(r.status, 200);
    CHECK_TEXT(json_string_value(json_object_get(r.json, "state")), "cancelled");
    CHECK(clock_mono_ms() - start < 5000);
    reply_free(&r);
    client_call(&waiter, "GET", path, NULL, NULL, 0, &r); /* an old version: at once */
    CHECK_INT(r.status, 200);
    reply_free(&r);
    client_close(&waiter);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_long_poll_without_news_ends_in_time_with_304(void)
{
    struct daemon_run d;
    struct client c;
    struct reply r;
    char id[64], path[160], header[64];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    play_submit(&c, PLAY_JOB, id);
    snprintf(path, sizeof path, "/v1/jobs/%s?wait=1", id);
    snprintf(header, sizeof header, "If-None-Match: \"%lld\"\r\n", (long long)version_of(&c, id));
    int64_t start = clock_mono_ms();
    client_call(&c, "GET", path, header, NULL, 0, &r);
    CHECK_INT(r.status, 304);
    CHECK(clock_mono_ms() - start >= 950);
    reply_free(&r);
    start = clock_mono_ms();
    client_call(&c, "GET", path, NULL, NULL, 0, &r);
    CHECK_INT(r.status, 200);
    CHECK(clock_mono_ms() - start >= 950);
    reply_free(&r);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_parked_claims_get_one_job_each(void)
{
    enum { WORKERS = 4 };
    struct daemon_run d;
    struct client c, workers[WORKERS];
    char id[64], worker[64], body[256], got[WORKERS][64];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    for (int i = 0; i < WORKERS; i++) {
        client_init(&workers[i], d.port);
        play_register(&c, "parked", worker);
        snprintf(body, sizeof body, "{\"worker_id\": \"%s\", \"claim_key\": \"k%d\"}", worker, i);
        client_send(&workers[i], "POST", "/v1/worker/claim?wait=25", NULL, body, strlen(body));
    }
    check_is_parked(&workers[WORKERS - 1]);
    for (int i = 0; i < WORKERS; i++) play_submit(&c, PLAY_JOB, id);
    for (int i = 0; i < WORKERS; i++) {
        struct reply r;
        CHECK(client_receive(&workers[i], "POST", "/v1/worker/claim", 10000, &r));
        CHECK_INT(r.status, 200);
        snprintf(got[i], sizeof got[i], "%s", json_string_value(json_object_get(r.json, "job")));
        for (int j = 0; j < i; j++) CHECK(strcmp(got[i], got[j]));
        reply_free(&r);
        client_close(&workers[i]);
    }
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_parked_heartbeat_hears_a_cancel_at_once(void)
{
    struct daemon_run d;
    struct client c, beater;
    struct lease l;
    struct reply r;
    char id[64], worker[64], path[160], cancel[160], body[256];
    daemon_start(&d, NULL, NULL); /* 30 s lease: a beat is parked for 7.5 s */
    client_init(&c, d.port);
    client_init(&beater, d.port);
    start_job(&c, id, worker, &l);
    snprintf(path, sizeof path, "%s:heartbeat?wait=20", l.base);
    snprintf(body, sizeof body, "{\"lease_token\": \"%s\"}", l.token);
    snprintf(cancel, sizeof cancel, "/v1/jobs/%s:cancel", id);
    client_send(&beater, "POST", path, NULL, body, strlen(body));
    check_is_parked(&beater);
    play_metrics(&c, &l, 1, "loss/total", 0, 3); /* news of the job, but not for its worker */
    check_is_parked(&beater);
    int64_t start = clock_mono_ms();
    json_decref(call_json(&c, 202, "POST", cancel, "{\"grace_s\": 5}"));
    CHECK(client_receive(&beater, "POST", path, 10000, &r));
    CHECK(clock_mono_ms() - start < 2000);
    CHECK_TEXT(json_string_value(json_object_get(r.json, "command")), "cancel");
    CHECK(json_integer_value(json_object_get(r.json, "deadline_ms")) <= 5000);
    reply_free(&r);
    json_decref(play_worker(&c, &l, 200, "finish", ", \"outcome\": \"cancelled\""));
    CHECK_TEXT(play_state(&c, id), "cancelled");
    json_t *lost = play_worker(&c, &l, 409, "heartbeat", "");
    CHECK_TEXT(problem_code(lost), "lease_lost");
    json_decref(lost);
    client_close(&beater);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

/* ---- event streams -------------------------------------------------------------------------------------------------------- */
enum { BATCHES = 400 };
struct feeder {
    int port;
    struct lease lease;
};
static void *feed(void *context)
{
    struct feeder *f = context;
    struct client c;
    client_init(&c, f->port);
    c.unchecked = true;
    for (int i = 0; i < BATCHES; i++) play_metrics(&c, &f->lease, i + 1, "loss/total", i * 3, 3);
    client_close(&c);
    return NULL;
}

/* Reads events, breaks off and comes back with Last-Event-ID every 60, until all batches are seen: each step once, in order. */
void test_event_stream_resumes_without_gap_or_double(void)
{
    struct daemon_run d;
    struct client c, s;
    struct feeder f;
    struct sse event = {0};
    pthread_t thread;
    char id[64], worker[64], path[160];
    int64_t last = 0;
    int batches = 0, since = 0;
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    client_init(&s, d.port);
    start_job(&c, id, worker, &f.lease);
    f.port = d.port;
    snprintf(path, sizeof path, "/v1/jobs/%s/events", id);
    sse_open(&s, path, -1);
    CHECK_INT(pthread_create(&thread, NULL, feed, &f), 0);
    while (batches < BATCHES) {
        CHECK(sse_next(&s, 10000, &event));
        CHECK(event.id > last);
        last = event.id;
        if (!strcmp(event.kind, "metrics")) {
            json_t *data = json_loads(event.data, 0, NULL);
            const json_t *series = json_array_get(json_object_get(json_object_get(data, "data"), "series"), 0);
            CHECK_INT(json_integer_value(json_array_get(json_object_get(series, "steps"), 0)), batches * 3);
            CHECK_TEXT(json_string_value(json_object_get(data, "job")), id);
            json_decref(data);
            batches++;
        }
        if (++since < 60) continue;
        since = 0;
        client_close(&s);
        client_init(&s, d.port);
        sse_open(&s, path, last);
    }
    pthread_join(thread, NULL);
    sse_free(&event);
    client_close(&s);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_event_stream_of_all_jobs_begins_now(void)
{
    struct daemon_run d;
    struct client c, s;
    struct sse event = {0};
    char old[64], id[64];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    client_init(&s, d.port);
    play_submit(&c, PLAY_JOB, old);
    sse_open(&s, "/v1/events", -1);
    play_submit(&c, PLAY_JOB, id);
    CHECK(sse_next(&s, 5000, &event));
    CHECK_HAS(event.data, id);
    client_close(&s);
    client_init(&s, d.port);
    sse_open(&s, "/v1/events", 0); /* from the beginning */
    CHECK(sse_next(&s, 5000, &event));
    CHECK_HAS(event.data, old);
    sse_free(&event);
    client_close(&s);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

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
    start_job(&c, id, worker, &l);
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
    start_job(&c, id, worker, &l);
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

/* ---- restart and stop --------------------------------------------------------------------------------------------------------- */
void test_running_job_keeps_its_attempt_over_restarts(void)
{
    struct daemon_run d;
    struct client c;
    struct lease l;
    char id[64], worker[64];
    daemon_start(&d, NULL, short_lease);
    client_init(&c, d.port);
    start_job(&c, id, worker, &l);
    for (int i = 0; i < 4; i++) {
        play_metrics(&c, &l, i + 1, "loss/total", i * 5, 5);
        client_close(&c);
        if (i % 2)
            CHECK_INT(daemon_stop(&d), 0);
        else
            daemon_kill(&d);
        daemon_start(&d, d.data, short_lease);
        client_init(&c, d.port);
        CHECK_TEXT(play_state(&c, id), "running");
        json_decref(play_worker(&c, &l, 200, "heartbeat", ""));
    }
    json_decref(play_worker(&c, &l, 200, "finish", ", \"outcome\": \"succeeded\""));
    char path[128];
    snprintf(path, sizeof path, "/v1/jobs/%s/metrics", id);
    json_t *metrics = call_json(&c, 200, "GET", path, NULL);
    CHECK_INT(json_array_size(json_object_get(json_array_get(json_object_get(metrics, "series"), 0), "steps")), 20);
    json_decref(metrics);
    snprintf(path, sizeof path, "/v1/jobs/%s/attempts", id);
    json_t *attempts = call_json(&c, 200, "GET", path, NULL);
    CHECK_INT(json_array_size(json_object_get(attempts, "attempts")), 1);
    json_decref(attempts);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_silent_worker_loses_its_job_to_the_next(void)
{
    static const char *const flags[] = {"--lease-ms", "300", "--backoff-ms", "10", NULL};
    struct daemon_run d;
    struct client c;
    struct lease l, next;
    char id[64], worker[64], other[64];
    daemon_start(&d, NULL, flags);
    client_init(&c, d.port);
    start_job(&c, id, worker, &l);
    play_register(&c, "next", other);
    CHECK(play_claim(&c, other, "key", 10, &next));
    CHECK_TEXT(next.job, id);
    CHECK_INT(next.attempt, 2);
    json_t *lost = play_worker(&c, &l, 409, "logs", ", \"seq\": 1, \"lines\": [{\"at_ms\": 1, \"level\": \"info\", \"text\": \"too late\"}]");
    CHECK_TEXT(problem_code(lost), "lease_lost");
    json_decref(lost);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}

void test_stop_answers_all_that_is_parked(void)
{
    enum { EACH = 10 };
    struct daemon_run d;
    struct client c, waiters[EACH * 3];
    struct lease l;
    char id[64], worker[64], path[160], claim[256], beat[256], beat_path[160];
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    start_job(&c, id, worker, &l);
    snprintf(path, sizeof path, "/v1/jobs/%s?wait=25", id);
    snprintf(claim, sizeof claim, "{\"worker_id\": \"%s\", \"claim_key\": \"z\"}", worker);
    snprintf(beat, sizeof beat, "{\"lease_token\": \"%s\"}", l.token);
    snprintf(beat_path, sizeof beat_path, "%s:heartbeat?wait=25", l.base);
    for (int i = 0; i < EACH * 3; i++) {
        client_init(&waiters[i], d.port);
        if (i % 3 == 0) client_send(&waiters[i], "GET", path, NULL, NULL, 0);
        if (i % 3 == 1) client_send(&waiters[i], "POST", "/v1/worker/claim?wait=25", NULL, claim, strlen(claim));
        if (i % 3 == 2) client_send(&waiters[i], "POST", beat_path, NULL, beat, strlen(beat));
    }
    struct client s;
    client_init(&s, d.port);
    sse_open(&s, "/v1/events", -1);
    check_is_parked(&waiters[EACH * 3 - 1]);
    CHECK_INT(daemon_stop(&d), 0);
    for (int i = 0; i < EACH * 3; i++) {
        struct reply r;
        CHECK(client_receive(&waiters[i], i % 3 ? "POST" : "GET", i % 3 == 0 ? path : i % 3 == 1 ? "/v1/worker/claim" : beat_path, 1000, &r));
        CHECK(r.status == 200 || r.status == 204 || r.status == 503);
        reply_free(&r);
        client_close(&waiters[i]);
    }
    client_close(&s);
    client_close(&c);
}

void test_daemon_says_by_its_exit_code_why_it_did_not_start(void)
{
    static const char *const unknown[] = {"--prot", "1", NULL};
    static const char *const open_door[] = {"--listen", "0.0.0.0:0", NULL};
    static const char *const no_tokens[] = {"--token-file", "nowhere", NULL};
    static const char *const taken[] = {"--log-level", "error", NULL};
    struct daemon_run d;
    CHECK_INT(daemon_start_code(NULL, unknown), 64);
    CHECK_INT(daemon_start_code(NULL, open_door), 78);
    CHECK_INT(daemon_start_code(NULL, no_tokens), 78);
    daemon_start(&d, NULL, NULL);
    CHECK_INT(daemon_start_code(d.data, taken), 75);
    CHECK_INT(daemon_start_code("/proc/nothing", NULL), 74);
    CHECK_INT(daemon_stop(&d), 0);
    FILE *f = fopen("data/tandem.db", "r+");
    CHECK(f);
    for (int i = 0; i < 4096; i++) fputc('x', f);
    fclose(f);
    CHECK_INT(daemon_start_code(d.data, taken), 65);
    struct stat about;
    CHECK_INT(stat("data", &about), 0);
    CHECK_INT(about.st_mode & 077, 0);
}

/* ---- roles --------------------------------------------------------------------------------------------------------------------- */
static const struct {
    const char *method, *path, *role;
} routes[] = {
#define X(op, method, path, role, body_bytes_max) {method, path, #role},
#include "schema/api/api.tbl"
#undef X
};

/* A path of the route with something in every {name}. */
static void fill_path(const char *pattern, char *path, size_t size)
{
    size_t n = 0;
    for (; *pattern && n + 40 < size; pattern++) {
        if (*pattern != '{') {
            path[n++] = *pattern;
            continue;
        }
        bool number = pattern[1] == 'n' && pattern[2] == '}', text = !strncmp(pattern, "{name}", 6);
        n += (size_t)snprintf(path + n, size - n, "%s", number ? "1" : text ? "some" : "01900000-0000-7000-8000-000000000000");
        pattern = strchr(pattern, '}');
    }
    path[n] = 0;
}

static int status_of(struct client *c, const char *method, const char *path, const char *token)
{
    struct reply r;
    c->token = token;
    client_call(c, method, path, "Lease-Token: t\r\n", strcmp(method, "GET") ? "{}" : NULL, strcmp(method, "GET") ? 2 : 0, &r);
    int status = r.status;
    reply_free(&r);
    return status;
}

void test_tokens_open_exactly_the_routes_of_their_role(void)
{
    static const enum auth_role roles[] = {AUTH_SUBMIT, AUTH_WORKER, AUTH_ADMIN};
    static const char *const words[] = {"SUBMIT", "WORKER", "ADMIN"};
    static const char *const flags[] = {"--token-file", "tokens", NULL};
    char secrets[3][AUTH_SECRET_HEX], line[160], path[256];
    struct daemon_run d;
    struct client c;
    FILE *f = fopen("tokens", "w");
    CHECK(f);
    for (int i = 0; i < 3; i++) {
        auth_new_token(words[i][0] == 'S' ? "user" : words[i][0] == 'W' ? "node" : "chief", roles[i], secrets[i], line);
        fprintf(f, "%s\n", line);
    }
    fclose(f);
    CHECK_INT(chmod("tokens", 0600), 0);
    daemon_start(&d, NULL, flags);
    client_init(&c, d.port);
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        fill_path(routes[i].path, path, sizeof path);
        if (strstr(path, "events")) continue; /* they would stream: below */
        bool open = !strcmp(routes[i].role, "ANYONE");
        int none = status_of(&c, routes[i].method, path, NULL);
        if ((none == 401) == open) check_fail(__FILE__, __LINE__, "%s %s without token: %d", routes[i].method, path, none);
        for (int k = 0; k < 3; k++) {
            int status = status_of(&c, routes[i].method, path, secrets[k]);
            bool may = open || k == 2 || !strcmp(routes[i].role, words[k]);
            if ((status == 403) == may || status == 401) check_fail(__FILE__, __LINE__, "%s %s as %s: %d", routes[i].method, path, words[k], status);
        }
    }
    CHECK_INT(status_of(&c, "GET", "/v1/jobs/01900000-0000-7000-8000-000000000000/events", secrets[1]), 403);
    CHECK_INT(status_of(&c, "GET", "/v1/jobs/01900000-0000-7000-8000-000000000000/events", secrets[0]), 404);
    CHECK_INT(status_of(&c, "GET", "/v1/events", NULL), 401);
    CHECK_INT(status_of(&c, "GET", "/v1/jobs", "0000000000000000000000000000000000000000000000000000000000000000"), 401);
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}
