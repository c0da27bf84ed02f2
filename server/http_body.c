/* http_body: the body as it comes: into memory up to the route's limit, or into a sink that may say "not now". */
#include <microhttpd.h>
#include <string.h>

#include "server/http_inside.h"

/* Asks the sink whether the body is welcome. Called again after the suspension. */
int body_begin(struct http_request *r)
{
    if (r->phase == REQUEST_HEAD) {
        r->phase = REQUEST_BEGIN;
        conn_phase_is(r->conn, CONN_BUSY);
        request_pending(r, true);
        r->match.route->sink->begin(r);
    }
    switch (request_settle(r, true)) {
    case SETTLED_WAIT:
        return MHD_YES;
    case SETTLED_FINISHED:
        return respond(r);
    case SETTLED_GO:
        break;
    }
    r->sink_open = true;
    r->phase = REQUEST_BODY;
    conn_phase_is(r->conn, CONN_BODY);
    return MHD_YES;
}

static bool is_finished(struct http_request *r)
{
    pthread_mutex_lock(&r->http->lock);
    bool finished = r->finished;
    pthread_mutex_unlock(&r->http->lock);
    return finished;
}

/* The sink, or we, have refused in the midst of the body. */
static int refuse_rest(struct http_request *r, size_t *length)
{
    if (r->reply.kind == REPLY_NONE) return MHD_NO;
    respond_midway(r);
    *length = 0;
    return MHD_YES;
}

static int refuse_too_large(struct http_request *r, size_t *length)
{
    struct err_note note;
    err_set(&note, ERR_TOO_LARGE, "", "the body is larger than this path takes");
    err_print(note.allowed, sizeof note.allowed, "%llu bytes", (unsigned long long)r->match.route->body_bytes_max);
    if (r->sink_open) {
        r->sink_open = false;
        r->match.route->sink->broken(r);
    }
    request_refuse(r, ERR_TOO_LARGE, &note);
    return refuse_rest(r, length);
}

static void took(struct http_request *r, size_t bytes)
{
    r->body_bytes += bytes;
    conn_body_came(r->conn, bytes);
}

static int keep_piece(struct http_request *r, const char *bytes, size_t *length)
{
    if (!r->body.max) buf_init(&r->body, (size_t)r->match.route->body_bytes_max);
    if (buf_add(&r->body, bytes, *length) != OK) {
        request_refuse(r, ERR_NO_MEMORY, NULL);
        return refuse_rest(r, length);
    }
    *length = 0;
    return MHD_YES;
}

/* `length` goes in as what is there and comes out as what is left for the next call, after the suspension. */
static int sink_piece(struct http_request *r, const char *bytes, size_t *length)
{
    conn_held(r->conn, false);
    while (*length) {
        if (is_finished(r)) return refuse_rest(r, length);
        size_t taken = r->match.route->sink->piece(r, bytes, *length);
        if (is_finished(r)) return refuse_rest(r, length);
        took(r, taken);
        bytes += taken;
        *length -= taken;
        if (*length == 0) break;
        conn_held(r->conn, true);
        if (http_stopping(r)) return MHD_NO;
        enum settled s = request_settle(r, true);
        if (s == SETTLED_WAIT) return MHD_YES;
        conn_held(r->conn, false);
        if (s == SETTLED_FINISHED) return refuse_rest(r, length);
    }
    return MHD_YES;
}

int body_piece(struct http_request *r, const char *bytes, size_t *length)
{
    if (r->phase == REQUEST_REFUSED) {
        *length = 0;
        return MHD_YES;
    }
    if (http_stopping(r)) return MHD_NO;
    if (*length > r->match.route->body_bytes_max - r->body_bytes) return refuse_too_large(r, length);
    if (r->match.route->sink) return sink_piece(r, bytes, length);
    took(r, *length);
    return keep_piece(r, bytes, length);
}
