/* test_cli: the built `tandem` against a server that says what the test wants: what it sends, prints and exits with. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clients/cli/edit_spec.h"
#include "clients/cli/render.h"
#include "schema/base/clock.h"
#include "schema/base/json_text.h"
#include "tests/check.h"
#include "tests/fake_server.h"

#define ID "01920000-0000-7000-8000-0000000000ab"
#define JOB(state, more) "{\"id\": \"" ID "\", \"name\": \"n\", \"project\": \"p\", \"strategy\": \"constant\", \"state\": \"" state "\", \"version\": %d" more "}"

static char output[65536], complaint[65536];

static void read_back(const char *path, char *to)
{
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    ssize_t n = read(fd, to, 65535);
    CHECK(n >= 0);
    to[n] = 0;
    close(fd);
}

static pid_t start(const struct fake_server *server, const char *const *words)
{
    pid_t pid = fork();
    if (pid) return pid;
    char *argv[32] = {strdup(check_bin("tandem"))};
    for (int i = 0; words[i]; i++) argv[i + 1] = strdup(words[i]);
    int out = open("out", O_CREAT | O_TRUNC | O_WRONLY, 0600), err = open("err", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    dup2(out, 1);
    dup2(err, 2);
    setenv("TANDEM_SERVER", server ? fake_server_address(server) : "http://127.0.0.1:1", 1);
    unsetenv("TANDEM_TOKEN");
    execv(argv[0], argv);
    _exit(127);
}

static int finish(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    read_back("out", output);
    read_back("err", complaint);
    if (!WIFEXITED(status)) check_fail(__FILE__, __LINE__, "ended by signal %d: %s", WTERMSIG(status), complaint);
    return WEXITSTATUS(status);
}

#define TANDEM(server, ...) finish(start(server, (const char *const[]){__VA_ARGS__, NULL}))

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

struct scene {
    atomic_int calls;
    char last[1200], body[8192], head[4096];
    int (*answer)(struct scene *s, const struct fake_request *q, struct fake_reply *r);
};

static void on_request(void *user, const struct fake_request *q, struct fake_reply *r)
{
    struct scene *s = user;
    s->calls++;
    snprintf(s->last, sizeof s->last, "%s %s?%s", q->method, q->path, q->query);
    snprintf(s->body, sizeof s->body, "%.8000s", q->length ? q->body : "");
    snprintf(s->head, sizeof s->head, "%s", q->head);
    s->answer(s, q, r);
}

static int accept_job(struct scene *s, const struct fake_request *q, struct fake_reply *r)
{
    (void)s, (void)q;
    fake_say(r, 201, JOB("queued", ", \"warnings\": [{\"code\": \"dice_only\", \"pointer\": \"/loss/alpha\", \"detail\": \"beware\"}]"), 1);
    return 0;
}

void test_cli_submits_an_edited_job_under_a_key_of_its_own(void)
{
    struct scene s = {.answer = accept_job};
    struct fake_server *server = fake_server_start(0, on_request, &s);
    write_file("job.json", "{\"dataset\": \"a\", \"loss\": {\"strategy\": \"constant\"}}");
    CHECK_INT(TANDEM(server, "submit", "job.json", "--set", "loss.alpha=0.8", "--set", "name=with = sign", "--set", "training.patch=[64,64]"), 0);
    CHECK_TEXT(output, ID "  queued  n\n");
    CHECK_TEXT(complaint, "tandem: dice_only /loss/alpha: beware\n");
    CHECK_TEXT(s.last, "POST /v1/jobs?");
    CHECK_HAS(s.head, "Idempotency-Key: ");
    json_t *sent = json_loads(s.body, 0, NULL);
    CHECK_NEAR(json_number_at(json_object_get(sent, "loss"), "alpha"), 0.8, 0);
    CHECK_TEXT(json_text_at(sent, "name"), "with = sign");
    json_decref(sent);
    CHECK_INT(TANDEM(server, "-o", "name", "submit", "job.json"), 0);
    CHECK_TEXT(output, ID "\n");
    CHECK_INT(TANDEM(server, "submit", "--dry-run", "-f", "job.json", "-o", "json"), 0);
    CHECK_TEXT(s.last, "POST /v1/jobs?dry_run=1");
    CHECK_HAS(output, "\"warnings\": [{");
    fake_server_stop(server);
}

static int refuse(struct scene *s, const struct fake_request *q, struct fake_reply *r)
{
    (void)s, (void)q;
    fake_say(r, 422, "{\"type\": \"t\", \"title\": \"spec_invalid\", \"status\": 422, \"detail\": \"2 mistakes\", \"request_id\": \"r\", \"errors\": ["
                     "{\"code\": \"alpha_range\", \"pointer\": \"/loss/alpha\", \"detail\": \"alpha is the weight of Dice\", \"found\": \"2\", \"allowed\": \"a number from 0 to 1\"},"
                     "{\"code\": \"key_unknown\", \"pointer\": \"/losss\", \"detail\": \"unknown key\", \"found\": \"losss\", \"nearest\": \"loss\"}]}");
    strcpy(r->type, "application/problem+json");
    return 0;
}

void test_cli_says_every_mistake_of_a_refused_job(void)
{
    struct scene s = {.answer = refuse};
    struct fake_server *server = fake_server_start(0, on_request, &s);
    write_file("job.json", "{}");
    CHECK_INT(TANDEM(server, "submit", "job.json"), 1);
    CHECK_TEXT(complaint, "tandem: refused, 2 mistakes:\n  /loss/alpha: alpha is the weight of Dice; found 2; allowed a number from 0 to 1\n"
                          "  /losss: unknown key; found losss; did you mean loss?\n");
    CHECK_TEXT(output, "");
    fake_server_stop(server);
}

static int status_answer;
static int with_status(struct scene *s, const struct fake_request *q, struct fake_reply *r)
{
    (void)s, (void)q;
    static const char *const words[] = {[0] = "unauthorized", [3] = "not_found", [8] = "state_conflict"};
    const char *word = words[status_answer - 401 > 8 ? 8 : status_answer - 401];
    fake_say(r, status_answer, "{\"type\": \"t\", \"title\": \"%s\", \"status\": %d, \"detail\": \"no\", \"request_id\": \"r\", \"errors\": [{\"code\": \"%s\", \"pointer\": \"\", \"detail\": \"no\"}]}",
             word, status_answer, word);
    strcpy(r->type, "application/problem+json");
    return 0;
}

void test_cli_exit_codes_tell_what_happened(void)
{
    struct scene s = {.answer = with_status};
    struct fake_server *server = fake_server_start(0, on_request, &s);
    status_answer = 401;
    CHECK_INT(TANDEM(server, "ls"), 4);
    status_answer = 404;
    CHECK_INT(TANDEM(server, "get", "nothing"), 5);
    status_answer = 409;
    CHECK_INT(TANDEM(server, "retry", ID), 6);
    fake_server_stop(server);
    CHECK_INT(TANDEM(NULL, "submitt"), 2);
    CHECK_TEXT(complaint, "tandem: submitt: unknown command; did you mean submit?\n");
    CHECK_INT(TANDEM(NULL, "ls", "--stat", "queued"), 2);
    CHECK_TEXT(complaint, "tandem: --stat: unknown flag; did you mean --state?\n");
    CHECK_INT(TANDEM(NULL, "submit"), 2);
    CHECK_INT(TANDEM(NULL, "submit", "absent.json"), 2);
    CHECK_INT(TANDEM(NULL, "--help"), 0);
    CHECK_INT(TANDEM(NULL, "watch", "--help"), 0);
    CHECK_HAS(output, "usage: tandem watch [FLAG...] ID...\n");
    CHECK_INT(TANDEM(NULL, "--server", "ftp://x", "ls"), 2);
}

static const char *end_state;
static int goes_on(struct scene *s, const struct fake_request *q, struct fake_reply *r)
{
    (void)q;
    if (s->calls < 3)
        fake_say(r, 200, JOB("running", ", \"phase\": \"training\", \"progress\": {\"epoch\": %d, \"epochs\": 15, \"eta_s\": 75}, \"latest\": {\"val/dice\": 0.5, \"alpha\": 0.25}"),
                 (int)s->calls, (int)s->calls);
    else if (!strcmp(end_state, "failed"))
        fake_say(r, 200, JOB("failed", ", \"failure\": {\"class\": \"diverged\", \"message\": \"loss is NaN\\u001b\"}"), 9);
    else
        fake_say(r, 200, "{\"id\": \"" ID "\", \"name\": \"n\", \"state\": \"%s\", \"version\": 9}", end_state);
    return 0;
}

static int watch_until(const char *state)
{
    struct scene s = {.answer = goes_on};
    end_state = state;
    struct fake_server *server = fake_server_start(0, on_request, &s);
    int exit_code = TANDEM(server, "watch", ID);
    CHECK_INT(s.calls, 3);
    CHECK_HAS(s.last, "wait=25");
    fake_server_stop(server);
    return exit_code;
}

void test_cli_watch_says_each_change_and_how_it_ended(void)
{
    CHECK_INT(watch_until("failed"), 3);
    CHECK_TEXT(output, "000000ab n  running training  epoch 1/15  dice 0.5000  alpha 0.2500  ETA 1 min 15 s\n"
                       "000000ab n  running training  epoch 2/15  dice 0.5000  alpha 0.2500  ETA 1 min 15 s\n"
                       "000000ab n  failed  diverged: loss is NaN?\n");
    CHECK_INT(watch_until("cancelled"), 7);
    CHECK_INT(watch_until("succeeded"), 0);
}

static int never_ends(struct scene *s, const struct fake_request *q, struct fake_reply *r)
{
    if (strstr(q->query, "wait=")) clock_sleep_ms(300);
    fake_say(r, 200, JOB("running", ""), (int)s->calls);
    return 0;
}

void test_cli_watch_detaches_on_interrupt_and_on_time(void)
{
    struct scene s = {.answer = never_ends};
    struct fake_server *server = fake_server_start(0, on_request, &s);
    pid_t pid = start(server, (const char *const[]){"watch", ID, NULL});
    while (s.calls < 2) clock_sleep_ms(10);
    kill(pid, SIGINT);
    CHECK_INT(finish(pid), 130);
    CHECK_HAS(complaint, "tandem: detached, the job goes on: tandem watch " ID "\n");
    CHECK_INT(TANDEM(server, "watch", ID, ID, "--timeout", "0.2"), 124);
    fake_server_stop(server);
}

static int lists(struct scene *s, const struct fake_request *q, struct fake_reply *r)
{
    (void)s;
    if (strstr(q->path, "/metrics"))
        fake_say(r, 200, "{\"job\": \"" ID "\", \"series\": [{\"name\": \"val/dice\", \"kind\": \"result\", \"x\": \"epoch\", \"steps\": [0, 1], \"values\": [0.5, \"NaN\"]}]}");
    else if (strstr(q->path, "/logs"))
        fake_say(r, 200, strstr(q->query, "after=0") ? "{\"text\": \"one\\ntwo\\u001b[31m\\n\", \"next\": 12}" : "{\"text\": \"\", \"next\": 12}");
    else if (strstr(q->path, "/images"))
        fake_say(r, 200, "{\"epoch\": 3, \"of\": 9, \"order\": \"nsd\", \"images\": [{\"id\": \"slice\\u001b[31m\", \"dice\": 0.25, \"nsd\": null, \"hd95\": 4.5, \"classes\": ["
                         "{\"index\": 0, \"name\": \"rest\", \"dice\": 1, \"truth_pixels\": 5, \"predicted_pixels\": 5},"
                         "{\"index\": 1, \"name\": \"cell\", \"dice\": 0.25, \"nsd\": null, \"hd95\": 4.5, \"truth_pixels\": 40, \"predicted_pixels\": 12}]}]}");
    else if (strstr(q->path, "/artifacts/"))
        fake_say(r, 200, "bytes of %s", strrchr(q->path, '/') + 1);
    else if (strstr(q->path, "/artifacts"))
        fake_say(r, 200, "{\"artifacts\": [{\"name\": \"model.json\", \"kind\": \"model\", \"sha256\": \"%s\", \"bytes\": 19},"
                         "{\"name\": \"checkpoint-last\", \"kind\": \"checkpoint\", \"sha256\": \"%064d\", \"bytes\": 1048576, \"epoch\": 3}]}",
                 "65ff7d0c2f3a9f9b1e9a5b3b8f7ddc1fffffffffffffffffffffffffffffffff", 0);
    else
        fake_say(r, 200, "{\"jobs\": [" JOB("running", ", \"progress\": {\"epoch\": 3, \"epochs\": 15}, \"latest\": {\"val/dice\": 0.71}, \"created_at_ms\": 0, \"tags\": []") "], \"next\": null}", 4);
    return 0;
}

void test_cli_lists_jobs_metrics_logs_and_artifacts(void)
{
    struct scene s = {.answer = lists};
    struct fake_server *server = fake_server_start(0, on_request, &s);
    CHECK_INT(TANDEM(server, "ls", "--state", "running,queued", "--limit", "5"), 0);
    CHECK_TEXT(s.last, "GET /v1/jobs?state=running%2Cqueued&limit=5");
    CHECK_HAS(output, "ID                                    STATE    STRATEGY  EPOCH  DICE    PROJECT  AGE");
    CHECK_HAS(output, ID "  running  constant  3/15   0.7100  p ");
    CHECK_INT(TANDEM(server, "ls", "-o", "name"), 0);
    CHECK_TEXT(output, ID "\n");
    CHECK_INT(TANDEM(server, "images", ID, "--order", "nsd", "--limit", "1"), 0);
    CHECK_TEXT(s.last, "GET /v1/jobs/" ID "/images?order=nsd&limit=1");
    CHECK_HAS(output, "IMAGE       CLASS       DICE    NSD  HD95  TRUE PIXELS  PREDICTED");
    CHECK_HAS(output, "slice?[31m  foreground  0.2500       4.50");
    CHECK_HAS(output, "1 cell      0.2500       4.50  40           12");
    CHECK(!strstr(output, "rest"));
    CHECK_HAS(complaint, "tandem: 1 of 9 images: --limit\n");
    CHECK_INT(TANDEM(server, "metrics", ID, "--series", "val/"), 0);
    CHECK_HAS(output, "val/dice  epoch  2       0.5    \"NaN\"  1\n");
    CHECK_INT(TANDEM(server, "logs", ID), 0);
    CHECK_TEXT(output, "one\ntwo?[31m\n");
    CHECK_INT(TANDEM(server, "artifact", "ls", ID, "-o", "csv"), 0);
    CHECK_HAS(output, "checkpoint-last,checkpoint,1.0 MiB,3,0000000000000000\n");
    CHECK_INT(TANDEM(server, "artifact", "get", ID, "other.txt", "--to", "got.txt"), 0);
    read_back("got.txt", output);
    CHECK_TEXT(output, "bytes of other.txt");
    CHECK_INT(TANDEM(server, "artifact", "get", ID, "model.json"), 1); /* its bytes have another sha256 */
    CHECK(access("model.json", F_OK));
    CHECK_INT(TANDEM(server, "artifact", "get", ID, ".bashrc"), 1);
    CHECK_INT(TANDEM(server, "artifact", "get", ID), 2);
    fake_server_stop(server);
}

