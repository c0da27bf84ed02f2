/* json_schema: one function a keyword, a table of keywords, and a walk. */
#include "tests/agree/json_schema.h"
#include <math.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct place {
    const json_t *root;
    struct schema_note *note;
    char pointer[256];
};
typedef bool rule(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value);

static bool fits(struct place *at, const json_t *schema, const json_t *value);

static bool say(struct place *at, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool say(struct place *at, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(at->note->text, sizeof at->note->text, format, list);
    va_end(list);
    snprintf(at->note->pointer, sizeof at->note->pointer, "%s", at->pointer);
    return false;
}

static bool fits_under(struct place *at, const char *key, const json_t *schema, const json_t *value)
{
    size_t length = strlen(at->pointer);
    snprintf(at->pointer + length, sizeof at->pointer - length, "/%s", key);
    bool good = fits(at, schema, value);
    at->pointer[length] = 0;
    return good;
}

const json_t *json_schema_ref(const json_t *root, const char *ref)
{
    if (strncmp(ref, "#/", 2)) return NULL;
    const json_t *node = root;
    for (const char *p = ref + 2; node && *p;) {
        char key[128];
        size_t length = strcspn(p, "/");
        snprintf(key, sizeof key, "%.*s", (int)length, p);
        node = json_object_get(node, key);
        p += length + (p[length] == '/');
    }
    return node;
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {[JSON_OBJECT] = "object", [JSON_ARRAY] = "array", [JSON_STRING] = "string",
        [JSON_INTEGER] = "integer", [JSON_REAL] = "number", [JSON_TRUE] = "boolean", [JSON_FALSE] = "boolean", [JSON_NULL] = "null"};
    return names[json_typeof(value)];
}

static bool is_type(const char *type, const json_t *value)
{
    if (!strcmp(type, "number")) return json_is_number(value);
    if (!strcmp(type, "integer") && json_is_real(value)) return floor(json_real_value(value)) == json_real_value(value);
    return !strcmp(type, type_name(value));
}

static bool rule_type(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    if (json_is_string(keyword) && is_type(json_string_value(keyword), value)) return true;
    size_t i;
    json_t *one;
    json_array_foreach(keyword, i, one) if (is_type(json_string_value(one), value)) return true;
    return say(at, "is %s, not %s", type_name(value), json_is_string(keyword) ? json_string_value(keyword) : "one of the types");
}

static bool rule_enum(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    size_t i;
    json_t *one;
    json_array_foreach(keyword, i, one) if (json_equal(one, value)) return true;
    return say(at, "\"%s\" is not in the enum", json_is_string(value) ? json_string_value(value) : type_name(value));
}

static bool rule_const(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return json_equal(keyword, value) || say(at, "is not the one allowed value");
}

static bool rule_required(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    if (!json_is_object(value)) return true;
    size_t i;
    json_t *key;
    json_array_foreach(keyword, i, key)
        if (!json_object_get(value, json_string_value(key))) return say(at, "lacks \"%s\"", json_string_value(key));
    return true;
}

static bool rule_properties(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    const char *key;
    json_t *one;
    json_object_foreach((json_t *)(size_t)keyword, key, one) {
        const json_t *member = json_object_get(value, key);
        if (member && !fits_under(at, key, one, member)) return false;
    }
    return true;
}

static bool rule_additional(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    const json_t *known = json_object_get(schema, "properties");
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(size_t)value, key, member) {
        if (json_object_get(known, key)) continue;
        if (json_is_false(keyword)) return say(at, "has \"%s\", which the schema does not know", key);
        if (json_is_object(keyword) && !fits_under(at, key, keyword, member)) return false;
    }
    return true;
}

static bool rule_property_names(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(size_t)value, key, member) {
        json_t *name = json_string(key);
        bool good = fits_under(at, key, keyword, name);
        json_decref(name);
        if (!good) return false;
    }
    return true;
}

static bool rule_items(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    size_t i;
    json_t *one;
    json_array_foreach(value, i, one) {
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        if (!fits_under(at, key, keyword, one)) return false;
    }
    return true;
}

static bool rule_items_min(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return !json_is_array(value) || (json_int_t)json_array_size(value) >= json_integer_value(keyword) || say(at, "has too few items");
}
static bool rule_items_max(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return !json_is_array(value) || (json_int_t)json_array_size(value) <= json_integer_value(keyword) || say(at, "has too many items");
}
static bool rule_minimum(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return !json_is_number(value) || json_number_value(value) >= json_number_value(keyword) || say(at, "%g is below %g", json_number_value(value), json_number_value(keyword));
}
static bool rule_maximum(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return !json_is_number(value) || json_number_value(value) <= json_number_value(keyword) || say(at, "%g is above %g", json_number_value(value), json_number_value(keyword));
}
static bool rule_above(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return !json_is_number(value) || json_number_value(value) > json_number_value(keyword) || say(at, "%g is not above %g", json_number_value(value), json_number_value(keyword));
}
static bool rule_below(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return !json_is_number(value) || json_number_value(value) < json_number_value(keyword) || say(at, "%g is not below %g", json_number_value(value), json_number_value(keyword));
}

static size_t letters(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}
static bool rule_length_min(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return !json_is_string(value) || (json_int_t)letters(json_string_value(value)) >= json_integer_value(keyword) || say(at, "is too short");
}
static bool rule_length_max(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return !json_is_string(value) || (json_int_t)letters(json_string_value(value)) <= json_integer_value(keyword) || say(at, "is too long");
}

