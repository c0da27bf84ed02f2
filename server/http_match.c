/* http_match: finds the route of a raw path by its template. */
#include <string.h>

#include "server/http.h"

/* {name}: at least one byte, never a separator, never what the template says next. */
static size_t value_length(const char *path, char next)
{
    size_t n = 0;
    while (path[n] && path[n] != '/' && path[n] != ':' && (next == '\0' || path[n] != next)) n++;
    return n;
}

static bool fits(const char *pattern, const char *path, struct http_match *m)
{
    const char *p = path;
    m->param_count = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *p++) return false;
            continue;
        }
        size_t name = strcspn(pattern, "}");
        size_t length = value_length(p, pattern[name + 1]);
        if (length == 0 || m->param_count == HTTP_PARAMS_MAX) return false;
        m->params[m->param_count].name = pattern + 1;
        m->params[m->param_count].name_length = name - 1;
        m->params[m->param_count].at = (size_t)(p - path);
        m->params[m->param_count].length = length;
        m->param_count++;
        pattern += name + 1;
        p += length;
    }
    return *p == '\0';
}

static void add_allow(struct http_match *m, const char *method)
{
    size_t used = strlen(m->allow);
    if (strstr(m->allow, method)) return;
    err_print(m->allow + used, sizeof m->allow - used, "%s%s", used ? ", " : "", method);
}

void http_find_in_array(const void *routes, const char *method, const char *path, struct http_match *match)
{
    const char *wanted = !strcmp(method, "HEAD") ? "GET" : method;
    memset(match, 0, sizeof *match);
    for (const struct http_route *r = routes; r->op; r++) {
        if (!fits(r->path, path, match)) continue;
        if (!strcmp(r->method, wanted)) {
            match->route = r;
            return;
        }
        add_allow(match, r->method);
        if (!strcmp(r->method, "GET")) add_allow(match, "HEAD");
    }
}
