/* test_auth: token files good and bad, roles on routes, the limit on wrong tokens, addresses that need tokens. */
#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/sha256.h"
#include "tests/check.h"
#include "tests/server/http_raw.h"
#include "tests/server/http_rig.h"

#define D64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static enum err load(const char *text, struct auth **auth, struct err_note *note)
{
    FILE *f = fopen("tokens", "w");
    fputs(text, f);
    fclose(f);
    chmod("tokens", 0600);
    return auth_load("tokens", auth, note);
}

void test_a_malformed_token_file_is_refused_by_line(void)
{
    static const struct {
        const char *text, *pointer, *detail;
    } bad[] = {
        {"", "tokens", "no token"},
        {"# only words\n\n", "tokens", "no token"},
        {"ann submit " D64 "\nbob worker\n", "tokens line 2", "id role sha256"},
        {"ann boss " D64 "\n", "tokens line 1", "'boss' is no role"},
        {"Ann submit " D64 "\n", "tokens line 1", "no token id"},
        {"ann submit 0123\n", "tokens line 1", "sha256"},
        {"ann submit " D64 " more\n", "tokens line 1", "id role sha256"},
        {"ann submit " D64 "\n# x\nann worker " D64 "\n", "tokens line 3", "twice"},
    };
    struct auth *auth;
    struct err_note note;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(load(bad[i].text, &auth, &note), ERR_DATA);
        CHECK_TEXT(note.pointer, bad[i].pointer);
        CHECK_HAS(note.detail, bad[i].detail);
        CHECK(!auth);
    }
    CHECK_INT(auth_load("missing", &auth, &note), ERR_IO);
    CHECK_INT(load("  ann\tsubmit  " D64 "  # hers\r\n", &auth, &note), OK);
    CHECK_INT(auth_count(auth), 1);
    auth_free(auth);
    chmod("tokens", 0622);
    CHECK_INT(auth_load("tokens", &auth, &note), ERR_DATA);
    CHECK_HAS(note.detail, "chmod");
}

static void make_tokens(struct auth **auth, char secrets[3][AUTH_SECRET_HEX])
{
    static const enum auth_role roles[] = {AUTH_SUBMIT, AUTH_WORKER, AUTH_ADMIN};
    char text[600] = "", line[160];
    struct err_note note;
    for (int i = 0; i < 3; i++) {
        auth_new_token(auth_role_name(roles[i]), roles[i], secrets[i], line);
        strcat(text, line);
        strcat(text, "\n");
    }
    CHECK_INT(load(text, auth, &note), OK);
}

static int call(struct rig *rig, const char *request_line, const char *secret, struct raw_reply *reply)
{
    char request[512];
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: a\r\n%s%s%s\r\n", request_line, secret ? "Authorization: Bearer " : "",
             secret ? secret : "", secret ? "\r\n" : "");
    return raw_exchange(rig_port(rig), request, reply);
}

void test_each_route_lets_in_its_roles_only(void)
{
    static const struct {
        const char *request;
        int none, wrong, submit, worker, admin;
    } matrix[] = {
        {"GET /a", 200, 200, 200, 200, 200},
        {"GET /caller", 401, 401, 200, 200, 200},
        {"POST /worker", 401, 401, 403, 200, 200},
        {"POST /admin", 401, 401, 403, 403, 200},
        {"GET /nothing", 404, 404, 404, 404, 404},
    };
    static struct raw_reply reply;
    char secrets[3][AUTH_SECRET_HEX];
    struct rig *rig = rig_new();
    make_tokens(&rig->config.auth, secrets);
    struct auth *auth = rig->config.auth;
    rig_start(rig);
    for (size_t i = 0; i < sizeof matrix / sizeof *matrix; i++) {
        CHECK_INT(call(rig, matrix[i].request, NULL, &reply), matrix[i].none);
        if (matrix[i].none == 401) CHECK_HAS(reply.bytes, "WWW-Authenticate: Bearer");
        CHECK_INT(call(rig, matrix[i].request, D64, &reply), matrix[i].wrong);
        CHECK_INT(call(rig, matrix[i].request, secrets[0], &reply), matrix[i].submit);
        CHECK_INT(call(rig, matrix[i].request, secrets[1], &reply), matrix[i].worker);
        CHECK_INT(call(rig, matrix[i].request, secrets[2], &reply), matrix[i].admin);
    }
    call(rig, "GET /caller", secrets[1], &reply);
    CHECK_HAS(reply.bytes, "\r\n\r\nworker");
    CHECK_INT(rig_stop(rig), 0);
    auth_free(auth);
}

void test_the_eleventh_wrong_token_of_a_minute_is_429(void)
{
    static struct raw_reply reply;
    char secrets[3][AUTH_SECRET_HEX];
    struct rig *rig = rig_new();
    make_tokens(&rig->config.auth, secrets);
    struct auth *auth = rig->config.auth;
    rig_start(rig);
    for (int i = 0; i < 10; i++) CHECK_INT(call(rig, "GET /caller", D64, &reply), 401);
    CHECK_INT(call(rig, "GET /caller", D64, &reply), 429);
    CHECK_HAS(reply.bytes, "Retry-After: 60");
    CHECK_INT(call(rig, "GET /caller", NULL, &reply), 401);
    CHECK_INT(call(rig, "GET /caller", secrets[0], &reply), 200); /* others behind the same address go on */
    clock_test_shift_ms(61000);
    CHECK_INT(call(rig, "GET /caller", D64, &reply), 401);
    CHECK_INT(rig_stop(rig), 0);
    auth_free(auth);
}

void test_an_address_others_can_reach_needs_tokens(void)
{
    struct http_config config = {.address = "0.0.0.0"};
    struct http_routes routes = {http_find_in_array, NULL};
    struct http *http;
    struct err_note note;
    CHECK_INT(http_start(&config, &routes, &http, &note), ERR_FORBIDDEN);
    CHECK_HAS(note.detail, "token");
    config = (struct http_config){.address = "127.0.0.1", .worker_address = "::"};
    CHECK_INT(http_start(&config, &routes, &http, &note), ERR_FORBIDDEN);
    config = (struct http_config){.address = "nowhere"};
    CHECK_INT(http_start(&config, &routes, &http, &note), ERR_FORBIDDEN);
    CHECK(auth_is_loopback("127.0.0.1") && auth_is_loopback("127.9.9.9") && auth_is_loopback("::1") && auth_is_loopback("localhost"));
    CHECK(!auth_is_loopback("10.0.0.1") && !auth_is_loopback("::") && !auth_is_loopback("") && !auth_is_loopback("127.0.0.1.evil"));
}

void test_two_listeners_share_routes_and_a_taken_port_is_named(void)
{
    static struct raw_reply reply;
    struct rig *rig = rig_new();
    rig->config.worker_address = "127.0.0.1";
    rig_start(rig);
    int other = http_worker_port(rig->http);
    CHECK(other > 0 && other != rig_port(rig));
    CHECK_INT(raw_exchange(other, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", &reply), 200);
    CHECK_INT(raw_exchange(rig_port(rig), "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", &reply), 200);
    struct http_config config = {.port = other};
    struct http_routes routes = {http_find_in_array, NULL};
    struct http *second;
    struct err_note note;
    CHECK_INT(http_start(&config, &routes, &second, &note), ERR_IO);
    CHECK_HAS(note.detail, "in use");
    CHECK_INT(rig_stop(rig), 0);
}
