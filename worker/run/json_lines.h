/* json_lines: what tandem-train says to its parent, one JSON object a line on the events fd; and the flag that TERM sets. */
#ifndef WORKER_RUN_JSON_LINES_H
#define WORKER_RUN_JSON_LINES_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"

/* The events and their fields are those of schema/README.md. Every call writes one whole line and returns when the kernel
   has all of it: a slow parent makes the child wait, nothing is ever dropped. If the parent is gone (EPIPE) there is nobody
   to work for and the process ends with status 70. Threads may share one. */
struct json_lines; /* opaque */
/* fd -1: nobody listens, every event is discarded (run from a shell). Never NULL. */
struct json_lines *json_lines_open(int fd);
void json_lines_close(struct json_lines *lines); /* closes the fd; NULL is fine */
bool json_lines_listened(const struct json_lines *lines); /* false with fd -1 */

enum { SERIES_NAME_MAX = 95 };
struct metric_point {
    const char *name;   /* "loss/total" */
    bool timing;        /* kind: timing, else result */
    bool by_epoch;      /* x: epoch, else step */
    int64_t step;       /* of the whole job, or the 0-based epoch */
    double value;       /* any double: NaN and infinities travel as the strings of contract.md section 5 */
};
/* One `metric` event. Neighbouring points of one series are sent as one column: sort by series to send many steps at once. */
void json_lines_metric(struct json_lines *lines, const struct metric_point *points, size_t count);
void json_lines_phase(struct json_lines *lines, const char *phase); /* staging tuning training evaluating uploading */
void json_lines_progress(struct json_lines *lines, int64_t epoch, int64_t epochs, int64_t step, double eta_s, double images_per_s);
void json_lines_log(struct json_lines *lines, const char *level, const char *format, ...) PRINTF_LIKE(3, 4);
struct checkpoint_event {
    const char *path, *sha256; /* path: the file under --out, complete and renamed; the parent may hard-link or read it at any time */
    int64_t bytes, step, epoch;
    bool best;                 /* true: checkpoint-best, false: checkpoint-last */
    double score;              /* NaN: none yet */
};
void json_lines_checkpoint(struct json_lines *lines, const struct checkpoint_event *checkpoint);
void json_lines_preview(struct json_lines *lines, const char *path, const char *name, int64_t epoch);
/* `start`, `done` and `failed` are built by the caller: these take the reference to `fields` (an object) and add "event". */
void json_lines_emit(struct json_lines *lines, const char *event, json_t *fields);
/* A double for JSON: a number, or "NaN" "Infinity" "-Infinity". New reference. */
json_t *json_lines_number(double value);

/* The TERM flag. After term_watch() TERM (and INT) only raise it: finish the step, checkpoint, exit 75. Alone in a shell a
   second INT or TERM ends the process at once; under an agent further ones are ignored (batch systems signal every process). */
void term_watch(bool alone);
bool term_requested(void);
#endif
