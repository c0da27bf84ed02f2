/* api_try: libcurl behind its one door: connections kept alive, one try, files streamed. */
#include "schema/api/api_try.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "schema/api/api_request.h"
#include "schema/api/download.h"
#include "schema/base/buf.h"

/* 100 bytes/s for STALL_S is a dead transfer; three pings of 15 s make SSE_SILENCE_S. */
enum { CONNECT_MS = 10000, STALL_BYTES_S = 100, STALL_S = 60, SSE_SILENCE_S = 45, PATH_MAX_BYTES = 4096 };

/* A connection: an easy handle and the multi handle that keeps its socket open between calls. */
struct line {
    CURL *easy;
    CURLM *multi;
    struct line *next;
};
struct api_client {
    char server[API_SERVER_MAX], authorization[API_TOKEN_MAX + 32], ca_file[PATH_MAX_BYTES], user_agent[96];
    pthread_mutex_t lock;
    struct line *idle;
};
/* One try: where its bytes come from and go to. */
struct attempt {
    struct api_client *client;
    const struct api_call *call;
    struct api_reply *reply;
    struct sse_reader *events; /* NULL: not a stream */
    struct line *line;
    struct buf body;
    enum err failed;           /* why a callback refused to go on */
    int64_t retry_after_s;
    FILE *upload;
    struct download download;
    char reason[CURL_ERROR_SIZE];
};

static void start_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) abort();
}

enum err api_client_new(const struct api_settings *settings, struct api_client **client, struct err_note *note)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
    *client = NULL;
    struct api_client *c = calloc(1, sizeof *c);
    if (!c) abort();
    char token[API_TOKEN_MAX];
    enum err e = api_who(settings, c->server, token, note);
    if (e) {
        free(c);
        return e;
    }
    if (*token) snprintf(c->authorization, sizeof c->authorization, "Bearer %s", token);
    const char *ca = settings->ca_file ? settings->ca_file : getenv("TANDEM_CA_FILE");
    snprintf(c->ca_file, sizeof c->ca_file, "%s", ca ? ca : "");
    snprintf(c->user_agent, sizeof c->user_agent, "%s/" TANDEM_VERSION, settings->program ? settings->program : "tandem");
    pthread_mutex_init(&c->lock, NULL);
    *client = c;
    return OK;
}

static void line_free(struct line *line)
{
    curl_easy_cleanup(line->easy);
    curl_multi_cleanup(line->multi);
    free(line);
}

void api_client_free(struct api_client *client)
{
    if (!client) return;
    for (struct line *line = client->idle, *next; line; line = next) {
        next = line->next;
        line_free(line);
    }
    pthread_mutex_destroy(&client->lock);
    explicit_bzero(client->authorization, sizeof client->authorization);
    free(client);
}

const char *api_client_server(const struct api_client *client)
{
    return client->server;
}

static struct line *line_take(struct api_client *client)
{
    pthread_mutex_lock(&client->lock);
    struct line *line = client->idle;
    if (line) client->idle = line->next;
    pthread_mutex_unlock(&client->lock);
    if (line) return line;
    line = calloc(1, sizeof *line);
    if (!line || !(line->easy = curl_easy_init()) || !(line->multi = curl_multi_init())) abort();
    return line;
}

static void line_give_back(struct api_client *client, struct line *line)
{
    curl_easy_reset(line->easy);
    pthread_mutex_lock(&client->lock);
    line->next = client->idle;
    client->idle = line;
    pthread_mutex_unlock(&client->lock);
}

