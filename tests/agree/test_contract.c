/* test_contract: openapi.json against the tables in C: operations, error words, enums, examples. */
#include <ctype.h>
#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include "schema/base/err.h"
#include "schema/base/json_fields.h"
#include "schema/job/alpha_json.h"
#include "schema/job/diagnostics_json.h"
#include "schema/job/job_spec_json.h"
#include "schema/job/job_state.h"
#include "schema/job/loss_spec_json.h"
#include "schema/job/method_json.h"
#include "schema/job/metric.h"
#include "schema/job/model_json.h"
#include "schema/job/plateau_json.h"
#include "tests/agree/contract.h"
#include "tests/agree/json_schema.h"
#include "tests/check.h"
#include "tests/unit/job_vectors.h"
#include "worker/run/verdict_json.h"

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

/* ---- enums ------------------------------------------------------------------------------------------------------- */
static void check_words(const json_t *openapi, const char *schema, const char *const *words)
{
    const json_t *list = json_object_get(contract_schema(openapi, schema), "enum");
    size_t count = 0;
    for (; words[count]; count++) {
        const char *word = json_string_value(json_array_get(list, count));
        if (!word || strcmp(word, words[count])) check_fail(__FILE__, __LINE__, "enum %s: got %s, want %s at %zu", schema, word ? word : "(end)", words[count], count);
    }
    CHECK_INT(json_array_size(list), count);
}

/* The same for an enum that comes as word_of(0), word_of(1), ...; `first` 1 leaves out the word for none. */
#define CHECK_ENUM(schema, word_of, type, first, count)                                       \
    do {                                                                                      \
        const char *words_[64] = {0};                                                         \
        for (int i_ = (first); i_ < (int)(count); i_++) words_[i_ - (first)] = word_of((type)i_); \
        check_words(openapi, schema, words_);                                                 \
    } while (0)

void test_openapi_enums_are_the_words_of_the_tables(void)
{
    json_t *openapi = contract_load();
    CHECK_ENUM("State", job_state_word, enum job_state, 0, JOB_STATE_COUNT);
    CHECK_ENUM("Reason", job_reason_word, enum job_reason, 1, REASON_COUNT);
    CHECK_ENUM("Phase", job_phase_word, enum job_phase, 1, PHASE_COUNT);
    CHECK_ENUM("FailureClass", job_failure_word, enum job_failure, 1, FAILURE_COUNT);
    CHECK_ENUM("Strategy", loss_strategy_word, enum loss_strategy, 0, LOSS_GRADIENT + 1);
    CHECK_ENUM("Method", method_word, enum loss_method, 1, METHODS);
    CHECK_ENUM("Mode", loss_mode_word, enum loss_mode, 0, LOSS_ALTERNATING_BATCHES + 1);
    CHECK_ENUM("Interp", alpha_interp_word, enum alpha_interp, 0, ALPHA_POLY + 1);
    CHECK_ENUM("Unit", alpha_unit_word, enum alpha_unit, 0, ALPHA_FRACTION + 1);
    CHECK_ENUM("SeriesKind", metric_kind_word, enum metric_kind, 0, METRIC_TIMING + 1);
    CHECK_ENUM("SeriesX", metric_x_word, enum metric_x, 0, METRIC_EPOCH + 1);
    json_decref(openapi);
}

/* ---- keys and bounds of the field tables --------------------------------------------------------------------------- */
static void check_bound(const char *where, const json_t *schema, const char *closed, const char *open, bool is_open, double bound)
{
    const json_t *said = json_object_get(schema, is_open ? open : closed);
    if (bound != bound || bound > 1e300 || bound < -1e300) return; /* no bound: nothing to say */
    if (!said || json_number_value(said) != bound) check_fail(__FILE__, __LINE__, "%s: %s is not %g", where, is_open ? open : closed, bound);
}

