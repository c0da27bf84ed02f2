/* test_contract: openapi.json against the tables in C: operations, error words, enums, examples. */
#include <ctype.h>
#include <jansson.h>
#include "schema/base/embedded.h"
#include "schema/base/err.h"
#include "tests/agree/contract.h"
#include "tests/agree/json_schema.h"
#include "tests/check.h"

static const struct {
    const char *name, *method, *path, *role;
    long long body_bytes_max;
} operations[] = {
#define X(op, method, path, role, body_bytes_max) {#op, method, path, #role, body_bytes_max},
#include "schema/api/api.tbl"
#undef X
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

static void lower(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; from[i] && i + 1 < size; i++) to[i] = (char)tolower((unsigned char)from[i]);
    to[i] = 0;
}

static const json_t *operation_of(const json_t *openapi, const char *path, const char *method)
{
    char word[16];
    lower(word, sizeof word, method);
    return json_object_get(json_object_get(json_object_get(openapi, "paths"), path), word);
}

static void check_operation(const json_t *openapi, size_t i)
{
    const json_t *found = operation_of(openapi, operations[i].path, operations[i].method);
    if (!found) check_fail(__FILE__, __LINE__, "openapi.json lacks %s %s", operations[i].method, operations[i].path);
    char word[64];
    lower(word, sizeof word, operations[i].name);
    CHECK_TEXT(json_string_value(json_object_get(found, "operationId")), word);
    lower(word, sizeof word, operations[i].role);
    CHECK_TEXT(json_string_value(json_object_get(found, "x-role")), word);
    CHECK_INT(json_integer_value(json_object_get(found, "x-body-bytes-max")), operations[i].body_bytes_max);
    if ((operations[i].body_bytes_max > 0) != (json_object_get(found, "requestBody") != NULL))
        check_fail(__FILE__, __LINE__, "%s: requestBody and body limit do not agree", operations[i].name);
    CHECK(json_object_get(json_object_get(found, "responses"), "default") != NULL);
}

void test_openapi_and_route_table_hold_the_same_operations(void)
{
    json_t *openapi = contract_load();
    for (size_t i = 0; i < OPERATIONS; i++) check_operation(openapi, i);
    size_t count = 0;
    const char *path, *method;
    json_t *methods, *operation;
    json_object_foreach(json_object_get(openapi, "paths"), path, methods)
        json_object_foreach(methods, method, operation) count++;
    CHECK_INT(count, OPERATIONS);
    json_decref(openapi);
}

/* Every {name} of a path is declared, and nothing else is declared as one. */
static void check_path_parameters(const json_t *openapi, const char *path, const json_t *operation)
{
    size_t in_path = 0, declared = 0, i;
    for (const char *p = path; *p; p++) in_path += *p == '{';
    json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), i, parameter) {
        const json_t *ref = json_object_get(parameter, "$ref");
        const json_t *real = ref ? json_schema_ref(openapi, json_string_value(ref)) : parameter;
        CHECK(real != NULL);
        struct schema_note note;
        if (!json_schema_is_plain(openapi, json_object_get(real, "schema"), &note)) check_fail(__FILE__, __LINE__, "%s %s: %s", path, note.pointer, note.text);
        if (strcmp(json_string_value(json_object_get(real, "in")), "path")) continue;
        char braced[64];
        snprintf(braced, sizeof braced, "{%s}", json_string_value(json_object_get(real, "name")));
        CHECK_HAS(path, braced);
        declared++;
    }
    CHECK_INT(declared, in_path);
}

static void check_content(const json_t *openapi, const char *where, const json_t *content)
{
    const char *type;
    json_t *one;
    json_object_foreach((json_t *)(size_t)content, type, one) {
        struct schema_note note;
        if (!json_schema_is_plain(openapi, json_object_get(one, "schema"), &note))
            check_fail(__FILE__, __LINE__, "%s %s%s: %s", where, type, note.pointer, note.text);
    }
}

static void check_responses(const json_t *openapi, const char *where, const json_t *operation)
{
    const char *status;
    json_t *one;
    check_content(openapi, where, json_object_get(json_object_get(operation, "requestBody"), "content"));
    json_object_foreach(json_object_get(operation, "responses"), status, one) {
        const json_t *ref = json_object_get(one, "$ref");
        const json_t *real = ref ? json_schema_ref(openapi, json_string_value(ref)) : one;
        if (!real) check_fail(__FILE__, __LINE__, "%s %s leads nowhere", where, status);
        check_content(openapi, where, json_object_get(real, "content"));
    }
}

