/* test_api_call: the client against a server that answers, refuses, breaks off, lies and waits. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/api/api_call.h"
#include "schema/api/api_request.h"
#include "schema/api/sse_read.h"
#include "schema/base/clock.h"
#include "tests/check.h"
#include "tests/fake_server.h"

struct script {
    atomic_int calls;
    int refusals; /* this many answers are bad first */
    char last_head[4096], last_target[1100], last_body[4096];
};

static struct api_client *client_of(const struct fake_server *server)
{
    struct api_settings settings = {.server = fake_server_address(server), .token = "secret"};
    struct api_client *client;
    struct err_note note;
    enum err e = api_client_new(&settings, &client, &note);
    if (e) check_fail(__FILE__, __LINE__, "%s", note.detail);
    return client;
}

static void remember(struct script *s, const struct fake_request *r)
{
    s->calls++;
    snprintf(s->last_head, sizeof s->last_head, "%s", r->head);
    snprintf(s->last_target, sizeof s->last_target, "%s %s?%s", r->method, r->path, r->query);
    snprintf(s->last_body, sizeof s->last_body, "%s", r->body);
}

void test_addresses_escape_every_value_and_leave_absent_ones_out(void)
{
    char address[API_ADDRESS_MAX];
    const struct api_param params[API_CALL_PARAMS_MAX] = {{"wait", "25"}, {"name", "a b"}, {"n", "3"}, {"kind", NULL}, {"job", "j/1"}, {"x", "&="}};
    CHECK(!api_address("http://h:1", API_ATTEMPT_ARTIFACT_PUT, params, address));
    CHECK_TEXT(address, "http://h:1/v1/attempts/j%2F1/3/artifacts/a%20b?wait=25&x=%26%3D");
}

void test_credentials_come_from_flag_environment_or_file(void)
{
    char server[API_SERVER_MAX], token[API_TOKEN_MAX];
    struct err_note note;
    unsetenv("TANDEM_SERVER"), unsetenv("TANDEM_TOKEN"), unsetenv("TANDEM_TOKEN_FILE");
    CHECK(!api_who(&(struct api_settings){0}, server, token, &note));
    CHECK_TEXT(server, "http://127.0.0.1:8080");
    CHECK_TEXT(token, "");
    setenv("TANDEM_SERVER", "https://lab.example/", 1);
    FILE *file = fopen("token", "w");
    fputs("from-file\nmore\n", file);
    fclose(file);
    setenv("TANDEM_TOKEN_FILE", "token", 1);
    CHECK(!api_who(&(struct api_settings){0}, server, token, &note));
    CHECK_TEXT(server, "https://lab.example");
    CHECK_TEXT(token, "from-file");
    setenv("TANDEM_TOKEN", "from-env", 1);
    CHECK(!api_who(&(struct api_settings){0}, server, token, &note));
    CHECK_TEXT(token, "from-env");
    CHECK(!api_who(&(struct api_settings){.token_file = "token"}, server, token, &note));
    CHECK_TEXT(token, "from-file");
    CHECK_INT(api_who(&(struct api_settings){.server = "file:///etc/passwd"}, server, token, &note), ERR_BAD_REQUEST);
    CHECK_HAS(note.found, "file:");
    CHECK_INT(api_who(&(struct api_settings){.token_file = "absent"}, server, token, &note), ERR_IO);
}

void test_backoff_is_full_jitter_between_half_a_second_and_thirty(void)
{
    CHECK_INT(api_backoff_ms(0, 0, 0.0), 0);
    CHECK_INT(api_backoff_ms(0, 0, 0.999), 499);
    CHECK_INT(api_backoff_ms(3, 0, 0.5), 2000);
    CHECK_INT(api_backoff_ms(50, 0, 0.5), 15000);
    CHECK(api_backoff_ms(0, 7, 0.1) >= 7000);
    CHECK(api_backoff_ms(0, 100000, 0.1) <= 60500);
}

static void refuse_then_answer(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    struct script *s = user;
    remember(s, request);
    if (s->calls <= s->refusals) {
        fake_say(reply, 503, "{\"title\": \"busy\"}");
        snprintf(reply->headers, sizeof reply->headers, "Retry-After: 0\r\n");
        return;
    }
    fake_say(reply, 201, "{\"id\": \"j1\"}");
    snprintf(reply->headers, sizeof reply->headers, "Location: /v1/jobs/j1\r\nETag: \"7\"\r\n");
}

