/* desk: a bounded list of tasks and the thread that takes them. */
#include "server/desk.h"

#include <pthread.h>
#include <stdlib.h>
#include "schema/base/log.h"
#include "server/must.h"

enum { TASKS_MAX = 64 };
struct desk {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct task {
        void (*work)(void *context);
        void *context;
    } tasks[TASKS_MAX]; /* a ring */
    size_t first, count;
    bool stopping;
};

static void *desk_main(void *context)
{
    struct desk *d = context;
    pthread_mutex_lock(&d->mutex);
    while (d->count || !d->stopping) {
        if (!d->count) {
            pthread_cond_wait(&d->changed, &d->mutex);
            continue;
        }
        struct task task = d->tasks[d->first];
        d->first = (d->first + 1) % TASKS_MAX;
        d->count--;
        pthread_mutex_unlock(&d->mutex);
        task.work(task.context);
        pthread_mutex_lock(&d->mutex);
    }
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

struct desk *desk_start(void)
{
    struct desk *d = must_calloc(1, sizeof *d);
    pthread_mutex_init(&d->mutex, NULL);
    pthread_cond_init(&d->changed, NULL);
    if (!pthread_create(&d->thread, NULL, desk_main, d)) return d;
    log_error("desk.start", "no thread");
    abort();
}

bool desk_post(struct desk *d, void (*work)(void *context), void *context)
{
    pthread_mutex_lock(&d->mutex);
    bool fits = d->count < TASKS_MAX && !d->stopping;
    if (fits) d->tasks[(d->first + d->count++) % TASKS_MAX] = (struct task){work, context};
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->mutex);
    return fits;
}

void desk_stop(struct desk *d)
{
    if (!d) return;
    pthread_mutex_lock(&d->mutex);
    d->stopping = true;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->mutex);
    pthread_join(d->thread, NULL);
}

void desk_free(struct desk *d)
{
    if (!d) return;
    pthread_mutex_destroy(&d->mutex);
    pthread_cond_destroy(&d->changed);
    free(d);
}
