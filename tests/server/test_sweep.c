/* test_sweep: the rules of sweeps without HTTP: create, extend, cancel, whose turn a claim is, shared kernels. */
#include "server/queue_sweep.h"
#include "tests/check.h"
#include "tests/server/store_fixture.h"

enum { TRIALS_MAX = 40 };
#define SPEC "{\"name\":\"t\",\"dataset\":{\"path\":\"x\"},\"seed\":1,\"kernels\":null}"

/* `count` trials of two variants "a" and "b", all of one shape. */
static struct err_note said; /* with what plant was refused */
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
    if (max_running < 0) { /* one that prunes: rungs at 1, 2, 4, 8 of 9 epochs, half goes on */
        args.max_running = 0;
        args.prune_metric = "val/dice";
        args.prune_min_epochs = 1;
        args.prune_eta = 2;
    }
    enum err e = extends ? ASK(a, queue_sweep_extend(s->q, extends, NULL, &args, answer_done, &a)) : ASK(a, queue_sweep_create(s->q, &args, answer_done, &a));
    if (!e && id) memcpy(id, a.reply.id, UUID_TEXT);
    said = a.reply.note;
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

void test_sweep_extended_cannot_change_how_it_prunes(void)
{
    struct shop s;
    char id[UUID_TEXT], other[UUID_TEXT];
    shop_open(&s, NULL);
    CHECK_INT(plant(&s, NULL, "", 4, 0, NULL, id), OK);
    CHECK_INT(plant(&s, NULL, "", 6, -1, id, NULL), ERR_STATE); /* it would begin to */
    CHECK_TEXT(said.pointer, "/prune");
    CHECK_TEXT(said.detail, "trials were judged by the sweep's own prune: an extension cannot change it");
    CHECK_TEXT(said.found, "{\"metric\": \"val/dice\", \"min_epochs\": 1, \"eta\": 2}");
    CHECK_TEXT(said.allowed, "null");
    CHECK_INT(plant(&s, NULL, "", 4, -1, NULL, other), OK);
    CHECK_INT(plant(&s, NULL, "", 6, 0, other, NULL), ERR_STATE); /* it would cease to */
    CHECK_TEXT(said.allowed, "{\"metric\": \"val/dice\", \"min_epochs\": 1, \"eta\": 2}");
    CHECK_INT(plant(&s, NULL, "", 6, -1, other, NULL), OK);
    CHECK_INT(sweep_count(&s, id, "trials"), 4);
    CHECK_INT(sweep_count(&s, other, "trials"), 6);
    shop_close(&s);
}

/* How many pages a report is made from; every trial comes once, in order. */
static int walk_results(struct shop *s, const char *id, size_t trials)
{
    int pages = 0;
    size_t seen = 0;
    for (int64_t after = -1; pages == 0 || after >= 0; pages++) {
        struct answer a;
        CHECK_INT(ASK(a, queue_sweep_results(s->q, id, NULL, after, answer_done, &a)), OK);
        const json_t *list = json_object_get(a.json, "trials");
        for (size_t i = 0; i < json_array_size(list); i++)
            CHECK_INT(json_integer_value(json_object_get(json_object_get(json_array_get(list, i), "trial"), "trial")), seen++);
        CHECK(json_is_object(json_object_get(a.json, "sweep")));
        CHECK(a.reply.next < 0 || a.reply.next > after);
        after = a.reply.next;
        answer_free(&a);
    }
    CHECK_INT(seen, trials);
    return pages;
}

