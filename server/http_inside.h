/* http_inside: what the http_*.c files share and nobody else sees: the structs, their locks, the steps between the files. */
#ifndef SERVER_HTTP_INSIDE_H
#define SERVER_HTTP_INSIDE_H
#include <pthread.h>
#include <stdatomic.h>
#include "schema/base/buf.h"
#include "schema/base/uuid.h"
#include "server/http.h"
#include "server/http_guard.h"

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;

/* Two locks. `conn_lock` guards the list of connections, whose sockets the timer may shut down; the library may hold locks of its
   own when it calls for it, so nothing of the library is called under it. `lock` guards everything a completion from another
   thread can meet: finished, suspended, go, parked, streams; suspending and resuming happen under it, so that "is it done?"
   and "then wait" are one step. Callbacks of handlers run under neither. Order: none is taken while the other is held. */

enum conn_phase {
    CONN_NEW,  /* no head yet on this connection: head_ms counts from the start */
    CONN_REST, /* kept alive between requests: idle_ms */
    CONN_HEAD, /* the request line is here, the rest of the head must follow: head_ms */
    CONN_BODY, /* body_grace_ms, then body_bytes_per_s */
    CONN_BUSY, /* it is our turn: nothing to complain about */
    CONN_LAST, /* refused in the midst of its body: LINGER_MS to read the answer */
};
struct conn {
    struct conn *next, *previous;
    struct http *http;
    int fd;
    char local_name[48]; /* our address as this client reached it, as Host would say it: "127.0.0.1", "[::1]" */
    bool cut; /* shut down already */
    enum conn_phase phase;
    int64_t since_ms;                /* of this phase */
    int64_t held_ms, held_since_ms;  /* of CONN_BODY: time that our own sink made it wait; -1: not waiting now */
    uint64_t body_bytes;
};

enum request_phase {
    REQUEST_HEAD,    /* the library's first call */
    REQUEST_BEGIN,   /* the sink is asked whether the body is welcome */
    REQUEST_BODY,
    REQUEST_REFUSED, /* answered in the midst of the body: what still comes is thrown away */
    REQUEST_HANDLER, /* the handler has it, until http_finish */
    REQUEST_REPLIED, /* the reply is the library's */
};
enum reply_kind { REPLY_NONE, REPLY_STATIC, REPLY_OWNED, REPLY_FILE, REPLY_STREAM };
enum { REPLY_HEADERS_MAX = 12 };
struct reply {
    enum reply_kind kind;
    int status;
    const char *type; /* a literal, or NULL */
    const void *bytes;
    char *owned;
    int fd;           /* -1 unless REPLY_FILE */
    uint64_t offset, length;
    struct http_stream *stream;
    struct {
        const char *name; /* a literal */
        char *value;
    } headers[REPLY_HEADERS_MAX];
    size_t header_count;
};

struct query_pair {
    const char *name, *value;
};
struct http_request {
    struct http_request *next, *previous; /* http->requests */
    struct http *http;
    struct MHD_Connection *connection; /* NULL when the library has done with it */
    struct conn *conn;
    atomic_int references;
    enum request_phase phase; /* the library's thread alone */
    bool head_only;
    struct http_match match;
    const char *method, *path;
    char *param_text;
    const char *params[HTTP_PARAMS_MAX];
    struct query_pair *query;
    size_t query_count;
    char *query_text;
    int64_t content_length;
    uint64_t body_bytes;
    struct buf body;
    struct auth_caller caller;
    char id[UUID_TEXT];
    void *state;
    void (*free_state)(void *state);
    struct reply reply;
    bool sink_open;   /* begun and neither handed to the handler nor broken; the library's thread alone */
    /* under http->lock */
    bool finished, suspended, go, abandoned;
    bool pending, beginning; /* a handler, or a sink's begin, has not finished it yet */
    bool parked;
    int64_t deadline_ms;
    http_on_wake *on_wake;
    void *wake_context;
    enum http_wake wake_reason;
    struct http_request *park_next, *park_previous, *due_next;
};