void test_openapi_uses_only_what_the_checker_checks(void)
{
    json_t *openapi = contract_load();
    const char *path, *method, *name;
    json_t *methods, *operation, *schema;
    json_object_foreach(json_object_get(openapi, "paths"), path, methods)
        json_object_foreach(methods, method, operation) {
            check_path_parameters(openapi, path, operation);
            check_responses(openapi, path, operation);
        }
    json_object_foreach(json_object_get(json_object_get(openapi, "components"), "schemas"), name, schema) {
        struct schema_note note;
        if (!json_schema_is_plain(openapi, schema, &note)) check_fail(__FILE__, __LINE__, "%s%s: %s", name, note.pointer, note.text);
    }
    json_decref(openapi);
}

void test_openapi_and_error_table_hold_the_same_words(void)
{
    json_t *openapi = contract_load();
    const json_t *words = json_object_get(contract_schema(openapi, "ErrorCode"), "enum");
    for (int e = 1; e < ERR_COUNT; e++) {
        size_t i;
        json_t *word;
        bool found = false;
        json_array_foreach(words, i, word) found |= !strcmp(json_string_value(word), err_word((enum err)e));
        if (!found) check_fail(__FILE__, __LINE__, "openapi.json lacks the error word %s", err_word((enum err)e));
    }
    CHECK_INT(json_array_size(words), ERR_COUNT - 1);
    json_decref(openapi);
}

void test_schema_checker_knows_right_from_wrong(void)
{
    static const struct { const char *schema, *value; int fits; } cases[] = {
        {"{\"type\":\"integer\",\"minimum\":1}", "[1]", 1}, {"{\"type\":\"integer\",\"minimum\":1}", "[0]", 0},
        {"{\"type\":\"integer\"}", "[1.5]", 0}, {"{\"type\":\"integer\"}", "[2.0]", 1}, {"{\"type\":[\"string\",\"null\"]}", "[null]", 1},
        {"{\"type\":[\"string\",\"null\"]}", "[1]", 0}, {"{\"enum\":[\"a\",\"b\"]}", "[\"b\"]", 1}, {"{\"enum\":[\"a\",\"b\"]}", "[\"c\"]", 0},
        {"{\"const\":true}", "[false]", 0}, {"{\"required\":[\"a\"]}", "[{}]", 0}, {"{\"required\":[\"a\"]}", "[{\"a\":1}]", 1},
        {"{\"properties\":{\"a\":{\"type\":\"null\"}}}", "[{\"a\":1}]", 0}, {"{\"properties\":{},\"additionalProperties\":false}", "[{\"a\":1}]", 0},
        {"{\"additionalProperties\":{\"type\":\"number\"}}", "[{\"a\":\"1\"}]", 0}, {"{\"propertyNames\":{\"maxLength\":1}}", "[{\"ab\":1}]", 0},
        {"{\"items\":{\"type\":\"number\"}}", "[[1,\"2\"]]", 0}, {"{\"minItems\":2}", "[[1]]", 0}, {"{\"maxItems\":1}", "[[1,2]]", 0},
        {"{\"maximum\":1}", "[1.1]", 0}, {"{\"exclusiveMinimum\":0}", "[0]", 0}, {"{\"exclusiveMaximum\":1}", "[1]", 0},
        {"{\"minLength\":2}", "[\"a\"]", 0}, {"{\"maxLength\":1}", "[\"\\u00e9\"]", 1}, {"{\"pattern\":\"^a+$\"}", "[\"aab\"]", 0},
        {"{\"oneOf\":[{\"type\":\"number\"},{\"type\":\"integer\"}]}", "[1]", 0}, {"{\"oneOf\":[{\"type\":\"number\"},{\"type\":\"null\"}]}", "[1]", 1},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "[1]", 0}, {"{\"allOf\":[{\"minimum\":1},{\"maximum\":2}]}", "[3]", 0},
        {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"null\"}}}", "[1]", 0}, {"{\"$ref\":\"#/nowhere\"}", "[1]", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct schema_note note = {0};
        json_t *schema = json_loads(cases[i].schema, 0, NULL), *value = json_loads(cases[i].value, 0, NULL);
        CHECK(schema && value);
        if (json_schema_fits(schema, schema, json_array_get(value, 0), &note) != (cases[i].fits == 1))
            check_fail(__FILE__, __LINE__, "%s with %s: %s", cases[i].schema, cases[i].value, note.text);
        json_decref(schema);
        json_decref(value);
    }
    json_t *odd = json_loads("{\"items\":{\"uniqueItems\":true}}", 0, NULL);
    struct schema_note note;
    CHECK(!json_schema_is_plain(odd, odd, &note));
    CHECK_TEXT(note.pointer, "/items");
    json_decref(odd);
}
