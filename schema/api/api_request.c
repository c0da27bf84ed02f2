/* api_request: addresses with every byte escaped, credentials from flag, environment or file, problems into notes. */
#include "schema/api/api_request.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "schema/base/uuid.h"

enum { BACKOFF_FIRST_MS = 500, BACKOFF_MS_MAX = 30000, RETRY_AFTER_S_MAX = 60 };

/* The value of the path's parameter that starts at `name` and ends at '}'. */
static const char *value_of(const struct api_param *params, const char *name)
{
    size_t length = strcspn(name, "}");
    for (int i = 0; i < API_CALL_PARAMS_MAX && params[i].name; i++)
        if (strlen(params[i].name) == length && !memcmp(params[i].name, name, length)) return params[i].value;
    return NULL;
}

static int is_in_path(const char *path, const char *param)
{
    size_t length = strlen(param);
    for (const char *at = path; (at = strchr(at, '{')); at++)
        if (!strncmp(at + 1, param, length) && at[1 + length] == '}') return 1;
    return 0;
}

enum err api_address(const char *server, enum api_op op, const struct api_param *params, char address[API_ADDRESS_MAX])
{
    const char *path = api_row(op)->path, *values[API_PARAMS_MAX] = {0};
    int count = 0;
    for (const char *at = path; (at = strchr(at, '{')); at++) {
        assert(count < API_PARAMS_MAX);
        values[count] = value_of(params, at + 1);
        assert(values[count] && *values[count] && "a parameter of the path is missing");
        count++;
    }
    size_t start = strlen(server);
    assert(start < API_SERVER_MAX);
    memcpy(address, server, start + 1);
    enum err e = api_path(op, values, address + start, API_ADDRESS_MAX - start);
    for (int i = 0; i < API_CALL_PARAMS_MAX && params[i].name && !e; i++)
        if (params[i].value && !is_in_path(path, params[i].name))
            e = api_query_add(address + start, API_ADDRESS_MAX - start, params[i].name, params[i].value);
    return e;
}

static const char *given_or_env(const char *given, const char *name)
{
    if (given && *given) return given;
    const char *env = getenv(name);
    return env && *env ? env : NULL;
}

static enum err read_token_file(const char *path, char token[API_TOKEN_MAX], struct err_note *note)
{
    FILE *file = fopen(path, "re");
    if (!file) return err_set(note, ERR_IO, path, "the token file cannot be read: %s", strerror(errno));
    if (!fgets(token, API_TOKEN_MAX, file)) token[0] = 0;
    fclose(file);
    token[strcspn(token, " \t\r\n")] = 0;
    return *token ? OK : err_set(note, ERR_IO, path, "the first line of the token file holds no token");
}

enum err api_who(const struct api_settings *settings, char server[API_SERVER_MAX], char token[API_TOKEN_MAX], struct err_note *note)
{
    const char *address = given_or_env(settings->server, "TANDEM_SERVER");
    if (!address) address = "http://127.0.0.1:8080";
    size_t length = strlen(address);
    while (length && address[length - 1] == '/') length--;
    size_t scheme = !strncasecmp(address, "http://", 7) ? 7 : !strncasecmp(address, "https://", 8) ? 8 : 0;
    if (!scheme || length <= scheme || length >= API_SERVER_MAX || strpbrk(address, " \t\r\n?#@")) {
        err_set(note, ERR_BAD_REQUEST, "TANDEM_SERVER", "this is no address of a server");
        if (note) {
            err_print(note->found, sizeof note->found, "%s", address);
            err_print(note->allowed, sizeof note->allowed, "http://HOST[:PORT] or https://HOST[:PORT]");
        }
        return ERR_BAD_REQUEST;
    }
    memcpy(server, address, length);
    server[length] = 0;
    token[0] = 0;
    const char *secret = given_or_env(settings->token, "TANDEM_TOKEN");
    const char *path = given_or_env(settings->token_file, "TANDEM_TOKEN_FILE");
    if (!secret || (settings->token_file && !settings->token)) { /* a file named on the command line wins over the environment */
        if (path) return read_token_file(path, token, note);
    }
    if (!secret) return OK;
    if (strlen(secret) >= API_TOKEN_MAX || strpbrk(secret, " \t\r\n"))
        return err_set(note, ERR_BAD_REQUEST, "TANDEM_TOKEN", "a token is one word of at most %d letters", API_TOKEN_MAX - 1);
    strcpy(token, secret);
    return OK;
}

