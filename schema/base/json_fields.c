/* json_fields: one walk over a table of rows, for reading, defaults and words of help. */
#include "schema/base/json_fields.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "schema/base/json_fields_inside.h"

void json_pointer_join(char *to, size_t size, const char *pointer, const char *key)
{
    char escaped[128];
    size_t n = 0;
    for (; *key && n + 3 < sizeof escaped; key++) {
        if (*key == '~' || *key == '/') {
            escaped[n++] = '~';
            escaped[n++] = *key == '~' ? '0' : '1';
        } else
            escaped[n++] = *key;
    }
    if (*key) { /* cut: never in the middle of a character */
        while (n && ((unsigned char)escaped[n - 1] & 0xC0) == 0x80) n--;
        if (n && ((unsigned char)escaped[n - 1] & 0xC0) == 0xC0) n--;
    }
    escaped[n] = 0;
    err_print(to, size, "%s/%s", pointer, escaped);
}

struct err_note *json_fields_refuse(struct err_list *errors, enum err code, const char *pointer, const json_t *value,
                                    const char *allowed, const char *detail)
{
    struct err_note *note = err_add(errors, code, pointer, "%s", detail);
    if (value) json_text_print(value, note->found, sizeof note->found);
    err_print(note->allowed, sizeof note->allowed, "%s", allowed);
    return note;
}

/* ---- what a row allows, in words ------------------------------------------------------------------- */
static void say_number(const struct field *f, const char *noun, char *to, size_t size)
{
    char low[32], high[32];
    json_text_number(f->min, 0, low);
    json_text_number(f->max, 0, high);
    bool no_low = f->min <= -HUGE_VAL, no_high = f->max >= HUGE_VAL;
    if (f->type == FIELD_INT64 || f->type == FIELD_INT) {
        snprintf(low, sizeof low, "%.0f", f->min);
        snprintf(high, sizeof high, "%.0f", f->max);
        no_high = f->max >= 9e18;
        no_low = f->min <= -9e18;
    }
    const char *from = f->open_min ? "above" : "of at least", *until = f->open_max ? "below" : "at most";
    if (no_low && no_high)
        err_print(to, size, "%s", noun);
    else if (no_high)
        err_print(to, size, "%s %s %s", noun, from, low);
    else if (!f->open_min && !f->open_max)
        err_print(to, size, "%s from %s to %s", noun, low, high);
    else
        err_print(to, size, "%s %s %s and %s %s", noun, from, low, until, high);
}

static void say_words(const char *const *words, char *to, size_t size)
{
    size_t n = 0;
    err_print(to, size, "one of: ");
    for (; *words; words++) {
        n = strlen(to);
        err_print(to + n, size - n, "%s%s", *words, words[1] ? ", " : "");
    }
}

static void say_element(const struct field *f, char *to, size_t size)
{
    switch (f->type) {
    case FIELD_BOOL: err_print(to, size, "true or false"); break;
    case FIELD_INT:
    case FIELD_INT64: say_number(f, "an integer", to, size); break;
    case FIELD_REAL: say_number(f, "a number", to, size); break;
    case FIELD_TEXT: err_print(to, size, "text of at most %zu bytes%s", f->size - 1, f->one_line ? ", on one line" : ""); break;
    case FIELD_WORD: say_words(f->words, to, size); break;
    case FIELD_OBJECT: err_print(to, size, "an object"); break;
    case FIELD_OTHER: to[0] = 0; break;
    }
}

void json_fields_allowed(const struct field *f, char *to, size_t size)
{
    char element[200];
    if (f->allowed) {
        err_print(to, size, "%s", f->allowed);
        return;
    }
    say_element(f, element, sizeof element);
    const char *or_null = f->nullable ? "null or " : "";
    if (!f->array_max)
        err_print(to, size, "%s%s", or_null, element);
    else if (f->array_min == f->array_max)
        err_print(to, size, "%san array of %d, each %s", or_null, f->array_max, element);
    else
        err_print(to, size, "%san array of %d to %d, each %s", or_null, f->array_min, f->array_max, element);
}

