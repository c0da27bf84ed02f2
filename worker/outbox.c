/* outbox: the ordered queue, its spool file and the thread that sends it. */
#include "worker/outbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "schema/api/api_request.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "worker/batch.h"

enum { MEMORY_BYTES = 1 << 20, SPOOL_BYTES = 64 << 20, FLUSH_MS = 1000, FIRST_FLUSH_MS = 50, TICK_MS = 100, DIGEST_TRIES = 3, OUTBOX_PATH_MAX = 4096 };
struct item {
    enum api_op op;
    char *text;              /* a batch in memory; NULL: in the spool, or a file */
    int64_t offset, length;  /* of a batch */
    char *path, *name, *kind, *sha256;
    int64_t step, epoch;
    double score;
    int tries;
    struct item *next;
};
struct outbox {
    struct outbox_settings settings;
    char dir[OUTBOX_PATH_MAX - 64];
    pthread_t thread;
    atomic_bool stop;
    int spool;
    int64_t spool_end, spooled, files;
    pthread_mutex_t lock; /* over what follows and the spool's numbers */
    pthread_cond_t news;
    struct batch metrics, lines;
    int64_t metric_seq, line_seq, memory_bytes;
    bool spool_failed;
    struct item *first, **last;
    bool sending;
    enum outbox_state state;
    struct err_note why;
};

static void item_free(struct item *item)
{
    if (item->path) unlink(item->path);
    free(item->text), free(item->path), free(item->name), free(item->kind), free(item->sha256);
    free(item);
}

static struct item *item_new(struct outbox *o, enum api_op op)
{
    struct item *item = calloc(1, sizeof *item);
    if (!item) abort();
    item->op = op;
    *o->last = item;
    o->last = &item->next;
    return item;
}

/* ---- batches, with the lock held ------------------------------------------------------------------ */
static bool spool_add(struct outbox *o, const char *text, int64_t length)
{
    if (o->spool_end + length > o->settings.spool_bytes_max) return false;
    for (int64_t done = 0; done < length;) {
        ssize_t n = pwrite(o->spool, text + done, (size_t)(length - done), o->spool_end + done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (!o->spool_failed) log_warn("outbox.spool", "%s/spool: %s: the child will wait", o->dir, strerror(errno));
            o->spool_failed = true;
            return false;
        }
        done += n;
    }
    o->spool_failed = false;
    return true;
}

/* A batch that neither memory nor spool should take is kept in memory all the same: nothing is dropped, the box is full. */
static void enqueue(struct outbox *o, struct batch *batch, enum api_op op, const char *key, int64_t seq)
{
    struct item *item = item_new(o, op);
    char *text = batch_close(batch, key, o->settings.key.token, seq);
    item->length = (int64_t)strlen(text);
    if (o->memory_bytes + item->length > o->settings.memory_bytes_max && spool_add(o, text, item->length)) {
        item->offset = o->spool_end;
        o->spool_end += item->length;
        o->spooled++;
        free(text);
    } else {
        item->text = text;
        o->memory_bytes += item->length;
    }
    pthread_cond_signal(&o->news);
}

static void close_metrics(struct outbox *o)
{
    if (o->metrics.count) enqueue(o, &o->metrics, API_ATTEMPT_METRICS, "series", ++o->metric_seq);
}

static void close_lines(struct outbox *o)
{
    if (o->lines.count) enqueue(o, &o->lines, API_ATTEMPT_LOGS, "lines", ++o->line_seq);
}

static void close_due(struct outbox *o)
{
    int64_t now = clock_mono_ms(), hold_ms = o->settings.flush_ms;
    if (o->metric_seq == 0 && hold_ms > FIRST_FLUSH_MS) hold_ms = FIRST_FLUSH_MS; /* whoever submitted waits to see the job train */
    if (o->metrics.count && now - o->metrics.opened_ms >= hold_ms) close_metrics(o);
    if (o->lines.count && now - o->lines.opened_ms >= o->settings.flush_ms) close_lines(o);
}

enum err outbox_metric(struct outbox *o, const json_t *series, struct err_note *note)
{
    pthread_mutex_lock(&o->lock);
    if (!batch_takes(&o->metrics, series)) close_metrics(o);
    enum err e = batch_add_series(&o->metrics, series, note);
    if (!e && o->metrics.count >= OUTBOX_POINTS) close_metrics(o);
    pthread_mutex_unlock(&o->lock);
    return e;
}

void outbox_log(struct outbox *o, const char *level, const char *text)
{
    pthread_mutex_lock(&o->lock);
    batch_add_line(&o->lines, clock_wall_ms(), level, text);
    if (o->lines.count >= BATCH_LINES) close_lines(o);
    pthread_mutex_unlock(&o->lock);
}

