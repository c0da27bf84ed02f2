/* lanes: threads that sleep on a condition until there are tasks; nobody spins (two jobs on one machine stay fair). */
#include "worker/net/lanes.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct lane {
    struct lanes *all;
    int number;
    pthread_t thread;
};
struct lanes {
    int count, started;
    void (*start)(void);
    pthread_mutex_t mutex;
    pthread_cond_t work, idle;
    unsigned long round; /* rises with each lanes_run */
    int busy;            /* threads that have not yet finished this round */
    bool stop;
    void (*fn)(void *ctx, int task, int lane);
    void *ctx;
    int tasks;
    atomic_int next;
    struct lane lane[];
};

static void take_tasks(struct lanes *l, int lane)
{
    for (int task; (task = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed)) < l->tasks;) l->fn(l->ctx, task, lane);
}

static void *lane_main(void *argument)
{
    struct lane *me = argument;
    struct lanes *l = me->all;
    unsigned long seen = 0;
    if (l->start) l->start();
    for (;;) {
        pthread_mutex_lock(&l->mutex);
        while (l->round == seen && !l->stop) pthread_cond_wait(&l->work, &l->mutex);
        bool stop = l->stop;
        seen = l->round;
        pthread_mutex_unlock(&l->mutex);
        if (stop) return NULL;
        take_tasks(l, me->number);
        pthread_mutex_lock(&l->mutex);
        if (--l->busy == 0) pthread_cond_signal(&l->idle);
        pthread_mutex_unlock(&l->mutex);
    }
}

int lanes_default_count(void)
{
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask)) return 1;
    int count = CPU_COUNT(&mask);
    return count < 1 ? 1 : count > LANES_MAX ? LANES_MAX : count;
}

enum err lanes_new(int count, void (*start)(void), struct lanes **out, struct err_note *note)
{
    *out = NULL;
    if (count < 0 || count > LANES_MAX) return err_set(note, ERR_RANGE, "/training/threads", "%d threads: 0 to %d are possible", count, LANES_MAX);
    if (!count) count = lanes_default_count();
    struct lanes *l = calloc(1, sizeof *l + (size_t)count * sizeof l->lane[0]);
    if (!l) return err_set(note, ERR_NO_MEMORY, "/training/threads", "no memory for %d threads", count);
    *l = (struct lanes){.count = count, .started = 1, .start = start};
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->idle, NULL);
    for (; l->started < count; l->started++) {
        struct lane *lane = &l->lane[l->started];
        *lane = (struct lane){.all = l, .number = l->started};
        if (pthread_create(&lane->thread, NULL, lane_main, lane)) {
            int made = l->started;
            lanes_free(l);
            return err_set(note, ERR_NO_MEMORY, "/training/threads", "only %d of %d threads could be started", made, count);
        }
    }
    *out = l;
    return OK;
}

void lanes_free(struct lanes *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->stop = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);
    for (int i = 1; i < l->started; i++) pthread_join(l->lane[i].thread, NULL);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->idle);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

int lanes_count(const struct lanes *l)
{
    return l->count;
}

void lanes_run(struct lanes *l, int count, void (*fn)(void *ctx, int task, int lane), void *ctx)
{
    if (l->start) l->start(); /* the caller may be another thread than last time */
    pthread_mutex_lock(&l->mutex);
    assert(l->busy == 0);
    l->fn = fn;
    l->ctx = ctx;
    l->tasks = count;
    atomic_store_explicit(&l->next, 0, memory_order_relaxed);
    if (count > 1 && l->count > 1) {
        l->busy = l->count - 1;
        l->round++;
        pthread_cond_broadcast(&l->work);
    }
    pthread_mutex_unlock(&l->mutex);
    take_tasks(l, 0);
    pthread_mutex_lock(&l->mutex);
    while (l->busy) pthread_cond_wait(&l->idle, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
}
