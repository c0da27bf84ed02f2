/* http_guard: the rules for heads. What the library lets through and two readers could read in two ways is refused here. */
#include "server/http_guard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL};
static const char *const versions[] = {"HTTP/1.1", "HTTP/1.0", NULL};

static bool is_among(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(word, *words)) return true;
    return false;
}

/* RFC 9110 5.6.2: a header's name. "Content-Length " with its blank is none, and is how requests are smuggled. */
static bool is_token(const char *s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    if (!*s) return false;
    for (; *s; s++) {
        bool alphanumeric = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');
        if (!alphanumeric && !strchr(others, *s)) return false;
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* One percent escape at s -> its byte, or -1. */
static int escaped_byte(const char *s)
{
    int high = hex_digit(s[1]);
    int low = high < 0 ? -1 : hex_digit(s[2]);
    return low < 0 ? -1 : high * 16 + low;
}

/* Bytes of the UTF-8 sequence at s (shortest form, no surrogates), or 0. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80) return 1;
    size_t n = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (s[0] > 0xf4 || n == 0 || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if (s[0] == 0xe0 && s[1] < 0xa0) return 0;
    if (s[0] == 0xed && s[1] > 0x9f) return 0;
    if (s[0] == 0xf0 && s[1] < 0x90) return 0;
    if (s[0] == 0xf4 && s[1] > 0x8f) return 0;
    return n;
}

static bool is_clean_utf8(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < length;) {
        size_t n = utf8_length(s + i, length - i);
        if (n == 0 || s[i] < 0x20 || s[i] == 0x7f) return false;
        i += n;
    }
    return true;
}

bool guard_decode(const char *from, size_t length, char *to, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (n + 1 >= size) return false;
        char c = from[i];
        if (c == '%') {
            int byte = length - i < 3 ? -1 : escaped_byte(from + i);
            if (byte < 0) return false;
            c = (char)byte;
            i += 2;
        }
        to[n++] = c;
    }
    if (n >= size) return false;
    to[n] = '\0';
    return is_clean_utf8(to, n);
}

/* Escapes that hide a separator, a dot or an end: nobody needs them in a path. */
static const char *escape_fault(const char *s)
{
    int byte = escaped_byte(s);
    if (byte < 0) return "a % without two hex digits";
    if (byte == '/' || byte == '\\') return "an escaped separator";
    if (byte == '.') return "an escaped dot";
    if (byte < 0x20 || byte == 0x7f) return "an escaped control byte";
    return NULL;
}

/* A segment starts after each '/': no empty one (but the path's end), no "." and no "..". */
static const char *segment_fault(const char *s)
{
    size_t length = strcspn(s, "/");
    if (length == 0 && *s == '/') return "an empty segment";
    if ((length == 1 && s[0] == '.') || (length == 2 && s[0] == '.' && s[1] == '.')) return "a dot segment";
    return NULL;
}

static const char *path_fault(const char *path)
{
    if (path[0] != '/') return "it does not start with '/'";
    size_t length = strlen(path);
    if (length > GUARD_PATH_MAX) return "it is too long";
    for (const char *s = path; *s; s++) {
        const char *fault = NULL;
        if (*s <= 0x20 || *s >= 0x7f) fault = "a byte that must be percent-encoded";
        else if (*s == '\\') fault = "a backslash";
        else if (*s == '%') fault = escape_fault(s);
        else if (*s == '/') fault = segment_fault(s + 1);
        if (fault) return fault;
    }
    return NULL;
}

enum err guard_check_path(const char *path, struct err_note *note)
{
    const char *fault = path_fault(path);
    return fault ? err_set(note, ERR_BAD_REQUEST, "", "the path is not acceptable: %s", fault) : OK;
}

struct counts {
    const struct guard_header *host, *length, *coding;
    int hosts, lengths, codings;
};

static void count_header(const struct guard_header *h, struct counts *c)
{
    if (!strcasecmp(h->name, "Host")) {
        c->host = h;
        c->hosts++;
    } else if (!strcasecmp(h->name, "Content-Length")) {
        c->length = h;
        c->lengths++;
    } else if (!strcasecmp(h->name, "Transfer-Encoding")) {
        c->coding = h;
        c->codings++;
    }
}

/* -> -1 when the value is not plain decimal digits that fit. */
static int64_t length_of(const char *digits)
{
    size_t n = strlen(digits);
    if (n == 0 || n > 18 || strspn(digits, "0123456789") != n) return -1;
    return strtoll(digits, NULL, 10);
}

static enum err check_framing(const struct counts *c, struct guard_facts *facts, struct err_note *note)
{
    if (c->hosts != 1 || !c->host->value || !*c->host->value)
        return err_set(note, ERR_BAD_REQUEST, "", "exactly one Host header is needed, found %d", c->hosts);
    if (c->lengths > 1) return err_set(note, ERR_BAD_REQUEST, "", "more than one Content-Length");
    if (c->codings > 1) return err_set(note, ERR_BAD_REQUEST, "", "more than one Transfer-Encoding");
    if (c->lengths && c->codings)
        return err_set(note, ERR_BAD_REQUEST, "", "Content-Length together with Transfer-Encoding");
    if (c->codings && (!c->coding->value || strcasecmp(c->coding->value, "chunked")))
        return err_set(note, ERR_BAD_REQUEST, "", "the only Transfer-Encoding known here is chunked");
    facts->host = c->host->value;
    facts->chunked = c->codings == 1;
    facts->content_length = -1;
    if (!c->lengths) return OK;
    facts->content_length = c->length->value ? length_of(c->length->value) : -1;
    if (facts->content_length < 0) return err_set(note, ERR_BAD_REQUEST, "", "Content-Length is not a plain number");
    return OK;
}

static enum err check_headers(const struct guard_head *head, struct counts *counts, struct err_note *note)
{
    if (head->header_count > GUARD_HEADERS_MAX)
        return err_set(note, ERR_HEADERS_TOO_LARGE, "", "more than %d headers", GUARD_HEADERS_MAX);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct guard_header *h = &head->headers[i];
        if (strlen(h->name) != h->name_length || !is_token(h->name))
            return err_set(note, ERR_BAD_REQUEST, "", "header %zu has a name that is not a token", i + 1);
        if (h->value && strlen(h->value) != h->value_length)
            return err_set(note, ERR_BAD_REQUEST, "", "the value of %s holds a NUL", h->name);
        count_header(h, counts);
    }
    return OK;
}

enum err guard_check(const struct guard_head *head, struct guard_facts *facts, struct err_note *note)
{
    if (!is_among(head->method, methods)) return err_set(note, ERR_NOT_IMPLEMENTED, "", "this method is not known here");
    if (!is_among(head->version, versions)) return err_set(note, ERR_VERSION, "", "this version of HTTP is not spoken here");
    struct counts counts = {0};
    enum err e = check_headers(head, &counts, note);
    if (e == OK) e = check_framing(&counts, facts, note);
    if (e == OK) e = guard_check_path(head->path, note);
    return e;
}

/* The name in "name", "name:port", "[v6]", "[v6]:port"; 0 when it is none of these. */
static size_t host_name_length(const char *host)
{
    size_t length = strcspn(host, ":");
    if (host[0] == '[') {
        const char *end = strchr(host, ']');
        if (!end) return 0;
        length = (size_t)(end - host) + 1;
    }
    const char *rest = host + length;
    if (*rest == '\0') return length;
    size_t digits = strspn(rest + 1, "0123456789");
    return *rest == ':' && digits <= 5 && rest[1 + digits] == '\0' ? length : 0;
}

bool guard_host_allowed(const char *host, const char *const *allowed)
{
    size_t length = host_name_length(host);
    for (; length && *allowed; allowed++)
        if (strlen(*allowed) == length && !strncasecmp(host, *allowed, length)) return true;
    return false;
}