bool outbox_full(struct outbox *o)
{
    pthread_mutex_lock(&o->lock);
    bool full = o->memory_bytes > o->settings.memory_bytes_max; /* only a batch that the spool refused brings it there */
    pthread_mutex_unlock(&o->lock);
    return full;
}

/* ---- files ---------------------------------------------------------------------------------------- */
static enum err copy_file(const char *from, const char *to, struct err_note *note)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char bytes[65536];
    ssize_t n = in < 0 || out < 0 ? -1 : 1;
    while (n > 0 && (n = read(in, bytes, sizeof bytes)) > 0)
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(out, bytes + done, (size_t)(n - done))) < 0) {
                n = -1;
                break;
            }
    int why = errno;
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    if (n < 0) unlink(to);
    return n < 0 ? err_set(note, why == ENOSPC ? ERR_NO_SPACE : ERR_IO, from, "cannot be kept for upload: %s", strerror(why)) : OK;
}

static void replace_waiting(struct outbox *o, const struct outbox_file *file)
{
    if (strcmp(file->kind, "checkpoint")) return;
    for (struct item **at = &o->first; *at; at = &(*at)->next) {
        struct item *old = *at;
        if (!old->path || strcmp(old->name, file->name) || (old == o->first && o->sending)) continue;
        *at = old->next;
        if (o->last == &old->next) o->last = at;
        item_free(old);
        return;
    }
}

static char *copied(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy) abort();
    return copy;
}

enum err outbox_file(struct outbox *o, const struct outbox_file *file, struct err_note *note)
{
    char kept[OUTBOX_PATH_MAX];
    pthread_mutex_lock(&o->lock);
    snprintf(kept, sizeof kept, "%s/file-%lld", o->dir, (long long)++o->files);
    enum err e = link(file->path, kept) ? copy_file(file->path, kept, note) : OK;
    if (!e) {
        close_metrics(o); /* what the server resumes from must not lie ahead of what it knows */
        close_lines(o);
        replace_waiting(o, file);
        struct item *item = item_new(o, API_ATTEMPT_ARTIFACT_PUT);
        item->path = copied(kept);
        item->name = copied(file->name);
        item->kind = copied(file->kind);
        item->sha256 = copied(file->sha256);
        item->step = file->step;
        item->epoch = file->epoch;
        item->score = file->score;
        pthread_cond_signal(&o->news);
    }
    pthread_mutex_unlock(&o->lock);
    return e;
}

/* ---- the sender ----------------------------------------------------------------------------------- */
static enum err send_file(struct outbox *o, const struct item *item, struct err_note *note)
{
    char step[24], epoch[24], score[40];
    snprintf(step, sizeof step, "%lld", (long long)item->step);
    snprintf(epoch, sizeof epoch, "%lld", (long long)item->epoch);
    snprintf(score, sizeof score, "%.17g", item->score);
    struct api_call call = {.op = item->op, .upload_path = item->path, .want_sha256 = item->sha256,
                            .lease_token = o->settings.key.token, .stop = &o->stop,
                            .params = {{"job", o->settings.key.job}, {"n", o->settings.key.attempt}, {"name", item->name},
                                       {"kind", item->kind}, {"step", item->step >= 0 ? step : NULL},
                                       {"epoch", item->epoch >= 0 ? epoch : NULL}, {"score", isfinite(item->score) ? score : NULL}}};
    struct api_reply reply;
    enum err e = api_call(o->settings.client, &call, &reply, note);
    if (e == ERR_DIGEST && reply.status == 0) {
        log_info("outbox.superseded", "name=%s step=%s: a newer one follows", item->name, step);
        e = OK;
    } else if (!e) {
        log_info("artifact.accepted", "job=%s name=%s step=%s bytes=%lld", o->settings.key.job, item->name, step,
                 (long long)json_integer_value(json_object_get(reply.json, "bytes")));
    }
    api_reply_free(&reply);
    return e;
}

static enum err send_batch(struct outbox *o, const struct item *item, struct err_note *note)
{
    char *text = item->text, *read_back = NULL;
    if (!text) {
        text = read_back = calloc(1, (size_t)item->length + 1);
        if (!read_back) abort();
        if (pread(o->spool, read_back, (size_t)item->length, item->offset) != (ssize_t)item->length) {
            free(read_back);
            return err_set(note, ERR_CORRUPT, o->dir, "the spool cannot be read back: %s", strerror(errno));
        }
    }
    struct api_call call = {.op = item->op, .body_text = text, .stop = &o->stop,
                            .params = {{"job", o->settings.key.job}, {"n", o->settings.key.attempt}}};
    struct api_reply reply;
    enum err e = api_call(o->settings.client, &call, &reply, note);
    api_reply_free(&reply);
    free(read_back);
    return e;
}

/* What the server may still take when asked again later: no answer, busy, full, its own mistake, bytes hurt on the way. */
static bool is_passing(enum err e, const struct item *item)
{
    return e == ERR_UNREACHABLE || e == ERR_BUSY || e == ERR_RATE || e == ERR_NO_SPACE || e == ERR_INTERNAL
           || (e == ERR_DIGEST && item->tries < DIGEST_TRIES);
}

