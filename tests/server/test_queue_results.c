/* test_queue_results: what an attempt sends is kept once, exactly, and read back whole: metrics, log, artifacts, events. */
#include <float.h>
#include <math.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "server/blob.h"
#include "tests/check.h"
#include "tests/server/store_fixture.h"

struct running { /* a shop with one claimed job */
    struct shop shop;
    char id[UUID_TEXT], worker[UUID_TEXT];
    struct lease l;
};

static void start(struct running *r)
{
    shop_open(&r->shop, NULL);
    shop_submit(&r->shop, NULL, r->id);
    shop_worker(&r->shop, r->worker);
    shop_claim(&r->shop, r->worker, "first", &r->l);
}

static void next_attempt(struct running *r, const char *key)
{
    struct answer a;
    struct queue_lease lease = shop_lease(&r->l);
    CHECK_INT(ASK(a, queue_release(r->shop.q, &lease, "drain", answer_done, &a)), OK);
    answer_free(&a);
    shop_claim(&r->shop, r->worker, key, &r->l);
    CHECK(!r->l.none);
}

static long long job_int(struct running *r, const char *path)
{
    struct answer a;
    CHECK_INT(ASK(a, queue_get(r->shop.q, r->id, NULL, answer_done, &a)), OK);
    long long value = answer_int(&a, path);
    answer_free(&a);
    return value;
}

static void read_csv(struct running *r, char *to, size_t size)
{
    struct answer a;
    CHECK_INT(ASK(a, queue_read_metrics(r->shop.q, &(struct queue_read_metrics){.job_id = r->id, .to = -1, .csv = true}, answer_done, &a)), OK);
    snprintf(to, size, "%s", a.reply.json);
    answer_free(&a);
}

void test_metric_nan_and_infinity_and_every_bit_come_back(void)
{
    struct running r;
    struct answer a;
    start(&r);
    const double values[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 0.1, 1.0 / 3.0, DBL_MIN / 4, DBL_MAX, -5e-324, 9007199254740993.0};
    enum { N = sizeof values / sizeof *values };
    for (int i = 0; i < N; i++) CHECK_INT(shop_metric(&r.shop, &r.l, i + 1, "loss/total", i, values[i]), OK);
    CHECK_INT(ASK(a, queue_read_metrics(r.shop.q, &(struct queue_read_metrics){.job_id = r.id, .to = -1}, answer_done, &a)), OK);
    CHECK_HAS(a.reply.json, "\"NaN\",\"Infinity\",\"-Infinity\",0.1,");
    json_t *found = json_object_get(json_array_get(json_object_get(a.json, "series"), 0), "values");
    CHECK_INT(json_array_size(found), N);
    for (size_t i = 3; i < N; i++) CHECK(json_number_value(json_array_get(found, i)) == values[i]);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_get(r.shop.q, r.id, NULL, answer_done, &a)), OK);
    CHECK(json_number_value(json_object_get(json_object_get(a.json, "latest"), "loss/total")) == 9007199254740993.0);
    answer_free(&a);
    shop_close(&r.shop);
}

void test_metric_batch_sent_again_is_stored_once_and_other_content_is_refused(void)
{
    struct running r;
    struct answer a;
    start(&r);
    for (int i = 0; i < 5; i++) CHECK_INT(shop_metric(&r.shop, &r.l, 1, "loss/total", 7, 0.5), OK);
    CHECK_INT(shop_metric(&r.shop, &r.l, 1, "loss/total", 7, 0.25), ERR_NONDETERMINISTIC);
    CHECK_INT(shop_metric(&r.shop, &r.l, 2, "loss/total", 8, 0.25), OK);
    CHECK_INT(ASK(a, queue_read_events(r.shop.q, r.id, NULL, 0, 100, answer_done, &a)), OK);
    int batches = 0;
    size_t i;
    json_t *event;
    json_array_foreach(json_object_get(a.json, "events"), i, event) batches += !strcmp(json_string_value(json_object_get(event, "kind")), "metrics");
    CHECK_INT(batches, 2);
    CHECK_INT(job_int(&r, "nondeterministic"), 0);
    answer_free(&a);
    shop_close(&r.shop);
}

