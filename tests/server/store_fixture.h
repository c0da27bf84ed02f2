/* store_fixture: a store and a queue in the test's own folder, called as if they answered at once. */
#ifndef TESTS_SERVER_STORE_FIXTURE_H
#define TESTS_SERVER_STORE_FIXTURE_H
#include <jansson.h>
#include <semaphore.h>
#include "server/queue.h"

struct shop {
    struct store *store;
    struct blob_store *blobs;
    struct queue *q;
};
/* Folder "shop" in the test's folder. `settings` NULL: a lease of 1 s, backoff 200 ms. */
void shop_open(struct shop *s, const struct queue_settings *settings);
void shop_close(struct shop *s);

/* An answer that can be waited for. */
struct answer {
    sem_t came;
    struct queue_reply reply; /* json is the test's: answer_free */
    json_t *json;             /* parsed, when it is JSON */
};
void answer_start(struct answer *a);
void answer_done(void *context, struct queue_reply *reply); /* queue_done */
void answer_free(struct answer *a);
/* ASK(a, queue_get(q, id, answer_done, &a)): posts, waits, gives the error. Free the answer after. */
#define ASK(a, call) (answer_start(&(a)), answer_wait(&(a), (call)))
enum err answer_wait(struct answer *a, enum err posted);
/* The text at a path like "state" or "failure.class" of the answer; "" when absent or null. Static storage. */
const char *answer_text(const struct answer *a, const char *path);
long long answer_int(const struct answer *a, const char *path); /* -1 when absent or null; booleans 0 and 1 */

/* One job, one worker, one claim: what most tests begin with. */
void shop_submit(struct shop *s, const char *key, char id[UUID_TEXT]); /* key NULL = none */
void shop_worker(struct shop *s, char id[UUID_TEXT]);
struct lease { /* of a claimed job */
    char job[UUID_TEXT], token[40];
    int attempt;
    bool none;
};
void shop_claim(struct shop *s, const char *worker, const char *key, struct lease *lease);
struct queue_lease shop_lease(const struct lease *l);
enum err shop_finish(struct shop *s, const struct lease *l, const char *outcome, const char *failure_class);
enum err shop_beat(struct shop *s, const struct lease *l, char command[16]);
void shop_reap(struct shop *s);
/* "state" of the job; static storage. */
const char *shop_state(struct shop *s, const char *job);
/* One series with one point. */
enum err shop_metric(struct shop *s, const struct lease *l, int64_t seq, const char *name, int64_t step, double value);
#endif