/* ---- reading --------------------------------------------------------------------------------------- */
static void refuse(const struct field *f, enum err code, const char *pointer, const json_t *value, struct err_list *errors,
                   const char *detail)
{
    char allowed[256];
    json_fields_allowed(f, allowed, sizeof allowed);
    json_fields_refuse(errors, code, pointer, value, allowed, detail);
}

static void store_number(const struct field *f, double x, void *to)
{
    switch (f->type) {
    case FIELD_BOOL: *(bool *)to = x != 0; break;
    case FIELD_INT: *(int *)to = (int)x; break;
    case FIELD_INT64: *(int64_t *)to = (int64_t)x; break;
    case FIELD_REAL: *(double *)to = x; break;
    case FIELD_WORD: memcpy(to, &(int){(int)x}, sizeof(int)); break;
    case FIELD_TEXT: case FIELD_OBJECT: case FIELD_OTHER: break;
    }
}

static void read_integer(const struct field *f, const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    if (json_is_real(value)) {
        bool whole = json_real_value(value) == floor(json_real_value(value));
        refuse(f, ERR_TYPE, pointer, value, errors, whole ? "a whole number is written without point or exponent" : "not a whole number");
        return;
    }
    if (!json_is_integer(value)) {
        refuse(f, ERR_TYPE, pointer, value, errors, "not an integer");
        return;
    }
    json_int_t n = json_integer_value(value);
    /* Bounds up to 2^53 compare exactly as doubles; wider ones (9e18) stand for "any". */
    if (((double)n < f->min && f->min > -9e18) || ((double)n > f->max && f->max < 9e18)) {
        refuse(f, f->range_error ? f->range_error : ERR_RANGE, pointer, value, errors, "out of range");
        return;
    }
    if (f->type == FIELD_INT)
        *(int *)to = (int)n;
    else
        *(int64_t *)to = n;
}

static void read_real(const struct field *f, const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    if (!json_is_number(value)) {
        refuse(f, ERR_TYPE, pointer, value, errors, "not a number");
        return;
    }
    double x = json_number_value(value);
    bool low = f->open_min ? x <= f->min : x < f->min, high = f->open_max ? x >= f->max : x > f->max;
    if (!isfinite(x))
        refuse(f, ERR_NOT_FINITE, pointer, value, errors, "not finite");
    else if (low || high)
        refuse(f, f->range_error ? f->range_error : ERR_RANGE, pointer, value, errors, "out of range");
    else
        *(double *)to = x;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F) return true;
    return false;
}

static void read_text(const struct field *f, const json_t *value, char *to, const char *pointer, struct err_list *errors)
{
    const char *text = json_string_value(value);
    if (!text)
        refuse(f, ERR_TYPE, pointer, value, errors, "not a text");
    else if (json_string_length(value) >= f->size)
        refuse(f, f->range_error ? f->range_error : ERR_RANGE, pointer, value, errors, "too long");
    else if (f->one_line && has_control(text))
        refuse(f, ERR_RANGE, pointer, value, errors, "holds a control character");
    else if (f->text_fits && !f->text_fits(text))
        refuse(f, f->range_error ? f->range_error : ERR_RANGE, pointer, value, errors, "does not have the form that is needed");
    else
        memcpy(to, text, json_string_length(value) + 1);
}

static void read_word(const struct field *f, const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    char allowed[256];
    const char *text = json_string_value(value);
    if (!text) {
        refuse(f, ERR_TYPE, pointer, value, errors, "not a word");
        return;
    }
    for (int i = 0; f->words[i]; i++)
        if (!strcmp(f->words[i], text)) {
            store_number(f, i, to);
            return;
        }
    json_fields_allowed(f, allowed, sizeof allowed);
    struct err_note *note = json_fields_refuse(errors, f->word_error ? f->word_error : ERR_WORD_UNKNOWN, pointer, value, allowed,
                                               "unknown word");
    const char *nearest = err_nearest(text, f->words);
    if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
}

