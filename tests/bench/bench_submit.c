/* bench_submit: durable submits a second over HTTP, with 1, 16 and 64 kept-alive clients, each waiting for its 201 before the next.
   The daemon is the real one on a loopback port, SQLite with synchronous=FULL on the disk of the current folder. One thread
   plays all clients, on the same processors as the daemon: what they cost is part of the figure. The last line, processor time
   of the daemon a submit, is what remains comparable on a busy machine. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "schema/base/clock.h"

enum { CLIENTS_MAX = 64, SECONDS = 4, SAMPLES_MAX = 1 << 20, REPLY_BYTES = 16384 };
static const char body[] = "{\"name\": \"bench\", \"dataset\": {\"generate\": {}}, \"loss\": {\"strategy\": \"scheduled\", \"alpha\": "
                           "{\"schedule\": \"linear\", \"start\": 1, \"end\": 0}}, \"training\": {\"epochs\": 15}}";
static char request[1024];
static size_t request_bytes;

struct connection {
    int fd;
    int64_t sent_ns;
    size_t have;
    char reply[REPLY_BYTES];
};
static struct connection clients[CLIENTS_MAX];
static double latency_ms[SAMPLES_MAX];
static size_t samples, all;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static pid_t start_daemon(const char *folder, int *port)
{
    const char *bin = getenv("TANDEM_BIN");
    char program[4096], file[4096];
    snprintf(program, sizeof program, "%s/tandemd", bin ? bin : "build/plain/bin");
    snprintf(file, sizeof file, "%s/port", folder);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stdout)) _exit(127);
        execl(program, "tandemd", "--data", folder, "--port", "0", "--port-file", file, "--log-level", "warn", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 2000; i++, clock_sleep_ms(5)) {
        FILE *f = fopen(file, "r");
        if (!f) continue;
        int good = fscanf(f, "%d", port);
        fclose(f);
        if (good == 1) return pid;
    }
    fprintf(stderr, "bench_submit: %s does not come up\n", program);
    exit(1);
}

static int connect_to(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

static void send_one(struct connection *c)
{
    c->have = 0;
    c->sent_ns = clock_mono_ns();
    if (send(c->fd, request, request_bytes, MSG_NOSIGNAL) != (ssize_t)request_bytes) die("send");
}

/* 1 when the whole reply is there. Anything but 201 ends the measurement: it would not be durable submits. */
static int receive(struct connection *c)
{
    ssize_t n = recv(c->fd, c->reply + c->have, sizeof c->reply - 1 - c->have, 0);
    if (n <= 0) die("recv");
    c->have += (size_t)n;
    c->reply[c->have] = 0;
    const char *end = strstr(c->reply, "\r\n\r\n"), *length = strstr(c->reply, "Content-Length: ");
    if (!end || !length || c->have < (size_t)(end + 4 - c->reply) + strtoul(length + 16, NULL, 10)) return 0;
    if (strncmp(c->reply, "HTTP/1.1 201", 12)) {
        fprintf(stderr, "bench_submit: %.200s\n", c->reply);
        exit(1);
    }
    if (samples < SAMPLES_MAX) latency_ms[samples++] = (double)(clock_mono_ns() - c->sent_ns) / 1e6;
    return 1;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(int port, int count)
{
    struct pollfd polls[CLIENTS_MAX];
    samples = 0;
    for (int i = 0; i < count; i++) {
        clients[i].fd = connect_to(port);
        polls[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        send_one(&clients[i]);
    }
    int64_t start = clock_mono_ns(), end = start + SECONDS * 1000000000LL;
    while (clock_mono_ns() < end) {
        if (poll(polls, (nfds_t)count, 1000) < 0) die("poll");
        for (int i = 0; i < count; i++)
            if (polls[i].revents && receive(&clients[i])) send_one(&clients[i]);
    }
    all += samples;
    double seconds = (double)(clock_mono_ns() - start) / 1e9;
    qsort(latency_ms, samples, sizeof *latency_ms, by_size);
    if (!samples) die("no answers");
    printf("submit over HTTP, durable, %2d clients: %7.0f /s   p50 %6.2f ms   p99 %6.2f ms\n", count, (double)samples / seconds,
           latency_ms[samples / 2], latency_ms[samples * 99 / 100]);
    fflush(stdout);
    for (int i = 0; i < count; i++) close(clients[i].fd);
}

int main(void)
{
    static const int counts[] = {1, 16, 64};
    char folder[] = "bench-submit-XXXXXX", command[128];
    int port, status;
    if (!mkdtemp(folder)) die("mkdtemp");
    request_bytes = (size_t)snprintf(request, sizeof request, "POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s", sizeof body - 1, body);
    pid_t pid = start_daemon(folder, &port);
    for (int i = 0; i < 3; i++) measure(port, counts[i]);
    kill(pid, SIGTERM);
    struct rusage used;
    wait4(pid, &status, 0, &used);
    double cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("tandemd: %.0f us of processor time a submit\n", cpu_s / (double)all * 1e6);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) || status;
}
