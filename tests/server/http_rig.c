/* http_rig: routes for every habit of the HTTP floor. */
#include "tests/server/http_rig.h"

#include <fcntl.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "server/json_body.h"
#include "tests/check.h"

static struct rig *rig_of(struct http_request *r)
{
    return http_app(r);
}

/* ---- the thread that plays the store ------------------------------------------------------------------------ */
static void *rig_run(void *argument)
{
    struct rig *rig = argument;
    pthread_mutex_lock(&rig->mutex);
    for (;;) {
        while (!rig->count && !rig->leaves) pthread_cond_wait(&rig->changed, &rig->mutex);
        if (!rig->count) break;
        void (*run)(void *context) = rig->queue[rig->first].run;
        void *context = rig->queue[rig->first].context;
        rig->first = (rig->first + 1) % RIG_QUEUE;
        rig->count--;
        pthread_mutex_unlock(&rig->mutex);
        run(context);
        pthread_mutex_lock(&rig->mutex);
    }
    pthread_mutex_unlock(&rig->mutex);
    return NULL;
}

void rig_enqueue(struct rig *rig, void (*run)(void *context), void *context)
{
    pthread_mutex_lock(&rig->mutex);
    CHECK(rig->count < RIG_QUEUE);
    size_t at = (rig->first + rig->count++) % RIG_QUEUE;
    rig->queue[at].run = run;
    rig->queue[at].context = context;
    pthread_cond_signal(&rig->changed);
    pthread_mutex_unlock(&rig->mutex);
}

/* ---- plain answers ---------------------------------------------------------------------------------------------- */
static void say(struct http_request *r)
{
    char text[4096];
    atomic_fetch_add(&rig_of(r)->served, 1);
    err_print(text, sizeof text, "REQ %s [%.2000s] body=%llu\n", http_method(r), http_path(r),
              (unsigned long long)http_body_length(r));
    http_reply_text(r, 200, "text/plain", text);
    http_finish(r);
}

static void say_param(struct http_request *r)
{
    http_reply_text(r, 200, "text/plain", http_param(r, "name"));
    if (http_query(r, "q")) http_reply_text(r, 200, "text/plain", http_query(r, "q"));
    http_finish(r);
}

static void say_caller(struct http_request *r)
{
    http_reply_text(r, 200, "text/plain", http_caller(r)->id);
    http_finish(r);
}

static void say_html(struct http_request *r)
{
    http_reply_text(r, 200, "text/html; charset=utf-8", "<!doctype html><title>rig</title>");
    http_finish(r);
}

static void echo_json(struct http_request *r)
{
    json_t *json;
    struct err_note note;
    enum err e = http_json_body(r, &json, &note);
    if (e == OK) http_reply_json(r, 200, json);
    else http_reply_err(r, e, &note);
    http_finish(r);
}

static void say_mistakes(struct http_request *r)
{
    struct err_list list = {0};
    struct err_note *note = err_add(&list, ERR_ALPHA_RANGE, "/loss/alpha", "alpha must be between 0 and 1");
    err_print(note->found, sizeof note->found, "1.4\xff");
    err_print(note->allowed, sizeof note->allowed, "0 to 1");
    err_add(&list, ERR_KEY_UNKNOWN, "/los", "unknown key")->code = ERR_KEY_UNKNOWN;
    http_reply_errs(r, ERR_SPEC, &list);
    http_finish(r);
}

/* ---- completion from another thread -------------------------------------------------------------------------- */
static void complete(void *context)
{
    say(context);
}

static void later(struct http_request *r)
{
    rig_enqueue(rig_of(r), complete, r);
}

/* Completed before the handler returns, nearly always. */
static void later_but_first(struct http_request *r)
{
    rig_enqueue(rig_of(r), complete, r);
    for (int i = 0; i < 200; i++) sched_yield();
}

/* Finished only when the test says so. */
static void never(struct http_request *r)
{
    atomic_store(&rig_of(r)->unfinished, r);
}

/* ---- long-poll ----------------------------------------------------------------------------------------------------- */
static void poll_over(struct http_request *r, enum http_wake why, void *context)
{
    static const char *const words[] = {"woken", "timeout", "gone", "stopping"};
    struct rig *rig = context;
    atomic_int *counts[] = {&rig->woken, &rig->timeouts, &rig->gone, &rig->stopped};
    atomic_fetch_add(counts[why], 1);
    if (why != HTTP_GONE) http_reply_text(r, 200, "text/plain", words[why]);
    http_finish(r);
}

static int64_t query_number(struct http_request *r, const char *name, int64_t otherwise)
{
    int64_t value;
    if (http_query_int(r, name, 0, 1000000, otherwise, &value, NULL) != OK) return otherwise;
    return value;
}

