/* reaper: a thread that sleeps, asks, and waits for the answer before it sleeps again. */
#include "server/reaper.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include "schema/base/log.h"
#include "server/must.h"

struct reaper {
    struct queue *queue;
    int64_t every_ms;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping, asked; /* asked: a call is on its way */
};

static void answered(void *context, struct queue_reply *reply)
{
    struct reaper *r = context;
    if (reply->error) log_warn("reaper.refused", "error=%s", err_word(reply->error));
    pthread_mutex_lock(&r->mutex);
    r->asked = false;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

static void sleep_until_next(struct reaper *r)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + r->every_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(r->every_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    while (!r->stopping && !pthread_cond_timedwait(&r->changed, &r->mutex, &until)) {
    }
}

static void *reaper_main(void *context)
{
    struct reaper *r = context;
    pthread_mutex_lock(&r->mutex);
    while (!r->stopping) {
        sleep_until_next(r);
        if (r->stopping) break;
        r->asked = true;
        pthread_mutex_unlock(&r->mutex);
        enum err e = queue_reap(r->queue, answered, r); /* busy: next time */
        pthread_mutex_lock(&r->mutex);
        if (e) r->asked = false;
        while (r->asked) pthread_cond_wait(&r->changed, &r->mutex);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

struct reaper *reaper_start(struct queue *q, int64_t every_ms)
{
    struct reaper *r = must_calloc(1, sizeof *r);
    pthread_condattr_t attributes;
    int64_t eighth = queue_lease_ms(q) / 8;
    r->queue = q;
    r->every_ms = every_ms > 0 ? every_ms : eighth < 50 ? 50 : eighth > 1000 ? 1000 : eighth;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!pthread_create(&r->thread, NULL, reaper_main, r)) return r;
    log_error("reaper.start", "no thread");
    abort();
}

void reaper_stop(struct reaper *r)
{
    if (!r) return;
    pthread_mutex_lock(&r->mutex);
    r->stopping = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    pthread_join(r->thread, NULL);
    pthread_mutex_destroy(&r->mutex);
    pthread_cond_destroy(&r->changed);
    free(r);
}
