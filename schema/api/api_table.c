/* api_table: matching and building the paths of api.tbl, segment by segment. */
#include "schema/api/api_table.h"

#include <assert.h>
#include <string.h>

static const struct api_row rows[] = {
#define X(op, method, path, role, body_max) {#op, method, path, API_##role, body_max},
#include "schema/api/api.tbl"
#undef X
};

const struct api_row *api_row(enum api_op op)
{
    return &rows[op];
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One parameter from its raw text. ERR_BAD_REQUEST: a broken escape; ERR_NOT_FOUND: nothing can have such a name. */
static enum err decode(const char *raw, size_t length, char *value)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        int c = (unsigned char)raw[i];
        if (c == '%') {
            if (length - i < 3 || hex_of(raw[i + 1]) < 0 || hex_of(raw[i + 2]) < 0) return ERR_BAD_REQUEST;
            c = hex_of(raw[i + 1]) * 16 + hex_of(raw[i + 2]);
            i += 2;
        }
        if (c < 0x20 || c == 0x7F || c == '/' || n == API_PARAM_BYTES) return ERR_NOT_FOUND;
        value[n++] = (char)c;
    }
    value[n] = 0;
    return n ? OK : ERR_NOT_FOUND;
}

/* Path against one pattern: literal characters match themselves, {name} a run without '/' and ':'. */
static enum err match_pattern(const char *pattern, const char *path, struct api_match *m)
{
    m->count = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return ERR_NOT_FOUND;
            continue;
        }
        size_t name = strcspn(pattern, "}") - 1, raw = strcspn(path, "/:");
        assert(m->count < API_PARAMS_MAX && name < sizeof m->params[0].name);
        memcpy(m->params[m->count].name, pattern + 1, name);
        m->params[m->count].name[name] = 0;
        enum err e = decode(path, raw, m->params[m->count++].value);
        if (e) return e;
        pattern += name + 2;
        path += raw;
    }
    return *path ? ERR_NOT_FOUND : OK;
}

static void allow(struct api_match *m, const char *method)
{
    size_t n = strlen(m->allow);
    err_print(m->allow + n, sizeof m->allow - n, "%s%s%s", n ? ", " : "", method, strcmp(method, "GET") ? "" : ", HEAD");
}

enum err api_match(const char *method, const char *path, struct api_match *m)
{
    enum err found = ERR_NOT_FOUND;
    memset(m, 0, sizeof *m);
    for (int op = 0; op < API_OP_COUNT; op++) {
        enum err e = match_pattern(rows[op].path, path, m);
        if (e == ERR_BAD_REQUEST) return e;
        if (e) continue;
        m->op = (enum api_op)op;
        if (!strcmp(rows[op].method, !strcmp(method, "HEAD") ? "GET" : method)) return OK;
        found = ERR_METHOD;
        allow(m, rows[op].method);
    }
    return found;
}

const char *api_param(const struct api_match *m, const char *name)
{
    int i = 0;
    while (i < m->count && strcmp(m->params[i].name, name)) i++;
    assert(i < m->count);
    return m->params[i].value;
}

enum err api_encode(const char *text, char *to, size_t size)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (; *text; text++) {
        if (n + 4 > size) return ERR_TOO_LARGE;
        if (strchr(plain, *text))
            to[n++] = *text;
        else {
            to[n++] = '%';
            to[n++] = digits[(unsigned char)*text >> 4];
            to[n++] = digits[(unsigned char)*text & 15];
        }
    }
    if (n >= size) return ERR_TOO_LARGE;
    to[n] = 0;
    return OK;
}

enum err api_path(enum api_op op, const char *const *params, char *path, size_t size)
{
    size_t n = 0;
    for (const char *p = rows[op].path; *p; p++) {
        if (n + 1 >= size) return ERR_TOO_LARGE;
        if (*p != '{') {
            path[n++] = *p;
            continue;
        }
        enum err e = api_encode(*params++, path + n, size - n);
        if (e) return e;
        n += strlen(path + n);
        p += strcspn(p, "}");
    }
    path[n] = 0;
    return OK;
}

enum err api_query_add(char *path, size_t size, const char *key, const char *value)
{
    size_t n = strlen(path);
    const char *parts[] = {strchr(path, '?') ? "&" : "?", NULL, "=", NULL};
    for (int i = 0; i < 4; i++) {
        enum err e = OK;
        if (!parts[i])
            e = api_encode(i == 1 ? key : value, path + n, size - n);
        else if (n + 2 > size)
            e = ERR_TOO_LARGE;
        else
            memcpy(path + n, parts[i], 2);
        if (e) return e;
        n += strlen(path + n);
    }
    return OK;
}
