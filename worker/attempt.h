/* attempt: one leased job from its claim to its end: stage, train in a child, relay, upload, say how it ended. */
#ifndef WORKER_ATTEMPT_H
#define WORKER_ATTEMPT_H
#include <jansson.h>
#include <stdatomic.h>
#include "schema/api/api_call.h"
#include "worker/dataset_cache.h"

/*
      claim -> staging -> child runs -> outbox empties -> finish | release
                  |           |              |
                  +-----------+--- TERM, command, timeout, stuck, lost lease: see the table in attempt.c
*/
struct attempt_settings {
    struct api_client *client;   /* for everything but heartbeats */
    struct api_client *beat;     /* heartbeats only */
    const char *work_dir;        /* existing; a folder is made in it and removed again */
    const char *data_root;       /* NULL: no {"path": ...} data sets */
    const char *tuning_path;     /* measured kernels, kept between jobs; NULL: none */
    const char *train_program;
    const char *host;            /* for the log */
    struct dataset_cache cache;  /* its client, stop and retry_ms are filled by the attempt */
    int threads;
    int64_t grace_ms;            /* between TERM and KILL of the child */
    int64_t away_ms;             /* how long a server may be away */
    int64_t no_progress_ms;      /* silence of the child; 0: no limit */
    atomic_bool *interrupt;      /* set by the first TERM (and by the lease): whatever waits looks at what happened */
    const atomic_bool *drain;    /* the first TERM */
    const atomic_bool *at_once;  /* the second */
};
/* HOST_FAILED: finished as failed, but for want of disk or program on this host, so the next job would fare no better. */
enum attempt_end { ATTEMPT_FINISHED, ATTEMPT_HOST_FAILED, ATTEMPT_RELEASED, ATTEMPT_LOST };
/* `claim` is the reply of POST /v1/worker/claim. Must be called on the main thread (see child_start). */
enum attempt_end attempt_run(const struct attempt_settings *settings, const json_t *claim);
#endif
