/* test_json_lines: the events of schema/README.md on the fd, and the flag that TERM sets. */
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"
#include "worker/run/json_lines.h"

static json_t *next_line(FILE *from)
{
    char line[4096];
    CHECK(fgets(line, sizeof line, from));
    CHECK(line[strlen(line) - 1] == '\n');
    json_t *event = json_loads(line, 0, NULL);
    CHECK(event);
    return event;
}

void test_json_lines_groups_points_into_columns_and_types_what_is_not_finite(void)
{
    int ends[2];
    CHECK(!pipe(ends));
    struct json_lines *lines = json_lines_open(ends[1]);
    const struct metric_point points[] = {{"loss/total", false, false, 1, 0.1}, {"loss/total", false, false, 2, NAN},
                                          {"time/epoch_s", true, true, 0, INFINITY}};
    json_lines_metric(lines, points, 3);
    json_lines_metric(lines, points, 0);
    json_lines_checkpoint(lines, &(struct checkpoint_event){"a.ckpt", "ff", 9, 20, 1, true, 0.75});
    json_lines_log(lines, "warn", "bad byte \xff in %s", "a name");
    json_lines_emit(lines, "done", json_pack("{s:{s:i}}", "result", "epochs", 2));
    FILE *from = fdopen(ends[0], "r");
    json_t *event = next_line(from), *series = json_object_get(event, "series");
    CHECK_TEXT(json_string_value(json_object_get(event, "event")), "metric");
    CHECK_INT(json_array_size(series), 2);
    json_t *first = json_array_get(series, 0), *second = json_array_get(series, 1);
    CHECK_INT(json_array_size(json_object_get(first, "steps")), 2);
    CHECK(json_real_value(json_array_get(json_object_get(first, "values"), 0)) == 0.1);
    CHECK_TEXT(json_string_value(json_array_get(json_object_get(first, "values"), 1)), "NaN");
    CHECK_TEXT(json_string_value(json_object_get(second, "kind")), "timing");
    CHECK_TEXT(json_string_value(json_object_get(second, "x")), "epoch");
    CHECK_TEXT(json_string_value(json_array_get(json_object_get(second, "values"), 0)), "Infinity");
    json_decref(event);
    event = next_line(from);
    CHECK_TEXT(json_string_value(json_object_get(event, "event")), "checkpoint");
    CHECK(json_is_true(json_object_get(event, "best")));
    json_decref(event);
    event = next_line(from);
    CHECK_TEXT(json_string_value(json_object_get(event, "text")), "bad byte ? in a name");
    json_decref(event);
    event = next_line(from);
    CHECK_TEXT(json_string_value(json_object_get(event, "event")), "done");
    json_decref(event);
    fclose(from);
    json_lines_close(lines);
}

static void *send_many(void *lines)
{
    for (int i = 0; i < 5000; i++) json_lines_progress(lines, i, 5000, i, 1.5, 2.5);
    json_lines_close(lines);
    return NULL;
}

void test_json_lines_wait_for_a_slow_reader_and_drop_nothing(void)
{
    int ends[2];
    CHECK(!pipe(ends));
    pthread_t writer;
    CHECK(!pthread_create(&writer, NULL, send_many, json_lines_open(ends[1])));
    usleep(50000); /* the pipe is full long before this */
    FILE *from = fdopen(ends[0], "r");
    for (int i = 0; i < 5000; i++) {
        json_t *event = next_line(from);
        CHECK_INT(json_integer_value(json_object_get(event, "step")), i);
        json_decref(event);
    }
    CHECK(fgetc(from) == EOF);
    pthread_join(writer, NULL);
    fclose(from);
}

void test_json_lines_end_the_child_when_nobody_listens(void)
{
    int ends[2];
    CHECK(!pipe(ends));
    close(ends[0]);
    pid_t pid = fork();
    if (pid == 0) {
        struct json_lines *lines = json_lines_open(ends[1]);
        json_lines_phase(lines, "training");
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 70);
}

void test_term_raises_a_flag_and_a_second_one_ends_only_who_is_alone(void)
{
    term_watch(false);
    CHECK(!term_requested());
    raise(SIGTERM);
    CHECK(term_requested());
    raise(SIGTERM);
    pid_t pid = fork();
    if (pid == 0) {
        term_watch(true);
        raise(SIGINT);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(WEXITSTATUS(status), 130);
}
