/* command_sweep: sweep and compare: many jobs from one body, and what they have shown. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/command.h"
#include "clients/cli/edit_spec.h"
#include "schema/base/clock.h"
#include "schema/base/json_text.h"
#include "schema/base/uuid.h"

enum { SWEEP_BYTES_MAX = 4 << 20, RETRY_MS = 30000, LOOK_MS = 2000, LINE_BYTES = 400 };

static int usage(const char *text)
{
    fprintf(stderr, "tandem: usage: tandem %s\n", text);
    return EXIT_USAGE;
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */
static json_t *read_file(const char *path, struct err_note *note)
{
    FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;
    struct buf text;
    json_t *json = NULL;
    char piece[65536];
    enum err e = f ? OK : err_set(note, ERR_IO, path, "%s: cannot be read", path);
    buf_init(&text, SWEEP_BYTES_MAX);
    for (size_t n; !e && (n = fread(piece, 1, sizeof piece, f)) > 0;) e = buf_add(&text, piece, n);
    if (!e && json_text_parse(text.data ? text.data : "", text.length, SWEEP_BYTES_MAX, &json, note)) err_wrap(note, path);
    if (f && f != stdin) fclose(f);
    buf_free(&text);
    return json;
}

/* What --preset, --base and --seeds say, put into a body of its own; without them the file is the body. */
static json_t *wrap_job(struct cli *cli, json_t *job)
{
    json_t *body = json_pack("{s:o}", "base", job);
    if (cli->flags.preset) json_object_set_new(body, "preset", json_string(cli->flags.preset));
    return body;
}

/* The body of FILE: a sweep; or a job, when --preset says of what kind. `--set` changes it. NULL: it was said why. */
static json_t *read_sweep(struct cli *cli, const char *path)
{
    struct err_note note = {0};
    json_t *body = read_file(path, &note);
    enum err e = body ? OK : ERR_BAD_JSON;
    if (body && cli->flags.preset && !json_object_get(body, "base")) body = wrap_job(cli, body);
    if (body && cli->flags.seeds) json_object_set_new(body, "seeds", json_integer(cli->flags.seeds));
    for (int i = 0; !e && i < cli->flags.set.count; i++) e = edit_spec(body, cli->flags.set.item[i], &note);
    if (!e) return body;
    fprintf(stderr, "tandem: %s\n", note.detail);
    json_decref(body);
    return NULL;
}

/* ---- one sweep in words ---------------------------------------------------------------------------------------------- */
static void add_counts(char *line, size_t size, const json_t *counts)
{
    const char *word;
    json_t *n;
    json_object_foreach((json_t *)(uintptr_t)counts, word, n) err_print(line + strlen(line), size - strlen(line), "  %s %.0f", word, json_number_value(n));
}

static void say_left_out(const json_t *sweep)
{
    size_t i;
    json_t *name;
    double duplicates = json_number_at(sweep, "duplicates");
    char count[64];
    json_array_foreach(json_object_get(sweep, "not_built"), i, name) fprintf(stderr, "%s%s", i ? ", " : "tandem: not among the trials, as they are not built yet: ", json_string_value(name));
    if (json_array_size(json_object_get(sweep, "not_built"))) fputc('\n', stderr);
    if (duplicates > 0) fprintf(stderr, "tandem: %s %s named twice and run once\n", render_counted(duplicates, "trial", count, sizeof count), duplicates == 1 ? "was" : "were");
}

static void print_sweep(struct cli *cli, const struct api_reply *reply)
{
    char counts[LINE_BYTES] = "", name[128], trials[64], variants[64];
    const json_t *sweep = reply->json;
    if (cli->output == OUTPUT_JSON) {
        cli_print_json(reply);
        return;
    }
    if (cli->output == OUTPUT_NAME) {
        printf("%s\n", json_text_at(sweep, "id"));
        return;
    }
    add_counts(counts, sizeof counts, json_object_get(sweep, "jobs"));
    add_counts(counts, sizeof counts, json_object_get(sweep, "failures"));
    printf("%s  %s  %s of %s%s  %s\n", json_text_at(sweep, "id"), json_text_at(sweep, "state"), render_counted(json_number_at(sweep, "trials"), "trial", trials, sizeof trials),
           render_counted(json_number_at(sweep, "variants"), "variant", variants, sizeof variants), counts, render_plain(json_text_at(sweep, "name"), name, sizeof name));
    say_left_out(sweep);
    fflush(stdout);
}

