/* json_fields_print: the same tables the other way: a struct as JSON text; and notes as JSON. */
#include "schema/base/json_fields.h"

#include <assert.h>
#include <string.h>

#include "schema/base/json_fields_inside.h"

enum { TEXT_BYTES_MAX = 16 << 20 }; /* of a struct: more than any holds */

static bool is_null(const struct field *f, const void *base)
{
    const void *from = (const char *)base + f->offset;
    if (!f->nullable) return false;
    if (f->array_max) return *json_fields_count(f, base) == 0;
    switch (f->type) {
    case FIELD_INT: return *(const int *)from == (int)f->null_value;
    case FIELD_INT64: return *(const int64_t *)from == (int64_t)f->null_value;
    case FIELD_REAL: return *(const double *)from == f->null_value;
    case FIELD_BOOL: case FIELD_TEXT: case FIELD_WORD: case FIELD_OBJECT: case FIELD_OTHER: break;
    }
    return false;
}

/* Is there anything to write under this key? */
static bool is_written(const struct field *f, const void *base, bool core)
{
    if ((core && f->apart) || (f->applies && !f->applies(base))) return false;
    if (f->type == FIELD_OTHER) return f->write != NULL;
    if (f->type != FIELD_OBJECT || f->array_max) return true;
    for (const struct field *key = f->fields; key->name; key++)
        if (is_written(key, (const char *)base + f->offset, core)) return true;
    return false;
}

static enum err print_object(const struct field *fields, const void *from, bool core, struct buf *to);

static enum err print_element(const struct field *f, const void *from, bool core, struct buf *to)
{
    int word;
    switch (f->type) {
    case FIELD_BOOL: return buf_text(to, *(const bool *)from ? "true" : "false");
    case FIELD_INT: return json_text_add_whole(to, *(const int *)from);
    case FIELD_INT64: return json_text_add_whole(to, *(const int64_t *)from);
    case FIELD_REAL: return json_text_add_real(to, *(const double *)from);
    case FIELD_TEXT: return json_text_add_string(to, from, strlen(from));
    case FIELD_WORD: memcpy(&word, from, sizeof word); return json_text_add_string(to, f->words[word], strlen(f->words[word]));
    case FIELD_OBJECT: return print_object(f->fields, from, core, to);
    case FIELD_OTHER: break;
    }
    return f->write(from, to);
}

static enum err print_row(const struct field *f, const void *base, bool core, struct buf *to)
{
    const char *from = (const char *)base + f->offset;
    if (is_null(f, base)) return buf_text(to, "null");
    if (!f->array_max) return print_element(f, from, core, to);
    int count = f->array_min == f->array_max ? f->array_max : *json_fields_count(f, base);
    enum err e = buf_add(to, "[", 1);
    for (int i = 0; i < count && !e; i++) {
        if (i) e = buf_add(to, ",", 1);
        if (!e) e = print_element(f, from + (size_t)i * f->size, core, to);
    }
    return e ? e : buf_add(to, "]", 1);
}

static enum err print_object(const struct field *fields, const void *from, bool core, struct buf *to)
{
    enum err e = buf_add(to, "{", 1);
    for (const struct field *f = fields; f->name && !e; f++) {
        if (!is_written(f, from, core)) continue;
        e = json_text_add_key(to, f->name);
        if (!e) e = print_row(f, from, core, to);
    }
    return e ? e : buf_add(to, "}", 1);
}

enum err json_fields_print(const struct field *fields, const void *from, struct buf *to)
{
    return print_object(fields, from, false, to);
}

enum err json_fields_print_core(const struct field *fields, const void *from, struct buf *to)
{
    return print_object(fields, from, true, to);
}

json_t *json_fields_write(const struct field *fields, const void *from)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    return json_text_take(json_fields_print(fields, from, &text), &text);
}

json_t *json_notes_write(const struct err_list *errors)
{
    json_t *array = json_array();
    for (size_t i = 0; i < errors->count; i++) {
        const struct err_note *n = &errors->notes[i];
        json_t *o = json_pack("{s:s, s:s, s:s}", "code", err_word(n->code), "pointer", n->pointer, "detail", n->detail);
        assert(o);
        if (n->found[0]) json_object_set_new(o, "found", json_string(n->found));
        if (n->allowed[0]) json_object_set_new(o, "allowed", json_string(n->allowed));
        if (n->nearest[0]) json_object_set_new(o, "nearest", json_string(n->nearest));
        json_array_append_new(array, o);
    }
    return array;
}
