/* json_text: parsing under limits, and writing numbers as short as they can be. */
#include "schema/base/json_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text's deepest nesting is looked at before the parser recurses into it. True when it stays within the limit. */
static bool depth_fits(const char *text, size_t length, int *line, int *column)
{
    int depth = 0;
    bool in_string = false;
    *line = *column = 1;
    for (size_t i = 0; i < length; i++, (*column)++) {
        char c = text[i];
        if (c == '\n') {
            (*line)++;
            *column = 0;
        } else if (in_string) {
            if (c == '\\' && i + 1 < length) {
                i++;
                (*column)++;
            } else if (c == '"')
                in_string = false;
        } else if (c == '"')
            in_string = true;
        else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) return false;
        } else if (c == '}' || c == ']')
            depth--;
    }
    return true;
}

enum err json_text_parse(const char *text, size_t length, size_t bytes_max, json_t **value, struct err_note *note)
{
    int line, column;
    *value = NULL;
    if (length > bytes_max)
        return err_set(note, ERR_TOO_LARGE, "", "%zu bytes of JSON; at most %zu are read here", length, bytes_max);
    if (!depth_fits(text, length, &line, &column))
        return err_set(note, ERR_BAD_JSON, "", "line %d, column %d: nested deeper than %d levels", line, column, JSON_DEPTH_MAX);
    json_error_t error;
    *value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (*value) return OK;
    return err_set(note, ERR_BAD_JSON, "", "line %d, column %d: %s", error.line, error.column, error.text);
}

/* Digits of a whole number; submits write dozens of numbers each, and printf is slow. */
static void write_whole(int64_t n, char to[32])
{
    char digits[24];
    int count = 0;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do digits[count++] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (n < 0) *to++ = '-';
    while (count) *to++ = digits[--count];
    *to = 0;
}

/* A single digit times a small power of ten, as "1e-05"; by the same reasoning. */
static bool write_small(double x, char to[32])
{
    double power = 1e5;
    for (int n = 5; n <= 12; n++, power *= 10) {
        double digit = floor(x * power + 0.5);
        if (digit < 1 || digit > 9 || digit / power != x) continue;
        to[0] = (char)('0' + (int)digit);
        to[1] = 'e';
        to[2] = '-';
        to[3] = (char)('0' + n / 10);
        to[4] = (char)('0' + n % 10);
        to[5] = 0;
        return true;
    }
    return false;
}

/* A number of at most six decimals and fifteen digits, as "0.001": the quotient of two whole doubles is rounded like the text would be
   read, so when it is x these are the digits that printf and strtod would find, thirty times faster. False: another number. */
static bool write_decimal(double x, char to[32])
{
    double size = fabs(x);
    if (x > 0 && x < 1e-4) return write_small(x, to);
    if (!(size >= 1e-4 && size < 1e9)) return false;
    int64_t millionths = (int64_t)(size * 1e6 + 0.5), rest = millionths % 1000000;
    if ((double)millionths / 1e6 != size) return false;
    char *at = to;
    if (x < 0) *at++ = '-';
    write_whole(millionths / 1000000, at);
    at += strlen(at);
    *at++ = '.';
    for (int64_t unit = 100000; rest; unit /= 10) {
        *at++ = (char)('0' + rest / unit);
        rest %= unit;
    }
    *at = 0;
    return true;
}

void json_text_number(double x, int real, char to[32])
{
    int digits = 15;
    if (fabs(x) < 1e15 && x == floor(x) && !(x == 0 && signbit(x)))
        write_whole((int64_t)x, to);
    else if (!write_decimal(x, to))
        do snprintf(to, 32, "%.*g", digits, x);
        while (strtod(to, NULL) != x && ++digits <= 17);
    if (real && !strpbrk(to, ".en")) strcat(to, ".0");
}

struct writer {
    struct buf *to;
    bool pretty;
};

static enum err write_value(const struct writer *w, const json_t *value, int level);

