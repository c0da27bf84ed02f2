/* test_lanes: each task and each part of one runs once whatever the number of lanes, and in turn where they ask for that; idle lanes
   help, or cost no processor time. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "tests/check.h"
#include "worker/net/lanes.h"

enum { TASKS = 1000 };
static atomic_int ran[TASKS], started;

static void count_task(void *ctx, int task, int lane)
{
    CHECK(lane >= 0 && lane < *(int *)ctx);
    atomic_fetch_add(&ran[task], 1);
}

static void count_start(void)
{
    atomic_fetch_add(&started, 1);
}

void test_lanes_run_each_task_once(void)
{
    for (int count = 1; count <= 5; count++) {
        struct lanes *lanes;
        CHECK_INT(lanes_new(count, count_start, &lanes, NULL), OK);
        CHECK_INT(lanes_count(lanes), count);
        for (int round = 1; round <= 50; round++) {
            lanes_run(lanes, TASKS, count_task, &count);
            for (int i = 0; i < TASKS; i++) CHECK_INT(ran[i], round);
        }
        lanes_run(lanes, 0, count_task, &count);
        lanes_free(lanes);
        for (int i = 0; i < TASKS; i++) ran[i] = 0;
    }
    CHECK(started >= 1 + 2 + 3 + 4 + 5);
}

void test_lanes_count_is_bounded_and_zero_means_all(void)
{
    struct lanes *lanes;
    struct err_note note;
    CHECK_INT(lanes_new(LANES_MAX + 1, NULL, &lanes, &note), ERR_RANGE);
    CHECK_TEXT(note.pointer, "/training/threads");
    CHECK_INT(lanes_new(0, NULL, &lanes, NULL), OK);
    CHECK_INT(lanes_count(lanes), lanes_default_count());
    lanes_free(lanes);
}

void test_idle_lanes_sleep(void)
{
    struct lanes *lanes;
    struct timespec before, after, pause = {0, 200000000};
    int count = 4;
    CHECK_INT(lanes_new(count, NULL, &lanes, NULL), OK);
    lanes_run(lanes, TASKS, count_task, &count);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&pause, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    /* three spinning lanes would use 400 ms or more on two processors */
    CHECK((double)(after.tv_sec - before.tv_sec) * 1e3 + (double)(after.tv_nsec - before.tv_nsec) / 1e6 < 50);
    lanes_free(lanes);
}

/* ---- parts of a task ------------------------------------------------------------------------------------- */
struct meeting {
    struct lanes *lanes;
    pthread_mutex_t mutex;
    pthread_cond_t all_here;
    int here, wanted;
    bool lane[8];
};

/* Nobody leaves before all have come. */
static void meet(void *ctx, int part, int lane)
{
    struct meeting *m = ctx;
    struct timespec until;
    (void)part;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&m->mutex);
    m->lane[lane] = true;
    if (++m->here == m->wanted) pthread_cond_broadcast(&m->all_here);
    while (m->here < m->wanted && !pthread_cond_timedwait(&m->all_here, &m->mutex, &until)) continue;
    pthread_mutex_unlock(&m->mutex);
}

static void split_in_half(void *ctx, int part, int lane)
{
    lanes_split(((struct meeting *)ctx)->lanes, lane, 2, meet, ctx);
    (void)part;
}

static void split_whole(void *ctx, int task, int lane)
{
    lanes_split(((struct meeting *)ctx)->lanes, lane, 2, split_in_half, ctx);
    (void)task;
}

/* One task, two parts of two parts each: each of the four can only end when all four are being done, by a lane each. */
void test_lanes_without_a_task_do_parts_of_one_that_is_split(void)
{
    struct meeting m = {.mutex = PTHREAD_MUTEX_INITIALIZER, .all_here = PTHREAD_COND_INITIALIZER, .wanted = 4};
    CHECK_INT(lanes_new(4, NULL, &m.lanes, NULL), OK);
    for (int round = 0; round < 20; round++) {
        m.here = 0;
        memset(m.lane, 0, sizeof m.lane);
        lanes_run(m.lanes, 1, split_whole, &m);
        CHECK_INT(m.here, 4);
        for (int i = 0; i < 4; i++) CHECK(m.lane[i]);
    }
    lanes_free(m.lanes);
}

/* A task of 24 samples as a network has it: 3 levels, whose parts are of 12, 4 and 1 samples; at each level what a part makes is added in
   turn, before what lies below is done (down) or after that. */
enum { LEVELS = 3, SAMPLES = 24 };
static const int sizes[LEVELS] = {12, 4, 1};
struct walk {
    struct lanes *lanes;
    atomic_int *busy; /* [lanes]: it works; nobody else may use its memory */
    int added[LEVELS];
    uint64_t sum[LEVELS];
    bool down;
};
struct stretch {
    struct walk *walk;
    int level, first, samples;
};

static void add_in_turn(const struct stretch *s, int lane)
{
    struct walk *w = s->walk;
    CHECK_INT(atomic_exchange(&w->busy[lane], 1), 0);
    for (int i = 0; i < (s->first * 7 + lane) % 5; i++) sched_yield();
    if (s->first) lanes_await(w->lanes, &w->added[s->level], s->first);
    w->sum[s->level] = w->sum[s->level] * 31 + (uint64_t)s->first + 1; /* tells one order from another */
    lanes_advance(w->lanes, &w->added[s->level], s->first + s->samples);
    atomic_store(&w->busy[lane], 0);
}

static void walk_part(void *ctx, int part, int lane)
{
    const struct stretch *around = ctx;
    int size = sizes[around->level + 1];
    struct stretch s = {around->walk, around->level + 1, around->first + part * size, size};
    if (s.walk->down) add_in_turn(&s, lane);
    if (s.level + 1 < LEVELS) lanes_split(s.walk->lanes, lane, s.samples / sizes[s.level + 1], walk_part, &s);
    if (!s.walk->down) add_in_turn(&s, lane);
}

static void walk_task(void *ctx, int task, int lane)
{
    struct walk *w = (struct walk *)ctx + task;
    lanes_split(w->lanes, lane, SAMPLES / sizes[0], walk_part, &(struct stretch){w, -1, 0, SAMPLES});
}

void test_parts_of_parts_are_added_in_turn_whoever_does_them(void)
{
    for (int count = 1; count <= 8; count++) {
        struct lanes *lanes;
        atomic_int busy[8] = {0};
        CHECK_INT(lanes_new(count, NULL, &lanes, NULL), OK);
        for (int round = 0; round < 100; round++) {
            struct walk w[3];
            for (int i = 0; i < 3; i++) w[i] = (struct walk){.lanes = lanes, .busy = busy, .down = (round + i) % 2};
            lanes_run(lanes, 1 + round % 3, walk_task, w);
            for (int task = 0; task < 1 + round % 3; task++)
                for (int level = 0; level < LEVELS; level++) {
                    uint64_t want = 0;
                    for (int first = 0; first < SAMPLES; first += sizes[level]) want = want * 31 + (uint64_t)first + 1;
                    CHECK(w[task].sum[level] == want);
                    CHECK_INT(w[task].added[level], SAMPLES);
                }
        }
        lanes_free(lanes);
    }
}
