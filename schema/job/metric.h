/* metric: a batch of metric series as it travels from trainer to agent to server: names, kinds, steps, values (NaN typed). */
#ifndef SCHEMA_JOB_METRIC_H
#define SCHEMA_JOB_METRIC_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "schema/base/err.h"

/* result: compared, hashed, bit-checked on replay. timing: how fast it went; never compared. */
enum metric_kind { METRIC_RESULT, METRIC_TIMING };
enum metric_x { METRIC_STEP, METRIC_EPOCH }; /* what the steps count: optimizer steps of the whole job, or 0-based epochs */
enum { METRIC_NAME_MAX = 96, METRIC_SERIES_MAX = 256 /* in one batch */, METRIC_POINTS_MAX = 65536 /* in one batch, all series */ };

struct metric_series {
    char name[METRIC_NAME_MAX + 1];
    enum metric_kind kind;
    enum metric_x x;
    int count;
    int64_t *steps;  /* strictly increasing, >= 0 */
    double *values;
};
struct metric_batch {
    int64_t seq;     /* counts from 1 within the attempt; 0 = absent (tandem-train's own lines have none) */
    int count;
    struct metric_series *series; /* no name twice */
};

const char *metric_kind_word(enum metric_kind kind);
const char *metric_x_word(enum metric_x x);
int metric_kind_of_word(const char *word); /* -1 when there is none */
int metric_x_of_word(const char *word);
/* "loss/dice", "val/dice/1", "time/epoch_s": 1 to 96 bytes of letters, digits, _ . - in parts separated by "/". */
bool metric_name_fits(const char *name);

/* A number, or the text "NaN", "Infinity", "-Infinity". False when it is neither. */
bool metric_value_read(const json_t *json, double *value);
json_t *metric_value_write(double value); /* new reference */

/* Reads {seq?, series: [{name, kind, x, steps, values}]}; other keys are the caller's (lease_token, event). Mistakes into `errors`;
   OK or ERR_SPEC. On success the batch owns its memory until metric_batch_free; after an error it is empty. */
enum err metric_batch_read(const json_t *json, struct metric_batch *batch, struct err_list *errors) MUST_USE;
json_t *metric_batch_write(const struct metric_batch *batch); /* the same form; seq left out when 0. New reference */
json_t *metric_series_write(const struct metric_series *series);
void metric_batch_free(struct metric_batch *batch); /* may be called twice */
#endif
