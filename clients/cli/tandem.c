/* tandem: the command line: one row a command, one row a flag. To add a command: a row in `commands`, a function, a test. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/cli/command.h"

#define ROW(member, flag_text, kind, ...) {.name = #member, .flag = flag_text, .type = kind, .offset = offsetof(struct flags, member), __VA_ARGS__}
static const char *const outputs[] = {"table", "json", "csv", "name", NULL};
static const struct setting common[] = {
    ROW(server, "--server", SETTING_TEXT, .env = "TANDEM_SERVER", .standard = "http://127.0.0.1:8080", .unit = "URL", .help = "where tandemd answers"),
    ROW(token_file, "--token-file", SETTING_TEXT, .env = "TANDEM_TOKEN_FILE", .unit = "FILE", .help = "its first line is the token; or TANDEM_TOKEN"),
    ROW(ca_file, "--ca-file", SETTING_TEXT, .env = "TANDEM_CA_FILE", .unit = "FILE", .help = "certificates to trust, in place of the system's"),
    ROW(output, "--output", SETTING_WORD, .letter = 'o', .words = outputs, .standard = "table", .unit = "FORM", .help = "how to print; json: the API's body unchanged"),
    ROW(no_progress, "--no-progress", SETTING_BOOL, .help = "lines in place of bars, on a terminal, too"),
    {0}};
static const struct setting submit_rows[] = {
    ROW(files, "--file", SETTING_LIST, .letter = 'f', .unit = "FILE", .help = "a job, or an array of jobs; - is stdin; may be repeated"),
    ROW(set, "--set", SETTING_LIST, .unit = "PATH=VALUE", .help = "change the job first: loss.alpha=0.8; may be repeated"),
    ROW(dry_run, "--dry-run", SETTING_BOOL, .help = "check and resolve, queue nothing"),
    ROW(wait, "--wait", SETTING_BOOL, .help = "until all have ended; the exit code tells how"),
    ROW(watch, "--watch", SETTING_BOOL, .letter = 'w', .help = "the same, showing progress"),
    ROW(timeout_s, "--timeout", SETTING_REAL, .unit = "S", .help = "wait no longer: exit 124; 0: for ever"),
    ROW(idempotency_key, "--idempotency-key", SETTING_TEXT, .unit = "KEY", .help = "the same key never makes a second job"),
    {0}};
static const struct setting watch_rows[] = {ROW(timeout_s, "--timeout", SETTING_REAL, .unit = "S", .help = "watch no longer: exit 124; 0: for ever"), {0}};
static const struct setting ls_rows[] = {
    ROW(state, "--state", SETTING_TEXT, .unit = "STATE", .help = "only these, separated by commas"), ROW(project, "--project", SETTING_TEXT, .unit = "NAME", .help = "only these"),
    ROW(tag, "--tag", SETTING_TEXT, .unit = "TAG", .help = "only these"), ROW(sweep, "--sweep", SETTING_TEXT, .unit = "ID", .help = "only its trials"),
    ROW(strategy, "--strategy", SETTING_TEXT, .unit = "WORD", .help = "only these"),
    ROW(limit, "--limit", SETTING_INT, .standard = "50", .min = 1, .max = 500, .unit = "N", .help = "at most so many, newest first"), {0}};
static const struct setting metrics_rows[] = {
    ROW(series, "--series", SETTING_TEXT, .unit = "NAMES", .help = "with commas; val/ takes all that begin so"), {0}};
static const struct setting images_rows[] = {
    ROW(order, "--order", SETTING_TEXT, .unit = "WORD", .help = "dice (the default), nsd or hd95: the worst first; split: as the set has them"),
    ROW(limit, "--limit", SETTING_INT, .standard = "20", .min = 1, .max = 1000, .unit = "N", .help = "at most so many"), {0}};
static const struct setting logs_rows[] = {ROW(follow, "--follow", SETTING_BOOL, .letter = 'f', .help = "until the job has ended"), {0}};
static const struct setting act_rows[] = {ROW(wait, "--wait", SETTING_BOOL, .help = "until they have ended"), {0}};
static const struct setting retry_rows[] = {
    ROW(from, "--from", SETTING_TEXT, .unit = "WORD", .help = "checkpoint (the default) or start"), ROW(wait, "--wait", SETTING_BOOL, .help = "until they have ended"), {0}};
static const struct setting artifact_rows[] = {
    ROW(to, "--to", SETTING_TEXT, .unit = "PATH", .help = "file or folder to write"), ROW(all, "--all", SETTING_BOOL, .help = "all but checkpoints"), {0}};
static const struct setting dataset_rows[] = {ROW(generate, "--generate", SETTING_TEXT, .unit = "JSON", .help = "push a generator in place of files"), {0}};
static const struct setting alpha_rows[] = {
    ROW(epochs, "--epochs", SETTING_INT, .min = 0, .max = 100000, .unit = "N", .help = "of the job; 15 when nothing says"),
    ROW(steps_per_epoch, "--steps-per-epoch", SETTING_INT, .min = 0, .max = 1000000, .unit = "N", .help = "of the job; 20 when nothing says"),
    ROW(every_epochs, "--every-epochs", SETTING_INT, .min = 0, .max = 100000, .unit = "N", .help = "from one validation to the next, for a plateau; 1 when nothing says"), {0}};
static const struct setting sweep_rows[] = {
    ROW(preset, "--preset", SETTING_TEXT, .unit = "WORD", .help = "FILE is a job: compare it with every loss of the preset (loss_comparison)"),
    ROW(seeds, "--seeds", SETTING_INT, .min = 0, .max = 1000, .unit = "N", .help = "every variant with seeds 1 to N"),
    ROW(set, "--set", SETTING_LIST, .unit = "PATH=VALUE", .help = "change the sweep first: base.training.epochs=30; may be repeated"),
    ROW(wait, "--wait", SETTING_BOOL, .help = "until all trials have ended"),
    ROW(idempotency_key, "--idempotency-key", SETTING_TEXT, .unit = "KEY", .help = "the same key never makes a second sweep"),
    {0}};
static const struct setting compare_rows[] = {ROW(format, "--format", SETTING_TEXT, .unit = "WORD", .help = "md (the default), html (a page with charts) or json"), {0}};
static const struct setting none[] = {{0}};

static const struct command {
    const char *name, *arguments, *about;
    const struct setting *rows;
    int args_min, args_max;
    int (*run)(struct cli *cli);
} commands[] = {
    {"submit", "FILE...", "queue jobs", submit_rows, 0, SETTINGS_LIST_MAX, command_submit},
    {"watch", "ID...", "follow jobs to their end; ^C detaches, the jobs go on", watch_rows, 1, SETTINGS_LIST_MAX, command_watch},
    {"ls", "", "list jobs", ls_rows, 0, 0, command_ls},
    {"get", "ID...", "show jobs", none, 1, SETTINGS_LIST_MAX, command_get},
    {"metrics", "ID", "what was measured; -o csv for all of it", metrics_rows, 1, 1, command_metrics},
    {"images", "ID", "what single validation images scored, the worst first", images_rows, 1, 1, command_images},
    {"logs", "ID", "what a job said", logs_rows, 1, 1, command_logs},
    {"cancel", "ID...", "stop jobs", act_rows, 1, SETTINGS_LIST_MAX, command_cancel},
    {"retry", "ID...", "queue failed or cancelled jobs again", retry_rows, 1, SETTINGS_LIST_MAX, command_retry},
    {"artifact", "ls ID | get ID NAME...", "list and fetch the files of a job", artifact_rows, 1, SETTINGS_LIST_MAX, command_artifact},
    {"dataset", "ls | push NAME PATH | check DIR", "data sets: list, store, check before storing", dataset_rows, 1, 3, command_dataset},
    {"strategies", "", "how the two losses can be combined", none, 0, 0, command_strategies},
    {"alpha", "JSON|JOBFILE", "draw how alpha will move; needs no server", alpha_rows, 1, 1, command_alpha},
    {"sweep", "submit FILE | get ID | ...", "many jobs from one body; its verbs: submit preview ls get trials extend cancel", sweep_rows, 1, 3, command_sweep},
    {"compare", "SWEEP", "what a sweep has shown: which differences are real", compare_rows, 1, 1, command_compare},
    {"worker", "ls", "who works", none, 0, 1, command_worker},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static atomic_bool stop;
static void on_interrupt(int signal_number)
{
    (void)signal_number;
    if (stop) _exit(EXIT_DETACHED); /* asked twice */
    stop = true;
}

