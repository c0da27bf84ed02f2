/* http: starts and stops the listeners, and leads each request through its phases. */
#include "server/http.h"

#include <assert.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "server/http_inside.h"
#include "server/http_listen.h"

enum {
    STOP_MS = 4000,       /* for handlers to finish what they have */
    FAREWELL_MS = 800,    /* for the last replies to leave */
    POOL_BYTES = 32768,   /* per connection: a head of 20 kB fits, one of 40 kB is 431 */
    FILES_SPARE = 256,    /* descriptors for everything that is not a connection */
};

/* ---- one request -------------------------------------------------------------------------------------------- */
/* The reply to a good request is never given on the first call: the library would close the connection after it. */
static int first_call(struct http_request *r, const char *version)
{
    if (!request_admit(r, version)) return respond(r);
    if (r->match.route->sink) return body_begin(r);
    r->phase = REQUEST_BODY;
    conn_phase_is(r->conn, CONN_BODY);
    return MHD_YES;
}

/* The body is here. A sink that refused it just before has its answer sent now. */
static int body_ended(struct http_request *r)
{
    conn_phase_is(r->conn, CONN_BUSY);
    pthread_mutex_lock(&r->http->lock);
    bool finished = r->finished;
    pthread_mutex_unlock(&r->http->lock);
    if (!finished) {
        r->sink_open = false;
        r->phase = REQUEST_HANDLER;
        request_pending(r, false);
        r->match.route->handler(r);
    }
    return request_settle(r, false) == SETTLED_FINISHED ? respond(r) : MHD_YES;
}

static int later_call(struct http_request *r, const char *bytes, size_t *length)
{
    switch (r->phase) {
    case REQUEST_BEGIN:
        return body_begin(r);
    case REQUEST_BODY:
        return *length ? body_piece(r, bytes, length) : body_ended(r);
    case REQUEST_REFUSED:
        return *length ? body_piece(r, bytes, length) : MHD_NO;
    case REQUEST_HANDLER:
        return request_settle(r, false) == SETTLED_FINISHED ? respond(r) : MHD_YES;
    case REQUEST_HEAD:
    case REQUEST_REPLIED:
        break;
    }
    return MHD_NO;
}

static enum MHD_Result on_call(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                               const char *version, const char *bytes, size_t *length, void **slot)
{
    struct http_request *r = *slot;
    if (r) return (enum MHD_Result)later_call(r, bytes, length);
    r = request_new(context, connection, method, path);
    *slot = r;
    if (!r) return MHD_NO;
    return (enum MHD_Result)first_call(r, version);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode why)
{
    struct http_request *r = *slot;
    (void)context, (void)why;
    struct conn *c = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (c) conn_phase_is(c, CONN_REST);
    *slot = NULL;
    if (r) request_completed(r);
}

/* The request line is here. */
static void *on_request_line(void *context, const char *line, struct MHD_Connection *connection)
{
    (void)context, (void)line;
    struct conn *c = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (c && c->phase != CONN_NEW) conn_phase_is(c, CONN_HEAD); /* a new connection's time runs from its start */
    return NULL;
}