void test_a_busy_server_is_asked_again_with_the_same_key(void)
{
    struct script script = {.refusals = 2};
    struct fake_server *server = fake_server_start(0, refuse_then_answer, &script);
    struct api_client *client = client_of(server);
    struct api_reply reply;
    struct err_note note;
    json_t *body = json_pack("{s:s}", "dataset", "isbi2012");
    struct api_call call = {.op = API_JOB_SUBMIT, .body = body, .idempotency_key = "k-1", .retry_ms = 20000, .params = {{"dry_run", "1"}}};
    CHECK_INT(api_call(client, &call, &reply, &note), OK);
    CHECK_INT(reply.status, 201);
    CHECK_INT(reply.tries, 3);
    CHECK_TEXT(json_string_value(json_object_get(reply.json, "id")), "j1");
    CHECK_TEXT(reply.text, "{\"id\": \"j1\"}");
    CHECK_TEXT(reply.location, "/v1/jobs/j1");
    CHECK_TEXT(reply.etag, "\"7\"");
    CHECK_TEXT(script.last_target, "POST /v1/jobs?dry_run=1");
    CHECK_TEXT(script.last_body, "{\"dataset\":\"isbi2012\"}");
    CHECK_HAS(script.last_head, "Idempotency-Key: k-1");
    CHECK_HAS(script.last_head, "Authorization: Bearer secret");
    api_reply_free(&reply);
    script.refusals = 100;
    call.retry_ms = 0;
    CHECK_INT(api_call(client, &call, &reply, &note), ERR_BUSY);
    CHECK_INT(reply.tries, 1);
    api_reply_free(&reply);
    json_decref(body);
    api_client_free(client);
    fake_server_stop(server);
}

static void cut_then_answer(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    struct script *s = user;
    remember(s, request);
    fake_say(reply, s->calls <= s->refusals ? 0 : 200, "{}");
}

void test_a_broken_connection_is_repeated_only_where_that_does_no_harm(void)
{
    struct script script = {.refusals = 1};
    struct fake_server *server = fake_server_start(0, cut_then_answer, &script);
    struct api_client *client = client_of(server);
    struct api_reply reply;
    struct err_note note;
    CHECK_INT(api_call(client, &(struct api_call){.op = API_JOB_SUBMIT, .body_text = "{}", .retry_ms = 20000}, &reply, &note), ERR_UNREACHABLE);
    CHECK_INT(script.calls, 1);
    api_reply_free(&reply);
    script.calls = 0;
    CHECK_INT(api_call(client, &(struct api_call){.op = API_JOB_SUBMIT, .body_text = "{}", .retry_ms = 20000, .repeatable = true}, &reply, &note), OK);
    CHECK_INT(script.calls, 2);
    api_reply_free(&reply);
    fake_server_stop(server);
    CHECK_INT(api_call(client, &(struct api_call){.op = API_LIVEZ}, &reply, &note), ERR_UNREACHABLE);
    CHECK_HAS(note.pointer, "http://127.0.0.1:");
    api_reply_free(&reply);
    api_client_free(client);
}

static void problem(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    (void)user;
    if (strstr(request->path, "attempts"))
        fake_say(reply, 409, "{\"type\":\"/problems/lease_lost\",\"title\":\"lease_lost\",\"status\":409,\"detail\":\"gone\"}");
    else if (strstr(request->path, "jobs"))
        fake_say(reply, 422, "{\"type\":\"/problems/spec_invalid\",\"status\":422,\"errors\":["
                             "{\"code\":\"alpha_range\",\"pointer\":\"/loss/alpha\",\"detail\":\"1.4 is above 1\",\"found\":1.4,\"allowed\":\"0..1\"},"
                             "{\"code\":\"key_unknown\",\"pointer\":\"/los\",\"detail\":\"?\",\"nearest\":\"loss\"}]}");
    else
        fake_say(reply, 404, "<html>a proxy</html>");
    snprintf(reply->type, sizeof reply->type, "%s", reply->status == 404 ? "text/html" : "application/problem+json");
}

void test_problems_become_notes(void)
{
    struct fake_server *server = fake_server_start(0, problem, NULL);
    struct api_client *client = client_of(server);
    struct api_reply reply;
    struct err_note note;
    struct err_list *errors = calloc(1, sizeof *errors);
    struct api_call call = {.op = API_ATTEMPT_METRICS, .params = {{"job", "j"}, {"n", "1"}}, .body_text = "{}", .repeatable = true, .retry_ms = 60000};
    CHECK_INT(api_call(client, &call, &reply, &note), ERR_LEASE_LOST);
    CHECK_TEXT(note.detail, "gone");
    api_reply_free(&reply);
    CHECK_INT(api_call(client, &(struct api_call){.op = API_JOB_SUBMIT, .body_text = "{}"}, &reply, &note), ERR_SPEC);
    CHECK_TEXT(note.pointer, "/loss/alpha");
    CHECK_TEXT(note.found, "1.4");
    api_problem_read(&reply, errors);
    CHECK_INT(errors->count, 2);
    CHECK_INT(errors->notes[0].code, ERR_ALPHA_RANGE);
    CHECK_TEXT(errors->notes[1].nearest, "loss");
    api_reply_free(&reply);
    CHECK_INT(api_call(client, &(struct api_call){.op = API_VERSION}, &reply, &note), ERR_NOT_FOUND);
    api_problem_read(&reply, errors);
    CHECK_INT(errors->count, 1);
    CHECK_HAS(errors->notes[0].detail, "404");
    api_reply_free(&reply);
    free(errors);
    api_client_free(client);
    fake_server_stop(server);
}

