/* verdict: two tables: what stopped it, and what its exit code means. */
#include "worker/verdict.h"

#include <signal.h>
#include <string.h>

enum { EXIT_STOPPED = 75 };
static const struct {
    const char *word;    /* of the release, or for the log */
    const char *outcome; /* of the finish; NULL: released or discarded */
    bool kills, discards;
    enum job_failure failure;
} stops[] = {
    [STOP_NOT] = {"stopped from outside", NULL, false, false, FAILURE_NONE},
    [STOP_DRAIN] = {"drain", NULL, false, false, FAILURE_NONE},
    [STOP_PREEMPT] = {"preempt", NULL, false, false, FAILURE_NONE},
    [STOP_PAUSE] = {"pause", "paused", false, false, FAILURE_NONE},
    [STOP_PRUNE] = {"prune", "pruned", false, false, FAILURE_NONE},
    [STOP_CANCEL] = {"cancel", "cancelled", false, false, FAILURE_NONE},
    [STOP_TIMEOUT] = {"timeout", "failed", false, false, FAILURE_TIMEOUT},
    [STOP_STUCK] = {"no progress", "failed", true, false, FAILURE_NO_PROGRESS},
    [STOP_NO_SPACE] = {"no space", "failed", true, false, FAILURE_NO_SPACE},
    [STOP_REFUSED] = {"refused", "failed", true, false, FAILURE_INTERNAL},
    [STOP_LOST] = {"lease lost", NULL, true, true, FAILURE_NONE},
    [STOP_AT_ONCE] = {"second TERM", NULL, true, true, FAILURE_NONE},
};
static const struct {
    int code;
    enum job_failure failure;
    const char *message;
} exits[] = {
    {65, FAILURE_DATA_ERROR, "tandem-train refused its job or its data without saying why"},
    {71, FAILURE_OUT_OF_MEMORY, "tandem-train could not get the memory it asked for"},
    {73, FAILURE_NO_SPACE, "the worker's disk is full"},
    {76, FAILURE_DIVERGED, "a loss or a weight was no longer finite"},
    {127, FAILURE_INTERNAL, "tandem-train could not be started"},
};

enum stop_reason stop_of_command(enum lease_command command)
{
    static const enum stop_reason of[] = {[LEASE_GO_ON] = STOP_NOT, [LEASE_CANCEL] = STOP_CANCEL, [LEASE_PAUSE] = STOP_PAUSE,
                                          [LEASE_PREEMPT] = STOP_PREEMPT, [LEASE_PRUNE] = STOP_PRUNE};
    return of[command];
}

bool stop_kills(enum stop_reason reason)
{
    return stops[reason].kills;
}

const char *stop_word(enum stop_reason reason)
{
    return stops[reason].word;
}

static void finish(struct verdict *v, const char *outcome, enum job_failure failure, const char *message)
{
    v->what = VERDICT_FINISH;
    v->outcome = outcome;
    v->failure = failure;
    err_print(v->message, sizeof v->message, "%s", message);
}

/* Nobody stopped it and it said nothing: the exit code or the signal must tell. */
static void explain(const struct child_end *end, struct verdict *v)
{
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
        if (exits[i].code == end->exit_code) {
            finish(v, "failed", exits[i].failure, exits[i].message);
            return;
        }
    if (end->signal_number == SIGKILL && end->out_of_memory) {
        finish(v, "failed", FAILURE_OUT_OF_MEMORY, "tandem-train was killed by the kernel: out of memory");
        return;
    }
    finish(v, "failed", FAILURE_INTERNAL, "");
    if (end->signal_number)
        err_print(v->message, sizeof v->message, "tandem-train ended by signal %d (%s)", end->signal_number, strsignal(end->signal_number));
    else if (end->exit_code == 0)
        err_print(v->message, sizeof v->message, "tandem-train ended without saying that it was done");
    else
        err_print(v->message, sizeof v->message, "tandem-train ended with status %d", end->exit_code);
}

void verdict_of(const struct child_end *end, struct verdict *v)
{
    memset(v, 0, sizeof *v);
    bool fell = end->exit_code != EXIT_STOPPED && !end->killed; /* by itself, not because it was told to */
    if (stops[end->stopped].discards) {
        v->what = VERDICT_DISCARD;
        v->outcome = stops[end->stopped].word;
    } else if (end->done && end->exit_code == 0) {
        finish(v, "succeeded", FAILURE_NONE, ""); /* it finished first: true whatever was asked meanwhile */
    } else if (end->stopped >= STOP_PAUSE) {
        finish(v, stops[end->stopped].outcome, stops[end->stopped].failure, end->message ? end->message : "");
    } else if (end->failed != FAILURE_NONE && fell) {
        finish(v, "failed", end->failed, end->message ? end->message : "");
    } else if (fell) {
        explain(end, v);
    } else {
        v->what = VERDICT_RELEASE;
        v->outcome = stops[end->stopped].word;
    }
}
