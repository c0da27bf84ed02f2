/* http_reply: what a handler can answer: bytes, JSON, problems; only here an error word becomes a status. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "schema/base/buf.h"
#include "schema/base/json_text.h"
#include "schema/base/log.h"
#include "server/http_inside.h"

enum { RETRY_AFTER_S = 2, RATE_RETRY_AFTER_S = 60 };
static const char problem_type[] = "application/problem+json";

void reply_clear(struct reply *reply)
{
    free(reply->owned);
    if (reply->fd >= 0) close(reply->fd);
    for (size_t i = 0; i < reply->header_count; i++) free(reply->headers[i].value);
    memset(reply, 0, sizeof *reply);
    reply->fd = -1;
}

static struct reply *start(struct http_request *r, int status, const char *type)
{
    assert(r->reply.kind != REPLY_STREAM);
    reply_clear(&r->reply);
    r->reply.kind = REPLY_STATIC;
    r->reply.status = status;
    r->reply.type = type;
    r->reply.bytes = "";
    return &r->reply;
}

void http_reply_static(struct http_request *r, int status, const char *type, const void *bytes, size_t length)
{
    struct reply *reply = start(r, status, type);
    reply->bytes = bytes;
    reply->length = length;
}

void http_reply_take(struct http_request *r, int status, const char *type, char *bytes, size_t length)
{
    struct reply *reply = start(r, status, type);
    if (!bytes) return;
    reply->kind = REPLY_OWNED;
    reply->owned = bytes;
    reply->length = length;
}

/* No memory for an answer: the shortest one. */
static void reply_no_memory(struct http_request *r)
{
    static const char text[] = "{\"type\":\"urn:tandem:error:out_of_memory\",\"title\":\"out of memory\",\"status\":500}\n";
    http_reply_static(r, 500, problem_type, text, sizeof text - 1);
}

void http_reply(struct http_request *r, int status, const char *type, const void *bytes, size_t length)
{
    char *copy = malloc(length + 1);
    if (!copy) {
        reply_no_memory(r);
        return;
    }
    if (length) memcpy(copy, bytes, length);
    http_reply_take(r, status, type, copy, length);
}

void http_reply_text(struct http_request *r, int status, const char *type, const char *text)
{
    http_reply(r, status, type, text, strlen(text));
}

void http_reply_empty(struct http_request *r, int status)
{
    http_reply_static(r, status, NULL, "", 0);
}

static void reply_json_as(struct http_request *r, int status, const char *type, json_t *json)
{
    struct buf line;
    buf_init(&line, SIZE_MAX); /* handlers limit what they answer */
    enum err e = json ? json_text_write(json, &line) : ERR_NO_MEMORY;
    if (!e) e = buf_text(&line, "\n");
    json_decref(json);
    size_t length = line.length;
    if (e) {
        log_error("http.reply", "request=%s what=\"no JSON to send\"", r->id);
        reply_no_memory(r);
    } else
        http_reply_take(r, status, type, buf_take(&line), length);
    buf_free(&line);
}

void http_reply_json(struct http_request *r, int status, json_t *json)
{
    reply_json_as(r, status, "application/json", json);
}

void http_reply_header(struct http_request *r, const char *name, const char *value)
{
    struct reply *reply = &r->reply;
    for (const char *s = value; *s; s++) assert((unsigned char)*s >= 0x20 && *s != 0x7f);
    assert(reply->header_count < REPLY_HEADERS_MAX);
    char *copy = strdup(value);
    if (!copy) return; /* a reply without it is better than none */
    reply->headers[reply->header_count].name = name;
    reply->headers[reply->header_count++].value = copy;
}

