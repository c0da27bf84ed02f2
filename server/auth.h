/* auth: who is calling: tokens from a file, kept as digests; roles; how many wrong tokens an address may send. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include "schema/base/err.h"

/* Roles as bits: a route names the set that may call it. */
enum auth_role { AUTH_SUBMIT = 1, AUTH_WORKER = 2, AUTH_ADMIN = 4, AUTH_ALL = 7 };

enum { AUTH_ID_MAX = 33 /* 32 characters and the NUL */, AUTH_SECRET_BYTES = 32, AUTH_SECRET_HEX = 65 };
struct auth_caller {
    char id[AUTH_ID_MAX]; /* of the token; "local" when the server has no tokens; "" on open routes without one */
    unsigned roles;       /* AUTH_* bits; admin holds all */
};

/* The token file: one token a line, `id role sha256`, blanks between; '#' starts a comment; ids are
   [a-z0-9][a-z0-9_-]*, unique. The digest is that of the secret's 64 hex digits as text, so that
       secret=$(openssl rand -hex 32); printf %s "$secret" | sha256sum
   makes one. Clients send the secret: Authorization: Bearer <secret>. */
struct auth;
/* ERR_DATA with "FILE line N" in the note; ERR_IO; an empty file is refused. Others than the owner may not write it. */
enum err auth_load(const char *path, struct auth **auth, struct err_note *note) MUST_USE;
void auth_free(struct auth *a);
size_t auth_count(const struct auth *a);
const char *auth_role_name(enum auth_role role); /* "submit" */
/* A fresh secret and its line for the file. */
void auth_new_token(const char *id, enum auth_role role, char secret[AUTH_SECRET_HEX], char line[160]);

/* `header` is the Authorization value or NULL; `from` the client's address (NULL: not counted).
   a == NULL: caller "local" with every role. ERR_UNAUTHORIZED; ERR_RATE after 10 wrong tokens a minute from one address
   (right tokens still pass: a whole cluster may sit behind one). Thread-safe. */
enum err auth_check(struct auth *a, const char *header, const struct sockaddr *from, struct auth_caller *caller) MUST_USE;
/* Is this bind address loopback? Anything else needs tokens (exit 78). */
bool auth_is_loopback(const char *address);
#endif
