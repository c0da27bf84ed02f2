/* progress_line: what a person at a shell sees of a run: one line that moves on a terminal, a line an epoch elsewhere. */
#ifndef WORKER_RUN_PROGRESS_LINE_H
#define WORKER_RUN_PROGRESS_LINE_H
#include <stdbool.h>
#include <stdio.h>
#include "worker/train/trainer.h"

struct progress_line {
    FILE *to; /* NULL: says nothing */
    bool terminal;
    double shown_s; /* when the moving line was last drawn */
    int64_t told_epoch;
};
void progress_line_start(struct progress_line *line, FILE *to);
void progress_line_show(struct progress_line *line, const struct trainer_progress *p);
/* A line of its own, above the moving one. */
void progress_line_say(struct progress_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
void progress_line_end(struct progress_line *line);
/* "1h 02m", "3m 05s", "12s"; "?" for NaN. */
void progress_duration(double seconds, char *to, size_t size);
#endif
