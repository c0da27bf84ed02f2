/* test_outbox: order, exactly-once, spool, supersession, refusal; batches; verdicts. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "tests/check.h"
#include "tests/fake_server.h"
#include "worker/batch.h"
#include "worker/outbox.h"
#include "worker/verdict.h"

struct record {
    pthread_mutex_t lock;
    atomic_int away;      /* cut so many requests */
    atomic_bool down;     /* cut all */
    const char *refusal;  /* answer 409 with this code */
    char all[65536];      /* "metrics 1 [1 2 3]; file checkpoint-last 5; ..." */
    char bodies[64][2048];/* of metric batch seq */
    int twice;            /* batches that came again with other bytes */
};

static void note_batch(struct record *r, const struct fake_request *request, const char *what)
{
    json_t *body = json_loadb(request->body, request->length, 0, NULL);
    int seq = (int)json_integer_value(json_object_get(body, "seq"));
    size_t n = strlen(r->all);
    snprintf(r->all + n, sizeof r->all - n, "%s %d; ", what, seq);
    if (!strcmp(what, "metrics") && seq < 64) {
        if (*r->bodies[seq] && strncmp(r->bodies[seq], request->body, sizeof r->bodies[seq] - 1)) r->twice++;
        snprintf(r->bodies[seq], sizeof r->bodies[seq], "%s", request->body);
    }
    json_decref(body);
}

static void take(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    struct record *r = user;
    pthread_mutex_lock(&r->lock);
    if (r->refusal) {
        fake_say(reply, 409, "{\"type\":\"/problems/%s\",\"title\":\"x\",\"status\":409}", r->refusal);
    } else {
        const char *colon = strrchr(request->path, ':');
        if (!strcmp(request->method, "PUT")) {
            size_t n = strlen(r->all);
            snprintf(r->all + n, sizeof r->all - n, "file %s %s?%s; ", strrchr(request->path, '/') + 1, request->body, request->query);
            fake_say(reply, 201, "{}");
        } else {
            note_batch(r, request, colon ? colon + 1 : "?");
            reply->status = 204;
        }
        /* the server has it, but the answer is lost */
        if (r->down || (r->away > 0 && r->away-- > 0)) reply->status = 0;
    }
    pthread_mutex_unlock(&r->lock);
}

struct house {
    struct record record;
    struct fake_server *server;
    struct api_client *client;
    struct outbox *outbox;
};

static void open_house_that_flushes(struct house *h, int64_t memory, int64_t spool, int64_t flush_ms)
{
    memset(h, 0, sizeof *h);
    pthread_mutex_init(&h->record.lock, NULL);
    h->server = fake_server_start(0, take, &h->record);
    struct api_settings api = {.server = fake_server_address(h->server)};
    CHECK(!api_client_new(&api, &h->client, NULL));
    CHECK(!mkdir("box", 0700));
    struct outbox_settings settings = {.client = h->client, .key = {.job = "j", .token = "t", .attempt = "2", .lease_ms = 1000, .heartbeat_ms = 250},
                                       .dir = "box", .memory_bytes_max = memory, .spool_bytes_max = spool, .flush_ms = flush_ms};
    h->outbox = outbox_open(&settings);
}

static void open_house(struct house *h, int64_t memory, int64_t spool)
{
    open_house_that_flushes(h, memory, spool, 50);
}

static void close_house(struct house *h)
{
    outbox_close(h->outbox);
    api_client_free(h->client);
    fake_server_stop(h->server);
}

static void add_point(struct house *h, int step, double value)
{
    json_t *series = json_pack("[{s:s, s:s, s:s, s:[i], s:[f]}]", "name", "loss/total", "kind", "result", "x", "step", "steps", step, "values", value);
    struct err_note note;
    CHECK_INT(outbox_metric(h->outbox, series, &note), OK);
    json_decref(series);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f);
    fputs(text, f);
    fclose(f);
}

static enum err add_file(struct house *h, const char *path, const char *name, int step)
{
    struct err_note note;
    struct outbox_file file = {.path = path, .name = name, .kind = "checkpoint", .step = step, .epoch = -1, .score = 0.5};
    return outbox_file(h->outbox, &file, &note);
}