static enum err write_string(const struct writer *w, const char *text, size_t length)
{
    enum err e = buf_text(w->to, "\"");
    for (size_t i = 0; !e && i < length;) {
        size_t plain = i;
        while (plain < length && (unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\' && text[plain] != 0x7F)
            plain++;
        if (plain > i) e = buf_add(w->to, text + i, plain - i);
        i = plain;
        if (e || i == length) continue;
        unsigned char c = (unsigned char)text[i++];
        switch (c) {
        case '"': e = buf_text(w->to, "\\\""); break;
        case '\\': e = buf_text(w->to, "\\\\"); break;
        case '\n': e = buf_text(w->to, "\\n"); break;
        case '\t': e = buf_text(w->to, "\\t"); break;
        case '\r': e = buf_text(w->to, "\\r"); break;
        default: e = buf_printf(w->to, "\\u%04x", c);
        }
    }
    return e ? e : buf_text(w->to, "\"");
}

static enum err write_break(const struct writer *w, int level)
{
    if (!w->pretty) return OK;
    return buf_printf(w->to, "\n%*s", level * 2, "");
}

/* An array of plain values stays on one line, however it is written. */
static bool is_plain_array(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (json_is_object(item)) return false;
        if (json_is_array(item) && !is_plain_array(item)) return false;
    }
    return true;
}

static enum err write_array(const struct writer *w, const json_t *array, int level)
{
    bool plain = is_plain_array(array);
    enum err e = buf_text(w->to, "[");
    for (size_t i = 0; !e && i < json_array_size(array); i++) {
        if (i) e = buf_text(w->to, w->pretty && plain ? ", " : ",");
        if (!e && !plain) e = write_break(w, level + 1);
        if (!e) e = write_value(w, json_array_get(array, i), level + 1);
    }
    if (!e && !plain && json_array_size(array)) e = write_break(w, level);
    return e ? e : buf_text(w->to, "]");
}

static enum err write_object(const struct writer *w, const json_t *object, int level)
{
    const char *key;
    json_t *value;
    bool first = true;
    enum err e = buf_text(w->to, "{");
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (!e && !first) e = buf_text(w->to, ",");
        first = false;
        if (!e) e = write_break(w, level + 1);
        if (!e) e = write_string(w, key, strlen(key));
        if (!e) e = buf_text(w->to, w->pretty ? ": " : ":");
        if (!e) e = write_value(w, value, level + 1);
        if (e) return e;
    }
    if (!e && !first) e = write_break(w, level);
    return e ? e : buf_text(w->to, "}");
}

static enum err write_value(const struct writer *w, const json_t *value, int level)
{
    char number[32];
    switch (json_typeof(value)) {
    case JSON_OBJECT: return write_object(w, value, level);
    case JSON_ARRAY: return write_array(w, value, level);
    case JSON_STRING: return write_string(w, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        write_whole(json_integer_value(value), number);
        return buf_text(w->to, number);
    case JSON_REAL:
        if (!isfinite(json_real_value(value))) return buf_text(w->to, "null");
        json_text_number(json_real_value(value), 1, number);
        return buf_text(w->to, number);
    case JSON_TRUE: return buf_text(w->to, "true");
    case JSON_FALSE: return buf_text(w->to, "false");
    case JSON_NULL: break;
    }
    return buf_text(w->to, "null");
}

enum err json_text_write(const json_t *value, struct buf *to)
{
    return write_value(&(struct writer){.to = to}, value, 0);
}

enum err json_text_write_pretty(const json_t *value, struct buf *to)
{
    return write_value(&(struct writer){.to = to, .pretty = true}, value, 0);
}

void json_text_print(const json_t *value, char *to, size_t size)
{
    struct buf text;
    buf_init(&text, 8u << 20); /* more than any body that is parsed */
    enum err e = json_text_write(value, &text);
    const char *shown = text.data ? text.data : "";
    if (e || text.length >= size) {
        err_print(to, size - 3, "%s", shown); /* cuts between characters */
        memcpy(to + strlen(to), "...", 4);
    } else
        err_print(to, size, "%s", shown);
    buf_free(&text);
}
