/* http_guard: what is refused before a body byte is read: heads that two parties could read in two ways. */
#ifndef SERVER_HTTP_GUARD_H
#define SERVER_HTTP_GUARD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"

/* What a handler of libmicrohttpd 0.9.75 cannot see, and so still passes: bare LF as line end, folded header lines, a value cut at
   a NUL, chunk extensions of any length. None lets two requests be read out of one by us alone; a server that others can reach
   stands behind a proxy that sends requests on in normal form. */
enum { GUARD_HEADERS_MAX = 128, GUARD_PATH_MAX = 2048 };
struct guard_header {
    const char *name, *value; /* value may be NULL */
    size_t name_length, value_length; /* as received: more than strlen means a NUL inside */
};
struct guard_head {
    const char *method, *version, *path; /* path raw, without the query */
    const struct guard_header *headers;
    size_t header_count;
};
/* What the guard has learnt from a good head. */
struct guard_facts {
    const char *host;       /* value of the one Host header */
    int64_t content_length; /* -1: none announced */
    bool chunked;
};
/* ERR_NOT_IMPLEMENTED (method), ERR_VERSION, ERR_BAD_REQUEST with the reason in the note. */
enum err guard_check(const struct guard_head *head, struct guard_facts *facts, struct err_note *note) MUST_USE;
/* Raw path rules alone: starts with '/', no %00, %2f, %2e, '\', empty or dot segments, bad escapes, bytes outside printable ASCII. */
enum err guard_check_path(const char *path, struct err_note *note) MUST_USE;
/* "name", "name:port" and "[v6]:port" against the allowed names (no port; ends with NULL; case-insensitive). */
bool guard_host_allowed(const char *host, const char *const *allowed);
/* Percent-decodes [from, from+length) into to[size]: false on a bad escape, a NUL or control byte, bad UTF-8, or no room. */
bool guard_decode(const char *from, size_t length, char *to, size_t size);
#endif
