/* test_api_mutants: 5,000 requests and specs, broken in seeded ways: the daemon refuses or takes them, stays alive and answers. */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "tests/check.h"
#include "tests/server/play.h"

enum { REQUESTS = 2500, SPECS = 2500, BYTES_MAX = 8192 };

static uint64_t seed = 20260727; /* any; the same every run */
static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}
static size_t random_below(size_t n)
{
    return n ? random_next() % n : 0;
}

/* What a mutation puts in: bytes that parsers trip over. */
static const char *const pieces[] = {"\r\n", "\n", " ", ":", "{", "}", "[", "]", ",", "\"", "\\u0000", "\\ud800", "1e999", "-1", "99999999999999999999", "null", "true",
                                     "NaN", "%00", "%2e%2e/", "\xff\xfe", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "\t", "e", "/", "//", "?", "&&", "=", "{}", "[[[[[[[[[[[[[[[[[["};
enum { PIECES = sizeof pieces / sizeof pieces[0] };

static size_t put_in(char *text, size_t length, size_t at, const char *piece, size_t n)
{
    if (length + n >= BYTES_MAX) return length;
    memmove(text + at + n, text + at, length - at);
    memcpy(text + at, piece, n);
    return length + n;
}

/* 1 to 4 changes: a bit turned, a piece put in, bytes taken out, a part doubled, the end cut off. */
static size_t mutate(char *text, size_t length)
{
    for (size_t n = 1 + random_below(4); n && length > 1; n--) {
        size_t at = random_below(length), part = 1 + random_below(length - at < 24 ? length - at : 24);
        const char *piece = pieces[random_below(PIECES)];
        char copy[32];
        switch (random_below(8)) {
        case 0: text[at] = (char)(text[at] ^ (1 << random_below(8))); break;
        case 1:
        case 2:
        case 3: length = put_in(text, length, at, piece, strlen(piece)); break;
        case 4:
        case 5:
            memmove(text + at, text + at + part, length - at - part);
            length -= part;
            break;
        case 6:
            memcpy(copy, text + at, part);
            length = put_in(text, length, at, copy, part);
            break;
        default:
            if (!random_below(3)) length = at;
        }
    }
    text[length] = 0;
    return length;
}

/* ---- whole requests -------------------------------------------------------------------------------------------------------- */
static const struct {
    const char *line, *body;
} requests[] = {
    {"POST /v1/jobs HTTP/1.1", PLAY_JOB},
    {"GET /v1/jobs?limit=5&state=queued HTTP/1.1", NULL},
    {"GET /v1/jobs/01900000-0000-7000-8000-000000000000?wait=1&after=3 HTTP/1.1", NULL},
    {"POST /v1/jobs/01900000-0000-7000-8000-000000000000:cancel HTTP/1.1", "{\"grace_s\": 1}"},
    {"GET /v1/jobs/01900000-0000-7000-8000-000000000000/metrics?series=loss/&from=0&to=9&format=csv HTTP/1.1", NULL},
    {"GET /v1/jobs/01900000-0000-7000-8000-000000000000/artifacts/model.safetensors HTTP/1.1", NULL},
    {"PUT /v1/datasets/some HTTP/1.1", "{\"generate\": {\"images\": 4}}"},
    {"PUT /v1/datasets/other HTTP/1.1", "archive bytes"},
    {"POST /v1/alpha:preview HTTP/1.1", "{\"alpha\": {\"points\": [[0, 1], [5, 0]], \"interp\": \"cosine\"}, \"epochs\": 9}"},
    {"POST /v1/worker/register HTTP/1.1", "{\"protocol\": 1, \"name\": \"w\", \"labels\": {\"a\": \"b\"}, \"capacity\": {\"threads\": 1}}"},
    {"POST /v1/worker/claim HTTP/1.1", "{\"worker_id\": \"01900000-0000-7000-8000-000000000000\", \"claim_key\": \"k\"}"},
    {"POST /v1/attempts/01900000-0000-7000-8000-000000000000/1:metrics HTTP/1.1",
     "{\"lease_token\": \"t\", \"seq\": 1, \"series\": [{\"name\": \"loss/ce\", \"kind\": \"result\", \"x\": \"step\", \"steps\": [1, 2], \"values\": [0.5, \"NaN\"]}]}"},
    {"PUT /v1/attempts/01900000-0000-7000-8000-000000000000/1/artifacts/a?kind=model HTTP/1.1", "bytes"},
    {"GET /v1/openapi.json HTTP/1.1", NULL},
    {"GET /v1/schemas/job HTTP/1.1", NULL},
};
enum { REQUEST_KINDS = sizeof requests / sizeof requests[0] };