/* ---- problems ----------------------------------------------------------------------------------- */
static const char *text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? json_string_value(value) : "";
}

static enum err of_status(int status)
{
    for (unsigned e = 1; e < ERR_COUNT; e++)
        if (err_http_status((enum err)e) == status) return (enum err)e;
    return status >= 500 ? ERR_UNREACHABLE : ERR_BAD_REQUEST;
}

static void read_note(const json_t *from, enum err other, struct err_note *note)
{
    note->code = err_of_word(text_of(from, "code"), other);
    err_print(note->pointer, sizeof note->pointer, "%s", text_of(from, "pointer"));
    err_print(note->detail, sizeof note->detail, "%s", text_of(from, "detail"));
    err_print(note->nearest, sizeof note->nearest, "%s", text_of(from, "nearest"));
    const char *keys[] = {"found", "allowed"};
    char *places[] = {note->found, note->allowed};
    size_t sizes[] = {sizeof note->found, sizeof note->allowed};
    for (int i = 0; i < 2; i++) { /* text as it is; any other value as JSON */
        const json_t *value = json_object_get(from, keys[i]);
        char *dump = value && !json_is_string(value) && !json_is_null(value) ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
        err_print(places[i], sizes[i], "%s", dump ? dump : text_of(from, keys[i]));
        free(dump);
    }
}

static enum err whole_code(const struct api_reply *reply)
{
    const json_t *first = json_array_get(json_object_get(reply->json, "errors"), 0);
    const char *type = strrchr(text_of(reply->json, "type"), '/');
    const char *words[] = {text_of(reply->json, "code"), type ? type + 1 : text_of(reply->json, "type"), text_of(first, "code")};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        enum err e = err_of_word(words[i], OK);
        if (e) return e;
    }
    return of_status(reply->status);
}

enum err api_problem(const struct api_reply *reply, struct err_note *note)
{
    enum err code = whole_code(reply);
    if (!note) return code;
    memset(note, 0, sizeof *note);
    const json_t *first = json_array_get(json_object_get(reply->json, "errors"), 0);
    if (first) read_note(first, code, note);
    note->code = code;
    if (!*note->detail) err_print(note->detail, sizeof note->detail, "%s", text_of(reply->json, "detail"));
    if (!*note->detail) err_print(note->detail, sizeof note->detail, "%s", text_of(reply->json, "title"));
    if (!*note->detail) err_print(note->detail, sizeof note->detail, "the server answered with status %d", reply->status);
    return code;
}

void api_problem_read(const struct api_reply *reply, struct err_list *errors)
{
    errors->count = errors->dropped = 0;
    enum err code = whole_code(reply);
    const json_t *all = json_object_get(reply->json, "errors"), *one;
    size_t i;
    json_array_foreach(all, i, one) read_note(one, code, err_add(errors, code, "", "%s", ""));
    if (errors->count) return;
    struct err_note whole;
    api_problem(reply, &whole);
    *err_add(errors, code, "", "%s", "") = whole;
}

/* ---- waiting ------------------------------------------------------------------------------------ */
int64_t api_backoff_ms(int tries, int64_t retry_after_s, double dice)
{
    int64_t most = BACKOFF_FIRST_MS;
    for (int i = 0; i < tries && most < BACKOFF_MS_MAX; i++) most *= 2;
    if (most > BACKOFF_MS_MAX) most = BACKOFF_MS_MAX;
    int64_t wait = (int64_t)(dice * (double)most);
    if (retry_after_s > RETRY_AFTER_S_MAX) retry_after_s = RETRY_AFTER_S_MAX;
    return wait > retry_after_s * 1000 ? wait : retry_after_s * 1000 + (int64_t)(dice * (retry_after_s ? BACKOFF_FIRST_MS : 0));
}

double api_dice(void)
{
    char hex[9];
    random_hex(hex, 4);
    return (double)strtoul(hex, NULL, 16) / 4294967296.0;
}
