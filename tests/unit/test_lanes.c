/* test_lanes: each task runs once whatever the number of lanes; idle lanes cost no processor time. */
#include <stdatomic.h>
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
