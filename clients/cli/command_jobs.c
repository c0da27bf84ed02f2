/* command_jobs: submit, watch, ls, get, metrics, logs, cancel, retry. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/command.h"
#include "clients/cli/edit_spec.h"
#include "clients/cli/score_print.h"
#include "clients/cli/verdict_print.h"
#include "clients/cli/watch.h"
#include "schema/base/clock.h"
#include "schema/base/json_text.h"
#include "schema/base/uuid.h"
#include "schema/job/job_state.h"

enum { SUBMIT_BYTES_MAX = 4 << 20, RETRY_MS = 30000, LOG_POLL_MS = 1000 };

/* ---- submit -------------------------------------------------------------------------------------------- */
static json_t *read_job(const char *path, struct err_note *note)
{
    FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;
    struct buf text;
    json_t *job = NULL;
    char piece[65536];
    enum err e = OK;
    buf_init(&text, SUBMIT_BYTES_MAX);
    if (!f) {
        err_set(note, ERR_IO, path, "%s: cannot be read", path);
        return NULL;
    }
    for (size_t n; !e && (n = fread(piece, 1, sizeof piece, f)) > 0;) e = buf_add(&text, piece, n);
    if (e)
        err_set(note, e, path, "%s: more than %d bytes", path, SUBMIT_BYTES_MAX);
    else if (json_text_parse(text.data ? text.data : "", text.length, SUBMIT_BYTES_MAX, &job, note))
        err_wrap(note, path);
    if (f != stdin) fclose(f);
    buf_free(&text);
    return job;
}

static void print_remarks(const json_t *job)
{
    size_t i;
    json_t *one;
    char detail[400];
    json_array_foreach(json_object_get(job, "warnings"), i, one) {
        render_plain(json_text_at(one, "detail"), detail, sizeof detail);
        fprintf(stderr, "tandem: %s %s: %s\n", json_text_at(one, "code"), json_text_at(one, "pointer"), detail);
    }
}

static void print_dry(const json_t *reply)
{
    char bytes[32];
    double memory = json_number_at(reply, "memory_bytes");
    render_bytes(memory, bytes, sizeof bytes);
    const json_t *assumes = json_object_get(reply, "memory_assumes");
    char assumed[80] = "";
    if (json_is_object(assumes))
        err_print(assumed, sizeof assumed, " (if it has %.0f channel and %.0f classes)", json_number_at(assumes, "channels"), json_number_at(assumes, "classes"));
    printf("fine: would train with %s, about %s of memory%s, hash %.12s\n",
           json_text_at(json_object_get(json_object_get(reply, "spec"), "loss"), "strategy"), bytes, assumed, json_text_at(reply, "spec_hash"));
    print_remarks(reply);
}

/* The ids of a reply: one job, or {"jobs": [...]}. Returns how many; borrowed from the reply. */
static int ids_of(const json_t *reply, const char **ids, int max)
{
    const json_t *list = json_is_array(reply) ? reply : json_object_get(reply, "jobs");
    int count = 0;
    if (!list && *json_text_at(reply, "id")) ids[count++] = json_text_at(reply, "id");
    for (size_t i = 0; i < json_array_size(list) && count < max; i++) {
        const char *id = json_text_at(json_array_get(list, i), "id");
        if (*id) ids[count++] = id;
    }
    return count;
}

static void print_submitted(struct cli *cli, const json_t *job)
{
    char name[128];
    if (cli->output == OUTPUT_NAME)
        printf("%s\n", json_text_at(job, "id"));
    else {
        printf("%s  %s  %s\n", json_text_at(job, "id"), json_text_at(job, "state"), render_plain(json_text_at(job, "name"), name, sizeof name));
        print_remarks(job);
    }
}

static int submit_one(struct cli *cli, const char *path, struct api_reply *reply)
{
    struct err_note note = {0};
    char key[UUID_TEXT];
    json_t *job = read_job(path, &note);
    enum err e = job ? OK : ERR_BAD_JSON;
    for (int i = 0; !e && i < cli->flags.set.count; i++) e = edit_spec(job, cli->flags.set.item[i], &note);
    if (e) {
        fprintf(stderr, "tandem: %s\n", note.detail);
        json_decref(job);
        return EXIT_USAGE;
    }
    uuid_new(key);
    struct api_call call = {.op = API_JOB_SUBMIT, .params = {{"dry_run", cli->flags.dry_run ? "1" : NULL}}, .body = job, .retry_ms = RETRY_MS,
                            .idempotency_key = cli->flags.idempotency_key ? cli->flags.idempotency_key : key, .stop = cli->stop};
    if (cli->flags.dry_run) call.idempotency_key = NULL;
    int exit_code = cli_call(cli, &call, reply);
    json_decref(job);
    return exit_code;
}