/* ---- files -------------------------------------------------------------------------------------- */
struct bytes {
    char *data;
    size_t length;
    atomic_int calls;
    bool cut_first, redirect;
    char promised[80];
};

static void keep_or_give(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    struct bytes *b = user;
    b->calls++;
    if (!strcmp(request->method, "PUT")) {
        fake_header(request, "Tandem-Sha256", b->promised, sizeof b->promised);
        free(b->data);
        b->data = malloc(request->length + 1);
        memcpy(b->data, request->body, request->length + 1);
        b->length = request->length;
        fake_say(reply, 201, "{\"bytes\": %zu}", request->length);
        return;
    }
    if (b->redirect) {
        fake_say(reply, 302, "{}");
        snprintf(reply->headers, sizeof reply->headers, "Location: http://127.0.0.1:1/\r\n");
        return;
    }
    reply->status = 200;
    reply->body = malloc(b->length);
    memcpy(reply->body, b->data, b->length);
    reply->length = b->length;
    if (b->cut_first && b->calls == 1) reply->cut_after = b->length / 2;
}

static void write_pattern(const char *path, size_t length)
{
    FILE *file = fopen(path, "w");
    CHECK(file);
    for (size_t i = 0; i < length; i++) fputc((int)((i * 2654435761u) >> 13 & 255), file);
    fclose(file);
}

void test_files_go_up_and_come_down_with_their_sha256(void)
{
    struct bytes bytes = {0};
    struct fake_server *server = fake_server_start(0, keep_or_give, &bytes);
    struct api_client *client = client_of(server);
    struct api_reply reply;
    struct err_note note;
    char hex[SHA256_HEX];
    write_pattern("up", 3000000);
    CHECK(!sha256_hex_of_file("up", hex, &note));
    struct api_call up = {.op = API_ATTEMPT_ARTIFACT_PUT, .params = {{"job", "j"}, {"n", "1"}, {"name", "model"}}, .upload_path = "up", .lease_token = "t"};
    CHECK_INT(api_call(client, &up, &reply, &note), OK);
    CHECK_INT(bytes.length, 3000000);
    CHECK_TEXT(bytes.promised, hex);
    CHECK_TEXT(reply.sha256, hex);
    api_reply_free(&reply);
    bytes.cut_first = true, bytes.calls = 0;
    struct api_call down = {.op = API_WORKER_DATASET, .params = {{"sha256", hex}}, .download_path = "down", .want_sha256 = hex, .retry_ms = 20000};
    CHECK_INT(api_call(client, &down, &reply, &note), OK);
    CHECK_INT(reply.tries, 2);
    CHECK_INT(reply.bytes, 3000000);
    char again[SHA256_HEX];
    CHECK(!sha256_hex_of_file("down", again, &note));
    CHECK_TEXT(again, hex);
    api_reply_free(&reply);
    bytes.data[7] ^= 1;
    unlink("down");
    CHECK_INT(api_call(client, &down, &reply, &note), ERR_DIGEST);
    CHECK(access("down", F_OK));
    CHECK(system("test -z \"$(ls | grep part)\"") == 0);
    api_reply_free(&reply);
    down.download_bytes_max = 1000;
    CHECK_INT(api_call(client, &down, &reply, &note), ERR_TOO_LARGE);
    api_reply_free(&reply);
    bytes.redirect = true;
    CHECK(api_call(client, &down, &reply, &note) != OK);
    CHECK_INT(reply.status, 302);
    api_reply_free(&reply);
    api_client_free(client);
    fake_server_stop(server);
    free(bytes.data);
}

/* ---- waiting and streams ------------------------------------------------------------------------ */
static void park(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    (void)user, (void)request;
    clock_sleep_ms(3000);
    fake_say(reply, 200, "{}");
}

static void *stop_soon(void *stop)
{
    clock_sleep_ms(200);
    atomic_store((atomic_bool *)stop, true);
    return NULL;
}

