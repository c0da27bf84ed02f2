/* http: the front door: connections, guard, bodies, replies, parking and streams; handlers never meet the HTTP library. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "server/auth.h"

/* The life of a request:

     head arrives -> guard -> Host -> route -> token and role -> Origin, media type, size     (refused here: close, no body byte read)
        -> [sink.begin] -> body: into memory up to the route's limit, or piece by piece into the sink
        -> handler(request) -> ... any thread, any time ... -> http_finish(request) -> reply on the wire

   A handler fills a reply with one of the http_reply* calls and then calls http_finish, once: at once, or later from another
   thread (the store's completion callback). Until then the request stays alive and belongs to whoever will finish it;
   after http_finish it must not be touched, unless held (http_hold). Handlers run on the library's few threads: they
   check, enqueue and return; they never touch SQLite, files or anything that waits. */
struct http;
struct http_request;
struct http_stream;

/* ---- routes ------------------------------------------------------------------------------------- */
typedef void http_handler(struct http_request *r);

/* Where an upload goes while it arrives. All calls come from the library's threads, never two at once for one request. */
struct http_sink {
    /* Head accepted, no body byte read yet. Then, now or later from any thread, either http_sink_go(r): send the body;
       or a reply and http_finish(r): refused (the connection closes). */
    http_handler *begin;
    /* Takes a prefix of `bytes` and returns its length. Less than `length` means "not now": the client is held back
       until http_sink_go(r). May instead refuse the rest with a reply and http_finish(r) (return value then ignored). */
    size_t (*piece)(struct http_request *r, const char *bytes, size_t length);
    /* After http_sink_go, instead of the route's handler: the client left, was too slow or too long, or the server stops:
       let go of everything; the reply goes nowhere, there is nothing to finish. Not called after the sink itself refused.
       A sink whose other thread may call http_sink_go holds the request (http_hold) until that thread has let go. */
    http_handler *broken;
};

/* One operation. `path` is a template: "/v1/jobs/{id}/artifacts/{name}", "/v1/jobs/{id}:cancel"; {x} takes one or more
   bytes up to the next literal, never a '/'. */
struct http_route {
    const char *op, *method, *path;
    unsigned roles; /* set of AUTH_* bits; 0 = open to everybody, token or not */
    uint64_t body_bytes_max; /* 0: any body is refused */
    http_handler *handler; /* with a sink: called after its last piece */
    const struct http_sink *sink; /* NULL: the body is kept in memory */
};

enum { HTTP_PARAMS_MAX = 6 };
struct http_match {
    const struct http_route *route; /* NULL: nothing here */
    char allow[64]; /* when the path exists under other methods: "GET, POST" (405), else "" (404) */
    struct {
        const char *name; /* points into the template; name_length bytes */
        size_t name_length, at, length; /* the value: still encoded, path[at .. at+length) */
    } params[HTTP_PARAMS_MAX];
    size_t param_count;
};
/* Fills `match` for the raw path (still percent-encoded, starts with '/'). HEAD finds GET routes. */
typedef void http_find_route(const void *table, const char *method, const char *path, struct http_match *match);
/* The finder for a plain array that ends with op == NULL; the first route that fits wins. */
void http_find_in_array(const void *routes, const char *method, const char *path, struct http_match *match);

struct http_routes {
    http_find_route *find;
    const void *table;
};

