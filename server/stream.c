/* stream: the registry of who waits: watchers (long-polls) and followers (event streams), by topic. */
#include "server/stream.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256, TOPIC_MAX = 64, WAKE_BATCH = 64 };

/* Watchers and followers of one bucket hang in rings that start and end at the bucket's own node: oldest first. */
struct node {
    struct node *next, *previous;
};
struct stream_watch {
    struct node node; /* first: the node is the watch */
    struct stream_hub *hub;
    struct http_request *request; /* held */
    char topic[TOPIC_MAX];
    bool hit;    /* published since stream_watch */
    bool parked;
    bool woken;  /* somebody is about to http_wake it */
    http_on_wake *on_wake;
    void *context;
};
struct stream_follower {
    struct node node;
    struct stream_hub *hub;
    struct http_request *request; /* until stream_open */
    struct http_stream *stream;   /* after it */
    char topic[TOPIC_MAX];        /* "": everything */
    char owner[AUTH_ID_MAX];      /* "": everybody's */
    int64_t last_id, newest_id;
    bool live, ended;
    int references; /* the hub's or the catching-up caller's, and on_end's */
    void (*then)(struct stream_follower *f, void *context);
    void *then_context;
};
struct stream_hub {
    pthread_mutex_t mutex; /* taken before the HTTP floor's own lock, never after */
    struct node watches[BUCKETS], followers[BUCKETS], all;
};

static void ring_init(struct node *n)
{
    n->next = n->previous = n;
}

static void ring_add(struct node *ring, struct node *n)
{
    n->previous = ring->previous;
    n->next = ring;
    ring->previous->next = n;
    ring->previous = n;
}

static void ring_remove(struct node *n)
{
    n->previous->next = n->next;
    n->next->previous = n->previous;
    ring_init(n);
}

static size_t bucket_of(const char *topic)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *topic; topic++) hash = (hash ^ (unsigned char)*topic) * 16777619u;
    return hash % BUCKETS;
}

static void *must_alloc(size_t size)
{
    void *p = calloc(1, size);
    if (!p) abort();
    return p;
}

struct stream_hub *stream_hub_new(void)
{
    struct stream_hub *hub = must_alloc(sizeof *hub);
    pthread_mutex_init(&hub->mutex, NULL);
    for (size_t i = 0; i < BUCKETS; i++) {
        ring_init(&hub->watches[i]);
        ring_init(&hub->followers[i]);
    }
    ring_init(&hub->all);
    return hub;
}

void stream_hub_free(struct stream_hub *hub)
{
    if (!hub) return;
    pthread_mutex_destroy(&hub->mutex);
    free(hub);
}

/* ---- long-polls ---------------------------------------------------------------------------------------------- */
struct stream_watch *stream_watch(struct stream_hub *hub, struct http_request *r, const char *topic)
{
    struct stream_watch *w = must_alloc(sizeof *w);
    assert(strlen(topic) < TOPIC_MAX);
    w->hub = hub;
    w->request = r;
    err_print(w->topic, sizeof w->topic, "%s", topic);
    http_hold(r);
    pthread_mutex_lock(&hub->mutex);
    ring_add(&hub->watches[bucket_of(topic)], &w->node);
    pthread_mutex_unlock(&hub->mutex);
    return w;
}

void stream_unwatch(struct stream_watch *w)
{
    pthread_mutex_lock(&w->hub->mutex);
    assert(!w->parked);
    ring_remove(&w->node);
    pthread_mutex_unlock(&w->hub->mutex);
    http_release(w->request);
    free(w);
}

/* The one end of a parked watch, from whatever thread woke it. */
static void watch_over(struct http_request *r, enum http_wake why, void *context)
{
    struct stream_watch *w = context;
    http_on_wake *on_wake = w->on_wake;
    void *inner = w->context;
    pthread_mutex_lock(&w->hub->mutex);
    ring_remove(&w->node);
    pthread_mutex_unlock(&w->hub->mutex);
    free(w);
    on_wake(r, why, inner);
    http_release(r);
}

void stream_park(struct stream_watch *w, int64_t timeout_ms, http_on_wake *on_wake, void *context)
{
    enum http_wake why = HTTP_WOKEN;
    w->on_wake = on_wake;
    w->context = context;
    pthread_mutex_lock(&w->hub->mutex);
    if (!w->hit) {
        w->parked = http_park_unless_stopping(w->request, timeout_ms, watch_over, w);
        if (!w->parked) why = HTTP_STOPPING;
    }
    bool parked = w->parked;
    pthread_mutex_unlock(&w->hub->mutex);
    if (!parked) watch_over(w->request, why, w);
}

/* Marks the watchers of a topic that are still on their way, takes at most `max` parked ones, oldest first. */
static size_t take_watchers(struct stream_hub *hub, const char *topic, struct http_request **taken, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&hub->mutex);
    struct node *ring = &hub->watches[bucket_of(topic)];
    for (struct node *at = ring->next; at != ring && n < max; at = at->next) {
        struct stream_watch *w = (struct stream_watch *)at;
        if (w->woken || strcmp(w->topic, topic)) continue;
        if (w->parked) {
            w->woken = true;
            http_hold(w->request); /* its deadline may come first and end it */
            taken[n++] = w->request;
        } else {
            w->hit = true;
        }
    }
    pthread_mutex_unlock(&hub->mutex);
    return n;
}

size_t stream_wake(struct stream_hub *hub, const char *topic, size_t count)
{
    struct http_request *taken[WAKE_BATCH];
    size_t woken = 0, n;
    while (woken < count) {
        size_t max = count - woken < WAKE_BATCH ? count - woken : WAKE_BATCH;
        n = take_watchers(hub, topic, taken, max);
        for (size_t i = 0; i < n; i++) {
            woken += http_wake(taken[i]);
            http_release(taken[i]);
        }
        if (n == 0) break;
    }
    return woken;
}