static void pop(struct outbox *o)
{
    struct item *item = o->first;
    if (item->text) o->memory_bytes -= item->length;
    if (!item->text && !item->path && --o->spooled == 0) {
        if (ftruncate(o->spool, 0)) log_warn("outbox.spool", "%s", strerror(errno));
        o->spool_end = 0;
    }
    o->first = item->next;
    if (!o->first) o->last = &o->first;
    item_free(item);
}

static void settle(struct outbox *o, enum err e, const struct err_note *note)
{
    struct item *item = o->first;
    item->tries++;
    if (!e) {
        pop(o);
    } else if (e == ERR_NONDETERMINISTIC) { /* the server keeps the first content under this number and flags the job */
        log_error("outbox.conflict", "job=%s %s", o->settings.key.job, note->detail);
        pop(o);
    } else if (!is_passing(e, item)) {
        o->state = e == ERR_LEASE_LOST || e == ERR_NOT_FOUND ? OUTBOX_LOST : OUTBOX_REFUSED;
        o->why = *note;
        log_warn("outbox.refused", "job=%s code=%s %s", o->settings.key.job, err_word(e), note->detail);
    }
}

static void wait_ms(struct outbox *o, int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += (long)(ms % 1000) * 1000000L;
    at.tv_sec += (time_t)(ms / 1000) + at.tv_nsec / 1000000000L;
    at.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&o->news, &o->lock, &at);
}

static void *send_all(void *user)
{
    struct outbox *o = user;
    pthread_mutex_lock(&o->lock);
    while (!o->stop && o->state == OUTBOX_GOOD) {
        close_due(o);
        struct item *item = o->first;
        if (!item) {
            wait_ms(o, TICK_MS);
            continue;
        }
        o->sending = true;
        pthread_mutex_unlock(&o->lock);
        struct err_note note = {0};
        enum err e = item->path ? send_file(o, item, &note) : send_batch(o, item, &note);
        pthread_mutex_lock(&o->lock);
        o->sending = false;
        if (o->stop) break;
        settle(o, e, &note);
        if (!e || o->state != OUTBOX_GOOD || o->first != item) continue;
        int64_t until = clock_mono_ms() + api_backoff_ms(item->tries > 4 ? 4 : item->tries, 0, 0.5 + api_dice() / 2);
        while (!o->stop && clock_mono_ms() < until) {
            close_due(o);
            wait_ms(o, TICK_MS);
        }
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

bool outbox_is_empty(struct outbox *o)
{
    pthread_mutex_lock(&o->lock);
    close_metrics(o);
    close_lines(o);
    bool empty = !o->first;
    pthread_mutex_unlock(&o->lock);
    return empty;
}

enum outbox_state outbox_state(struct outbox *o, struct err_note *note)
{
    pthread_mutex_lock(&o->lock);
    enum outbox_state state = o->state;
    if (note && state != OUTBOX_GOOD) *note = o->why;
    pthread_mutex_unlock(&o->lock);
    return state;
}

struct outbox *outbox_open(const struct outbox_settings *settings)
{
    struct outbox *o = calloc(1, sizeof *o);
    if (!o) abort();
    o->settings = *settings;
    if (!o->settings.memory_bytes_max) o->settings.memory_bytes_max = MEMORY_BYTES;
    if (!o->settings.spool_bytes_max) o->settings.spool_bytes_max = SPOOL_BYTES;
    if (!o->settings.flush_ms) o->settings.flush_ms = FLUSH_MS;
    assert(strlen(settings->dir) < sizeof o->dir);
    strcpy(o->dir, settings->dir);
    o->settings.dir = o->dir;
    char path[OUTBOX_PATH_MAX];
    snprintf(path, sizeof path, "%s/spool", o->dir);
    o->spool = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (o->spool < 0) log_warn("outbox.spool", "%s: %s: memory only", path, strerror(errno));
    o->last = &o->first;
    pthread_mutex_init(&o->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&o->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&o->thread, NULL, send_all, o)) abort();
    return o;
}

void outbox_close(struct outbox *o)
{
    if (!o) return;
    pthread_mutex_lock(&o->lock);
    o->stop = true;
    pthread_cond_signal(&o->news);
    pthread_mutex_unlock(&o->lock);
    pthread_join(o->thread, NULL);
    for (struct item *item = o->first, *next; item; item = next) {
        next = item->next;
        item_free(item);
    }
    batch_drop(&o->metrics);
    batch_drop(&o->lines);
    if (o->spool >= 0) close(o->spool);
    pthread_cond_destroy(&o->news);
    pthread_mutex_destroy(&o->lock);
    explicit_bzero(o->settings.key.token, sizeof o->settings.key.token);
    free(o);
}