void test_metric_replayed_with_other_bits_flags_the_job_and_the_later_value_stays(void)
{
    struct running r;
    struct answer a;
    char csv[4096];
    start(&r);
    CHECK_INT(shop_metric(&r.shop, &r.l, 1, "loss/total", 1, 0.5), OK);
    CHECK_INT(shop_metric(&r.shop, &r.l, 2, "loss/total", 2, (double)NAN), OK);
    CHECK_INT(shop_metric(&r.shop, &r.l, 3, "loss/total", 3, -0.0), OK);
    CHECK_INT(shop_metric(&r.shop, &r.l, 4, "time/epoch_s", 1, 1.0), OK);
    next_attempt(&r, "second");
    CHECK_INT(shop_metric(&r.shop, &r.l, 1, "loss/total", 1, 0.5), OK); /* equal bits: as it should be */
    CHECK_INT(shop_metric(&r.shop, &r.l, 2, "loss/total", 2, (double)NAN), OK);
    CHECK_INT(shop_metric(&r.shop, &r.l, 3, "loss/total", 3, -0.0), OK);
    CHECK_INT(shop_metric(&r.shop, &r.l, 4, "time/epoch_s", 1, 2.0), OK); /* timings are never compared */
    CHECK_INT(job_int(&r, "nondeterministic"), 0);
    next_attempt(&r, "third");
    CHECK_INT(shop_metric(&r.shop, &r.l, 1, "loss/total", 1, nextafter(0.5, 1)), OK);
    CHECK_INT(job_int(&r, "nondeterministic"), 1);
    read_csv(&r, csv, sizeof csv);
    CHECK_HAS(csv, "x,step,loss/total,time/epoch_s\nstep,1,0.5000000000000001,2\nstep,2,NaN,\nstep,3,0,\n");
    CHECK_INT(ASK(a, queue_read_events(r.shop.q, r.id, NULL, 0, 1000, answer_done, &a)), OK);
    CHECK_HAS(a.reply.json, "\"kind\":\"nondeterministic\",\"data\":{\"series\":\"loss/total\",\"step\":1,\"before\":{\"attempt\":2,\"value\":0.5},"
                            "\"now\":{\"attempt\":3,\"value\":0.5000000000000001}}");
    answer_free(&a);
    shop_close(&r.shop);
}

void test_metric_events_are_filled_with_values_when_they_are_read(void)
{
    struct running r;
    struct answer a;
    start(&r);
    CHECK_INT(shop_metric(&r.shop, &r.l, 1, "val/dice", 3, 0.75), OK);
    CHECK_INT(ASK(a, queue_read_events(r.shop.q, r.id, NULL, 0, 100, answer_done, &a)), OK);
    CHECK_HAS(a.reply.json, "\"kind\":\"metrics\",\"data\":{\"attempt\":1,\"seq\":1,\"series\":[{\"name\":\"val/dice\",\"kind\":\"result\",\"x\":\"step\","
                            "\"steps\":[3],\"values\":[0.75]}]}");
    long long newest = answer_int(&a, "next");
    answer_free(&a);
    CHECK_INT(job_int(&r, "version"), newest); /* a job's version is the id of its last event */
    CHECK_INT(ASK(a, queue_read_events(r.shop.q, NULL, NULL, newest, 100, answer_done, &a)), OK);
    CHECK_INT(json_array_size(json_object_get(a.json, "events")), 0);
    CHECK(a.reply.idle);
    answer_free(&a);
    shop_close(&r.shop);
}

void test_metric_series_are_chosen_by_name_prefix_and_range(void)
{
    struct running r;
    struct answer a;
    start(&r);
    const char *const names[] = {"loss/total", "loss/dice", "val/dice", "val/dice/1"};
    for (int i = 0; i < 40; i++) CHECK_INT(shop_metric(&r.shop, &r.l, i + 1, names[i % 4], i / 4, i), OK);
    CHECK_INT(ASK(a, queue_read_metrics(r.shop.q, &(struct queue_read_metrics){.job_id = r.id, .series = "loss/,val/dice", .from = 2, .to = 4}, answer_done, &a)), OK);
    json_t *series = json_object_get(a.json, "series");
    CHECK_INT(json_array_size(series), 3);
    CHECK_INT(json_array_size(json_object_get(json_array_get(series, 2), "steps")), 3);
    CHECK_TEXT(answer_text(&a, "series.2.name"), "val/dice");
    CHECK_INT(answer_int(&a, "series.2.steps.0"), 2);
    answer_free(&a);
    shop_close(&r.shop);
}

