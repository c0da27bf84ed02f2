/* http_request: what a handler can ask about its request, and the struct's birth and end. */
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http_inside.h"

enum { QUERY_PAIRS_MAX = 32 };

/* ---- birth and end ------------------------------------------------------------------------------------- */
static struct conn *conn_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

struct http_request *request_new(struct http *h, struct MHD_Connection *connection, const char *method, const char *path)
{
    struct http_request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->http = h;
    r->connection = connection;
    r->conn = conn_of(connection);
    r->references = 1;
    r->method = method;
    r->path = path;
    r->head_only = !strcmp(method, "HEAD");
    r->content_length = -1;
    r->reply.fd = -1;
    uuid_new(r->id);
    pthread_mutex_lock(&h->lock);
    r->next = h->requests;
    if (h->requests) h->requests->previous = r;
    h->requests = r;
    h->structs++;
    h->open++;
    h->counters.requests++;
    pthread_mutex_unlock(&h->lock);
    return r;
}

void http_hold(struct http_request *r)
{
    atomic_fetch_add(&r->references, 1);
}

/* The last struct that outlived http_stop takes the server's own with it. */
void http_unlock(struct http *h)
{
    bool last = h->orphaned && h->structs == 0;
    pthread_mutex_unlock(&h->lock);
    if (last) http_free(h);
}

void http_release(struct http_request *r)
{
    if (atomic_fetch_sub(&r->references, 1) > 1) return;
    struct http *h = r->http;
    if (r->free_state) r->free_state(r->state);
    if (r->reply.stream) stream_dropped(r->reply.stream);
    reply_clear(&r->reply);
    buf_free(&r->body);
    free(r->param_text);
    free(r->query_text);
    free(r->query);
    free(r);
    pthread_mutex_lock(&h->lock);
    h->structs--;
    http_unlock(h);
}

/* After this the connection may serve the next request or be gone. */
void request_completed(struct http_request *r)
{
    struct http *h = r->http;
    pthread_mutex_lock(&h->lock);
    if (r->previous) r->previous->next = r->next;
    else h->requests = r->next;
    if (r->next) r->next->previous = r->previous;
    r->connection = NULL;
    if (--h->open == 0) pthread_cond_broadcast(&h->quiet);
    bool answered = r->finished;
    pthread_mutex_unlock(&h->lock);
    if (r->sink_open && !answered) r->match.route->sink->broken(r);
    http_release(r);
}

/* ---- reading the head ------------------------------------------------------------------------------------ */
enum err request_read_params(struct http_request *r, struct err_note *note)
{
    size_t room = strlen(r->path) + HTTP_PARAMS_MAX + 1;
    if (r->match.param_count == 0) return OK;
    char *to = r->param_text = malloc(room);
    if (!to) return err_set(note, ERR_NO_MEMORY, "", "no memory for the path");
    for (size_t i = 0; i < r->match.param_count; i++) {
        if (!guard_decode(r->path + r->match.params[i].at, r->match.params[i].length, to, room))
            return err_set(note, ERR_BAD_REQUEST, "", "the path holds an escape that does not give clean UTF-8");
        r->params[i] = to;
        room -= strlen(to) + 1;
        to += strlen(to) + 1;
    }
    return OK;
}

struct query_reading {
    struct http_request *request;
    const char *fault;
    char *to;
    size_t room, count, bytes;
};

static enum MHD_Result measure_pair(void *context, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                    const char *value, size_t value_length)
{
    struct query_reading *q = context;
    (void)kind, (void)name, (void)value;
    q->count++;
    q->bytes += name_length + value_length + 2;
    return MHD_YES;
}

static const char *decode_into(struct query_reading *q, const char *text, size_t length)
{
    char *to = q->to;
    if (!guard_decode(text, length, to, q->room)) {
        q->fault = "the query holds an escape that does not give clean UTF-8";
        return "";
    }
    q->to += strlen(to) + 1;
    q->room -= strlen(to) + 1;
    return to;
}

static enum MHD_Result read_pair(void *context, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                 const char *value, size_t value_length)
{
    struct query_reading *q = context;
    (void)kind;
    struct query_pair *pair = &q->request->query[q->request->query_count++];
    pair->name = decode_into(q, name, name_length);
    pair->value = decode_into(q, value ? value : "", value ? value_length : 0);
    return MHD_YES;
}