/* ---- start and stop ------------------------------------------------------------------------------- */
/* Copied by http_start; `auth`, `app` and the routes' table must outlive the server. */
struct http_config {
    const char *address;        /* "127.0.0.1" when NULL; "0.0.0.0", "::1", ... */
    int port;                   /* 0: any free one, see http_port */
    const char *worker_address; /* second listener with the same routes; NULL: none */
    int worker_port;
    struct auth *auth;          /* NULL: no tokens (loopback only) */
    const char *const *allow_hosts;   /* further Host values, without port; ends with NULL; may be NULL */
    const char *const *allow_origins; /* "https://lab.example"; ends with NULL; may be NULL */
    void *app;                  /* for handlers: http_app() */
    /* 0 = the default in parentheses */
    unsigned threads;           /* of the library, per listener (2) */
    unsigned connections_max;   /* per listener (4096) */
    unsigned streams_per_token_max; /* (20); requests without a token share streams_max */
    unsigned streams_max;       /* (1000) */
    int64_t head_ms;            /* a head must be complete after (10,000) */
    int64_t idle_ms;            /* a kept-alive connection may rest for (75,000) */
    int64_t body_grace_ms;      /* then a body must have come at body_bytes_per_s (10,000) */
    int64_t body_bytes_per_s;   /* (16,384) */
    int64_t ping_ms;            /* of event streams (15,000) */
    size_t stream_bytes_max;    /* waiting in one event stream (262,144) */
};
/* ERR_FORBIDDEN when an address is not loopback and there are no tokens (the program exits 78); ERR_IO otherwise. */
enum err http_start(const struct http_config *config, const struct http_routes *routes, struct http **http,
                    struct err_note *note) MUST_USE;
int http_port(const struct http *h);
int http_worker_port(const struct http *h); /* 0 without a second listener */
/* Stops accepting, wakes all that is parked (HTTP_STOPPING), ends the streams, waits up to 4 s for handlers to finish what
   they have, then closes and frees. Call it before the store is stopped. Returns the number of requests given up. */
size_t http_stop(struct http *h);
bool http_stopping(const struct http_request *r);

struct http_counters {
    uint64_t requests, refused, parked, streams, connections; /* the last three: now */
};
void http_count(struct http *h, struct http_counters *counters);

/* ---- the request ---------------------------------------------------------------------------------- */
void *http_app(const struct http_request *r);
const struct http_route *http_route_of(const struct http_request *r);
const char *http_method(const struct http_request *r);
const char *http_path(const struct http_request *r);       /* raw, without the query */
const char *http_id(const struct http_request *r);         /* request id, a UUIDv7; in every reply as X-Request-Id */
const struct auth_caller *http_caller(const struct http_request *r);
const char *http_param(const struct http_request *r, const char *name);  /* decoded, never NULL: asserts that the template has it */
const char *http_query(const struct http_request *r, const char *name);  /* decoded, first of that name, or NULL */
/* Calls back for each query pair in order; for refusing unknown ones. */
void http_each_query(const struct http_request *r, void (*each)(void *context, const char *name, const char *value), void *context);
/* Names are case-insensitive; a header sent twice gives the first. Valid until http_finish. */
const char *http_header(const struct http_request *r, const char *name);
const char *http_body(const struct http_request *r, size_t *length); /* NUL-terminated; "" when empty; NULL with a sink */
uint64_t http_body_length(const struct http_request *r); /* bytes seen so far, sink or not */
int64_t http_content_length(const struct http_request *r); /* as announced; -1 when chunked */
/* Does Accept prefer `type` ("text/csv", "text/html", "text/event-stream")? True only if named, not for wildcards. */
bool http_accepts(const struct http_request *r, const char *type);
/* Query parameter as a whole number in [low, high]; `absent` when not given; ERR_BAD_REQUEST with a note otherwise. */
enum err http_query_int(const struct http_request *r, const char *name, int64_t low, int64_t high, int64_t absent,
                        int64_t *value, struct err_note *note) MUST_USE;
/* Memory of a handler, freed with the request (also when the client leaves). At most one. */
void http_set_state(struct http_request *r, void *state, void (*free_state)(void *state));
void *http_state(const struct http_request *r);
/* Keeps the struct (not the connection) alive for those who may look at it after its end. */
void http_hold(struct http_request *r);
void http_release(struct http_request *r);

