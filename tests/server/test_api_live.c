/* test_api_live: what waits for news: long-polls of jobs, claims and heartbeats, event streams. */
#include <pthread.h>
#include <stdio.h>
#include "schema/base/clock.h"
#include "tests/check.h"
#include "tests/server/play.h"

static int64_t version_of(struct client *c, const char *id)
{
    char path[128];
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    json_t *job = call_json(c, 200, "GET", path, NULL);
    int64_t version = json_integer_value(json_object_get(job, "version"));
    json_decref(job);
    return version;
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
    client_check_parked(&waiter);
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
    client_check_parked(&workers[WORKERS - 1]);
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
    play_start(&c, id, worker, &l);
    snprintf(path, sizeof path, "%s:heartbeat?wait=20", l.base);
    snprintf(body, sizeof body, "{\"lease_token\": \"%s\"}", l.token);
    snprintf(cancel, sizeof cancel, "/v1/jobs/%s:cancel", id);
    client_send(&beater, "POST", path, NULL, body, strlen(body));
    client_check_parked(&beater);
    play_metrics(&c, &l, 1, "loss/total", 0, 3); /* news of the job, but not for its worker */
    client_check_parked(&beater);
    int64_t start = clock_mono_ms();
    json_decref(call_json(&c, 202, "POST", cancel, "{\"grace_s\": 5}"));
    CHECK(client_receive(&beater, "POST", path, 10000, &r));
    CHECK(clock_mono_ms() - start < 6000); /* the beat alone would be parked for 7.5 s */
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
    play_start(&c, id, worker, &f.lease);
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
