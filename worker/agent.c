/* agent: the loop around attempts, the signals, what the worker says of itself. */
#include "worker/agent.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "schema/api/api_call.h"
#include "schema/api/api_request.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "schema/base/uuid.h"
#include "worker/attempt.h"
#include "worker/work_dir.h"

enum { CLAIM_WAIT_S = 25, CLAIM_RETRY_MS = 60000, LAST_CLAIM_MS = 5000, JITTER_MS = 500 };

/* What the handler touches. The first TERM drains, the second ends at once; `interrupt` wakes whoever waits. */
static atomic_bool drain, at_once, interrupt;

static void on_signal(int number)
{
    (void)number;
    if (drain) at_once = true;
    drain = true; /* before `interrupt`: whoever clears that one looks at this one afterwards */
    interrupt = true;
}

static void watch_signals(void)
{
    const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < 3; i++) sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is told as a full disk, not as a death */
}

struct agent {
    const struct agent_settings *settings;
    struct api_client *client, *beat;
    struct work_dir work;
    struct attempt_settings attempt;
    char host[256], program[PATH_MAX], id[64];
    int64_t jobs, idle_since_ms;
    int host_failures;
};

/* ---- who we are ----------------------------------------------------------------------------------- */
static int processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? (int)sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT(&set);
}

static const char *isa(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return "x86-64-v4";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "x86-64-v3";
    return "x86-64-v2";
#else
    return "generic";
#endif
}

/* "a=1,b=2" over the worker's own. */
static enum err add_labels(json_t *labels, const char *text, struct err_note *note)
{
    char *copy = strdup(text ? text : ""), *rest = copy;
    enum err e = copy ? OK : ERR_NO_MEMORY;
    for (char *one; !e && (one = strsep(&rest, ","));) {
        char *value = strchr(one, '=');
        if (!*one) continue;
        if (!value || value == one) {
            e = err_set(note, ERR_BAD_REQUEST, "--labels", "\"%.80s\" is not NAME=VALUE", one);
            break;
        }
        *value++ = 0;
        json_object_set_new(labels, one, json_string(value));
    }
    free(copy);
    return e;
}

static json_t *introduce(const struct agent *a, struct err_note *note)
{
    const struct agent_settings *s = a->settings;
    struct utsname system;
    json_t *labels = json_pack("{s:s, s:s}", "arch", uname(&system) ? "unknown" : system.machine, "isa", isa());
    const char *slurm = getenv("SLURM_JOB_ID");
    if (slurm && *slurm) json_object_set_new(labels, "slurm_job_id", json_string(slurm));
    if (add_labels(labels, s->labels, note)) {
        json_decref(labels);
        return NULL;
    }
    json_int_t memory = (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    json_t *body = json_pack("{s:i, s:s, s:s, s:i, s:s, s:o, s:{s:i, s:I}, s:b}", "protocol", (int)AGENT_PROTOCOL, "name",
                             s->name ? s->name : a->host, "host", a->host, "pid", (int)getpid(), "version", TANDEM_VERSION, "labels", labels,
                             "capacity", "threads", a->attempt.threads, "memory_bytes", memory, "data_paths", s->data_root != NULL);
    if (!body) err_set(note, ERR_BAD_REQUEST, "--name", "name and labels must be UTF-8");
    return body;
}

/* -> 0, or the exit status. Goes on asking until the server is there. */
static int enrol(struct agent *a)
{
    struct err_note note = {0};
    json_t *body = introduce(a, &note);
    if (!body) {
        log_error("worker.settings", "%s: %s", note.pointer, note.detail);
        return EXIT_CONFIG;
    }
    enum err e = ERR_UNREACHABLE;
    for (int tries = 0; e && !drain; tries++) {
        struct api_call call = {.op = API_WORKER_REGISTER, .body = body, .repeatable = true, .retry_ms = CLAIM_RETRY_MS, .stop = &interrupt};
        struct api_reply reply;
        e = api_call(a->client, &call, &reply, &note);
        if (!e) snprintf(a->id, sizeof a->id, "%s", json_string_value(json_object_get(reply.json, "worker_id")));
        api_reply_free(&reply);
        if (e == ERR_UPGRADE || e == ERR_UNAUTHORIZED || e == ERR_FORBIDDEN || e == ERR_SPEC || e == ERR_BAD_JSON) break;
        if (e && !drain) {
            log_warn("worker.waiting", "server=%s %s", api_client_server(a->client), note.detail);
            clock_sleep_ms(api_backoff_ms(tries, 0, api_dice()) / 4);
        }
    }
    json_decref(body);
    if (!e) log_info("worker.registered", "id=%s server=%s threads=%d", a->id, api_client_server(a->client), a->attempt.threads);
    if (!e || drain) return 0;
    log_error("worker.refused", "server=%s code=%s %s %s", api_client_server(a->client), err_word(e), note.pointer, note.detail);
    return e == ERR_UPGRADE ? EXIT_PROTOCOL : e == ERR_UNAUTHORIZED || e == ERR_FORBIDDEN ? EXIT_NO_PERMISSION : EXIT_CONFIG;
}

/* ---- claiming ------------------------------------------------------------------------------------- */
/* OK with *claim (new reference) or NULL when there is nothing to do. */
static enum err ask(struct agent *a, const char *claim_key, int wait_s, int64_t retry_ms, const atomic_bool *stop, json_t **claim,
                    struct err_note *note)
{
    char wait[12];
    snprintf(wait, sizeof wait, "%d", wait_s);
    json_t *body = json_pack("{s:s, s:s}", "worker_id", a->id, "claim_key", claim_key);
    struct api_call call = {.op = API_WORKER_CLAIM, .params = {{"wait", wait}}, .body = body, .repeatable = true, .retry_ms = retry_ms,
                            .timeout_ms = retry_ms ? 0 : LAST_CLAIM_MS, .stop = stop};
    struct api_reply reply;
    enum err e = api_call(a->client, &call, &reply, note);
    *claim = !e && reply.status == 200 ? json_incref(reply.json) : NULL;
    api_reply_free(&reply);
    json_decref(body);
    return e;
}

static void give_back(struct agent *a, const json_t *claim)
{
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)json_integer_value(json_object_get(claim, "attempt")));
    const char *job = json_string_value(json_object_get(claim, "job"));
    json_t *body = json_pack("{s:O, s:s}", "lease_token", json_object_get(claim, "lease_token"), "reason", "drain");
    struct api_call call = {.op = API_ATTEMPT_RELEASE, .params = {{"job", job}, {"n", number}}, .body = body, .repeatable = true, .retry_ms = LAST_CLAIM_MS};
    struct api_reply reply;
    if (!job || api_call(a->client, &call, &reply, NULL)) log_warn("claim.dropped", "job=%s", job ? job : "?");
    else api_reply_free(&reply);
    json_decref(body);
}

