/* manifest_json: typed access to the members of dataset.json, with the place of each in its complaint. */
#include "worker/data/manifest_json.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct place manifest_place(const char *format, ...)
{
    struct place p;
    char tail[160];
    va_list args;
    va_start(args, format);
    vsnprintf(tail, sizeof tail, format, args);
    va_end(args);
    err_print(p.text, sizeof p.text, MANIFEST_FILE "#%s", tail);
    return p;
}

/* The same for a key that may hold the two letters that a pointer escapes. */
struct place manifest_place_key(const char *parent, const char *key)
{
    char escaped[96];
    size_t n = 0;
    for (; *key && n < sizeof escaped - 3; key++) {
        if (*key == '/' || *key == '~') {
            escaped[n++] = '~';
            escaped[n++] = *key == '/' ? '1' : '0';
        } else {
            escaped[n++] = *key;
        }
    }
    escaped[n] = 0;
    return manifest_place("%s/%s", parent, escaped);
}

enum err manifest_bad(struct err_note *note, struct place place, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(note, ERR_DATA, place.text, "%s: %s", place.text, text);
}

enum err manifest_no_memory(struct err_note *note)
{
    return err_set(note, ERR_NO_MEMORY, MANIFEST_FILE, MANIFEST_FILE ": no memory for it");
}

void manifest_say_found(struct err_note *note, const char *found, const char *allowed)
{
    if (!note) return;
    err_print(note->found, sizeof note->found, "%s", found);
    err_print(note->allowed, sizeof note->allowed, "%s", allowed);
}

const char *json_type_word(const json_t *value)
{
    static const char *const words[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a text", [JSON_INTEGER] = "a whole number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",    [JSON_FALSE] = "false",   [JSON_NULL] = "null",
    };
    return words[json_typeof(value)];
}

/* The member `key`, which must be there and of `type`. */
enum err manifest_member(const json_t *object, const char *parent, const char *key, json_type type, const json_t **value,
                         struct err_note *note)
{
    static const char *const wanted[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a text", [JSON_INTEGER] = "a whole number"};
    *value = json_object_get(object, key);
    struct place place = manifest_place("%s/%s", parent, key);
    if (!*value) return manifest_bad(note, place, "this key is missing");
    if (json_typeof(*value) == type) return OK;
    enum err e = manifest_bad(note, place, "must be %s, is %s", wanted[type], json_type_word(*value));
    manifest_say_found(note, json_type_word(*value), wanted[type]);
    return e;
}

enum err manifest_whole_number(const json_t *object, const char *parent, const char *key, long long low, long long high,
                               long long *number, struct err_note *note)
{
    const json_t *value;
    enum err e = manifest_member(object, parent, key, JSON_INTEGER, &value, note);
    if (e) return e;
    *number = json_integer_value(value);
    if (*number >= low && *number <= high) return OK;
    e = manifest_bad(note, manifest_place("%s/%s", parent, key), "%lld is not in %lld..%lld", *number, low, high);
    if (note) err_print(note->found, sizeof note->found, "%lld", *number);
    if (note) err_print(note->allowed, sizeof note->allowed, "%lld..%lld", low, high);
    return e;
}

/* A text of 1..`max` bytes without control characters, copied; the caller frees. */
enum err manifest_copy_text(const json_t *value, struct place place, size_t max, char **text, struct err_note *note)
{
    if (!json_is_string(value)) return manifest_bad(note, place, "must be a text, is %s", json_type_word(value));
    const char *given = json_string_value(value);
    size_t length = json_string_length(value);
    if (length == 0) return manifest_bad(note, place, "is empty");
    if (length > max) return manifest_bad(note, place, "has %zu bytes; at most %zu are allowed", length, max);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)given[i] < 32 || given[i] == 127) return manifest_bad(note, place, "holds a control character");
    *text = strdup(given);
    return *text ? OK : manifest_no_memory(note);
}

/* Only the words of `known` (ends with NULL) may be keys of `object`. */
enum err manifest_known_keys(const json_t *object, const char *parent, const char *const *known, struct err_note *note)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        const char *const *k = known;
        while (*k && strcmp(*k, key)) k++;
        if (*k) continue;
        enum err e = manifest_bad(note, manifest_place_key(parent, key), "this key is not known here");
        if (note) {
            const char *near = err_nearest(key, known);
            err_print(note->nearest, sizeof note->nearest, "%s", near ? near : "");
            for (k = known; *k; k++)
                err_print(note->allowed + strlen(note->allowed), sizeof note->allowed - strlen(note->allowed), "%s%s",
                          k == known ? "" : ", ", *k);
        }
        return e;
    }
    return OK;
}
