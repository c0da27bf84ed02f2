/* test_queue: the rules of jobs without HTTP: submit, claim, leases, failures, metrics, artifacts. */
#include <math.h>
#include <pthread.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "server/blob.h"
#include "server/reaper.h"
#include "tests/check.h"
#include "tests/server/store_fixture.h"

void test_queue_runs_a_job_from_submit_to_success(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT], command[16];
    struct lease l;
    shop_open(&s, NULL);
    shop_submit(&s, NULL, id);
    CHECK_INT(ASK(a, queue_get(s.q, id, NULL, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "state"), "queued");
    CHECK_TEXT(answer_text(&a, "reason.code"), "no_worker");
    CHECK_HAS(answer_text(&a, "reason.message"), "0 workers alive");
    CHECK_INT(answer_int(&a, "reason.position"), 1);
    CHECK_TEXT(answer_text(&a, "dataset.path"), "x");
    CHECK_TEXT(answer_text(&a, "tags.0"), "t");
    CHECK_INT(answer_int(&a, "spec.seed"), 1);
    answer_free(&a);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "k1", &l);
    CHECK_TEXT(l.job, id);
    CHECK_INT(l.attempt, 1);
    CHECK_INT(shop_beat(&s, &l, command), OK);
    CHECK_TEXT(command, "none");
    CHECK_TEXT(shop_state(&s, id), "running");
    CHECK_INT(shop_metric(&s, &l, 1, "loss/total", 0, 0.5), OK);
    CHECK_INT(shop_finish(&s, &l, "succeeded", NULL), OK);
    CHECK_INT(shop_finish(&s, &l, "succeeded", NULL), OK); /* the reply was lost: the same again */
    CHECK_TEXT(shop_state(&s, id), "succeeded");
    CHECK_INT(shop_finish(&s, &l, "failed", "internal"), ERR_LEASE_LOST);
    CHECK_INT(shop_beat(&s, &l, NULL), ERR_LEASE_LOST);
    shop_claim(&s, worker, "k2", &l);
    CHECK(l.none);
    shop_close(&s);
}

void test_queue_idempotency_key_makes_one_job_and_refuses_another_body(void)
{
    struct shop s;
    struct answer a;
    char first[UUID_TEXT], again[UUID_TEXT];
    shop_open(&s, NULL);
    shop_submit(&s, "key", first);
    for (int i = 0; i < 50; i++) {
        shop_submit(&s, "key", again);
        CHECK_TEXT(again, first);
    }
    struct queue_job job = {.spec_json = "{\"dataset\":{\"path\":\"x\"}}", .max_attempts = 1};
    struct queue_submit args = {.jobs = &job, .count = 1, .idempotency_key = "key", .body_sha256 = "another", .token_id = "local"};
    CHECK_INT(ASK(a, queue_submit(s.q, &args, answer_done, &a)), ERR_IDEMPOTENCY);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_list(s.q, &(struct queue_list){.limit = 10}, answer_done, &a)), OK);
    CHECK_INT(json_array_size(json_object_get(a.json, "jobs")), 1);
    answer_free(&a);
    shop_close(&s);
}

void test_queue_array_is_all_or_nothing_and_names_the_nearest_dataset(void)
{
    struct shop s;
    struct answer a;
    shop_open(&s, NULL);
    struct queue_dataset_put set = {.name = "isbi2012", .generate_json = "{\"kind\": \"lesions\"}"};
    CHECK_INT(ASK(a, queue_dataset_put(s.q, &set, answer_done, &a)), OK);
    CHECK(!a.reply.existed);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_dataset_put(s.q, &set, answer_done, &a)), OK);
    CHECK(a.reply.existed);
    answer_free(&a);
    struct queue_job jobs[3] = {{.spec_json = "{}", .dataset = "isbi2012", .dataset_json = "\"isbi2012\"", .max_attempts = 1}, {.spec_json = "{}", .dataset = "isbi2102", .max_attempts = 1},
                                {.spec_json = "{}", .dataset = "isbi2012", .dataset_json = "\"isbi2012\"", .max_attempts = 1}};
    struct queue_submit args = {.jobs = jobs, .count = 3, .is_array = true};
    CHECK_INT(ASK(a, queue_submit(s.q, &args, answer_done, &a)), ERR_SPEC);
    CHECK_INT(a.reply.note.code, ERR_DATASET_UNKNOWN);
    CHECK_TEXT(a.reply.note.pointer, "/1/dataset");
    CHECK_TEXT(a.reply.note.nearest, "isbi2012");
    answer_free(&a);
    CHECK_INT(ASK(a, queue_list(s.q, &(struct queue_list){.limit = 10}, answer_done, &a)), OK);
    CHECK_INT(json_array_size(json_object_get(a.json, "jobs")), 0);
    answer_free(&a);
    jobs[1] = jobs[0];
    CHECK_INT(ASK(a, queue_submit(s.q, &args, answer_done, &a)), OK);
    CHECK_INT(json_array_size(a.json), 3);
    CHECK_TEXT(answer_text(&a, "2.dataset"), "isbi2012");
    answer_free(&a);
    shop_close(&s);
}