static void print_reply(struct cli *cli, const struct api_reply *reply)
{
    const json_t *list = json_is_array(reply->json) ? reply->json : json_object_get(reply->json, "jobs");
    if (cli->output == OUTPUT_JSON)
        cli_print_json(reply);
    else if (json_is_true(json_object_get(reply->json, "dry_run")))
        print_dry(reply->json);
    else if (!list)
        print_submitted(cli, reply->json);
    for (size_t i = 0; cli->output != OUTPUT_JSON && i < json_array_size(list); i++) print_submitted(cli, json_array_get(list, i));
    fflush(stdout);
}

int command_submit(struct cli *cli)
{
    struct settings_list files = cli->flags.files;
    for (int i = 0; i < cli->args.count && files.count < SETTINGS_LIST_MAX; i++) files.item[files.count++] = cli->args.item[i];
    struct api_reply replies[SETTINGS_LIST_MAX] = {0};
    const char *ids[SETTINGS_LIST_MAX];
    int exit_code = 0, count = 0, done = 0;
    if (!files.count) {
        fprintf(stderr, "tandem: submit needs a job file, or - for stdin; schema/examples holds some\n");
        return EXIT_USAGE;
    }
    for (; done < files.count && !exit_code; done++) {
        exit_code = submit_one(cli, files.item[done], &replies[done]);
        if (exit_code) continue;
        print_reply(cli, &replies[done]);
        count += ids_of(replies[done].json, ids + count, SETTINGS_LIST_MAX - count);
    }
    if (!exit_code && count && (cli->flags.wait || cli->flags.watch)) exit_code = watch_jobs(cli, ids, count, !cli->flags.watch);
    for (int i = 0; i < done; i++) api_reply_free(&replies[i]);
    return exit_code;
}

/* ---- ls, get ------------------------------------------------------------------------------------------- */
static void age_of(const json_t *job, char *to, size_t size)
{
    double at = json_number_at(job, "created_at_ms");
    render_duration((double)clock_wall_ms() / 1000 - at / 1000, to, size);
}

static void fill_job_row(struct table *t, const json_t *job)
{
    const json_t *progress = json_object_get(job, "progress"), *latest = json_object_get(job, "latest");
    double epoch = json_number_at(progress, "epoch"), epochs = json_number_at(progress, "epochs"), dice = json_number_at(latest, "val/dice");
    char age[32];
    age_of(job, age, sizeof age);
    table_cell(t, 0, "%s", json_text_at(job, "id"));
    table_cell(t, 1, "%s", json_text_at(job, "state"));
    table_cell(t, 2, "%s", json_text_at(job, "strategy"));
    if (epochs > 0) table_cell(t, 3, "%.0f/%.0f", isnan(epoch) ? 0 : epoch, epochs);
    if (!isnan(dice)) table_cell(t, 4, "%.4f", dice);
    table_cell(t, 5, "%s", json_text_at(job, "project"));
    table_cell(t, 6, "%s", age);
    table_cell(t, 7, "%.60s", json_text_at(job, "name"));
}

int command_ls(struct cli *cli)
{
    static const char *const head[] = {"ID", "STATE", "STRATEGY", "EPOCH", "DICE", "PROJECT", "AGE", "NAME"};
    char limit[24];
    snprintf(limit, sizeof limit, "%lld", (long long)cli->flags.limit);
    struct api_call call = {.op = API_JOB_LIST, .retry_ms = RETRY_MS, .stop = cli->stop,
                            .params = {{"state", cli->flags.state}, {"project", cli->flags.project}, {"tag", cli->flags.tag},
                                       {"strategy", cli->flags.strategy}, {"sweep", cli->flags.sweep}, {"limit", limit}}};
    bool more = false;
    int exit_code = cli_list(cli, &call, &(struct listing){.key = "jobs", .columns = 8, .head = head, .fill = fill_job_row, .more = &more});
    if (more && cli->output == OUTPUT_TABLE) fprintf(stderr, "tandem: there are more: --limit\n");
    return exit_code;
}

