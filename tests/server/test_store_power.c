/* test_store_power: power cuts at chosen disk operations, on our schema and through our queue: nothing answered is ever missing. */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "schema/base/log.h"
#include "tests/check.h"
#include "tests/server/power_vfs.h"
#include "tests/server/store_fixture.h"

enum { JOBS = 12, CUTS = 100, CUTS_PER_SEED = 50 };
struct progress { /* shared with the process that dies: what was answered before the lights went out */
    volatile int submitted, metrics, finished;
    volatile int started; /* submits */
    volatile long operations;
    char ids[JOBS][UUID_TEXT];
};

/* Submits, claims, sends metrics, finishes: every kind of write that is promised. */
static void work(struct progress *p, long cut_at, unsigned seed)
{
    struct store_settings st = {.folder = "shop", .vfs = "power"};
    struct shop s = {0};
    char worker[UUID_TEXT], key[16];
    struct lease l;
    enum err e;
    power_vfs_register(cut_at, seed);
    if (!seed) power_vfs_fail_instead();
    power_vfs_arm();
    if ((e = store_open(&st, &s.store, NULL)) || (e = queue_open(s.store, NULL, NULL, &s.q, NULL))) _exit(store_exit_code(e));
    shop_worker(&s, worker);
    for (int i = 0; i < JOBS; i++) {
        snprintf(key, sizeof key, "%d", i);
        p->started = i + 1;
        shop_submit(&s, key, p->ids[i]);
        p->submitted = i + 1;
        shop_claim(&s, worker, key, &l);
        if (shop_metric(&s, &l, 1, "loss/total", 0, i + 0.5)) _exit(8);
        p->metrics = i + 1;
        if (shop_finish(&s, &l, "succeeded", NULL)) _exit(8);
        p->finished = i + 1;
    }
    store_close(s.store);
    p->operations = power_vfs_operations();
    _exit(0);
}

static void check_after(const struct progress *p, long cut)
{
    struct shop s = {0};
    struct answer a;
    char key[16], id[UUID_TEXT];
    struct store_settings st = {.folder = "shop", .vfs = "power"};
    CHECK_INT(store_open(&st, &s.store, NULL), OK); /* with the quick_check */
    CHECK_INT(queue_open(s.store, NULL, NULL, &s.q, NULL), OK);
    for (int i = 0; i < p->submitted; i++) {
        snprintf(key, sizeof key, "%d", i);
        shop_submit(&s, key, id);
        if (strcmp(id, p->ids[i])) check_fail(__FILE__, __LINE__, "cut %ld: job %d of %d is gone", cut, i, p->submitted);
        CHECK_INT(ASK(a, queue_get(s.q, id, NULL, answer_done, &a)), OK);
        if (i < p->metrics) CHECK_INT(json_object_size(json_object_get(a.json, "latest")), 1);
        if (i < p->finished) CHECK_TEXT(answer_text(&a, "state"), "succeeded");
        answer_free(&a);
    }
    CHECK_INT(ASK(a, queue_list(s.q, &(struct queue_list){.limit = 500}, answer_done, &a)), OK);
    CHECK(json_array_size(json_object_get(a.json, "jobs")) <= (size_t)p->started);
    answer_free(&a);
    store_close(s.store);
    queue_close(s.q);
}

/* How the process ended: POWER_EXIT, 74 after an I/O error, 0: the work came to its end. Seed 0: an I/O error instead of a cut. */
static int run(struct progress *p, long cut_at, unsigned seed)
{
    int status;
    CHECK(!system("rm -rf shop"));
    memset(p, 0, sizeof *p);
    pid_t pid = fork();
    if (!pid) work(p, cut_at, seed);
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

void test_store_power_cut_never_takes_back_an_answer(void)
{
    struct progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *wanted = getenv("TANDEM_POWER_CUTS"); /* `TANDEM_POWER_CUTS=10000` for a release */
    const char *slow = getenv("TANDEM_SAN"); /* a process under sanitizers takes ten times as long to start */
    int cuts = wanted ? atoi(wanted) : slow && *slow ? CUTS / 4 : CUTS, done = 0;
    check_time_limit(wanted ? 7200 : 180);
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1)); /* the errors are wanted here */
    if (run(p, 0, 1)) check_fail(__FILE__, __LINE__, "the power went without a cut");
    power_vfs_register(0, 1); /* unarmed, for the checks */
    long all = p->operations;
    CHECK(all > 100);
    for (unsigned seed = 1; done < cuts; seed++)
        for (int i = 0; i < CUTS_PER_SEED && done < cuts; i++) {
            long cut = 1 + (all - 1) * i / CUTS_PER_SEED + (long)(seed % 7);
            int ended = run(p, cut, seed + (unsigned)cut);
            if (!ended) continue;
            CHECK_INT(ended, POWER_EXIT);
            check_after(p, cut);
            done++;
        }
    printf("%d power cuts over %ld disk operations: 0 damaged, 0 answered writes missing\n", done, all);
}

void test_store_io_error_at_any_operation_ends_the_process_and_takes_back_no_answer(void)
{
    struct progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *slow = getenv("TANDEM_SAN");
    int done = 0, unnoticed = 0, points = slow && *slow ? 15 : 60;
    check_time_limit(180);
    log_set_level((enum log_level)(LOG_LEVEL_ERROR + 1));
    if (run(p, 0, 1)) check_fail(__FILE__, __LINE__, "it did not come to its end");
    power_vfs_register(0, 1);
    long all = p->operations;
    for (int i = 0; i < points; i++) {
        long at = 1 + all * i / points;
        int ended = run(p, at, 0);
        if (ended && ended != 74) check_fail(__FILE__, __LINE__, "operation %ld failed: exit %d", at, ended);
        unnoticed += !ended; /* SQLite ignores some on purpose: cutting the WAL short, the last checkpoint */
        check_after(p, at);
        done++;
    }
    CHECK(unnoticed < done / 4);
    printf("%d I/O errors: %d ended the process with 74, %d did not matter, 0 answered writes missing\n", done, done - unnoticed, unnoticed);
}
