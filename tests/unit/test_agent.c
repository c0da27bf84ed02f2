/* test_agent: tandem-worker itself against a scripted daemon, with a shell script in tandem-train's place. */
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "schema/base/clock.h"
#include "schema/base/sha256.h"
#include "tests/check.h"
#include "tests/fake_server.h"

/* The child: reads its flags, then does what $FAKE says. */
static const char child_script[] =
    "#!/bin/sh\n"
    "job=$1; shift; data= resume=\n"
    "while [ $# -gt 0 ]; do case $1 in --out) out=$2;; --data) data=$2;; --resume) resume=$2;; --threads) threads=$2;; esac; shift 2; done\n"
    "say() { printf '%s\\n' \"$1\" >&3; }\n"
    "metric() { say \"{\\\"event\\\":\\\"metric\\\",\\\"series\\\":[{\\\"name\\\":\\\"loss/total\\\",\\\"kind\\\":\\\"result\\\",\\\"x\\\":\\\"step\\\",\\\"steps\\\":[$1],\\\"values\\\":[0.1]}]}\"; }\n"
    "checkpoint() { printf 'weights at %s' \"$1\" >$out/new; mv $out/new $out/ckpt\n"
    "  say \"{\\\"event\\\":\\\"checkpoint\\\",\\\"path\\\":\\\"$out/ckpt\\\",\\\"sha256\\\":\\\"$(sha256sum <$out/ckpt | cut -c1-64)\\\",\\\"bytes\\\":12,\\\"step\\\":$1,\\\"epoch\\\":0,\\\"best\\\":false,\\\"score\\\":\\\"NaN\\\"}\"; }\n"
    "taken() { until [ -e \"$TAKEN/put-$1\" ]; do sleep 0.01; done; }\n"
    "finished() { printf model >$out/model.safetensors\n"
    "  say '{\"event\":\"done\",\"result\":{\"weights_sha256\":\"abc\"},\"artifacts\":[{\"name\":\"model.safetensors\",\"path\":\"'$out'/model.safetensors\",\"kind\":\"model\"}]}'; exit 0; }\n"
    "echo \"words on stderr\" >&2\n"
    "say '{\"event\":\"start\",\"loss_resolved\":{\"strategy\":\"constant\"},\"kernels\":{\"micro_batch\":1}}'\n"
    "say '{\"event\":\"phase\",\"phase\":\"training\"}'\n"
    "eval \"$FAKE\"\n";

struct daemon {
    pthread_mutex_t lock;
    struct fake_server *server;
    const char *dataset, *resume, *spec, *command;
    char blob[256], blob_sha256[SHA256_HEX];
    int jobs;              /* how many claims are granted */
    int claims, claims_without_job, puts;
    int64_t command_at_ms, ended_at_ms;
    atomic_int heartbeats;
    atomic_bool away, lose;
    char all[32768];       /* everything in order */
    char finish[4096], logs[16384], registered[2048], phase[32];
};

static void PRINTF_LIKE(2, 3) happened(struct daemon *d, const char *format, ...)
{
    size_t n = strlen(d->all);
    va_list args;
    va_start(args, format);
    vsnprintf(d->all + n, sizeof d->all - n, format, args);
    va_end(args);
}

static void grant(struct daemon *d, struct fake_reply *reply)
{
    if (d->claims >= d->jobs) {
        d->claims_without_job++;
        reply->status = 204;
        return;
    }
    d->claims++;
    fake_say(reply, 200,
             "{\"job\":\"0190-job\",\"attempt\":%d,\"lease_token\":\"token-%d\",\"lease_ms\":1000,\"heartbeat_ms\":250,\"spec\":%s,"
             "\"dataset\":%s,\"resume\":%s}",
             d->claims, d->claims, d->spec, d->dataset, d->resume);
}

static void beat(struct daemon *d, const struct fake_request *request, struct fake_reply *reply)
{
    d->heartbeats++;
    json_t *body = json_loadb(request->body, request->length, 0, NULL);
    const char *phase = json_string_value(json_object_get(body, "phase"));
    snprintf(d->phase, sizeof d->phase, "%s", phase ? phase : "");
    json_decref(body);
    const char *command = d->command && !strcmp(d->phase, "training") ? d->command : "none";
    if (strcmp(command, "none") && !d->command_at_ms) d->command_at_ms = clock_mono_ms();
    fake_say(reply, 200, "{\"lease_ms\":1000,\"command\":\"%s\",\"deadline_ms\":%d}", command, 20000);
}