static void print_preview(struct cli *cli, const struct api_reply *reply)
{
    const json_t *compute = json_object_get(reply->json, "compute"), *labels = json_object_get(reply->json, "labels");
    char bytes[32], label[200], folds[80] = "", least[80] = "", count[6][64];
    double epochs = json_number_at(compute, "epochs"), at_least = json_number_at(compute, "epochs_at_least");
    if (cli->output == OUTPUT_JSON) {
        cli_print_json(reply);
        return;
    }
    render_bytes(json_number_at(compute, "memory_bytes"), bytes, sizeof bytes);
    if (json_number_at(reply->json, "folds") > 0) snprintf(folds, sizeof folds, " on %s", render_counted(json_number_at(reply->json, "folds"), "fold", count[0], sizeof count[0]));
    if (at_least < epochs) snprintf(least, sizeof least, " (%.0f if all is pruned at the first rung)", at_least);
    const struct {
        double number;
        const char *noun;
    } told[] = {{json_number_at(reply->json, "trials"), "job"}, {json_number_at(reply->json, "variants"), "variant"}, {json_number_at(reply->json, "seeds"), "seed"},
                {epochs, "epoch"}, {json_number_at(compute, "steps"), "step"}, {json_number_at(compute, "pictures"), "picture"}};
    for (size_t i = 0; i < 6; i++) render_counted(told[i].number, told[i].noun, count[i], sizeof count[i]);
    printf("%s: %s with %s%s; %s%s, %s, %s; at most about %s of memory each\n", count[0], count[1], count[2], folds, count[3], least, count[4], count[5], bytes);
    for (size_t i = 0; i < json_array_size(labels); i++) printf("  %s\n", render_plain(json_string_value(json_array_get(labels, i)), label, sizeof label));
    say_left_out(reply->json);
}

/* ---- waiting ------------------------------------------------------------------------------------------------------------ */
/* Looks every two seconds until no trial is left to run. ^C detaches: the sweep goes on. */
static int wait_for(struct cli *cli, const char *id)
{
    char before[LINE_BYTES] = "";
    for (;;) {
        struct api_call call = {.op = API_SWEEP_GET, .params = {{"id", id}}, .retry_ms = RETRY_MS, .stop = cli->stop};
        struct api_reply reply;
        char counts[LINE_BYTES] = "";
        int exit_code = cli_call(cli, &call, &reply);
        bool over = exit_code || strcmp(json_text_at(reply.json, "state"), "running") != 0;
        const json_t *jobs = json_object_get(reply.json, "jobs");
        add_counts(counts, sizeof counts, jobs);
        if (!exit_code && cli->output == OUTPUT_TABLE && strcmp(counts, before)) printf("%s\n", counts + 2);
        fflush(stdout);
        memcpy(before, counts, sizeof before);
        if (over && !exit_code && json_object_get(jobs, "failed")) exit_code = EXIT_JOB_FAILED;
        if (over && !exit_code && json_object_get(jobs, "cancelled")) exit_code = EXIT_JOB_CANCELLED;
        api_reply_free(&reply);
        if (over) return exit_code;
        for (int64_t left = LOOK_MS; left > 0 && !*cli->stop; left -= 100) clock_sleep_ms(100);
        if (*cli->stop) return EXIT_DETACHED;
    }
}

/* ---- the verbs ------------------------------------------------------------------------------------------------------------ */
static int send_body(struct cli *cli, enum api_op op, const char *id, json_t *body, void (*print)(struct cli *cli, const struct api_reply *reply))
{
    char key[UUID_TEXT], made[UUID_TEXT];
    uuid_new(key);
    struct api_call call = {.op = op, .params = {{"id", id}}, .body = body, .retry_ms = RETRY_MS, .stop = cli->stop};
    if (op == API_SWEEP_SUBMIT) call.idempotency_key = cli->flags.idempotency_key ? cli->flags.idempotency_key : key;
    struct api_reply reply;
    int exit_code = body ? cli_call(cli, &call, &reply) : EXIT_USAGE;
    json_decref(body);
    if (body && !exit_code) print(cli, &reply);
    if (body) err_print(made, sizeof made, "%s", json_text_at(reply.json, "id"));
    if (body) api_reply_free(&reply);
    return !exit_code && cli->flags.wait && op != API_SWEEP_PREVIEW ? wait_for(cli, made) : exit_code;
}

/* What the sweep is, changed by --seeds and --set: the server adds what is new. */
static int extend(struct cli *cli, const char *id, const char *path)
{
    struct err_note note = {0};
    struct api_call call = {.op = API_SWEEP_GET, .params = {{"id", id}}, .retry_ms = RETRY_MS, .stop = cli->stop};
    struct api_reply reply;
    if (path) return send_body(cli, API_SWEEP_EXTEND, id, read_sweep(cli, path), print_sweep);
    int exit_code = cli_call(cli, &call, &reply);
    json_t *body = exit_code ? NULL : json_deep_copy(json_object_get(reply.json, "spec"));
    api_reply_free(&reply);
    if (exit_code) return exit_code;
    enum err e = OK;
    if (cli->flags.seeds) json_object_set_new(body, "seeds", json_integer(cli->flags.seeds));
    for (int i = 0; !e && i < cli->flags.set.count; i++) e = edit_spec(body, cli->flags.set.item[i], &note);
    if (!e) return send_body(cli, API_SWEEP_EXTEND, id, body, print_sweep);
    fprintf(stderr, "tandem: %s\n", note.detail);
    json_decref(body);
    return EXIT_USAGE;
}