/* ---- problems ------------------------------------------------------------------------------------------- */
/* What was found may hold any bytes: those that are not UTF-8 become '?'. */
static json_t *lossy_string(const char *text)
{
    json_t *json = json_string(text);
    if (json) return json;
    char clean[512];
    err_print(clean, sizeof clean, "%s", text);
    for (char *s = clean; *s; s++)
        if ((unsigned char)*s >= 0x80) *s = '?';
    return json_string(clean);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (*text) json_object_set_new(object, key, lossy_string(text));
}

static json_t *json_of_note(enum err code, const struct err_note *note)
{
    json_t *json = json_object();
    json_object_set_new(json, "code", json_string(err_word(code)));
    json_object_set_new(json, "pointer", lossy_string(note ? note->pointer : ""));
    json_object_set_new(json, "detail", lossy_string(note && note->detail[0] ? note->detail : err_hint(code)));
    if (!note) return json;
    set_text(json, "found", note->found);
    set_text(json, "allowed", note->allowed);
    set_text(json, "nearest", note->nearest);
    return json;
}

static void write_detail(char *to, size_t size, enum err code, const char *detail)
{
    const char *hint = err_hint(code);
    if (!*detail) err_print(to, size, "%s", hint);
    else if (!*hint) err_print(to, size, "%s", detail);
    else err_print(to, size, "%s (%s)", detail, hint);
}

/* Takes `errors`. */
static void reply_problem(struct http_request *r, enum err code, const char *detail, json_t *errors)
{
    char type[96], title[64], words[640];
    err_print(type, sizeof type, "urn:tandem:error:%s", err_word(code));
    err_print(title, sizeof title, "%s", err_word(code));
    for (char *s = title; *s; s++)
        if (*s == '_') *s = ' ';
    write_detail(words, sizeof words, code, detail);
    json_t *json = json_object();
    json_object_set_new(json, "type", json_string(type));
    json_object_set_new(json, "title", json_string(title));
    json_object_set_new(json, "status", json_integer(err_http_status(code)));
    json_object_set_new(json, "detail", lossy_string(words));
    json_object_set_new(json, "request_id", json_string(r->id));
    json_object_set_new(json, "errors", errors);
    reply_json_as(r, err_http_status(code), problem_type, json);
    if (code == ERR_UNAUTHORIZED) http_reply_header(r, "WWW-Authenticate", "Bearer");
    if (code == ERR_METHOD) http_reply_header(r, "Allow", r->match.allow);
}

static void add_retry_after(struct http_request *r, int seconds)
{
    char text[16];
    err_print(text, sizeof text, "%d", seconds);
    http_reply_header(r, "Retry-After", text);
}

void http_reply_err(struct http_request *r, enum err code, const struct err_note *note)
{
    json_t *errors = json_array();
    json_array_append_new(errors, json_of_note(code, note));
    reply_problem(r, code, note ? note->detail : "", errors);
    if (err_http_status(code) == 503) add_retry_after(r, RETRY_AFTER_S);
    if (code == ERR_RATE) add_retry_after(r, RATE_RETRY_AFTER_S);
}

void http_reply_errs(struct http_request *r, enum err code, const struct err_list *list)
{
    json_t *errors = json_array();
    char detail[96];
    for (size_t i = 0; i < list->count; i++) json_array_append_new(errors, json_of_note(list->notes[i].code, &list->notes[i]));
    size_t all = list->count + list->dropped;
    err_print(detail, sizeof detail, "%zu mistake%s", all, all == 1 ? "" : "s");
    reply_problem(r, code, detail, errors);
}

void http_reply_retry(struct http_request *r, enum err code, int retry_after_s, const struct err_note *note)
{
    json_t *errors = json_array();
    json_array_append_new(errors, json_of_note(code, note));
    reply_problem(r, code, note ? note->detail : "", errors);
    add_retry_after(r, retry_after_s);
}

void request_refuse(struct http_request *r, enum err code, const struct err_note *note)
{
    http_reply_err(r, code, note);
    pthread_mutex_lock(&r->http->lock);
    r->http->counters.refused++;
    pthread_mutex_unlock(&r->http->lock);
}
