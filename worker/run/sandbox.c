/* sandbox: descriptors, limits, parent-death signal, no new privileges, landlock; in that order. */
#include "worker/run/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface, by number: Debian 12's header stops at ABI 2, the running kernel may speak a later one.
   (Documentation/userspace-api/landlock.rst: a program handles what both it and the kernel know.) */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, WANT_VERSION = 1, RULE_PATH_BENEATH = 1 };
struct ruleset_attr {
    uint64_t handled_access_fs, handled_access_net;
};
struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));
enum {
    FS_EXECUTE = 1 << 0, FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3, FS_MAKE_SYM = 1 << 12,
    FS_ABI_1 = (1 << 13) - 1,  /* execute ... make_sym */
    FS_REFER = 1 << 13,        /* ABI 2: rename between folders */
    FS_TRUNCATE = 1 << 14,     /* ABI 3 */
    NET_BIND_CONNECT_TCP = 3,  /* ABI 4 */
    READING = FS_READ_FILE | FS_READ_DIR
};
/* What a program needs that only computes: its libraries, the processors, random bytes, the void. */
static const struct {
    const char *path;
    uint64_t access;
} system_paths[] = {
    {"/usr", READING | FS_EXECUTE}, {"/lib", READING | FS_EXECUTE}, {"/lib64", READING | FS_EXECUTE},
    {"/etc", READING}, {"/proc", READING}, {"/sys", READING},
    {"/dev/null", READING | FS_WRITE_FILE}, {"/dev/zero", READING}, {"/dev/urandom", READING},
};

static int keeps(const struct sandbox *wanted, int fd)
{
    if (fd <= STDERR_FILENO) return 1;
    for (int i = 0; i < SANDBOX_FDS_MAX && wanted->keep_fds[i]; i++)
        if (wanted->keep_fds[i] == fd) return 1;
    return 0;
}

static void close_inherited(const struct sandbox *wanted)
{
    int open_fds[1024], count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) { /* no /proc: all that could be there */
        for (int fd = 3; fd < 1024; fd++)
            if (!keeps(wanted, fd)) close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) && count < 1024;) {
        int fd = atoi(entry->d_name);
        if (fd != dirfd(dir) && !keeps(wanted, fd)) open_fds[count++] = fd;
    }
    closedir(dir);
    while (count) close(open_fds[--count]);
}

static void limit(int which, int64_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)which, &now)) return;
    rlim_t wanted = (rlim_t)most;
    if (now.rlim_max != RLIM_INFINITY && wanted > now.rlim_max) wanted = now.rlim_max;
    now.rlim_cur = now.rlim_max = wanted;
    setrlimit((__rlimit_resource_t)which, &now);
}

static void set_limits(const struct sandbox *wanted)
{
    limit(RLIMIT_CORE, 0); /* a core holds the user's images */
    if (wanted->address_bytes_max) limit(RLIMIT_AS, wanted->address_bytes_max);
    if (wanted->file_bytes_max) {
        signal(SIGXFSZ, SIG_IGN);
        limit(RLIMIT_FSIZE, wanted->file_bytes_max);
    }
}

static enum err allow(int ruleset, const char *path, uint64_t access, int must_exist, struct err_note *note)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return must_exist ? err_set(note, ERR_IO, path, "cannot be opened for the sandbox: %s", strerror(errno)) : OK;
    struct path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    long failed = syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
    if (failed && errno == EINVAL) { /* a file takes no rights of folders */
        rule.allowed_access &= (uint64_t)(FS_READ_FILE | FS_WRITE_FILE | FS_EXECUTE | FS_TRUNCATE);
        failed = syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
    }
    int why = errno;
    close(fd);
    return failed && must_exist ? err_set(note, ERR_IO, path, "the kernel refused the sandbox rule: %s", strerror(why)) : OK;
}

static enum err add_rules(int ruleset, const struct sandbox *wanted, uint64_t handled, struct err_note *note)
{
    enum err e = OK;
    for (size_t i = 0; i < sizeof system_paths / sizeof *system_paths && !e; i++)
        e = allow(ruleset, system_paths[i].path, system_paths[i].access, 0, note);
    for (int i = 0; i < SANDBOX_DIRS_MAX && wanted->read_dirs[i] && !e; i++)
        e = allow(ruleset, wanted->read_dirs[i], READING, 1, note);
    for (int i = 0; i < SANDBOX_DIRS_MAX && wanted->write_dirs[i] && !e; i++)
        e = allow(ruleset, wanted->write_dirs[i], handled & ~(uint64_t)(FS_EXECUTE | FS_MAKE_SYM), 1, note);
    return e;
}

static enum err enter_landlock(const struct sandbox *wanted, char *said, size_t said_size, struct err_note *note)
{
    long abi = syscall(CREATE_RULESET, NULL, 0, WANT_VERSION);
    if (abi < 1) {
        err_print(said, said_size, "no landlock in this kernel (%s): files are fenced by permissions only", strerror(errno));
        return OK;
    }
    struct ruleset_attr attr = {.handled_access_fs = FS_ABI_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0),
                                .handled_access_net = abi >= 4 ? NET_BIND_CONNECT_TCP : 0};
    long ruleset = syscall(CREATE_RULESET, &attr, abi >= 4 ? sizeof attr : sizeof attr.handled_access_fs, 0);
    if (ruleset < 0) {
        err_print(said, said_size, "landlock %ld refused (%s): files are fenced by permissions only", abi, strerror(errno));
        return OK;
    }
    enum err e = add_rules((int)ruleset, wanted, attr.handled_access_fs, note);
    if (!e && syscall(RESTRICT_SELF, (int)ruleset, 0))
        err_print(said, said_size, "landlock %ld refused (%s): files are fenced by permissions only", abi, strerror(errno));
    else if (!e)
        err_print(said, said_size, "landlock %ld: reads %s, writes %s, %s", abi,
                  wanted->read_dirs[0] ? wanted->read_dirs[0] : "nothing", wanted->write_dirs[0] ? wanted->write_dirs[0] : "nothing",
                  abi >= 4 ? "no tcp" : "sockets not fenced");
    close((int)ruleset);
    return e;
}

enum err sandbox_enter(const struct sandbox *wanted, char *said, size_t said_size, struct err_note *note)
{
    close_inherited(wanted);
    if (wanted->die_with_parent) {
        pid_t parent = getppid();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) raise(SIGKILL); /* it ended between the two lines */
    }
    set_limits(wanted);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return err_set(note, ERR_IO, "", "no_new_privs: %s", strerror(errno));
    return enter_landlock(wanted, said, said_size, note);
}
