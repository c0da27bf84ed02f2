/* http_raw: sockets, bytes and status lines. */
#include "tests/server/http_raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"

double raw_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int raw_connect(int port)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) check_fail(__FILE__, __LINE__, "connect: %s", strerror(errno));
    return fd;
}

void raw_send(int fd, const void *bytes, size_t length)
{
    const char *from = bytes;
    while (length) {
        ssize_t n = send(fd, from, length, MSG_NOSIGNAL);
        if (n <= 0) return;
        from += n;
        length -= (size_t)n;
    }
}

void raw_text(int fd, const char *text)
{
    raw_send(fd, text, strlen(text));
}

static void find_statuses(struct raw_reply *reply)
{
    size_t used = 0;
    reply->statuses[0] = '\0';
    for (const char *s = reply->bytes; (s = memmem(s, reply->length - (size_t)(s - reply->bytes), "HTTP/1.", 7)); s += 7) {
        if (reply->length - (size_t)(s - reply->bytes) < 12 || used > sizeof reply->statuses - 8) break;
        if (s[8] != ' ' || strspn(s + 9, "0123456789") != 3) continue; /* the words in a body */
        int n = snprintf(reply->statuses + used, sizeof reply->statuses - used, "%s%.3s", used ? " " : "", s + 9);
        used += (size_t)n;
    }
}

/* -> false when there is nothing more: closed, silent or full. */
static bool read_more(int fd, int quiet_ms, struct raw_reply *reply)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t room = sizeof reply->bytes - 1 - reply->length;
    if (room == 0 || poll(&p, 1, quiet_ms) <= 0) return false;
    ssize_t n = recv(fd, reply->bytes + reply->length, room, 0);
    if (n <= 0) {
        reply->closed = true;
        return false;
    }
    reply->length += (size_t)n;
    reply->bytes[reply->length] = '\0';
    return true;
}

static void reset(struct raw_reply *reply)
{
    reply->length = 0;
    reply->closed = false;
    reply->bytes[0] = reply->statuses[0] = '\0';
}

void raw_read(int fd, int quiet_ms, struct raw_reply *reply)
{
    reset(reply);
    while (read_more(fd, quiet_ms, reply)) continue;
    find_statuses(reply);
}

/* Takes the frames of a chunked body out, "\r\nSIZE\r\n": they fall anywhere, within a word, too. What these servers stream has
   no "\r" of its own; the blank line before the first frame stays. */
static void join_chunks(struct raw_reply *reply)
{
    for (char *s = reply->bytes; (s = strstr(s, "\r\n"));) {
        size_t digits = strspn(s + 2, "0123456789abcdefABCDEF");
        if (!digits || strncmp(s + 2 + digits, "\r\n", 2)) {
            s += 2;
            continue;
        }
        bool first = s - reply->bytes >= 2 && !strncmp(s - 2, "\r\n", 2);
        char *from = first ? s + 2 : s, *rest = s + digits + 4;
        memmove(from, rest, reply->length - (size_t)(rest - reply->bytes) + 1);
        reply->length -= (size_t)(rest - from);
        s = from;
    }
}

void raw_until(int fd, const char *part, struct raw_reply *reply)
{
    reset(reply);
    while (!strstr(reply->bytes, part)) {
        bool more = read_more(fd, 10000, reply);
        join_chunks(reply);
        if (!more)
            check_fail(__FILE__, __LINE__, "\"%s\" did not come%s; got: %s", part, reply->closed ? " before the end" : "", reply->bytes);
    }
    find_statuses(reply);
}

int raw_exchange(int port, const char *request, struct raw_reply *reply)
{
    int fd = raw_connect(port);
    raw_text(fd, request);
    reset(reply);
    const char *end = NULL, *announced;
    while (!end || !(announced = strcasestr(reply->bytes, "\r\nContent-Length: ")) || announced > end ||
           strlen(end + 4) < strtoul(announced + 18, NULL, 10)) {
        if (!read_more(fd, 10000, reply)) break;
        end = strstr(reply->bytes, "\r\n\r\n");
    }
    find_statuses(reply);
    close(fd);
    return atoi(reply->statuses);
}

int raw_get(int fd, const char *path, struct raw_reply *reply)
{
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    raw_text(fd, request);
    reset(reply);
    const char *end = NULL, *announced;
    while (!end || !(announced = strcasestr(reply->bytes, "\r\nContent-Length: ")) ||
           strlen(end + 4) < strtoul(announced + 18, NULL, 10)) {
        if (!read_more(fd, 10000, reply)) break;
        end = strstr(reply->bytes, "\r\n\r\n");
    }
    find_statuses(reply);
    return atoi(reply->statuses);
}

int raw_is_closed(int fd, int within_ms)
{
    double until = raw_now_s() + within_ms * 1e-3;
    static struct raw_reply reply;
    reset(&reply);
    while (raw_now_s() < until && !reply.closed) {
        if (!read_more(fd, 50, &reply)) continue;
        reply.length = 0;
    }
    return reply.closed;
}

void raw_still_answers(int port)
{
    static struct raw_reply reply;
    CHECK_INT(raw_exchange(port, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", &reply), 200);
}