static void wait_empty(struct house *h)
{
    for (int i = 0; !outbox_is_empty(h->outbox); i++) {
        if (i > 3000) check_fail(__FILE__, __LINE__, "not empty after 30 s: %s", h->record.all);
        clock_sleep_ms(10);
    }
}

void test_outbox_sends_every_point_before_the_checkpoint_that_follows_it(void)
{
    struct house h;
    open_house(&h, 0, 0);
    for (int i = 1; i <= 600; i++) add_point(&h, i, i);
    put("ckpt", "five5");
    CHECK_INT(add_file(&h, "ckpt", "checkpoint-last", 600), OK);
    put("ckpt.new", "later"); /* the next checkpoint comes by rename: what was given before stays what it was */
    CHECK(!rename("ckpt.new", "ckpt"));
    add_point(&h, 601, 1);
    wait_empty(&h);
    /* 256 points fill a batch; on a busy machine one that is older than 50 ms is closed before that: 600 points are 3 or more */
    char want[1024] = "";
    int batches = 0;
    for (const char *at = h.record.all; (at = strstr(at, "metrics ")); at++) batches++;
    CHECK(batches >= 4 && batches < 64);
    for (int seq = 1; seq <= batches; seq++)
        snprintf(want + strlen(want), sizeof want - strlen(want), "%smetrics %d; ", seq == batches ? "file checkpoint-last five5?kind=checkpoint&step=600&score=0.5; " : "", seq);
    CHECK_TEXT(h.record.all, want);
    CHECK_HAS(h.record.bodies[1], "\"steps\":[1");
    CHECK_HAS(h.record.bodies[batches - 1], "600]");
    CHECK_HAS(h.record.bodies[batches], "{\"lease_token\":\"t\",\"seq\":");
    CHECK_HAS(h.record.bodies[batches], "\"steps\":[601]");
    close_house(&h);
}

void test_outbox_sends_the_first_values_at_once_and_gathers_those_after(void)
{
    static struct house h;
    bool first = false;
    open_house_that_flushes(&h, 1 << 20, 1 << 20, 3600000);
    add_point(&h, 0, 1);
    for (int i = 0; i < 3000 && !first; i++) {
        pthread_mutex_lock(&h.record.lock);
        first = !strcmp(h.record.all, "metrics 1; ");
        pthread_mutex_unlock(&h.record.lock);
        if (!first) clock_sleep_ms(10);
    }
    CHECK(first);
    add_point(&h, 1, 1);
    clock_sleep_ms(300); /* time enough to send too early: nothing waits on it */
    add_point(&h, 2, 1);
    put("ckpt", "five5");
    CHECK_INT(add_file(&h, "ckpt", "checkpoint-last", 2), OK); /* ends the batch */
    wait_empty(&h);
    CHECK_TEXT(h.record.all, "metrics 1; metrics 2; file checkpoint-last five5?kind=checkpoint&step=2&score=0.5; ");
    CHECK_HAS(h.record.bodies[2], "\"steps\":[1,2]");
    close_house(&h);
}

void test_outbox_repeats_a_batch_with_the_same_number_and_bytes_until_it_is_accepted(void)
{
    struct house h;
    open_house(&h, 0, 0);
    h.record.away = 3;
    for (int i = 1; i <= 300; i++) add_point(&h, i, 1.0 / i);
    wait_empty(&h);
    CHECK_TEXT(h.record.all, "metrics 1; metrics 1; metrics 1; metrics 1; metrics 2; ");
    CHECK_INT(h.record.twice, 0);
    close_house(&h);
}

void test_outbox_spools_while_the_server_is_away_says_when_it_is_full_and_loses_nothing(void)
{
    struct house h;
    open_house(&h, 20000, 60000);
    h.record.down = true;
    int step = 0;
    while (!outbox_full(h.outbox) && step < 100000) add_point(&h, ++step, 0.123456789);
    CHECK(step > 1000 && step < 100000);
    struct stat spool;
    CHECK(!stat("box/spool", &spool) && spool.st_size > 20000);
    h.record.down = false;
    h.record.all[0] = 0;
    wait_empty(&h);
    CHECK(!outbox_full(h.outbox));
    long long points = 0;
    for (int seq = 1; seq < 64 && *h.record.bodies[seq]; seq++) points++;
    CHECK_INT(points, (step + OUTBOX_POINTS - 1) / OUTBOX_POINTS);
    CHECK_INT(h.record.twice, 0);
    CHECK(!stat("box/spool", &spool));
    CHECK_INT(spool.st_size, 0);
    close_house(&h);
}