static bool rule_pattern(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    if (!json_is_string(value)) return true;
    regex_t pattern;
    if (regcomp(&pattern, json_string_value(keyword), REG_EXTENDED | REG_NOSUB)) return say(at, "the pattern does not compile");
    bool good = !regexec(&pattern, json_string_value(value), 0, NULL, 0);
    regfree(&pattern);
    return good || say(at, "\"%.80s\" does not match %s", json_string_value(value), json_string_value(keyword));
}

static size_t count_fitting(struct place *at, const json_t *list, const json_t *value)
{
    size_t i, good = 0;
    json_t *one;
    json_array_foreach(list, i, one) good += fits(at, one, value);
    return good;
}
static bool rule_one_of(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    size_t good = count_fitting(at, keyword, value);
    if (good == 1) return true;
    return good ? say(at, "fits %zu of oneOf", good) : false; /* none: the note tells of the last one tried */
}
static bool rule_any_of(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return count_fitting(at, keyword, value) > 0;
}
static bool rule_all_of(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    return count_fitting(at, keyword, value) == json_array_size(keyword);
}

static bool rule_ref(struct place *at, const json_t *schema, const json_t *keyword, const json_t *value)
{
    (void)schema;
    const json_t *target = json_schema_ref(at->root, json_string_value(keyword));
    if (!target) return say(at, "%s leads nowhere", json_string_value(keyword));
    return fits(at, target, value);
}

/* What stands below a keyword: nothing of ours, one schema, a list of schemas, a map of schemas. */
enum below { BELOW_NONE, BELOW_ONE, BELOW_LIST, BELOW_MAP };
static const struct {
    const char *keyword;
    rule *check;
    enum below below;
} rules[] = {
    {"$ref", rule_ref, BELOW_NONE}, {"type", rule_type, BELOW_NONE}, {"enum", rule_enum, BELOW_NONE}, {"const", rule_const, BELOW_NONE},
    {"required", rule_required, BELOW_NONE}, {"properties", rule_properties, BELOW_MAP}, {"additionalProperties", rule_additional, BELOW_ONE},
    {"propertyNames", rule_property_names, BELOW_ONE}, {"items", rule_items, BELOW_ONE}, {"minItems", rule_items_min, BELOW_NONE},
    {"maxItems", rule_items_max, BELOW_NONE}, {"minimum", rule_minimum, BELOW_NONE}, {"maximum", rule_maximum, BELOW_NONE},
    {"exclusiveMinimum", rule_above, BELOW_NONE}, {"exclusiveMaximum", rule_below, BELOW_NONE}, {"minLength", rule_length_min, BELOW_NONE},
    {"maxLength", rule_length_max, BELOW_NONE}, {"pattern", rule_pattern, BELOW_NONE}, {"oneOf", rule_one_of, BELOW_LIST},
    {"anyOf", rule_any_of, BELOW_LIST}, {"allOf", rule_all_of, BELOW_LIST},
    {"title", NULL, BELOW_NONE}, {"description", NULL, BELOW_NONE}, {"default", NULL, BELOW_NONE}, {"examples", NULL, BELOW_NONE},
    {"format", NULL, BELOW_NONE}, {"contentEncoding", NULL, BELOW_NONE}, {"$defs", NULL, BELOW_MAP}, {"$schema", NULL, BELOW_NONE}, {"$id", NULL, BELOW_NONE},
};
enum { RULES = sizeof rules / sizeof rules[0] };

static bool fits(struct place *at, const json_t *schema, const json_t *value)
{
    if (json_is_true(schema)) return true;
    for (size_t i = 0; i < RULES; i++) {
        const json_t *keyword = rules[i].check ? json_object_get(schema, rules[i].keyword) : NULL;
        if (keyword && !rules[i].check(at, schema, keyword, value)) return false;
    }
    return true;
}

bool json_schema_fits(const json_t *root, const json_t *schema, const json_t *value, struct schema_note *note)
{
    struct place at = {.root = root, .note = note};
    return fits(&at, schema, value);
}

static bool plain(struct place *at, const json_t *schema);

static bool plain_under(struct place *at, const char *key, const json_t *schema)
{
    size_t length = strlen(at->pointer);
    snprintf(at->pointer + length, sizeof at->pointer - length, "/%s", key);
    bool good = plain(at, schema);
    at->pointer[length] = 0;
    return good;
}

static bool plain_below(struct place *at, const char *key, enum below below, const json_t *node)
{
    size_t i;
    json_t *one;
    const char *name;
    if (below == BELOW_ONE) return plain_under(at, key, node);
    if (below == BELOW_LIST) json_array_foreach(node, i, one) if (!plain_under(at, key, one)) return false;
    if (below == BELOW_MAP) json_object_foreach((json_t *)(size_t)node, name, one) if (!plain_under(at, name, one)) return false;
    return true;
}

static bool plain(struct place *at, const json_t *schema)
{
    if (json_is_boolean(schema)) return true;
    if (!json_is_object(schema)) return say(at, "is not a schema");
    const char *key;
    json_t *node;
    json_object_foreach((json_t *)(size_t)schema, key, node) {
        size_t i = 0;
        while (i < RULES && strcmp(rules[i].keyword, key)) i++;
        if (i == RULES) return say(at, "uses the keyword \"%s\", which the checker does not know", key);
        if (!strcmp(key, "$ref") && !json_schema_ref(at->root, json_string_value(node))) return say(at, "%s leads nowhere", json_string_value(node));
        if (!plain_below(at, key, rules[i].below, node)) return false;
    }
    return true;
}

bool json_schema_is_plain(const json_t *root, const json_t *schema, struct schema_note *note)
{
    struct place at = {.root = root, .note = note};
    return plain(&at, schema);
}
