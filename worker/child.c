/* child: fork, fence, exec; a pipe of JSON lines; reaping. */
#include "worker/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/log.h"

extern char **environ;
enum { EVENTS_FD = 3, ARGS_MAX = 24, READ_BYTES = 65536, EXIT_NOT_STARTED = 127 };

/* What the child must not know: where the server is and who we are there. */
static char **environment_of_child(void)
{
    size_t count = 0, kept = 0;
    while (environ[count]) count++;
    char **copy = calloc(count + 1, sizeof *copy);
    if (!copy) abort();
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "TANDEM_TOKEN", 12) && strncmp(environ[i], "TANDEM_SERVER", 13)) copy[kept++] = environ[i];
    return copy;
}

/* The kernel's count of processes killed for want of memory, 0 where it does not say. */
static int64_t oom_kills(void)
{
    char line[256];
    int64_t count = 0;
    FILE *file = fopen("/proc/vmstat", "re");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, "oom_kill ", 9)) count = strtoll(line + 9, NULL, 10);
    fclose(file);
    return count;
}

bool child_was_out_of_memory(const struct child *child)
{
    return oom_kills() > child->oom_kills_before;
}

/* Only async-signal-safe calls: other threads of this process may hold any lock. */
static _Noreturn void become(const struct child_settings *s, char **argv, char **envp, int events, int log, pid_t parent)
{
    setpgid(0, 0); /* ^C in a terminal is the agent's to pass on, once */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(EXIT_NOT_STARTED);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int null = open("/dev/null", O_RDONLY);
    /* above the three first, so that no dup2 overwrites what the next one needs */
    int events_high = fcntl(events, F_DUPFD, 10), log_high = fcntl(log, F_DUPFD, 10);
    if (null < 0 || events_high < 0 || log_high < 0) _exit(EXIT_NOT_STARTED);
    if (dup2(null, 0) < 0 || dup2(log_high, 1) < 0 || dup2(log_high, 2) < 0 || dup2(events_high, EVENTS_FD) < 0) _exit(EXIT_NOT_STARTED);
    syscall(SYS_close_range, EVENTS_FD + 1, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execvpe(s->program, argv, envp);
    static const char failed[] = "tandem-train could not be started: is --train-program right?\n";
    ssize_t n = write(2, failed, sizeof failed - 1);
    (void)n;
    _exit(EXIT_NOT_STARTED);
}

enum err child_start(const struct child_settings *s, struct child *child, struct err_note *note)
{
    memset(child, 0, sizeof *child);
    child->events = -1;
    buf_init(&child->line, CHILD_LINE_BYTES_MAX);
    child->oom_kills_before = oom_kills();
    char threads[16], events_fd[16];
    snprintf(threads, sizeof threads, "%d", s->threads);
    snprintf(events_fd, sizeof events_fd, "%d", EVENTS_FD);
    const char *argv[ARGS_MAX] = {s->program, s->job_path, "--out", s->out_path, "--events-fd", events_fd, "--threads", threads};
    int argc = 8;
    if (s->data_path) argv[argc++] = "--data", argv[argc++] = s->data_path;
    if (s->tuning_path) argv[argc++] = "--tuning", argv[argc++] = s->tuning_path;
    if (s->resume_path) argv[argc++] = "--resume", argv[argc++] = s->resume_path;
    int ends[2], log = open(s->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) return err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, s->log_path, "%s", strerror(errno));
    if (pipe2(ends, O_CLOEXEC)) {
        close(log);
        return err_set(note, ERR_IO, "", "pipe: %s", strerror(errno));
    }
    char **envp = environment_of_child();
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid == 0) {
        char *args[ARGS_MAX];
        memcpy(args, argv, sizeof args);
        become(s, args, envp, ends[1], log, parent);
    }
    int why = errno;
    free(envp);
    close(log);
    close(ends[1]);
    if (child->pid < 0) {
        child->pid = 0;
        close(ends[0]);
        return err_set(note, ERR_NO_MEMORY, s->program, "fork: %s", strerror(why));
    }
    setpgid(child->pid, child->pid); /* here and there: whichever comes first, a KILL finds the group */
    child->events = ends[0];
    fcntl(child->events, F_SETFL, O_NONBLOCK);
    return OK;
}