static size_t write_request(char *text, size_t i)
{
    const char *body = requests[i].body ? requests[i].body : "";
    return (size_t)snprintf(text, BYTES_MAX, "%s\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nLease-Token: t\r\nContent-Length: %zu\r\n\r\n%s",
                            requests[i].line, strlen(body), body);
}

/* Sends it behind a good request, gives the server a moment to answer, and leaves: mid-head, mid-body or after the answer. */
static void send_raw(int port, const char *text, size_t length)
{
    struct client c;
    struct reply r;
    client_init(&c, port);
    c.unchecked = true;
    client_send(&c, "GET", "/livez", NULL, NULL, 0);
    CHECK(client_receive(&c, "GET", "/livez", 10000, &r));
    CHECK_INT(r.status, 200);
    reply_free(&r);
    if (send(c.fd, text, length, MSG_NOSIGNAL) >= 0) {
        struct pollfd p = {.fd = c.fd, .events = POLLIN};
        (void)poll(&p, 1, 10);
    }
    client_close(&c);
}

/* ---- specs ---------------------------------------------------------------------------------------------------------------------- */
#define SPEC                                                                                                                                       \
    "{\"name\": \"m\", \"project\": \"p\", \"tags\": [\"a\"], \"dataset\": {\"generate\": {\"kind\": \"lesions\", \"images\": 8, \"size\": 64}}, "    \
    "\"model\": {\"type\": \"unet\", \"widths\": [8, 16], \"norm\": \"instance\"}, "                                                                 \
    "\"loss\": {\"strategy\": \"scheduled\", \"alpha\": {\"points\": [[0, 1], [1, 0]], \"interp\": \"linear\", \"unit\": \"fraction\"}}, "           \
    "\"optimizer\": {\"type\": \"adam\", \"lr\": 0.001, \"betas\": [0.9, 0.999]}, \"lr_schedule\": {\"type\": \"poly\", \"power\": 0.9}, "          \
    "\"training\": {\"epochs\": 3, \"steps_per_epoch\": 5, \"batch\": 2, \"patch\": [32, 32]}, \"validation\": {\"monitor\": \"val/dice\"}, "      \
    "\"seed\": 1, \"priority\": 0, \"timeout_s\": null}"

/* A broken spec is a 400, 413 or 422 in the one form, checked against openapi.json by the client; some mutants are fine. */
static void send_spec(struct client *c, char *text)
{
    struct reply r;
    size_t length = mutate(text, (size_t)snprintf(text, BYTES_MAX, "%s", SPEC));
    client_call(c, "POST", "/v1/jobs", NULL, text, length, &r);
    if (r.status != 201 && r.status != 400 && r.status != 413 && r.status != 422)
        check_fail(__FILE__, __LINE__, "got %d for:\n%s\n%s", r.status, text, r.body);
    reply_free(&r);
}

void test_5000_broken_requests_leave_the_daemon_alive_and_answering(void)
{
    static char text[BYTES_MAX];
    struct daemon_run d;
    struct client c;
    check_time_limit(180);
    daemon_start(&d, NULL, NULL);
    client_init(&c, d.port);
    for (int i = 0; i < REQUESTS; i++) send_raw(d.port, text, mutate(text, write_request(text, (size_t)i % REQUEST_KINDS)));
    for (int i = 0; i < SPECS; i++) send_spec(&c, text);
    json_decref(call_json(&c, 200, "GET", "/readyz", NULL));
    json_decref(call_json(&c, 201, "POST", "/v1/jobs", PLAY_JOB));
    client_close(&c);
    CHECK_INT(daemon_stop(&d), 0);
}
