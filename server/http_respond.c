/* http_respond: hands a reply to the library, or, in the midst of a body, to the socket. */
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>

#include "schema/base/log.h"
#include "server/http_inside.h"

/* Pages may run their own scripts and talk to us, nothing else. */
static const char page_policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
                                  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static struct MHD_Response *response_of(struct reply *reply)
{
    struct MHD_Response *response = NULL;
    union {
        const void *given;
        void *wanted; /* the library only reads it */
    } bytes = {.given = reply->bytes};
    switch (reply->kind) {
    case REPLY_NONE:
        break;
    case REPLY_STATIC:
        response = MHD_create_response_from_buffer((size_t)reply->length, bytes.wanted, MHD_RESPMEM_PERSISTENT);
        break;
    case REPLY_OWNED:
        response = MHD_create_response_from_buffer((size_t)reply->length, reply->owned, MHD_RESPMEM_MUST_FREE);
        if (response) reply->owned = NULL;
        break;
    case REPLY_FILE:
        response = MHD_create_response_from_fd_at_offset64(reply->length, reply->fd, reply->offset);
        if (response) reply->fd = -1;
        break;
    case REPLY_STREAM:
        response = stream_response(reply->stream);
        if (response) reply->stream = NULL;
        break;
    }
    return response;
}

static bool has_header(const struct reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++)
        if (!strcmp(reply->headers[i].name, name)) return true;
    return false;
}

typedef void add_header(void *context, const char *name, const char *value);

static void each_header(const struct http_request *r, bool closes, add_header *add, void *context)
{
    const struct reply *reply = &r->reply;
    add(context, "X-Request-Id", r->id);
    add(context, "X-Content-Type-Options", "nosniff");
    if (reply->type) add(context, "Content-Type", reply->type);
    if (!has_header(reply, "Cache-Control")) add(context, "Cache-Control", "no-store");
    if (reply->type && !strncmp(reply->type, "text/html", 9)) {
        add(context, "Content-Security-Policy", page_policy);
        add(context, "Referrer-Policy", "no-referrer");
    }
    for (size_t i = 0; i < reply->header_count; i++) add(context, reply->headers[i].name, reply->headers[i].value);
    if (closes) add(context, "Connection", "close");
}

static void add_to_response(void *context, const char *name, const char *value)
{
    if (MHD_add_response_header(context, name, value) != MHD_YES) log_error("http.header", "name=%s what=refused", name);
}

/* To HEAD of a chunked reply 0.9.75 sends the last chunk, which the client would take for its next answer. */
static void forget_stream(struct reply *reply)
{
    if (reply->kind != REPLY_STREAM) return;
    stream_dropped(reply->stream);
    reply->stream = NULL;
    reply->kind = REPLY_STATIC;
    reply->length = 0;
}

int respond(struct http_request *r)
{
    bool closes = r->phase == REQUEST_HEAD || r->phase == REQUEST_BEGIN || r->phase == REQUEST_BODY || http_stopping(r);
    if (r->abandoned) return MHD_NO; /* its owner may be writing the reply right now */
    if (r->reply.kind == REPLY_NONE) return MHD_NO; /* finished without a reply: the client has gone */
    if (r->head_only) forget_stream(&r->reply);
    struct MHD_Response *response = response_of(&r->reply);
    if (!response) return MHD_NO;
    each_header(r, closes, add_to_response, response);
    enum MHD_Result result = MHD_queue_response(r->connection, (unsigned)r->reply.status, response);
    MHD_destroy_response(response);
    r->phase = REQUEST_REPLIED;
    return result == MHD_YES;
}

static void add_to_text(void *context, const char *name, const char *value)
{
    if (buf_printf(context, "%s: %s\r\n", name, value) != OK) log_error("http.header", "name=%s what=\"no memory\"", name);
}

/* The library takes no reply before the body's end, and a body may never end: the answer is written past it (which needs
   the plain socket: with TLS in the library this would have to go through its session). The writing half is closed, what
   still comes is thrown away for a moment so that the client can read, then the connection is cut. */
void respond_midway(struct http_request *r)
{
    struct buf head;
    buf_init(&head, 65536);
    const struct reply *reply = &r->reply;
    const void *bytes = reply->kind == REPLY_OWNED ? reply->owned : reply->bytes;
    size_t length = reply->kind == REPLY_OWNED || reply->kind == REPLY_STATIC ? (size_t)reply->length : 0;
    enum err e = buf_printf(&head, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n", reply->status, "Refused", length);
    each_header(r, true, add_to_text, &head);
    if (e == OK) e = buf_text(&head, "\r\n");
    if (e == OK && length) e = buf_add(&head, bytes, length);
    if (e == OK && send(r->conn->fd, head.data, head.length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("http.midway", "request=%s what=\"the client did not take the answer\"", r->id);
    shutdown(r->conn->fd, SHUT_WR);
    buf_free(&head);
    r->phase = REQUEST_REFUSED;
    conn_phase_is(r->conn, CONN_LAST);
}
