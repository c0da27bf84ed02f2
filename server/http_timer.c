/* http_timer: the one thread that keeps time: deadlines of parked requests, slow connections, clients that left, pings. */
#include <errno.h>
#include <string.h>

#include "schema/base/clock.h"
#include "server/http_inside.h"

enum {
    TICK_MS = 200, /* reaping and pings may be late by this much */
    LOOK_MS = 500, /* between looks for clients that left */
};

/* Sleeps until the next deadline, a tick, or news. */
static bool timer_sleep(struct http *h, int64_t now_ms)
{
    pthread_mutex_lock(&h->lock);
    if (!h->tells && !h->timer_leaves) {
        int64_t wait_ms = parks_next_ms_locked(h, now_ms + TICK_MS) - now_ms;
        if (wait_ms > TICK_MS) wait_ms = TICK_MS;
        if (wait_ms < 1) wait_ms = 1;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += wait_ms * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&h->timer_wanted, &h->lock, &until);
    }
    bool leaves = h->timer_leaves;
    pthread_mutex_unlock(&h->lock);
    return !leaves;
}

static void *timer_run(void *argument)
{
    struct http *h = argument;
    int64_t ticked_ms = 0, looked_ms = 0, now_ms = clock_mono_ms();
    while (timer_sleep(h, now_ms)) {
        now_ms = clock_mono_ms();
        streams_tell(h);
        parks_expire(h, now_ms);
        if (now_ms - ticked_ms >= TICK_MS) {
            ticked_ms = now_ms;
            conns_reap(h, now_ms);
            streams_ping(h, now_ms);
        }
        if (now_ms - looked_ms >= LOOK_MS) {
            looked_ms = now_ms;
            parks_look_for_gone(h);
            streams_look_for_gone(h);
        }
    }
    streams_tell(h); /* the last words */
    return NULL;
}

enum err timer_start(struct http *h, struct err_note *note)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->timer_wanted, &monotonic);
    pthread_cond_init(&h->quiet, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&h->timer, NULL, timer_run, h);
    return failed ? err_set(note, ERR_IO, "", "no thread for the timer: %s", strerror(failed)) : OK;
}

void timer_stop(struct http *h)
{
    pthread_mutex_lock(&h->lock);
    h->timer_leaves = true;
    pthread_cond_signal(&h->timer_wanted);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->timer, NULL);
}
