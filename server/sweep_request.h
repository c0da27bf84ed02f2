/* sweep_request: the body of a sweep, read, expanded into its trials, each resolved: what the queue takes, and what a preview says. */
#ifndef SERVER_SWEEP_REQUEST_H
#define SERVER_SWEEP_REQUEST_H
#include "schema/job/sweep_spec.h"
#include "server/queue_sweep.h"
#include "server/submit.h"

struct sweep_request {
    struct sweep_spec spec;
    struct sweep_plan plan;
    struct submission *jobs;     /* one a trial, in the plan's order */
    json_t *specs;               /* array: the same resolved, to look at */
    struct queue_trial *trials;
    struct queue_sweep args;     /* points into the rest; idempotency_key and token_id are the caller's */
    char *spec_text, *not_built_text, body_sha256[SHA256_HEX];
};
struct sweep_request *sweep_request_new(void);
void sweep_request_free(struct sweep_request *s);
/* ERR_BAD_JSON, ERR_TOO_LARGE with a note; ERR_SPEC with every mistake in `errors`: of the sweep's keys, else of its jobs; the
   latter once each, at /base..., with the trial that shows it. */
enum err sweep_request_read(struct sweep_request *s, const char *body, size_t length, struct err_list *errors, struct err_note *note) MUST_USE;
/* {trials, variants, seeds, ..., compute{epochs, steps, pictures, memory_bytes}, labels[]}: how many jobs, how much compute. New reference. */
json_t *sweep_request_preview(const struct sweep_request *s);
#endif