static int show(struct cli *cli, enum api_op op, const char *id)
{
    struct api_call call = {.op = op, .params = {{"id", id}}, .retry_ms = RETRY_MS, .stop = cli->stop};
    struct api_reply reply;
    int exit_code = cli_call(cli, &call, &reply);
    if (!exit_code) print_sweep(cli, &reply);
    api_reply_free(&reply);
    return !exit_code && cli->flags.wait ? wait_for(cli, id) : exit_code;
}

static void fill_sweep_row(struct table *t, const json_t *sweep)
{
    char counts[LINE_BYTES] = "";
    add_counts(counts, sizeof counts, json_object_get(sweep, "jobs"));
    table_cell(t, 0, "%s", json_text_at(sweep, "id"));
    table_cell(t, 1, "%s", json_text_at(sweep, "state"));
    table_cell(t, 2, "%.0f", json_number_at(sweep, "trials"));
    table_cell(t, 3, "%s", *counts ? counts + 2 : "");
    table_cell(t, 4, "%.60s", json_text_at(sweep, "name"));
}

static int list_sweeps(struct cli *cli)
{
    static const char *const head[] = {"ID", "STATE", "TRIALS", "JOBS", "NAME"};
    struct api_call call = {.op = API_SWEEP_LIST, .retry_ms = RETRY_MS, .stop = cli->stop};
    return cli_list(cli, &call, &(struct listing){.key = "sweeps", .columns = 5, .head = head, .fill = fill_sweep_row});
}

static void fill_trial_row(struct table *t, const json_t *trial)
{
    double pruned = json_number_at(trial, "pruned_epoch");
    table_cell(t, 0, "%s", json_text_at(trial, "job"));
    table_cell(t, 1, "%s", json_text_at(trial, "state"));
    table_cell(t, 2, "%.0f", json_number_at(trial, "seed"));
    table_cell(t, 3, "%s", json_text_at(trial, "label"));
    if (!isnan(pruned)) table_cell(t, 4, "after %.0f epochs", pruned);
    else table_cell(t, 4, "%s", json_text_at(trial, "failure"));
}

static int list_trials(struct cli *cli, const char *id)
{
    static const char *const head[] = {"JOB", "STATE", "SEED", "VARIANT", "WHY"};
    struct api_call call = {.op = API_SWEEP_TRIALS, .params = {{"id", id}}, .retry_ms = RETRY_MS, .stop = cli->stop};
    return cli_list(cli, &call, &(struct listing){.key = "trials", .columns = 5, .head = head, .fill = fill_trial_row});
}

int command_sweep(struct cli *cli)
{
    const char *verb = cli->args.item[0], *first = cli->args.count > 1 ? cli->args.item[1] : NULL, *second = cli->args.count > 2 ? cli->args.item[2] : NULL;
    if (!strcmp(verb, "ls") && !first) return list_sweeps(cli);
    if (!strcmp(verb, "submit") && first && !second) return send_body(cli, API_SWEEP_SUBMIT, NULL, read_sweep(cli, first), print_sweep);
    if (!strcmp(verb, "preview") && first && !second) return send_body(cli, API_SWEEP_PREVIEW, NULL, read_sweep(cli, first), print_preview);
    if (!strcmp(verb, "get") && first && !second) return show(cli, API_SWEEP_GET, first);
    if (!strcmp(verb, "cancel") && first && !second) return show(cli, API_SWEEP_CANCEL, first);
    if (!strcmp(verb, "trials") && first && !second) return list_trials(cli, first);
    if (!strcmp(verb, "extend") && first) return extend(cli, first, second);
    return usage("sweep submit FILE | preview FILE | ls | get ID | trials ID | extend ID [FILE] | cancel ID");
}

/* ---- compare -------------------------------------------------------------------------------------------------------------------- */
/* The server's own words: Markdown; with -o json the report as it is; --format html for a page with charts. */
int command_compare(struct cli *cli)
{
    const char *format = cli->flags.format ? cli->flags.format : cli->output == OUTPUT_JSON ? "json" : "md";
    struct api_call call = {.op = API_SWEEP_REPORT, .params = {{"id", cli->args.item[0]}, {"format", format}}, .retry_ms = RETRY_MS, .stop = cli->stop};
    struct api_reply reply;
    int exit_code = cli_call(cli, &call, &reply);
    if (!exit_code) cli_print_json(&reply);
    api_reply_free(&reply);
    return exit_code;
}