/* ---- the reply ------------------------------------------------------------------------------------- */
/* Each replaces what was set before. Bytes are copied unless the name says take. */
void http_reply(struct http_request *r, int status, const char *type, const void *bytes, size_t length);
void http_reply_text(struct http_request *r, int status, const char *type, const char *text);
void http_reply_static(struct http_request *r, int status, const char *type, const void *bytes, size_t length); /* not copied */
void http_reply_take(struct http_request *r, int status, const char *type, char *bytes, size_t length); /* free()s them */
/* Takes the reference to `json` (NULL is our mistake or no memory: 500). */
void http_reply_json(struct http_request *r, int status, json_t *json);
void http_reply_empty(struct http_request *r, int status); /* 204, 304 */
/* application/problem+json; the status is that of err.tbl. `note` may be NULL. */
void http_reply_err(struct http_request *r, enum err code, const struct err_note *note);
/* All mistakes of one reading under errors[]. `code` is the whole's (ERR_SPEC). */
void http_reply_errs(struct http_request *r, enum err code, const struct err_list *errors);
/* 429 or 503 with Retry-After. */
void http_reply_retry(struct http_request *r, enum err code, int retry_after_s, const struct err_note *note);
/* Bytes of an open file: takes `fd`, closes it. Answers Range, If-Range, If-None-Match and HEAD itself.
   `etag` without quotes (the sha256), `type` e.g. application/octet-stream; `name`, if given: Content-Disposition attachment. */
void http_reply_file(struct http_request *r, int fd, uint64_t length, const char *type, const char *etag, const char *name);
/* Adds a header to the reply that is set (after http_reply*). A value with control bytes is our mistake: assert. */
void http_reply_header(struct http_request *r, const char *name, const char *value);
/* Is If-None-Match satisfied by `etag` (without quotes)? Then answer 304 with http_reply_empty. */
bool http_not_modified(const struct http_request *r, const char *etag);
void http_finish(struct http_request *r);

/* ---- parking: long-polls ------------------------------------------------------------------------------ */
enum http_wake {
    HTTP_WOKEN,    /* by http_wake */
    HTTP_TIMEOUT,  /* answer with what there is */
    HTTP_GONE,     /* the client left: just http_finish(r), nobody reads the reply; do not hand out a job */
    HTTP_STOPPING, /* the server stops: answer at once with what there is, or 503 */
};
typedef void http_on_wake(struct http_request *r, enum http_wake why, void *context);
/* `on_wake` is called exactly once, from the timer's or the waker's thread; it (or what it starts) finishes the request.
   Call from the handler or later, before http_finish. With the server stopping it is called before http_park returns. */
void http_park(struct http_request *r, int64_t timeout_ms, http_on_wake *on_wake, void *context);
/* The same, but false with the server stopping, and on_wake is not called then. */
bool http_park_unless_stopping(struct http_request *r, int64_t timeout_ms, http_on_wake *on_wake, void *context) MUST_USE;
/* False when it was not parked, or not any more. `r` must be alive or held. */
bool http_wake(struct http_request *r);

/* ---- sinks ------------------------------------------------------------------------------------------ */
void http_sink_go(struct http_request *r); /* from any thread; see struct http_sink */

/* ---- event streams (SSE) ------------------------------------------------------------------------------ */
/* Turns the request into a stream and finishes it: r must not be touched after. One reference belongs to the caller, given
   back by http_stream_close. `on_end(context)` comes exactly once, from the timer's thread, as the last word on this stream:
   the client has left, it overflowed, the server stops, or it was closed here. NULL when the quota is used up: 429 was
   answered, on_end never comes. */
struct http_stream *http_stream_open(struct http_request *r, void (*on_end)(void *context), void *context);
/* id < 0: none. `data` is one JSON text; newlines in it are split into data: lines. From any thread, never waits.
   False when the stream is over or would exceed its bound (it is then ended: the client comes back with Last-Event-ID). */
bool http_stream_send(struct http_stream *s, int64_t id, const char *event, const char *data);
size_t http_stream_room(struct http_stream *s); /* bytes that still fit */
/* Calls back once, from the timer's thread, when everything sent so far has been handed to the socket, or the stream is over. */
void http_stream_when_drained(struct http_stream *s, void (*on_drained)(void *context), void *context);
void http_stream_close(struct http_stream *s); /* what waits is still delivered; s is gone for the caller */
#endif
