/* http_admit: the questions at the door, in order: guard, Host, route, token, role, origin, media type, size. */
#include <microhttpd.h>
#include <string.h>
#include <strings.h>

#include "server/http_inside.h"

struct door {
    struct http_request *r;
    const char *version;
    struct guard_header headers[GUARD_HEADERS_MAX + 1];
    size_t count;
    struct guard_facts facts;
    struct err_note note;
};

static enum MHD_Result collect(void *context, enum MHD_ValueKind kind, const char *name, size_t name_length, const char *value,
                               size_t value_length)
{
    struct door *d = context;
    (void)kind;
    if (d->count > GUARD_HEADERS_MAX) return MHD_NO;
    d->headers[d->count++] =
        (struct guard_header){.name = name, .value = value, .name_length = name_length, .value_length = value_length};
    return MHD_YES;
}

static enum err ask_guard(struct door *d)
{
    MHD_get_connection_values_n(d->r->connection, MHD_HEADER_KIND, collect, d);
    struct guard_head head = {.method = d->r->method, .version = d->version, .path = d->r->path, .headers = d->headers,
                              .header_count = d->count};
    return guard_check(&head, &d->facts, &d->note);
}

/* ---- Host: a page of another name that resolves to us (DNS rebinding) must not be served ------------------- */
static enum err ask_host(struct door *d)
{
    const struct http_config *config = &d->r->http->config;
    const char *names[] = {"localhost", d->r->conn->local_name, NULL};
    if (guard_host_allowed(d->facts.host, config->allow_hosts)) return OK;
    if (guard_host_allowed(d->facts.host, names)) return OK;
    err_set(&d->note, ERR_HOST, "", "this server does not answer to that Host");
    err_print(d->note.found, sizeof d->note.found, "%s", d->facts.host);
    return ERR_HOST;
}

/* ---- route, token, role ------------------------------------------------------------------------------------- */
static enum err ask_route(struct door *d)
{
    struct http_request *r = d->r;
    r->http->routes.find(r->http->routes.table, r->method, r->path, &r->match);
    if (r->match.route) return request_read_params(r, &d->note);
    if (r->match.allow[0]) return err_set(&d->note, ERR_METHOD, "", "this path takes %s", r->match.allow);
    return err_set(&d->note, ERR_NOT_FOUND, "", "there is no such path; GET / says what there is");
}

static enum err ask_token(struct door *d)
{
    struct http_request *r = d->r;
    struct auth *auth = r->http->config.auth;
    unsigned roles = r->match.route->roles;
    if (roles == 0 && auth) return OK; /* open, and nobody in particular */
    const struct sockaddr *from = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    enum err e = auth_check(auth, http_header(r, "Authorization"), from, &r->caller);
    if (e == ERR_RATE) return err_set(&d->note, e, "", "too many wrong tokens from this address");
    if (e != OK) return err_set(&d->note, e, "", "a token is needed, and this is not one");
    if (roles && !(roles & r->caller.roles)) return err_set(&d->note, ERR_FORBIDDEN, "", "this token's role does not allow it");
    return OK;
}

/* ---- browsers: what curl sends is JSON whatever it says; what a page sends must prove that it is ours ---------- */
static bool is_same_origin(const char *origin, const char *host)
{
    const char *rest = strstr(origin, "://");
    return rest && !strcasecmp(rest + 3, host);
}

static bool is_origin_allowed(const struct door *d, const char *origin)
{
    const char *const *allowed = d->r->http->config.allow_origins;
    if (is_same_origin(origin, d->facts.host)) return true;
    for (; *allowed; allowed++)
        if (!strcasecmp(*allowed, origin)) return true;
    return false;
}

static bool is_json_type(const char *type)
{
    static const char json[] = "application/json";
    if (!type || strncasecmp(type, json, sizeof json - 1)) return false;
    return strchr("; \t", type[sizeof json - 1]) != NULL; /* finds the end, too */
}

static enum err ask_origin(struct door *d)
{
    const struct http_request *r = d->r;
    const char *origin = http_header(r, "Origin"), *site = http_header(r, "Sec-Fetch-Site");
    const char *coding = http_header(r, "Content-Encoding");
    if (coding && strcasecmp(coding, "identity")) return err_set(&d->note, ERR_MEDIA_TYPE, "", "Content-Encoding is not taken");
    if ((!origin && !site) || !strcmp(r->method, "GET") || !strcmp(r->method, "HEAD")) return OK;
    if (origin && !is_origin_allowed(d, origin))
        return err_set(&d->note, ERR_FORBIDDEN, "", "a page of another origin may not do this");
    if (!origin && strcmp(site, "same-origin") && strcmp(site, "none"))
        return err_set(&d->note, ERR_FORBIDDEN, "", "a page of another site may not do this");
    bool has_body = d->facts.content_length > 0 || d->facts.chunked;
    if (!r->match.route->sink && (has_body || http_header(r, "Content-Type")) && !is_json_type(http_header(r, "Content-Type")))
        return err_set(&d->note, ERR_MEDIA_TYPE, "", "from a browser the body must be application/json");
    return OK;
}

static enum err ask_size(struct door *d)
{
    uint64_t max = d->r->match.route->body_bytes_max;
    d->r->content_length = d->facts.content_length;
    bool too_large = d->facts.content_length > 0 && (uint64_t)d->facts.content_length > max;
    if (!too_large && !(d->facts.chunked && max == 0)) return OK;
    err_set(&d->note, ERR_TOO_LARGE, "", "the body is larger than this path takes");
    err_print(d->note.allowed, sizeof d->note.allowed, "%llu bytes", (unsigned long long)max);
    return ERR_TOO_LARGE;
}

static enum err ask_stopping(struct door *d)
{
    return http_stopping(d->r) ? err_set(&d->note, ERR_BUSY, "", "the server is stopping") : OK;
}

static enum err ask_query(struct door *d)
{
    return request_read_query(d->r, &d->note);
}

bool request_admit(struct http_request *r, const char *version)
{
    static enum err (*const questions[])(struct door * d) = {ask_guard, ask_host,   ask_stopping, ask_route, ask_query,
                                                             ask_token, ask_origin, ask_size};
    struct door d;
    d.r = r;
    d.version = version;
    d.count = 0;
    memset(&d.note, 0, sizeof d.note);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        enum err e = questions[i](&d);
        if (e == OK) continue;
        request_refuse(r, e, &d.note);
        return false;
    }
    return true;
}
