/* http_raw: a client of plain sockets, for what no proper client would send. */
#ifndef TESTS_SERVER_HTTP_RAW_H
#define TESTS_SERVER_HTTP_RAW_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct raw_reply {
    char bytes[262144]; /* NUL-terminated */
    size_t length;
    bool closed; /* the server closed */
    char statuses[256]; /* "200 404": of all status lines seen */
};
int raw_connect(int port);
/* May fail silently: the server is allowed to hang up on what it does not like. */
void raw_send(int fd, const void *bytes, size_t length);
void raw_text(int fd, const char *text);
/* Reads until the server closes, `quiet_ms` pass without a byte, or the reply is full. */
void raw_read(int fd, int quiet_ms, struct raw_reply *reply);
/* Reads until `part` has come; fails the test after 10 s. A chunked body is joined: its frames are taken out. */
void raw_until(int fd, const char *part, struct raw_reply *reply);
/* One whole exchange on a connection of its own; adds nothing to `request`. Returns the first status, 0 for none. */
int raw_exchange(int port, const char *request, struct raw_reply *reply);
/* GET with Host: a on an open connection; reads exactly one reply with Content-Length. */
int raw_get(int fd, const char *path, struct raw_reply *reply);
int raw_is_closed(int fd, int within_ms);
double raw_now_s(void);
/* A port where /a answers 200? Fails the test otherwise. */
void raw_still_answers(int port);
#endif