static void check_row(const char *where, const json_t *schema, const struct field *f)
{
    bool number = f->type == FIELD_INT || f->type == FIELD_INT64 || f->type == FIELD_REAL;
    if (f->array_max) schema = json_object_get(schema, "items");
    if (number) {
        check_bound(where, schema, "minimum", "exclusiveMinimum", f->open_min, f->min);
        check_bound(where, schema, "maximum", "exclusiveMaximum", f->open_max, f->max);
    }
    if (f->type != FIELD_WORD) return;
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    json_t *openapi = contract_load();
    const json_t *list = json_object_get(ref ? json_schema_ref(openapi, ref) : schema, "enum");
    size_t count = 0;
    for (; f->words[count]; count++)
        if (!json_array_get(list, count) || strcmp(json_string_value(json_array_get(list, count)), f->words[count]))
            check_fail(__FILE__, __LINE__, "%s: the enum lacks %s", where, f->words[count]);
    CHECK_INT(json_array_size(list), count);
    json_decref(openapi);
}

/* Every key of the schema is a row; every row that is built is a key, with the same bounds and words. */
static void check_table(const json_t *openapi, const char *name, const json_t *schema, const struct field *fields)
{
    const json_t *properties = json_object_get(schema, "properties");
    size_t rows = 0;
    for (const struct field *f = fields; f->name; f++) {
        char where[160];
        snprintf(where, sizeof where, "%s.%s", name, f->name);
        const json_t *said = json_object_get(properties, f->name);
        if (!said) check_fail(__FILE__, __LINE__, "openapi.json lacks %s", where);
        check_row(where, said, f);
        if (f->type == FIELD_OBJECT && json_object_get(said, "properties")) check_table(openapi, where, said, f->fields);
        rows++;
    }
    CHECK_INT(json_object_size(properties), rows);
}

/* Each parameter of each method is a key of `params`, with its bounds; each key is a parameter of some method. */
static void check_params(const json_t *properties)
{
    json_t *met = json_object();
    for (int m = METHOD_NONE + 1; m < METHODS; m++)
        for (const struct field *f = method_rows[m].params; f->name; f++) {
            const json_t *said = json_object_get(properties, f->name);
            if (!said) check_fail(__FILE__, __LINE__, "openapi.json lacks params.%s of %s", f->name, method_rows[m].word);
            check_row(f->name, said, f);
            json_object_set_new(met, f->name, json_true());
        }
    CHECK_INT(json_object_size(properties), json_object_size(met));
    json_decref(met);
}

void test_openapi_holds_the_keys_and_bounds_of_the_readers(void)
{
    json_t *openapi = contract_load();
    check_table(openapi, "Loss", contract_schema(openapi, "Loss"), loss_fields);
    const json_t *loss = json_object_get(contract_schema(openapi, "Loss"), "properties");
    check_table(openapi, "gram", json_object_get(loss, "gram"), gram_fields);
    check_table(openapi, "diagnostics", json_object_get(loss, "diagnostics"), diagnostics_fields);
    check_params(json_object_get(json_object_get(loss, "params"), "properties"));
    check_table(openapi, "Optimizer", contract_schema(openapi, "Optimizer"), optimizer_fields);
    check_table(openapi, "Plateau", contract_schema(openapi, "Plateau"), plateau_fields);
    check_table(openapi, "Model", contract_schema(openapi, "Model"), model_fields);
    json_decref(openapi);
}

/* ---- what a worker's result holds ---------------------------------------------------------------------------------------- */
static void check_verdict_words(const json_t *openapi, const char *key, const char *const *words)
{
    const json_t *list = json_object_get(json_object_get(json_object_get(contract_schema(openapi, "Verdict"), "properties"), key), "enum");
    size_t count = 0;
    for (; words[count]; count++) CHECK_TEXT(json_string_value(json_array_get(list, count)), words[count]);
    CHECK_INT(json_array_size(list), count + json_is_null(json_array_get(list, count)));
}

