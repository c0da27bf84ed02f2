/* contract: finds the operation of a request in openapi.json and checks the reply that it got. */
#include "tests/agree/contract.h"
#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/embedded.h"
#include "schema/base/json_text.h"
#include "tests/agree/json_schema.h"
#include "tests/check.h"

static json_t *loaded;          /* kept: thousands of replies are checked in one process */
static const char *seen[64];    /* operation ids, borrowed from `loaded` */
static size_t seen_count;

json_t *contract_load(void)
{
    for (const struct embedded_file *f = embedded_files; f->path; f++) {
        if (strcmp(f->path, "schema/openapi.json")) continue;
        json_error_t error;
        json_t *openapi = json_loadb((const char *)f->bytes, f->length, JSON_REJECT_DUPLICATES, &error);
        if (!openapi) check_fail(__FILE__, __LINE__, "openapi.json line %d: %s", error.line, error.text);
        return openapi;
    }
    check_fail(__FILE__, __LINE__, "openapi.json is not embedded");
}

const json_t *contract_schema(const json_t *openapi, const char *name)
{
    const json_t *schema = json_object_get(json_object_get(json_object_get(openapi, "components"), "schemas"), name);
    if (!schema) check_fail(__FILE__, __LINE__, "openapi.json lacks the schema %s", name);
    return schema;
}

/* "/v1/jobs/{id}:cancel" against "/v1/jobs/0198...:cancel": a name takes what holds neither '/' nor ':'. */
static bool path_fits(const char *pattern, const char *path)
{
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) return false;
            continue;
        }
        size_t length = strcspn(path, "/:");
        if (!length) return false;
        path += length;
        pattern = strchr(pattern, '}') + 1;
    }
    return !*path;
}

static const json_t *find_operation(const char *method, const char *path)
{
    char word[16];
    size_t n = 0;
    for (; method[n] && n + 1 < sizeof word; n++) word[n] = (char)tolower((unsigned char)method[n]);
    word[n] = 0;
    const char *pattern;
    json_t *methods;
    json_object_foreach(json_object_get(loaded, "paths"), pattern, methods)
        if (path_fits(pattern, path)) return json_object_get(methods, strcmp(word, "head") ? word : "get");
    return NULL;
}

static void note_seen(const char *id)
{
    for (size_t i = 0; i < seen_count; i++)
        if (!strcmp(seen[i], id)) return;
    CHECK(seen_count < sizeof seen / sizeof seen[0]);
    seen[seen_count++] = id;
}

static const json_t *find_response(const json_t *operation, int status)
{
    char key[16];
    snprintf(key, sizeof key, "%d", status);
    const json_t *responses = json_object_get(operation, "responses");
    const json_t *found = json_object_get(responses, key);
    if (!found && status >= 400) found = json_object_get(responses, "default");
    const char *ref = json_string_value(json_object_get(found, "$ref"));
    return ref ? json_schema_ref(loaded, ref) : found;
}

static const json_t *find_content(const json_t *response, const char *type)
{
    char plain[64];
    snprintf(plain, sizeof plain, "%.*s", (int)strcspn(type, ";"), type);
    return json_object_get(json_object_get(response, "content"), plain);
}

/* Every number outside strings is as short as it can be and still read back as the same double. */
static void check_digits(const char *id, const struct contract_reply *reply)
{
    bool in_string = false;
    for (const char *at = reply->body, *end = at + reply->length; at < end; at++) {
        char *after, shortest[32];
        if (in_string && *at == '\\') at++;
        else if (*at == '"') in_string = !in_string;
        else if (!in_string && (*at == '-' || (*at >= '0' && *at <= '9'))) {
            double value = strtod(at, &after);
            json_text_number(value, 0, shortest);
            if (strpbrk(shortest, ".e") && after - at > (ptrdiff_t)strlen(shortest))
                check_fail(__FILE__, __LINE__, "%s %d: %.*s stands for %s", id, reply->status, (int)(after - at), at, shortest);
            at = after - 1;
        }
    }
}

static void check_json(const char *id, const struct contract_reply *reply, const json_t *schema)
{
    json_error_t error;
    struct schema_note note = {0};
    json_t *body = json_loadb(reply->body, reply->length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!body) check_fail(__FILE__, __LINE__, "%s %d: the body is not JSON: %s: %.200s", id, reply->status, error.text, reply->body);
    if (!json_schema_fits(loaded, schema, body, &note))
        check_fail(__FILE__, __LINE__, "%s %d: %s %s in %.1500s", id, reply->status, note.pointer, note.text, reply->body);
    json_decref(body);
    check_digits(id, reply);
}

void contract_check(const struct contract_reply *reply)
{
    if (!loaded) loaded = contract_load();
    const json_t *operation = find_operation(reply->method, reply->path);
    if (!operation) { /* nothing there: still a problem */
        if (reply->status >= 400 && reply->length && strstr(reply->type, "json")) check_json("(no operation)", reply, contract_schema(loaded, "Problem"));
        return;
    }
    const char *id = json_string_value(json_object_get(operation, "operationId"));
    const json_t *response = find_response(operation, reply->status);
    if (!response) check_fail(__FILE__, __LINE__, "%s: openapi.json does not name the status %d: %.300s", id, reply->status, reply->body ? reply->body : "");
    if (reply->status < 400) note_seen(id);
    if (!json_object_get(response, "content") || !strcmp(reply->method, "HEAD")) return;
    const json_t *content = find_content(response, reply->type);
    if (!content) check_fail(__FILE__, __LINE__, "%s %d: openapi.json does not name the content type \"%s\"", id, reply->status, reply->type);
    if (strstr(reply->type, "json")) check_json(id, reply, json_object_get(content, "schema"));
}

void contract_check_all_seen(void)
{
    if (!loaded) loaded = contract_load();
    char missing[2048] = "";
    const char *path, *method;
    json_t *methods, *operation;
    json_object_foreach(json_object_get(loaded, "paths"), path, methods)
        json_object_foreach(methods, method, operation) {
            const char *id = json_string_value(json_object_get(operation, "operationId"));
            bool found = false;
            for (size_t i = 0; i < seen_count; i++) found |= !strcmp(seen[i], id);
            if (!found) snprintf(missing + strlen(missing), sizeof missing - strlen(missing), " %s", id);
        }
    if (*missing) check_fail(__FILE__, __LINE__, "never exercised:%s", missing);
}
