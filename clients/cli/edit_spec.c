/* edit_spec: see edit_spec.h. */
#include "clients/cli/edit_spec.h"

#include <stdlib.h>
#include <string.h>

static json_t *value_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    return value ? value : json_string(text);
}

/* Puts `value` (taken over) at `key` of an object, or at the index `key` of an array. False when there is no such place. */
static int put(json_t *at, const char *key, json_t *value)
{
    if (json_is_array(at)) {
        char *end;
        unsigned long index = strtoul(key, &end, 10);
        if (!*key || *end || json_array_set_new(at, index, value)) return 0;
        return 1;
    }
    return json_object_set_new(at, key, value) == 0;
}

static json_t *step(json_t *at, const char *key)
{
    if (json_is_array(at)) return json_array_get(at, strtoul(key, NULL, 10));
    json_t *next = json_object_get(at, key);
    if (next || !json_is_object(at)) return next;
    next = json_object();
    json_object_set_new(at, key, next);
    return next;
}

static enum err edit_one(json_t *job, const char *path, const char *value, struct err_note *note)
{
    char copy[256], *rest = NULL;
    json_t *at = job;
    err_print(copy, sizeof copy, "%s", path);
    char *key = strtok_r(copy, ".", &rest);
    for (char *next; key && (next = strtok_r(NULL, ".", &rest)) != NULL; key = next) {
        at = step(at, key);
        if (!json_is_object(at) && !json_is_array(at)) return err_set(note, ERR_BAD_REQUEST, path, "--set %s: there is no object at %s", path, key);
    }
    json_t *json = value_of(value);
    if (!json) return err_set(note, ERR_BAD_REQUEST, path, "--set %s: the value is not UTF-8", path);
    if (!key || !put(at, key, json)) return err_set(note, ERR_BAD_REQUEST, path, "--set %s: there is no such place", path);
    return OK;
}

enum err edit_spec(json_t *job, const char *setting, struct err_note *note)
{
    char path[256];
    const char *equals = strchr(setting, '=');
    if (!equals || equals == setting || equals - setting >= (long)sizeof path)
        return err_set(note, ERR_BAD_REQUEST, setting, "--set %s: write it as path=value, loss.alpha=0.8", setting);
    err_print(path, sizeof path, "%.*s", (int)(equals - setting), setting);
    if (!json_is_array(job)) return edit_one(job, path, equals + 1, note);
    enum err e = OK;
    for (size_t i = 0; !e && i < json_array_size(job); i++) e = edit_one(json_array_get(job, i), path, equals + 1, note);
    return e;
}