void test_openapi_holds_the_verdict_over_the_gradients(void)
{
    json_t *openapi = contract_load();
    struct gradient_verdict v = {.steps_seen = 3, .measured = {true, false, true}, .alpha_effective = NAN, .text = "In 3 steps ...", .oscillation = {NAN, 0.5, 0.1},
                                 .level = {{0.5, 0, 1, 2}, {0}, {NAN, 1, NAN, NAN}}};
    for (int alarm = 0; alarm < 2; alarm++) {
        struct schema_note note = {0};
        if (alarm) strcpy(v.alarm, "at step 7 ...");
        json_t *json = verdict_write(&v);
        if (!json_schema_fits(openapi, contract_schema(openapi, "Verdict"), json, &note)) check_fail(__FILE__, __LINE__, "%s %s", note.pointer, note.text);
        CHECK_INT(json_object_size(json_object_get(json, "levels")), 2);
        CHECK(json_is_null(json_object_get(json, "dominant"))); /* as alpha_effective is */
        json_decref(json);
    }
    check_verdict_words(openapi, "dominant", verdict_dominants);
    check_verdict_words(openapi, "suggestion", verdict_suggestions);
    check_verdict_words(openapi, "confidence", verdict_confidences);
    json_decref(openapi);
}

/* ---- examples and vectors ----------------------------------------------------------------------------------------------- */
static void check_accepted(const json_t *openapi, const char *path, const json_t *json)
{
    struct job_spec *spec = calloc(1, sizeof *spec);
    struct err_list *errors = calloc(2, sizeof *errors);
    struct schema_note note = {0};
    const json_t *schema = contract_schema(openapi, "JobSpec");
    CHECK(spec && errors);
    if (job_spec_read(json, spec, errors, errors + 1)) check_fail(__FILE__, __LINE__, "%s: %s %s", path, errors->notes[0].pointer, errors->notes[0].detail);
    if (!json_schema_fits(openapi, schema, json, &note)) check_fail(__FILE__, __LINE__, "%s does not fit the schema: %s %s", path, note.pointer, note.text);
    json_t *resolved = job_spec_write(spec);
    if (!json_schema_fits(openapi, schema, resolved, &note)) check_fail(__FILE__, __LINE__, "%s resolved does not fit: %s %s", path, note.pointer, note.text);
    json_decref(resolved);
    free(errors);
    free(spec);
}

static void check_each_file(const json_t *openapi, const char *pattern)
{
    char full[1024];
    glob_t found = {0};
    snprintf(full, sizeof full, "%s/%s", check_root(), pattern);
    CHECK_INT(glob(full, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_error_t error;
        json_t *json = json_load_file(found.gl_pathv[i], JSON_REJECT_DUPLICATES, &error);
        if (!json) check_fail(__FILE__, __LINE__, "%s: %s", found.gl_pathv[i], error.text);
        check_accepted(openapi, found.gl_pathv[i], json);
        json_decref(json);
    }
    CHECK(found.gl_pathc >= 3);
    globfree(&found);
}

void test_examples_fit_both_the_reader_and_openapi(void)
{
    json_t *openapi = contract_load();
    check_each_file(openapi, "schema/examples/*.json");
    check_each_file(openapi, "tests/vectors/job_spec/valid/*");
    json_decref(openapi);
}

/* Every remark of an accepted job has its exact words in a vector, and openapi.json knows its word. */
void test_openapi_and_the_remarked_vectors_hold_the_same_remarks(void)
{
    json_t *openapi = contract_load(), *met = json_object();
    CHECK(each_remarked_vector(met) >= 9);
    const json_t *words = json_object_get(json_object_get(json_object_get(contract_schema(openapi, "Warning"), "properties"), "code"), "enum");
    for (size_t i = 0; i < json_array_size(words); i++)
        if (!json_object_get(met, json_string_value(json_array_get(words, i)))) check_fail(__FILE__, __LINE__, "no remarked vector has %s", json_string_value(json_array_get(words, i)));
    CHECK_INT(json_object_size(met), json_array_size(words));
    json_decref(met);
    json_decref(openapi);
}
