/* test_http_attacks: what strangers send: every case of the table with its exact answer, slow ones, many, and mutated ones. */
#include <sys/socket.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/server/http_raw.h"
#include "tests/server/http_rig.h"

#define H "Host: a\r\n"
#define CHUNKED "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
/* `repeat` times `piece` stands where the request has a '@'. Two statuses for one request: the library itself answers,
   and writes its answer twice, then closes. */
static const struct {
    const char *name, *request;
    size_t length; /* 0: strlen */
    const char *statuses;
    bool stays_open;
    const char *piece;
    size_t repeat;
} cases[] = {
    {"CL and TE", "POST /a HTTP/1.1\r\n" H "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smug HTTP/1.1\r\n" H "\r\n", 0, "400", 0, 0, 0},
    {"TE xchunked", "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0, "400", 0, 0, 0},
    {"TE gzip, chunked", "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, "400", 0, 0, 0},
    {"TE identity and CL", "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", 0, "400", 0, 0, 0},
    {"two TE", "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "400", 0, 0, 0},
    {"two CL", "POST /a HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", 0, "400", 0, 0, 0},
    {"two CL reversed", "POST /a HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 3\r\n\r\nabcde", 0, "400", 0, 0, 0},
    {"CL list", "POST /a HTTP/1.1\r\n" H "Content-Length: 3, 5\r\n\r\nabcde", 0, "400 400", 0, 0, 0},
    {"CL +5", "POST /a HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nabcde", 0, "400 400", 0, 0, 0},
    {"CL -1", "POST /a HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\nabcde", 0, "400 400", 0, 0, 0},
    {"CL 0x5", "POST /a HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\nabcde", 0, "400 400", 0, 0, 0},
    {"CL 2^64+5", "POST /a HTTP/1.1\r\n" H "Content-Length: 18446744073709551621\r\n\r\nabcde", 0, "413 413", 0, 0, 0},
    {"CL empty", "POST /a HTTP/1.1\r\n" H "Content-Length: \r\n\r\n", 0, "400 400", 0, 0, 0},
    {"CL blank before colon", "POST /a HTTP/1.1\r\n" H "Content-Length : 5\r\n\r\nabcde", 0, "400", 0, 0, 0},
    {"TE blank before colon and CL", "POST /a HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 0, "400", 0, 0, 0},
    {"no Host", "GET /a HTTP/1.1\r\n\r\n", 0, "400 400", 0, 0, 0},
    {"two Host", "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 0, "400", 0, 0, 0},
    {"bare LF", "GET /a HTTP/1.1\nHost: a\n\n", 0, "200", 1, 0, 0}, /* still 200: not visible to the guard */
    {"obs-fold", "GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", 0, "200", 1, 0, 0}, /* still 200 */
    {"NUL in a value", "GET /a HTTP/1.1\r\nHost: a\0b\r\n\r\n", 30, "200", 1, 0, 0}, /* still 200: the library cuts it */
    {"NUL in a name", "GET /a HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n", 36, "400", 0, 0, 0},
    {"%00 in path", "GET /a%00b HTTP/1.1\r\n" H "\r\n", 0, "400", 0, 0, 0},
    {"%2e%2e%2f in path", "GET /v1/things/%2e%2e%2fetc%2fpasswd HTTP/1.1\r\n" H "\r\n", 0, "400", 0, 0, 0},
    {"../ in path", "GET /v1/../../etc HTTP/1.1\r\n" H "\r\n", 0, "400", 0, 0, 0},
    {"%zz in path", "GET /a%zz%2 HTTP/1.1\r\n" H "\r\n", 0, "400", 0, 0, 0},
    {"absolute form", "GET http://evil/x HTTP/1.1\r\n" H "\r\n", 0, "400", 0, 0, 0},
    {"HTTP/0.9", "GET /a\r\n\r\n", 0, "400", 0, 0, 0},
    {"HTTP/2.0 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, "505", 0, 0, 0},
    {"HTTP/1.9", "GET /a HTTP/1.9\r\n" H "\r\n", 0, "505", 0, 0, 0},
    {"method junk", "G<>T /a HTTP/1.1\r\n" H "\r\n", 0, "501", 0, 0, 0},
    {"chunk size overflow", CHUNKED "10000000000000005\r\nabcde\r\n0\r\n\r\n", 0, "413", 0, 0, 0},
    {"chunk size 0x5", CHUNKED "0x5\r\nabcde\r\n0\r\n\r\n", 0, "400", 0, 0, 0},
    {"chunk -1", CHUNKED "-1\r\nabcde\r\n0\r\n\r\n", 0, "400", 0, 0, 0},
    {"chunk extension of 20 kB", CHUNKED "5;@\r\nabcde\r\n0\r\n\r\n", 0, "200", 1, "x", 20000}, /* still 200 */
    {"chunk with bare LF", CHUNKED "5\nabcde\n0\n\n", 0, "200", 1, 0, 0}, /* still 200 */
    {"chunk without its CRLF", CHUNKED "5\r\nabcdeXX0\r\n\r\n", 0, "400", 0, 0, 0},
    {"trailer with CL", CHUNKED "0\r\nContent-Length: 99\r\nX: y\r\n\r\nGET /next HTTP/1.1\r\n" H "\r\n", 0, "200 200", 1, 0, 0},
    {"one header of 40 kB", "GET /a HTTP/1.1\r\n" H "X: @\r\n\r\n", 0, "431", 0, "a", 40000},
    {"5000 headers", "GET /a HTTP/1.1\r\n" H "@\r\n", 0, "431", 0, "X1234: y\r\n", 5000},
    {"1000 headers", "GET /a HTTP/1.1\r\n" H "@\r\n", 0, "431", 0, "X123: y\r\n", 1000},
    {"address of 40 kB", "GET /@ HTTP/1.1\r\n" H "\r\n", 0, "414", 0, "a", 40000},
    {"GET with a body, then another", "GET /a HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n" H "\r\n", 0, "200 200", 1, 0, 0},
    {"Expect and a huge CL", "POST /a HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n", 0, "413", 0, 0, 0},
    {"CR LF in the query", "GET /a?h=x%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\n" H "\r\n", 0, "400", 0, 0, 0},
};
enum { CASES = sizeof cases / sizeof *cases };

static char *request_of(size_t i, size_t *length)
{
    size_t n = cases[i].length ? cases[i].length : strlen(cases[i].request);
    size_t piece = cases[i].piece ? strlen(cases[i].piece) : 0;
    const char *mark = piece ? strchr(cases[i].request, '@') : NULL;
    char *bytes = malloc(n + piece * cases[i].repeat + 1), *to = bytes;
    size_t before = mark ? (size_t)(mark - cases[i].request) : n;
    memcpy(to, cases[i].request, before);
    to += before;
    for (size_t k = 0; mark && k < cases[i].repeat; k++, to += piece) memcpy(to, cases[i].piece, piece);
    if (mark) memcpy(to, mark + 1, n - before - 1), to += n - before - 1;
    *length = (size_t)(to - bytes);
    return bytes;
}

void test_each_attack_gets_its_exact_answer(void)
{
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig_start(rig);
    CHECK_INT(CASES, 44);
    for (size_t i = 0; i < CASES; i++) {
        size_t length;
        char *request = request_of(i, &length);
        int fd = raw_connect(rig_port(rig));
        raw_send(fd, request, length);
        raw_read(fd, cases[i].stays_open ? 200 : 5000, &reply);
        if (strcmp(reply.statuses, cases[i].statuses) || reply.closed == cases[i].stays_open)
            check_fail(__FILE__, __LINE__, "%s: got %s%s, want %s%s\n%.600s", cases[i].name, reply.statuses, reply.closed ? ", closed" : "",
                       cases[i].statuses, cases[i].stays_open ? "" : ", closed", reply.bytes);
        CHECK(!strstr(reply.bytes, "smug"));
        close(fd);
        free(request);
    }
    raw_still_answers(rig_port(rig));
    CHECK_INT(rig_stop(rig), 0);
}

void test_refusals_come_on_the_head_and_say_why(void)
{
    static const struct {
        const char *request;
        int status;
        const char *has;
    } doors[] = {
        {"GET /nothing HTTP/1.1\r\n" H "\r\n", 404, "\"code\":\"not_found\""},
        {"DELETE /a HTTP/1.1\r\n" H "\r\n", 405, "Allow: GET, HEAD, POST"},
        {"GET /v1/things/x:stop HTTP/1.1\r\n" H "\r\n", 405, "Allow: POST"},
        {"GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "\"found\":\"evil.example\""},
        {"GET /a HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n", 421, "misdirected"},
        {"GET /a HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 200, "REQ"},
        {"GET /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", 200, "REQ"},
        {"OPTIONS /a HTTP/1.1\r\n" H "Origin: http://evil\r\n\r\n", 501, "Connection: close"},
        {"POST /json HTTP/1.1\r\n" H "Content-Length: 65537\r\n\r\n", 413, "65536 bytes"},
        {"GET /b HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 413, "too_large"},
        {"POST /json HTTP/1.1\r\n" H "Origin: http://evil\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 403, "forbidden"},
        {"POST /json HTTP/1.1\r\n" H "Sec-Fetch-Site: cross-site\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 403, "forbidden"},
        {"POST /json HTTP/1.1\r\n" H "Origin: http://a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415, "media_type"},
        {"POST /json HTTP/1.1\r\n" H "Origin: http://a\r\nContent-Length: 2\r\n\r\n{}", 415, "media_type"},
        {"POST /json HTTP/1.1\r\n" H "Origin: http://a\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}", 200, "{}"},
        {"POST /json HTTP/1.1\r\n" H "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{}", 200, "{}"},
        {"POST /json HTTP/1.1\r\n" H "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 415, "media_type"},
        {"GET /v1/things/%ff HTTP/1.1\r\n" H "\r\n", 400, "UTF-8"},
        {"GET /v1/things/caf%C3%A9 HTTP/1.1\r\n" H "\r\n", 200, "caf\xc3\xa9"},
        {"GET /v1/things/x?q=a%20b+c HTTP/1.1\r\n" H "\r\n", 200, "a b c"},
        {"GET /v1/things/x?q=%00 HTTP/1.1\r\n" H "\r\n", 400, "UTF-8"},
        {"GET /v1//things HTTP/1.1\r\n" H "\r\n", 400, "empty segment"},
    };
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig_start(rig);
    for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
        int status = raw_exchange(rig_port(rig), doors[i].request, &reply);
        if (status != doors[i].status) check_fail(__FILE__, __LINE__, "%s\ngot %d, want %d", doors[i].request, status, doors[i].status);
        CHECK_HAS(reply.bytes, doors[i].has);
        CHECK_HAS(reply.bytes, "X-Content-Type-Options: nosniff");
        CHECK(!strstr(reply.bytes, "Access-Control-Allow-Origin"));
        if (status >= 400 && status != 200) CHECK_HAS(reply.bytes, "application/problem+json");
        if (status >= 400) CHECK_HAS(reply.bytes, "Connection: close");
    }
    CHECK_INT(rig_stop(rig), 0);
}

void test_slow_heads_and_slow_bodies_are_cut_and_others_served(void)
{
    enum { SLOW = 100 };
    int heads[SLOW], body, rest;
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig->config.head_ms = 600;
    rig->config.body_grace_ms = 600;
    rig_start(rig);
    rest = raw_connect(rig_port(rig));
    CHECK_INT(raw_get(rest, "/a", &reply), 200);
    for (int i = 0; i < SLOW; i++) {
        heads[i] = raw_connect(rig_port(rig));
        raw_text(heads[i], "GET /a HTTP/1.1\r\nHost: a\r\n");
    }
    body = raw_connect(rig_port(rig));
    raw_text(body, "POST /a HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n");
    double started = raw_now_s();
    for (int n = 0; n < 12 && raw_now_s() - started < 1.5; n++) {
        for (int i = 0; i < SLOW; i++) raw_text(heads[i], "X: y\r\n");
        raw_text(body, "xxxxxxxxxx");
        raw_still_answers(rig_port(rig));
        usleep(100000);
    }
    for (int i = 0; i < SLOW; i++) CHECK(raw_is_closed(heads[i], 3000));
    CHECK(raw_is_closed(body, 3000));
    CHECK(!raw_is_closed(rest, 1));
    CHECK_INT(raw_get(rest, "/a", &reply), 200); /* a resting connection is not a slow one */
    for (int i = 0; i < SLOW; i++) close(heads[i]);
    raw_text(rest, "GET /a HTTP/1.1\r\n"); /* but a second head may not dawdle either */
    CHECK(raw_is_closed(rest, 3000));
    CHECK_INT(rig_stop(rig), 0);
}

void test_three_hundred_connections_of_one_address_are_served(void)
{
    enum { MANY = 300 };
    int fds[MANY];
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig_start(rig);
    for (int i = 0; i < MANY; i++) fds[i] = raw_connect(rig_port(rig));
    for (int i = 0; i < MANY; i++) CHECK_INT(raw_get(fds[i], "/a", &reply), 200);
    struct http_counters counters;
    http_count(rig->http, &counters);
    CHECK_INT(counters.connections, MANY);
    for (int i = 0; i < MANY; i++) close(fds[i]);
    CHECK_INT(rig_stop(rig), 0);
}

void test_an_endless_chunked_body_is_answered_413_and_cut(void)
{
    static struct raw_reply reply;
    static char chunk[65536 + 16];
    struct rig *rig = rig_new();
    rig_start(rig);
    int n = snprintf(chunk, sizeof chunk, "%x\r\n", 65536);
    memset(chunk + n, 'x', 65536);
    memcpy(chunk + n + 65536, "\r\n", 2);
    int fd = raw_connect(rig_port(rig));
    raw_text(fd, CHUNKED);
    for (int i = 0; i < 64; i++) raw_send(fd, chunk, (size_t)n + 65536 + 2);
    raw_until(fd, "\r\n\r\n{", &reply);
    CHECK_TEXT(reply.statuses, "413");
    CHECK(raw_is_closed(fd, 5000));
    raw_still_answers(rig_port(rig));
    CHECK_INT(rig_stop(rig), 0);
}

/* xorshift64*: the same requests in every run */
static uint64_t random_state = 0x9E3779B97F4A7C15u;
static uint64_t next_random(uint64_t below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * 2685821657736338717u >> 11) % below;
}

static size_t mutate(char *bytes, size_t length, size_t room)
{
    static const char spice[] = "\0\r\n :;,%/.\\\"\xff\x80{}[]0aZ";
    for (uint64_t k = 1 + next_random(4); k; k--) {
        size_t at = next_random(length);
        switch (next_random(5)) {
        case 0:
            bytes[at] = (char)next_random(256);
            break;
        case 1:
            bytes[at] = spice[next_random(sizeof spice - 1)];
            break;
        case 2: /* leave out */
            memmove(bytes + at, bytes + at + 1, length - at - 1);
            if (length > 8) length--;
            break;
        case 3: /* say twice */
            if (length < room / 2) {
                size_t n = 1 + next_random(length - at);
                memmove(bytes + at + n, bytes + at, length - at);
                length += n;
            }
            break;
        default:
            if (at > 8) length = at;
        }
    }
    return length;
}

/* The library overlooks an end that comes together with the last bytes; the deadlines of head and body catch that. */
void test_five_thousand_mutated_requests_leave_the_server_answering(void)
{
    enum { ALL = 5000, AT_ONCE = 250 };
    check_time_limit(120);
    static struct raw_reply reply;
    static char bytes[1 << 20];
    int fds[AT_ONCE];
    struct rig *rig = rig_new();
    rig->config.head_ms = rig->config.body_grace_ms = rig->config.idle_ms = 300;
    rig_start(rig);
    for (int i = 0; i < ALL; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++) {
            size_t length, which = next_random(CASES);
            if (cases[which].repeat > 1000) which = 0;
            char *request = request_of(which, &length);
            memcpy(bytes, request, length);
            free(request);
            length = mutate(bytes, length, 65536);
            fds[k] = raw_connect(rig_port(rig));
            raw_send(fds[k], bytes, length);
            shutdown(fds[k], SHUT_WR);
        }
        for (int k = 0; k < AT_ONCE; k++) { /* an answer or none, but an end */
            raw_read(fds[k], 20000, &reply);
            if (!reply.closed) check_fail(__FILE__, __LINE__, "request %d is left hanging, after \"%s\"", i + k, reply.statuses);
            CHECK(!strstr(reply.statuses, "500"));
            close(fds[k]);
        }
        raw_still_answers(rig_port(rig));
    }
    CHECK_INT(rig_stop(rig), 0);
}
