/* client: the real tandemd on a free port, and plain sockets that talk to it; every reply is held against openapi.json. */
#ifndef TESTS_SERVER_CLIENT_H
#define TESTS_SERVER_CLIENT_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- the daemon ---- */
struct daemon_run {
    pid_t pid;
    int port;
    char data[512]; /* folder; kept after stop, so that it can be started again */
};
/* Starts tandemd on port 0 with its data in `data` (NULL: "data" in the test's folder); further flags end with NULL (may be NULL).
   Waits until it answers. It dies with the test. */
void daemon_start(struct daemon_run *d, const char *data, const char *const *flags);
/* The same, but it is to fail: returns its exit code, -1 when it came up after all. */
int daemon_start_code(const char *data, const char *const *flags);
int daemon_stop(struct daemon_run *d);  /* SIGTERM; the exit code; fails the test after 5 s */
void daemon_kill(struct daemon_run *d); /* SIGKILL */

/* ---- one connection ---- */
struct client {
    int port, fd;      /* fd < 0: not connected; connects by itself */
    const char *token; /* sent as bearer; NULL: none */
    bool unchecked;    /* replies are not held against the contract (attacks, benchmarks) */
    char *in;
    size_t at, length, capacity;
    size_t chunk_left; /* of an event stream */
};
struct reply {
    int status;
    char head[8192]; /* status line and headers */
    char type[128];
    char *body;      /* NUL-terminated; freed by reply_free */
    size_t length;
    json_t *json;    /* when the body is JSON */
};
void client_init(struct client *c, int port);
void client_close(struct client *c);
/* `headers`: "A: b\r\nC: d\r\n" or NULL; `body` NULL: none is announced. Tries once more on a kept connection that the server had closed. */
void client_call(struct client *c, const char *method, const char *path, const char *headers, const void *body, size_t length, struct reply *reply);
void client_send(struct client *c, const char *method, const char *path, const char *headers, const void *body, size_t length);
/* False: the server closed without an answer, or nothing came in time. `method` and `path` as sent, for the contract. */
bool client_receive(struct client *c, const char *method, const char *path, int64_t timeout_ms, struct reply *reply);
/* Fails the test when an answer came to the request that was sent: it is to wait. */
void client_check_parked(struct client *c);
void reply_free(struct reply *r);
/* Value of a header in `head`, "" when absent; static storage. */
const char *reply_header(const struct reply *r, const char *name);

/* Call, check the status, give the JSON (new reference, NULL when the body is none). */
json_t *call_json(struct client *c, int status, const char *method, const char *path, const char *body);
/* errors[0].code of a problem */
const char *problem_code(const json_t *problem);

/* ---- event streams ---- */
struct sse {
    int64_t id;
    char kind[64];
    char *data; /* lives until the next */
};
void sse_open(struct client *c, const char *path, int64_t last_id); /* last_id < 0: none sent; fails the test unless 200 */
/* False on timeout or end. Pings are passed over. */
bool sse_next(struct client *c, int64_t timeout_ms, struct sse *event);
void sse_free(struct sse *event);
#endif