/* TERM came while a claim was on its way: had the server granted it, the same key brings it back, and it is released. */
static void undo_claim(struct agent *a, const char *claim_key)
{
    json_t *claim = NULL;
    if (!at_once && !ask(a, claim_key, 0, 0, &at_once, &claim, NULL) && claim) give_back(a, claim);
    json_decref(claim);
}

static int idle_left_s(const struct agent *a)
{
    if (a->settings->exit_when_idle_s <= 0) return CLAIM_WAIT_S;
    double left = a->settings->exit_when_idle_s - (double)(clock_mono_ms() - a->idle_since_ms) / 1000;
    return left < 0 ? -1 : left > CLAIM_WAIT_S ? CLAIM_WAIT_S : (int)left;
}

static int after_failed_claim(struct agent *a, enum err e, const struct err_note *note)
{
    if (e == ERR_CANCELLED) return 0;
    if (e == ERR_NOT_FOUND) return enrol(a); /* the server no longer knows us */
    log_warn("claim.failed", "code=%s %s", err_word(e), note->detail);
    if (e == ERR_UNAUTHORIZED || e == ERR_FORBIDDEN) return EXIT_NO_PERMISSION;
    if (e == ERR_UPGRADE) return EXIT_PROTOCOL;
    for (int64_t until = clock_mono_ms() + api_backoff_ms(4, 0, api_dice()); !drain && clock_mono_ms() < until;) clock_sleep_ms(100);
    return 0;
}

static bool may_go_on(const struct agent *a)
{
    return !drain && (!a->settings->max_jobs || a->jobs < a->settings->max_jobs) && idle_left_s(a) >= 0;
}

static void listen_again(void)
{
    interrupt = false;
    if (drain) interrupt = true;
}

/* A host that cannot run jobs (disk full, no tandem-train) must not eat the queue: it asks less and less often. */
static void rest_after(struct agent *a, enum attempt_end end)
{
    a->host_failures = end == ATTEMPT_HOST_FAILED ? a->host_failures + 1 : 0;
    if (!a->host_failures || (a->settings->max_jobs && a->jobs + 1 >= a->settings->max_jobs)) return;
    int64_t rest_ms = api_backoff_ms(a->host_failures + 2, 0, 0.5 + api_dice() / 2);
    log_warn("worker.resting", "ms=%lld: this host could not run the last %d", (long long)rest_ms, a->host_failures);
    for (int64_t until = clock_mono_ms() + rest_ms; !drain && clock_mono_ms() < until;) clock_sleep_ms(100);
}