static void print_help(FILE *to)
{
    fputs("usage: tandem COMMAND [FLAG...] [ARGUMENT...]\nTrains Dice and cross-entropy together, on a server: submit jobs, watch them, fetch what they made.\n\n", to);
    for (int i = 0; i < COMMANDS; i++) fprintf(to, "  %-11s %-32s %s\n", commands[i].name, commands[i].arguments, commands[i].about);
    fputs("\ntandem COMMAND --help tells more. Exit codes: 0 fine, 1 error, 2 usage, 3 job failed, 4 not allowed, 5 not found, 6 conflict,\n"
          "7 job cancelled or pruned, 124 waited too long, 130 ^C\n", to);
}

static const struct command *find_command(const char *word)
{
    const char *names[COMMANDS + 1] = {0};
    for (int i = 0; i < COMMANDS; i++) {
        if (!strcmp(commands[i].name, word)) return &commands[i];
        names[i] = commands[i].name;
    }
    const char *nearest = err_nearest(word, names);
    fprintf(stderr, "tandem: %s: unknown command%s%s%s\n", word, nearest ? "; did you mean " : "; tandem --help lists them", nearest ? nearest : "", nearest ? "?" : "");
    return NULL;
}

/* How many words of argv the flags before the command take, the program's own name included. */
static int before_command(int argc, char **argv)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        const struct setting *s = common;
        while (s->name && strcmp(s->flag, argv[i]) && !(s->letter && argv[i][1] == s->letter && !argv[i][2])) s++;
        i += s->name && s->type != SETTING_BOOL ? 2 : 1;
    }
    return i < argc ? i : argc;
}

