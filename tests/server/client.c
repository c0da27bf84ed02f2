/* client: as much of HTTP/1.1 as the tests need, written apart from the server so that both cannot err alike. */
#include "tests/server/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "tests/agree/contract.h"
#include "tests/check.h"

enum { FLAGS_MAX = 32, START_MS = 20000, STOP_MS = 5000, CALL_MS = 30000 };

/* ---- the daemon ------------------------------------------------------------------------------------------- */
static pid_t spawn(const char *data, const char *const *flags)
{
    const char *argv[FLAGS_MAX] = {"tandemd", "--data", data, "--port", "0", "--port-file", "port", "--log-level", "warn"};
    int n = 9;
    while (flags && *flags && n < FLAGS_MAX - 1) argv[n++] = *flags++;
    unlink("port");
    const char *program = check_bin("tandemd");
    pid_t pid = fork();
    if (pid) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(program, (char *const *)(size_t)argv);
    _exit(127);
}

static int port_of_file(void)
{
    int port = 0;
    FILE *f = fopen("port", "r");
    if (!f) return 0;
    if (fscanf(f, "%d", &port) != 1) port = 0;
    fclose(f);
    return port;
}

void daemon_start(struct daemon_run *d, const char *data, const char *const *flags)
{
    int status;
    if (data != d->data) snprintf(d->data, sizeof d->data, "%s", data ? data : "data");
    d->pid = spawn(d->data, flags);
    CHECK(d->pid > 0);
    for (int64_t end = clock_mono_ms() + START_MS; clock_mono_ms() < end; clock_sleep_ms(5)) {
        d->port = port_of_file();
        if (d->port) return;
        if (waitpid(d->pid, &status, WNOHANG) == d->pid) check_fail(__FILE__, __LINE__, "tandemd ended with status %x", (unsigned)status);
    }
    check_fail(__FILE__, __LINE__, "tandemd did not come up");
}

/* -1: still running after `ms` */
static int wait_code(pid_t pid, int64_t ms)
{
    int status;
    for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end; clock_sleep_ms(5))
        if (waitpid(pid, &status, WNOHANG) == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return -1;
}