struct claimer {
    struct shop *shop;
    char worker[UUID_TEXT];
    char jobs[50][UUID_TEXT];
    int count;
};

static void *claim_all(void *context)
{
    struct claimer *c = context;
    struct lease l;
    char key[32];
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "key %d", i);
        shop_claim(c->shop, c->worker, key, &l);
        if (l.none) break;
        memcpy(c->jobs[c->count++], l.job, UUID_TEXT);
    }
    return NULL;
}

void test_queue_eight_workers_racing_never_get_the_same_job(void)
{
    enum { WORKERS = 8, JOBS = 200 };
    struct shop s;
    static struct claimer c[WORKERS];
    pthread_t threads[WORKERS];
    char id[UUID_TEXT];
    shop_open(&s, NULL);
    for (int i = 0; i < JOBS; i++) shop_submit(&s, NULL, id);
    for (int i = 0; i < WORKERS; i++) {
        c[i].shop = &s;
        shop_worker(&s, c[i].worker);
        pthread_create(&threads[i], NULL, claim_all, &c[i]);
    }
    int total = 0;
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        total += c[i].count;
    }
    CHECK_INT(total, JOBS);
    for (int i = 0; i < WORKERS; i++)
        for (int j = 0; j < c[i].count; j++)
            for (int k = 0; k < WORKERS; k++)
                for (int m = 0; m < c[k].count; m++)
                    if (i != k || j != m) CHECK(strcmp(c[i].jobs[j], c[k].jobs[m]) != 0);
    shop_close(&s);
}

void test_queue_repeated_claim_key_gives_the_same_lease(void)
{
    struct shop s;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease first, again;
    shop_open(&s, NULL);
    shop_submit(&s, NULL, id);
    shop_submit(&s, NULL, id);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "same", &first);
    shop_close(&s); /* a restart in between does not matter */
    shop_open(&s, NULL);
    shop_claim(&s, worker, "same", &again);
    CHECK_TEXT(again.job, first.job);
    CHECK_TEXT(again.token, first.token);
    CHECK_INT(again.attempt, first.attempt);
    CHECK_INT(shop_beat(&s, &again, NULL), OK);
    CHECK_INT(shop_finish(&s, &first, "succeeded", NULL), OK);
    shop_claim(&s, worker, "same", &again); /* over: a late duplicate gets nothing, and no second job */
    CHECK(again.none);
    shop_close(&s);
}

void test_queue_priority_goes_before_age(void)
{
    struct shop s;
    struct answer a;
    char low[UUID_TEXT], high[UUID_TEXT], worker[UUID_TEXT];
    struct lease l;
    shop_open(&s, NULL);
    shop_submit(&s, NULL, low);
    struct queue_job job = {.spec_json = "{\"dataset\":{\"path\":\"x\"}}", .max_attempts = 1, .priority = 5};
    CHECK_INT(ASK(a, queue_submit(s.q, &(struct queue_submit){.jobs = &job, .count = 1}, answer_done, &a)), OK);
    memcpy(high, a.reply.id, sizeof high);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_get(s.q, low, NULL, answer_done, &a)), OK);
    CHECK_INT(answer_int(&a, "reason.position"), 2);
    answer_free(&a);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "1", &l);
    CHECK_TEXT(l.job, high);
    shop_claim(&s, worker, "2", &l);
    CHECK_TEXT(l.job, low);
    shop_close(&s);
}