static int run(const struct command *command, int argc, char **argv, const char *program_path)
{
    struct cli cli = {.stop = &stop, .program_path = program_path};
    char usage[160];
    err_print(usage, sizeof usage, "tandem %s [FLAG...] %s", command->name, command->arguments);
    const struct settings_page page = {.program = "tandem", .usage = usage, .about = command->about, .rows = command->rows, .more = common, .args_min = command->args_min,
                                       .args_max = command->args_max, .exit_usage = EXIT_USAGE};
    settings_read_or_exit(&page, argc, argv, &cli.flags, &cli.args);
    cli.output = (enum output)cli.flags.output;
    cli.terminal = isatty(STDOUT_FILENO) && !cli.flags.no_progress;
    struct api_settings settings = {.server = cli.flags.server, .token_file = cli.flags.token_file, .ca_file = cli.flags.ca_file, .program = "tandem"};
    struct err_note note;
    enum err e = api_client_new(&settings, &cli.client, &note);
    if (e) {
        fprintf(stderr, "tandem: %s\n", note.detail);
        return EXIT_USAGE;
    }
    int exit_code = command->run(&cli);
    api_client_free(cli.client);
    if (fflush(stdout) && !exit_code) exit_code = EXIT_ERROR;
    return exit_code;
}

int main(int argc, char **argv)
{
    static char path[4096];
    int at = before_command(argc, argv);
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) err_print(path, sizeof path, "%s", argv[0]);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_interrupt}, NULL);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 1; i < at; i++) {
        if (!strcmp(argv[i], "--help")) return print_help(stdout), 0;
        if (!strcmp(argv[i], "--version")) return puts("tandem " TANDEM_VERSION), 0;
    }
    if (at == argc) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    const struct command *command = find_command(argv[at]);
    if (!command) return EXIT_USAGE;
    memmove(argv + at, argv + at + 1, (size_t)(argc - at) * sizeof *argv); /* the command's word goes; NULL at the end comes along */
    return run(command, argc - 1, argv, path);
}
