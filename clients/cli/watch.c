/* watch: asks again and again what a job does; the answer is the truth, a stream that ends means nothing. */
#include "clients/cli/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/verdict_print.h"
#include "schema/base/clock.h"
#include "schema/job/job_state.h"

enum { WATCH_MAX = SETTINGS_LIST_MAX, RETRY_MS = 600000, POLL_MS = 1000 };

struct watched {
    const char *id;
    json_t *job;          /* as last seen */
    char version[24];
    char last_line[400];
    bool ended;
};

int watch_exit_of_state(const char *state)
{
    switch (job_state_of_word(state)) {
    case JOB_SUCCEEDED: return EXIT_OK;
    case JOB_FAILED: return EXIT_JOB_FAILED;
    case JOB_CANCELLED:
    case JOB_PRUNED: return EXIT_JOB_CANCELLED;
    default: return EXIT_ERROR;
    }
}

static void add_number(char *to, size_t size, const char *label, double value)
{
    size_t n = strlen(to);
    if (!isnan(value)) err_print(to + n, size - n, "  %s %.4f", label, value);
}

static void add_text(char *to, size_t size, const char *before, const char *text)
{
    size_t n = strlen(to);
    char plain[256];
    if (*text) err_print(to + n, size - n, "%s%s", before, render_plain(text, plain, sizeof plain));
}

void watch_line(const json_t *job, char *to, size_t size)
{
    const json_t *progress = json_object_get(job, "progress"), *latest = json_object_get(job, "latest");
    const char *state = json_text_at(job, "state");
    double epoch = json_number_at(progress, "epoch"), epochs = json_number_at(progress, "epochs"), eta = json_number_at(progress, "eta_s");
    char text[64];
    if (!strcmp(state, "succeeded")) epoch = epochs; /* the last heartbeat may have come before the last epoch */
    err_print(to, size, "%s", state);
    if (!strcmp(state, "running")) add_text(to, size, " ", json_text_at(job, "phase"));
    if (epochs > 0) {
        snprintf(text, sizeof text, "epoch %.0f/%.0f", isnan(epoch) ? 0 : epoch, epochs);
        add_text(to, size, "  ", text);
    }
    add_number(to, size, "loss", json_number_at(latest, "loss/total"));
    add_number(to, size, "dice", json_number_at(latest, "val/dice"));
    add_number(to, size, "alpha", json_number_at(latest, "alpha"));
    if (eta >= 0 && !strcmp(state, "running")) {
        render_duration(eta, text, sizeof text);
        add_text(to, size, "  ETA ", text);
    }
    add_text(to, size, "  ", json_text_at(json_object_get(job, "reason"), "message"));
    const json_t *failure = json_object_get(job, "failure");
    add_text(to, size, "  ", json_text_at(failure, "class"));
    add_text(to, size, ": ", json_text_at(failure, "message"));
}

/* Reads one job; waits for a change when `park`. */
static int look(struct cli *cli, struct watched *w, bool park)
{
    struct api_call call = {.op = API_JOB_GET, .params = {{"id", w->id}}, .retry_ms = RETRY_MS, .stop = cli->stop};
    struct api_reply reply;
    if (park && w->version[0]) {
        call.params[1] = (struct api_param){"wait", "25"};
        call.params[2] = (struct api_param){"after", w->version};
    }
    int exit_code = cli_call(cli, &call, &reply);
    if (!exit_code && json_is_object(reply.json)) {
        json_decref(w->job);
        w->job = json_incref(reply.json);
        snprintf(w->version, sizeof w->version, "%.0f", json_number_at(w->job, "version"));
        int state = job_state_of_word(json_text_at(w->job, "state"));
        w->ended = state >= 0 && job_state_is_end((enum job_state)state);
    }
    api_reply_free(&reply);
    return exit_code;
}

static void name_of(const struct watched *w, char *to, size_t size)
{
    const char *name = json_text_at(w->job, "name");
    char plain[64];
    size_t length = strlen(w->id);
    err_print(to, size, "%s %.32s", length > 8 ? w->id + length - 8 : w->id, render_plain(name, plain, sizeof plain));
}