static enum err take_line(char *text, size_t length, child_heard_fn *heard, void *user, int *stop, struct err_note *note)
{
    if (!length) return OK;
    json_error_t error;
    json_t *event = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(event)) {
        json_decref(event);
        return err_set(note, ERR_DATA, "events", "tandem-train wrote a line that is no event: %.80s", text);
    }
    *stop = heard(user, event);
    json_decref(event);
    return OK;
}

/* Hands over every whole line; the rest waits for its end. */
static enum err take_lines(struct child *child, child_heard_fn *heard, void *user, int *stop, struct err_note *note)
{
    size_t at = 0;
    enum err e = OK;
    for (char *end; !e && !*stop && at < child->line.length
                    && (end = memchr(child->line.data + at, '\n', child->line.length - at));
         at = (size_t)(end - child->line.data) + 1) {
        *end = 0;
        e = take_line(child->line.data + at, (size_t)(end - child->line.data) - at, heard, user, stop, note);
    }
    memmove(child->line.data, child->line.data + at, child->line.length - at);
    child->line.length -= at;
    child->line.data[child->line.length] = 0;
    return e;
}

/* One read's worth. *more: there may be another. */
static enum err read_some(struct child *child, child_heard_fn *heard, void *user, int *stop, bool *more, struct err_note *note)
{
    char bytes[READ_BYTES];
    ssize_t n = read(child->events, bytes, sizeof bytes);
    *more = n > 0 || (n < 0 && errno == EINTR);
    if (n > 0) {
        enum err e = buf_add(&child->line, bytes, (size_t)n);
        if (e) return err_set(note, e, "events", "a line of tandem-train is longer than %d bytes", CHILD_LINE_BYTES_MAX);
        return take_lines(child, heard, user, stop, note);
    }
    if (*more || (n < 0 && errno == EAGAIN)) return OK;
    close(child->events);
    child->events = -1;
    return OK;
}

enum err child_read(struct child *child, int wait_ms, bool listen, child_heard_fn *heard, void *user, struct err_note *note)
{
    int stop = 0;
    bool more;
    if (!listen || child->events < 0) {
        clock_sleep_ms(wait_ms);
        return OK;
    }
    enum err e = child->line.length ? take_lines(child, heard, user, &stop, note) : OK; /* what an earlier stop left */
    if (e || stop) return e;
    struct pollfd ready = {.fd = child->events, .events = POLLIN};
    if (poll(&ready, 1, wait_ms) <= 0) return OK;
    return read_some(child, heard, user, &stop, &more, note);
}

enum err child_read_rest(struct child *child, child_heard_fn *heard, void *user, struct err_note *note)
{
    int stop = 0;
    bool more = true;
    enum err e = child->line.length ? take_lines(child, heard, user, &stop, note) : OK;
    for (; !e && more && child->events >= 0; stop = 0) e = read_some(child, heard, user, &stop, &more, note);
    for (; !e && child->line.length && memchr(child->line.data, '\n', child->line.length); stop = 0) e = take_lines(child, heard, user, &stop, note);
    return e;
}

bool child_ended(struct child *child)
{
    if (child->pid && waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
        child->ended = true;
        child->pid = 0;
    }
    return child->ended;
}

void child_signal(struct child *child, int number)
{
    if (!child->pid) return;
    if (number == SIGKILL) child->killed = true;
    kill(number == SIGKILL ? -child->pid : child->pid, number);
}

void child_free(struct child *child)
{
    if (child->pid) {
        child_signal(child, SIGKILL);
        waitpid(child->pid, &child->status, 0);
        child->pid = 0;
        child->ended = true;
    }
    if (child->events >= 0) close(child->events);
    child->events = -1;
    buf_free(&child->line);
}

int child_exit_code(const struct child *child, int *signal_number)
{
    *signal_number = WIFSIGNALED(child->status) ? WTERMSIG(child->status) : 0;
    return WIFEXITED(child->status) ? WEXITSTATUS(child->status) : -1;
}