void test_outbox_lets_a_newer_checkpoint_replace_one_that_still_waits(void)
{
    struct house h;
    open_house(&h, 0, 0);
    h.record.down = true;
    add_point(&h, 1, 1);
    put("a", "A"), put("b", "B"), put("c", "C");
    CHECK(!add_file(&h, "a", "checkpoint-last", 1));
    CHECK(!add_file(&h, "b", "checkpoint-best", 1));
    add_point(&h, 2, 1);
    CHECK(!add_file(&h, "c", "checkpoint-last", 2));
    CHECK_INT(add_file(&h, "absent", "checkpoint-last", 3), ERR_IO);
    h.record.down = false;
    wait_empty(&h);
    CHECK(!strstr(h.record.all, "file checkpoint-last A"));
    CHECK_HAS(h.record.all, "file checkpoint-best B");
    CHECK_HAS(h.record.all, "metrics 2; file checkpoint-last C");
    CHECK(system("test -z \"$(ls box | grep file)\"") == 0);
    close_house(&h);
}

static void wait_state(struct house *h, enum outbox_state want)
{
    for (int i = 0; outbox_state(h->outbox, NULL) != want; i++) {
        CHECK(i < 1000);
        clock_sleep_ms(10);
    }
}

void test_outbox_says_when_the_lease_is_lost_or_the_server_will_never_take_it(void)
{
    struct house h;
    open_house(&h, 0, 0);
    h.record.refusal = "lease_lost";
    add_point(&h, 1, 1);
    wait_state(&h, OUTBOX_LOST);
    close_house(&h);
    CHECK(!system("rm -r box"));
    open_house(&h, 0, 0);
    h.record.refusal = "too_large";
    outbox_log(h.outbox, "info", "bad \xff byte");
    wait_state(&h, OUTBOX_REFUSED);
    close_house(&h);
    CHECK(!system("rm -r box"));
    open_house(&h, 0, 0);
    h.record.refusal = "metric_conflict"; /* the server keeps the first: nothing to be done, the training goes on */
    add_point(&h, 1, 1);
    wait_empty(&h);
    CHECK_INT(outbox_state(h.outbox, NULL), OUTBOX_GOOD);
    close_house(&h);
}

void test_a_batch_names_a_series_once_and_its_steps_rise(void)
{
    struct batch batch = {0};
    struct err_note note = {0};
    json_t *one = json_loads("[{\"name\":\"alpha\",\"kind\":\"result\",\"x\":\"epoch\",\"steps\":[3],\"values\":[\"NaN\"]}]", 0, NULL);
    json_t *bad = json_loads("[{\"name\":\"alpha\",\"kind\":\"result\",\"x\":\"epoch\",\"steps\":[4,4],\"values\":[1,2]}]", 0, NULL);
    CHECK(batch_takes(&batch, one));
    CHECK_INT(batch_add_series(&batch, one, &note), OK);
    CHECK(!batch_takes(&batch, one));
    CHECK_INT(batch_add_series(&batch, bad, &note), ERR_SPEC);
    CHECK(*note.detail);
    char *text = batch_close(&batch, "series", "t", 7);
    CHECK_TEXT(text, "{\"lease_token\":\"t\",\"seq\":7,\"series\":[{\"name\":\"alpha\",\"kind\":\"result\",\"x\":\"epoch\",\"steps\":[3],\"values\":[\"NaN\"]}]}");
    CHECK_INT(batch.count, 0);
    free(text);
    json_decref(one);
    json_decref(bad);
}