static void print_pairs(const json_t *job)
{
    static const char *const keys[] = {"id", "name", "project", "strategy", "state"};
    char line[400], age[32];
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        printf("%-10s %s\n", keys[i], render_plain(json_text_at(job, keys[i]), line, sizeof line));
    watch_line(job, line, sizeof line);
    age_of(job, age, sizeof age);
    printf("%-10s %s\n%-10s %.0f of %.0f\n%-10s %s ago\n", "now", line, "attempt", json_number_at(job, "attempt"), json_number_at(job, "max_attempts"), "submitted", age);
    const json_t *result = json_object_get(job, "result");
    if (json_is_object(result)) {
        char text[2000];
        json_t *rest = json_copy((json_t *)(uintptr_t)result); /* the scores have a table, the verdict has sentences */
        json_object_del(rest, "scores");
        json_object_del(rest, "verdict");
        if (json_is_object(json_object_get(result, "scores"))) json_object_del(rest, "best");
        json_text_print(rest, text, sizeof text);
        printf("%-10s %s\n", "result", text);
        verdict_print(result, "gradients", stdout);
        score_print(json_object_get(result, "scores"), stdout);
        json_decref(rest);
    }
    size_t i;
    json_t *log;
    json_array_foreach(json_object_get(job, "log"), i, log)
        if (json_is_string(log)) printf("  | %s\n", render_plain(json_string_value(log), line, sizeof line));
}

int command_get(struct cli *cli)
{
    int exit_code = 0;
    for (int i = 0; i < cli->args.count && !exit_code; i++) {
        struct api_call call = {.op = API_JOB_GET, .params = {{"id", cli->args.item[i]}}, .retry_ms = RETRY_MS, .stop = cli->stop};
        struct api_reply reply;
        exit_code = cli_call(cli, &call, &reply);
        if (!exit_code && cli->output == OUTPUT_JSON)
            cli_print_json(&reply);
        else if (!exit_code && cli->output == OUTPUT_NAME)
            printf("%s\n", json_text_at(reply.json, "id"));
        else if (!exit_code)
            print_pairs(reply.json);
        api_reply_free(&reply);
    }
    return exit_code;
}

/* ---- metrics, logs ------------------------------------------------------------------------------------- */
/* The last value of each series, with how many there are. */
static void print_series(const json_t *reply, enum output output)
{
    static const char *const head[] = {"SERIES", "X", "POINTS", "FIRST", "LAST", "AT"};
    struct table t;
    size_t i;
    json_t *one;
    table_init(&t, 6, head);
    json_array_foreach(json_object_get(reply, "series"), i, one) {
        const json_t *steps = json_object_get(one, "steps"), *values = json_object_get(one, "values");
        size_t n = json_array_size(values);
        char first[48], last[48];
        if (!n) continue;
        json_text_print(json_array_get(values, 0), first, sizeof first);
        json_text_print(json_array_get(values, n - 1), last, sizeof last);
        table_next_row(&t);
        table_cell(&t, 0, "%s", json_text_at(one, "name"));
        table_cell(&t, 1, "%s", json_text_at(one, "x"));
        table_cell(&t, 2, "%zu", n);
        table_cell(&t, 3, "%s", first);
        table_cell(&t, 4, "%s", last);
        table_cell(&t, 5, "%lld", (long long)json_integer_value(json_array_get(steps, n - 1)));
    }
    table_print(&t, output, stdout);
    table_free(&t);
}

int command_metrics(struct cli *cli)
{
    bool csv = cli->output == OUTPUT_CSV;
    struct api_call call = {.op = API_JOB_METRICS, .retry_ms = RETRY_MS, .stop = cli->stop, .accept = csv ? "text/csv" : NULL,
                            .params = {{"id", cli->args.item[0]}, {"series", cli->flags.series}, {"format", csv ? "csv" : NULL}}};
    struct api_reply reply;
    int exit_code = cli_call(cli, &call, &reply);
    if (!exit_code && (csv || cli->output == OUTPUT_JSON))
        cli_print_json(&reply);
    else if (!exit_code)
        print_series(reply.json, cli->output);
    api_reply_free(&reply);
    return exit_code;
}