void test_a_parked_call_ends_soon_after_stop_and_times_out_by_itself(void)
{
    struct fake_server *server = fake_server_start(0, park, NULL);
    struct api_client *client = client_of(server);
    struct api_reply reply;
    struct err_note note;
    atomic_bool stop = false;
    pthread_t thread;
    int64_t before = clock_mono_ms();
    CHECK(!pthread_create(&thread, NULL, stop_soon, &stop));
    CHECK_INT(api_call(client, &(struct api_call){.op = API_JOB_GET, .params = {{"id", "1"}, {"wait", "25"}}, .stop = &stop}, &reply, &note), ERR_CANCELLED);
    CHECK(clock_mono_ms() - before < 1500);
    pthread_join(thread, NULL);
    api_reply_free(&reply);
    CHECK_INT(api_call(client, &(struct api_call){.op = API_LIVEZ, .timeout_ms = 300}, &reply, &note), ERR_UNREACHABLE);
    CHECK(clock_mono_ms() - before < 2900);
    api_reply_free(&reply);
    api_client_free(client);
    fake_server_stop(server);
}

struct heard {
    int count, stop_at;
    char all[512];
};

static int hear(void *user, const struct api_event *event)
{
    struct heard *h = user;
    size_t n = strlen(h->all);
    snprintf(h->all + n, sizeof h->all - n, "[%s|%s|%s]", event->id, event->event, event->data);
    return ++h->count == h->stop_at;
}

void test_event_streams_are_read_whatever_the_pieces(void)
{
    static const char stream[] = "\xEF\xBB\xBF: hello\nid: 1\nevent: state\ndata: {\"a\":1}\n\n: ping\r\n\r\nid:2\r\ndata: x\r\ndata:y\r\n\r\nid: 3\n\ndata: cut off";
    for (size_t piece = 1; piece < sizeof stream; piece++) {
        struct sse_reader reader;
        struct heard heard = {0};
        sse_reader_init(&reader, hear, &heard);
        for (size_t at = 0; at < sizeof stream - 1; at += piece)
            CHECK(!sse_reader_add(&reader, stream + at, sizeof stream - 1 - at < piece ? sizeof stream - 1 - at : piece));
        CHECK_TEXT(heard.all, "[1|state|{\"a\":1}][2|message|x\ny]");
        CHECK_TEXT(reader.id, "3");
        sse_reader_free(&reader);
    }
}

static void stream_in_two_parts(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    char id[32];
    struct script *s = user;
    s->calls++;
    snprintf(reply->type, sizeof reply->type, "text/event-stream");
    if (!fake_header(request, "Last-Event-ID", id, sizeof id)) {
        fake_say(reply, 200, "id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: half");
        reply->cut_after = strlen(reply->body) - 1;
    } else {
        fake_say(reply, 200, "id: %d\ndata: after %s\n\n", atoi(id) + 1, id);
        reply->until_close = true;
    }
}

void test_a_broken_event_stream_goes_on_after_the_last_id(void)
{
    struct script script = {0};
    struct fake_server *server = fake_server_start(0, stream_in_two_parts, &script);
    struct api_client *client = client_of(server);
    struct heard heard = {0};
    struct err_note note;
    char last[64];
    struct api_call call = {.op = API_JOB_EVENTS, .params = {{"id", "j"}}, .retry_ms = 20000};
    CHECK_INT(api_events(client, &call, NULL, hear, &heard, last, &note), OK);
    CHECK_TEXT(heard.all, "[1|message|a][2|message|b][3|message|after 2]");
    CHECK_TEXT(last, "3");
    heard = (struct heard){.stop_at = 1};
    CHECK_INT(api_events(client, &call, NULL, hear, &heard, last, &note), OK);
    CHECK_TEXT(last, "1");
    api_client_free(client);
    fake_server_stop(server);
}

static void *call_many(void *client)
{
    for (int i = 0; i < 50; i++) {
        struct api_reply reply;
        struct err_note note;
        CHECK_INT(api_call(client, &(struct api_call){.op = API_LIVEZ}, &reply, &note), OK);
        api_reply_free(&reply);
    }
    return NULL;
}

static void count_connections(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    atomic_int *most = user;
    if (request->connection > *most) *most = request->connection;
    fake_say(reply, 200, "{}");
}

void test_threads_share_a_client_and_its_kept_alive_connections(void)
{
    atomic_int most = 0;
    struct fake_server *server = fake_server_start(0, count_connections, &most);
    struct api_client *client = client_of(server);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(!pthread_create(&threads[i], NULL, call_many, client));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK(most <= 4);
    api_client_free(client);
    fake_server_stop(server);
}