static json_t *many_series(int first, int count)
{
    json_t *all = json_array();
    for (int i = first; i < first + count; i++) {
        char name[32];
        snprintf(name, sizeof name, "val/dice/%d", i);
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:[i], s:[f]}", "name", name, "kind", "result", "x", "epoch", "steps", 1, "values", 0.5));
    }
    return all;
}

void test_a_batch_has_no_more_series_than_the_server_takes(void)
{
    struct batch batch = {0};
    struct err_note note;
    json_t *first = many_series(0, 200), *fits = many_series(200, 56), *one_more = many_series(200, 57), *known = many_series(150, 50);
    json_t *later = json_array_get(known, 0);
    CHECK(batch_takes(&batch, first));
    CHECK_INT(batch_add_series(&batch, first, &note), OK);
    CHECK(batch_takes(&batch, fits) && !batch_takes(&batch, one_more));
    size_t i;
    json_array_foreach(known, i, later) json_array_set_new(json_object_get(later, "steps"), 0, json_integer(2));
    CHECK(batch_takes(&batch, known)); /* these are there already */
    batch_drop(&batch);
    json_decref(first), json_decref(fits), json_decref(one_more), json_decref(known);
}

void test_verdicts_follow_the_table(void)
{
    static const struct {
        struct child_end end;
        const char *want;
    } rows[] = {
        {{.done = true}, "finish succeeded"},
        {{.done = true, .stopped = STOP_CANCEL}, "finish succeeded"},
        {{.done = true, .stopped = STOP_LOST}, "discard lease lost"},
        {{0}, "finish failed internal"}, /* status 0 without `done` */
        {{.exit_code = 75}, "release stopped from outside"},
        {{.exit_code = 75, .stopped = STOP_DRAIN}, "release drain"},
        {{.exit_code = 75, .stopped = STOP_PREEMPT}, "release preempt"},
        {{.exit_code = 75, .stopped = STOP_CANCEL}, "finish cancelled"},
        {{.exit_code = -1, .signal_number = SIGKILL, .killed = true, .stopped = STOP_CANCEL}, "finish cancelled"},
        {{.exit_code = -1, .signal_number = SIGKILL, .killed = true, .stopped = STOP_DRAIN}, "release drain"},
        {{.exit_code = 75, .stopped = STOP_PAUSE}, "finish paused"},
        {{.exit_code = 75, .stopped = STOP_PRUNE}, "finish pruned"},
        {{.exit_code = 75, .stopped = STOP_TIMEOUT}, "finish failed timeout"},
        {{.exit_code = -1, .signal_number = SIGKILL, .killed = true, .stopped = STOP_STUCK}, "finish failed no_progress"},
        {{.exit_code = -1, .signal_number = SIGKILL}, "finish failed internal"},
        {{.exit_code = -1, .signal_number = SIGKILL, .out_of_memory = true}, "finish failed out_of_memory"},
        {{.exit_code = -1, .signal_number = SIGSEGV, .out_of_memory = true}, "finish failed internal"},
        {{.exit_code = -1, .signal_number = SIGSEGV, .stopped = STOP_DRAIN}, "finish failed internal"},
        {{.exit_code = 65, .failed = FAILURE_SPEC_ERROR}, "finish failed spec_error"},
        {{.exit_code = 65}, "finish failed data_error"},
        {{.exit_code = 71}, "finish failed out_of_memory"},
        {{.exit_code = 73}, "finish failed no_space"},
        {{.exit_code = 76, .failed = FAILURE_DIVERGED, .stopped = STOP_DRAIN}, "finish failed diverged"},
        {{.exit_code = 70}, "finish failed internal"},
        {{.exit_code = 75, .stopped = STOP_AT_ONCE}, "discard second TERM"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct verdict v;
        char got[128];
        verdict_of(&rows[i].end, &v);
        snprintf(got, sizeof got, "%s %s%s%s", v.what == VERDICT_FINISH ? "finish" : v.what == VERDICT_RELEASE ? "release" : "discard", v.outcome,
                 v.failure ? " " : "", job_failure_word(v.failure));
        if (strcmp(got, rows[i].want)) check_fail(__FILE__, __LINE__, "row %zu: got %s, want %s", i, got, rows[i].want);
    }
}
