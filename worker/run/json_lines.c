/* json_lines: builds each event whole and writes it to the events fd under one lock; the TERM flag. */
#include "worker/run/json_lines.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/base/log.h"

enum { EXIT_INTERRUPTED = 130, EXIT_NO_PARENT = 70 };
struct json_lines {
    int fd;
    pthread_mutex_t lock;
};

struct json_lines *json_lines_open(int fd)
{
    struct json_lines *lines = calloc(1, sizeof *lines);
    if (!lines) abort();
    lines->fd = fd;
    pthread_mutex_init(&lines->lock, NULL);
    if (fd >= 0) signal(SIGPIPE, SIG_IGN); /* a parent that left is seen as EPIPE */
    return lines;
}

void json_lines_close(struct json_lines *lines)
{
    if (!lines) return;
    if (lines->fd >= 0) close(lines->fd);
    pthread_mutex_destroy(&lines->lock);
    free(lines);
}

bool json_lines_listened(const struct json_lines *lines)
{
    return lines->fd >= 0;
}

json_t *json_lines_number(double value)
{
    json_t *number = isnan(value) ? json_string("NaN")
                     : isinf(value) ? json_string(value > 0 ? "Infinity" : "-Infinity")
                                    : json_real(value);
    if (!number) abort();
    return number;
}

/* Blocks while the parent is slow: the pipe's few KiB are the only buffer between the two. */
static void write_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            log_error("events.lost", "the parent no longer listens: %s", strerror(errno));
            _exit(EXIT_NO_PARENT);
        }
        bytes += n;
        length -= (size_t)n;
    }
}

void json_lines_emit(struct json_lines *lines, const char *event, json_t *fields)
{
    assert(json_is_object(fields));
    if (lines->fd >= 0) {
        json_object_set_new(fields, "event", json_string(event));
        /* 17 digits bring every double back bit for bit */
        char *text = json_dumps(fields, JSON_COMPACT | JSON_REAL_PRECISION(17));
        size_t length = text ? strlen(text) : 0;
        char *line = text ? realloc(text, length + 1) : NULL;
        if (!line) abort();
        line[length] = '\n';
        pthread_mutex_lock(&lines->lock);
        write_all(lines->fd, line, length + 1);
        pthread_mutex_unlock(&lines->lock);
        free(line);
    }
    json_decref(fields);
}

static json_t *must(json_t *value)
{
    if (!value) abort();
    return value;
}

void json_lines_metric(struct json_lines *lines, const struct metric_point *points, size_t count)
{
    if (lines->fd < 0 || count == 0) return;
    json_t *all = must(json_array()), *steps = NULL, *values = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct metric_point *p = &points[i];
        if (i == 0 || strcmp(p->name, p[-1].name) || p->timing != p[-1].timing || p->by_epoch != p[-1].by_epoch) {
            steps = must(json_array());
            values = must(json_array());
            json_array_append_new(all, must(json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", p->name, "kind",
                                                      p->timing ? "timing" : "result", "x", p->by_epoch ? "epoch" : "step",
                                                      "steps", steps, "values", values)));
        }
        json_array_append_new(steps, json_integer(p->step));
        json_array_append_new(values, json_lines_number(p->value));
    }
    json_lines_emit(lines, "metric", must(json_pack("{s:o}", "series", all)));
}

void json_lines_phase(struct json_lines *lines, const char *phase)
{
    json_lines_emit(lines, "phase", must(json_pack("{s:s}", "phase", phase)));
}

void json_lines_progress(struct json_lines *lines, int64_t epoch, int64_t epochs, int64_t step, double eta_s, double images_per_s)
{
    json_lines_emit(lines, "progress", must(json_pack("{s:I, s:I, s:I, s:o, s:o}", "epoch", (json_int_t)epoch, "epochs",
                                                      (json_int_t)epochs, "step", (json_int_t)step, "eta_s",
                                                      json_lines_number(eta_s), "images_per_s", json_lines_number(images_per_s))));
}

void json_lines_log(struct json_lines *lines, const char *level, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0) text[0] = 0;
    va_end(args);
    json_t *said = json_string(text); /* NULL when the cut or a file name is not UTF-8 */
    if (!said) {
        for (char *c = text; *c; c++)
            if ((unsigned char)*c >= 128) *c = '?';
        said = must(json_string(text));
    }
    json_lines_emit(lines, "log", must(json_pack("{s:s, s:o}", "level", level, "text", said)));
}

void json_lines_checkpoint(struct json_lines *lines, const struct checkpoint_event *c)
{
    json_lines_emit(lines, "checkpoint",
                    must(json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:o}", "path", c->path, "sha256", c->sha256, "bytes",
                                   (json_int_t)c->bytes, "step", (json_int_t)c->step, "epoch", (json_int_t)c->epoch, "best",
                                   (int)c->best, "score", json_lines_number(c->score))));
}

void json_lines_preview(struct json_lines *lines, const char *path, const char *name, int64_t epoch)
{
    json_lines_emit(lines, "preview", must(json_pack("{s:s, s:s, s:I}", "path", path, "name", name, "epoch", (json_int_t)epoch)));
}

/* ---- TERM ------------------------------------------------------------------------------------------- */
static atomic_int term_count;
static atomic_bool term_alone;

static void on_term(int number)
{
    (void)number;
    if (atomic_fetch_add(&term_count, 1) > 0 && term_alone) _exit(EXIT_INTERRUPTED);
}

void term_watch(bool alone)
{
    term_alone = alone;
    struct sigaction action = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

bool term_requested(void)
{
    return term_count > 0;
}
