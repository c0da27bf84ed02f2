/* http_file: answers with the bytes of a file: whole, a range, or the news that the client has them already. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http_inside.h"

/* Is `etag` (bare) in the list of an If-None-Match? The comparison is weak, as RFC 9110 13.1.2 wants it. */
static bool is_in_etags(const char *list, const char *etag)
{
    size_t length = strlen(etag);
    while (*list) {
        list += strspn(list, ", \t");
        if (*list == '*') return true;
        if (!strncmp(list, "W/", 2)) list += 2;
        if (*list != '"') return false;
        const char *end = strchr(++list, '"');
        if (!end) return false;
        if ((size_t)(end - list) == length && !memcmp(list, etag, length)) return true;
        list = end + 1;
    }
    return false;
}

bool http_not_modified(const struct http_request *r, const char *etag)
{
    const char *list = http_header(r, "If-None-Match");
    return list && is_in_etags(list, etag);
}

static bool read_number(const char **s, uint64_t *value)
{
    size_t digits = strspn(*s, "0123456789");
    if (digits == 0 || digits > 18) return false;
    *value = strtoull(*s, NULL, 10);
    *s += digits;
    return true;
}

enum range { RANGE_NONE, RANGE_GOOD, RANGE_BEYOND };

/* One range of "bytes=a-b", "bytes=a-", "bytes=-n". Several, other units and nonsense: RANGE_NONE, the whole file. */
static enum range read_range(const char *text, uint64_t length, uint64_t *first, uint64_t *last)
{
    uint64_t suffix;
    if (!text || strncmp(text, "bytes=", 6)) return RANGE_NONE;
    text += 6;
    if (*text == '-') {
        text++;
        if (!read_number(&text, &suffix) || *text) return RANGE_NONE;
        if (suffix == 0 || length == 0) return RANGE_BEYOND;
        *first = suffix < length ? length - suffix : 0;
        *last = length - 1;
        return RANGE_GOOD;
    }
    *last = UINT64_MAX;
    if (!read_number(&text, first) || *text++ != '-') return RANGE_NONE;
    if (*text && (!read_number(&text, last) || *text || *last < *first)) return RANGE_NONE;
    if (*first >= length) return RANGE_BEYOND;
    if (*last >= length) *last = length - 1;
    return RANGE_GOOD;
}

static bool range_still_holds(const struct http_request *r, const char *quoted_etag)
{
    const char *condition = http_header(r, "If-Range");
    return !condition || !strcmp(condition, quoted_etag);
}

static void add_file_headers(struct http_request *r, const char *quoted_etag, const char *name)
{
    char disposition[192];
    http_reply_header(r, "ETag", quoted_etag);
    http_reply_header(r, "Accept-Ranges", "bytes");
    http_reply_header(r, "Cache-Control", "private, no-cache"); /* ask again with the ETag */
    if (!name) return;
    err_print(disposition, sizeof disposition, "attachment; filename=\"%s\"", name);
    for (char *s = strchr(disposition, '"') + 1; s[0] && s[1]; s++)
        if (*s == '"' || *s == '\\' || (unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f) *s = '_';
    http_reply_header(r, "Content-Disposition", disposition);
}

static void refuse_range(struct http_request *r, uint64_t length)
{
    char text[48];
    http_reply_err(r, ERR_RANGE_BEYOND, NULL);
    err_print(text, sizeof text, "bytes */%llu", (unsigned long long)length);
    http_reply_header(r, "Content-Range", text);
}

void http_reply_file(struct http_request *r, int fd, uint64_t length, const char *type, const char *etag, const char *name)
{
    char quoted[160], text[80];
    uint64_t first = 0, last = 0;
    err_print(quoted, sizeof quoted, "\"%s\"", etag);
    enum range range = range_still_holds(r, quoted) ? read_range(http_header(r, "Range"), length, &first, &last) : RANGE_NONE;
    if (http_not_modified(r, etag)) {
        close(fd);
        http_reply_empty(r, 304);
        http_reply_header(r, "ETag", quoted);
        return;
    }
    if (range == RANGE_BEYOND) {
        close(fd);
        refuse_range(r, length);
        return;
    }
    http_reply_static(r, range == RANGE_GOOD ? 206 : 200, type, "", 0);
    r->reply.kind = REPLY_FILE;
    r->reply.fd = fd;
    r->reply.offset = range == RANGE_GOOD ? first : 0;
    r->reply.length = range == RANGE_GOOD ? last - first + 1 : length;
    add_file_headers(r, quoted, name);
    if (range != RANGE_GOOD) return;
    err_print(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)first, (unsigned long long)last,
              (unsigned long long)length);
    http_reply_header(r, "Content-Range", text);
}
