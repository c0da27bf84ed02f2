/* handle: reading a request and sending what the queue answered: the steps that all operations share. */
#include "server/handle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/buf.h"
#include "schema/base/json_fields.h"
#include "schema/base/json_text.h"
#include "server/json_body.h"

enum { TEXT_BYTES_MAX = 8 << 20 }; /* twice what the largest of these bodies may hold */

struct app *handle_app(const struct http_request *r)
{
    return http_app(r);
}

const char *handle_owner(const struct http_request *r)
{
    const struct auth_caller *caller = http_caller(r);
    return caller->roles & AUTH_ADMIN ? NULL : caller->id;
}

void handle_refuse(struct http_request *r, enum err e, const struct err_note *note)
{
    if (e == ERR_BUSY || e == ERR_RATE)
        http_reply_retry(r, e, 1, note);
    else
        http_reply_err(r, e, note);
    http_finish(r);
}

void handle_refuse_all(struct http_request *r, const struct err_list *errors)
{
    http_reply_errs(r, ERR_SPEC, errors);
    http_finish(r);
}

void handle_refuse_word(struct http_request *r, const char *name, const char *word, const char *allowed)
{
    struct err_note note = {0};
    err_set(&note, ERR_BAD_REQUEST, name, "there is no %s \"%s\"", name, word);
    err_print(note.found, sizeof note.found, "%s", word);
    err_print(note.allowed, sizeof note.allowed, "%s", allowed);
    handle_refuse(r, ERR_BAD_REQUEST, &note);
}

void handle_posted(struct http_request *r, enum err posted)
{
    if (posted) handle_refuse(r, posted, NULL);
}

void handle_reply(struct http_request *r, int status, json_t *json)
{
    http_reply_json(r, status, json);
    http_finish(r);
}

bool handle_failed(struct http_request *r, const struct queue_reply *reply)
{
    if (!reply->error) return false;
    struct err_list one = {.count = 1, .notes = {reply->note}};
    if (reply->error == ERR_SPEC && reply->note.code) /* the note has a word of its own: dataset_unknown */
        handle_refuse_all(r, &one);
    else
        handle_refuse(r, reply->error, &reply->note);
    return true;
}

void handle_take(struct http_request *r, int status, const char *type, struct queue_reply *reply)
{
    size_t bytes;
    char *body = queue_take_json(reply, &bytes);
    http_reply_take(r, status, type, body, bytes);
}

void handle_etag(struct http_request *r, int64_t version)
{
    char etag[32];
    err_print(etag, sizeof etag, "\"%" PRId64 "\"", version);
    http_reply_header(r, "ETag", etag);
}

static void done(struct http_request *r, struct queue_reply *reply, int status)
{
    if (handle_failed(r, reply)) return;
    if (status == 204)
        http_reply_empty(r, status);
    else
        handle_take(r, status, "application/json", reply);
    http_finish(r);
}

void handle_done_200(void *context, struct queue_reply *reply)
{
    done(context, reply, 200);
}

void handle_done_201(void *context, struct queue_reply *reply)
{
    done(context, reply, reply->existed ? 200 : 201);
}

void handle_done_204(void *context, struct queue_reply *reply)
{
    done(context, reply, 204);
}

bool handle_read(struct http_request *r, const struct field *fields, bool optional, void *to, json_t **json)
{
    struct err_note note = {0};
    struct err_list errors = {0};
    json_t *body = NULL;
    size_t length = 0;
    http_body(r, &length);
    if (optional && !length)
        body = json_object();
    else {
        enum err e = http_json_body(r, &body, &note);
        if (e) {
            handle_refuse(r, e, &note);
            return false;
        }
    }
    json_fields_default(fields, to);
    json_fields_read(body, fields, to, "", &errors);
    if (errors.count) handle_refuse_all(r, &errors);
    if (json && !errors.count)
        *json = body;
    else
        json_decref(body);
    return !errors.count;
}

bool handle_query(struct http_request *r, const char *name, int64_t low, int64_t high, int64_t absent, int64_t *value)
{
    struct err_note note = {0};
    enum err e = http_query_int(r, name, low, high, absent, value, &note);
    if (e) handle_refuse(r, e, &note);
    return !e;
}

bool handle_wait_s(struct http_request *r, int64_t *wait_s)
{
    return handle_query(r, "wait", 0, 25, 0, wait_s);
}

bool handle_lease(struct http_request *r, const char *token, struct queue_lease *lease)
{
    const char *n = http_param(r, "n");
    size_t digits = strspn(n, "0123456789");
    long attempt = strtol(n, NULL, 10);
    if (n[digits] || digits < 1 || digits > 9 || attempt < 1) {
        handle_refuse(r, ERR_NOT_FOUND, NULL);
        return false;
    }
    *lease = (struct queue_lease){http_param(r, "job"), (int)attempt, token};
    return true;
}

char *handle_text_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    if (!value || json_is_null(value)) return NULL;
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    if (json_text_write(value, &b)) buf_reset(&b);
    char *text = buf_take(&b);
    buf_free(&b);
    return text;
}

void handle_file(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (handle_failed(r, reply)) return;
    int fd;
    int64_t bytes;
    enum err e = blob_open(handle_app(r)->blobs, reply->sha256, &fd, &bytes);
    if (e) {
        handle_refuse(r, e, NULL);
        return;
    }
    http_reply_file(r, fd, (uint64_t)bytes, "application/octet-stream", reply->sha256, *reply->name ? reply->name : NULL);
    http_finish(r);
}