void test_queue_says_what_a_waiting_job_lacks(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], plain[UUID_TEXT];
    struct lease l;
    shop_open(&s, NULL);
    struct queue_job job = {.spec_json = "{\"dataset\":{\"path\":\"x\"}}", .max_attempts = 1, .needs_data_path = true};
    CHECK_INT(ASK(a, queue_submit(s.q, &(struct queue_submit){.jobs = &job, .count = 1}, answer_done, &a)), OK);
    memcpy(id, a.reply.id, sizeof id);
    answer_free(&a);
    struct queue_register worker = {.protocol = 1, .name = "without paths"};
    CHECK_INT(ASK(a, queue_register(s.q, &worker, answer_done, &a)), OK);
    memcpy(plain, a.reply.id, sizeof plain);
    answer_free(&a);
    shop_claim(&s, plain, "k", &l);
    CHECK(l.none);
    CHECK_INT(ASK(a, queue_get(s.q, id, NULL, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "reason.code"), "requirements");
    CHECK_HAS(answer_text(&a, "reason.message"), "--data-root");
    answer_free(&a);
    worker.protocol = 7;
    CHECK_INT(ASK(a, queue_register(s.q, &worker, answer_done, &a)), ERR_UPGRADE);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_claim(s.q, "nobody", "k", answer_done, &a)), ERR_NOT_FOUND);
    answer_free(&a);
    shop_close(&s);
}

void test_queue_cancels_waiting_jobs_at_once_and_running_ones_by_command(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT], command[16];
    struct lease l;
    shop_open(&s, NULL);
    shop_submit(&s, NULL, id);
    CHECK_INT(ASK(a, queue_cancel(s.q, id, NULL, 0, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "state"), "cancelled");
    answer_free(&a);
    CHECK_INT(ASK(a, queue_cancel(s.q, id, NULL, 0, answer_done, &a)), OK); /* asked again: the same */
    answer_free(&a);
    CHECK_INT(ASK(a, queue_retry(s.q, id, NULL, false, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "state"), "queued");
    answer_free(&a);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "1", &l);
    CHECK_INT(ASK(a, queue_retry(s.q, id, NULL, false, answer_done, &a)), ERR_STATE);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_cancel(s.q, id, NULL, 60000, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "state"), "stopping");
    answer_free(&a);
    CHECK_INT(shop_beat(&s, &l, command), OK);
    CHECK_TEXT(command, "cancel");
    CHECK_INT(shop_finish(&s, &l, "cancelled", NULL), OK);
    CHECK_TEXT(shop_state(&s, id), "cancelled");
    CHECK_INT(ASK(a, queue_cancel(s.q, "0198c0de-0000-7000-8000-000000000000", NULL, 0, answer_done, &a)), ERR_NOT_FOUND);
    answer_free(&a);
    shop_close(&s);
}

void test_queue_closes_a_stopping_attempt_itself_at_the_deadline(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease l;
    shop_open(&s, &(struct queue_settings){.lease_ms = 100000, .stop_grace_ms = 500});
    shop_submit(&s, NULL, id);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "1", &l);
    CHECK_INT(ASK(a, queue_cancel(s.q, id, NULL, 0, answer_done, &a)), OK);
    answer_free(&a);
    shop_reap(&s);
    CHECK_TEXT(shop_state(&s, id), "stopping");
    clock_test_shift_ms(600);
    shop_reap(&s);
    CHECK_TEXT(shop_state(&s, id), "cancelled");
    CHECK_INT(shop_finish(&s, &l, "cancelled", NULL), ERR_LEASE_LOST);
    CHECK_INT(ASK(a, queue_attempts(s.q, id, NULL, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "attempts.0.outcome"), "lost");
    answer_free(&a);
    shop_close(&s);
}

void test_queue_gives_an_expired_lease_back_and_fences_the_old_attempt(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease old, fresh;
    shop_open(&s, NULL);
    shop_submit(&s, NULL, id);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "1", &old);
    CHECK_INT(shop_metric(&s, &old, 1, "loss/total", 1, 0.25), OK);
    clock_test_shift_ms(900);
    CHECK_INT(shop_beat(&s, &old, NULL), OK); /* renewed on arrival */
    clock_test_shift_ms(1800);
    shop_reap(&s);
    CHECK_TEXT(shop_state(&s, id), "running");
    clock_test_shift_ms(3000);
    shop_reap(&s);
    CHECK_INT(ASK(a, queue_get(s.q, id, NULL, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "state"), "pending");
    CHECK_TEXT(answer_text(&a, "reason.code"), "backoff");
    CHECK_INT(answer_int(&a, "losses"), 1);
    answer_free(&a);
    clock_test_shift_ms(3300);
    shop_reap(&s);
    CHECK_TEXT(shop_state(&s, id), "queued");
    shop_claim(&s, worker, "2", &fresh);
    CHECK_INT(fresh.attempt, 2);
    CHECK(strcmp(fresh.token, old.token) != 0);

    /* the old attempt comes back from the dead: nothing it sends is stored */
    CHECK_INT(shop_beat(&s, &old, NULL), ERR_LEASE_LOST);
    CHECK_INT(shop_metric(&s, &old, 2, "loss/total", 2, 0.125), ERR_LEASE_LOST);
    CHECK_INT(shop_finish(&s, &old, "succeeded", NULL), ERR_LEASE_LOST);
    struct queue_log_line line = {1, "info", "late"};
    CHECK_INT(ASK(a, queue_logs(s.q, &(struct queue_logs){shop_lease(&old), 1, &line, 1}, answer_done, &a)), ERR_LEASE_LOST);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_release(s.q, &(struct queue_lease){old.job, old.attempt, old.token}, "", answer_done, &a)), ERR_LEASE_LOST);
    answer_free(&a);
    struct lease forged = fresh;
    forged.token[0] = forged.token[0] == '0' ? '1' : '0';
    CHECK_INT(shop_beat(&s, &forged, NULL), ERR_LEASE_LOST);
    CHECK_INT(ASK(a, queue_read_metrics(s.q, &(struct queue_read_metrics){.job_id = id, .to = -1}, answer_done, &a)), OK);
    CHECK_INT(json_array_size(json_object_get(json_array_get(json_object_get(a.json, "series"), 0), "steps")), 1);
    answer_free(&a);
    CHECK_TEXT(shop_state(&s, id), "running");
    CHECK_INT(shop_beat(&s, &fresh, NULL), OK);
    shop_close(&s);
}