static int takes_data(struct scene *s, const struct fake_request *q, struct fake_reply *r)
{
    (void)s, (void)q;
    fake_say(r, 201, "{\"name\": \"set\", \"sha256\": \"%064d\", \"bytes\": 10240, \"generate\": null, \"created_at_ms\": 0}", 7);
    return 0;
}

void test_cli_pushes_a_folder_as_one_archive_with_the_same_bytes_each_time(void)
{
    struct scene s = {.answer = takes_data};
    char first[256], second[256];
    struct fake_server *server = fake_server_start(0, on_request, &s);
    mkdir("set", 0755);
    CHECK_INT(TANDEM(server, "dataset", "push", "set", "set"), 1);
    CHECK_HAS(complaint, "a data set has a dataset.json");
    write_file("set/dataset.json", "{}");
    CHECK_INT(TANDEM(server, "dataset", "push", "set", "set"), 0);
    CHECK_TEXT(s.last, "PUT /v1/datasets/set?");
    CHECK_HAS(output, "set  stored");
    CHECK(fake_header(&(struct fake_request){0}, "x", first, sizeof first) == NULL);
    snprintf(first, sizeof first, "%.200s", strstr(s.head, "Tandem-Sha256"));
    clock_sleep_ms(1100); /* tar counts seconds */
    write_file("set/dataset.json", "{}");
    CHECK_INT(TANDEM(server, "dataset", "push", "set", "set"), 0);
    snprintf(second, sizeof second, "%.200s", strstr(s.head, "Tandem-Sha256"));
    first[80] = second[80] = 0;
    CHECK_TEXT(second, first);
    CHECK_INT(TANDEM(server, "dataset", "push", "set", "--generate", "{\"images\": 8}"), 0);
    CHECK_TEXT(s.body, "{\"generate\":{\"images\":8}}");
    CHECK_INT(TANDEM(server, "dataset", "push", "Set", "set"), 2);
    fake_server_stop(server);
}