/* ---- what libcurl calls ------------------------------------------------------------------------- */
static long status_of(struct attempt *a)
{
    long status = 0;
    curl_easy_getinfo(a->line->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static void keep(char *to, size_t size, const char *value, size_t length)
{
    while (length && strchr(" \t\r\n", value[length - 1])) length--;
    while (length && (*value == ' ' || *value == '\t')) value++, length--;
    if (length < size) {
        memcpy(to, value, length);
        to[length] = 0;
    }
}

static size_t on_header(char *bytes, size_t one, size_t length, void *user)
{
    (void)one;
    struct attempt *a = user;
    struct api_reply *r = a->reply;
    char seconds[16] = "";
    const struct {
        const char *name;
        char *to;
        size_t size;
    } wanted[] = {{"etag:", r->etag, sizeof r->etag},
                  {"location:", r->location, sizeof r->location},
                  {"request-id:", r->request_id, sizeof r->request_id},
                  {"x-request-id:", r->request_id, sizeof r->request_id},
                  {"retry-after:", seconds, sizeof seconds}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        size_t n = strlen(wanted[i].name);
        if (length > n && !strncasecmp(bytes, wanted[i].name, n)) keep(wanted[i].to, wanted[i].size, bytes + n, length - n);
    }
    if (*seconds) a->retry_after_s = strtoll(seconds, NULL, 10);
    return length;
}

static size_t on_bytes(char *bytes, size_t one, size_t length, void *user)
{
    (void)one;
    struct attempt *a = user;
    int good = status_of(a) / 100 == 2;
    if (good && a->events)
        a->failed = sse_reader_add(a->events, bytes, length);
    else if (good && a->call->download_path)
        a->failed = download_add(&a->download, bytes, length);
    else
        a->failed = buf_add(&a->body, bytes, length);
    if (a->failed || (a->events && a->events->stopped)) return length ? 0 : 1; /* anything but length ends the transfer */
    return length;
}

static size_t on_upload(char *bytes, size_t one, size_t room, void *user)
{
    struct attempt *a = user;
    size_t n = fread(bytes, one, room, a->upload);
    return n == 0 && ferror(a->upload) ? CURL_READFUNC_ABORT : n;
}

/* ---- one try ------------------------------------------------------------------------------------ */
static void add_header(struct curl_slist **list, const char *name, const char *value)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "%s%s%s", name, *value ? " " : "", value); /* "Expect:" alone: libcurl sends none */
    assert(n > 0 && (size_t)n < sizeof text && !strpbrk(text, "\r\n"));
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (!longer) abort();
    *list = longer;
}

static struct curl_slist *headers_of(const struct attempt *a, const char *last_id)
{
    const struct api_call *call = a->call;
    struct curl_slist *list = NULL;
    int json = call->body || call->body_text;
    const struct {
        const char *name, *value;
    } rows[] = {{"Authorization:", *a->client->authorization ? a->client->authorization : NULL},
                {"Accept:", a->events ? "text/event-stream" : call->accept ? call->accept : "application/json"},
                {"Content-Type:", json ? "application/json" : call->upload_path ? "application/octet-stream" : NULL},
                {"Expect:", json ? "" : NULL},
                {"Idempotency-Key:", call->idempotency_key},
                {"Lease-Token:", call->lease_token},
                {"If-None-Match:", call->if_none_match},
                {"Tandem-Sha256:", call->upload_path ? a->reply->sha256 : NULL},
                {"Last-Event-ID:", last_id && *last_id ? last_id : NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].value) add_header(&list, rows[i].name, rows[i].value);
    return list;
}

static enum err open_upload(struct attempt *a, struct err_note *note)
{
    const char *path = a->call->upload_path;
    a->upload = fopen(path, "re");
    struct stat info;
    if (!a->upload || fstat(fileno(a->upload), &info)) return err_set(note, ERR_IO, path, "cannot be read: %s", strerror(errno));
    curl_easy_setopt(a->line->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(a->line->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)info.st_size);
    curl_easy_setopt(a->line->easy, CURLOPT_READFUNCTION, on_upload);
    curl_easy_setopt(a->line->easy, CURLOPT_READDATA, a);
    return OK;
}

static void set_limits(struct attempt *a)
{
    CURL *easy = a->line->easy;
    const struct api_call *call = a->call;
    int64_t wait_s = 0;
    for (int i = 0; i < API_CALL_PARAMS_MAX && call->params[i].name; i++)
        if (!strcmp(call->params[i].name, "wait") && call->params[i].value) wait_s = strtoll(call->params[i].value, NULL, 10);
    int64_t timeout_ms = call->timeout_ms ? call->timeout_ms : API_TIMEOUT_MS;
    int stream = a->events || call->upload_path || call->download_path;
    if (stream) {
        int64_t stall_s = a->events ? SSE_SILENCE_S : call->timeout_ms ? (timeout_ms + 999) / 1000 : STALL_S;
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, a->events ? 1L : (long)STALL_BYTES_S);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)stall_s);
    } else {
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms + wait_s * 1000));
    }
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS));
}

static void set_options(struct attempt *a, const char *address, struct curl_slist *headers)
{
    CURL *easy = a->line->easy;
    curl_easy_setopt(easy, CURLOPT_URL, address);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, a->client->user_agent);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, a->reason);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, a);
    if (*a->client->ca_file) curl_easy_setopt(easy, CURLOPT_CAINFO, a->client->ca_file);
    set_limits(a);
}

