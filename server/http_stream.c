/* http_stream: event streams: a bounded buffer between whoever sends and the library's reader, pings, the news to the owner. */
#include <assert.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "schema/base/clock.h"
#include "server/http_inside.h"

enum { CHUNK_BYTES = 8192, RETRY_AFTER_S = 10 };
static const char ping[] = ": ping\n\n";

static bool is_drained(const struct http_stream *s)
{
    return s->over || s->broken || s->start == s->end;
}

/* The owner's callbacks run on the timer's thread, where the library holds no lock. */
static void tell_soon_locked(struct http_stream *s)
{
    s->http->tells = true;
    pthread_cond_signal(&s->http->timer_wanted);
}

static void wake_reader_locked(struct http_stream *s)
{
    if (!s->waiting) return;
    s->waiting = false;
    MHD_resume_connection(s->connection);
}

/* The reader is not asked while the client takes nothing: the socket is shut, too (it is open as long as the library's side is). */
void stream_break_locked(struct http_stream *s)
{
    s->broken = true;
    if (!s->over) shutdown(s->fd, SHUT_RDWR);
    wake_reader_locked(s);
    if (s->on_drained) tell_soon_locked(s);
}

static void unref_locked(struct http_stream *s)
{
    struct http *h = s->http;
    if (--s->references > 0) return;
    if (s->previous) s->previous->next = s->next;
    else h->streams = s->next;
    if (s->next) s->next->previous = s->previous;
    h->structs--;
    free(s->data);
    free(s);
}

/* ---- the library's side ---------------------------------------------------------------------------------- */
static ssize_t read_some(void *context, uint64_t position, char *to, size_t max)
{
    struct http_stream *s = context;
    (void)position;
    ssize_t result = 0;
    pthread_mutex_lock(&s->http->lock);
    size_t length = s->end - s->start;
    if (s->broken) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (length) {
        if (length > max) length = max;
        memcpy(to, s->data + s->start, length);
        s->start += length;
        result = (ssize_t)length;
        if (s->on_drained && is_drained(s)) tell_soon_locked(s);
    } else if (s->ending) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else { /* 0 and suspended; 0 alone would be asked again and again */
        s->waiting = true;
        MHD_suspend_connection(s->connection);
    }
    pthread_mutex_unlock(&s->http->lock);
    return result;
}

static void reader_done(void *context)
{
    struct http_stream *s = context;
    pthread_mutex_lock(&s->http->lock);
    s->over = true;
    s->http->counters.streams--;
    tell_soon_locked(s);
    pthread_mutex_unlock(&s->http->lock);
}

void stream_dropped(struct http_stream *s)
{
    reader_done(s);
}

struct MHD_Response *stream_response(struct http_stream *s)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, CHUNK_BYTES, read_some, s, reader_done);
}

/* ---- the owner's side ------------------------------------------------------------------------------------ */
static bool has_quota_locked(const struct http *h, const char *token)
{
    size_t mine = 0;
    for (const struct http_stream *s = h->streams; s; s = s->next) mine += !s->over && !strcmp(s->token, token);
    size_t limit = h->config.auth && *token ? h->config.streams_per_token_max : h->config.streams_max;
    return mine < limit && h->counters.streams < h->config.streams_max;
}

static void link_stream_locked(struct http_stream *s)
{
    struct http *h = s->http;
    s->next = h->streams;
    if (h->streams) h->streams->previous = s;
    h->streams = s;
    h->structs++;
    h->counters.streams++;
}

static struct http_stream *stream_new(struct http_request *r, void (*on_end)(void *context), void *context)
{
    struct http_stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    *s = (struct http_stream){.http = r->http, .references = 2, .written_ms = clock_mono_ms(), .on_end = on_end, .context = context};
    memcpy(s->token, r->caller.id, sizeof s->token);
    pthread_mutex_lock(&r->http->lock);
    bool welcome = !r->abandoned && has_quota_locked(r->http, s->token);
    s->connection = r->connection;
    s->fd = welcome ? r->conn->fd : -1;
    s->ending = r->http->stopping;
    if (welcome) link_stream_locked(s);
    pthread_mutex_unlock(&r->http->lock);
    if (welcome) return s;
    free(s);
    return NULL;
}

/* Room for `length` more bytes within the bound: what was read is closed up, then the memory grows. */
static bool reserve_locked(struct http_stream *s, size_t length)
{
    size_t used = s->end - s->start, max = s->http->config.stream_bytes_max;
    if (length > max || used > max - length) return false;
    if (s->end + length <= s->capacity) return true;
    if (used) memmove(s->data, s->data + s->start, used);
    s->start = 0;
    s->end = used;
    size_t capacity = s->capacity ? s->capacity : 1024;
    while (capacity < used + length) capacity *= 2;
    if (capacity == s->capacity) return true;
    char *data = realloc(s->data, capacity);
    if (!data) return false;
    s->data = data;
    s->capacity = capacity;
    return true;
}

static bool push(struct http_stream *s, const char *bytes, size_t length)
{
    pthread_mutex_lock(&s->http->lock);
    bool fits = !s->over && !s->broken && !s->ending && reserve_locked(s, length);
    if (fits) {
        memcpy(s->data + s->end, bytes, length);
        s->end += length;
        s->written_ms = clock_mono_ms();
        wake_reader_locked(s);
    } else if (!s->over && !s->broken && !s->ending) {
        stream_break_locked(s);
    }
    pthread_mutex_unlock(&s->http->lock);
    return fits;
}

