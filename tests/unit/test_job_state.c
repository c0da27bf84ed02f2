/* test_job_state: the table of moves says what the contract says. */
#include "schema/job/job_state.h"

#include "tests/check.h"

void test_job_state_words_go_there_and_back(void)
{
    for (int i = 0; i < JOB_STATE_COUNT; i++) CHECK_INT(job_state_of_word(job_state_word((enum job_state)i)), i);
    for (int i = 0; i < REASON_COUNT; i++) CHECK_INT(job_reason_of_word(job_reason_word((enum job_reason)i)), i);
    for (int i = 0; i < PHASE_COUNT; i++) CHECK_INT(job_phase_of_word(job_phase_word((enum job_phase)i)), i);
    for (int i = 0; i < FAILURE_COUNT; i++) CHECK_INT(job_failure_of_word(job_failure_word((enum job_failure)i)), i);
    CHECK_INT(job_state_of_word("done"), -1);
    CHECK_INT(job_state_of_word(NULL), -1);
    CHECK_INT(job_phase_of_word(NULL), PHASE_NONE);
    CHECK_TEXT(job_failure_words()[0], "spec_error");
}

void test_job_state_ends_are_left_only_by_a_users_retry(void)
{
    for (int from = 0; from < JOB_STATE_COUNT; from++)
        for (int to = 0; to < JOB_STATE_COUNT; to++) {
            enum job_state f = (enum job_state)from, t = (enum job_state)to;
            bool retry = (f == JOB_FAILED || f == JOB_CANCELLED) && t == JOB_QUEUED;
            if (job_state_is_end(f)) {
                CHECK_INT(job_state_may(f, t), retry);
                CHECK_INT(job_state_may_by(f, t, BY_USER), retry);
                CHECK(!job_state_may_by(f, t, BY_WORKER) && !job_state_may_by(f, t, BY_SERVER));
            }
            if (f == t) CHECK(!job_state_may(f, t));
            CHECK_INT(job_state_may(f, t), job_state_may_by(f, t, BY_ANYONE));
            CHECK_INT(job_state_may(f, t), job_state_move_text(f, t)[0] != 0);
        }
}

void test_job_state_runs_only_from_the_queue_and_by_a_worker(void)
{
    for (int from = 0; from < JOB_STATE_COUNT; from++)
        CHECK_INT(job_state_may((enum job_state)from, JOB_RUNNING), from == JOB_QUEUED);
    CHECK(job_state_may_by(JOB_QUEUED, JOB_RUNNING, BY_WORKER) && !job_state_may_by(JOB_QUEUED, JOB_RUNNING, BY_USER));
    CHECK(!job_state_may(JOB_RUNNING, JOB_CANCELLED)); /* it is asked to stop first */
    CHECK(job_state_may_by(JOB_RUNNING, JOB_STOPPING, BY_USER) && job_state_may_by(JOB_STOPPING, JOB_CANCELLED, BY_WORKER));
    CHECK(job_failure_is_retried(FAILURE_WORKER_LOST) && job_failure_is_retried(FAILURE_INTERNAL));
    for (int i = 0; i < FAILURE_COUNT; i++)
        CHECK_INT(job_failure_is_retried((enum job_failure)i), i == FAILURE_WORKER_LOST || i == FAILURE_INTERNAL);
}
