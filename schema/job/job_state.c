/* job_state: the rows of job_state.tbl as arrays, and the look-ups over them. */
#include "schema/job/job_state.h"

#include <stddef.h>
#include <string.h>

#define STATE(name, word, is_end) word,
static const char *const state_words[] = {
#include "schema/job/job_state.tbl"
    NULL};
#undef STATE
#define STATE(name, word, is_end) is_end,
static const bool state_ends[] = {
#include "schema/job/job_state.tbl"
};
#undef STATE
#define REASON(name, word) word,
static const char *const reason_words[] = {
#include "schema/job/job_state.tbl"
    NULL};
#undef REASON
#define PHASE(name, word) word,
static const char *const phase_words[] = {
#include "schema/job/job_state.tbl"
    NULL};
#undef PHASE
#define FAILURE(name, word, retried) word,
static const char *const failure_words[] = {
#include "schema/job/job_state.tbl"
    NULL};
#undef FAILURE
#define FAILURE(name, word, retried) retried,
static const bool failure_retried[] = {
#include "schema/job/job_state.tbl"
};
#undef FAILURE
#define MOVE(from, to, who, why) {from, to, who, why},
static const struct {
    enum job_state from, to;
    unsigned who;
    const char *why;
} moves[] = {
#include "schema/job/job_state.tbl"
};
#undef MOVE
enum { MOVE_COUNT = sizeof moves / sizeof moves[0] };

static int of_word(const char *const *words, const char *word)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], word ? word : "")) return i;
    return -1;
}

const char *job_state_word(enum job_state state)
{
    return state_words[state];
}

const char *job_reason_word(enum job_reason reason)
{
    return reason_words[reason];
}

const char *job_phase_word(enum job_phase phase)
{
    return phase_words[phase];
}

const char *job_failure_word(enum job_failure failure)
{
    return failure_words[failure];
}

int job_state_of_word(const char *word)
{
    return of_word(state_words, word);
}

int job_reason_of_word(const char *word)
{
    return of_word(reason_words, word);
}

int job_phase_of_word(const char *word)
{
    return of_word(phase_words, word);
}

int job_failure_of_word(const char *word)
{
    return of_word(failure_words, word);
}

const char *const *job_state_words(void)
{
    return state_words;
}

const char *const *job_failure_words(void)
{
    return failure_words + 1; /* without the empty one */
}

const char *const *job_phase_words(void)
{
    return phase_words + 1;
}

bool job_state_is_end(enum job_state state)
{
    return state_ends[state];
}

bool job_failure_is_retried(enum job_failure failure)
{
    return failure_retried[failure];
}

/* The row of a move, or MOVE_COUNT. */
static size_t find_move(enum job_state from, enum job_state to)
{
    size_t i = 0;
    while (i < MOVE_COUNT && (moves[i].from != from || moves[i].to != to)) i++;
    return i;
}

bool job_state_may(enum job_state from, enum job_state to)
{
    return find_move(from, to) < MOVE_COUNT;
}

bool job_state_may_by(enum job_state from, enum job_state to, enum job_mover who)
{
    size_t i = find_move(from, to);
    return i < MOVE_COUNT && (moves[i].who & (unsigned)who);
}

const char *job_state_move_text(enum job_state from, enum job_state to)
{
    size_t i = find_move(from, to);
    return i < MOVE_COUNT ? moves[i].why : "";
}