void test_sweep_results_come_in_pages_that_leave_no_trial_out(void)
{
    struct shop s;
    char id[UUID_TEXT];
    shop_open(&s, NULL);
    CHECK_INT(plant(&s, NULL, "", 16, 0, NULL, id), OK);
    CHECK_INT(walk_results(&s, id, 16), 2); /* whether there is more behind a full page the next one says */
    CHECK_INT(plant(&s, NULL, "", TRIALS_MAX, 0, id, NULL), OK);
    CHECK_INT(walk_results(&s, id, TRIALS_MAX), 3);
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

/* ---- pruning ---- */
enum { PRUNED_TRIALS = 8, EPOCHS = 9 };
/* A score for every trial and epoch; trial 3 diverges in epoch 2. */
static double score(int trial, int epoch)
{
    static const double level[PRUNED_TRIALS] = {0.50, 0.80, 0.30, 0.90, 0.70, 0.60, 0.85, 0.10};
    return level[trial] + 0.001 * epoch - (trial == 6 && epoch >= 3 ? 0.5 : 0);
}

struct field_of_play { /* the trials of one sweep, driven by hand, one epoch at a time */
    struct shop s;
    char sweep[UUID_TEXT], worker[UUID_TEXT];
    struct lease lease[PRUNED_TRIALS];
    int epoch[PRUNED_TRIALS];
    bool over[PRUNED_TRIALS];
};

static void start_all(struct field_of_play *f)
{
    shop_open(&f->s, NULL);
    shop_worker(&f->s, f->worker);
    CHECK_INT(plant(&f->s, NULL, "", PRUNED_TRIALS, -1, NULL, f->sweep), OK);
    for (int i = 0; i < PRUNED_TRIALS; i++) {
        claim(&f->s, f->worker, &f->lease[i]);
        CHECK(!f->lease[i].none);
        if (!i) tell_kernels(&f->s, &f->lease[i], "{\"micro_batch\":1,\"layers\":[]}");
    }
}

static enum err epoch_metric(struct shop *s, const struct lease *l, int64_t seq, const char *name, int64_t epoch, double value)
{
    struct metric_batch batch = {.seq = seq, .count = 1, .series = calloc(1, sizeof *batch.series)};
    struct answer a;
    snprintf(batch.series->name, sizeof batch.series->name, "%s", name);
    batch.series->x = METRIC_EPOCH;
    batch.series->count = 1;
    batch.series->steps = calloc(1, sizeof(int64_t));
    batch.series->values = calloc(1, sizeof(double));
    batch.series->steps[0] = epoch;
    batch.series->values[0] = value;
    struct queue_metrics args = {shop_lease(l), &batch};
    enum err e = ASK(a, queue_metrics(s->q, &args, answer_done, &a));
    metric_batch_free(&batch);
    answer_free(&a);
    return e;
}

/* One epoch of trial i: its score, its heartbeat, its end. `lost`: the worker goes away and another one begins again from the start. */
static void train_on(struct field_of_play *f, int i, bool lost)
{
    char command[16];
    struct lease *l = &f->lease[i];
    if (f->over[i]) return;
    if (lost) {
        struct answer a;
        CHECK_INT(ASK(a, queue_release(f->s.q, &(struct queue_lease){l->job, l->attempt, l->token}, "drain", answer_done, &a)), OK);
        answer_free(&a);
        if (strcmp(shop_state(&f->s, l->job), "queued")) { /* it was to stop anyway */
            f->over[i] = true;
            return;
        }
        claim(&f->s, f->worker, l);
        f->epoch[i] = 0;
        return;
    }
    CHECK_INT(epoch_metric(&f->s, l, f->epoch[i] + 1, "val/dice", f->epoch[i], score(i, f->epoch[i])), OK);
    f->epoch[i]++;
    CHECK_INT(shop_beat(&f->s, l, command), OK);
    const char *outcome = !strcmp(command, "prune") ? "pruned" : i == 3 && f->epoch[i] == 2 ? "failed" : f->epoch[i] == EPOCHS ? "succeeded" : NULL;
    f->over[i] = outcome != NULL;
    if (outcome) CHECK_INT(shop_finish(&f->s, l, outcome, !strcmp(outcome, "failed") ? "diverged" : NULL), OK);
}

/* "trial: verdict" of all, from the database. */
static void verdicts(struct field_of_play *f, int verdict[PRUNED_TRIALS])
{
    struct answer a;
    shop_reap(&f->s);
    CHECK_INT(ASK(a, queue_sweep_trials(f->s.q, f->sweep, NULL, answer_done, &a)), OK);
    CHECK_INT(json_array_size(json_object_get(a.json, "trials")), PRUNED_TRIALS);
    for (int i = 0; i < PRUNED_TRIALS; i++) {
        char path[40];
        snprintf(path, sizeof path, "trials.%d.pruned_epoch", i);
        verdict[i] = (int)answer_int(&a, path);
    }
    answer_free(&a);
}

/* By hand: rung 1 (best ceil(n/2) of n): 0 stays (1 of 1), 1 (0.8 beats 0.5), 2: 0.3 is 3rd of 3, out (2 stay), 3 stays, 4: 0.7 is 3rd of 5, stays,
   5: 0.6 is 4th of 6, out, 6: 0.85 is 2nd of 7, 7: last of 8, out. Rung 2 after 2 epochs: of 0 1 3 4 6; 3 has its score (it fails right after).
   0 stays; 1; 3; 4: 3rd of 4, out (2 stay); 6: 2nd of 5. Rung 4: 3 counts as worst; 0 stays; 1 of (0 1) first; 3 failed; 6 after four epochs has
   0.853 - 0.5 = 0.353: of 0 1 3 6 third, out. Rung 8: 0: stays; 1: first of 2. */
static const int by_hand[PRUNED_TRIALS] = {-1, -1, 1, -1, 2, 1, 4, 1};

static void run_in_order(const int *order, int steps, int lost_every)
{
    struct field_of_play *f = calloc(1, sizeof *f);
    int verdict[PRUNED_TRIALS];
    CHECK(f);
    start_all(f);
    for (int turn = 0; turn < steps; turn++) train_on(f, order[turn % PRUNED_TRIALS], lost_every && turn % lost_every == lost_every - 1);
    for (int i = 0; i < PRUNED_TRIALS; i++) CHECK(f->over[i]);
    verdicts(f, verdict);
    for (int i = 0; i < PRUNED_TRIALS; i++)
        if (verdict[i] != by_hand[i]) check_fail(__FILE__, __LINE__, "trial %d: pruned at %d, by hand at %d", i, verdict[i], by_hand[i]);
    CHECK_INT(sweep_count(&f->s, f->sweep, "failures.diverged"), 1);
    shop_close(&f->s);
    free(f);
}

void test_sweep_prunes_what_falls_behind_as_reckoned_by_hand(void)
{
    static const int order[] = {0, 1, 2, 3, 4, 5, 6, 7};
    run_in_order(order, 8 * EPOCHS, 0);
}

void test_sweep_verdicts_depend_neither_on_the_order_nor_on_lost_workers(void)
{
    static const int backward[] = {7, 6, 5, 4, 3, 2, 1, 0}, mixed[] = {4, 1, 7, 0, 6, 3, 2, 5};
    run_in_order(backward, 40 * EPOCHS, 0);
    run_in_order(mixed, 40 * EPOCHS, 11);
}
