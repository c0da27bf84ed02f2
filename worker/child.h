/* child: one tandem-train process: started without token, sockets or inherited descriptors, heard line by line, ended for sure. */
#ifndef WORKER_CHILD_H
#define WORKER_CHILD_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "schema/base/buf.h"
#include "schema/base/err.h"

enum { CHILD_LINE_BYTES_MAX = 4 << 20, CHILD_PATH_BYTES = 4096 };
struct child_settings {
    const char *program;    /* path of tandem-train, or a name to be found in PATH */
    const char *job_path, *data_path, *out_path; /* data_path NULL: a generated set */
    const char *resume_path; /* NULL: from the start */
    const char *tuning_path; /* measured kernels, shared by the jobs of this host; NULL: none */
    const char *log_path;   /* gets its stdout and stderr */
    int threads;
};
struct child {
    pid_t pid;              /* 0: none, or reaped */
    int events;             /* read end of its events pipe, non-blocking; -1: at its end */
    struct buf line;
    int status;             /* of waitpid, once ended */
    bool ended;
    bool killed;            /* our own KILL was sent */
    int64_t oom_kills_before;
};
/* Must be called on a thread that lives as long as the child: the kernel's parent-death signal belongs to the thread. */
enum err child_start(const struct child_settings *settings, struct child *child, struct err_note *note) MUST_USE;
/* Waits up to wait_ms for events (0 < 1000); `heard` is called for each whole line that is a JSON object; not 0 = stop reading
   for now. With `listen` false only waits: the child blocks when its pipe is full. ERR_DATA: a line that is no event. */
typedef int child_heard_fn(void *user, json_t *event);
enum err child_read(struct child *child, int wait_ms, bool listen, child_heard_fn *heard, void *user, struct err_note *note) MUST_USE;
/* After its end: what it said last and still stands in the pipe; never waits (a process it left behind may hold the other end). */
enum err child_read_rest(struct child *child, child_heard_fn *heard, void *user, struct err_note *note) MUST_USE;
bool child_ended(struct child *child); /* reaps; true once its process is gone */
void child_signal(struct child *child, int number); /* KILL goes to its whole process group */
void child_free(struct child *child);  /* KILL if it still lives */
/* How it ended: exit code, or -1 and the signal. */
int child_exit_code(const struct child *child, int *signal_number);
/* Whether the kernel killed for want of memory since the child was started (counted on the whole host). */
bool child_was_out_of_memory(const struct child *child);
#endif
