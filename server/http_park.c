/* http_park: waiting without a thread: requests that sleep until a completion, a wake, their deadline or the end. */
#include <assert.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>

#include "schema/base/clock.h"
#include "server/http_inside.h"

/* The question and the suspension are one step: a completion either comes before (and is seen) or after (and resumes). */
enum settled request_settle(struct http_request *r, bool go_counts)
{
    enum settled s = SETTLED_WAIT;
    pthread_mutex_lock(&r->http->lock);
    if (r->finished) {
        s = SETTLED_FINISHED;
    } else if (go_counts && r->go) {
        r->go = false;
        s = SETTLED_GO;
    } else {
        r->suspended = true;
        MHD_suspend_connection(r->connection);
    }
    pthread_mutex_unlock(&r->http->lock);
    return s;
}

void request_resume_locked(struct http_request *r)
{
    if (!r->suspended) return;
    r->suspended = false;
    MHD_resume_connection(r->connection);
}

void request_pending(struct http_request *r, bool beginning)
{
    pthread_mutex_lock(&r->http->lock);
    r->pending = true;
    r->beginning = beginning;
    r->http->pending++;
    pthread_mutex_unlock(&r->http->lock);
}

static void not_pending_locked(struct http_request *r)
{
    if (!r->pending) return;
    r->pending = false;
    r->http->pending--;
    if (r->http->pending == 0) pthread_cond_broadcast(&r->http->quiet);
}

void http_finish(struct http_request *r)
{
    struct http *h = r->http;
    pthread_mutex_lock(&h->lock);
    if (r->abandoned) { /* the server gave up on it while stopping */
        pthread_mutex_unlock(&h->lock);
        http_release(r);
        return;
    }
    assert(!r->finished && !r->parked);
    r->finished = true;
    not_pending_locked(r);
    request_resume_locked(r);
    pthread_mutex_unlock(&h->lock);
}

void http_sink_go(struct http_request *r)
{
    struct http *h = r->http;
    pthread_mutex_lock(&h->lock);
    if (r->beginning) not_pending_locked(r);
    r->beginning = false;
    r->go = true;
    if (r->connection) request_resume_locked(r);
    pthread_mutex_unlock(&h->lock);
}

/* ---- parking ---------------------------------------------------------------------------------------- */
static void link_park(struct http_request *r)
{
    struct http *h = r->http;
    r->park_previous = NULL;
    r->park_next = h->parks;
    if (h->parks) h->parks->park_previous = r;
    h->parks = r;
    h->counters.parked++;
}

static void unlink_park(struct http_request *r)
{
    struct http *h = r->http;
    if (r->park_previous) r->park_previous->park_next = r->park_next;
    else h->parks = r->park_next;
    if (r->park_next) r->park_next->park_previous = r->park_previous;
    r->parked = false;
    h->counters.parked--;
}

bool http_park_unless_stopping(struct http_request *r, int64_t timeout_ms, http_on_wake *on_wake, void *context)
{
    struct http *h = r->http;
    pthread_mutex_lock(&h->lock);
    assert(!r->finished && !r->parked);
    bool stopping = h->stopping;
    if (!stopping) {
        int64_t next_ms = parks_next_ms_locked(h, INT64_MAX);
        r->parked = true;
        r->deadline_ms = clock_mono_ms() + 1 + timeout_ms; /* the millisecond that has begun does not count: never early */
        r->on_wake = on_wake;
        r->wake_context = context;
        link_park(r);
        if (r->deadline_ms < next_ms) pthread_cond_signal(&h->timer_wanted);
    }
    pthread_mutex_unlock(&h->lock);
    return !stopping;
}

void http_park(struct http_request *r, int64_t timeout_ms, http_on_wake *on_wake, void *context)
{
    if (!http_park_unless_stopping(r, timeout_ms, on_wake, context)) on_wake(r, HTTP_STOPPING, context);
}

/* Looked at on every wake, not only when the timer comes round: a job must not be handed to a worker that has just left. */
static bool has_left_locked(const struct http_request *r)
{
    struct pollfd fd = {.events = POLLRDHUP};
    if (!r->suspended) return false;
    fd.fd = r->conn->fd;
    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

bool http_wake(struct http_request *r)
{
    struct http *h = r->http;
    pthread_mutex_lock(&h->lock);
    bool parked = r->parked;
    enum http_wake why = parked && has_left_locked(r) ? HTTP_GONE : HTTP_WOKEN;
    if (parked) unlink_park(r);
    pthread_mutex_unlock(&h->lock);
    if (parked) r->on_wake(r, why, r->wake_context); /* still ours: nobody else can finish it */
    return parked;
}

/* ---- the timer's part --------------------------------------------------------------------------------- */
/* Whoever unlinks a parked request owns its wake: the list `due` is this thread's alone. */
static void call_due(struct http_request *due)
{
    while (due) {
        struct http_request *next = due->due_next;
        due->on_wake(due, due->wake_reason, due->wake_context);
        due = next;
    }
}

static struct http_request *take_due_locked(struct http *h, int64_t until_ms, enum http_wake why)
{
    struct http_request *due = NULL, *next;
    for (struct http_request *r = h->parks; r; r = next) {
        next = r->park_next;
        if (r->deadline_ms > until_ms) continue;
        unlink_park(r);
        r->wake_reason = why;
        r->due_next = due;
        due = r;
    }
    return due;
}

void parks_expire(struct http *h, int64_t now_ms)
{
    pthread_mutex_lock(&h->lock);
    struct http_request *due = take_due_locked(h, now_ms, HTTP_TIMEOUT);
    pthread_mutex_unlock(&h->lock);
    call_due(due);
}

void parks_wake_all(struct http *h, enum http_wake why)
{
    pthread_mutex_lock(&h->lock);
    struct http_request *due = take_due_locked(h, INT64_MAX, why);
    pthread_mutex_unlock(&h->lock);
    call_due(due);
}

int64_t parks_next_ms_locked(const struct http *h, int64_t otherwise)
{
    int64_t next_ms = otherwise;
    for (const struct http_request *r = h->parks; r; r = r->park_next)
        if (r->deadline_ms < next_ms) next_ms = r->deadline_ms;
    return next_ms;
}

/* Clients that left while parked: the library does not look at a suspended connection, so we do. A client that only closes
   its sending half counts as gone: none of ours does that. */
static struct http_request *take_gone_locked(struct http *h, struct pollfd *fds, size_t count)
{
    struct http_request *due = NULL, *next;
    size_t n = 0;
    for (struct http_request *r = h->parks; r && n < count; r = r->park_next)
        if (r->suspended) fds[n++] = (struct pollfd){.fd = r->conn->fd, .events = POLLRDHUP};
    if (n == 0 || poll(fds, n, 0) <= 0) return NULL;
    n = 0;
    for (struct http_request *r = h->parks; r && n < count; r = next) {
        next = r->park_next;
        if (!r->suspended || !(fds[n++].revents & (POLLRDHUP | POLLHUP | POLLERR))) continue;
        unlink_park(r);
        r->wake_reason = HTTP_GONE;
        r->due_next = due;
        due = r;
    }
    return due;
}

void parks_look_for_gone(struct http *h)
{
    pthread_mutex_lock(&h->lock);
    size_t count = h->counters.parked;
    struct pollfd *fds = count ? malloc(count * sizeof *fds) : NULL;
    struct http_request *due = fds ? take_gone_locked(h, fds, count) : NULL;
    pthread_mutex_unlock(&h->lock);
    free(fds);
    call_due(due);
}
