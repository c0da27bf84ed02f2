/* lease: the heartbeat thread. */
#include "worker/lease.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/clock.h"
#include "schema/base/log.h"

enum { ANSWER_MS_MIN = 1000, ANSWER_MS_MAX = 10000, RETRY_MS_MIN = 100, RETRY_MS_MAX = 5000, EPOCH_MS_MIN = 1000 };
static const char *const words[] = {"none", "cancel", "pause", "preempt", "prune", NULL};

struct lease {
    struct api_client *client;
    struct lease_key key;
    int64_t away_ms_max;
    pthread_t thread;
    atomic_bool stop, over, *interrupt;
    atomic_bool hurry; /* ends the beat that is parked, and the sleep after one: there is a new phase or epoch to tell, or an end */
    pthread_mutex_t lock; /* over what follows */
    struct lease_progress progress;
    int64_t begun_ms;       /* of the last beat */
    json_t *kernels;        /* not told yet; NULL: nothing to tell */
    enum lease_command command;
    int64_t deadline_at_ms; /* 0: none */
    bool lost;
    struct err_note why;
};

const char *lease_command_word(enum lease_command command)
{
    return words[command];
}

static json_t *body_of(struct lease *lease)
{
    pthread_mutex_lock(&lease->lock);
    struct lease_progress p = lease->progress;
    json_t *kernels = json_deep_copy(lease->kernels); /* a copy: references are not counted between threads */
    pthread_mutex_unlock(&lease->lock);
    json_t *body = json_pack("{s:s}", "lease_token", lease->key.token);
    if (!body) abort();
    if (kernels) json_object_set_new(body, "kernels", kernels);
    if (*p.phase) json_object_set_new(body, "phase", json_string(p.phase));
    if (p.epochs > 0) {
        json_object_set_new(body, "epoch", json_integer(p.epoch));
        json_object_set_new(body, "epochs", json_integer(p.epochs));
        json_object_set_new(body, "step", json_integer(p.step));
    }
    if (isfinite(p.eta_s) && p.eta_s >= 0 && p.epochs > 0) json_object_set_new(body, "eta_s", json_real(p.eta_s));
    return body;
}

static void take_answer(struct lease *lease, const json_t *answer)
{
    const char *word = json_string_value(json_object_get(answer, "command"));
    int64_t deadline_ms = json_integer_value(json_object_get(answer, "deadline_ms"));
    enum lease_command command = LEASE_GO_ON;
    for (int i = 0; word && words[i]; i++)
        if (!strcmp(words[i], word)) command = (enum lease_command)i;
    pthread_mutex_lock(&lease->lock);
    if (command != LEASE_GO_ON && command != lease->command) {
        lease->command = command;
        lease->deadline_at_ms = deadline_ms > 0 ? clock_mono_ms() + deadline_ms : 0;
        log_info("lease.command", "job=%s attempt=%s command=%s deadline_ms=%lld", lease->key.job, lease->key.attempt, word,
                 (long long)deadline_ms);
        if (lease->interrupt) *lease->interrupt = true;
    }
    pthread_mutex_unlock(&lease->lock);
}

static void forget_kernels(struct lease *lease)
{
    pthread_mutex_lock(&lease->lock);
    json_decref(lease->kernels);
    lease->kernels = NULL;
    pthread_mutex_unlock(&lease->lock);
}

static void lose(struct lease *lease, const struct err_note *why)
{
    pthread_mutex_lock(&lease->lock);
    lease->lost = true;
    lease->why = *why;
    pthread_mutex_unlock(&lease->lock);
    if (lease->over) return;
    if (lease->interrupt) *lease->interrupt = true;
    log_warn("lease.lost", "job=%s attempt=%s why=%s", lease->key.job, lease->key.attempt, why->detail);
}

/* `wait_ms` in whole seconds that surely end before the next beat is due; leases of a test are not parked at all. */
static enum err beat(struct lease *lease, struct api_client *client, int64_t wait_ms, const atomic_bool *stop, struct err_note *note)
{
    char wait[24];
    snprintf(wait, sizeof wait, "%lld", (long long)(wait_ms / 1000));
    json_t *body = body_of(lease);
    int64_t answer_ms = lease->key.lease_ms / 3; /* a connection that swallows one beat leaves time for another */
    answer_ms = answer_ms < ANSWER_MS_MIN ? ANSWER_MS_MIN : answer_ms > ANSWER_MS_MAX ? ANSWER_MS_MAX : answer_ms;
    struct api_call call = {.op = API_ATTEMPT_HEARTBEAT, .params = {{"job", lease->key.job}, {"n", lease->key.attempt}, {"wait", wait}},
                            .body = body, .timeout_ms = answer_ms, .stop = stop};
    struct api_reply reply;
    enum err e = api_call(client, &call, &reply, note);
    if (!e) take_answer(lease, reply.json);
    if (!e && json_object_get(body, "kernels")) forget_kernels(lease);
    api_reply_free(&reply);
    json_decref(body);
    return e;
}