static void draw(const struct watched *all, int count, bool again, FILE *to)
{
    if (again) fprintf(to, "\033[%dA", count);
    for (int i = 0; i < count; i++) {
        const json_t *progress = json_object_get(all[i].job, "progress");
        double share = json_number_at(progress, "epoch") / json_number_at(progress, "epochs");
        char line[400], name[80], bar[40];
        if (!strcmp(json_text_at(all[i].job, "state"), "succeeded")) share = 1;
        watch_line(all[i].job, line, sizeof line);
        name_of(&all[i], name, sizeof name);
        render_bar(share, 22, bar, sizeof bar);
        fprintf(to, "\r\033[K%-41.41s %s %.110s\n", name, bar, line);
    }
    fflush(to);
}

/* A line for each job that has moved on. The ETA alone is no news. */
static void say(struct watched *all, int count, FILE *to)
{
    for (int i = 0; i < count; i++) {
        char line[400], news[400], name[80];
        watch_line(all[i].job, line, sizeof line);
        err_print(news, sizeof news, "%s", line);
        char *eta = strstr(news, "  ETA ");
        if (eta) *eta = 0;
        if (!strcmp(news, all[i].last_line)) continue;
        memcpy(all[i].last_line, news, sizeof news);
        name_of(&all[i], name, sizeof name);
        fprintf(to, "%s  %s\n", name, line);
    }
    fflush(to);
}

static void say_verdicts(const struct watched *all, int count, FILE *to)
{
    for (int i = 0; i < count; i++) {
        char name[80];
        name_of(&all[i], name, sizeof name);
        verdict_print(json_object_get(all[i].job, "result"), name, to);
    }
}

static int worst(const struct watched *all, int count)
{
    static const int order[] = {EXIT_JOB_FAILED, EXIT_JOB_CANCELLED, EXIT_ERROR};
    for (int o = 0; o < 3; o++)
        for (int i = 0; i < count; i++)
            if (watch_exit_of_state(json_text_at(all[i].job, "state")) == order[o]) return order[o];
    return EXIT_OK;
}

static bool all_ended(const struct watched *all, int count)
{
    for (int i = 0; i < count; i++)
        if (!all[i].ended) return false;
    return true;
}

static int follow(struct cli *cli, struct watched *all, int count, bool quiet)
{
    FILE *to = cli->output == OUTPUT_TABLE ? stdout : stderr;
    double limit = cli->flags.timeout_s;
    int64_t until = limit > 0 ? clock_mono_ms() + (int64_t)(limit * 1000) : INT64_MAX;
    bool bars = cli->terminal && to == stdout;
    for (bool again = false;; again = true) {
        bool park = count == 1 && until == INT64_MAX;
        for (int i = 0; i < count; i++) {
            int exit_code = all[i].ended ? 0 : look(cli, &all[i], park);
            if (exit_code) return exit_code;
        }
        if (!quiet && bars) draw(all, count, again, to);
        if (!quiet && !bars) say(all, count, to);
        if (all_ended(all, count)) {
            if (!quiet) say_verdicts(all, count, to);
            return worst(all, count);
        }
        if (clock_mono_ms() >= until) {
            fprintf(stderr, "tandem: not ended after %g s; the job goes on\n", limit);
            return EXIT_TIMEOUT;
        }
        for (int slept = 0; !park && slept < POLL_MS && !*cli->stop; slept += 50) clock_sleep_ms(50);
    }
}

int watch_jobs(struct cli *cli, const char *const *ids, int count, bool quiet)
{
    struct watched all[WATCH_MAX] = {0};
    for (int i = 0; i < count; i++) all[i].id = ids[i];
    int exit_code = follow(cli, all, count, quiet);
    if (*cli->stop) {
        fprintf(stderr, "\ntandem: detached, the job goes on: tandem watch");
        for (int i = 0; i < count; i++) fprintf(stderr, " %s", ids[i]);
        fputc('\n', stderr);
        exit_code = EXIT_DETACHED;
    }
    for (int i = 0; i < count; i++) json_decref(all[i].job);
    return exit_code;
}

int command_watch(struct cli *cli)
{
    return watch_jobs(cli, cli->args.item, cli->args.count, false);
}
