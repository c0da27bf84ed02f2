/* queue_job: what the queue must know of a job spec; the texts travel as they are. */
#ifndef SERVER_QUEUE_JOB_H
#define SERVER_QUEUE_JOB_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/base/sha256.h"

struct queue_job {
    const char *name, *project, *strategy; /* strategy word: filter of the list */
    const char *tags_json;                 /* ["a","b"] */
    const char *dataset;                   /* registered name; NULL for a path or a generator */
    const char *dataset_json;              /* as in the spec: a name, a path or a generator */
    bool needs_data_path;                  /* only workers started with a --data-root may claim it */
    const char *spec_json;                 /* resolved */
    const char *loss_resolved_json;        /* may be NULL */
    const char *warnings_json;             /* array; may be NULL */
    char spec_hash[SHA256_HEX];
    int priority, max_attempts;
    int epochs;
    double timeout_s;                      /* 0 = none */
    int64_t memory_bytes;                  /* predicted peak; 0 = not known */
};
#endif