static enum err send_lines(struct running *r, int64_t seq, int count, const char *text)
{
    struct queue_log_line lines[64];
    struct answer a;
    for (int i = 0; i < count; i++) lines[i] = (struct queue_log_line){1700000000123 + i, "info", text};
    enum err e = ASK(a, queue_logs(r->shop.q, &(struct queue_logs){shop_lease(&r->l), seq, lines, (size_t)count}, answer_done, &a));
    answer_free(&a);
    return e;
}

void test_log_is_addressed_by_byte_and_a_piece_sent_again_is_kept_once(void)
{
    struct running r;
    struct answer a;
    start(&r);
    CHECK_INT(send_lines(&r, 1, 1, "first\nwith a break"), OK);
    CHECK_INT(send_lines(&r, 1, 1, "first\nwith a break"), OK);
    CHECK_INT(send_lines(&r, 2, 2, "more"), OK);
    static const char all[] = "2023-11-14T22:13:20.123Z info first with a break\n2023-11-14T22:13:20.123Z info more\n2023-11-14T22:13:20.124Z info more\n";
    CHECK_INT(ASK(a, queue_read_logs(r.shop.q, r.id, NULL, 0, 1 << 20, answer_done, &a)), OK);
    CHECK_TEXT(a.reply.json, all);
    CHECK_INT(a.reply.next, strlen(all));
    answer_free(&a);
    for (size_t at = 0; at <= strlen(all); at++) { /* from every byte */
        CHECK_INT(ASK(a, queue_read_logs(r.shop.q, r.id, NULL, (int64_t)at, 1 << 20, answer_done, &a)), OK);
        CHECK_TEXT(a.reply.json ? a.reply.json : "", all + at);
        CHECK_INT(a.reply.next, strlen(all));
        answer_free(&a);
    }
    CHECK_INT(shop_finish(&r.shop, &r.l, "failed", "diverged"), OK);
    CHECK_INT(ASK(a, queue_get(r.shop.q, r.id, NULL, answer_done, &a)), OK);
    CHECK_INT(json_array_size(json_object_get(a.json, "log_tail")), 3);
    CHECK_HAS(answer_text(&a, "log_tail.0"), "first with a break");
    CHECK_HAS(answer_text(&a, "log_tail.2"), "more");
    answer_free(&a);
    shop_close(&r.shop);
}

void test_log_keeps_what_its_cap_allows_and_says_so(void)
{
    struct running r;
    struct answer a;
    shop_open(&r.shop, &(struct queue_settings){.log_bytes_max = 1000});
    shop_submit(&r.shop, NULL, r.id);
    shop_worker(&r.shop, r.worker);
    shop_claim(&r.shop, r.worker, "first", &r.l);
    for (int i = 1; i < 10; i++) CHECK_INT(send_lines(&r, i, 5, "0123456789"), OK);
    CHECK_INT(ASK(a, queue_read_logs(r.shop.q, r.id, NULL, 0, 1 << 20, answer_done, &a)), OK);
    CHECK_HAS(a.reply.json, "the log is full");
    CHECK(strlen(a.reply.json) < 1100);
    answer_free(&a);
    shop_close(&r.shop);
}

struct upload_end {
    sem_t came;
    enum err e;
    char sha256[SHA256_HEX];
    int64_t bytes;
};

static void upload_ended(void *context, enum err e, const char *sha256, int64_t bytes)
{
    struct upload_end *u = context;
    u->e = e;
    u->bytes = bytes;
    snprintf(u->sha256, sizeof u->sha256, "%s", sha256);
    sem_post(&u->came);
}

static void room(void *context)
{
    sem_post(context);
}

