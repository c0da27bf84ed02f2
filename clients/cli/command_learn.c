/* command_learn: strategies, alpha and worker: what there is to choose, how alpha moves, who works. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/command.h"
#include "schema/base/json_fields.h"
#include "schema/job/job_spec_json.h"

enum { RETRY_MS = 30000, CURVE_COLUMNS = 72, CURVE_ROWS = 10, TABLE_EPOCHS_MAX = 30 };

static void fill_strategy_row(struct table *t, const json_t *one)
{
    table_cell(t, 0, "%s", json_text_at(one, "strategy"));
    table_cell(t, 1, "%s", json_is_true(json_object_get(one, "built")) ? "yes" : "not yet");
    table_cell(t, 2, "%s", json_text_at(one, "summary"));
}

int command_strategies(struct cli *cli)
{
    static const char *const head[] = {"STRATEGY", "BUILT", "SUMMARY"};
    struct api_call call = {.op = API_STRATEGIES, .retry_ms = RETRY_MS, .stop = cli->stop};
    return cli_list(cli, &call, &(struct listing){.key = "strategies", .columns = 3, .head = head, .fill = fill_strategy_row});
}

/* ---- alpha ---------------------------------------------------------------------------------------------- */
/* The flag, or what the job says, right or wrong: the preview refuses it; where neither says anything, the preview has its default. */
static void add_count(json_t *request, const char *key, int64_t flag, const json_t *job, const char *block)
{
    json_t *own = json_object_get(json_object_get(job, block), key);
    if (flag) json_object_set_new(request, key, json_integer(flag));
    else if (own && !json_is_null(own)) json_object_set(request, key, own);
}

/* The request from the argument: JSON of an alpha, or a job file, whose epochs are taken, too. New reference, or NULL. */
static json_t *alpha_request(struct cli *cli, const char *text)
{
    json_t *alpha = NULL, *job = NULL, *request = NULL;
    json_error_t error;
    if (text[0] == '{' || strchr("0123456789.-", text[0]) || !strpbrk(text, "./"))
        alpha = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (!alpha) job = json_load_file(text, JSON_REJECT_DUPLICATES, &error);
    if (job) {
        alpha = json_incref(json_object_get(json_object_get(job, "loss"), "alpha"));
        if (!alpha) fprintf(stderr, "tandem: %s: its loss has no alpha\n", text);
    } else if (!alpha)
        fprintf(stderr, "tandem: %s: neither an alpha as JSON nor a job file: %s\n", text, error.text);
    if (alpha) {
        request = json_pack("{s:o}", "alpha", alpha);
        add_count(request, "epochs", cli->flags.epochs, job, "training");
        add_count(request, "steps_per_epoch", cli->flags.steps_per_epoch, job, "training");
        add_count(request, "every_epochs", cli->flags.every_epochs, job, "validation");
    }
    json_decref(job);
    return request;
}

/* One list of the reply as a curve and, when it is short, as numbers; `every`: what an entry counts, epochs or so many steps. */
static void draw_curve(const char *title, const json_t *alpha, int64_t every)
{
    size_t count = json_array_size(alpha);
    double *values = calloc(count + 1, sizeof *values);
    for (size_t e = 0; values && e < count; e++) values[e] = json_number_value(json_array_get(alpha, e));
    if (!values) return;
    printf("%s\n", title);
    render_curve(values, count, CURVE_COLUMNS, CURVE_ROWS, stdout);
    for (size_t e = 0; e < count && count <= TABLE_EPOCHS_MAX; e++) printf("%s%lld: %.4g", e % 8 ? "  " : e ? "\n" : "", (long long)((int64_t)e * every), values[e]);
    if (count <= TABLE_EPOCHS_MAX) printf("\n");
    free(values);
}

