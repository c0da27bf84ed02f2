/* http_connection: how long each connection may take over what it is doing; the slow ones are shut down. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "schema/base/clock.h"
#include "server/http_inside.h"

enum { LINGER_MS = 2000 };

static void read_local_name(struct conn *c)
{
    struct sockaddr_storage local;
    socklen_t length = sizeof local;
    char text[INET6_ADDRSTRLEN] = "";
    if (getsockname(c->fd, (struct sockaddr *)&local, &length)) return;
    if (local.ss_family == AF_INET) {
        inet_ntop(AF_INET, &((struct sockaddr_in *)&local)->sin_addr, text, sizeof text);
        err_print(c->local_name, sizeof c->local_name, "%s", text);
    } else if (local.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&local)->sin6_addr, text, sizeof text);
        err_print(c->local_name, sizeof c->local_name, "[%s]", text);
    }
}

struct conn *conn_new(struct http *h, int fd)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->http = h;
    c->fd = fd;
    c->since_ms = clock_mono_ms();
    c->held_since_ms = -1;
    read_local_name(c);
    pthread_mutex_lock(&h->conn_lock);
    c->next = h->conns;
    if (h->conns) h->conns->previous = c;
    h->conns = c;
    h->counters.connections++;
    pthread_mutex_unlock(&h->conn_lock);
    return c;
}

void conn_free(struct conn *c)
{
    struct http *h = c->http;
    pthread_mutex_lock(&h->conn_lock);
    if (c->previous) c->previous->next = c->next;
    else h->conns = c->next;
    if (c->next) c->next->previous = c->previous;
    h->counters.connections--;
    pthread_mutex_unlock(&h->conn_lock);
    free(c);
}

void conn_phase_is(struct conn *c, enum conn_phase phase)
{
    pthread_mutex_lock(&c->http->conn_lock);
    c->phase = phase;
    c->since_ms = clock_mono_ms();
    c->held_ms = 0;
    c->held_since_ms = -1;
    c->body_bytes = 0;
    pthread_mutex_unlock(&c->http->conn_lock);
}

void conn_body_came(struct conn *c, size_t bytes)
{
    pthread_mutex_lock(&c->http->conn_lock);
    c->body_bytes += bytes;
    pthread_mutex_unlock(&c->http->conn_lock);
}

void conn_held(struct conn *c, bool held)
{
    int64_t now_ms = clock_mono_ms();
    pthread_mutex_lock(&c->http->conn_lock);
    if (!held && c->held_since_ms >= 0) c->held_ms += now_ms - c->held_since_ms;
    c->held_since_ms = held ? now_ms : -1;
    pthread_mutex_unlock(&c->http->conn_lock);
}

static bool is_too_slow(const struct conn *c, int64_t now_ms)
{
    const struct http_config *limits = &c->http->config;
    int64_t took_ms = now_ms - c->since_ms;
    switch (c->phase) {
    case CONN_NEW:
    case CONN_HEAD:
        return took_ms > limits->head_ms;
    case CONN_LAST:
        return took_ms > LINGER_MS;
    case CONN_BODY:
        took_ms -= c->held_ms + limits->body_grace_ms;
        return c->held_since_ms < 0 && took_ms > 0 &&
               (double)c->body_bytes < (double)took_ms * 1e-3 * (double)limits->body_bytes_per_s;
    case CONN_REST:
        return took_ms > limits->idle_ms;
    case CONN_BUSY:
        break;
    }
    return false;
}

/* The library sees the shut socket as closed by the client and cleans up; the descriptor stays ours to name until its
   CLOSED notification, which takes the same lock. */
void conns_reap(struct http *h, int64_t now_ms)
{
    pthread_mutex_lock(&h->conn_lock);
    for (struct conn *c = h->conns; c; c = c->next)
        if (!c->cut && is_too_slow(c, now_ms)) {
            c->cut = true;
            shutdown(c->fd, SHUT_RDWR);
        }
    pthread_mutex_unlock(&h->conn_lock);
}