struct http_stream {
    struct http_stream *next, *previous; /* http->streams, until both sides have let go */
    struct http *http;
    struct MHD_Connection *connection;
    int fd, references; /* the library's side and the owner's */
    char token[AUTH_ID_MAX];
    char *data;
    size_t start, end, capacity;
    bool waiting; /* suspended in the reader: everything was taken */
    bool ending;  /* after what is left: the end */
    bool broken;  /* at once */
    bool over;    /* the library's side has let go */
    int64_t written_ms;
    void (*on_end)(void *context);
    void *context;
    void (*on_drained)(void *context);
    void *drained_context;
};

struct listener {
    struct MHD_Daemon *daemon; /* NULL: none */
    int port;
};
struct http {
    struct http_config config;
    struct http_routes routes;
    struct listener listeners[2];

    pthread_mutex_t conn_lock;
    struct conn *conns;

    pthread_mutex_t lock;
    pthread_cond_t timer_wanted, quiet;
    struct http_request *requests, *parks;
    struct http_stream *streams;
    size_t open;     /* requests the library has */
    size_t pending;  /* requests a handler or a sink's begin has not finished */
    size_t structs;  /* requests and streams in memory, also those only held */
    bool stopping, timer_leaves;
    bool tells;    /* a stream has news for its owner */
    bool orphaned; /* stopped, while somebody still held a request or stream: the last of these frees it */
    struct http_counters counters;
    pthread_t timer;
};

/* http.c */
void http_free(struct http *h);
/* http_connection.c */
struct conn *conn_new(struct http *h, int fd); /* NULL: no memory */
void conn_free(struct conn *c);
void conn_phase_is(struct conn *c, enum conn_phase phase);
void conn_body_came(struct conn *c, size_t bytes);
void conn_held(struct conn *c, bool held);
void conns_reap(struct http *h, int64_t now_ms);
/* http_request.c */
struct http_request *request_new(struct http *h, struct MHD_Connection *connection, const char *method, const char *path);
void request_completed(struct http_request *r); /* the library lets go */
void http_unlock(struct http *h); /* after `structs` became fewer */
enum err request_read_query(struct http_request *r, struct err_note *note);
enum err request_read_params(struct http_request *r, struct err_note *note);
/* http_admit.c: guard, Host, route, token, origin, media type, size; on refusal the reply is set */
bool request_admit(struct http_request *r, const char *version);
/* http_reply.c */
void reply_clear(struct reply *reply);
void request_refuse(struct http_request *r, enum err code, const struct err_note *note); /* sets the reply, with Connection: close */
/* http_respond.c */
int respond(struct http_request *r);         /* an MHD_Result: 1 good, 0 close */
void respond_midway(struct http_request *r); /* writes the reply past the library, while the body still comes */
/* http_body.c; both return an MHD_Result */
int body_begin(struct http_request *r);
int body_piece(struct http_request *r, const char *bytes, size_t *length);
/* http_park.c: under the lock where it says so */
enum settled { SETTLED_WAIT, SETTLED_GO, SETTLED_FINISHED };
enum settled request_settle(struct http_request *r, bool go_counts);
void request_resume_locked(struct http_request *r);
void request_pending(struct http_request *r, bool beginning);
void parks_expire(struct http *h, int64_t now_ms);
void parks_look_for_gone(struct http *h);
void parks_wake_all(struct http *h, enum http_wake why);
int64_t parks_next_ms_locked(const struct http *h, int64_t otherwise);
/* http_stream.c */
struct MHD_Response *stream_response(struct http_stream *s);
void stream_dropped(struct http_stream *s); /* a reply that never became a response */
void streams_ping(struct http *h, int64_t now_ms);
void streams_tell(struct http *h);          /* on_end and on_drained */
void streams_look_for_gone(struct http *h);
void streams_end_all(struct http *h);
void stream_break_locked(struct http_stream *s);
/* http_timer.c */
enum err timer_start(struct http *h, struct err_note *note) MUST_USE;
void timer_stop(struct http *h);
#endif