static int work(struct agent *a)
{
    int status = 0;
    char claim_key[UUID_TEXT] = "";
    a->idle_since_ms = clock_mono_ms();
    while (!status && may_go_on(a)) {
        struct err_note note = {0};
        json_t *claim = NULL;
        if (!*claim_key) uuid_new(claim_key);
        listen_again();
        enum err e = ask(a, claim_key, idle_left_s(a), CLAIM_RETRY_MS, &interrupt, &claim, &note);
        if (e) { /* the key stays: an answer that was lost may have been a job */
            if (drain) undo_claim(a, claim_key);
            status = after_failed_claim(a, e, &note);
            continue;
        }
        claim_key[0] = 0;
        if (!claim) { /* workers that were told "nothing" together do not ask again together */
            clock_sleep_ms((int64_t)(api_dice() * JITTER_MS));
            continue;
        }
        listen_again();
        rest_after(a, attempt_run(&a->attempt, claim));
        json_decref(claim);
        a->jobs++;
        a->idle_since_ms = clock_mono_ms();
    }
    return status;
}

/* ---- start and end -------------------------------------------------------------------------------- */
static void find_program(struct agent *a)
{
    ssize_t n = a->settings->train_program ? -1 : readlink("/proc/self/exe", a->program, sizeof a->program - 16);
    char *slash = n > 0 ? (a->program[n] = 0, strrchr(a->program, '/')) : NULL;
    if (slash) strcpy(slash + 1, "tandem-train");
    if (!slash || access(a->program, X_OK)) strcpy(a->program, "tandem-train");
    a->attempt.train_program = a->settings->train_program ? a->settings->train_program : a->program;
}

static enum err set_up(struct agent *a, struct err_note *note)
{
    const struct agent_settings *s = a->settings;
    struct api_settings api = {.server = s->server, .token_file = s->token_file, .ca_file = s->ca_file, .program = "tandem-worker"};
    enum err e = api_client_new(&api, &a->client, note);
    if (!e) e = api_client_new(&api, &a->beat, note);
    if (!e) e = work_dir_open(s->cache_dir, &a->work, note);
    if (!e && s->data_root && access(s->data_root, R_OK | X_OK)) e = err_set(note, ERR_BAD_REQUEST, s->data_root, "--data-root: %s", strerror(errno));
    if (e) return e;
    if (gethostname(a->host, sizeof a->host)) strcpy(a->host, "unknown");
    a->host[sizeof a->host - 1] = 0;
    find_program(a);
    a->attempt.client = a->client;
    a->attempt.beat = a->beat;
    a->attempt.work_dir = a->work.own;
    a->attempt.tuning_path = a->work.tuning;
    a->attempt.data_root = s->data_root;
    a->attempt.host = a->host;
    a->attempt.cache = (struct dataset_cache){.dir = a->work.cache, .bytes_max = s->cache_bytes_max};
    a->attempt.threads = s->threads ? (int)s->threads : processors();
    a->attempt.grace_ms = (int64_t)(s->grace_s * 1000);
    a->attempt.away_ms = (int64_t)(s->away_s * 1000);
    a->attempt.no_progress_ms = (int64_t)(s->no_progress_s * 1000);
    a->attempt.interrupt = &interrupt;
    a->attempt.drain = &drain;
    a->attempt.at_once = &at_once;
    return OK;
}

int agent_run(const struct agent_settings *settings)
{
    struct agent *a = calloc(1, sizeof *a);
    struct err_note note = {0};
    if (!a) abort();
    a->settings = settings;
    a->work.lock = -1;
    watch_signals();
    if (geteuid() == 0) log_warn("worker.root", "running as root: a user of its own is safer");
    enum err e = set_up(a, &note);
    int status = !e ? 0 : a->beat && a->work.lock < 0 ? EXIT_CANNOT_CREATE : EXIT_CONFIG;
    if (e) log_error("worker.settings", "%s: %s %s", note.pointer, note.detail, note.found);
    if (!status) status = enrol(a);
    if (!status) status = work(a);
    log_info("worker.stopped", "jobs=%lld status=%d", (long long)a->jobs, at_once ? EXIT_AT_ONCE : status);
    work_dir_close(&a->work);
    api_client_free(a->beat);
    api_client_free(a->client);
    free(a);
    return at_once ? EXIT_AT_ONCE : status;
}
