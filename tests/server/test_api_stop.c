/* test_api_stop: what lasts: restarts with a running job, lost leases, stops with parked requests, exit codes, and who may call what. */
#include <stdio.h>
#include <sys/stat.h>
#include "server/auth.h"
#include "tests/check.h"
#include "tests/server/play.h"

static const char *const short_lease[] = {"--lease-ms", "2000", "--backoff-ms", "50", NULL};

/* ---- restart and stop --------------------------------------------------------------------------------------------------------- */
void test_running_job_keeps_its_attempt_over_restarts(void)
{
    struct daemon_run d;
    struct client c;
    struct lease l;
    char id[64], worker[64];
    daemon_start(&d, NULL, short_lease);
    client_init(&c, d.port);
    play_start(&c, id, worker, &l);
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
    play_start(&c, id, worker, &l);
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
    play_start(&c, id, worker, &l);
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
    client_check_parked(&waiters[EACH * 3 - 1]);
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
