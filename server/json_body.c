/* json_body: reading what a stranger sent as JSON, with the place of the mistake in the note. */
#include "server/json_body.h"

#include <string.h>

static bool is_deeper_than(json_t *json, int left)
{
    const char *key;
    json_t *item;
    size_t i;
    if (!json_is_object(json) && !json_is_array(json)) return false;
    if (left == 0) return true;
    json_array_foreach(json, i, item) {
        if (is_deeper_than(item, left - 1)) return true;
    }
    json_object_foreach(json, key, item) {
        if (is_deeper_than(item, left - 1)) return true;
    }
    return false;
}

enum err json_of_text(const char *text, size_t length, int depth_max, json_t **json, struct err_note *note)
{
    json_error_t where;
    *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!*json)
        return err_set(note, ERR_BAD_JSON, "", "line %d column %d: %s", where.line, where.column, where.text);
    if (is_deeper_than(*json, depth_max)) {
        json_decref(*json);
        *json = NULL;
        return err_set(note, ERR_BAD_JSON, "", "nested deeper than %d", depth_max);
    }
    return OK;
}

enum err http_json_body(const struct http_request *r, json_t **json, struct err_note *note)
{
    size_t length;
    const char *text = http_body(r, &length);
    *json = NULL;
    if (!text || length == 0) return err_set(note, ERR_BAD_JSON, "", "the body is empty: one JSON value is expected");
    return json_of_text(text, length, JSON_DEPTH_MAX, json, note);
}
