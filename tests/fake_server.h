/* fake_server: an HTTP/1.1 server for tests whose answers are a function; each connection has a thread, so an answer may wait. */
#ifndef TESTS_FAKE_SERVER_H
#define TESTS_FAKE_SERVER_H
#include <stdbool.h>
#include <stddef.h>

struct fake_request {
    char method[8], path[512], query[512];
    char head[4096];     /* the header lines as they came */
    char *body;          /* NUL-terminated */
    size_t length;
    int connection;      /* counts from 1 */
};
struct fake_reply {
    int status;          /* 0: the connection is cut without an answer */
    char type[64];       /* application/json unless changed */
    char headers[512];   /* more header lines, each ending in CRLF */
    char *body;          /* freed by the server; NULL: none */
    size_t length;       /* 0: strlen(body) */
    size_t cut_after;    /* not 0: the connection is cut after so many bytes of the body */
    bool until_close;    /* no Content-Length: the body ends with the connection */
};
typedef void fake_answer(void *user, const struct fake_request *request, struct fake_reply *reply);
struct fake_server;
struct fake_server *fake_server_start(int port, fake_answer *answer, void *user); /* port 0: any */
void fake_server_stop(struct fake_server *server); /* closes every connection; waits for its threads */
int fake_server_port(const struct fake_server *server);
const char *fake_server_address(const struct fake_server *server);
const char *fake_header(const struct fake_request *request, const char *name, char *to, size_t size); /* value or NULL */
/* A reply of text or JSON in printf's way; takes a copy. */
void fake_say(struct fake_reply *reply, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
#endif
