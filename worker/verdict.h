/* verdict: why a child was stopped, how it ended, and what the server is told about it; one table, no waiting, no network. */
#ifndef WORKER_VERDICT_H
#define WORKER_VERDICT_H
#include <stdbool.h>
#include "schema/job/job_state.h"
#include "worker/lease.h"

/* In the order of their weight: a later one replaces an earlier one. */
enum stop_reason {
    STOP_NOT, STOP_DRAIN, STOP_PREEMPT, STOP_PAUSE, STOP_PRUNE, STOP_CANCEL, STOP_TIMEOUT, STOP_STUCK, STOP_NO_SPACE, STOP_REFUSED,
    STOP_LOST, STOP_AT_ONCE
};
enum stop_reason stop_of_command(enum lease_command command);
bool stop_kills(enum stop_reason reason);  /* KILL at once: nothing the child could still do would count */
const char *stop_word(enum stop_reason reason);

struct child_end {
    enum stop_reason stopped;
    int exit_code, signal_number; /* as child_exit_code */
    bool killed;                  /* by us */
    bool out_of_memory;           /* the kernel killed somebody for want of memory meanwhile */
    bool done;                    /* a `done` event came, and every file it named was taken */
    enum job_failure failed;      /* class of the `failed` event, or FAILURE_NONE */
    const char *message;          /* of the `failed` event, or of what made us stop it; may be "" */
};
struct verdict {
    enum { VERDICT_FINISH, VERDICT_RELEASE, VERDICT_DISCARD } what;
    const char *outcome;          /* finish: succeeded failed cancelled paused pruned; release: its reason */
    enum job_failure failure;     /* of outcome failed; worker_lost is never among them */
    char message[512];
};
void verdict_of(const struct child_end *end, struct verdict *verdict);
#endif
