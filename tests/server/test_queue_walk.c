/* test_queue_walk: thousands of random steps of people, workers and time: moves only along the table, one lease a job, and all comes to an end. */
#include "schema/base/clock.h"
#include "schema/job/job_state.h"
#include "tests/check.h"
#include "tests/server/store_fixture.h"

enum { WORKERS = 4, JOBS = 12, STEPS = 700, HELD = 64 };
struct walk {
    struct shop shop;
    unsigned random;
    int64_t shift_ms;
    char workers[WORKERS][UUID_TEXT], jobs[JOBS][UUID_TEXT];
    int jobs_made, keys;
    struct lease held[HELD]; /* every lease ever given, oldest overwritten: stale ones go on trying */
    int64_t seq[HELD];
    int leases;
};

static unsigned roll(struct walk *w, unsigned sides)
{
    w->random = w->random * 1664525u + 1013904223u;
    return (w->random >> 8) % sides;
}

static void submit(struct walk *w)
{
    if (w->jobs_made < JOBS) shop_submit(&w->shop, NULL, w->jobs[w->jobs_made++]);
}

static void claim(struct walk *w)
{
    char key[24];
    struct lease *l = &w->held[w->leases % HELD];
    snprintf(key, sizeof key, "%d", w->keys++);
    shop_claim(&w->shop, w->workers[roll(w, WORKERS)], key, l);
    if (l->none) return;
    w->seq[w->leases % HELD] = 0;
    w->leases++;
}

/* A worker does something with a lease it holds or once held: either it is current, or it is told so. */
static void use_lease(struct walk *w)
{
    static const char *const outcomes[] = {"succeeded", "failed", "failed", "failed", "cancelled", "paused"};
    static const char *const classes[] = {"internal", "diverged", "worker_lost", "internal"};
    struct answer a;
    if (!w->leases) return;
    int i = (int)roll(w, (unsigned)(w->leases < HELD ? w->leases : HELD));
    struct lease *l = &w->held[i];
    if (l->none) return;
    struct queue_lease lease = shop_lease(l);
    enum err e = OK;
    switch (roll(w, 8)) {
    case 0: e = shop_finish(&w->shop, l, outcomes[roll(w, 6)], classes[roll(w, 4)]); break;
    case 1:
        e = ASK(a, queue_release(w->shop.q, &lease, "drain", answer_done, &a));
        answer_free(&a);
        break;
    case 2: case 3: {
        int64_t seq = ++w->seq[i];
        e = shop_metric(&w->shop, l, seq, "loss/total", seq, 1.0 / (double)seq);
        break;
    }
    case 4: {
        char sha256[SHA256_HEX];
        memset(sha256, 'a' + (char)roll(w, 6), SHA256_HEX - 1);
        sha256[SHA256_HEX - 1] = '\0';
        struct queue_artifact_put put = {.lease = lease, .name = "checkpoint-last", .kind = "checkpoint", .sha256 = sha256, .bytes = 1, .step = (int64_t)roll(w, 1000), .epoch = -1};
        e = ASK(a, queue_artifact_put(w->shop.q, &put, answer_done, &a));
        answer_free(&a);
        break;
    }
    default: e = shop_beat(&w->shop, l, NULL);
    }
    CHECK(e == OK || e == ERR_LEASE_LOST || e == ERR_STATE || e == ERR_NONDETERMINISTIC);
}

static void steer(struct walk *w)
{
    struct answer a;
    if (!w->jobs_made) return;
    const char *job = w->jobs[roll(w, (unsigned)w->jobs_made)];
    enum err e = roll(w, 2) ? ASK(a, queue_cancel(w->shop.q, job, NULL, 0, answer_done, &a)) : ASK(a, queue_retry(w->shop.q, job, NULL, roll(w, 2), answer_done, &a));
    CHECK(e == OK || e == ERR_STATE);
    answer_free(&a);
}

static void pass_time(struct walk *w)
{
    clock_test_shift_ms(w->shift_ms += (int64_t)roll(w, 700));
    shop_reap(&w->shop);
}

static void restart(struct walk *w)
{
    shop_close(&w->shop);
    clock_test_shift_ms(w->shift_ms += (int64_t)roll(w, 5000));
    shop_open(&w->shop, NULL);
}

