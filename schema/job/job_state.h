/* job_state: the states of a job, the moves between them and who may make them (job_state.tbl draws the picture). */
#ifndef SCHEMA_JOB_JOB_STATE_H
#define SCHEMA_JOB_JOB_STATE_H
#include <stdbool.h>

#define STATE(name, word, is_end) name,
enum job_state {
#include "schema/job/job_state.tbl"
    JOB_STATE_COUNT
};
#undef STATE
#define REASON(name, word) name,
enum job_reason {
#include "schema/job/job_state.tbl"
    REASON_COUNT
};
#undef REASON
#define PHASE(name, word) name,
enum job_phase {
#include "schema/job/job_state.tbl"
    PHASE_COUNT
};
#undef PHASE
#define FAILURE(name, word, retried) name,
enum job_failure {
#include "schema/job/job_state.tbl"
    FAILURE_COUNT
};
#undef FAILURE
enum job_mover { BY_USER = 1, BY_WORKER = 2, BY_SERVER = 4, BY_ANYONE = 7 };

/* Words on the wire and in the database. REASON_NONE, PHASE_NONE and FAILURE_NONE are "". */
const char *job_state_word(enum job_state state);
const char *job_reason_word(enum job_reason reason);
const char *job_phase_word(enum job_phase phase);
const char *job_failure_word(enum job_failure failure);
/* The word's value, or -1 when there is none. `word` may be NULL, which is "". */
int job_state_of_word(const char *word);
int job_reason_of_word(const char *word);
int job_phase_of_word(const char *word);
int job_failure_of_word(const char *word);
/* All words, ending with NULL: for enums, filters and nearest-word search. */
const char *const *job_state_words(void);
const char *const *job_failure_words(void);
const char *const *job_phase_words(void);

bool job_state_is_end(enum job_state state);
bool job_failure_is_retried(enum job_failure failure); /* by itself, with backoff, up to max_attempts */
/* Whether the move is a row of the table at all, and whether that mover may make it. No state moves to itself. */
bool job_state_may(enum job_state from, enum job_state to);
bool job_state_may_by(enum job_state from, enum job_state to, enum job_mover who);
/* The move's reason in a few words, "" when it is not a row. */
const char *job_state_move_text(enum job_state from, enum job_state to);
#endif
