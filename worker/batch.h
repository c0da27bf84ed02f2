/* batch: points and log lines gathered into the columnar bodies of the wire until they are worth a request. */
#ifndef WORKER_BATCH_H
#define WORKER_BATCH_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "schema/base/err.h"

enum { BATCH_POINTS = 256, BATCH_LINES = 500, BATCH_LOG_TEXT_MAX = 4096 };
struct batch {
    json_t *items;      /* array of series, or of log lines; NULL: empty */
    json_t *by_name;    /* series by name (borrowed from items) */
    int count;          /* points or lines */
    int64_t opened_ms;  /* clock_mono_ms of the first */
};
/* Whether all of a metric event's series may join: a batch names a series once, its steps rise, and it has at most METRIC_SERIES_MAX. */
bool batch_takes(const struct batch *batch, const json_t *series);
/* Checks the form of contract.md section 5 (ERR_SPEC; nothing is added then), copies the columns. */
enum err batch_add_series(struct batch *batch, const json_t *series, struct err_note *note) MUST_USE;
void batch_add_line(struct batch *batch, int64_t at_ms, const char *level, const char *text); /* bytes that are not UTF-8 become '?' */
/* {"lease_token", "seq", KEY: items} as text; the caller frees it; the batch is empty again. */
char *batch_close(struct batch *batch, const char *key, const char *lease_token, int64_t seq);
void batch_drop(struct batch *batch);
#endif