/* Paths and queries stay as they came: we decode them ourselves, after the rules have seen the escapes. */
static size_t keep_raw(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

/* ---- connections --------------------------------------------------------------------------------------------- */
static void on_connection(void *context, struct MHD_Connection *connection, void **slot, enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = conn_new(context, MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
        if (!*slot) abort(); /* no memory for 100 bytes: nothing can be promised any more */
    } else {
        conn_free(*slot);
        *slot = NULL;
    }
}

/* ---- the library's own words ----------------------------------------------------------------------------------- */
static void on_library_log(void *context, const char *format, va_list args) PRINTF_LIKE(2, 0);
static void on_library_log(void *context, const char *format, va_list args)
{
    char text[512];
    (void)context;
    vsnprintf(text, sizeof text, format, args);
    log_debug("http.microhttpd", "text=\"%s\"", text);
}

static void on_panic(void *context, const char *file, unsigned line, const char *reason)
{
    (void)context;
    log_error("http.panic", "at=%s:%u reason=\"%s\"", file, line, reason ? reason : "");
    abort();
}

/* ---- start ------------------------------------------------------------------------------------------------------ */
static void fill_defaults(struct http_config *c)
{
    if (!c->address) c->address = "127.0.0.1";
    if (!c->threads) c->threads = 2;
    if (!c->connections_max) c->connections_max = 4096;
    if (!c->streams_per_token_max) c->streams_per_token_max = 20;
    if (!c->streams_max) c->streams_max = 1000;
    if (!c->head_ms) c->head_ms = 10000;
    if (!c->idle_ms) c->idle_ms = 75000;
    if (!c->body_grace_ms) c->body_grace_ms = 10000;
    if (!c->body_bytes_per_s) c->body_bytes_per_s = 16384;
    if (!c->ping_ms) c->ping_ms = 15000;
    if (!c->stream_bytes_max) c->stream_bytes_max = 262144;
}

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    if (!copy) abort(); /* at the start, a few bytes */
    return copy;
}

static const char *const *copy_list(const char *const *list)
{
    size_t n = 0;
    while (list && list[n]) n++;
    const char **copy = calloc(n + 1, sizeof *copy);
    if (!copy) abort();
    for (size_t i = 0; i < n; i++) copy[i] = copy_text(list[i]);
    return copy;
}

static void free_list(const char *const *list)
{
    union {
        const char *const *given;
        void **wanted; /* ours: made by copy_list */
    } copy = {.given = list};
    for (size_t i = 0; copy.wanted[i]; i++) free(copy.wanted[i]);
    free(copy.wanted);
}

/* Names are copied: nothing of the caller's has to outlive http_start but `auth` and `app`. */
static void config_copy(struct http_config *to, const struct http_config *from)
{
    *to = *from;
    fill_defaults(to);
    to->allow_hosts = copy_list(from->allow_hosts);
    to->allow_origins = copy_list(from->allow_origins);
}

static void config_free(struct http_config *config)
{
    free_list(config->allow_hosts);
    free_list(config->allow_origins);
}

static void raise_file_limit(unsigned connections)
{
    struct rlimit limit;
    rlim_t want = (rlim_t)connections + FILES_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want) return;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= want ? want : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < want)
        log_warn("http.files", "wanted=%llu got=%llu", (unsigned long long)want, (unsigned long long)limit.rlim_cur);
}

static enum err listener_start(struct http *h, struct listener *l, const char *address, int port, struct err_note *note)
{
    bool v6;
    int fd; /* the library's, once it has started */
    enum err e = listen_on(address, port, &fd, &l->port, &v6, note);
    if (e != OK) return e;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
                     (v6 ? (unsigned)MHD_USE_IPv6 : 0u);
    l->daemon = MHD_start_daemon(
        flags, (uint16_t)l->port, NULL, NULL, on_call, h, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, h->config.threads, MHD_OPTION_CONNECTION_LIMIT,
        h->config.connections_max, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((h->config.idle_ms + 999) / 1000),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_raw, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (l->daemon) return OK;
    close(fd);
    return err_set(note, ERR_IO, address, "the HTTP library did not start");
}

static enum err check_addresses(const struct http_config *c, struct err_note *note)
{
    const char *addresses[] = {c->address, c->worker_address};
    for (size_t i = 0; i < 2; i++)
        if (addresses[i] && !auth_is_loopback(addresses[i]) && !c->auth)
            return err_set(note, ERR_FORBIDDEN, addresses[i],
                           "others can reach this address: a token file is needed (--token-file)");
    return OK;
}

static void listener_stop(struct listener *l)
{
    if (l->daemon) MHD_stop_daemon(l->daemon);
    l->daemon = NULL;
}

enum err http_start(const struct http_config *config, const struct http_routes *routes, struct http **http, struct err_note *note)
{
    *http = NULL;
    struct http *h = calloc(1, sizeof *h);
    if (!h) return err_set(note, ERR_NO_MEMORY, "", "no memory");
    config_copy(&h->config, config);
    h->routes = *routes;
    enum err e = check_addresses(&h->config, note);
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->conn_lock, NULL);
    raise_file_limit(h->config.connections_max * (h->config.worker_address ? 2 : 1));
    signal(SIGPIPE, SIG_IGN);
    MHD_set_panic_func(on_panic, NULL);
    if (e == OK) e = timer_start(h, note);
    if (e != OK) goto free_it;
    *http = h; /* before the first request, whose handler may look for it */
    e = listener_start(h, &h->listeners[0], h->config.address, h->config.port, note);
    if (e == OK && h->config.worker_address)
        e = listener_start(h, &h->listeners[1], h->config.worker_address, h->config.worker_port, note);
    if (e != OK) {
        listener_stop(&h->listeners[0]);
        timer_stop(h);
        goto free_it;
    }
    return OK;
free_it:
    *http = NULL;
    config_free(&h->config);
    free(h);
    return e;
}