static void read_element(const struct field *f, const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    switch (f->type) {
    case FIELD_BOOL:
        if (json_is_boolean(value))
            *(bool *)to = json_is_true(value);
        else
            refuse(f, ERR_TYPE, pointer, value, errors, "neither true nor false");
        break;
    case FIELD_INT:
    case FIELD_INT64: read_integer(f, value, to, pointer, errors); break;
    case FIELD_REAL: read_real(f, value, to, pointer, errors); break;
    case FIELD_TEXT: read_text(f, value, to, pointer, errors); break;
    case FIELD_WORD: read_word(f, value, to, pointer, errors); break;
    case FIELD_OBJECT: json_fields_read(value, f->fields, to, pointer, errors); break;
    case FIELD_OTHER:
        if (f->read) f->read(value, to, pointer, errors);
        break;
    }
}

static void read_array(const struct field *f, const json_t *value, void *base, const char *pointer, struct err_list *errors)
{
    size_t count = json_array_size(value), step = f->size;
    if (!json_is_array(value)) {
        refuse(f, ERR_TYPE, pointer, value, errors, "not an array");
        return;
    }
    if (count < (size_t)f->array_min || count > (size_t)f->array_max) {
        refuse(f, f->range_error ? f->range_error : ERR_RANGE, pointer, value, errors, "an array of another length");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char at[192], index[24];
        struct field element = *f;
        element.array_max = 0;
        element.nullable = false;
        snprintf(index, sizeof index, "%zu", i);
        json_pointer_join(at, sizeof at, pointer, index);
        read_element(&element, json_array_get(value, i), (char *)base + f->offset + i * step, at, errors);
    }
    if (f->array_min != f->array_max) *json_fields_count(f, base) = (int)count;
}

static void read_row(const struct field *f, const json_t *value, void *base, const char *pointer, struct err_list *errors)
{
    void *to = (char *)base + f->offset;
    if (f->nullable && json_is_null(value)) {
        if (f->array_max)
            *json_fields_count(f, base) = 0;
        else
            store_number(f, f->null_value, to);
    } else if (f->array_max)
        read_array(f, value, base, pointer, errors);
    else
        read_element(f, value, to, pointer, errors);
}

static void refuse_unknown(const struct field *fields, const char *key, const char *pointer, struct err_list *errors)
{
    enum { KEYS_MAX = 64 };
    const char *names[KEYS_MAX + 1];
    int count = 0;
    for (const struct field *f = fields; f->name; f++) {
        assert(count < KEYS_MAX);
        names[count++] = f->name;
    }
    names[count] = NULL;
    struct err_note *note = err_add(errors, ERR_KEY_UNKNOWN, pointer, "unknown key");
    err_print(note->found, sizeof note->found, "%s", key);
    say_words(names, note->allowed, sizeof note->allowed);
    const char *nearest = err_nearest(key, names);
    if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
}

void json_fields_read(const json_t *object, const struct field *fields, void *to, const char *pointer, struct err_list *errors)
{
    const char *key;
    json_t *value;
    char at[192];
    if (!json_is_object(object)) {
        json_fields_refuse(errors, ERR_TYPE, pointer, object, "an object", "not an object");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        const struct field *f = fields;
        while (f->name && strcmp(f->name, key)) f++;
        json_pointer_join(at, sizeof at, pointer, key);
        if (f->name)
            read_row(f, value, to, at, errors);
        else
            refuse_unknown(fields, key, at, errors);
    }
    for (const struct field *f = fields; f->name; f++)
        if (f->required && !json_object_get(object, f->name)) {
            json_pointer_join(at, sizeof at, pointer, f->name);
            refuse(f, ERR_KEY_MISSING, at, NULL, errors, "is needed");
        }
}

/* ---- defaults ------------------------------------------------------------------------------------------ */
void json_fields_default(const struct field *fields, void *to)
{
    for (const struct field *f = fields; f->name; f++) {
        char *member = (char *)to + f->offset;
        if (f->array_max) continue;
        if (f->type == FIELD_TEXT)
            err_print(member, f->size, "%s", f->standard_text ? f->standard_text : "");
        else if (f->type == FIELD_OBJECT)
            json_fields_default(f->fields, member);
        else if (f->type != FIELD_OTHER)
            store_number(f, f->standard, member);
    }
}
