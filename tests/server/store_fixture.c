/* store_fixture: waits for answers, so that tests read like a column of steps. */
#include "tests/server/store_fixture.h"

#include <errno.h>
#include <string.h>
#include "server/blob.h"
#include "tests/check.h"

void shop_open(struct shop *s, const struct queue_settings *settings)
{
    static const struct queue_settings quick = {.lease_ms = 1000, .backoff_ms = 200, .stop_grace_ms = 500};
    struct store_settings st = {.folder = "shop"};
    struct err_note note = {0};
    if (store_open(&st, &s->store, &note)) check_fail(__FILE__, __LINE__, "store_open: %s %s", note.pointer, note.detail);
    if (blob_store_open("shop", &s->blobs, &note)) check_fail(__FILE__, __LINE__, "blob_store_open: %s", note.detail);
    if (queue_open(s->store, s->blobs, settings ? settings : &quick, &s->q, &note)) check_fail(__FILE__, __LINE__, "queue_open: %s", note.detail);
}

void shop_close(struct shop *s)
{
    store_close(s->store);
    blob_store_close(s->blobs);
    queue_close(s->q);
}

void answer_start(struct answer *a)
{
    memset(a, 0, sizeof *a);
    sem_init(&a->came, 0, 0);
}

void answer_done(void *context, struct queue_reply *reply)
{
    struct answer *a = context;
    a->reply = *reply;
    a->reply.json = queue_take_json(reply, NULL);
    sem_post(&a->came);
}

enum err answer_wait(struct answer *a, enum err posted)
{
    if (posted) return posted;
    while (sem_wait(&a->came) && errno == EINTR) {
    }
    if (a->reply.json) a->json = json_loads(a->reply.json, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    return a->reply.error;
}

void answer_free(struct answer *a)
{
    free(a->reply.json);
    json_decref(a->json);
    sem_destroy(&a->came);
}

static const json_t *at_path(const struct answer *a, const char *path)
{
    char copy[200], *rest = NULL;
    const json_t *at = a->json;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *word = strtok_r(copy, ".", &rest); word && at; word = strtok_r(NULL, ".", &rest))
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(word)) : json_object_get(at, word);
    return at;
}

const char *answer_text(const struct answer *a, const char *path)
{
    static _Thread_local char text[4096];
    const char *found = json_string_value(at_path(a, path));
    snprintf(text, sizeof text, "%s", found ? found : "");
    return text;
}

long long answer_int(const struct answer *a, const char *path)
{
    const json_t *at = at_path(a, path);
    if (json_is_boolean(at)) return json_is_true(at);
    return json_is_number(at) ? (long long)json_number_value(at) : -1;
}

void shop_submit(struct shop *s, const char *key, char id[UUID_TEXT])
{
    struct queue_job job = {.name = "a job", .project = "default", .strategy = "constant", .tags_json = "[\"t\"]", .epochs = 3,
                            .dataset_json = "{\"path\":\"x\"}", .spec_json = "{\"name\":\"a job\",\"dataset\":{\"path\":\"x\"},\"seed\":1}", .max_attempts = 3};
    struct queue_submit args = {.jobs = &job, .count = 1, .idempotency_key = key, .body_sha256 = "body", .token_id = "local"};
    struct answer a;
    snprintf(job.spec_hash, sizeof job.spec_hash, "hash");
    CHECK_INT(ASK(a, queue_submit(s->q, &args, answer_done, &a)), OK);
    memcpy(id, a.reply.id, UUID_TEXT);
    CHECK(uuid_is(id));
    answer_free(&a);
}

void shop_worker(struct shop *s, char id[UUID_TEXT])
{
    struct queue_register args = {.protocol = 1, .name = "w", .host = "h", .version = "0", .labels_json = "{}", .threads = 1, .data_paths = true};
    struct answer a;
    CHECK_INT(ASK(a, queue_register(s->q, &args, answer_done, &a)), OK);
    memcpy(id, a.reply.id, UUID_TEXT);
    answer_free(&a);
}

void shop_claim(struct shop *s, const char *worker, const char *key, struct lease *lease)
{
    struct answer a;
    CHECK_INT(ASK(a, queue_claim(s->q, worker, key, answer_done, &a)), OK);
    memset(lease, 0, sizeof *lease);
    lease->none = a.reply.idle;
    if (!lease->none) {
        err_print(lease->job, sizeof lease->job, "%s", answer_text(&a, "job"));
        err_print(lease->token, sizeof lease->token, "%s", answer_text(&a, "lease_token"));
        lease->attempt = (int)answer_int(&a, "attempt");
    }
    answer_free(&a);
}

struct queue_lease shop_lease(const struct lease *l)
{
    return (struct queue_lease){l->job, l->attempt, l->token};
}

enum err shop_finish(struct shop *s, const struct lease *l, const char *outcome, const char *failure_class)
{
    struct queue_finish args = {.lease = shop_lease(l), .outcome = outcome, .failure_class = failure_class, .failure_message = "as told"};
    struct answer a;
    enum err e = ASK(a, queue_finish(s->q, &args, answer_done, &a));
    answer_free(&a);
    return e;
}

enum err shop_beat(struct shop *s, const struct lease *l, char command[16])
{
    struct queue_heartbeat args = {.lease = shop_lease(l), .epoch = -1, .epochs = -1, .step = -1, .eta_s = -1};
    struct answer a;
    enum err e = ASK(a, queue_heartbeat(s->q, &args, answer_done, &a));
    if (command) err_print(command, 16, "%s", answer_text(&a, "command"));
    answer_free(&a);
    return e;
}

void shop_reap(struct shop *s)
{
    struct answer a;
    CHECK_INT(ASK(a, queue_reap(s->q, answer_done, &a)), OK);
    answer_free(&a);
}

const char *shop_state(struct shop *s, const char *job)
{
    static _Thread_local char state[16];
    struct answer a;
    CHECK_INT(ASK(a, queue_get(s->q, job, NULL, answer_done, &a)), OK);
    err_print(state, sizeof state, "%s", answer_text(&a, "state"));
    answer_free(&a);
    return state;
}

enum err shop_metric(struct shop *s, const struct lease *l, int64_t seq, const char *name, int64_t step, double value)
{
    struct metric_batch batch = {.seq = seq, .count = 1, .series = calloc(1, sizeof *batch.series)};
    struct answer a;
    snprintf(batch.series->name, sizeof batch.series->name, "%s", name);
    batch.series->kind = strncmp(name, "time/", 5) ? METRIC_RESULT : METRIC_TIMING;
    batch.series->count = 1;
    batch.series->steps = calloc(1, sizeof(int64_t));
    batch.series->values = calloc(1, sizeof(double));
    batch.series->steps[0] = step;
    batch.series->values[0] = value;
    struct queue_metrics args = {shop_lease(l), &batch};
    enum err e = ASK(a, queue_metrics(s->q, &args, answer_done, &a));
    metric_batch_free(&batch);
    answer_free(&a);
    return e;
}
