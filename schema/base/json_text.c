/* json_text: parsing under limits, and writing numbers as short as they can be. */
#include "schema/base/json_text.h"

#include <assert.h>
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

/* Digits of a whole number: where they end. Submits write dozens of numbers each, and printf is slow. */
static char *write_digits(uint64_t n, char *to)
{
    char digits[24];
    int count = 0;
    do digits[count++] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    while (count) *to++ = digits[--count];
    *to = 0;
    return to;
}

static void write_whole(int64_t n, char to[32])
{
    if (n < 0) *to++ = '-';
    write_digits(n < 0 ? 0 - (uint64_t)n : (uint64_t)n, to);
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

/* 1e-4 <= |x| < 1e9, exactly: x = mantissa / 2^shift, so its nearest `digits` digits are round(mantissa 10^places / 2^shift), all in
   128 bits (53 bits times 10^20). They read back as x when they are within half a unit of its last place: what printf and strtod
   would find, thirty times faster. Powers of two, below which doubles lie closer, are left to those two. */
__extension__ typedef unsigned __int128 wide;

static wide power_of_ten(int n)
{
    wide power = 1;
    while (n--) power *= 10;
    return power;
}

struct exact {
    wide mantissa;
    int shift, digits_before; /* digits before the point; 0, -1, ... for 0.1, 0.01, ... */
};

/* The nearest `digits` digits of x as a whole number, or 0 when they do not read back as x. */
static uint64_t digits_that_read_back(const struct exact *x, int digits)
{
    int places = digits - x->digits_before;
    wide ten = power_of_ten(places), scaled = x->mantissa * ten, unit = (wide)1 << x->shift;
    wide whole = scaled >> x->shift, rest = scaled - (whole << x->shift);
    bool up = 2 * rest > unit || (2 * rest == unit && whole % 2);
    wide off = up ? unit - rest : rest;
    return 2 * off < ten ? (uint64_t)(whole + up) : 0;
}

/* digits / 10^places, without the zeros at its end. */
static void write_point(uint64_t digits, int places, char *to)
{
    char all[32];
    while (places && digits % 10 == 0) {
        digits /= 10;
        places--;
    }
    int count = (int)(write_digits(digits, all) - all), before = count - places;
    if (before <= 0) {
        memcpy(to, "0.000000", 2 + (size_t)-before);
        memcpy(to + 2 - before, all, (size_t)count + 1);
    } else {
        memcpy(to, all, (size_t)before);
        to[before] = '.';
        memcpy(to + before + 1, all + before, (size_t)places + 1);
    }
}

static bool write_decimal(double x, char to[32])
{
    double size = fabs(x), bound = 1e-3;
    int exponent;
    if (x > 0 && x < 1e-4) return write_small(x, to);
    if (!(size >= 1e-4 && size < 1e9)) return false;
    double mantissa = ldexp(frexp(size, &exponent), 53);
    struct exact exact = {(wide)mantissa, 53 - exponent, -3};
    for (; size >= bound; bound *= 10) exact.digits_before++;
    if (mantissa == 0x1p52) return false;
    for (int digits = 15; digits <= 17; digits++) {
        uint64_t found = digits_that_read_back(&exact, digits);
        if (!found) continue;
        if (x < 0) *to++ = '-';
        write_point(found, digits - exact.digits_before, to);
        return true;
    }
    return false;
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

enum err json_text_add_whole(struct buf *to, int64_t n)
{
    char number[32];
    write_whole(n, number);
    return buf_text(to, number);
}

enum err json_text_add_real(struct buf *to, double x)
{
    char number[32];
    if (!isfinite(x)) return buf_text(to, "null");
    json_text_number(x, 1, number);
    return buf_text(to, number);
}

static enum err add_escaped(struct buf *to, unsigned char c)
{
    switch (c) {
    case '"': return buf_text(to, "\\\"");
    case '\\': return buf_text(to, "\\\\");
    case '\n': return buf_text(to, "\\n");
    case '\t': return buf_text(to, "\\t");
    case '\r': return buf_text(to, "\\r");
    default: return buf_printf(to, "\\u%04x", c);
    }
}

/* How many bytes from the start need no escape. */
static size_t plain_length(const char *text, size_t length)
{
    size_t n = 0;
    while (n < length && (unsigned char)text[n] >= 0x20 && text[n] != '"' && text[n] != '\\' && text[n] != 0x7F) n++;
    return n;
}

/* Nearly every text and every key is plain and short, and a submit writes two hundred of them. before, after: a few bytes. */
enum { SHORT_BYTES = 60, AROUND_BYTES = 4 };
static enum err add_short(struct buf *to, const char *before, const char *text, size_t length, const char *after)
{
    enum err e = buf_reserve(to, length + AROUND_BYTES);
    if (e) return e;
    char *at = to->data + to->length;
    while (*before) *at++ = *before++;
    memcpy(at, text, length);
    at += length;
    while (*after) *at++ = *after++;
    *at = 0;
    to->length = (size_t)(at - to->data);
    return OK;
}

enum err json_text_add_string(struct buf *to, const char *text, size_t length)
{
    if (length <= SHORT_BYTES && plain_length(text, length) == length) return add_short(to, "\"", text, length, "\"");
    enum err e = buf_add(to, "\"", 1);
    for (size_t i = 0; !e && i < length;) {
        size_t plain = plain_length(text + i, length - i);
        e = buf_add(to, text + i, plain);
        i += plain;
        if (!e && i < length) e = add_escaped(to, (unsigned char)text[i++]);
    }
    return e ? e : buf_add(to, "\"", 1);
}

enum err json_text_add_pair(struct buf *to, const char *key, const char *text)
{
    enum err e = json_text_add_key(to, key);
    return e ? e : json_text_add_string(to, text, strlen(text));
}

enum err json_text_add_key(struct buf *to, const char *key)
{
    bool is_first = !to->length || to->data[to->length - 1] == '{';
    size_t length = strlen(key);
    assert(length <= SHORT_BYTES); /* keys are ours, and plain */
    return add_short(to, is_first ? "\"" : ",\"", key, length, "\":");
}

struct writer {
    struct buf *to;
    bool pretty;
};

static enum err write_value(const struct writer *w, const json_t *value, int level);

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
        if (!e) e = json_text_add_string(w->to, key, strlen(key));
        if (!e) e = buf_text(w->to, w->pretty ? ": " : ":");
        if (!e) e = write_value(w, value, level + 1);
        if (e) return e;
    }
    if (!e && !first) e = write_break(w, level);
    return e ? e : buf_text(w->to, "}");
}

static enum err write_value(const struct writer *w, const json_t *value, int level)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return write_object(w, value, level);
    case JSON_ARRAY: return write_array(w, value, level);
    case JSON_STRING: return json_text_add_string(w->to, json_string_value(value), json_string_length(value));
    case JSON_INTEGER: return json_text_add_whole(w->to, json_integer_value(value));
    case JSON_REAL: return json_text_add_real(w->to, json_real_value(value));
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

json_t *json_text_take(enum err e, struct buf *text)
{
    json_t *json = e ? NULL : json_loadb(text->data, text->length, JSON_DECODE_ANY, NULL);
    assert(json); /* we wrote it */
    buf_free(text);
    return json;
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