int command_images(struct cli *cli)
{
    char limit[24];
    snprintf(limit, sizeof limit, "%lld", (long long)cli->flags.limit);
    struct api_call call = {.op = API_JOB_IMAGES, .retry_ms = RETRY_MS, .stop = cli->stop,
                            .params = {{"id", cli->args.item[0]}, {"order", cli->flags.order}, {"limit", limit}}};
    struct api_reply reply;
    int exit_code = cli_call(cli, &call, &reply);
    if (!exit_code && cli->output == OUTPUT_JSON)
        cli_print_json(&reply);
    else if (!exit_code)
        score_print_images(reply.json, cli->output, stdout);
    size_t shown = json_array_size(json_object_get(reply.json, "images"));
    double of = json_number_at(reply.json, "of");
    if (!exit_code && !shown) fprintf(stderr, "tandem: this job told no scores of single images\n");
    else if (!exit_code && (double)shown < of && cli->output == OUTPUT_TABLE) fprintf(stderr, "tandem: %zu of %.0f images: --limit\n", shown, of);
    api_reply_free(&reply);
    return exit_code;
}

/* Whether the job has ended; an unknown state counts as ended, so that nothing waits for ever. */
static int has_ended(struct cli *cli, const char *id, bool *ended)
{
    struct api_call call = {.op = API_JOB_GET, .params = {{"id", id}}, .retry_ms = RETRY_MS, .stop = cli->stop};
    struct api_reply reply;
    int exit_code = cli_call(cli, &call, &reply);
    int state = job_state_of_word(json_text_at(reply.json, "state"));
    *ended = state < 0 || job_state_is_end((enum job_state)state);
    api_reply_free(&reply);
    return exit_code;
}

/* One page from byte `after` on; moves it forward. */
static int print_log_page(struct cli *cli, long long *after)
{
    char from[24];
    snprintf(from, sizeof from, "%lld", *after);
    struct api_call call = {.op = API_JOB_LOGS, .params = {{"id", cli->args.item[0]}, {"after", from}}, .accept = "application/json", .retry_ms = RETRY_MS, .stop = cli->stop};
    struct api_reply reply;
    int exit_code = cli_call(cli, &call, &reply);
    if (!exit_code && cli->output == OUTPUT_JSON)
        cli_print_json(&reply);
    else if (!exit_code)
        for (const char *c = json_text_at(reply.json, "text"); *c; c++) putchar((unsigned char)*c < 0x20 && *c != '\n' && *c != '\t' ? '?' : *c);
    fflush(stdout);
    const json_t *next = json_object_get(reply.json, "next");
    if (!exit_code && json_is_integer(next)) *after = json_integer_value(next);
    api_reply_free(&reply);
    return exit_code;
}

int command_logs(struct cli *cli)
{
    for (long long after = 0;;) {
        bool ended = true;
        long long before = after;
        /* The state is read before the log: what a job says last is there once it has ended. */
        int exit_code = cli->flags.follow ? has_ended(cli, cli->args.item[0], &ended) : 0;
        if (!exit_code) exit_code = print_log_page(cli, &after);
        if (*cli->stop) return EXIT_DETACHED;
        if (exit_code) return exit_code;
        if (after != before) continue; /* there may be a further page */
        if (ended) return 0;
        for (int slept = 0; slept < LOG_POLL_MS && !*cli->stop; slept += 50) clock_sleep_ms(50);
    }
}

/* ---- cancel, retry ------------------------------------------------------------------------------------- */
static int act(struct cli *cli, enum api_op op, const json_t *body)
{
    int worst = 0;
    for (int i = 0; i < cli->args.count; i++) {
        struct api_call call = {.op = op, .params = {{"id", cli->args.item[i]}}, .body = body, .retry_ms = RETRY_MS, .stop = cli->stop};
        struct api_reply reply;
        int exit_code = cli_call(cli, &call, &reply);
        if (exit_code && !worst) worst = exit_code;
        if (!exit_code && cli->output == OUTPUT_JSON)
            cli_print_json(&reply);
        else if (!exit_code)
            print_submitted(cli, reply.json);
        api_reply_free(&reply);
    }
    if (!worst && cli->flags.wait) worst = watch_jobs(cli, cli->args.item, cli->args.count, true);
    return worst;
}

int command_cancel(struct cli *cli)
{
    int exit_code = act(cli, API_JOB_CANCEL, NULL);
    return cli->flags.wait && exit_code == EXIT_JOB_CANCELLED ? 0 : exit_code; /* that is what was asked for */
}

int command_retry(struct cli *cli)
{
    json_t *body = cli->flags.from ? json_pack("{s:s}", "from", cli->flags.from) : NULL;
    int exit_code = act(cli, API_JOB_RETRY, body);
    json_decref(body);
    return exit_code;
}