struct poll_ask {
    struct http_request *request;
    struct stream_watch *watch;
};

static void poll_answered(void *context)
{
    struct poll_ask *ask = context;
    stream_park(ask->watch, query_number(ask->request, "ms", 25000), poll_over, rig_of(ask->request));
    free(ask);
}

static void poll_watch(struct http_request *r)
{
    struct poll_ask *ask = malloc(sizeof *ask);
    const char *topic = http_query(r, "topic");
    ask->request = r;
    ask->watch = stream_watch(rig_of(r)->hub, r, topic ? topic : "job");
    rig_enqueue(rig_of(r), poll_answered, ask);
}

static void poll_plain(struct http_request *r)
{
    http_park(r, query_number(r, "ms", 25000), poll_over, rig_of(r));
}

/* ---- events -------------------------------------------------------------------------------------------------------- */
enum { PAGE = 100 };
static struct rig *the_rig; /* a test has one */

static void write_event(char *json, size_t size, long id)
{
    snprintf(json, size, "{\"event\":%ld,\"padding\":\"%0*d\"}", id, the_rig->padding, 0);
}

static void follow_step(void *context);

static void follow_drained(struct stream_follower *f, void *context)
{
    rig_enqueue(context, follow_step, f);
}

static void publish_one(void)
{
    char json[8192];
    long id = ++the_rig->last_event_id;
    write_event(json, sizeof json, id);
    stream_publish(the_rig->hub, "job", "local", id, "metric", json);
}

struct publishing {
    struct rig *rig;
    int count;
};

static void publish_now(void *context)
{
    struct publishing *p = context;
    for (int i = 0; i < p->count; i++) publish_one();
    free(p);
}

/* Events may come between the page and this. */
static void follow_live(void *context)
{
    struct stream_follower *f = context;
    if (the_rig->surprises) {
        the_rig->surprises--;
        publish_one();
    }
    if (stream_live(f) == STREAM_BEHIND) stream_when_drained(f, follow_drained, the_rig);
}

/* The rig's thread: one page of rows, then live or again. */
static void follow_step(void *context)
{
    struct stream_follower *f = context;
    char json[8192];
    long from = stream_last_id(f) + 1, rows = 0;
    for (long id = from; id <= the_rig->last_event_id && rows < PAGE; id++, rows++) {
        write_event(json, sizeof json, id);
        if (!stream_row(f, id, "metric", json)) return;
    }
    if (rows == PAGE) stream_when_drained(f, follow_drained, the_rig);
    else rig_enqueue(the_rig, follow_live, f);
}

static void follow_first(void *context)
{
    if (stream_open(context)) follow_step(context);
}

static void events(struct http_request *r)
{
    int64_t after;
    struct err_note note;
    if (stream_after_id(r, 0, &after, &note) != OK) {
        http_reply_err(r, ERR_BAD_REQUEST, &note);
        http_finish(r);
        return;
    }
    struct stream_follower *f = stream_follow(rig_of(r)->hub, r, http_query(r, "all") ? NULL : "job", NULL, after);
    rig_enqueue(rig_of(r), follow_first, f);
}

void rig_publish(struct rig *rig, int count)
{
    struct publishing *p = malloc(sizeof *p);
    *p = (struct publishing){rig, count};
    rig_enqueue(rig, publish_now, p);
}

/* ---- uploads --------------------------------------------------------------------------------------------------------- */
static void sink_begin(struct http_request *r)
{
    if (http_header(r, "X-Refuse")) {
        http_reply_err(r, ERR_LEASE_LOST, NULL);
        http_finish(r);
        return;
    }
    http_sink_go(r);
}

static void go_now(void *context)
{
    http_sink_go(context);
    http_release(context);
}

static void sink_begin_later(struct http_request *r)
{
    http_hold(r);
    rig_enqueue(rig_of(r), go_now, r);
}

/* Takes at most 1000 bytes at once, then goes on by itself; or waits to be let go. */
static size_t sink_piece(struct http_request *r, const char *bytes, size_t length)
{
    struct rig *rig = rig_of(r);
    (void)bytes;
    if (http_header(r, "X-Full")) {
        http_reply_err(r, ERR_NO_SPACE, NULL);
        http_finish(r);
        return 0;
    }
    if (atomic_load(&rig->sink_waits)) {
        atomic_store(&rig->sink_request, r);
        return 0;
    }
    size_t taken = length < 1000 ? length : 1000;
    atomic_fetch_add(&rig->uploaded_bytes, taken);
    if (taken < length) {
        http_hold(r);
        rig_enqueue(rig, go_now, r);
    }
    return taken;
}

