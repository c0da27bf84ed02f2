/* fake_server: accepts in one thread, serves each connection in one of its own. */
#include "tests/fake_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/check.h"

enum { CONNECTIONS_MAX = 256, HEAD_MAX = 16384 };
struct connection {
    struct fake_server *server;
    pthread_t thread;
    int fd, number;
};
struct fake_server {
    fake_answer *answer;
    void *user;
    int fd, port, count;
    char address[64];
    pthread_t thread;
    struct connection connections[CONNECTIONS_MAX];
};

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0) return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* Reads up to and with the empty line; what came after it stays in `rest`. */
static size_t read_head(int fd, char *head, size_t have)
{
    for (;;) {
        head[have] = 0;
        if (strstr(head, "\r\n\r\n")) return have;
        ssize_t n = have + 1 < HEAD_MAX ? recv(fd, head + have, HEAD_MAX - 1 - have, 0) : 0;
        if (n <= 0) return 0;
        have += (size_t)n;
    }
}

const char *fake_header(const struct fake_request *request, const char *name, char *to, size_t size)
{
    size_t n = strlen(name);
    for (const char *line = request->head; line && *line; line = strstr(line, "\r\n") ? strstr(line, "\r\n") + 2 : NULL) {
        if (strncasecmp(line, name, n) || line[n] != ':') continue;
        line += n + 1;
        while (*line == ' ') line++;
        snprintf(to, size, "%.*s", (int)strcspn(line, "\r\n"), line);
        return to;
    }
    return NULL;
}

static bool reply_to(int fd, struct fake_reply *reply)
{
    if (!reply->status) return false;
    char head[1024], length_line[64] = "";
    if (reply->body && !reply->length) reply->length = strlen(reply->body);
    if (!reply->until_close && reply->status != 204 && reply->status != 304)
        snprintf(length_line, sizeof length_line, "Content-Length: %zu\r\n", reply->length);
    snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Type: %s\r\n%s%s%s\r\n", reply->status, reply->type, length_line,
             reply->until_close ? "Connection: close\r\n" : "", reply->headers);
    if (!send_all(fd, head, strlen(head))) return false;
    size_t length = reply->cut_after && reply->cut_after < reply->length ? reply->cut_after : reply->length;
    if (length && !send_all(fd, reply->body, length)) return false;
    return !reply->until_close && !reply->cut_after;
}

/* One request; -> whether the connection lives on. `head` holds `*have` bytes already read. */
static bool serve_one(struct connection *c, char *head, size_t *have)
{
    *have = read_head(c->fd, head, *have);
    if (!*have) return false;
    struct fake_request request = {.connection = c->number};
    char *end = strstr(head, "\r\n\r\n") + 4, target[1024] = "";
    *strstr(head, "\r\n") = 0;
    if (sscanf(head, "%7s %1023s", request.method, target) != 2) return false;
    char *lines = head + strlen(head) + 2;
    snprintf(request.head, sizeof request.head, "%.*s", (int)(end - lines), lines);
    char *question = strchr(target, '?'), value[256];
    if (question) *question++ = 0;
    snprintf(request.path, sizeof request.path, "%.511s", target);
    snprintf(request.query, sizeof request.query, "%.511s", question ? question : "");
    if (fake_header(&request, "Content-Length", value, sizeof value)) request.length = strtoull(value, NULL, 10);
    if (fake_header(&request, "Expect", value, sizeof value)) send_all(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    request.body = calloc(1, request.length + 1);
    size_t got = *have - (size_t)(end - head);
    if (got > request.length) got = request.length;
    memcpy(request.body, end, got);
    size_t rest = *have - (size_t)(end - head) - got;
    memmove(head, end + got, rest);
    *have = rest;
    while (got < request.length) {
        ssize_t n = recv(c->fd, request.body + got, request.length - got, 0);
        if (n <= 0) break;
        got += (size_t)n;
    }
    bool whole = got == request.length, alive = false;
    struct fake_reply reply = {.status = 500, .type = "application/json"};
    if (whole) {
        c->server->answer(c->server->user, &request, &reply);
        alive = reply_to(c->fd, &reply);
    }
    free(reply.body);
    free(request.body);
    return alive;
}

static void *serve(void *user)
{
    struct connection *c = user;
    char *head = malloc(HEAD_MAX);
    size_t have = 0;
    while (head && serve_one(c, head, &have)) continue;
    free(head);
    shutdown(c->fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *user)
{
    struct fake_server *s = user;
    for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;) {
        if (s->count == CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        struct connection *c = &s->connections[s->count];
        int now = 1; /* head and body are two sends: without this each answer would wait for an ACK */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &now, sizeof now);
        *c = (struct connection){s, 0, fd, s->count + 1};
        if (pthread_create(&c->thread, NULL, serve, c)) abort();
        s->count++;
    }
    return NULL;
}

struct fake_server *fake_server_start(int port, fake_answer *answer, void *user)
{
    struct fake_server *s = calloc(1, sizeof *s);
    CHECK(s);
    s->answer = answer;
    s->user = user;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((unsigned short)port)};
    socklen_t size = sizeof at;
    CHECK(!bind(s->fd, (struct sockaddr *)&at, size) && !listen(s->fd, 64) && !getsockname(s->fd, (struct sockaddr *)&at, &size));
    s->port = ntohs(at.sin_port);
    snprintf(s->address, sizeof s->address, "http://127.0.0.1:%d", s->port);
    CHECK(!pthread_create(&s->thread, NULL, accept_all, s));
    return s;
}

void fake_server_stop(struct fake_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (int i = 0; i < s->count; i++) shutdown(s->connections[i].fd, SHUT_RDWR);
    for (int i = 0; i < s->count; i++) {
        pthread_join(s->connections[i].thread, NULL);
        close(s->connections[i].fd);
    }
    free(s);
}

int fake_server_port(const struct fake_server *server)
{
    return server->port;
}

const char *fake_server_address(const struct fake_server *server)
{
    return server->address;
}

void fake_say(struct fake_reply *reply, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reply->status = status;
    if (vasprintf(&reply->body, format, args) < 0) abort();
    va_end(args);
}
