/* bench_submit [CLIENTS...]: durable submits a second over HTTP, with 1, 16 and 64 kept-alive clients, each waiting for its 201 and the
   job's id before the next. The daemon is the real one on a loopback port, SQLite with synchronous=FULL on the disk of the current
   folder. One thread plays all clients, with requests made once and no JSON parser, on the same processors as the daemon: what they
   cost is part of the figure, and printed. Processor time a submit is what remains comparable on a busy machine.
   ROUNDS=n: each count n times, the best and the median are told. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "schema/base/clock.h"

enum { CLIENTS_MAX = 256, ROUNDS_MAX = 32, SECONDS = 4, SAMPLES_MAX = 1 << 20, REPLY_BYTES = 16384, UUID_BYTES = 36 };
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
static size_t samples;
static clockid_t daemon_clock;

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

/* 1 when the whole reply is there. Anything but 201 with the new job's id ends the measurement: it would not be durable submits. */
static int receive(struct connection *c)
{
    ssize_t n = recv(c->fd, c->reply + c->have, sizeof c->reply - 1 - c->have, 0);
    if (n <= 0) die("recv");
    c->have += (size_t)n;
    c->reply[c->have] = 0;
    const char *end = strstr(c->reply, "\r\n\r\n"), *length = strstr(c->reply, "Content-Length: ");
    if (!end || !length || c->have < (size_t)(end + 4 - c->reply) + strtoul(length + 16, NULL, 10)) return 0;
    const char *id = strstr(end, "\"id\":\"");
    if (strncmp(c->reply, "HTTP/1.1 201", 12) || !id || strcspn(id + 6, "\"") != UUID_BYTES) {
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

static double cpu_s(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t)) die("clock_gettime");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Submits a second of one round, whose last line it prints. */
static double measure(int port, int count)
{
    struct pollfd polls[CLIENTS_MAX];
    samples = 0;
    for (int i = 0; i < count; i++) {
        clients[i].fd = connect_to(port);
        polls[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        send_one(&clients[i]);
    }
    double server_s = cpu_s(daemon_clock), client_s = cpu_s(CLOCK_PROCESS_CPUTIME_ID);
    int64_t start = clock_mono_ns(), end = start + SECONDS * 1000000000LL;
    while (clock_mono_ns() < end) {
        if (poll(polls, (nfds_t)count, 1000) < 0) die("poll");
        for (int i = 0; i < count; i++)
            if (polls[i].revents && receive(&clients[i])) send_one(&clients[i]);
    }
    double seconds = (double)(clock_mono_ns() - start) / 1e9, done = (double)samples;
    server_s = cpu_s(daemon_clock) - server_s;
    client_s = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - client_s;
    qsort(latency_ms, samples, sizeof *latency_ms, by_size);
    if (!samples) die("no answers");
    printf("submit over HTTP, durable, %3d clients: %7.0f /s   p50 %6.2f ms   p99 %6.2f ms   processor time a submit: tandemd %3.0f us, clients %2.0f us\n",
           count, done / seconds, latency_ms[samples / 2], latency_ms[samples * 99 / 100], server_s / done * 1e6, client_s / done * 1e6);
    fflush(stdout);
    for (int i = 0; i < count; i++) close(clients[i].fd);
    return done / seconds;
}

static void measure_rounds(int port, int count, int rounds)
{
    double rates[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) rates[i] = measure(port, count);
    if (rounds == 1) return;
    qsort(rates, (size_t)rounds, sizeof *rates, by_size);
    printf("  %d clients, %d rounds: best %.0f /s, median %.0f /s\n", count, rounds, rates[rounds - 1], rates[rounds / 2]);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"1", "16", "64", NULL};
    char folder[] = "bench-submit-XXXXXX", command[128];
    const char *wanted = getenv("ROUNDS");
    int port, status, rounds = wanted ? atoi(wanted) : 1;
    if (!mkdtemp(folder)) die("mkdtemp");
    request_bytes = (size_t)snprintf(request, sizeof request, "POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s", sizeof body - 1, body);
    pid_t pid = start_daemon(folder, &port);
    if (clock_getcpuclockid(pid, &daemon_clock)) die("clock_getcpuclockid");
    for (int i = 0; argc > 1 ? argv[1 + i] != NULL : usual[i] != NULL; i++) {
        int count = atoi(argc > 1 ? argv[1 + i] : usual[i]);
        if (count < 1 || count > CLIENTS_MAX || rounds < 1 || rounds > ROUNDS_MAX) die("1 to 256 clients, 1 to 32 ROUNDS");
        measure_rounds(port, count, rounds);
    }
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) || status;
}
