/* command: what every command of `tandem` is given, and how it ends. */
#ifndef CLIENTS_CLI_COMMAND_H
#define CLIENTS_CLI_COMMAND_H
#include <stdatomic.h>
#include "clients/cli/render.h"
#include "schema/api/api_call.h"
#include "schema/base/settings.h"

/* Exit codes. ^C while something is waited for detaches (130): the job goes on. */
enum { EXIT_OK = 0, EXIT_ERROR = 1, EXIT_USAGE = 2, EXIT_JOB_FAILED = 3, EXIT_AUTH = 4, EXIT_NOT_FOUND = 5, EXIT_CONFLICT = 6,
       EXIT_JOB_CANCELLED = 7, EXIT_TIMEOUT = 124, EXIT_DETACHED = 130 };

struct flags {
    /* of every command */
    const char *server, *token_file, *ca_file;
    int output; /* enum output */
    bool no_progress;
    /* of some */
    struct settings_list files, set;
    bool wait, watch, dry_run, follow, all, yes;
    const char *preset, *format, *sweep;
    int64_t seeds;
    const char *idempotency_key, *state, *project, *tag, *strategy, *series, *order, *from, *to, *generate;
    int64_t limit, epochs, steps_per_epoch, every_epochs;
    double timeout_s;
};
struct cli {
    struct flags flags;
    struct settings_list args; /* after the command's own word */
    struct api_client *client;
    enum output output;
    bool terminal;             /* bars and redrawing are welcome on stdout */
    atomic_bool *stop;         /* ^C */
    const char *program_path;  /* of `tandem` itself: its sisters lie beside it */
};

/* Calls an operation; a mistake is said on stderr, every one of it. 0, or the exit code. The caller frees the reply. */
int cli_call(struct cli *cli, const struct api_call *call, struct api_reply *reply);
int cli_exit_of(enum err e);
/* What the commands that list have in common: calls `call` and prints the array `key` of its reply, a row each filled by
   `fill`, in the output that was asked for. Without -o json `next` (may be NULL) is told whether there are more. The exit code. */
struct listing {
    const char *key;          /* "jobs" */
    int columns;
    const char *const *head;
    void (*fill)(struct table *t, const json_t *row);
    bool *more;
};
int cli_list(struct cli *cli, const struct api_call *call, const struct listing *listing);
/* Prints the reply as it came, for -o json. */
void cli_print_json(const struct api_reply *reply);

int command_submit(struct cli *cli);
int command_watch(struct cli *cli);
int command_ls(struct cli *cli);
int command_get(struct cli *cli);
int command_metrics(struct cli *cli);
int command_images(struct cli *cli);
int command_logs(struct cli *cli);
int command_cancel(struct cli *cli);
int command_retry(struct cli *cli);
int command_artifact(struct cli *cli);
int command_dataset(struct cli *cli);
int command_strategies(struct cli *cli);
int command_alpha(struct cli *cli);
int command_worker(struct cli *cli);
int command_sweep(struct cli *cli);
int command_compare(struct cli *cli);
#endif