/* `length` bytes that depend on `seed`, in pieces of 100 kB; waits for room when there is none. */
static enum err upload(struct blob_store *b, int seed, size_t length, uint64_t bytes_max, const char *want, char sha256[SHA256_HEX])
{
    struct upload_end end;
    sem_t has_room;
    char *bytes = malloc(length + 1);
    sem_init(&end.came, 0, 0);
    sem_init(&has_room, 0, 0);
    for (size_t i = 0; i < length; i++) bytes[i] = (char)(i * 31 + (size_t)seed);
    struct blob_upload *u = blob_begin(b, bytes_max, room, &has_room);
    for (size_t at = 0; at < length;) {
        size_t piece = length - at < 100000 ? length - at : 100000, taken = blob_piece(u, bytes + at, piece);
        at += taken;
        if (taken < piece) sem_wait(&has_room);
    }
    blob_finish(u, want, upload_ended, &end);
    sem_wait(&end.came);
    if (!end.e) CHECK_INT(end.bytes, length);
    snprintf(sha256, SHA256_HEX, "%s", end.sha256);
    free(bytes);
    return end.e;
}

static int count_files(struct blob_store *b, const char *sha256)
{
    int fd;
    int64_t bytes;
    if (blob_open(b, sha256, &fd, &bytes)) return 0;
    close(fd);
    return 1;
}

void test_blob_is_whole_named_by_its_digest_or_absent(void)
{
    struct blob_store *b;
    char sha256[SHA256_HEX], other[SHA256_HEX], path[200];
    CHECK_INT(blob_store_open("shop", &b, NULL), OK);
    CHECK_INT(upload(b, 1, 3000000, 1 << 30, NULL, sha256), OK);
    CHECK_INT(blob_verify(b, sha256), OK);
    CHECK_INT(upload(b, 1, 3000000, 1 << 30, sha256, other), OK); /* the same again */
    CHECK_TEXT(other, sha256);
    CHECK_INT(upload(b, 2, 1000, 1 << 30, sha256, other), ERR_DIGEST);
    CHECK_INT(upload(b, 2, 1001, 1000, NULL, other), ERR_TOO_LARGE);
    CHECK_INT(upload(b, 2, 0, 1000, NULL, other), OK);
    CHECK_TEXT(other, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    struct blob_upload *left = blob_begin(b, 1000000, room, NULL);
    CHECK_INT(blob_piece(left, "abc", 3), 3);
    blob_abort(left);
    blob_store_close(b);
    snprintf(path, sizeof path, "shop/blobs/sha256/%.2s/%s", sha256, sha256); /* one bit of the file turns */
    FILE *f = fopen(path, "r+");
    CHECK(f && !fseek(f, 100000, SEEK_SET) && fputc('x', f) == 'x' && !fclose(f));
    f = fopen("shop/blobs/tmp/left over", "w");
    CHECK(f && !fclose(f));
    CHECK_INT(blob_store_open("shop", &b, NULL), OK);
    CHECK_INT(blob_verify(b, sha256), ERR_DIGEST);
    CHECK(access("shop/blobs/tmp/left over", F_OK) != 0);
    CHECK_INT(blob_verify(b, "../../etc/passwd"), ERR_NOT_FOUND);
    blob_store_close(b);
}

static enum err put(struct running *r, const char *name, const char *sha256, int64_t step, bool *existed)
{
    struct answer a;
    struct queue_artifact_put args = {.lease = shop_lease(&r->l), .name = name, .kind = strncmp(name, "checkpoint", 10) ? "other" : "checkpoint",
                                      .sha256 = sha256, .bytes = 5000, .step = step, .epoch = -1};
    enum err e = ASK(a, queue_artifact_put(r->shop.q, &args, answer_done, &a));
    if (existed) *existed = a.reply.existed;
    answer_free(&a);
    return e;
}

void test_artifact_best_and_last_checkpoints_are_kept_and_older_blobs_go(void)
{
    struct running r;
    struct answer a;
    char sha256[4][SHA256_HEX];
    bool existed;
    start(&r);
    for (int i = 0; i < 4; i++) CHECK_INT(upload(r.shop.blobs, i, 5000, 1 << 20, NULL, sha256[i]), OK);
    CHECK_INT(put(&r, "checkpoint-last", sha256[0], 10, &existed), OK);
    CHECK(!existed);
    CHECK_INT(put(&r, "checkpoint-last", sha256[0], 10, &existed), OK);
    CHECK(existed);
    CHECK_INT(put(&r, "checkpoint-best", sha256[0], 10, NULL), OK);
    CHECK(count_files(r.shop.blobs, sha256[1]) && count_files(r.shop.blobs, sha256[3])); /* no row yet, but they may get one */
    shop_close(&r.shop);
    shop_open(&r.shop, NULL); /* now 1, 2, 3 are orphans */
    CHECK_INT(put(&r, "Bad/Name", sha256[0], 1, NULL), ERR_SPEC);
    for (int i = 0; i < 500 && count_files(r.shop.blobs, sha256[3]); i++) clock_sleep_ms(10);
    CHECK(count_files(r.shop.blobs, sha256[0]));
    CHECK(!count_files(r.shop.blobs, sha256[1]) && !count_files(r.shop.blobs, sha256[3]));
    CHECK_INT(upload(r.shop.blobs, 1, 5000, 1 << 20, NULL, sha256[1]), OK);
    CHECK_INT(upload(r.shop.blobs, 2, 5000, 1 << 20, NULL, sha256[2]), OK);
    CHECK_INT(put(&r, "checkpoint-last", sha256[1], 20, NULL), OK);
    CHECK(count_files(r.shop.blobs, sha256[0])); /* still the best */
    CHECK_INT(put(&r, "checkpoint-best", sha256[2], 20, NULL), OK);
    for (int i = 0; i < 500 && count_files(r.shop.blobs, sha256[0]); i++) clock_sleep_ms(10);
    CHECK(!count_files(r.shop.blobs, sha256[0]));
    CHECK(count_files(r.shop.blobs, sha256[1]) && count_files(r.shop.blobs, sha256[2]));
    CHECK_INT(ASK(a, queue_artifact(r.shop.q, r.id, NULL, "checkpoint-last", answer_done, &a)), OK);
    CHECK_TEXT(a.reply.sha256, sha256[1]);
    CHECK_INT(answer_int(&a, "step"), 20);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_artifact(r.shop.q, r.id, NULL, "model", answer_done, &a)), ERR_NOT_FOUND);
    answer_free(&a);
    shop_close(&r.shop);
}