void test_cli_draws_alpha_without_a_server(void)
{
    CHECK_INT(TANDEM(NULL, "alpha", "{\"schedule\": \"linear\", \"start\": 1, \"end\": 0}", "--epochs", "4", "-o", "csv"), 0);
    CHECK_TEXT(output, "epoch,alpha\n0,1\n1,0.75\n2,0.5\n3,0.25\n");
    CHECK_INT(TANDEM(NULL, "alpha", "{\"schedule\": \"linear\", \"start\": 1, \"end\": 0}", "--epochs", "4"), 0);
    CHECK_HAS(output, " 1.00 |****");
    CHECK_HAS(output, " 0.50 |        ****");
    write_file("job.json", "{\"loss\": {\"strategy\": \"scheduled\", \"alpha\": {\"points\": [[0, 0], [3, 1]]}}, \"training\": {\"epochs\": 4}}");
    CHECK_INT(TANDEM(NULL, "alpha", "job.json", "-o", "csv"), 0);
    CHECK_HAS(output, "3,1\n");
    CHECK_INT(TANDEM(NULL, "alpha", "{\"points\": [[0, 0], [4, 1]], \"unit\": \"step\", \"repeat\": 4, \"mirror\": true}", "--epochs", "2", "--steps-per-epoch", "6"), 0);
    CHECK_HAS(output, "step by step\n");
    CHECK_HAS(output, "0: 0  1: 0.25  2: 0.5  3: 0.75  4: 1  5: 0.75  6: 0.5  7: 0.25\n8: 0  9: 0.25  10: 0.5  11: 0.75\n");
    CHECK_INT(TANDEM(NULL, "alpha", "{\"points\": [[0, 2]]}"), 1);
    CHECK_HAS(complaint, "/alpha/points/0/1: alpha is the weight of Dice; found 2; allowed a number from 0 to 1");
    CHECK_INT(TANDEM(NULL, "alpha", "absent.json"), 2);
    write_file("job.json", "{\"loss\": {\"strategy\": \"constant\", \"alpha\": 1}, \"training\": {\"epochs\": 0}}"); /* not drawn over 15 epochs as if nothing was said */
    CHECK_INT(TANDEM(NULL, "alpha", "job.json"), 1);
    CHECK_HAS(complaint, "/epochs: ");
    CHECK_HAS(complaint, "found 0; allowed ");
}