enum err request_read_query(struct http_request *r, struct err_note *note)
{
    struct query_reading q = {.request = r};
    MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, measure_pair, &q);
    if (q.count == 0) return OK;
    if (q.count > QUERY_PAIRS_MAX)
        return err_set(note, ERR_BAD_REQUEST, "", "more than %d query parameters", QUERY_PAIRS_MAX);
    q.room = q.bytes + 1;
    q.to = r->query_text = malloc(q.room);
    r->query = calloc(q.count, sizeof *r->query);
    if (!q.to || !r->query) return err_set(note, ERR_NO_MEMORY, "", "no memory for the query");
    MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, read_pair, &q);
    return q.fault ? err_set(note, ERR_BAD_REQUEST, "", "%s", q.fault) : OK;
}

/* ---- what handlers ask ------------------------------------------------------------------------------------ */
void *http_app(const struct http_request *r)
{
    return r->http->config.app;
}

const struct http_route *http_route_of(const struct http_request *r)
{
    return r->match.route;
}

const char *http_method(const struct http_request *r)
{
    return r->method;
}

const char *http_path(const struct http_request *r)
{
    return r->path;
}

const char *http_id(const struct http_request *r)
{
    return r->id;
}

const struct auth_caller *http_caller(const struct http_request *r)
{
    return &r->caller;
}

const char *http_param(const struct http_request *r, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < r->match.param_count; i++)
        if (r->match.params[i].name_length == length && !memcmp(r->match.params[i].name, name, length)) return r->params[i];
    abort(); /* the route's template has no such {name}: our mistake */
}

const char *http_query(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->query_count; i++)
        if (!strcmp(r->query[i].name, name)) return r->query[i].value;
    return NULL;
}

void http_each_query(const struct http_request *r, void (*each)(void *context, const char *name, const char *value), void *context)
{
    for (size_t i = 0; i < r->query_count; i++) each(context, r->query[i].name, r->query[i].value);
}

enum err http_query_int(const struct http_request *r, const char *name, int64_t low, int64_t high, int64_t absent,
                        int64_t *value, struct err_note *note)
{
    const char *text = http_query(r, name);
    *value = absent;
    if (!text) return OK;
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (*text && *text != ' ' && !*end && !errno && n >= low && n <= high) {
        *value = n;
        return OK;
    }
    err_set(note, ERR_BAD_REQUEST, "", "the query parameter %s must be a whole number", name);
    if (note) {
        err_print(note->found, sizeof note->found, "%s", text);
        err_print(note->allowed, sizeof note->allowed, "%lld to %lld", (long long)low, (long long)high);
    }
    return ERR_BAD_REQUEST;
}

const char *http_header(const struct http_request *r, const char *name)
{
    return r->connection ? MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name) : NULL;
}

const char *http_body(const struct http_request *r, size_t *length)
{
    bool kept = !r->match.route || !r->match.route->sink;
    if (length) *length = kept ? r->body.length : 0;
    if (!kept) return NULL;
    return r->body.data ? r->body.data : "";
}

uint64_t http_body_length(const struct http_request *r)
{
    return r->body_bytes;
}

int64_t http_content_length(const struct http_request *r)
{
    return r->content_length;
}

/* One element of an Accept list at s, `length` bytes: the named type, and not with q=0. */
static bool is_accepted(const char *s, size_t length, const char *type)
{
    size_t type_length = strlen(type);
    if (length < type_length || strncasecmp(s, type, type_length)) return false;
    s += type_length;
    length -= type_length;
    size_t blanks = strspn(s, " \t");
    if (blanks >= length) return true;
    if (s[blanks] != ';') return false;
    const char *q = memmem(s, length, "q=", 2);
    return !q || strspn(q + 2, "0.") < strcspn(q + 2, ",; \t");
}

bool http_accepts(const struct http_request *r, const char *type)
{
    const char *s = http_header(r, "Accept");
    while (s && *s) {
        s += strspn(s, ", \t");
        size_t length = strcspn(s, ",");
        if (is_accepted(s, length, type)) return true;
        s += length;
    }
    return false;
}

void http_set_state(struct http_request *r, void *state, void (*free_state)(void *state))
{
    assert(!r->free_state);
    r->state = state;
    r->free_state = free_state;
}

void *http_state(const struct http_request *r)
{
    return r->state;
}

bool http_stopping(const struct http_request *r)
{
    pthread_mutex_lock(&r->http->lock);
    bool stopping = r->http->stopping;
    pthread_mutex_unlock(&r->http->lock);
    return stopping;
}
