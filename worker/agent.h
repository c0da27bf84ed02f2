/* agent: a worker's life: register, claim by long-poll, run one attempt at a time, leave politely. */
#ifndef WORKER_AGENT_H
#define WORKER_AGENT_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/base/err.h"

struct agent_settings {
    const char *server, *token_file, *ca_file;    /* NULL: as api_settings says */
    const char *name;          /* NULL: the host's */
    const char *labels;        /* "gpu=none,rack=3"; NULL: only its own (arch, isa, slurm_job_id) */
    const char *data_root;     /* NULL: jobs may not name paths */
    const char *cache_dir;     /* NULL: $XDG_CACHE_HOME/tandem, ~/.cache/tandem, else /var/tmp/tandem-UID */
    int64_t cache_bytes_max;
    const char *train_program; /* NULL: tandem-train beside this program, else from PATH */
    int64_t threads;           /* 0: all processors this process may use */
    int64_t max_jobs;          /* 0: no end */
    double exit_when_idle_s;   /* 0: never */
    double grace_s, away_s, no_progress_s;
};
enum { AGENT_PROTOCOL = 1, EXIT_AT_ONCE = 143, EXIT_PROTOCOL = 76, EXIT_NO_PERMISSION = 77, EXIT_CONFIG = 78, EXIT_CANNOT_CREATE = 73 };
/* Returns the exit status: 0 after TERM, max_jobs or idleness; 76 the server speaks another protocol; 77 the token may not;
   78 bad settings; 73 no place to work in; 143 after a second TERM. Installs handlers of TERM, INT and USR1 (batch systems). Call once, from main's thread. */
int agent_run(const struct agent_settings *settings);
#endif
