/* api_schema: takes one schema of openapi.json with all that it refers to, and makes "#/components/schemas/X" "#/$defs/X". */
#include "server/api_schema.h"

#include <assert.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "schema/base/buf.h"
#include "schema/base/embedded.h"
#include "schema/base/json_text.h"
#include "schema/base/sha256.h"

static const struct {
    const char *name, *component;
} cuts[] = {{"job", "JobSpec"}, {"loss", "Loss"}, {"alpha", "Alpha"}, {"generate", "Generate"}, {"problem", "Problem"}};
enum { CUTS = sizeof cuts / sizeof cuts[0] };
static struct api_document openapi, documents[CUTS];
static const char in_openapi[] = "#/components/schemas/";

static json_t *cut_value(const json_t *components, const json_t *value, json_t *defs);

/* The new reference text; what it names is cut into `defs`, once. */
static json_t *cut_ref(const json_t *components, const char *ref, json_t *defs)
{
    assert(!strncmp(ref, in_openapi, sizeof in_openapi - 1));
    const char *name = ref + sizeof in_openapi - 1;
    const json_t *target = json_object_get(components, name);
    assert(target);
    if (!json_object_get(defs, name)) {
        json_object_set_new(defs, name, json_true()); /* a circle ends here */
        json_object_set_new(defs, name, cut_value(components, target, defs));
    }
    return json_sprintf("#/$defs/%s", name);
}

static json_t *cut_value(const json_t *components, const json_t *value, json_t *defs)
{
    size_t i;
    const char *key;
    json_t *one, *copy;
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach(value, i, one) json_array_append_new(copy, cut_value(components, one, defs));
        return copy;
    }
    if (!json_is_object(value)) return json_deep_copy(value);
    copy = json_object();
    json_object_foreach((json_t *)(size_t)value, key, one) {
        bool is_ref = !strcmp(key, "$ref") && json_is_string(one);
        json_object_set_new(copy, key, is_ref ? cut_ref(components, json_string_value(one), defs) : cut_value(components, one, defs));
    }
    return copy;
}

static void set_document(struct api_document *d, const char *text, size_t length)
{
    d->text = text;
    d->length = length;
    sha256_hex_of(text, length, d->etag);
}

static void cut_document(const json_t *components, size_t i)
{
    json_t *defs = json_object(), *schema = json_object();
    json_t *body = cut_value(components, json_object_get(components, cuts[i].component), defs);
    json_object_set_new(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    json_object_set_new(schema, "$id", json_sprintf("/v1/schemas/%s", cuts[i].name));
    json_object_update(schema, body);
    json_object_set_new(schema, "$defs", defs);
    struct buf text;
    buf_init(&text, SIZE_MAX);
    enum err e = json_text_write_pretty(schema, &text);
    assert(!e);
    size_t length = text.length;
    set_document(&documents[i], buf_take(&text), length); /* kept as long as the program runs */
    json_decref(body);
    json_decref(schema);
}

void api_schema_init(void)
{
    if (openapi.text) return;
    const struct embedded_file *f = embedded_files;
    while (f->path && strcmp(f->path, "schema/openapi.json")) f++;
    assert(f->path);
    json_t *whole = json_loadb((const char *)f->bytes, f->length, JSON_REJECT_DUPLICATES, NULL);
    assert(whole);
    set_document(&openapi, (const char *)f->bytes, f->length);
    const json_t *components = json_object_get(json_object_get(whole, "components"), "schemas");
    for (size_t i = 0; i < CUTS; i++) cut_document(components, i);
    json_decref(whole);
}

const struct api_document *api_schema_openapi(void)
{
    return &openapi;
}

const struct api_document *api_schema_find(const char *name, struct err_note *note)
{
    const char *words[CUTS + 1] = {0};
    for (size_t i = 0; i < CUTS; i++) {
        if (!strcmp(cuts[i].name, name)) return &documents[i];
        words[i] = cuts[i].name;
    }
    const char *nearest = err_nearest(name, words);
    err_set(note, ERR_NOT_FOUND, "name", "there is no schema \"%s\"", name);
    if (nearest && note) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
    if (note) err_print(note->allowed, sizeof note->allowed, "job, loss, alpha, generate, problem");
    return NULL;
}
