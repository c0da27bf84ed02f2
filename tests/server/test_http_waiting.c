/* test_http_waiting: replies that come later: other threads, long-polls, event streams, uploads held back, downloads, the stop. */
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "tests/check.h"
#include "tests/server/http_raw.h"
#include "tests/server/http_rig.h"

static struct http_counters counts_of(struct rig *rig)
{
    struct http_counters c;
    http_count(rig->http, &c);
    return c;
}

static void wait_parked(struct rig *rig, uint64_t want)
{
    for (int i = 0; i < 10000 && counts_of(rig).parked != want; i++) clock_sleep_ms(1);
    CHECK_INT(counts_of(rig).parked, want);
}

static void wait_streams(struct rig *rig, uint64_t want)
{
    for (int i = 0; i < 10000 && counts_of(rig).streams != want; i++) clock_sleep_ms(1);
    CHECK_INT(counts_of(rig).streams, want);
}

static int ask(struct rig *rig, const char *path)
{
    char request[256];
    int fd = raw_connect(rig_port(rig));
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    raw_text(fd, request);
    return fd;
}

void test_one_connection_serves_many_requests(void)
{
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig_start(rig);
    int fd = raw_connect(rig_port(rig));
    for (int i = 0; i < 500; i++) {
        CHECK_INT(raw_get(fd, i % 2 ? "/a" : "/later", &reply), 200);
        CHECK(!strstr(reply.bytes, "Connection: close"));
    }
    CHECK_INT(counts_of(rig).connections, 1);
    close(fd);
    CHECK_INT(rig_stop(rig), 0);
}

struct racer {
    pthread_t thread;
    struct rig *rig;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    struct raw_reply *reply = malloc(sizeof *reply);
    int fd = raw_connect(rig_port(racer->rig));
    for (int i = 0; i < 2500; i++) CHECK_INT(raw_get(fd, i % 3 ? "/later" : "/first", reply), 200);
    close(fd);
    free(reply);
    return NULL;
}

