/* test_json_fields: a struct through its table of rows: defaults, round trip, and every kind of mistake with its words. */
#include "schema/base/json_fields.h"

#include <math.h>
#include <stdint.h>

#include "tests/check.h"

struct inner {
    double rate;
};
struct sample {
    bool flag;
    int whole, count, list[4];
    int64_t wide;
    double real, clip;
    char text[9];
    enum { RED, GREEN } colour;
    struct inner inner;
};
static const char *const colours[] = {"red", "green", NULL};
static const struct field inner_fields[] = {
    {.name = "rate", .type = FIELD_REAL, FIELD_AT(struct inner, rate), .min = 0, .max = HUGE_VAL, .open_min = true, .standard = 1e-3},
    {0}};
static const struct field fields[] = {
    {.name = "flag", .type = FIELD_BOOL, FIELD_AT(struct sample, flag), .standard = 1},
    {.name = "whole", .type = FIELD_INT, FIELD_AT(struct sample, whole), .min = 1, .max = 4, .standard = 2},
    {.name = "wide", .type = FIELD_INT64, FIELD_AT(struct sample, wide), .min = -9e18, .max = 9e18},
    {.name = "real", .type = FIELD_REAL, FIELD_AT(struct sample, real), .min = 0, .max = 1, .open_max = true, .standard = 0.1},
    {.name = "clip", .type = FIELD_REAL, FIELD_AT(struct sample, clip), .min = 0, .max = HUGE_VAL, .open_min = true, .nullable = true},
    {.name = "text", .type = FIELD_TEXT, FIELD_AT(struct sample, text), .one_line = true, .standard_text = "hi"},
    {.name = "colour", .type = FIELD_WORD, FIELD_AT(struct sample, colour), .words = colours},
    {.name = "list", .type = FIELD_INT, .offset = offsetof(struct sample, list), .size = sizeof(int), .min = 1, .max = 9,
     .array_min = 1, .array_max = 4, .count_offset = offsetof(struct sample, count)},
    {.name = "inner", .type = FIELD_OBJECT, FIELD_AT(struct sample, inner), .fields = inner_fields},
    {0}};

static struct err_list errors;
static struct sample sample;

static void read_text(const char *text)
{
    json_t *json;
    struct err_note note;
    CHECK_INT(json_text_parse(text, strlen(text), 4096, &json, &note), OK);
    memset(&sample, 0, sizeof sample);
    memset(&errors, 0, sizeof errors);
    json_fields_default(fields, &sample);
    json_fields_read(json, fields, &sample, "", &errors);
    json_decref(json);
}

static void refused(const char *text, const char *want)
{
    char got[1024];
    read_text(text);
    CHECK_INT(errors.count, 1);
    const struct err_note *n = &errors.notes[0];
    snprintf(got, sizeof got, "%s %s: %s; found %s; allowed %s; nearest %s", err_word(n->code), n->pointer, n->detail, n->found,
             n->allowed, n->nearest);
    CHECK_TEXT(got, want);
}

void test_json_fields_fill_defaults_and_write_what_they_read(void)
{
    struct buf text;
    buf_init(&text, 4096);
    read_text("{\"list\": [3, 4], \"real\": 0, \"inner\": {\"rate\": 1e-5}, \"clip\": null, \"colour\": \"green\", \"wide\": 9007199254740993}");
    CHECK_INT(errors.count, 0);
    CHECK_INT(json_fields_print(fields, &sample, &text), OK);
    CHECK_TEXT(text.data, "{\"flag\":true,\"whole\":2,\"wide\":9007199254740993,\"real\":0.0,\"clip\":null,\"text\":\"hi\","
                          "\"colour\":\"green\",\"list\":[3,4],\"inner\":{\"rate\":1e-05}}");
    json_t *json = json_fields_write(fields, &sample), *same = json_text_take(OK, &text);
    CHECK(json_equal(json, same));
    json_decref(json);
    json_decref(same);
}