static void sink_broken(struct http_request *r)
{
    atomic_fetch_add(&rig_of(r)->broken, 1);
}

static const struct http_sink sink = {sink_begin, sink_piece, sink_broken};
static const struct http_sink sink_later = {sink_begin_later, sink_piece, sink_broken};

static void uploaded(struct http_request *r)
{
    atomic_fetch_add(&rig_of(r)->uploads, 1);
    say(r);
}

void rig_let_upload_go(struct rig *rig)
{
    atomic_store(&rig->sink_waits, false);
    http_sink_go(atomic_load(&rig->sink_request));
}

/* ---- files ------------------------------------------------------------------------------------------------------------- */
static void file(struct http_request *r)
{
    struct rig *rig = rig_of(r);
    int fd = open(rig->file, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    off_t length = lseek(fd, 0, SEEK_END);
    lseek(fd, 0, SEEK_SET);
    http_reply_file(r, fd, (uint64_t)length, "application/octet-stream", "abc123", "model \"x\".safetensors");
    http_finish(r);
}

/* ---- the table ----------------------------------------------------------------------------------------------------------- */
static const struct http_route routes[] = {
    {"root", "GET", "/", 0, 0, say_html, NULL},
    {"a", "GET", "/a", 0, 1 << 20, say, NULL},
    {"post_a", "POST", "/a", 0, 1 << 20, say, NULL},
    {"b", "GET", "/b", 0, 0, say, NULL},
    {"next", "GET", "/next", 0, 0, say, NULL},
    {"param", "GET", "/v1/things/{name}", 0, 0, say_param, NULL},
    {"verb", "POST", "/v1/things/{name}:stop", 0, 100, say_param, NULL},
    {"caller", "GET", "/caller", AUTH_SUBMIT | AUTH_WORKER | AUTH_ADMIN, 0, say_caller, NULL},
    {"admin", "POST", "/admin", AUTH_ADMIN, 100, say_caller, NULL},
    {"worker", "POST", "/worker", AUTH_WORKER, 100, say_caller, NULL},
    {"json", "POST", "/json", 0, 65536, echo_json, NULL},
    {"mistakes", "GET", "/mistakes", 0, 0, say_mistakes, NULL},
    {"later", "GET", "/later", 0, 0, later, NULL},
    {"first", "GET", "/first", 0, 0, later_but_first, NULL},
    {"never", "GET", "/never", 0, 0, never, NULL},
    {"poll", "GET", "/poll", 0, 0, poll_watch, NULL},
    {"park", "GET", "/park", 0, 0, poll_plain, NULL},
    {"events", "GET", "/events", AUTH_ALL, 0, events, NULL},
    {"upload", "PUT", "/upload", 0, 1 << 26, uploaded, &sink},
    {"upload_later", "PUT", "/upload-later", 0, 1 << 26, uploaded, &sink_later},
    {"file", "GET", "/file", 0, 0, file, NULL},
    {NULL, NULL, NULL, 0, 0, NULL, NULL},
};

struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    CHECK(rig);
    the_rig = rig;
    rig->padding = 100;
    rig->config.app = rig;
    return rig;
}

void rig_start(struct rig *rig)
{
    struct http_routes table = {http_find_in_array, routes};
    struct err_note note;
    pthread_mutex_init(&rig->mutex, NULL);
    pthread_cond_init(&rig->changed, NULL);
    rig->hub = stream_hub_new();
    char words[2][8] = {"a", "b"};
    const char *hosts[] = {words[0], words[1], NULL};
    rig->config.allow_hosts = hosts;
    if (http_start(&rig->config, &table, &rig->http, &note) != OK) check_fail(__FILE__, __LINE__, "http_start: %s", note.detail);
    memset(words, 'x', sizeof words - 1); /* http_start has copies: what it was given may go */
    rig->config.allow_hosts = NULL;
    hosts[0] = hosts[1] = NULL;
    CHECK_INT(pthread_create(&rig->thread, NULL, rig_run, rig), 0);
}

int rig_port(const struct rig *rig)
{
    return http_port(rig->http);
}

size_t rig_stop(struct rig *rig)
{
    size_t given_up = http_stop(rig->http);
    pthread_mutex_lock(&rig->mutex);
    rig->leaves = true;
    pthread_cond_signal(&rig->changed);
    pthread_mutex_unlock(&rig->mutex);
    pthread_join(rig->thread, NULL);
    stream_hub_free(rig->hub);
    free(rig);
    return given_up;
}

void rig_wait(atomic_int *value, int want)
{
    for (int i = 0; i < 10000 && atomic_load(value) < want; i++) clock_sleep_ms(1);
    CHECK_INT(atomic_load(value), want);
}