static void take_metrics(struct daemon *d, const struct fake_request *request)
{
    json_t *body = json_loadb(request->body, request->length, 0, NULL), *series = json_array_get(json_object_get(body, "series"), 0);
    json_t *steps = json_object_get(series, "steps");
    happened(d, "metrics %lld [%lld-%lld]; ", json_integer_value(json_object_get(body, "seq")), json_integer_value(json_array_get(steps, 0)),
             json_integer_value(json_array_get(steps, json_array_size(steps) - 1)));
    json_decref(body);
}

static void answer_locked(struct daemon *d, const struct fake_request *request, struct fake_reply *reply)
{
    const char *verb = strrchr(request->path, ':');
    verb = verb ? verb + 1 : "";
    reply->status = 204;
    if (d->away) {
        reply->status = 0;
    } else if (strstr(request->path, "/register")) {
        snprintf(d->registered, sizeof d->registered, "%s", request->body);
        fake_say(reply, 201, "{\"worker_id\":\"w-1\",\"protocol\":1,\"lease_ms\":1000,\"heartbeat_ms\":250}");
    } else if (strstr(request->path, "/claim")) {
        grant(d, reply);
    } else if (d->lose && strstr(request->path, "/attempts/0190-job/1")) {
        fake_say(reply, 409, "{\"type\":\"/problems/lease_lost\",\"title\":\"lease_lost\",\"status\":409}");
    } else if (!strcmp(verb, "heartbeat")) {
        beat(d, request, reply);
    } else if (!strcmp(verb, "metrics")) {
        take_metrics(d, request);
    } else if (!strcmp(verb, "logs")) {
        strncat(d->logs, request->body, sizeof d->logs - strlen(d->logs) - 1);
    } else if (!strcmp(request->method, "PUT")) {
        char mark[32];
        snprintf(mark, sizeof mark, "put-%d", ++d->puts); /* for a child that waits for it: see `taken` */
        FILE *f = fopen(mark, "w");
        CHECK(f && !fclose(f));
        happened(d, "%s=%s; ", strrchr(request->path, '/') + 1, request->body);
        fake_say(reply, 201, "{\"bytes\":%zu}", request->length);
    } else if (!strcmp(request->method, "GET")) {
        fake_say(reply, 200, "%s", d->blob);
    } else {
        happened(d, "%s; ", verb);
        snprintf(d->finish, sizeof d->finish, "%s", request->body);
        d->ended_at_ms = clock_mono_ms();
        fake_say(reply, 200, "{\"state\":\"queued\"}");
    }
}

static void answer(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    struct daemon *d = user;
    pthread_mutex_lock(&d->lock);
    answer_locked(d, request, reply);
    pthread_mutex_unlock(&d->lock);
}

static void daemon_start(struct daemon *d)
{
    memset(d, 0, sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    d->server = fake_server_start(0, answer, d);
    d->dataset = "{\"generate\":{\"kind\":\"lesions\"}}";
    d->resume = "null";
    d->spec = "{\"name\":\"n\",\"dataset\":\"lesions\",\"timeout_s\":null}";
    d->jobs = 1;
    FILE *f = fopen("train.sh", "w");
    CHECK(f);
    fputs(child_script, f);
    fclose(f);
    CHECK(!chmod("train.sh", 0755));
}

static pid_t worker_start(const struct daemon *d, const char *fake, const char *flag, const char *value)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid) return pid;
    char here[4096];
    setenv("FAKE", fake, 1);
    if (getcwd(here, sizeof here)) setenv("TAKEN", here, 1);
    setenv("TANDEM_TOKEN", "very-secret", 1);
    unsetenv("TANDEM_TOKEN_FILE");
    execl(check_bin("tandem-worker"), "tandem-worker", "--server", fake_server_address(d->server), "--cache-dir", "cache", "--train-program",
          "./train.sh", "--threads", "2", "--labels", "rack=3", flag, value, (char *)NULL);
    _exit(99);
}

