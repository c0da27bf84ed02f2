/* lanes: threads that sleep on a condition until there are tasks; nobody spins (two jobs on one machine stay fair). */
#include "worker/net/lanes.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* A task, or a part, that has been split: lies with the lane that split it. */
struct split {
    void (*fn)(void *ctx, int part, int lane);
    void *ctx;
    int count, next, running;
    const struct split *within; /* the one of which it splits a part; NULL: it splits a task */
    struct split *older, *newer; /* among the open ones, of which parts are left to be handed out */
};
struct lane {
    struct lanes *all;
    int number;
    const struct split *in; /* of which it does a part; NULL: of none */
    pthread_t thread;
};
struct lanes {
    int count, started;
    void (*start)(void);
    pthread_mutex_t mutex;
    pthread_cond_t work, progress; /* for lanes that have nothing to do; for those that are in the middle of something */
    unsigned long round;           /* rises with each lanes_run */
    int inside;                    /* lanes that take tasks of this round */
    bool stop;
    void (*fn)(void *ctx, int task, int lane);
    void *ctx;
    int tasks;
    atomic_int next;
    struct split *oldest, *newest; /* open ones */
    struct lane lane[];
};

/* ---- parts; the mutex is held ---------------------------------------------------------------------------- */
static void open_split(struct lanes *l, struct split *s)
{
    s->older = l->newest;
    if (l->newest) l->newest->newer = s;
    else l->oldest = s;
    l->newest = s;
    for (int i = 1; i < s->count && i < l->count; i++) pthread_cond_signal(&l->work);
    pthread_cond_broadcast(&l->progress);
}

static void close_split(struct lanes *l, struct split *s)
{
    if (s->older) s->older->newer = s->newer;
    else l->oldest = s->newer;
    if (s->newer) s->newer->older = s->older;
    else l->newest = s->older;
}

/* The open one with the largest parts, of which parts of `of` were split; NULL: of whatever. */
static struct split *find_split(const struct lanes *l, const struct split *of)
{
    for (struct split *s = l->oldest; s; s = s->newer) {
        const struct split *around = s->within;
        while (around && around != of) around = around->within;
        if (around == of || !of) return s;
    }
    return NULL;
}

static void do_part(struct lanes *l, struct split *s, int lane)
{
    const struct split *before = l->lane[lane].in;
    int part = s->next++;
    if (s->next == s->count) close_split(l, s);
    s->running++;
    l->lane[lane].in = s;
    pthread_mutex_unlock(&l->mutex);
    s->fn(s->ctx, part, lane);
    pthread_mutex_lock(&l->mutex);
    l->lane[lane].in = before;
    if (--s->running == 0) pthread_cond_broadcast(&l->progress);
}

void lanes_split(struct lanes *l, int lane, int count, void (*fn)(void *ctx, int part, int lane), void *ctx)
{
    if (l->count == 1 || count == 1) {
        for (int part = 0; part < count; part++) fn(ctx, part, lane);
        return;
    }
    pthread_mutex_lock(&l->mutex);
    struct split s = {.fn = fn, .ctx = ctx, .count = count, .within = l->lane[lane].in}, *help;
    open_split(l, &s);
    while (s.next < s.count) do_part(l, &s, lane);
    while (s.running)
        if ((help = find_split(l, &s))) do_part(l, help, lane);
        else pthread_cond_wait(&l->progress, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
}

void lanes_await(struct lanes *l, const int *done, int until)
{
    pthread_mutex_lock(&l->mutex);
    while (*done != until) pthread_cond_wait(&l->progress, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
}

void lanes_advance(struct lanes *l, int *done, int to)
{
    pthread_mutex_lock(&l->mutex);
    *done = to;
    pthread_cond_broadcast(&l->progress);
    pthread_mutex_unlock(&l->mutex);
}

/* ---- tasks --------------------------------------------------------------------------------------------- */
/* As one of those inside; comes and goes with the mutex held. */
static void take_tasks(struct lanes *l, int lane)
{
    l->inside++;
    pthread_mutex_unlock(&l->mutex);
    for (int task; (task = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed)) < l->tasks;) l->fn(l->ctx, task, lane);
    pthread_mutex_lock(&l->mutex);
    if (--l->inside == 0) pthread_cond_broadcast(&l->progress);
}

static void *lane_main(void *argument)
{
    struct lane *me = argument;
    struct lanes *l = me->all;
    struct split *help;
    if (l->start) l->start();
    pthread_mutex_lock(&l->mutex);
    for (unsigned long seen = 0; !l->stop;) {
        if (l->round != seen) {
            seen = l->round;
            take_tasks(l, me->number);
        } else if ((help = find_split(l, NULL))) {
            do_part(l, help, me->number);
        } else {
            pthread_cond_wait(&l->work, &l->mutex);
        }
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
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
    pthread_cond_init(&l->progress, NULL);
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
    pthread_cond_destroy(&l->progress);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

int lanes_count(const struct lanes *l)
{
    return l->count;
}

void lanes_run(struct lanes *l, int count, void (*fn)(void *ctx, int task, int lane), void *ctx)
{
    struct split *help;
    if (l->start) l->start(); /* the caller may be another thread than last time */
    pthread_mutex_lock(&l->mutex);
    while (l->inside) pthread_cond_wait(&l->progress, &l->mutex); /* who woke too late for the round before, and is about to see that */
    l->fn = fn;
    l->ctx = ctx;
    l->tasks = count;
    atomic_store_explicit(&l->next, 0, memory_order_relaxed);
    if (count > 1 && l->count > 1) {
        l->round++;
        for (int i = 1; i < count && i < l->count; i++) pthread_cond_signal(&l->work);
    }
    take_tasks(l, 0);
    while (l->inside)
        if ((help = find_split(l, NULL))) do_part(l, help, 0);
        else pthread_cond_wait(&l->progress, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
}