/* ---- event streams --------------------------------------------------------------------------------------------- */
struct stream_follower *stream_follow(struct stream_hub *hub, struct http_request *r, const char *topic, const char *owner, int64_t after_id)
{
    struct stream_follower *f = must_alloc(sizeof *f);
    assert(!topic || (*topic && strlen(topic) < TOPIC_MAX));
    f->hub = hub;
    f->request = r;
    f->references = 1;
    f->last_id = f->newest_id = after_id;
    err_print(f->topic, sizeof f->topic, "%s", topic ? topic : "");
    err_print(f->owner, sizeof f->owner, "%s", owner ? owner : "");
    pthread_mutex_lock(&hub->mutex);
    ring_add(topic ? &hub->followers[bucket_of(topic)] : &hub->all, &f->node);
    pthread_mutex_unlock(&hub->mutex);
    return f;
}

static void unref(struct stream_follower *f)
{
    pthread_mutex_lock(&f->hub->mutex);
    bool last = --f->references == 0;
    pthread_mutex_unlock(&f->hub->mutex);
    if (last) free(f);
}

/* The caller's (or the hub's) part is over. */
static void leave(struct stream_follower *f)
{
    pthread_mutex_lock(&f->hub->mutex);
    ring_remove(&f->node);
    pthread_mutex_unlock(&f->hub->mutex);
    if (f->stream) http_stream_close(f->stream);
    unref(f);
}

void stream_unfollow(struct stream_follower *f)
{
    leave(f);
}

/* The last word of the HTTP floor on this stream. While the caller still catches up, it finds out at its next step. */
static void on_end(void *context)
{
    struct stream_follower *f = context;
    pthread_mutex_lock(&f->hub->mutex);
    f->ended = true;
    bool live = f->live;
    pthread_mutex_unlock(&f->hub->mutex);
    if (live) leave(f);
    unref(f);
}

bool stream_open(struct stream_follower *f)
{
    pthread_mutex_lock(&f->hub->mutex);
    f->references++;
    pthread_mutex_unlock(&f->hub->mutex);
    f->stream = http_stream_open(f->request, on_end, f);
    f->request = NULL;
    if (f->stream) return true;
    unref(f);
    leave(f);
    return false;
}

int64_t stream_last_id(const struct stream_follower *f)
{
    return f->last_id;
}

const char *stream_owner(const struct stream_follower *f)
{
    return f->owner[0] ? f->owner : NULL;
}

bool stream_row(struct stream_follower *f, int64_t event_id, const char *kind, const char *json)
{
    if (event_id <= f->last_id) return true;
    if (!http_stream_send(f->stream, event_id, kind, json)) {
        leave(f);
        return false;
    }
    f->last_id = event_id; /* not live yet: only the caller touches it */
    return true;
}

void stream_passed(struct stream_follower *f, int64_t event_id)
{
    if (event_id > f->last_id) f->last_id = event_id;
}

enum stream_step stream_live(struct stream_follower *f)
{
    pthread_mutex_lock(&f->hub->mutex);
    bool ended = f->ended, behind = f->newest_id > f->last_id;
    f->live = !ended && !behind;
    pthread_mutex_unlock(&f->hub->mutex);
    if (ended) leave(f);
    return ended ? STREAM_OVER : behind ? STREAM_BEHIND : STREAM_LIVE;
}

static void on_drained(void *context)
{
    struct stream_follower *f = context;
    f->then(f, f->then_context);
}

void stream_when_drained(struct stream_follower *f, void (*then)(struct stream_follower *f, void *context), void *context)
{
    f->then = then;
    f->then_context = context;
    http_stream_when_drained(f->stream, on_drained, f);
}

/* An overflow ends the stream in the HTTP floor; on_end then takes the follower away. */
static void feed(struct node *ring, const char *topic, const char *owner, int64_t event_id, const char *kind, const char *json)
{
    for (struct node *at = ring->next; at != ring; at = at->next) {
        struct stream_follower *f = (struct stream_follower *)at;
        if ((f->topic[0] && strcmp(f->topic, topic)) || (f->owner[0] && strcmp(f->owner, owner))) continue;
        if (event_id > f->newest_id) f->newest_id = event_id;
        if (!f->live || event_id <= f->last_id) continue;
        if (http_stream_send(f->stream, event_id, kind, json)) f->last_id = event_id;
    }
}

void stream_publish(struct stream_hub *hub, const char *topic, const char *owner, int64_t event_id, const char *kind, const char *json)
{
    pthread_mutex_lock(&hub->mutex);
    feed(&hub->followers[bucket_of(topic)], topic, owner, event_id, kind, json);
    feed(&hub->all, topic, owner, event_id, kind, json);
    pthread_mutex_unlock(&hub->mutex);
    stream_wake(hub, topic, SIZE_MAX);
}

enum err stream_after_id(const struct http_request *r, int64_t absent, int64_t *after, struct err_note *note)
{
    const char *header = http_header(r, "Last-Event-ID");
    if (!header) return http_query_int(r, "after", 0, INT64_MAX, absent, after, note);
    char *end;
    *after = strtoll(header, &end, 10);
    if (*header >= '0' && *header <= '9' && !*end) return OK;
    err_set(note, ERR_BAD_REQUEST, "", "Last-Event-ID must be the id of an event of ours");
    if (note) err_print(note->found, sizeof note->found, "%.80s", header);
    return ERR_BAD_REQUEST;
}