void test_queue_restart_arms_every_lease_anew(void)
{
    struct shop s;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease l;
    shop_open(&s, NULL);
    shop_submit(&s, NULL, id);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "1", &l);
    shop_close(&s);
    clock_test_shift_ms(100000); /* away for longer than any lease, even over a reboot: */
    shop_open(&s, NULL);
    shop_reap(&s);
    CHECK_TEXT(shop_state(&s, id), "running");
    CHECK_INT(shop_beat(&s, &l, NULL), OK);
    shop_close(&s);
    clock_test_shift_ms(-100000); /* the boot clock begins anew */
    shop_open(&s, NULL);
    shop_reap(&s);
    CHECK_INT(shop_beat(&s, &l, NULL), OK);
    clock_test_shift_ms(-100000 + 1500);
    shop_reap(&s);
    CHECK_TEXT(shop_state(&s, id), "pending");
    shop_close(&s);
}

static void lose(struct shop *s, const char *worker, int64_t *shift, struct lease *l)
{
    char key[32];
    snprintf(key, sizeof key, "at %lld", (long long)*shift);
    shop_claim(s, worker, key, l);
    CHECK(!l->none);
    clock_test_shift_ms(*shift += 1500);
    shop_reap(s);
    clock_test_shift_ms(*shift += 200 << 11); /* any backoff */
    shop_reap(s);
}

static void put_checkpoint(struct shop *s, const struct lease *l, int64_t step, const char *digit)
{
    char sha256[SHA256_HEX];
    struct answer a;
    memset(sha256, *digit, sizeof sha256 - 1);
    sha256[SHA256_HEX - 1] = '\0';
    struct queue_artifact_put args = {.lease = shop_lease(l), .name = "checkpoint-last", .kind = "checkpoint", .sha256 = sha256, .bytes = 7, .step = step, .epoch = 1};
    CHECK_INT(ASK(a, queue_artifact_put(s->q, &args, answer_done, &a)), OK);
    answer_free(&a);
}

