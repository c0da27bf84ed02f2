/* bench_store: durable submits a second of the store alone (no HTTP) with 1, 16 and 64 submitting threads, each waiting for its answer. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "server/queue.h"

enum { SPEC_BYTES = 1500, SECONDS = 4 };
static struct queue *q;
static atomic_bool stop;
static char spec[SPEC_BYTES + 1];

struct client {
    sem_t answered;
    long count;
};

static void answered(void *context, struct queue_reply *reply)
{
    if (reply->error) abort();
    sem_post(&((struct client *)context)->answered);
}

static void *submit(void *context)
{
    struct client *c = context;
    struct queue_job job = {.name = "bench", .project = "default", .strategy = "constant", .tags_json = "[]", .spec_json = spec,
                            .loss_resolved_json = "{\"strategy\":\"constant\"}", .max_attempts = 3, .epochs = 15};
    struct queue_submit args = {.jobs = &job, .count = 1, .token_id = "local"};
    while (!stop) {
        if (queue_submit(q, &args, answered, c)) continue;
        sem_wait(&c->answered);
        c->count++;
    }
    return NULL;
}

static void measure(struct store *s, int clients)
{
    struct client *c = calloc((size_t)clients, sizeof *c);
    pthread_t *threads = calloc((size_t)clients, sizeof *threads);
    struct store_counters before, after;
    long total = 0;
    if (!c || !threads) abort();
    stop = false;
    store_count(s, &before);
    int64_t start = clock_mono_ns();
    for (int i = 0; i < clients; i++) {
        sem_init(&c[i].answered, 0, 0);
        pthread_create(&threads[i], NULL, submit, &c[i]);
    }
    clock_sleep_ms(SECONDS * 1000);
    stop = true;
    for (int i = 0; i < clients; i++) {
        pthread_join(threads[i], NULL);
        total += c[i].count;
    }
    double seconds = (double)(clock_mono_ns() - start) / 1e9;
    store_count(s, &after);
    printf("%3d threads: %8.0f durable submits/s, %5.1f a commit, %d-byte spec\n", clients, (double)total / seconds,
           (double)(after.commands - before.commands) / (double)(after.batches - before.batches), SPEC_BYTES);
    free(c);
    free(threads);
}

int main(void)
{
    char folder[] = "/tmp/bench_store.XXXXXX", command[64];
    struct store *s;
    struct err_note note = {0};
    log_set_level(LOG_LEVEL_WARN);
    memset(spec, ' ', SPEC_BYTES);
    int n = snprintf(spec, SPEC_BYTES, "{\"dataset\":{\"path\":\"x\"},\"notes\":\"%01400d\"", 0);
    spec[n] = ' ';
    spec[SPEC_BYTES - 1] = '}';
    if (!mkdtemp(folder) || store_open(&(struct store_settings){.folder = folder}, &s, &note) || queue_open(s, NULL, NULL, &q, &note)) {
        fprintf(stderr, "bench_store: %s\n", note.detail);
        return 1;
    }
    static const int clients[] = {1, 16, 64};
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) measure(s, clients[i]);
    store_close(s);
    queue_close(q);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}
