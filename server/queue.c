/* queue: opens and closes, and carries one call from its post to its answer. The rules are in queue_*.c. */
#include "server/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "server/must.h"
#include "server/queue_rules.h"
#include "server/store_blobs.h"
#include "server/store_events.h"

void *queue_call_new(struct queue *q, size_t size, enum err (*rule)(struct queue_call *, struct store_db *), queue_done *done, void *context)
{
    struct queue_call *c = must_calloc(1, size);
    c->queue = q;
    c->rule = rule;
    c->done = done;
    c->context = context;
    buf_init(&c->body, REPLY_BYTES_MAX);
    return c;
}

enum { KEPT_BYTES = 2048 }; /* a submit keeps some 4 KB in eight texts, most calls an id */
struct kept {
    struct kept *next;
    size_t used, size;
    char bytes[];
};

const char *queue_keep(struct queue_call *c, const char *text)
{
    if (!text) return NULL;
    size_t length = strlen(text) + 1;
    if (!c->kept || c->kept->size - c->kept->used < length) {
        size_t size = length > KEPT_BYTES ? length : KEPT_BYTES;
        struct kept *block = must_realloc(NULL, sizeof *block + size);
        *block = (struct kept){.next = c->kept, .size = size};
        c->kept = block;
    }
    char *copy = c->kept->bytes + c->kept->used;
    c->kept->used += length;
    return memcpy(copy, text, length);
}

const char *queue_keep_or(struct queue_call *c, const char *text, const char *otherwise)
{
    return queue_keep(c, text ? text : otherwise);
}

static void free_call(struct queue_call *c)
{
    if (c->fini) c->fini(c);
    while (c->kept) {
        struct kept *next = c->kept->next;
        free(c->kept);
        c->kept = next;
    }
    buf_free(&c->body);
    free(c->reply.json);
    free(c);
}

static enum err run_rule(struct store_db *db, struct store_command *command)
{
    struct queue_call *c = (struct queue_call *)command;
    buf_reset(&c->body);
    memset(&c->reply, 0, sizeof c->reply);
    c->freed_count = 0;
    return c->rule(c, db);
}

static void answer(struct store_command *command, enum err e)
{
    struct queue_call *c = (struct queue_call *)command;
    struct queue_reply *r = &c->reply;
    r->error = e;
    if (e && !r->note.code) err_set(&r->note, e, "", "%s", err_hint(e));
    if (!e && c->body.data) {
        r->json_bytes = c->body.length;
        r->json = buf_take(&c->body);
    }
    if (c->settles && c->queue->blobs) blob_settled(c->queue->blobs, c->settles, !e);
    for (size_t i = 0; !e && i < c->freed_count && c->queue->blobs; i++) blob_remove_later(c->queue->blobs, c->freed[i]);
    if (c->done) c->done(c->context, r);
    free_call(c);
}

enum err queue_post(struct queue_call *c, enum store_priority priority)
{
    c->command.run = run_rule;
    c->command.done = answer;
    c->command.priority = priority;
    enum err e = store_post(c->queue->store, &c->command);
    if (e) free_call(c);
    return e;
}

char *queue_take_json(struct queue_reply *reply, size_t *bytes)
{
    char *json = reply->json;
    if (bytes) *bytes = reply->json_bytes;
    reply->json = NULL;
    return json;
}

static void set_defaults(struct queue_settings *s)
{
    const struct {
        int64_t *value, otherwise;
    } rows[] = {
        {&s->lease_ms, 30000},           {&s->stop_grace_ms, 30000},      {&s->backoff_ms, 10000},
        {&s->log_bytes_max, 16 << 20},   {&s->metric_points_max, 2000000}, {&s->idempotency_ms, 24 * 3600 * 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!*rows[i].value) *rows[i].value = rows[i].otherwise;
    if (!s->poison_losses) s->poison_losses = 5;
}

/* The secret is made once and kept beside the database, readable by nobody else. */
static enum err load_secret(const char *folder, char secret[SHA256_HEX], struct err_note *note)
{
    char path[4096];
    err_print(path, sizeof path, "%s/secret", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        ssize_t n = read(fd, secret, SHA256_HEX - 1);
        close(fd);
        secret[SHA256_HEX - 1] = '\0';
        return n == SHA256_HEX - 1 && sha256_is_hex(secret) ? OK : err_set(note, ERR_CORRUPT, path, "this file must hold 64 hex digits; without it a new one is made");
    }
    random_hex(secret, SHA256_BYTES);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written = fd >= 0 && write(fd, secret, SHA256_HEX - 1) == SHA256_HEX - 1 && !fsync(fd);
    if (fd >= 0) close(fd);
    return written ? OK : err_set(note, ERR_IO, path, "cannot write: %s", strerror(errno));
}

/* ---- at the start: leases begin anew; files that no row names go ---- */
struct start {
    struct queue_call call;
    char (*on_disk)[SHA256_HEX];
    size_t count, capacity;
};

static void remember_blob(void *context, const char *sha256)
{
    struct start *s = context;
    if (s->count == s->capacity) s->on_disk = must_realloc(s->on_disk, (s->capacity = 2 * s->capacity + 64) * sizeof *s->on_disk);
    err_print(s->on_disk[s->count++], SHA256_HEX, "%s", sha256);
}

static enum err start_rule(struct queue_call *c, struct store_db *db)
{
    struct start *s = (struct start *)c;
    int64_t leases = 0;
    enum err e = store_job_rearm(db, clock_mono_ms(), c->queue->settings.lease_ms, &leases);
    if (!e) log_info("queue.opened", "leases=%lld lease_ms=%lld", (long long)leases, (long long)c->queue->settings.lease_ms);
    for (size_t i = 0; i < s->count; i++)
        if (!store_blob_known(db, s->on_disk[i])) blob_remove_later(c->queue->blobs, s->on_disk[i]);
    return e;
}

static void start_fini(struct queue_call *c)
{
    free(((struct start *)c)->on_disk);
}

enum err queue_open(struct store *store, struct blob_store *blobs, const struct queue_settings *settings, struct queue **out, struct err_note *note)
{
    struct queue *q = must_calloc(1, sizeof *q);
    *out = NULL;
    q->store = store;
    q->blobs = blobs;
    if (settings) q->settings = *settings;
    set_defaults(&q->settings);
    enum err e = load_secret(store_folder(store), q->secret, note);
    if (!e) {
        struct start *s = queue_call_new(q, sizeof *s, start_rule, NULL, NULL);
        s->call.fini = start_fini;
        if (blobs) blob_each(blobs, remember_blob, s);
        s->call.command = (struct store_command){.run = run_rule, .done = answer, .priority = STORE_ESSENTIAL};
        e = store_call(store, &s->call.command);
        if (e) err_set(note, e, store_folder(store), "cannot arm the leases: %s", err_hint(e));
    }
    if (e) free(q);
    else *out = q;
    return e;
}

void queue_close(struct queue *q)
{
    free(q);
}

int64_t queue_lease_ms(const struct queue *q)
{
    return q->settings.lease_ms;
}

int64_t queue_heartbeat_ms(const struct queue *q)
{
    return q->settings.lease_ms / 4;
}
