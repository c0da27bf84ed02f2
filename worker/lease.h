/* lease: one attempt's right to write: a thread of its own keeps it alive, brings commands and says when it is lost. */
#ifndef WORKER_LEASE_H
#define WORKER_LEASE_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/api/api_call.h"
#include "schema/base/err.h"

/* Who may write, on every call of the attempt. Plain storage. */
struct lease_key {
    char job[64], token[160], attempt[16]; /* attempt as text: it stands in the path */
    int64_t lease_ms, heartbeat_ms;
};
enum lease_command { LEASE_GO_ON, LEASE_CANCEL, LEASE_PAUSE, LEASE_PREEMPT, LEASE_PRUNE };
struct lease_progress {
    char phase[16];
    int64_t epoch, epochs, step;
    double eta_s; /* NaN or negative: not known */
};
struct lease;

/* Starts the thread. Its heartbeats have a connection of their own, are sent every heartbeat_ms from the start of the one
   before, and are parked by the server meanwhile (a command arrives at once). While the server is away it goes on trying;
   `away_ms_max` after the last answer the lease counts as lost (never before lease_ms). `interrupt` (may be NULL) turns true
   when a command arrives or the lease is lost. */
struct lease *lease_start(struct api_client *client, const struct lease_key *key, int64_t away_ms_max, atomic_bool *interrupt);
/* One heartbeat now, from the caller's thread and connection: what lease_progress was told last stands before the attempt ends. */
void lease_beat(struct lease *lease, struct api_client *client);
void lease_over(struct lease *lease); /* the attempt was finished or given back: losing the lease now is no news */
void lease_stop(struct lease *lease); /* within 0.3 s; frees; NULL is fine */
/* What the child trains with, as soon as it says so: goes with a heartbeat until one has arrived; a sweep's other jobs wait for it. */
void lease_kernels(struct lease *lease, const json_t *kernels);
void lease_progress(struct lease *lease, const struct lease_progress *progress); /* what the next heartbeat says; one goes out at once for
   a new phase, and for a new epoch when the last is a second old */
/* The last command, and how long from its arrival the attempt has to end (0: not said). */
enum lease_command lease_command(struct lease *lease, int64_t *deadline_ms);
/* Lost for good: 409 lease_lost, or nobody answered for too long. `note` (may be NULL) says which. */
bool lease_lost(struct lease *lease, struct err_note *note);
const char *lease_command_word(enum lease_command command);
#endif