static int worker_wait(pid_t pid)
{
    int status;
    for (int i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
        if (i > 3000) {
            kill(pid, SIGKILL);
            check_fail(__FILE__, __LINE__, "the worker did not end in 30 s");
        }
        clock_sleep_ms(10);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run_worker(const struct daemon *d, const char *fake)
{
    return worker_wait(worker_start(d, fake, "--max-jobs", "1"));
}

static bool has(struct daemon *d, const char *in, const char *what)
{
    pthread_mutex_lock(&d->lock);
    bool found = strstr(in, what) != NULL;
    pthread_mutex_unlock(&d->lock);
    return found;
}

static void wait_for(struct daemon *d, const char *in, const char *what)
{
    for (int i = 0; !has(d, in, what); i++) {
        if (i > 2000) check_fail(__FILE__, __LINE__, "no \"%s\" after 20 s in: %s", what, in);
        clock_sleep_ms(10);
    }
}

static void nothing_left(void)
{
    CHECK(system("test -z \"$(ls cache/work | grep run-)\"") == 0);
}

void test_agent_runs_a_job_and_reports_in_order(void)
{
    struct daemon d;
    daemon_start(&d);
    CHECK_INT(run_worker(&d, "metric 1; metric 2; checkpoint 2; taken 1; metric 3; checkpoint 3; test -z \"$TANDEM_TOKEN$TANDEM_SERVER$data\" && finished"), 0);
    CHECK_HAS(d.registered, "\"protocol\":1");
    CHECK_HAS(d.registered, "\"rack\":\"3\"");
    CHECK_HAS(d.registered, "\"threads\":2");
    CHECK_HAS(d.all, "metrics 1 [1-2]; checkpoint-last=weights at 2; ");
    CHECK_HAS(d.all, "metrics 2 [3-3]; checkpoint-last=weights at 3; model.safetensors=model; finish; ");
    CHECK_HAS(d.finish, "\"lease_token\":\"token-1\",\"outcome\":\"succeeded\",\"result\":{\"weights_sha256\":\"abc\"}");
    CHECK_HAS(d.finish, "\"kernels\":{\"micro_batch\":1},\"loss_resolved\":{\"strategy\":\"constant\"}");
    nothing_left();
    fake_server_stop(d.server);
}

void test_agent_stages_an_archive_and_the_checkpoint_to_resume_from(void)
{
    struct daemon d;
    daemon_start(&d);
    strcpy(d.blob, "the same bytes for both");
    sha256_hex_of(d.blob, strlen(d.blob), d.blob_sha256);
    char dataset[256], resume[256];
    snprintf(dataset, sizeof dataset, "{\"name\":\"x\",\"sha256\":\"%s\",\"bytes\":23}", d.blob_sha256);
    snprintf(resume, sizeof resume, "{\"name\":\"checkpoint-last\",\"sha256\":\"%s\",\"bytes\":23,\"step\":7,\"epoch\":1}", d.blob_sha256);
    d.dataset = dataset, d.resume = resume;
    CHECK_INT(run_worker(&d, "cmp $data $resume && grep -q '\"dataset\": \"lesions\"' $job && finished"), 0);
    CHECK_HAS(d.finish, "succeeded");
    CHECK_HAS(d.logs, "resumes from checkpoint-last at step 7");
    d.jobs = 2;
    d.blob[0] = 'T'; /* the archive is in the cache by now, the checkpoint is not what was promised */
    CHECK_INT(run_worker(&d, "finished"), 0);
    CHECK_HAS(d.finish, "\"class\":\"internal\"");
    CHECK_HAS(d.finish, "sha256");
    nothing_left();
    fake_server_stop(d.server);
}

void test_agent_classifies_how_its_child_ended(void)
{
    static const struct {
        const char *fake, *class, *message;
    } rows[] = {
        {"kill -SEGV $$", "internal", "signal 11"},
        {"kill -KILL $$", "internal", "signal 9"},
        {"say '{\"event\":\"failed\",\"class\":\"diverged\",\"message\":\"loss is NaN at step 5\"}'; exit 76", "diverged", "NaN at step 5"},
        {"say '{\"event\":\"failed\",\"class\":\"worker_lost\",\"message\":\"never from here\"}'; exit 70", "internal", "never"},
        {"exit 71", "out_of_memory", ""},
        {"exit 73", "no_space", ""},
        {"exit 0", "internal", "without saying"},
        {"say nonsense; sleep 20; true", "internal", "no event"},
        {"say '{\"event\":\"done\",\"result\":{},\"artifacts\":[{\"name\":\"m\",\"kind\":\"model\",\"path\":\"/etc/hostname\"}]}'; exit 0", "internal", "m was not kept"},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    struct daemon d;
    daemon_start(&d);
    for (int i = 0; i < ROWS; i++) {
        d.jobs = i + 1;
        d.logs[0] = 0;
        CHECK_INT(run_worker(&d, rows[i].fake), 0);
        char class[64];
        snprintf(class, sizeof class, "\"class\":\"%s\"", rows[i].class);
        CHECK_HAS(d.finish, class);
        CHECK_HAS(d.finish, rows[i].message);
        CHECK_HAS(d.logs, "words on stderr");
    }
    CHECK(!strstr(d.all, "m="));
    nothing_left();
    fake_server_stop(d.server);
}

void test_agent_passes_a_cancel_on_within_a_second(void)
{
    struct daemon d;
    daemon_start(&d);
    d.command = "cancel";
    CHECK_INT(run_worker(&d, "trap 'checkpoint 9; exit 75' TERM; while :; do sleep 0.02; done"), 0);
    CHECK_HAS(d.finish, "\"outcome\":\"cancelled\"");
    CHECK(d.ended_at_ms - d.command_at_ms < 1500);
    d.jobs = 2;
    d.command = "pause";
    CHECK_INT(run_worker(&d, "trap 'checkpoint 9; exit 75' TERM; while :; do sleep 0.02; done"), 0);
    CHECK_HAS(d.finish, "\"outcome\":\"paused\"");
    CHECK_HAS(d.all, "checkpoint-last=weights at 9; finish; ");
    d.jobs = 3;
    d.command = "preempt";
    CHECK_INT(run_worker(&d, "trap 'exit 75' TERM; while :; do sleep 0.02; done"), 0);
    CHECK_HAS(d.finish, "\"reason\":\"preempt\"");
    CHECK_HAS(d.all, "release; ");
    fake_server_stop(d.server);
}

void test_agent_drains_on_term_and_leaves_at_once_on_the_second(void)
{
    struct daemon d;
    daemon_start(&d);
    d.jobs = 5;
    pid_t pid = worker_start(&d, "metric 1; trap 'metric 2; checkpoint 2; exit 75' TERM; while :; do sleep 0.02; done", "--max-jobs", "0");
    wait_for(&d, d.all, "metrics 1");
    kill(pid, SIGTERM);
    CHECK_INT(worker_wait(pid), 0);
    CHECK_HAS(d.all, "metrics 2 [2-2]; checkpoint-last=weights at 2; release; ");
    CHECK_HAS(d.finish, "\"reason\":\"drain\"");
    CHECK_INT(d.claims, 1);
    nothing_left();
    pid = worker_start(&d, "metric 3; trap '' TERM; while :; do sleep 0.02; done", "--max-jobs", "0");
    wait_for(&d, d.all, "[3-3]");
    kill(pid, SIGTERM);
    clock_sleep_ms(300);
    CHECK_INT(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGTERM);
    CHECK_INT(worker_wait(pid), 143);
    nothing_left();
    fake_server_stop(d.server);
}

void test_agent_drops_a_lost_lease_and_claims_again(void)
{
    struct daemon d;
    daemon_start(&d);
    d.jobs = 2;
    pid_t pid = worker_start(&d, "case $out in *-1/out) metric 1; sleep 0.4; exec sleep 100;; esac; metric 2; finished", "--max-jobs", "2");
    wait_for(&d, d.all, "metrics 1");
    d.lose = true;
    CHECK_INT(worker_wait(pid), 0);
    CHECK_HAS(d.all, "metrics 1 [1-1]; metrics 1 [2-2]; model.safetensors=model; finish; ");
    CHECK_HAS(d.finish, "token-2");
    CHECK_INT(d.claims, 2);
    nothing_left();
    fake_server_stop(d.server);
}

void test_agent_keeps_training_while_the_server_is_away(void)
{
    struct daemon d;
    daemon_start(&d);
    pid_t pid = worker_start(&d, "metric 1; i=2; while [ $i -lt 300 ]; do metric $i; sleep 0.01; i=$((i+1)); done; checkpoint 300; finished", "--max-jobs", "1");
    wait_for(&d, d.all, "metrics 1");
    d.away = true;
    clock_sleep_ms(2500); /* more than two leases */
    int before = d.heartbeats;
    d.away = false;
    CHECK_INT(worker_wait(pid), 0);
    CHECK(d.heartbeats > before);
    CHECK_HAS(d.all, "-299]; checkpoint-last=weights at 300; model.safetensors=model; finish; ");
    long long last = 0; /* no step is missing or doubled */
    for (const char *at = d.all; (at = strstr(at, "metrics ")); at++) {
        long long seq, from, to;
        CHECK_INT(sscanf(at, "metrics %lld [%lld-%lld]", &seq, &from, &to), 3);
        CHECK_INT(from, last + 1);
        last = to;
    }
    CHECK_INT(last, 299);
    fake_server_stop(d.server);
}

void test_agent_ends_a_training_that_is_silent_or_takes_too_long(void)
{
    struct daemon d;
    daemon_start(&d);
    pid_t pid = worker_start(&d, "metric 1; trap '' TERM; sleep 100", "--no-progress-s", "1.2");
    wait_for(&d, d.all, "finish");
    CHECK_HAS(d.finish, "\"class\":\"no_progress\"");
    kill(pid, SIGTERM);
    CHECK_INT(worker_wait(pid), 0);
    d.jobs = 2;
    d.spec = "{\"dataset\":\"lesions\",\"timeout_s\":0.7}";
    CHECK_INT(run_worker(&d, "trap 'exit 75' TERM; while :; do metric 1; sleep 0.2; done"), 0);
    CHECK_HAS(d.finish, "\"class\":\"timeout\"");
    d.jobs = 3; /* deaf to TERM: KILL after the grace */
    d.finish[0] = 0;
    pid = worker_start(&d, "trap '' TERM; while :; do metric 1; sleep 0.2; done", "--grace-s", "0.5");
    wait_for(&d, d.finish, "\"class\":\"timeout\"");
    kill(pid, SIGTERM);
    CHECK_INT(worker_wait(pid), 0);
    nothing_left();
    fake_server_stop(d.server);
}

void test_agent_s_child_dies_with_it(void)
{
    struct daemon d;
    daemon_start(&d);
    pid_t pid = worker_start(&d, "echo $$ >$out/../../../../../pid; metric 1; trap '' TERM; while :; do sleep 0.05; done", "--max-jobs", "1");
    wait_for(&d, d.all, "metrics 1");
    FILE *f = fopen("pid", "r");
    int child = 0;
    CHECK(f && fscanf(f, "%d", &child) == 1 && child > 1);
    fclose(f);
    CHECK(!kill(child, 0));
    kill(pid, SIGKILL);
    CHECK_INT(worker_wait(pid), -SIGKILL);
    for (int i = 0; !kill(child, 0); i++) {
        CHECK(i < 200);
        clock_sleep_ms(10);
    }
    d.jobs = 2; /* the next worker sweeps what it left */
    CHECK_INT(run_worker(&d, "finished"), 0);
    nothing_left();
    fake_server_stop(d.server);
}

void test_agent_leaves_when_it_has_been_idle(void)
{
    struct daemon d;
    daemon_start(&d);
    d.jobs = 0;
    int64_t before = clock_mono_ms();
    CHECK_INT(worker_wait(worker_start(&d, "", "--exit-when-idle", "1")), 0);
    CHECK(clock_mono_ms() - before >= 900);
    CHECK(d.claims_without_job >= 1);
    fake_server_stop(d.server);
}