static void draw_alpha(const json_t *reply)
{
    const json_t *bounds = json_object_get(reply, "bounds"), *steps = json_object_get(reply, "steps");
    printf("alpha, the weight of Dice (cross-entropy gets 1 - alpha)\n");
    if (bounds) {
        draw_curve("epoch by epoch, if validation never stalls", json_object_get(bounds, "never_stalls"), 1);
        draw_curve("epoch by epoch, if every validation that may stall does", json_object_get(bounds, "always_stalls"), 1);
    } else if (steps)
        draw_curve("step by step", json_object_get(steps, "alpha"), json_integer_value(json_object_get(steps, "every_steps")));
    else
        draw_curve("epoch by epoch", json_object_get(reply, "alpha"), 1);
}

static void print_epochs(const json_t *reply)
{
    const json_t *bounds = json_object_get(reply, "bounds"), *alpha = bounds ? json_object_get(bounds, "never_stalls") : json_object_get(reply, "alpha");
    const json_t *always = json_object_get(bounds, "always_stalls");
    printf(bounds ? "epoch,never_stalls,always_stalls\n" : "epoch,alpha\n");
    for (size_t e = 0; e < json_array_size(alpha); e++) {
        printf("%zu,%.15g", e, json_number_value(json_array_get(alpha, e)));
        if (bounds) printf(",%.15g", json_number_value(json_array_get(always, e)));
        printf("\n");
    }
}

static void print_json(const json_t *json)
{
    struct buf text;
    buf_init(&text, 64u << 20);
    enum err e = json_text_write_pretty(json, &text);
    if (!e) puts(text.data);
    buf_free(&text);
}

/* Needs no server: the curve is computed by the same code that trains. */
int command_alpha(struct cli *cli)
{
    static struct err_list errors;
    json_t *request = alpha_request(cli, cli->args.item[0]), *reply;
    if (!request) return EXIT_USAGE;
    enum err e = alpha_preview(request, &reply, &errors);
    json_decref(request);
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "tandem: %s: %s; found %s; allowed %s\n", errors.notes[i].pointer, errors.notes[i].detail, errors.notes[i].found, errors.notes[i].allowed);
    if (e) return EXIT_ERROR;
    if (cli->output == OUTPUT_JSON)
        print_json(reply);
    else if (cli->output == OUTPUT_CSV)
        print_epochs(reply);
    else
        draw_alpha(reply);
    json_decref(reply);
    return 0;
}

/* ---- worker --------------------------------------------------------------------------------------------- */
static void fill_worker_row(struct table *t, const json_t *worker)
{
    char memory[32], seen[32];
    const json_t *jobs = json_object_get(worker, "jobs");
    render_bytes(json_number_at(worker, "memory_bytes"), memory, sizeof memory);
    render_duration(json_number_at(worker, "seen_s"), seen, sizeof seen);
    table_cell(t, 0, "%s", json_text_at(worker, "name"));
    table_cell(t, 1, "%s", json_text_at(worker, "state"));
    table_cell(t, 2, "%s", json_text_at(worker, "host"));
    table_cell(t, 3, "%.0f", json_number_at(worker, "threads"));
    table_cell(t, 4, "%s", memory);
    table_cell(t, 5, "%s", seen);
    table_cell(t, 6, "%s", json_string_value(json_array_get(jobs, 0)) ? json_string_value(json_array_get(jobs, 0)) : "");
}

int command_worker(struct cli *cli)
{
    static const char *const head[] = {"NAME", "STATE", "HOST", "THREADS", "MEMORY", "HEARD", "JOB"};
    if (cli->args.count && strcmp(cli->args.item[0], "ls")) {
        fprintf(stderr, "tandem: usage: tandem worker ls\n");
        return EXIT_USAGE;
    }
    struct api_call call = {.op = API_WORKER_LIST, .retry_ms = RETRY_MS, .stop = cli->stop};
    return cli_list(cli, &call, &(struct listing){.key = "workers", .columns = 7, .head = head, .fill = fill_worker_row});
}
