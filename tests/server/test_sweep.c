/* test_sweep: the rules of sweeps without HTTP: create, extend, cancel, whose turn a claim is, shared kernels. */
#include "server/queue_sweep.h"
#include "tests/check.h"
#include "tests/server/store_fixture.h"

enum { TRIALS_MAX = 40 };
#define SPEC "{\"name\":\"t\",\"dataset\":{\"path\":\"x\"},\"seed\":1,\"kernels\":null}"

/* `count` trials of two variants "a" and "b", all of one shape. */
static enum err plant(struct shop *s, const char *key, const char *digest, size_t count, int max_running, const char *extends, char id[UUID_TEXT])
{
    static struct queue_job jobs[TRIALS_MAX];
    static struct queue_trial trials[TRIALS_MAX];
    struct answer a;
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct queue_job){.name = "t", .spec_json = SPEC, .max_attempts = 2, .epochs = 9};
        trials[i] = (struct queue_trial){.label = i % 2 ? "b" : "a", .seed = (int64_t)(i / 2), .fold = -1, .shape = "shape"};
    }
    struct queue_sweep args = {.name = "s", .spec_json = "{\"base\":{}}", .max_running = max_running, .jobs = jobs, .trials = trials, .count = count,
                               .idempotency_key = key, .body_sha256 = digest, .token_id = "local"};
    enum err e = extends ? ASK(a, queue_sweep_extend(s->q, extends, NULL, &args, answer_done, &a)) : ASK(a, queue_sweep_create(s->q, &args, answer_done, &a));
    if (!e && id) memcpy(id, a.reply.id, UUID_TEXT);
    answer_free(&a);
    return e;
}

static long long sweep_count(struct shop *s, const char *id, const char *path)
{
    struct answer a;
    CHECK_INT(ASK(a, queue_sweep_get(s->q, id, NULL, answer_done, &a)), OK);
    long long n = answer_int(&a, path);
    answer_free(&a);
    return n;
}

static bool is_of_sweep(struct shop *s, const char *job)
{
    struct answer a;
    CHECK_INT(ASK(a, queue_get(s->q, job, NULL, answer_done, &a)), OK);
    bool is = *answer_text(&a, "sweep") != 0;
    answer_free(&a);
    return is;
}

static void claim(struct shop *s, const char *worker, struct lease *l)
{
    static int key;
    char text[32];
    snprintf(text, sizeof text, "claim %d", key++);
    shop_claim(s, worker, text, l);
}

/* What a worker tells once its layers are chosen. */
static void tell_kernels(struct shop *s, const struct lease *l, const char *kernels)
{
    struct queue_heartbeat beat = {.lease = shop_lease(l), .epoch = -1, .epochs = -1, .step = -1, .eta_s = -1, .kernels_json = kernels};
    struct answer a;
    CHECK_INT(ASK(a, queue_heartbeat(s->q, &beat, answer_done, &a)), OK);
    answer_free(&a);
}

void test_sweep_key_makes_one_sweep_and_refuses_another_body(void)
{
    struct shop s;
    char first[UUID_TEXT], again[UUID_TEXT];
    shop_open(&s, NULL);
    CHECK_INT(plant(&s, "key", "one", 6, 0, NULL, first), OK);
    CHECK_INT(plant(&s, "key", "one", 6, 0, NULL, again), OK);
    CHECK_TEXT(again, first);
    CHECK_INT(plant(&s, "key", "two", 6, 0, NULL, again), ERR_IDEMPOTENCY);
    CHECK_INT(sweep_count(&s, first, "trials"), 6);
    CHECK_INT(sweep_count(&s, first, "variants"), 2);
    CHECK_INT(sweep_count(&s, first, "jobs.queued"), 6);
    shop_close(&s);
}

void test_sweep_and_single_jobs_take_turns_at_one_worker(void)
{
    struct shop s;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease l;
    int of_sweep = 0;
    shop_open(&s, NULL);
    shop_worker(&s, worker);
    CHECK_INT(plant(&s, NULL, "", 20, 0, NULL, NULL), OK);
    for (int i = 0; i < 5; i++) shop_submit(&s, NULL, id); /* behind all of it */
    for (int i = 0; i < 10; i++) {
        claim(&s, worker, &l);
        of_sweep += is_of_sweep(&s, l.job);
        CHECK(of_sweep <= i / 2 + 1 && of_sweep >= i / 2);
        CHECK_INT(shop_finish(&s, &l, "succeeded", NULL), OK);
    }
    CHECK_INT(of_sweep, 5);
    for (int i = 0; i < 15; i++) { /* the rest goes to the sweep: nothing is kept free for nobody */
        claim(&s, worker, &l);
        CHECK(!l.none && is_of_sweep(&s, l.job));
        CHECK_INT(shop_finish(&s, &l, "succeeded", NULL), OK);
    }
    claim(&s, worker, &l);
    CHECK(l.none);
    shop_close(&s);
}

void test_sweep_priority_goes_before_turns(void)
{
    struct shop s;
    char worker[UUID_TEXT];
    struct lease l;
    struct answer a;
    struct queue_job urgent = {.spec_json = "{\"dataset\":{\"path\":\"x\"}}", .max_attempts = 1, .priority = 5};
    struct queue_submit args = {.jobs = &urgent, .count = 1, .token_id = "local"};
    shop_open(&s, NULL);
    shop_worker(&s, worker);
    CHECK_INT(plant(&s, NULL, "", 4, 0, NULL, NULL), OK);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(ASK(a, queue_submit(s.q, &args, answer_done, &a)), OK);
        answer_free(&a);
    }
    for (int i = 0; i < 3; i++) {
        claim(&s, worker, &l);
        CHECK(!is_of_sweep(&s, l.job));
    }
    claim(&s, worker, &l);
    CHECK(is_of_sweep(&s, l.job));
    shop_close(&s);
}