/* An answer that no later one can mend. Anything else (no answer, busy, a proxy's page) is waited out. */
static bool is_final(enum err e)
{
    return e == ERR_LEASE_LOST || e == ERR_NOT_FOUND || e == ERR_UNAUTHORIZED || e == ERR_FORBIDDEN || e == ERR_STATE;
}

static void sleep_until(struct lease *lease, int64_t at_ms)
{
    for (int64_t left; !lease->hurry && (left = at_ms - clock_mono_ms()) > 0;) clock_sleep_ms(left < 50 ? left : 50);
}

/* Clears `hurry` unless it is for good: who sets it from now on has something to tell that the coming beat may not know. */
static void begin_beat(struct lease *lease)
{
    pthread_mutex_lock(&lease->lock);
    lease->hurry = lease->stop;
    lease->begun_ms = clock_mono_ms();
    pthread_mutex_unlock(&lease->lock);
}

static void *keep_alive(void *user)
{
    struct lease *lease = user;
    int64_t heard_ms = clock_mono_ms(), retry_ms = RETRY_MS_MIN;
    while (!lease->stop) {
        struct err_note note = {0};
        int64_t sent_ms = clock_mono_ms();
        begin_beat(lease);
        enum err e = beat(lease, lease->client, lease->key.heartbeat_ms, &lease->hurry, &note);
        if (lease->stop) break;
        if (e == ERR_CANCELLED) continue; /* for the next one */
        int64_t now_ms = clock_mono_ms();
        if (!e) {
            heard_ms = now_ms;
            retry_ms = RETRY_MS_MIN;
            sleep_until(lease, sent_ms + lease->key.heartbeat_ms);
            continue;
        }
        if (is_final(e) || now_ms - heard_ms > lease->away_ms_max) {
            lose(lease, &note);
            break;
        }
        if (retry_ms == RETRY_MS_MIN) log_warn("lease.unanswered", "job=%s why=%s", lease->key.job, note.detail);
        /* not full jitter: after a restart the lease must be renewed well within lease_ms */
        sleep_until(lease, now_ms + (int64_t)((0.5 + 0.5 * (double)(now_ms % 97) / 97.0) * (double)retry_ms));
        int64_t most = lease->key.heartbeat_ms < RETRY_MS_MAX ? lease->key.heartbeat_ms : RETRY_MS_MAX;
        retry_ms = retry_ms * 2 < most ? retry_ms * 2 : most;
    }
    return NULL;
}

struct lease *lease_start(struct api_client *client, const struct lease_key *key, int64_t away_ms_max, atomic_bool *interrupt)
{
    struct lease *lease = calloc(1, sizeof *lease);
    if (!lease) abort();
    lease->client = client;
    lease->key = *key;
    lease->interrupt = interrupt;
    lease->away_ms_max = away_ms_max > key->lease_ms ? away_ms_max : key->lease_ms;
    pthread_mutex_init(&lease->lock, NULL);
    if (pthread_create(&lease->thread, NULL, keep_alive, lease)) abort();
    return lease;
}

void lease_beat(struct lease *lease, struct api_client *client)
{
    struct err_note note;
    enum err e = beat(lease, client, 0, &lease->stop, &note);
    if (e) log_debug("lease.beat", "job=%s %s", lease->key.job, note.detail); /* the thread's own beats decide */
}

void lease_over(struct lease *lease)
{
    lease->over = true;
}

void lease_stop(struct lease *lease)
{
    if (!lease) return;
    pthread_mutex_lock(&lease->lock);
    lease->stop = lease->hurry = true;
    pthread_mutex_unlock(&lease->lock);
    pthread_join(lease->thread, NULL);
    pthread_mutex_destroy(&lease->lock);
    explicit_bzero(lease->key.token, sizeof lease->key.token);
    json_decref(lease->kernels);
    free(lease);
}

void lease_kernels(struct lease *lease, const json_t *kernels)
{
    pthread_mutex_lock(&lease->lock);
    json_decref(lease->kernels);
    lease->kernels = json_deep_copy(kernels);
    pthread_mutex_unlock(&lease->lock);
}

void lease_progress(struct lease *lease, const struct lease_progress *progress)
{
    pthread_mutex_lock(&lease->lock);
    bool due = clock_mono_ms() - lease->begun_ms >= EPOCH_MS_MIN; /* epochs may take milliseconds */
    if (strcmp(lease->progress.phase, progress->phase) != 0 || (due && lease->progress.epoch != progress->epoch)) lease->hurry = true;
    lease->progress = *progress;
    pthread_mutex_unlock(&lease->lock);
}

enum lease_command lease_command(struct lease *lease, int64_t *deadline_ms)
{
    pthread_mutex_lock(&lease->lock);
    enum lease_command command = lease->command;
    int64_t left = lease->deadline_at_ms ? lease->deadline_at_ms - clock_mono_ms() : 0;
    *deadline_ms = !lease->deadline_at_ms ? 0 : left > 1 ? left : 1;
    pthread_mutex_unlock(&lease->lock);
    return command;
}

bool lease_lost(struct lease *lease, struct err_note *note)
{
    pthread_mutex_lock(&lease->lock);
    bool lost = lease->lost;
    if (lost && note) *note = lease->why;
    pthread_mutex_unlock(&lease->lock);
    return lost;
}
