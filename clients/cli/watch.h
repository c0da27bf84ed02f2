/* watch: follows jobs to their end. */
#ifndef CLIENTS_CLI_WATCH_H
#define CLIENTS_CLI_WATCH_H
#include "clients/cli/command.h"

/* Follows `count` jobs until all have ended, the time is up (timeout_s, 0 = none; EXIT_TIMEOUT) or ^C (EXIT_DETACHED). Quiet, or
   drawing bars on a terminal and a line per change elsewhere, on stderr when -o is not table. Exit code of the worst end. */
int watch_jobs(struct cli *cli, const char *const *ids, int count, bool quiet);
/* One line: state, phase, epoch, scores, ETA. */
void watch_line(const json_t *job, char *to, size_t size);
int watch_exit_of_state(const char *state);
#endif