void test_ten_thousand_completions_before_and_after_the_suspension_lose_none(void)
{
    struct racer racers[4];
    struct rig *rig = rig_new();
    rig_start(rig);
    for (int i = 0; i < 4; i++) {
        racers[i].rig = rig;
        CHECK_INT(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(racers[i].thread, NULL);
    CHECK_INT(atomic_load(&rig->served), 10000);
    CHECK_INT(rig_stop(rig), 0);
}

void test_a_long_poll_ends_at_its_deadline_or_when_woken(void)
{
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig_start(rig);
    int fd = raw_connect(rig_port(rig));
    double started = raw_now_s();
    CHECK_INT(raw_get(fd, "/poll?ms=150", &reply), 200);
    CHECK_HAS(reply.bytes, "timeout");
    CHECK(raw_now_s() - started >= 0.15); /* never early; how late is the machine's affair */
    int others[20];
    for (int i = 0; i < 20; i++) others[i] = ask(rig, "/poll");
    wait_parked(rig, 20);
    rig_publish(rig, 1);
    for (int i = 0; i < 20; i++) {
        raw_until(others[i], "woken", &reply);
        close(others[i]);
    }
    for (int i = 0; i < 3; i++) {
        others[i] = ask(rig, "/poll?topic=queue");
        wait_parked(rig, (uint64_t)i + 1);
    }
    CHECK_INT(stream_wake(rig->hub, "queue", 1), 1); /* one job, one claim: the oldest */
    wait_parked(rig, 2);
    raw_until(others[0], "woken", &reply);
    CHECK_INT(stream_wake(rig->hub, "queue", 5), 2);
    for (int i = 0; i < 3; i++) close(others[i]);
    close(fd);
    CHECK_INT(rig_stop(rig), 0);
}

void test_a_client_that_leaves_while_parked_is_noticed_and_forgotten(void)
{
    struct rig *rig = rig_new();
    rig_start(rig);
    int polls[40];
    for (int i = 0; i < 40; i++) polls[i] = ask(rig, i % 2 ? "/poll" : "/park");
    wait_parked(rig, 40);
    for (int i = 0; i < 40; i++) close(polls[i]);
    rig_wait(&rig->gone, 40);
    for (int i = 0; i < 5000 && counts_of(rig).connections; i++) clock_sleep_ms(1);
    CHECK_INT(counts_of(rig).connections, 0);
    CHECK_INT(counts_of(rig).parked, 0);
    CHECK_INT(stream_wake(rig->hub, "job", 100), 0);
    CHECK_INT(rig_stop(rig), 0);
}

/* The ids of all events of a text, checked to be `first`, first+1, ...; returns the last one. */
static long check_ids(const char *text, long first)
{
    long want = first;
    for (const char *s = text; (s = strstr(s, "id: ")); s += 4) {
        if (s != text && s[-1] != '\n') continue;
        CHECK_INT(strtol(s + 4, NULL, 10), want);
        want++;
    }
    return want - 1;
}

void test_an_event_stream_sends_the_past_then_the_present_and_resumes_after_an_id(void)
{
    static struct raw_reply reply;
    char last[64];
    struct rig *rig = rig_new();
    rig_start(rig);
    rig_publish(rig, 350); /* three pages and a half */
    int fd = ask(rig, "/events");
    raw_until(fd, "id: 350\n", &reply);
    CHECK_HAS(reply.bytes, "Content-Type: text/event-stream");
    CHECK_HAS(reply.bytes, "retry: 2000\n");
    CHECK_HAS(reply.bytes, "event: metric\ndata: {\"event\":1,");
    CHECK_INT(check_ids(reply.bytes, 1), 350);
    rig_publish(rig, 5);
    raw_until(fd, "id: 355\n", &reply);
    CHECK_INT(check_ids(strstr(reply.bytes, "id: 351"), 351), 355);
    close(fd);
    fd = raw_connect(rig_port(rig));
    snprintf(last, sizeof last, "GET /events?all=1 HTTP/1.1\r\n");
    raw_text(fd, last);
    raw_text(fd, "Host: a\r\nLast-Event-ID: 352\r\n\r\n");
    raw_until(fd, "id: 355\n", &reply);
    CHECK_INT(check_ids(strstr(reply.bytes, "id: "), 353), 355);
    close(fd);
    rig->surprises = 3;
    fd = ask(rig, "/events?after=355");
    raw_until(fd, "id: 358\n", &reply);
    CHECK_INT(check_ids(strstr(reply.bytes, "id: "), 356), 358);
    close(fd);
    wait_streams(rig, 0);
    CHECK_INT(raw_exchange(rig_port(rig), "GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: x\r\n\r\n", &reply), 400);
    CHECK_INT(rig_stop(rig), 0);
}

/* The client of these tests itself: a busy machine once put a frame between "id: " and its number. */
void test_the_raw_client_joins_a_chunked_body_whose_frames_fall_within_words(void)
{
    static const char body[] = "retry: 2000\n\nid: 1\ndata: a\n\nid: 2\ndata: be\n\nid: 3\n";
    static struct raw_reply reply;
    for (size_t piece = 1; piece < sizeof body; piece++) {
        int fds[2];
        char frame[32];
        CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        raw_text(fds[0], "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0; at < sizeof body - 1; at += piece) {
            size_t n = sizeof body - 1 - at < piece ? sizeof body - 1 - at : piece;
            snprintf(frame, sizeof frame, "%zx\r\n", n);
            raw_text(fds[0], frame);
            raw_send(fds[0], body + at, n);
            raw_text(fds[0], "\r\n");
        }
        raw_until(fds[1], "id: 3\n", &reply);
        CHECK_INT(check_ids(reply.bytes, 1), 3);
        CHECK_HAS(reply.bytes, "\r\n\r\nretry: 2000\n\nid: 1\ndata: a\n\nid: 2\ndata: be\n\nid: 3\n");
        close(fds[0]), close(fds[1]);
    }
}

struct reader {
    pthread_t thread;
    struct rig *rig;
    long until;
};

static void *read_events(void *argument)
{
    struct reader *reader = argument;
    struct raw_reply *reply = malloc(sizeof *reply);
    char end[64];
    snprintf(end, sizeof end, "id: %ld\n", reader->until);
    int fd = ask(reader->rig, "/events");
    raw_until(fd, end, reply);
    CHECK_INT(check_ids(reply->bytes, 1), reader->until);
    close(fd);
    free(reply);
    return NULL;
}

void test_streams_that_join_while_events_flow_miss_and_double_none(void)
{
    struct reader readers[16];
    struct rig *rig = rig_new();
    rig_start(rig);
    for (int i = 0; i < 16; i++) {
        readers[i].rig = rig;
        readers[i].until = 1000;
        CHECK_INT(pthread_create(&readers[i].thread, NULL, read_events, &readers[i]), 0);
        for (int k = 0; k < 6; k++) rig_publish(rig, 10);
    }
    for (int k = 0; k < 4; k++) rig_publish(rig, 10);
    for (int i = 0; i < 16; i++) pthread_join(readers[i].thread, NULL);
    wait_streams(rig, 0);
    CHECK_INT(rig_stop(rig), 0);
}

void test_a_silent_stream_is_pinged_and_one_that_overflows_is_ended(void)
{
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig->config.ping_ms = 100;
    rig->config.stream_bytes_max = 1 << 20;
    rig->padding = 8000;
    rig_start(rig);
    int fd = ask(rig, "/events");
    raw_until(fd, ": ping\n\n", &reply);
    raw_until(fd, ": ping\n\n", &reply);
    int small = 4096, lazy = raw_connect(rig_port(rig));
    setsockopt(lazy, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    raw_text(lazy, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    raw_until(lazy, "retry: 2000", &reply);
    wait_streams(rig, 2);
    for (int i = 0; i < 2000 && counts_of(rig).streams == 2; i++) {
        rig_publish(rig, 25); /* the lazy one does not read */
        do raw_read(fd, 5, &reply);
        while (reply.length == sizeof reply.bytes - 1);
    }
    wait_streams(rig, 1);
    close(lazy);
    close(fd);
    wait_streams(rig, 0);
    CHECK_INT(rig_stop(rig), 0);
}

void test_streams_have_a_quota(void)
{
    static struct raw_reply reply;
    int fds[3];
    struct rig *rig = rig_new();
    rig->config.streams_max = 3;
    rig_start(rig);
    for (int i = 0; i < 3; i++) fds[i] = ask(rig, "/events");
    wait_streams(rig, 3);
    CHECK_INT(raw_exchange(rig_port(rig), "GET /events HTTP/1.1\r\nHost: a\r\n\r\n", &reply), 429);
    CHECK_HAS(reply.bytes, "Retry-After: ");
    for (int i = 0; i < 3; i++) close(fds[i]);
    wait_streams(rig, 0);
    CHECK_INT(rig_stop(rig), 0);
}

void test_stopping_with_parked_polls_streams_and_uploads_answers_and_frees_all(void)
{
    static struct raw_reply reply;
    int polls[30], streams[10], upload;
    struct rig *rig = rig_new();
    rig_start(rig);
    atomic_store(&rig->sink_waits, true);
    for (int i = 0; i < 30; i++) polls[i] = ask(rig, i % 2 ? "/poll" : "/park");
    for (int i = 0; i < 10; i++) streams[i] = ask(rig, "/events");
    upload = raw_connect(rig_port(rig));
    raw_text(upload, "PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nxxxxxxxx");
    wait_parked(rig, 30);
    wait_streams(rig, 10);
    for (int i = 0; i < 5000 && !atomic_load(&rig->sink_request); i++) clock_sleep_ms(1);
    double started = raw_now_s();
    CHECK_INT(rig_stop(rig), 0);
    CHECK(raw_now_s() - started < 5);
    for (int i = 0; i < 30; i++) {
        raw_until(polls[i], "stopping", &reply);
        CHECK(raw_is_closed(polls[i], 1000));
    }
    for (int i = 0; i < 10; i++) CHECK(raw_is_closed(streams[i], 1000));
    CHECK(raw_is_closed(upload, 1000));
}

void test_a_request_nobody_finishes_is_given_up_and_may_be_finished_late(void)
{
    struct rig *rig = rig_new();
    rig_start(rig);
    int fd = ask(rig, "/never");
    for (int i = 0; i < 5000 && !atomic_load(&rig->unfinished); i++) clock_sleep_ms(1);
    struct http_request *r = atomic_load(&rig->unfinished);
    double started = raw_now_s();
    CHECK_INT(rig_stop(rig), 1);
    CHECK(raw_now_s() - started >= 4.0);
    CHECK(raw_is_closed(fd, 1000));
    http_reply_text(r, 200, "text/plain", "too late");
    http_finish(r);
}

void test_head_of_an_event_stream_has_no_body_and_ends(void)
{
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig_start(rig);
    int fd = raw_connect(rig_port(rig));
    raw_text(fd, "HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n");
    raw_until(fd, "\r\n\r\n", &reply);
    CHECK_TEXT(reply.statuses, "200");
    CHECK_TEXT(strstr(reply.bytes, "\r\n\r\n"), "\r\n\r\n");
    CHECK_INT(raw_get(fd, "/a", &reply), 200);
    CHECK(!strncmp(reply.bytes, "HTTP/1.1 200", 12)); /* nothing between the two answers */
    wait_streams(rig, 0);
    close(fd);
    CHECK_INT(rig_stop(rig), 0);
}

static void *upload_in_bits(void *argument)
{
    int fd = *(int *)argument;
    static char megabyte[1 << 20];
    raw_text(fd, "PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 33554432\r\n\r\n");
    for (int i = 0; i < 32; i++) raw_send(fd, megabyte, sizeof megabyte);
    return NULL;
}

void test_a_sink_that_says_not_now_holds_the_client_back(void)
{
    static struct raw_reply reply;
    pthread_t thread;
    struct rig *rig = rig_new();
    rig->config.body_grace_ms = 300; /* time held back by ourselves does not count against the client */
    rig_start(rig);
    atomic_store(&rig->sink_waits, true);
    int fd = raw_connect(rig_port(rig));
    CHECK_INT(pthread_create(&thread, NULL, upload_in_bits, &fd), 0);
    for (int i = 0; i < 5000 && !atomic_load(&rig->sink_request); i++) clock_sleep_ms(1);
    clock_sleep_ms(900);
    CHECK_INT(atomic_load(&rig->uploaded_bytes), 0);
    rig_let_upload_go(rig);
    raw_until(fd, "body=33554432", &reply);
    pthread_join(thread, NULL);
    CHECK_INT(atomic_load(&rig->uploaded_bytes), 33554432);
    CHECK_INT(atomic_load(&rig->uploads), 1);
    CHECK_INT(raw_get(fd, "/a", &reply), 200); /* the connection lives on */
    close(fd);
    CHECK_INT(rig_stop(rig), 0);
}

void test_an_upload_can_be_refused_before_it_and_within_it_and_break_off(void)
{
    static struct raw_reply reply;
    static char piece[65536];
    struct rig *rig = rig_new();
    rig_start(rig);
    int fd = raw_connect(rig_port(rig));
    raw_text(fd, "PUT /upload HTTP/1.1\r\nHost: a\r\nX-Refuse: 1\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n");
    raw_read(fd, 5000, &reply);
    CHECK_TEXT(reply.statuses, "409");
    CHECK(reply.closed);
    close(fd);
    fd = raw_connect(rig_port(rig));
    raw_text(fd, "PUT /upload-later HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    raw_until(fd, "100 Continue", &reply);
    raw_text(fd, "abc");
    raw_until(fd, "body=3", &reply);
    close(fd);
    fd = raw_connect(rig_port(rig));
    raw_text(fd, "PUT /upload HTTP/1.1\r\nHost: a\r\nX-Full: 1\r\nContent-Length: 60000000\r\n\r\n");
    for (int i = 0; i < 10; i++) raw_send(fd, piece, sizeof piece);
    raw_until(fd, "no_space", &reply);
    CHECK_TEXT(reply.statuses, "507");
    CHECK(raw_is_closed(fd, 5000));
    close(fd);
    CHECK_INT(atomic_load(&rig->broken), 0); /* the sink knows what it refused */
    fd = raw_connect(rig_port(rig));
    raw_text(fd, "PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nxxx");
    for (int i = 0; i < 5000 && atomic_load(&rig->uploaded_bytes) < 6; i++) clock_sleep_ms(1);
    close(fd);
    rig_wait(&rig->broken, 1);
    CHECK_INT(raw_exchange(rig_port(rig), "PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 67108865\r\n\r\n", &reply), 413);
    CHECK_INT(rig_stop(rig), 0);
}

void test_downloads_answer_ranges_etags_and_head(void)
{
    static const struct {
        const char *headers;
        int status;
        const char *has, *lacks;
    } asks[] = {
        {"", 200, "\r\n\r\n0123456789", "Content-Range"},
        {"Range: bytes=2-4\r\n", 206, "Content-Range: bytes 2-4/10", "5"},
        {"Range: bytes=7-\r\n", 206, "\r\n\r\n789", NULL},
        {"Range: bytes=-2\r\n", 206, "\r\n\r\n89", NULL},
        {"Range: bytes=5-100\r\n", 206, "bytes 5-9/10", NULL},
        {"Range: bytes=10-\r\n", 416, "Content-Range: bytes */10", NULL},
        {"Range: bytes=4-2\r\n", 200, "0123456789", NULL},
        {"Range: bytes=0-1,3-4\r\n", 200, "0123456789", NULL},
        {"Range: lines=0-1\r\n", 200, "0123456789", NULL},
        {"Range: bytes=2-4\r\nIf-Range: \"abc123\"\r\n", 206, "bytes 2-4/10", NULL},
        {"Range: bytes=2-4\r\nIf-Range: \"other\"\r\n", 200, "0123456789", NULL},
        {"If-None-Match: \"x\", W/\"abc123\"\r\n", 304, "ETag: \"abc123\"", "0123"},
        {"If-None-Match: *\r\n", 304, "ETag", "0123"},
        {"If-None-Match: \"abc12\"\r\n", 200, "filename=\"model _x_.safetensors\"", NULL},
    };
    static struct raw_reply reply;
    char request[512];
    struct rig *rig = rig_new();
    snprintf(rig->file, sizeof rig->file, "file.bin");
    FILE *f = fopen(rig->file, "w");
    fputs("0123456789", f);
    fclose(f);
    rig_start(rig);
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        snprintf(request, sizeof request, "GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", asks[i].headers);
        int fd = raw_connect(rig_port(rig));
        raw_text(fd, request);
        raw_read(fd, 5000, &reply);
        close(fd);
        if (atoi(reply.statuses) != asks[i].status) check_fail(__FILE__, __LINE__, "%s: %s", asks[i].headers, reply.bytes);
        CHECK_HAS(reply.bytes, asks[i].has);
        if (asks[i].lacks) CHECK(!strstr(strstr(reply.bytes, "\r\n\r\n"), asks[i].lacks));
    }
    int fd = raw_connect(rig_port(rig));
    raw_text(fd, "HEAD /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw_read(fd, 5000, &reply);
    CHECK_HAS(reply.bytes, "Content-Length: 10");
    CHECK_TEXT(strstr(reply.bytes, "\r\n\r\n"), "\r\n\r\n");
    close(fd);
    CHECK_INT(rig_stop(rig), 0);
}

void test_problems_list_every_mistake_and_pages_carry_their_policy(void)
{
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig_start(rig);
    CHECK_INT(raw_exchange(rig_port(rig), "GET /mistakes HTTP/1.1\r\nHost: a\r\n\r\n", &reply), 422);
    CHECK_HAS(reply.bytes, "\"type\":\"urn:tandem:error:spec_invalid\",\"title\":\"spec invalid\",\"status\":422,\"detail\":\"2 mistakes");
    CHECK_HAS(reply.bytes, "{\"code\":\"alpha_range\",\"pointer\":\"/loss/alpha\",\"detail\":\"alpha must be between 0 and 1\",\"found\":\"1.4?\",\"allowed\":\"0 to 1\"}");
    CHECK_HAS(reply.bytes, "\"code\":\"key_unknown\"");
    CHECK_HAS(reply.bytes, "\"request_id\":\"0");
    CHECK_INT(raw_exchange(rig_port(rig), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", &reply), 200);
    CHECK_HAS(reply.bytes, "Content-Security-Policy: default-src 'none'; script-src 'self'");
    static const char *const bad[] = {"{\"a\":1,\"a\":2}", "[1,]", "{} x", "[NaN]", "[1e999]", "\"\\u0000\"", "", "{\"a\":\xff}",
                                      "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char request[256];
        snprintf(request, sizeof request, "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s", strlen(bad[i]), bad[i]);
        CHECK_INT(raw_exchange(rig_port(rig), request, &reply), 400);
        CHECK_HAS(reply.bytes, "\"code\":\"bad_json\"");
    }
    CHECK_INT(raw_exchange(rig_port(rig), "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]  ", &reply), 200);
    CHECK_INT(rig_stop(rig), 0);
}

/* ---- stop ------------------------------------------------------------------------------------------------ */
static int open_files(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d);
    while (readdir(d)) count++;
    closedir(d);
    return count;
}

struct knocker {
    pthread_t thread;
    int port;
    atomic_int answered;
    atomic_bool enough;
};

/* Asks, each time on a connection of its own, as long as anybody is there. */
static void *knock(void *argument)
{
    struct knocker *k = argument;
    static const char request[] = "GET /first HTTP/1.1\r\nHost: a\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)k->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    while (!k->enough) {
        char reply[512];
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(fd >= 0);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) || send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) k->enough = true;
        else if (recv(fd, reply, sizeof reply, 0) > 0) k->answered++;
        close(fd);
    }
    return NULL;
}

/* The library took its socket out of the epoll set twice, and panicked, when a thread of it woke in the moment of a stop. */
void test_a_server_stops_a_hundred_times_while_clients_knock_and_leaves_no_file_open(void)
{
    int before = open_files();
    for (int round = 0; round < 100; round++) {
        struct knocker k[2] = {{0}, {0}};
        struct rig *rig = rig_new();
        rig_start(rig);
        for (int i = 0; i < 2; i++) {
            k[i].port = rig_port(rig);
            CHECK_INT(pthread_create(&k[i].thread, NULL, knock, &k[i]), 0);
        }
        for (int i = 0; i < 2; i++)
            while (k[i].answered < 3) clock_sleep_ms(1);
        CHECK_INT(rig_stop(rig), 0);
        for (int i = 0; i < 2; i++) {
            k[i].enough = true;
            pthread_join(k[i].thread, NULL);
        }
    }
    CHECK_INT(open_files(), before);
}
