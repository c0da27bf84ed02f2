/* tandem-worker: the settings of the agent; everything else is agent.c's. */
#include "schema/base/log.h"
#include "schema/base/settings.h"
#include "worker/agent.h"

#define AT(field) offsetof(struct agent_settings, field)
static const struct setting rows[] = {
    {.name = "server", .env = "TANDEM_SERVER", .flag = "--server", .type = SETTING_TEXT, .standard = "http://127.0.0.1:8080", .unit = "URL",
     .offset = AT(server), .help = "the daemon's address"},
    {.name = "token_file", .env = "TANDEM_TOKEN_FILE", .flag = "--token-file", .type = SETTING_TEXT, .unit = "FILE", .offset = AT(token_file),
     .help = "its first line is the token (role worker); or TANDEM_TOKEN"},
    {.name = "ca_file", .env = "TANDEM_CA_FILE", .flag = "--ca-file", .type = SETTING_TEXT, .unit = "FILE", .offset = AT(ca_file),
     .help = "certificates to trust instead of the system's"},
    {.name = "name", .env = "TANDEM_WORKER_NAME", .flag = "--name", .type = SETTING_TEXT, .offset = AT(name), .help = "shown in the list of workers; the host's otherwise"},
    {.name = "labels", .env = "TANDEM_WORKER_LABELS", .flag = "--labels", .type = SETTING_TEXT, .unit = "NAME=VALUE,...", .offset = AT(labels),
     .help = "what jobs may ask for"},
    {.name = "data_root", .env = "TANDEM_DATA_ROOT", .flag = "--data-root", .type = SETTING_TEXT, .unit = "DIR", .offset = AT(data_root),
     .help = "jobs may name data sets by path under it"},
    {.name = "cache_dir", .env = "TANDEM_CACHE_DIR", .flag = "--cache-dir", .type = SETTING_TEXT, .unit = "DIR", .offset = AT(cache_dir),
     .help = "archives by sha256 and work in progress; ~/.cache/tandem otherwise"},
    {.name = "cache_bytes", .env = "TANDEM_CACHE_BYTES", .flag = "--cache-bytes", .type = SETTING_INT, .standard = "20G", .unit = "bytes", .max = 1e18,
     .offset = AT(cache_bytes_max), .help = "of all archives together; the longest unused leave first"},
    {.name = "train_program", .env = "TANDEM_TRAIN_PROGRAM", .flag = "--train-program", .type = SETTING_TEXT, .unit = "FILE", .offset = AT(train_program),
     .help = "tandem-train beside this program otherwise"},
    {.name = "threads", .env = "TANDEM_THREADS", .flag = "--threads", .letter = 't', .type = SETTING_INT, .standard = "0", .max = 1024,
     .offset = AT(threads), .help = "for one job; 0: all processors"},
    {.name = "max_jobs", .env = "TANDEM_MAX_JOBS", .flag = "--max-jobs", .type = SETTING_INT, .standard = "0", .max = 1e9, .offset = AT(max_jobs),
     .help = "leave after so many; 0: never"},
    {.name = "exit_when_idle_s", .env = "TANDEM_EXIT_WHEN_IDLE", .flag = "--exit-when-idle", .type = SETTING_REAL, .standard = "0", .unit = "s", .max = 1e9,
     .offset = AT(exit_when_idle_s), .help = "leave after so long without a job; 0: never"},
    {.name = "grace_s", .env = "TANDEM_GRACE_S", .flag = "--grace-s", .type = SETTING_REAL, .standard = "60", .unit = "s", .max = 86400, .offset = AT(grace_s),
     .help = "between TERM and KILL of a training"},
    {.name = "away_s", .env = "TANDEM_AWAY_S", .flag = "--away-s", .type = SETTING_REAL, .standard = "600", .unit = "s", .max = 1e7, .offset = AT(away_s),
     .help = "how long to train on while the server does not answer"},
    {.name = "no_progress_s", .env = "TANDEM_NO_PROGRESS_S", .flag = "--no-progress-s", .type = SETTING_REAL, .standard = "1800", .unit = "s", .max = 1e7,
     .offset = AT(no_progress_s), .help = "a training that is silent for longer is killed; 0: never"},
    {0}};
static const struct settings_page page = {
    .program = "tandem-worker",
    .usage = "tandem-worker [FLAG...]",
    .about = "Claims training jobs from a tandem daemon and runs each in a tandem-train of its own. Outbound HTTP only.\n"
             "TERM, INT or USR1: checkpoint, give the job back at no cost, exit 0. A second one: at once.",
    .rows = rows};

int main(int argc, char **argv)
{
    struct agent_settings settings = {0};
    log_set_program("tandem-worker");
    settings_read_or_exit(&page, argc, argv, &settings, NULL);
    return agent_run(&settings);
}