void test_queue_a_job_that_loses_five_workers_is_poison(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease l;
    int64_t shift = 0;
    shop_open(&s, NULL);
    shop_submit(&s, NULL, id);
    shop_worker(&s, worker);
    for (int i = 0; i < 4; i++) lose(&s, worker, &shift, &l);
    shop_claim(&s, worker, "with a checkpoint", &l);
    put_checkpoint(&s, &l, 10, "a"); /* forgives the four */
    clock_test_shift_ms(shift += 1500);
    shop_reap(&s);
    clock_test_shift_ms(shift += 200 << 11);
    shop_reap(&s);
    for (int i = 0; i < 3; i++) lose(&s, worker, &shift, &l);
    CHECK_TEXT(shop_state(&s, id), "queued");
    lose(&s, worker, &shift, &l);
    CHECK_INT(ASK(a, queue_get(s.q, id, NULL, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "state"), "failed");
    CHECK_TEXT(answer_text(&a, "failure.class"), "poison");
    answer_free(&a);
    CHECK_INT(ASK(a, queue_retry(s.q, id, NULL, false, answer_done, &a)), OK); /* a person may insist: from the checkpoint */
    answer_free(&a);
    CHECK_INT(ASK(a, queue_claim(s.q, worker, "insisted", answer_done, &a)), OK);
    CHECK_INT(answer_int(&a, "resume.step"), 10);
    CHECK_INT(answer_int(&a, "attempt"), 10);
    answer_free(&a);
    shop_close(&s);
}

void test_queue_retries_by_failure_class_with_growing_pauses(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT], key[16];
    struct lease l;
    int64_t shift = 0;
    shop_open(&s, &(struct queue_settings){.lease_ms = 1000, .backoff_ms = 1000});
    shop_worker(&s, worker);
    shop_submit(&s, NULL, id);
    for (int k = 0; k < 3; k++) { /* max_attempts is 3 */
        snprintf(key, sizeof key, "%d", k);
        shop_claim(&s, worker, key, &l);
        CHECK_INT(shop_finish(&s, &l, "failed", "internal"), OK);
        CHECK_TEXT(shop_state(&s, id), k < 2 ? "pending" : "failed");
        clock_test_shift_ms(shift += 1000 * (1 << k) - 100);
        shop_reap(&s);
        CHECK_TEXT(shop_state(&s, id), k < 2 ? "pending" : "failed");
        clock_test_shift_ms(shift += 200);
        shop_reap(&s);
        CHECK_TEXT(shop_state(&s, id), k < 2 ? "queued" : "failed");
    }
    shop_submit(&s, NULL, id);
    shop_claim(&s, worker, "d", &l);
    CHECK_INT(shop_finish(&s, &l, "failed", "no_such_class"), ERR_SPEC);
    CHECK_INT(shop_finish(&s, &l, "failed", "diverged"), OK); /* never by itself */
    CHECK_INT(ASK(a, queue_get(s.q, id, NULL, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "failure.class"), "diverged");
    CHECK_TEXT(answer_text(&a, "failure.message"), "as told");
    answer_free(&a);
    shop_close(&s);
}

void test_queue_release_costs_nothing(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT], key[16];
    struct lease l;
    shop_open(&s, NULL);
    shop_submit(&s, NULL, id);
    shop_worker(&s, worker);
    for (int i = 0; i < 10; i++) {
        snprintf(key, sizeof key, "%d", i);
        shop_claim(&s, worker, key, &l);
        struct queue_lease lease = shop_lease(&l);
        CHECK_INT(ASK(a, queue_release(s.q, &lease, "drain", answer_done, &a)), OK);
        CHECK_TEXT(answer_text(&a, "state"), "queued");
        answer_free(&a);
        CHECK_INT(ASK(a, queue_release(s.q, &lease, "drain", answer_done, &a)), OK); /* the reply was lost */
        answer_free(&a);
    }
    CHECK_INT(ASK(a, queue_get(s.q, id, NULL, answer_done, &a)), OK);
    CHECK_INT(answer_int(&a, "losses"), 0);
    CHECK_TEXT(answer_text(&a, "state"), "queued");
    answer_free(&a);
    shop_close(&s);
}

void test_queue_times_out_a_job_that_runs_too_long(void)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT], command[16];
    struct lease l;
    shop_open(&s, &(struct queue_settings){.lease_ms = 1000000});
    struct queue_job job = {.spec_json = "{\"dataset\":{\"path\":\"x\"}}", .max_attempts = 1, .timeout_s = 10};
    CHECK_INT(ASK(a, queue_submit(s.q, &(struct queue_submit){.jobs = &job, .count = 1}, answer_done, &a)), OK);
    memcpy(id, a.reply.id, sizeof id);
    answer_free(&a);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "1", &l);
    clock_test_shift_ms(9000);
    shop_reap(&s);
    CHECK_TEXT(shop_state(&s, id), "running");
    clock_test_shift_ms(11000);
    shop_reap(&s);
    CHECK_INT(shop_beat(&s, &l, command), OK);
    CHECK_TEXT(command, "cancel");
    CHECK_INT(shop_finish(&s, &l, "cancelled", NULL), OK);
    CHECK_INT(ASK(a, queue_get(s.q, id, NULL, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "state"), "failed");
    CHECK_TEXT(answer_text(&a, "failure.class"), "timeout");
    answer_free(&a);
    shop_close(&s);
}

void test_queue_reaper_finds_an_expired_lease_by_itself(void)
{
    struct shop s;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease l;
    shop_open(&s, &(struct queue_settings){.lease_ms = 200, .backoff_ms = 50});
    shop_submit(&s, NULL, id);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "1", &l);
    struct reaper *r = reaper_start(s.q, 0);
    for (int i = 0; i < 500 && strcmp(shop_state(&s, id), "queued"); i++) clock_sleep_ms(10);
    CHECK_TEXT(shop_state(&s, id), "queued");
    reaper_stop(r);
    shop_close(&s);
}
