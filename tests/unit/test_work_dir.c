/* test_work_dir: workers that start side by side on one cache folder leave each other's folders alone. */
#include "worker/work_dir.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"

enum { WORKERS = 6, ROUNDS = 150 };

static void open_and_look(const char *cache)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct work_dir work;
        struct err_note note;
        if (work_dir_open(cache, &work, &note)) check_fail(__FILE__, __LINE__, "%s: %s", note.pointer, note.detail);
        usleep(200); /* long enough for another one's sweep to pass */
        CHECK(access(work.own, W_OK) == 0);
        work_dir_close(&work);
        CHECK(access(work.own, F_OK) != 0);
    }
}

void test_workers_that_start_together_do_not_sweep_each_other_away(void)
{
    char cache[512];
    CHECK(getcwd(cache, sizeof cache - 8));
    strcat(cache, "/cache");
    for (int w = 0; w < WORKERS; w++)
        if (fork() == 0) {
            open_and_look(cache);
            exit(0);
        }
    for (int w = 0; w < WORKERS; w++) {
        int status;
        wait(&status);
        CHECK_INT(status, 0);
    }
}

void test_a_dead_workers_folder_is_swept_by_the_next(void)
{
    struct work_dir dead, next;
    CHECK(work_dir_open("cache", &dead, NULL) == OK);
    close(dead.lock); /* what the kernel does for a killed process */
    CHECK(work_dir_open("cache", &next, NULL) == OK);
    CHECK(access(dead.own, F_OK) != 0);
    CHECK(access(next.own, W_OK) == 0);
    work_dir_close(&next);
}
