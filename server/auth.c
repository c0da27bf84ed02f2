/* auth: reads the token file, compares digests in constant time, counts wrong tokens by address. */
#include "server/auth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "schema/base/clock.h"
#include "schema/base/sha256.h"
#include "schema/base/uuid.h"

enum {
    WRONG_MAX = 10,         /* wrong tokens of one address ... */
    WRONG_WINDOW_MS = 60000, /* ... within this */
    ADDRESSES = 1024,       /* remembered at once; a newcomer takes the place of the one whose hash it shares */
    LINE_MAX_BYTES = 512,
};

struct token {
    char id[AUTH_ID_MAX];
    enum auth_role role;
    unsigned char digest[SHA256_BYTES];
};
struct wrong {
    unsigned char address[16];
    int64_t since_ms;
    int count;
};
struct auth {
    struct token *tokens;
    size_t count;
    pthread_mutex_t mutex; /* over `wrong` alone: tokens never change */
    struct wrong wrong[ADDRESSES];
};

static const struct {
    const char *name;
    enum auth_role role;
} roles[] = {{"submit", AUTH_SUBMIT}, {"worker", AUTH_WORKER}, {"admin", AUTH_ADMIN}};

const char *auth_role_name(enum auth_role role)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (roles[i].role == role) return roles[i].name;
    return "";
}

static enum auth_role role_of_name(const char *name)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (!strcmp(roles[i].name, name)) return roles[i].role;
    return 0;
}

static bool is_id(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n < AUTH_ID_MAX && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n && *s != '_' && *s != '-';
}

static void bytes_of_hex(const char *hex, unsigned char bytes[SHA256_BYTES])
{
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        unsigned byte;
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        byte = (unsigned)strtoul(pair, NULL, 16);
        bytes[i] = (unsigned char)byte;
    }
}

/* ---- the file ------------------------------------------------------------------------------------- */
static enum err add_token(struct auth *a, const char *id, const char *role, const char *hex, const char *where,
                          struct err_note *note)
{
    if (!is_id(id)) return err_set(note, ERR_DATA, where, "'%s' is no token id: [a-z0-9][a-z0-9_-]*, at most 32", id);
    if (!role_of_name(role)) return err_set(note, ERR_DATA, where, "'%s' is no role: submit, worker or admin", role);
    if (!sha256_is_hex(hex)) return err_set(note, ERR_DATA, where, "the third word must be a sha256: 64 lower-case hex digits");
    for (size_t i = 0; i < a->count; i++)
        if (!strcmp(a->tokens[i].id, id)) return err_set(note, ERR_DATA, where, "the id '%s' is there twice", id);
    struct token *more = realloc(a->tokens, (a->count + 1) * sizeof *more);
    if (!more) return err_set(note, ERR_NO_MEMORY, where, "no memory for another token");
    a->tokens = more;
    struct token *t = &more[a->count++];
    *t = (struct token){.role = role_of_name(role)};
    err_print(t->id, sizeof t->id, "%s", id);
    bytes_of_hex(hex, t->digest);
    return OK;
}

static enum err read_line(struct auth *a, char *line, const char *where, struct err_note *note)
{
    char *save = NULL, *words[4] = {NULL};
    line[strcspn(line, "#\r\n")] = '\0';
    for (size_t n = 0; n < 4; n++) {
        words[n] = strtok_r(n ? NULL : line, " \t", &save);
        if (!words[n]) break;
    }
    if (!words[0]) return OK;
    if (!words[2] || words[3]) return err_set(note, ERR_DATA, where, "a line is: id role sha256");
    return add_token(a, words[0], words[1], words[2], where, note);
}

static enum err read_lines(struct auth *a, FILE *f, const char *path, struct err_note *note)
{
    char line[LINE_MAX_BYTES], where[192];
    int number = 0;
    enum err e = OK;
    while (e == OK && fgets(line, sizeof line, f)) {
        number++;
        err_print(where, sizeof where, "%.160s line %d", path, number);
        if (!strchr(line, '\n') && !feof(f)) return err_set(note, ERR_DATA, where, "the line is too long");
        e = read_line(a, line, where, note);
    }
    if (e == OK && a->count == 0) e = err_set(note, ERR_DATA, path, "there is no token in the file");
    return e;
}