static CURLcode perform(struct attempt *a)
{
    struct line *line = a->line;
    if (curl_multi_add_handle(line->multi, line->easy)) abort();
    CURLcode result = CURLE_OK;
    for (int running = 1; running;) {
        if (a->call->stop && *a->call->stop) {
            result = CURLE_ABORTED_BY_CALLBACK;
            a->failed = ERR_CANCELLED;
            break;
        }
        if (curl_multi_perform(line->multi, &running)) abort();
        if (running && curl_multi_poll(line->multi, NULL, 0, API_POLL_MS, NULL)) abort();
    }
    int left;
    for (CURLMsg *said; (said = curl_multi_info_read(line->multi, &left));)
        if (said->msg == CURLMSG_DONE) result = said->data.result;
    curl_multi_remove_handle(line->multi, line->easy);
    return result;
}

static enum err read_answer(struct attempt *a, CURLcode result, struct err_note *note)
{
    struct api_reply *r = a->reply;
    r->status = (int)status_of(a);
    if (a->failed == ERR_CANCELLED) return err_set(note, ERR_CANCELLED, a->client->server, "the call was stopped");
    if (a->events && a->events->stopped) return OK;
    if (a->failed && *a->download.reason) return err_set(note, a->failed, a->call->download_path, "%s", a->download.reason);
    if (a->failed) return err_set(note, a->failed, a->client->server, "%s", err_word(a->failed));
    if (result) {
        r->status = 0;
        return err_set(note, ERR_UNREACHABLE, a->client->server, "%s", *a->reason ? a->reason : curl_easy_strerror(result));
    }
    int good = r->status / 100 == 2 || r->status == 304;
    if (good && r->status != 304 && a->call->download_path) {
        r->bytes = a->download.bytes;
        return download_finish(&a->download, a->call->want_sha256, r->sha256, note);
    }
    r->bytes = a->body.length;
    if (a->body.length) {
        char *type = NULL;
        curl_easy_getinfo(a->line->easy, CURLINFO_CONTENT_TYPE, &type);
        if (type && strstr(type, "json")) r->json = json_loadb(a->body.data, a->body.length, JSON_DECODE_ANY, NULL);
        r->text = buf_take(&a->body);
    }
    return good ? OK : api_problem(r, note);
}

static enum err send_once(struct attempt *a, const char *address, const char *last_id, CURLcode *result, struct err_note *note)
{
    const struct api_call *call = a->call;
    char *dump = call->body ? json_dumps(call->body, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17)) : NULL;
    const char *text = call->body ? dump : call->body_text;
    if (call->body && !dump) abort();
    struct curl_slist *headers = headers_of(a, last_id);
    set_options(a, address, headers);
    enum err e = call->upload_path ? open_upload(a, note) : OK;
    const char *method = api_row(call->op)->method;
    if (!call->upload_path && strcmp(method, "GET")) {
        curl_easy_setopt(a->line->easy, CURLOPT_POSTFIELDS, text ? text : "");
        curl_easy_setopt(a->line->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(text ? strlen(text) : 0));
    }
    curl_easy_setopt(a->line->easy, CURLOPT_CUSTOMREQUEST, strcmp(method, "GET") ? method : NULL);
    if (!e) {
        *result = perform(a);
        e = read_answer(a, *result, note);
    }
    curl_slist_free_all(headers);
    free(dump);
    return e;
}

static void reply_reset(struct api_reply *reply)
{
    json_decref(reply->json);
    free(reply->text);
    int tries = reply->tries;
    char sha256[SHA256_HEX];
    memcpy(sha256, reply->sha256, sizeof sha256);
    memset(reply, 0, sizeof *reply);
    memcpy(reply->sha256, sha256, sizeof sha256);
    reply->tries = tries;
}

void api_reply_free(struct api_reply *reply)
{
    reply_reset(reply);
    reply->tries = 0;
}

enum err api_try(struct api_client *client, const struct api_call *call, const char *address, struct sse_reader *events,
                 struct api_reply *reply, struct api_tried *tried, struct err_note *note)
{
    struct attempt a = {.client = client, .call = call, .reply = reply, .events = events};
    CURLcode result = CURLE_OK;
    download_start(&a.download, call->download_path, call->download_bytes_max);
    reply_reset(reply);
    reply->tries++;
    buf_init(&a.body, API_REPLY_BYTES_MAX);
    a.line = line_take(client);
    enum err e = send_once(&a, address, events ? events->id : NULL, &result, note);
    *tried = (struct api_tried){result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST, a.retry_after_s};
    if (a.upload) fclose(a.upload);
    download_drop(&a.download);
    buf_free(&a.body);
    line_give_back(client, a.line);
    return e;
}