void test_json_fields_say_what_is_wrong_and_what_is_allowed(void)
{
    refused("{\"flga\": true}", "key_unknown /flga: unknown key; found flga; allowed one of: flag, whole, wide, real, clip, text, colour, "
                                "list, inner; nearest flag");
    refused("{\"whole\": 5}", "range /whole: out of range; found 5; allowed an integer from 1 to 4; nearest ");
    refused("{\"whole\": 4.0}", "type /whole: a whole number is written without point or exponent; found 4.0; allowed an integer from 1 to 4; nearest ");
    refused("{\"whole\": \"4\"}", "type /whole: not an integer; found \"4\"; allowed an integer from 1 to 4; nearest ");
    refused("{\"real\": 1}", "range /real: out of range; found 1; allowed a number of at least 0 and below 1; nearest ");
    refused("{\"real\": null}", "type /real: not a number; found null; allowed a number of at least 0 and below 1; nearest ");
    refused("{\"clip\": 1e-400}", "range /clip: out of range; found 0.0; allowed null or a number above 0; nearest ");
    refused("{\"text\": \"ninechars\"}", "range /text: too long; found \"ninechars\"; allowed text of at most 8 bytes, on one line; nearest ");
    refused("{\"text\": \"a\\u001bb\"}", "range /text: holds a control character; found \"a\\u001bb\"; allowed text of at most 8 bytes, on one line; nearest ");
    refused("{\"colour\": \"gren\"}", "word_unknown /colour: unknown word; found \"gren\"; allowed one of: red, green; nearest green");
    refused("{\"list\": []}", "range /list: an array of another length; found []; allowed an array of 1 to 4, each an integer from 1 to 9; nearest ");
    refused("{\"list\": [1, 12]}", "range /list/1: out of range; found 12; allowed an integer from 1 to 9; nearest ");
    refused("{\"inner\": {\"rate\": -1}}", "range /inner/rate: out of range; found -1; allowed a number above 0; nearest ");
    refused("{\"inner\": 3}", "type /inner: not an object; found 3; allowed an object; nearest ");
    refused("[]", "type : not an object; found []; allowed an object; nearest ");
    refused("{\"a/b~\": 1}", "key_unknown /a~1b~0: unknown key; found a/b~; allowed one of: flag, whole, wide, real, clip, text, colour, list, inner; nearest ");
}

void test_json_text_is_refused_with_line_and_column(void)
{
    static const struct {
        const char *text, *detail;
        enum err code;
    } cases[] = {
        {"{\"a\": 1,\n \"a\": 2}", "line 2, column 4: duplicate object key near '\"a\"'", ERR_BAD_JSON},
        {"{\"a\": 1e999}", "line 1, column 11: real number overflow near '1e999'", ERR_BAD_JSON},
        {"", "line 1, column 0: '[' or '{' expected near end of file", ERR_BAD_JSON},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "line 1, column 17: nested deeper than 16 levels", ERR_BAD_JSON},
        {"{\"a\": 1} x", "line 1, column 10: end of file expected near 'x'", ERR_BAD_JSON},
        {"{\"a\": NaN}", NULL, ERR_BAD_JSON},
        {"{\"a\": \"01234567890123456789012345678901\"}", "41 bytes of JSON; at most 40 are read here", ERR_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json;
        struct err_note note;
        CHECK_INT(json_text_parse(cases[i].text, strlen(cases[i].text), 40, &json, &note), cases[i].code);
        CHECK(!json);
        if (cases[i].detail && i != 2) CHECK_TEXT(note.detail, cases[i].detail);
    }
}

void test_json_text_writes_the_shortest_number_that_reads_back(void)
{
    static const struct {
        double x;
        const char *text;
    } cases[] = {{0.1, "0.1"}, {1e-3, "0.001"}, {1, "1.0"}, {1.0 / 3, "0.3333333333333333"}, {0.1 + 0.2, "0.30000000000000004"},
                 {1e300, "1e+300"}, {-0.0, "-0.0"}, {-120, "-120.0"}, {999999999999999, "999999999999999.0"}, {1e15, "1e+15"}, {0.125, "0.125"}, {5e-324, "4.94065645841247e-324"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        json_text_number(cases[i].x, 1, text);
        CHECK_TEXT(text, cases[i].text);
        CHECK(strtod(text, NULL) == cases[i].x);
    }
}

/* What printf and strtod find, which is what the digits are defined by. */
static void by_the_book(double x, char text[32])
{
    int digits = 15;
    do snprintf(text, 32, "%.*g", digits, x);
    while (strtod(text, NULL) != x && ++digits <= 17);
}

static void same_digits(double x)
{
    char got[32], want[32];
    json_text_number(x, 0, got);
    by_the_book(x, want);
    if (strcmp(got, want)) check_fail(__FILE__, __LINE__, "%a: got %s, want %s", x, got, want);
}

void test_json_text_finds_the_digits_that_printf_would(void)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        double unit = (double)(state >> 11) * 0x1p-53, any = pow(10, 20 * unit - 7);
        double rounded = round(unit * 1e6) / 1e6;
        same_digits(unit);
        same_digits(-any);
        same_digits(rounded);
        same_digits(nextafter(rounded, 1));
        same_digits((double)(state % 1000000) * ldexp(1, -(int)(state >> 59)));
        same_digits(9 + i * 0x1p-16); /* 17 digits, the last one a 5: ties */
    }
    for (int n = -70; n < 70; n++) {
        double power = n % 2 ? ldexp(1, n / 2) : pow(10, n / 2);
        same_digits(power);
        same_digits(nextafter(power, 0));
        same_digits(nextafter(power, HUGE_VAL));
    }
}

void test_json_text_cuts_between_characters(void)
{
    char text[12];
    json_t *json = json_string("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4");
    json_text_print(json, text, sizeof text);
    CHECK_TEXT(text, "\"\xc3\xa4\xc3\xa4\xc3\xa4...");
    json_decref(json);
}