void test_cli_draws_both_bounds_of_a_plateau(void)
{
#define PLATEAU "{\"feedback\": \"plateau\", \"from\": 1, \"to\": 0.3, \"delta\": -0.4, \"patience\": 1, \"cooldown\": 0}"
    CHECK_INT(TANDEM(NULL, "alpha", PLATEAU, "--epochs", "5", "-o", "csv"), 0);
    CHECK_TEXT(output, "epoch,never_stalls,always_stalls\n0,1,1\n1,1,1\n2,1,0.6\n3,1,0.3\n4,1,0.3\n");
    CHECK_INT(TANDEM(NULL, "alpha", PLATEAU, "--epochs", "5", "--every-epochs", "2", "-o", "csv"), 0);
    CHECK_HAS(output, "3,1,1\n4,1,0.6\n");
    CHECK_INT(TANDEM(NULL, "alpha", PLATEAU, "--epochs", "5"), 0);
    CHECK_HAS(output, "if validation never stalls\n");
    CHECK_HAS(output, "if every validation that may stall does\n");
    CHECK_HAS(output, "0: 1  1: 1  2: 0.6  3: 0.3  4: 0.3\n");
    write_file("job.json", "{\"loss\": {\"strategy\": \"scheduled\", \"alpha\": " PLATEAU "}, \"training\": {\"epochs\": 5}, \"validation\": {\"every_epochs\": 2}}");
    CHECK_INT(TANDEM(NULL, "alpha", "job.json", "-o", "csv"), 0);
    CHECK_HAS(output, "3,1,1\n4,1,0.6\n");
    CHECK_INT(TANDEM(NULL, "alpha", "{\"feedback\": \"plateau\", \"from\": 1, \"to\": 0.3, \"delta\": 0.1}"), 1);
    CHECK_HAS(complaint, "/alpha/delta: a stall would move alpha away from to; found 0.1; allowed a number from -1 to below 0");
}