void test_artifact_retry_from_start_forgets_the_checkpoints(void)
{
    struct running r;
    struct answer a;
    start(&r);
    char sha256[SHA256_HEX] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    CHECK_INT(put(&r, "checkpoint-last", sha256, 10, NULL), OK);
    CHECK_INT(put(&r, "log.txt", sha256, -1, NULL), OK);
    CHECK_INT(shop_finish(&r.shop, &r.l, "failed", "diverged"), OK);
    CHECK_INT(ASK(a, queue_retry(r.shop.q, r.id, NULL, true, answer_done, &a)), OK);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_claim(r.shop.q, r.worker, "again", answer_done, &a)), OK);
    CHECK(json_is_null(json_object_get(a.json, "resume")));
    answer_free(&a);
    CHECK_INT(ASK(a, queue_artifacts(r.shop.q, r.id, NULL, answer_done, &a)), OK);
    CHECK_INT(json_array_size(json_object_get(a.json, "artifacts")), 1);
    answer_free(&a);
    shop_close(&r.shop);
}

void test_dataset_waiting_jobs_keep_the_content_they_were_submitted_with(void)
{
    struct shop s;
    struct answer a;
    char worker[UUID_TEXT];
    char one[SHA256_HEX], two[SHA256_HEX];
    memset(one, '1', 64);
    memset(two, '2', 64);
    one[64] = two[64] = '\0';
    shop_open(&s, NULL);
    shop_worker(&s, worker);
    struct queue_job job = {.spec_json = "{\"dataset\":\"set\"}", .dataset = "set", .max_attempts = 1};
    struct queue_submit submit = {.jobs = &job, .count = 1};
    CHECK_INT(ASK(a, queue_dataset_put(s.q, &(struct queue_dataset_put){"set", one, 10, NULL, "t"}, answer_done, &a)), OK);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_submit(s.q, &submit, answer_done, &a)), OK);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_dataset_put(s.q, &(struct queue_dataset_put){"set", two, 20, NULL, "t"}, answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "sha256"), two);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_submit(s.q, &submit, answer_done, &a)), OK);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_claim(s.q, worker, "1", answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "dataset.sha256"), one);
    CHECK_INT(answer_int(&a, "dataset.bytes"), 10);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_claim(s.q, worker, "2", answer_done, &a)), OK);
    CHECK_TEXT(answer_text(&a, "dataset.sha256"), two);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_dataset_blob(s.q, one, answer_done, &a)), OK);
    CHECK_INT(a.reply.bytes, 10);
    answer_free(&a);
    CHECK_INT(ASK(a, queue_dataset(s.q, "sett", answer_done, &a)), ERR_NOT_FOUND);
    CHECK_TEXT(a.reply.note.nearest, "set");
    answer_free(&a);
    shop_close(&s);
}