/* One live attempt exactly while running or stopping; attempts numbered without a gap. */
static void check_job(struct walk *w, const char *job)
{
    struct answer a, attempts;
    size_t i;
    json_t *row;
    int live = 0;
    CHECK_INT(ASK(a, queue_get(w->shop.q, job, NULL, answer_done, &a)), OK);
    CHECK_INT(ASK(attempts, queue_attempts(w->shop.q, job, NULL, answer_done, &attempts)), OK);
    int state = job_state_of_word(answer_text(&a, "state"));
    json_array_foreach(json_object_get(attempts.json, "attempts"), i, row) {
        live += json_is_null(json_object_get(row, "outcome"));
        CHECK_INT(json_integer_value(json_object_get(row, "attempt")), i + 1);
    }
    CHECK_INT(json_array_size(json_object_get(attempts.json, "attempts")), answer_int(&a, "attempt"));
    CHECK_INT(live, state == JOB_RUNNING || state == JOB_STOPPING);
    CHECK_INT(json_is_null(json_object_get(a.json, "finished_at_ms")), !job_state_is_end((enum job_state)state));
    answer_free(&a);
    answer_free(&attempts);
}

/* The whole history, read from the events: each move begins where the last one ended and is a row of the table. */
static void check_history(struct walk *w, const char *job)
{
    struct answer a;
    size_t i;
    json_t *event;
    int state = -1;
    int64_t last = 0;
    CHECK_INT(ASK(a, queue_read_events(w->shop.q, job, NULL, 0, 1000, answer_done, &a)), OK);
    json_array_foreach(json_object_get(a.json, "events"), i, event) {
        json_t *data = json_object_get(event, "data");
        CHECK(json_integer_value(json_object_get(event, "id")) > last);
        last = json_integer_value(json_object_get(event, "id"));
        if (strcmp(json_string_value(json_object_get(event, "kind")), "state")) continue;
        int to = job_state_of_word(json_string_value(json_object_get(data, "state")));
        const char *from = json_string_value(json_object_get(data, "from"));
        if (state < 0) CHECK_TEXT(from, "");
        else {
            CHECK_TEXT(from, job_state_word((enum job_state)state));
            CHECK(job_state_may((enum job_state)state, (enum job_state)to));
        }
        state = to;
    }
    CHECK_TEXT(shop_state(&w->shop, job), job_state_word((enum job_state)state));
    answer_free(&a);
}

/* When the world is well again every job ends: workers claim and succeed, pauses end. */
static void settle(struct walk *w)
{
    for (int round = 0; round < 60; round++) {
        clock_test_shift_ms(w->shift_ms += 200 << 11);
        shop_reap(&w->shop);
        for (;;) {
            struct lease *l = &w->held[w->leases % HELD];
            char key[24];
            snprintf(key, sizeof key, "%d", w->keys++);
            shop_claim(&w->shop, w->workers[0], key, l);
            if (l->none) break;
            CHECK_INT(shop_finish(&w->shop, l, "succeeded", NULL), OK);
        }
    }
    for (int i = 0; i < w->jobs_made; i++) CHECK(job_state_is_end((enum job_state)job_state_of_word(shop_state(&w->shop, w->jobs[i]))));
}

static void walk(unsigned seed)
{
    static void (*const steps[])(struct walk *) = {submit, claim, claim, claim, use_lease, use_lease, use_lease, use_lease, use_lease,
                                                   use_lease, use_lease, use_lease, steer, pass_time, pass_time};
    struct walk w = {.random = seed};
    CHECK(!system("rm -rf shop"));
    shop_open(&w.shop, NULL);
    for (int i = 0; i < WORKERS; i++) shop_worker(&w.shop, w.workers[i]);
    for (int i = 0; i < STEPS; i++) {
        steps[roll(&w, sizeof steps / sizeof *steps)](&w);
        if (roll(&w, 150) == 0) restart(&w);
        if (w.jobs_made && i % 5 == 0) check_job(&w, w.jobs[roll(&w, (unsigned)w.jobs_made)]);
    }
    settle(&w);
    for (int i = 0; i < w.jobs_made; i++) check_history(&w, w.jobs[i]);
    shop_close(&w.shop);
    clock_test_shift_ms(0);
}

void test_queue_random_walks_keep_every_rule_and_end(void)
{
    const char *wanted = getenv("TANDEM_WALKS"), *first = getenv("TANDEM_SEED"); /* replay: TANDEM_SEED=n TANDEM_WALKS=1 */
    unsigned walks = wanted ? (unsigned)atoi(wanted) : 6, seed = first ? (unsigned)atoi(first) : 1;
    check_time_limit(wanted ? 7200 : 120);
    for (unsigned i = 0; i < walks; i++) {
        printf("seed=%u\n", seed + i);
        walk(seed + i);
    }
}