struct http_stream *http_stream_open(struct http_request *r, void (*on_end)(void *context), void *context)
{
    static const char hello[] = "retry: 2000\n\n"; /* the head leaves with it, at once */
    assert(on_end);
    struct http_stream *s = stream_new(r, on_end, context);
    if (!s) {
        struct err_note note;
        err_set(&note, ERR_RATE, "", "too many event streams are open with this token");
        http_reply_retry(r, ERR_RATE, RETRY_AFTER_S, &note);
        http_finish(r);
        return NULL;
    }
    (void)push(s, hello, sizeof hello - 1);
    http_reply_static(r, 200, "text/event-stream", "", 0);
    http_reply_header(r, "X-Accel-Buffering", "no"); /* nginx would hold events back */
    r->reply.kind = REPLY_STREAM;
    r->reply.stream = s;
    http_finish(r);
    return s;
}

/* "id: 7\nevent: metric\ndata: {...}\n\n"; a newline inside the data starts another data: line. */
static enum err write_event(struct buf *b, int64_t id, const char *event, const char *data)
{
    enum err e = OK;
    if (id >= 0) e = buf_printf(b, "id: %lld\n", (long long)id);
    if (e == OK && event) e = buf_printf(b, "event: %s\n", event);
    while (e == OK && data) {
        size_t line = strcspn(data, "\r\n");
        e = buf_printf(b, "data: %.*s\n", (int)line, data);
        data = data[line] ? data + line + 1 : NULL;
    }
    return e == OK ? buf_text(b, "\n") : e;
}

bool http_stream_send(struct http_stream *s, int64_t id, const char *event, const char *data)
{
    struct buf b;
    buf_init(&b, s->http->config.stream_bytes_max);
    bool sent = false;
    if (write_event(&b, id, event, data) == OK) {
        sent = push(s, b.data, b.length);
    } else {
        pthread_mutex_lock(&s->http->lock);
        stream_break_locked(s);
        pthread_mutex_unlock(&s->http->lock);
    }
    buf_free(&b);
    return sent;
}

size_t http_stream_room(struct http_stream *s)
{
    pthread_mutex_lock(&s->http->lock);
    size_t used = s->end - s->start;
    pthread_mutex_unlock(&s->http->lock);
    return s->http->config.stream_bytes_max - used;
}

void http_stream_when_drained(struct http_stream *s, void (*on_drained)(void *context), void *context)
{
    pthread_mutex_lock(&s->http->lock);
    assert(!s->on_drained);
    s->on_drained = on_drained;
    s->drained_context = context;
    if (is_drained(s)) tell_soon_locked(s);
    pthread_mutex_unlock(&s->http->lock);
}

void http_stream_close(struct http_stream *s)
{
    struct http *h = s->http;
    pthread_mutex_lock(&h->lock);
    s->ending = true;
    wake_reader_locked(s);
    unref_locked(s);
    http_unlock(h);
}

/* ---- the timer's part -------------------------------------------------------------------------------------- */
void streams_ping(struct http *h, int64_t now_ms)
{
    pthread_mutex_lock(&h->lock);
    for (struct http_stream *s = h->streams; s; s = s->next) {
        if (now_ms - s->written_ms < h->config.ping_ms || s->over || s->broken || s->ending) continue;
        s->written_ms = now_ms;
        if (!reserve_locked(s, sizeof ping - 1)) {
            stream_break_locked(s);
            continue;
        }
        memcpy(s->data + s->end, ping, sizeof ping - 1);
        s->end += sizeof ping - 1;
        wake_reader_locked(s);
    }
    pthread_mutex_unlock(&h->lock);
}

void streams_look_for_gone(struct http *h)
{
    pthread_mutex_lock(&h->lock);
    size_t n = 0, count = 0;
    for (const struct http_stream *s = h->streams; s; s = s->next) count += s->waiting;
    struct pollfd *fds = count ? malloc(count * sizeof *fds) : NULL;
    for (const struct http_stream *s = h->streams; s && fds; s = s->next)
        if (s->waiting) fds[n++] = (struct pollfd){.fd = s->fd, .events = POLLRDHUP};
    if (n && poll(fds, n, 0) > 0) {
        n = 0;
        for (struct http_stream *s = h->streams; s; s = s->next)
            if (s->waiting && (fds[n++].revents & (POLLRDHUP | POLLHUP | POLLERR))) stream_break_locked(s);
    }
    pthread_mutex_unlock(&h->lock);
    free(fds);
}

/* Takes one piece of news of one stream: drained comes before the end, the end once. */
static bool take_news(struct http *h, void (**call)(void *context), void **context)
{
    bool found = false;
    pthread_mutex_lock(&h->lock);
    for (struct http_stream *s = h->streams, *next; s && !found; s = next) {
        next = s->next;
        if (s->on_drained && is_drained(s)) {
            *call = s->on_drained;
            *context = s->drained_context;
            s->on_drained = NULL;
            found = true;
        } else if (s->over && s->on_end) {
            *call = s->on_end;
            *context = s->context;
            s->on_end = NULL;
            found = true;
            unref_locked(s);
        }
    }
    if (!found) h->tells = false;
    pthread_mutex_unlock(&h->lock);
    return found;
}

void streams_tell(struct http *h)
{
    void (*call)(void *context);
    void *context;
    while (take_news(h, &call, &context)) call(context);
}

void streams_end_all(struct http *h)
{
    pthread_mutex_lock(&h->lock);
    for (struct http_stream *s = h->streams; s; s = s->next) {
        s->ending = true;
        wake_reader_locked(s);
    }
    pthread_mutex_unlock(&h->lock);
}
