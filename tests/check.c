/* check: runs each test in a process group and a temporary folder of its own, several side by side; also the shell tests. */
#include "tests/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/check_list.h"

enum { EXIT_SKIP = 77, SLOTS_MAX = 64, TESTS_MAX = 4096, TIME_LIMIT_S = 60 };
struct running {
    pid_t pid;
    const char *name;
    char folder[PATH_MAX - 64];
    double started;
};
struct entry {
    const char *name;   /* test_... or the script's path */
    void (*run)(void);  /* NULL for a script */
};
static char root[PATH_MAX];
static struct entry entries[TESTS_MAX];
static int entry_count;

void check_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void check_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "skipped: ");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_SKIP);
}

void check_time_limit(unsigned seconds)
{
    const char *san = getenv("TANDEM_SAN");
    alarm(san && *san ? seconds * 10 : seconds);
}

const char *check_root(void)
{
    return root;
}

const char *check_bin(const char *program)
{
    static char path[PATH_MAX];
    const char *bin = getenv("TANDEM_BIN");
    if (!bin) check_fail(__FILE__, __LINE__, "TANDEM_BIN is not set: run the tests with make check");
    snprintf(path, sizeof path, "%s/%s", bin, program);
    return path;
}

const char *check_data(const char *name)
{
    static char path[PATH_MAX + 64];
    const char *top = getenv("TANDEM_DATA");
    if (top)
        snprintf(path, sizeof path, "%s/%s", top, name);
    else
        snprintf(path, sizeof path, "%s/../shared/data/%s", root, name);
    return access(path, R_OK) ? NULL : path;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

/* In the child: own process group, own folder, output to a file there, an alarm; then the test. */
static void run_child(const struct entry *test, const char *folder)
{
    setpgid(0, 0);
    if (chdir(folder)) _exit(2);
    int out = open("output.txt", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(2);
    setenv("TMPDIR", folder, 1);
    setenv("TANDEM_ROOT", root, 1);
    check_time_limit(TIME_LIMIT_S);
    if (test->run) {
        test->run();
        exit(0);
    }
    check_time_limit(4 * TIME_LIMIT_S);
    char script[PATH_MAX + 256];
    snprintf(script, sizeof script, "%s/%s", root, test->name);
    execl("/bin/sh", "sh", script, (char *)NULL);
    _exit(2);
}

static void start(struct running *slot, const struct entry *test)
{
    const char *top = getenv("TMPDIR");
    snprintf(slot->folder, sizeof slot->folder, "%.200s/tandem-check-XXXXXX", top ? top : "/tmp");
    if (!mkdtemp(slot->folder)) check_fail(__FILE__, __LINE__, "mkdtemp: %s", strerror(errno));
    slot->name = test->name;
    slot->started = now_s();
    fflush(NULL);
    slot->pid = fork();
    if (slot->pid < 0) check_fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
    if (slot->pid == 0) run_child(test, slot->folder);
    setpgid(slot->pid, slot->pid);
}

static void show_output(const char *folder, const char *indent)
{
    char path[PATH_MAX], line[2048];
    snprintf(path, sizeof path, "%s/output.txt", folder);
    FILE *f = fopen(path, "r");
    if (!f) return;
    while (fgets(line, sizeof line, f)) printf("%s%s", indent, line);
    fclose(f);
}

/* -> 0 passed, 1 failed, 2 skipped */
static int finish(struct running *slot, int status)
{
    kill(-slot->pid, SIGKILL); /* whatever the test left behind */
    double seconds = now_s() - slot->started;
    int skipped = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP;
    int failed = status != 0 && !skipped;
    if (failed && WIFSIGNALED(status))
        printf("FAIL %s (signal %d%s, %.1f s)\n", slot->name, WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": time limit" : "", seconds);
    else if (failed)
        printf("FAIL %s (exit %d, %.1f s)\n", slot->name, WEXITSTATUS(status), seconds);
    else if (skipped)
        printf("skip %s\n", slot->name);
    else if (getenv("VERBOSE") || seconds > 20)
        printf("ok   %s (%.1f s)\n", slot->name, seconds);
    if (failed || skipped) show_output(slot->folder, "     ");
    fflush(stdout);
    nftw(slot->folder, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    slot->pid = 0;
    return failed ? 1 : skipped ? 2 : 0;
}

static void add(const char *name, void (*run)(void), const char *word)
{
    if (word && !strstr(name, word)) return;
    if (entry_count == TESTS_MAX) check_fail(__FILE__, __LINE__, "more than %d tests", TESTS_MAX);
    entries[entry_count++] = (struct entry){name, run};
}

static int is_script(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 3 && !strcmp(d->d_name + n - 3, ".sh") && strcmp(d->d_name, "layers.sh") && d->d_name[0] != '_';
}

/* Shell tests: tests/{agree,server,e2e,...}/a_sentence.sh; a name with a leading _ is a helper, not a test. */
static void add_scripts(const char *folder, const char *word)
{
    struct dirent **found;
    int n = scandir(folder, &found, is_script, alphasort);
    if (n < 0) return; /* no such folder */
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name);
        if (!word || strstr(path, word)) add(strdup(path), NULL, NULL);
        free(found[i]);
    }
    free(found);
}

static int run_all(int jobs, int results[3])
{
    static struct running slots[SLOTS_MAX];
    int next = 0, live = 0;
    while (next < entry_count || live) {
        for (int s = 0; s < jobs && next < entry_count; s++)
            if (!slots[s].pid) {
                start(&slots[s], &entries[next++]);
                live++;
            }
        int status;
        pid_t pid = wait(&status);
        for (int s = 0; s < jobs; s++)
            if (slots[s].pid == pid && pid > 0) {
                results[finish(&slots[s], status)]++;
                live--;
            }
    }
    return results[1];
}

int main(int argc, char **argv)
{
    const char *word = NULL;
    int jobs = 2, option;
    while ((option = getopt(argc, argv, "j:k:")) != -1) {
        if (option == 'j') jobs = atoi(optarg);
        if (option == 'k') word = optarg;
    }
    if (jobs < 1 || jobs > SLOTS_MAX) jobs = 2;
    if (!getcwd(root, sizeof root)) return 2;
    for (const struct test *t = all_tests; t->name; t++) add(t->name, t->run, word);
    static const char *const folders[] = {"tests/agree", "tests/server", "tests/e2e"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) add_scripts(folders[i], word);
    int results[3] = {0};
    double started = now_s();
    run_all(jobs, results);
    printf("%d passed, %d failed, %d skipped\n", results[0], results[1], results[2]);
    fprintf(stderr, "%.1f s\n", now_s() - started);
    return results[1] != 0 || results[0] == 0;
}