struct told {
    int count;
    int64_t ids[64];
    char *texts[64];
};

static void hear(void *context, int64_t event_id, const char *job_id, const char *owner, const char *kind, const char *json)
{
    struct told *t = context;
    (void)job_id;
    (void)owner;
    (void)kind;
    if (t->count == 64) return;
    t->ids[t->count] = event_id;
    t->texts[t->count++] = strdup(json);
}

struct page {
    struct told *heard;
    int *at;
    struct answer answer;
};

static void compare_row(void *context, int64_t event_id, const char *job_id, const char *kind, const char *data)
{
    struct told *heard = ((struct page *)context)->heard;
    int *at = ((struct page *)context)->at;
    (void)job_id;
    (void)kind;
    CHECK_INT(event_id, heard->ids[*at]);
    CHECK_TEXT(data, heard->texts[*at]);
    ++*at;
}

static void page_done(void *context, struct queue_reply *reply)
{
    answer_done(&((struct page *)context)->answer, reply);
}

void test_events_read_later_are_the_ones_that_were_told_live(void)
{
    struct running r;
    struct told heard = {0};
    int at = 0;
    struct store_settings st = {.folder = "shop", .on_event = hear, .context = &heard};
    CHECK_INT(store_open(&st, &r.shop.store, NULL), OK);
    CHECK_INT(blob_store_open("shop", &r.shop.blobs, NULL), OK);
    CHECK_INT(queue_open(r.shop.store, r.shop.blobs, NULL, &r.shop.q, NULL), OK);
    shop_submit(&r.shop, NULL, r.id);
    shop_worker(&r.shop, r.worker);
    shop_claim(&r.shop, r.worker, "first", &r.l);
    CHECK_INT(shop_metric(&r.shop, &r.l, 1, "loss/total", 1, 1.0 / 3), OK);
    CHECK_INT(shop_metric(&r.shop, &r.l, 2, "val/dice", 1, (double)NAN), OK);
    CHECK_INT(shop_metric(&r.shop, &r.l, 2, "val/dice", 1, 2), ERR_NONDETERMINISTIC); /* refused: told to nobody */
    CHECK_INT(send_lines(&r, 1, 3, "line"), OK);
    CHECK_INT(put(&r, "log.txt", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", -1, NULL), OK);
    CHECK_INT(shop_finish(&r.shop, &r.l, "failed", "diverged"), OK);
    struct page page = {&heard, &at, {.reply = {0}}};
    answer_start(&page.answer);
    CHECK_INT(answer_wait(&page.answer, queue_each_event(r.shop.q, r.id, NULL, 0, 100, compare_row, page_done, &page)), OK);
    CHECK_INT(at, heard.count);
    CHECK_INT(heard.count, 7);
    CHECK(page.answer.reply.idle);
    CHECK_INT(page.answer.reply.next, heard.ids[heard.count - 1]);
    answer_free(&page.answer);
    shop_close(&r.shop);
    while (heard.count) free(heard.texts[--heard.count]);
}