static void edited(const char *before, const char *setting, const char *want)
{
    struct err_note note;
    char got[256];
    json_t *job = json_loads(before, 0, NULL);
    enum err e = edit_spec(job, setting, &note);
    json_text_print(job, got, sizeof got);
    CHECK_TEXT(e ? note.detail : got, want);
    json_decref(job);
}

void test_cli_set_edits_by_path(void)
{
    edited("{}", "loss.alpha=0.8", "{\"loss\":{\"alpha\":0.8}}");
    edited("{\"a\": [1, 2]}", "a.1=x", "{\"a\":[1,\"x\"]}");
    edited("[{}, {\"seed\": 3}]", "seed=7", "[{\"seed\":7},{\"seed\":7}]");
    edited("{\"a\": 1}", "a.b=2", "--set a.b: there is no object at a");
    edited("{\"a\": [1]}", "a.5=2", "--set a.5: there is no such place");
    edited("{}", "alpha", "--set alpha: write it as path=value, loss.alpha=0.8");
    edited("{}", "=1", "--set =1: write it as path=value, loss.alpha=0.8");
    edited("{}", "a=\"0.5\"", "{\"a\":\"0.5\"}");
}

void test_render_bars_times_and_sizes(void)
{
    char text[64];
    render_bar(0.5, 12, text, sizeof text);
    CHECK_TEXT(text, "[#####.....]");
    render_bar(7, 12, text, sizeof text);
    CHECK_TEXT(text, "[##########]");
    render_bar(-1, 12, text, sizeof text);
    CHECK_TEXT(text, "[..........]");
    render_duration(3725, text, sizeof text);
    CHECK_TEXT(text, "1 h 02 min");
    render_duration(-1, text, sizeof text);
    CHECK_TEXT(text, "?");
    render_bytes(1536 * 1024.0, text, sizeof text);
    CHECK_TEXT(text, "1.5 MiB");
}