int http_port(const struct http *h)
{
    return h->listeners[0].port;
}

int http_worker_port(const struct http *h)
{
    return h->listeners[1].daemon ? h->listeners[1].port : 0;
}

void http_count(struct http *h, struct http_counters *counters)
{
    pthread_mutex_lock(&h->lock);
    *counters = h->counters;
    pthread_mutex_unlock(&h->lock);
    pthread_mutex_lock(&h->conn_lock);
    counters->connections = h->counters.connections;
    pthread_mutex_unlock(&h->conn_lock);
}

/* ---- stop -------------------------------------------------------------------------------------------------------- */
/* Waits on `quiet` until *count is 0, at most `limit_ms`. Under the lock. */
static void wait_until_none(struct http *h, const size_t *count, int64_t limit_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += limit_ms / 1000;
    until.tv_nsec += limit_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (*count && pthread_cond_timedwait(&h->quiet, &h->lock, &until) == 0) continue;
}

/* Those whose sink holds them back end here; the library's thread sees `stopping` and closes. */
static void let_go_of_bodies_locked(struct http *h)
{
    for (struct http_request *r = h->requests; r; r = r->next)
        if (!r->pending && !r->finished) request_resume_locked(r);
}

/* Whoever still owes an answer does not get to give it: its http_finish will find the request abandoned. */
static size_t give_up_locked(struct http *h)
{
    size_t count = 0;
    for (struct http_request *r = h->requests; r; r = r->next) {
        if (!r->pending) continue;
        http_hold(r); /* released by the late http_finish */
        r->pending = false;
        r->abandoned = r->finished = true;
        request_resume_locked(r);
        count++;
    }
    h->pending = 0;
    return count;
}

static size_t finish_all(struct http *h)
{
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    let_go_of_bodies_locked(h);
    pthread_mutex_unlock(&h->lock);
    parks_wake_all(h, HTTP_STOPPING);
    streams_end_all(h);
    pthread_mutex_lock(&h->lock);
    wait_until_none(h, &h->pending, STOP_MS);
    size_t given_up = give_up_locked(h);
    wait_until_none(h, &h->open, FAREWELL_MS);
    pthread_mutex_unlock(&h->lock);
    return given_up;
}

void http_free(struct http *h)
{
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->conn_lock);
    pthread_cond_destroy(&h->timer_wanted);
    pthread_cond_destroy(&h->quiet);
    config_free(&h->config);
    free(h);
}

size_t http_stop(struct http *h)
{
    if (!h) return 0;
    /* The doors stay open until the library stops: who comes meanwhile is told 503 and sent away. MHD_quiesce_daemon would shut them
       at once, but it and a thread of the library that wakes just then both take the socket out of the epoll set, and the second panics. */
    size_t given_up = finish_all(h);
    for (size_t i = 0; i < 2; i++) listener_stop(&h->listeners[i]);
    timer_stop(h);
    pthread_mutex_lock(&h->lock);
    h->orphaned = true;
    if (given_up || h->structs) log_warn("http.stop", "given_up=%zu still_held=%zu", given_up, h->structs);
    http_unlock(h);
    return given_up;
}