int daemon_start_code(const char *data, const char *const *flags)
{
    pid_t pid = spawn(data ? data : "data", flags);
    int code = -1;
    CHECK(pid > 0);
    for (int64_t end = clock_mono_ms() + START_MS; code < 0 && !port_of_file() && clock_mono_ms() < end;) code = wait_code(pid, 20);
    if (code < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return code;
}

int daemon_stop(struct daemon_run *d)
{
    const char *san = getenv("TANDEM_SAN");
    CHECK_INT(kill(d->pid, SIGTERM), 0);
    int code = wait_code(d->pid, san && *san ? 4 * STOP_MS : STOP_MS);
    if (code < 0) check_fail(__FILE__, __LINE__, "tandemd still runs %d ms after SIGTERM", STOP_MS);
    d->pid = 0;
    return code;
}

void daemon_kill(struct daemon_run *d)
{
    kill(d->pid, SIGKILL);
    waitpid(d->pid, NULL, 0);
    d->pid = 0;
}

/* ---- bytes -------------------------------------------------------------------------------------------------- */
void client_init(struct client *c, int port)
{
    *c = (struct client){.port = port, .fd = -1};
}

void client_close(struct client *c)
{
    if (c->fd >= 0) close(c->fd);
    free(c->in);
    c->in = NULL;
    c->at = c->length = c->capacity = c->chunk_left = 0;
    c->fd = -1;
}

static void connect_now(struct client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int yes = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(c->fd >= 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to)) check_fail(__FILE__, __LINE__, "connect: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

/* Reads what there is, or waits for it. False at the end or in time. */
static bool fill(struct client *c, int64_t until_ms)
{
    int64_t left = until_ms - clock_mono_ms();
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (poll(&p, 1, left > 0 ? (int)left : 0) <= 0) return false;
    if (c->at) {
        memmove(c->in, c->in + c->at, c->length - c->at);
        c->length -= c->at;
        c->at = 0;
    }
    if (c->capacity - c->length < 65536) c->in = realloc(c->in, c->capacity = c->capacity * 2 + 131072);
    CHECK(c->in);
    ssize_t n = recv(c->fd, c->in + c->length, c->capacity - c->length, 0);
    if (n <= 0) return false;
    c->length += (size_t)n;
    return true;
}

static bool read_line(struct client *c, int64_t until_ms, char *line, size_t size)
{
    for (;;) {
        char *end = c->in ? memchr(c->in + c->at, '\n', c->length - c->at) : NULL;
        if (end) {
            size_t n = (size_t)(end - (c->in + c->at));
            size_t cut = n && end[-1] == '\r' ? n - 1 : n;
            if (cut >= size) cut = size - 1;
            memcpy(line, c->in + c->at, cut);
            line[cut] = 0;
            c->at += n + 1;
            return true;
        }
        if (!fill(c, until_ms)) return false;
    }
}

static bool read_bytes(struct client *c, int64_t until_ms, char *to, size_t n)
{
    while (c->length - c->at < n)
        if (!fill(c, until_ms)) return false;
    if (n) memcpy(to, c->in + c->at, n);
    c->at += n;
    return true;
}

static bool send_all(struct client *c, const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* ---- calls -------------------------------------------------------------------------------------------------- */
void client_send(struct client *c, const char *method, const char *path, const char *headers, const void *body, size_t length)
{
    char head[16384], token[256] = "", announced[64] = "";
    if (c->token) snprintf(token, sizeof token, "Authorization: Bearer %s\r\n", c->token);
    if (body) snprintf(announced, sizeof announced, "Content-Length: %zu\r\n", length);
    int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s%s\r\n", method, path, token, announced, headers ? headers : "");
    CHECK(n > 0 && (size_t)n < sizeof head);
    if (c->fd < 0) connect_now(c);
    if (send_all(c, head, (size_t)n) && body) (void)!send_all(c, body, length); /* refused early: the answer says so */
}

static bool read_chunks(struct client *c, int64_t until_ms, struct reply *r)
{
    char line[256];
    for (;;) {
        if (!read_line(c, until_ms, line, sizeof line)) return false;
        size_t n = strtoul(line, NULL, 16);
        r->body = realloc(r->body, r->length + n + 1);
        CHECK(r->body);
        if (!read_bytes(c, until_ms, r->body + r->length, n)) return false;
        r->length += n;
        if (!read_line(c, until_ms, line, sizeof line)) return false;
        if (!n) return true;
    }
}

const char *reply_header(const struct reply *r, const char *name)
{
    static char value[1024];
    size_t length = strlen(name);
    for (const char *line = strchr(r->head, '\n'); line && *++line; line = strchr(line, '\n')) {
        if (strncasecmp(line, name, length) || line[length] != ':') continue;
        const char *from = line + length + 1 + strspn(line + length + 1, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\n"), from);
        return value;
    }
    return "";
}

static bool read_head(struct client *c, int64_t until_ms, struct reply *r)
{
    char line[4096];
    size_t n = 0;
    memset(r, 0, sizeof *r);
    do {
        if (!read_line(c, until_ms, line, sizeof line)) return false;
        n += (size_t)snprintf(r->head + n, sizeof r->head - n, "%s\n", line);
        CHECK(n < sizeof r->head);
    } while (*line);
    if (sscanf(r->head, "HTTP/1.1 %d", &r->status) != 1) check_fail(__FILE__, __LINE__, "not a status line: %s", r->head);
    snprintf(r->type, sizeof r->type, "%.127s", reply_header(r, "Content-Type"));
    return true;
}

static bool read_body(struct client *c, const char *method, int64_t until_ms, struct reply *r)
{
    r->body = calloc(1, 1);
    if (!strcmp(method, "HEAD") || r->status == 204 || r->status == 304) return true;
    if (!strcasecmp(reply_header(r, "Transfer-Encoding"), "chunked")) {
        bool good = read_chunks(c, until_ms, r);
        if (r->body) r->body[r->length] = 0;
        return good;
    }
    r->length = strtoul(reply_header(r, "Content-Length"), NULL, 10);
    r->body = realloc(r->body, r->length + 1);
    CHECK(r->body);
    r->body[r->length] = 0;
    return read_bytes(c, until_ms, r->body, r->length);
}

static void check_contract(const char *method, const char *path, const struct reply *r)
{
    char plain[2048];
    snprintf(plain, sizeof plain, "%.*s", (int)strcspn(path, "?"), path);
    struct contract_reply seen = {method, plain, r->status, r->type, r->body, r->length};
    contract_check(&seen);
    if (!*reply_header(r, "X-Request-Id")) check_fail(__FILE__, __LINE__, "%s %s %d: no X-Request-Id", method, path, r->status);
}

bool client_receive(struct client *c, const char *method, const char *path, int64_t timeout_ms, struct reply *r)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    do {
        if (!read_head(c, until_ms, r)) return false;
    } while (r->status == 100);
    if (!read_body(c, method, until_ms, r)) {
        reply_free(r);
        return false;
    }
    if (strstr(r->type, "json") && r->length) r->json = json_loadb(r->body, r->length, JSON_DECODE_ANY, NULL);
    if (!strcasecmp(reply_header(r, "Connection"), "close")) client_close(c);
    if (!c->unchecked) check_contract(method, path, r);
    return true;
}

void client_call(struct client *c, const char *method, const char *path, const char *headers, const void *body, size_t length, struct reply *r)
{
    bool reused = c->fd >= 0;
    client_send(c, method, path, headers, body, length);
    if (client_receive(c, method, path, CALL_MS, r)) return;
    client_close(c);
    if (reused) {
        client_send(c, method, path, headers, body, length);
        if (client_receive(c, method, path, CALL_MS, r)) return;
    }
    check_fail(__FILE__, __LINE__, "%s %s: no answer", method, path);
}

/* Nothing may arrive on a parked request for a while; 100 ms is no proof, only a chance to catch an answer that came at once. */
void client_check_parked(struct client *c)
{
    char byte;
    struct timeval wait = {.tv_usec = 100000};
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    CHECK_INT(recv(c->fd, &byte, 1, MSG_PEEK), -1);
    wait.tv_usec = 0;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
}

void reply_free(struct reply *r)
{
    free(r->body);
    json_decref(r->json);
    memset(r, 0, sizeof *r);
}

json_t *call_json(struct client *c, int status, const char *method, const char *path, const char *body)
{
    struct reply r;
    client_call(c, method, path, NULL, body, body ? strlen(body) : 0, &r);
    if (r.status != status) check_fail(__FILE__, __LINE__, "%s %s: got %d, want %d: %.2000s", method, path, r.status, status, r.body);
    json_t *json = json_incref(r.json);
    reply_free(&r);
    return json;
}

const char *problem_code(const json_t *problem)
{
    const json_t *first = json_array_get(json_object_get(problem, "errors"), 0);
    const char *code = json_string_value(json_object_get(first, "code"));
    return code ? code : "(none)";
}

/* ---- event streams ------------------------------------------------------------------------------------------------ */
void sse_open(struct client *c, const char *path, int64_t last_id)
{
    char header[64] = "";
    struct reply r;
    if (last_id >= 0) snprintf(header, sizeof header, "Last-Event-ID: %lld\r\n", (long long)last_id);
    client_send(c, "GET", path, header, NULL, 0);
    if (!read_head(c, clock_mono_ms() + CALL_MS, &r)) check_fail(__FILE__, __LINE__, "%s: no answer", path);
    if (r.status != 200) check_fail(__FILE__, __LINE__, "%s: got %d, want 200", path, r.status);
    if (!c->unchecked) check_contract("GET", path, &r);
    CHECK_HAS(r.type, "text/event-stream");
}

/* The head of the next chunk; false at the end. */
static bool next_chunk(struct client *c, int64_t until_ms)
{
    char head[64];
    do {
        if (!read_line(c, until_ms, head, sizeof head)) return false;
    } while (!*head); /* the line end after the chunk before */
    c->chunk_left = strtoul(head, NULL, 16);
    return c->chunk_left > 0;
}

/* A line of the stream, wherever the chunks were cut. */
static bool sse_line(struct client *c, int64_t until_ms, char *line, size_t size)
{
    for (size_t n = 0;;) {
        char byte;
        if (!c->chunk_left && !next_chunk(c, until_ms)) return false;
        if (!read_bytes(c, until_ms, &byte, 1)) return false;
        c->chunk_left--;
        if (byte == '\n') {
            line[n] = 0;
            return true;
        }
        if (n + 1 < size) line[n++] = byte;
    }
}

bool sse_next(struct client *c, int64_t timeout_ms, struct sse *event)
{
    static char line[1 << 20];
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    sse_free(event);
    event->id = -1;
    event->kind[0] = 0;
    while (sse_line(c, until_ms, line, sizeof line)) {
        if (!strncmp(line, "id: ", 4)) event->id = atoll(line + 4);
        if (!strncmp(line, "event: ", 7)) snprintf(event->kind, sizeof event->kind, "%.60s", line + 7);
        if (!strncmp(line, "data: ", 6)) {
            free(event->data);
            event->data = strdup(line + 6);
        }
        if (!*line && event->data) return true;
    }
    return false;
}

void sse_free(struct sse *event)
{
    free(event->data);
    event->data = NULL;
}
