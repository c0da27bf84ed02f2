/* test_sandbox: what a fenced process can and cannot reach. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"
#include "worker/run/sandbox.h"

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd < 0) return errno;
    close(fd);
    return 0;
}

static void put(const char *path)
{
    FILE *f = fopen(path, "w");
    CHECK(f);
    fputs("x", f);
    fclose(f);
}

static void make_house(void)
{
    CHECK(!mkdir("data", 0700) && !mkdir("out", 0700) && !mkdir("secret", 0700));
    put("data/a.png");
    put("secret/token");
    put("resume.ckpt");
}

void test_a_fenced_process_reads_its_data_writes_its_output_and_nothing_else(void)
{
    make_house();
    char said[256];
    struct err_note note;
    struct sandbox wanted = {.read_dirs = {"data", "resume.ckpt"}, .write_dirs = {"out"}};
    enum err e = sandbox_enter(&wanted, said, sizeof said, &note);
    if (e) check_fail(__FILE__, __LINE__, "%s: %s", note.pointer, note.detail);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    if (strstr(said, "no landlock") || strstr(said, "refused")) check_skip("%s", said);
    CHECK_HAS(said, "reads data, writes out");
    CHECK_INT(try_open("data/a.png", O_RDONLY), 0);
    CHECK_INT(try_open("resume.ckpt", O_RDONLY), 0);
    CHECK_INT(try_open("out/b", O_RDWR | O_CREAT), 0);
    CHECK_INT(rename("out/b", "out/c"), 0);
    CHECK_INT(try_open("/proc/self/status", O_RDONLY), 0);
    CHECK_INT(try_open("data/a.png", O_WRONLY), EACCES);
    CHECK_INT(try_open("data/new", O_WRONLY | O_CREAT), EACCES);
    CHECK_INT(try_open("secret/token", O_RDONLY), EACCES);
    CHECK_INT(try_open("out/../secret/token", O_RDONLY), EACCES);
    CHECK(symlink("../secret/token", "out/link") == -1);
}

void test_a_fenced_process_opens_no_tcp_connection_where_the_kernel_can_refuse(void)
{
    make_house();
    char said[256];
    struct sandbox wanted = {.read_dirs = {"data"}, .write_dirs = {"out"}};
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    CHECK(!bind(server, (struct sockaddr *)&at, size) && !listen(server, 1) && !getsockname(server, (struct sockaddr *)&at, &size));
    wanted.keep_fds[0] = server;
    CHECK(!sandbox_enter(&wanted, said, sizeof said, NULL));
    if (!strstr(said, "no tcp")) check_skip("%s", said);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(client >= 0);
    CHECK(connect(client, (struct sockaddr *)&at, size) == -1);
    CHECK_INT(errno, EACCES);
}

void test_the_sandbox_closes_what_was_inherited_and_keeps_what_is_named(void)
{
    int kept = open("/dev/null", O_RDONLY), left = open("/dev/null", O_RDONLY);
    char said[256];
    struct sandbox wanted = {.keep_fds = {kept}, .write_dirs = {"."}, .file_bytes_max = 4096};
    CHECK(!sandbox_enter(&wanted, said, sizeof said, NULL));
    CHECK(fcntl(kept, F_GETFD) >= 0);
    CHECK(fcntl(left, F_GETFD) == -1);
    CHECK(fcntl(2, F_GETFD) >= 0);
    struct rlimit core;
    CHECK(!getrlimit(RLIMIT_CORE, &core));
    CHECK_INT(core.rlim_max, 0);
    int file = open("big", O_WRONLY | O_CREAT, 0600);
    char bytes[8192] = {0};
    CHECK_INT(write(file, bytes, sizeof bytes), 4096);
    CHECK(write(file, bytes, 1) == -1);
    CHECK_INT(errno, EFBIG);
}

void test_a_fenced_child_dies_with_its_parent(void)
{
    int ends[2];
    CHECK(!pipe(ends));
    pid_t parent = fork();
    if (parent == 0) {
        pid_t child = fork();
        if (child == 0) {
            char said[256];
            struct sandbox wanted = {.keep_fds = {ends[1]}, .write_dirs = {"."}, .die_with_parent = true};
            if (sandbox_enter(&wanted, said, sizeof said, NULL)) _exit(1);
            if (write(ends[1], "r", 1) != 1) _exit(1);
            for (;;) pause();
        }
        for (;;) pause();
    }
    close(ends[1]);
    char byte;
    CHECK_INT(read(ends[0], &byte, 1), 1);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    CHECK_INT(read(ends[0], &byte, 1), 0); /* the end of the pipe: the grandchild is gone, too */
}
