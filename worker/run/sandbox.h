/* sandbox: what tandem-train gives up before it reads a stranger's bytes: files, sockets, new privileges, inherited fds. */
#ifndef WORKER_RUN_SANDBOX_H
#define WORKER_RUN_SANDBOX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"

enum { SANDBOX_DIRS_MAX = 8, SANDBOX_FDS_MAX = 8 };
struct sandbox {
    const char *read_dirs[SANDBOX_DIRS_MAX];  /* ends at the first NULL; a data folder, a folder that holds --resume */
    const char *write_dirs[SANDBOX_DIRS_MAX]; /* the output folder: read, write, create, rename, remove inside it */
    int keep_fds[SANDBOX_FDS_MAX];            /* beside 0, 1, 2; ends at the first 0: the events fd */
    int64_t address_bytes_max;                /* RLIMIT_AS; 0: as it is */
    int64_t file_bytes_max;                   /* RLIMIT_FSIZE; 0: as it is (SIGXFSZ is ignored: write gives EFBIG) */
    bool die_with_parent;                     /* SIGKILL when the parent ends, and checked against the parent being gone already */
};
/* Call once, first thing in main, before any thread exists (landlock holds for the calling thread and those it makes) and
   before any data is opened. Does, in this order: close every fd but 0-2 and keep_fds; parent-death signal; no core files;
   limits; no new privileges; landlock: read_dirs and the system's libraries and /proc, /sys readable, write_dirs writable,
   nothing else; TCP refused where the kernel can (ABI 4).
   `said` gets one line for the log ("landlock 7: reads ..., writes ..., no tcp" or why there is none); a kernel without
   landlock is no error. ERR_IO: a folder that cannot be opened. */
enum err sandbox_enter(const struct sandbox *wanted, char *said, size_t said_size, struct err_note *note) MUST_USE;
#endif