enum err auth_load(const char *path, struct auth **auth, struct err_note *note)
{
    *auth = NULL;
    FILE *f = fopen(path, "re");
    if (!f) return err_set(note, ERR_IO, path, "%s", strerror(errno));
    struct auth *a = calloc(1, sizeof *a);
    struct stat info;
    enum err e = OK;
    if (!a) e = err_set(note, ERR_NO_MEMORY, path, "no memory");
    else if (fstat(fileno(f), &info)) e = err_set(note, ERR_IO, path, "%s", strerror(errno));
    else if (info.st_mode & (S_IWGRP | S_IWOTH)) e = err_set(note, ERR_DATA, path, "others may write this file: chmod go-w");
    else e = read_lines(a, f, path, note);
    fclose(f);
    if (a) pthread_mutex_init(&a->mutex, NULL);
    if (e != OK) {
        auth_free(a);
        return e;
    }
    *auth = a;
    return OK;
}

void auth_free(struct auth *a)
{
    if (!a) return;
    pthread_mutex_destroy(&a->mutex);
    free(a->tokens);
    free(a);
}

size_t auth_count(const struct auth *a)
{
    return a ? a->count : 0;
}

void auth_new_token(const char *id, enum auth_role role, char secret[AUTH_SECRET_HEX], char line[160])
{
    char digest[SHA256_HEX];
    random_hex(secret, AUTH_SECRET_BYTES);
    sha256_hex_of(secret, strlen(secret), digest);
    err_print(line, 160, "%s %s %s", id, auth_role_name(role), digest);
}

/* ---- wrong tokens by address ------------------------------------------------------------------------- */
/* An IPv6 neighbour owns a whole /64, so that counts as one address. */
static void address_key(const struct sockaddr *from, unsigned char key[16])
{
    memset(key, 0, 16);
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        key[0] = 4;
        memcpy(key + 1, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        key[0] = 6;
        memcpy(key + 1, &v6.sin6_addr, 8);
    }
}

static size_t slot_of(const unsigned char key[16])
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < 16; i++) hash = (hash ^ key[i]) * 16777619u;
    return hash % ADDRESSES;
}

/* Counts one more wrong token; true when the address has used up its minute. */
static bool count_wrong(struct auth *a, const struct sockaddr *from)
{
    unsigned char key[16];
    address_key(from, key);
    struct wrong *w = &a->wrong[slot_of(key)];
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&a->mutex);
    if (memcmp(w->address, key, sizeof key) || now - w->since_ms >= WRONG_WINDOW_MS) {
        memcpy(w->address, key, sizeof key);
        w->since_ms = now;
        w->count = 0;
    }
    bool over = ++w->count > WRONG_MAX;
    pthread_mutex_unlock(&a->mutex);
    return over;
}

/* ---- the question ------------------------------------------------------------------------------------ */
/* All bytes are looked at, whatever the first ones say. */
static bool same_digest(const unsigned char *x, const unsigned char *y)
{
    unsigned difference = 0;
    for (size_t i = 0; i < SHA256_BYTES; i++) difference |= (unsigned)(x[i] ^ y[i]);
    return difference == 0;
}

/* All tokens are looked at, too. */
static const struct token *find_token(const struct auth *a, const char *secret)
{
    struct sha256 s;
    unsigned char digest[SHA256_BYTES];
    const struct token *found = NULL;
    sha256_start(&s);
    sha256_add(&s, secret, strlen(secret));
    sha256_end(&s, digest);
    for (size_t i = 0; i < a->count; i++)
        if (same_digest(a->tokens[i].digest, digest)) found = &a->tokens[i];
    return found;
}

enum err auth_check(struct auth *a, const char *header, const struct sockaddr *from, struct auth_caller *caller)
{
    memset(caller, 0, sizeof *caller);
    if (!a) {
        err_print(caller->id, sizeof caller->id, "local");
        caller->roles = AUTH_ALL;
        return OK;
    }
    if (!header || strncasecmp(header, "Bearer ", 7)) return ERR_UNAUTHORIZED; /* none sent: nothing was guessed */
    const struct token *t = find_token(a, header + 7 + strspn(header + 7, " "));
    if (!t) return from && count_wrong(a, from) ? ERR_RATE : ERR_UNAUTHORIZED;
    memcpy(caller->id, t->id, sizeof caller->id);
    caller->roles = t->role == AUTH_ADMIN ? AUTH_ALL : (unsigned)t->role;
    return OK;
}

bool auth_is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (!strcmp(address, "localhost")) return true;
    if (inet_pton(AF_INET, address, &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
