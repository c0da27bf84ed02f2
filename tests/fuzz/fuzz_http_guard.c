/* fuzz_http_guard: any bytes as a head: refused with a reason, or accepted with facts that hold. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_guard.h"

/* One line up to '\n', cut in place; NULL at the end. */
static char *next_line(char **rest, char *end)
{
    char *line = *rest;
    if (line >= end) return NULL;
    char *stop = memchr(line, '\n', (size_t)(end - line));
    if (!stop) stop = end;
    *stop = '\0';
    *rest = stop + 1;
    return line;
}

static void check_good(const struct guard_head *head, const struct guard_facts *facts)
{
    char decoded[GUARD_PATH_MAX + 1];
    if (head->path[0] != '/' || strstr(head->path, "/../") || strchr(head->path, '\\')) abort();
    if (facts->chunked && facts->content_length >= 0) abort();
    if (!facts->host || !*facts->host) abort();
    if (guard_decode(head->path, strlen(head->path), decoded, sizeof decoded) && strlen(decoded) > strlen(head->path)) abort();
    static const char *const names[] = {"localhost", "[::1]", NULL};
    (void)guard_host_allowed(facts->host, names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guard_header headers[GUARD_HEADERS_MAX + 1];
    char *text = malloc(size + 1), *rest = text, *end = text + size, *line;
    memcpy(text, data, size);
    *end = '\0';
    struct guard_head head = {.method = next_line(&rest, end), .path = next_line(&rest, end), .version = next_line(&rest, end)};
    head.headers = headers;
    while ((line = next_line(&rest, end)) && head.header_count <= GUARD_HEADERS_MAX) {
        char *colon = strchr(line, ':');
        if (colon) *colon = '\0';
        const char *value = colon ? colon + 1 : NULL;
        headers[head.header_count++] = (struct guard_header){
            .name = line, .value = value, .name_length = strlen(line), .value_length = value ? strlen(value) : 0};
    }
    struct guard_facts facts;
    struct err_note note = {0};
    if (head.method && head.path && head.version) {
        if (guard_check(&head, &facts, &note) == OK) check_good(&head, &facts);
        else if (!note.detail[0]) abort();
    }
    free(text);
    return 0;
}
