/* test_lease: the heartbeat thread against a server that parks every beat: a new phase does not wait for the next one to be due. */
#include "worker/lease.h"

#include <math.h>
#include <pthread.h>

#include "schema/base/clock.h"
#include "tests/check.h"
#include "tests/fake_server.h"

/* The next beat is due in ten minutes: whatever arrives before was sent for its own sake. */
enum { LEASE_MS = 2400000, HEARTBEAT_MS = 600000 };
struct parked {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool parks, open; /* `open`: nothing is parked any more */
    int beats;
    char phases[256]; /* of every beat, in order */
};

static void answer(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    struct parked *p = user;
    json_t *body = json_loadb(request->body, request->length, 0, NULL);
    const char *phase = json_string_value(json_object_get(body, "phase"));
    pthread_mutex_lock(&p->lock);
    size_t n = strlen(p->phases);
    snprintf(p->phases + n, sizeof p->phases - n, "%s ", phase ? phase : "-");
    p->beats++;
    while (p->parks && !p->open) pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    json_decref(body);
    fake_say(reply, 200, "{\"lease_ms\":%d,\"command\":\"none\",\"deadline_ms\":0}", LEASE_MS);
}

static void wait_for_beats(struct parked *p, int count)
{
    for (int i = 0;; i++) {
        pthread_mutex_lock(&p->lock);
        bool met = p->beats >= count;
        pthread_mutex_unlock(&p->lock);
        if (met) return;
        if (i > 2000) check_fail(__FILE__, __LINE__, "%d beats after 20 s, want %d: %s", p->beats, count, p->phases);
        clock_sleep_ms(10);
    }
}

static void tell(struct lease *lease, const char *phase, int64_t epoch, int64_t step)
{
    struct lease_progress progress = {.epoch = epoch, .epochs = 5, .step = step, .eta_s = NAN};
    snprintf(progress.phase, sizeof progress.phase, "%s", phase);
    lease_progress(lease, &progress);
}

/* Runs `told` on a lease against a server that parks, or answers at once; then stops both. */
static void with_lease(struct parked *p, void (*told)(struct parked *p, struct lease *lease))
{
    struct fake_server *server = fake_server_start(0, answer, p);
    struct api_settings settings = {.program = "test", .server = fake_server_address(server)};
    struct api_client *client;
    struct lease_key key = {.job = "job", .token = "token", .attempt = "1", .lease_ms = LEASE_MS, .heartbeat_ms = HEARTBEAT_MS};
    CHECK_INT(api_client_new(&settings, &client, NULL), OK);
    struct lease *lease = lease_start(client, &key, 0, NULL);
    wait_for_beats(p, 1);
    told(p, lease);
    lease_stop(lease);
    pthread_mutex_lock(&p->lock);
    p->open = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    fake_server_stop(server);
    api_client_free(client);
}

static void tell_phases(struct parked *p, struct lease *lease)
{
    tell(lease, "training", 1, 1);
    wait_for_beats(p, 2);
    for (int64_t step = 2; step < 100; step++) tell(lease, "training", 1, step); /* no news: the next beat is soon enough */
    tell(lease, "evaluating", 1, 100);
    wait_for_beats(p, 3);
}

static void tells_each_phase_at_once(bool parks)
{
    struct parked p = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .parks = parks};
    with_lease(&p, tell_phases);
    CHECK_TEXT(p.phases, "- training evaluating ");
}

void test_lease_tells_a_new_phase_at_once_while_its_heartbeat_is_parked(void)
{
    tells_each_phase_at_once(true);
}

void test_lease_tells_a_new_phase_at_once_between_two_heartbeats(void)
{
    tells_each_phase_at_once(false);
}

/* Epochs of ten milliseconds: one beat for many of them, and a second lies between two beats. */
static void tell_epochs(struct parked *p, struct lease *lease)
{
    tell(lease, "training", 1, 1);
    wait_for_beats(p, 2);
    int64_t began_ms = clock_mono_ms(), epoch = 1;
    for (int seen = 2; seen < 4; clock_sleep_ms(10)) {
        epoch++;
        tell(lease, "training", epoch, epoch);
        pthread_mutex_lock(&p->lock);
        seen = p->beats;
        pthread_mutex_unlock(&p->lock);
        if (epoch > 2000) check_fail(__FILE__, __LINE__, "2000 epochs of 10 ms, and only %d beats", seen);
    }
    CHECK(clock_mono_ms() - began_ms >= 1900); /* the second beat went out a little before `began_ms` */
}

void test_lease_tells_a_new_epoch_when_the_last_beat_is_a_second_old(void)
{
    struct parked p = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .parks = true};
    with_lease(&p, tell_epochs);
    CHECK_TEXT(p.phases, "- training training training ");
}