void test_sweep_never_runs_more_than_it_may(void)
{
    struct shop s;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease l[3];
    shop_open(&s, NULL);
    shop_worker(&s, worker);
    CHECK_INT(plant(&s, NULL, "", 6, 2, NULL, id), OK);
    claim(&s, worker, &l[0]);
    tell_kernels(&s, &l[0], "{\"micro_batch\":1,\"layers\":[]}");
    claim(&s, worker, &l[1]);
    CHECK(!l[0].none && !l[1].none);
    claim(&s, worker, &l[2]);
    CHECK(l[2].none);
    CHECK_INT(shop_finish(&s, &l[0], "failed", "diverged"), OK);
    claim(&s, worker, &l[2]);
    CHECK(!l[2].none);
    CHECK_INT(sweep_count(&s, id, "jobs.running"), 2);
    CHECK_INT(sweep_count(&s, id, "failures.diverged"), 1); /* counted, not dropped */
    CHECK_INT(plant(&s, NULL, "", 6, 3, id, NULL), OK); /* the limit is raised */
    claim(&s, worker, &l[2]);
    CHECK(!l[2].none);
    shop_close(&s);
}

void test_sweep_first_job_chooses_the_kernels_and_the_others_get_them(void)
{
    struct shop s;
    struct answer a;
    char worker[UUID_TEXT];
    struct lease first, other;
    shop_open(&s, NULL);
    shop_worker(&s, worker);
    CHECK_INT(plant(&s, NULL, "", 4, 0, NULL, NULL), OK);
    claim(&s, worker, &first);
    claim(&s, worker, &other);
    CHECK(other.none); /* they wait for it */
    CHECK_INT(ASK(a, queue_release(s.q, &(struct queue_lease){first.job, first.attempt, first.token}, "drain", answer_done, &a)), OK);
    answer_free(&a);
    claim(&s, worker, &first); /* it went away without a word: another one chooses */
    CHECK(!first.none);
    tell_kernels(&s, &first, "{\"micro_batch\":7,\"layers\":[]}");
    tell_kernels(&s, &first, "{\"micro_batch\":8,\"layers\":[]}"); /* the first word stands */
    for (int i = 0; i < 2; i++) {
        char key[16];
        snprintf(key, sizeof key, "other %d", i);
        CHECK_INT(ASK(a, queue_claim(s.q, worker, key, answer_done, &a)), OK);
        CHECK_INT(answer_int(&a, "spec.kernels.micro_batch"), 7);
        answer_free(&a);
    }
    shop_close(&s);
}

void test_sweep_extended_keeps_its_trials_and_adds_the_new_ones(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease l;
    shop_open(&s, NULL);
    shop_worker(&s, worker);
    CHECK_INT(plant(&s, NULL, "", 4, 0, NULL, id), OK);
    claim(&s, worker, &l);
    CHECK_INT(shop_finish(&s, &l, "succeeded", NULL), OK);
    CHECK_INT(plant(&s, NULL, "", 10, 0, id, NULL), OK);
    CHECK_INT(sweep_count(&s, id, "trials"), 10);
    CHECK_INT(sweep_count(&s, id, "jobs.succeeded"), 1);
    CHECK_INT(sweep_count(&s, id, "jobs.queued"), 9);
    CHECK_INT(plant(&s, NULL, "", 2, 0, id, NULL), ERR_STATE); /* eight of its trials would be gone */
    CHECK_INT(plant(&s, NULL, "", 2, 0, "nonsense", NULL), ERR_NOT_FOUND);
    CHECK_INT(ASK(a, queue_sweep_cancel(s.q, id, NULL, 0, answer_done, &a)), OK);
    answer_free(&a);
    CHECK_INT(plant(&s, NULL, "", 12, 0, id, NULL), ERR_STATE); /* cancelled is cancelled */
    shop_close(&s);
}

void test_sweep_cancelled_stops_what_runs_and_what_waits(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT], command[16];
    struct lease l;
    shop_open(&s, NULL);
    shop_worker(&s, worker);
    CHECK_INT(plant(&s, NULL, "", 30, 0, NULL, id), OK);
    claim(&s, worker, &l);
    CHECK_INT(ASK(a, queue_sweep_cancel(s.q, id, NULL, 0, answer_done, &a)), OK);
    CHECK(!a.reply.existed);
    CHECK_TEXT(answer_text(&a, "state"), "running");
    answer_free(&a);
    CHECK_INT(shop_beat(&s, &l, command), OK);
    CHECK_TEXT(command, "cancel");
    CHECK_INT(shop_finish(&s, &l, "cancelled", NULL), OK);
    CHECK_INT(sweep_count(&s, id, "jobs.cancelled"), 30);
    CHECK_INT(ASK(a, queue_sweep_cancel(s.q, id, NULL, 0, answer_done, &a)), OK);
    CHECK(a.reply.existed);
    CHECK_TEXT(answer_text(&a, "state"), "cancelled");
    answer_free(&a);
    shop_close(&s);
}
