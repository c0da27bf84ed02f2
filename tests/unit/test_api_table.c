/* test_api_table: every operation is found at its own address, and nowhere else. */
#include "schema/api/api_table.h"

#include "tests/check.h"

void test_api_table_finds_each_operation_at_the_path_it_builds(void)
{
    const char *params[] = {"0190-ab", "a b%c", "x"};
    for (int op = 0; op < API_OP_COUNT; op++) {
        char path[API_PATH_BYTES];
        struct api_match m;
        CHECK_INT(api_path((enum api_op)op, params, path, sizeof path), OK);
        CHECK_INT(api_match(api_row((enum api_op)op)->method, path, &m), OK);
        CHECK_INT(m.op, op);
        for (int i = 0; i < m.count; i++) CHECK_TEXT(m.params[i].value, params[i]);
        CHECK_INT(api_match("PATCH", path, &m), ERR_METHOD);
        CHECK_HAS(m.allow, api_row((enum api_op)op)->method);
        strcat(path, "//");
        CHECK_INT(api_match("GET", path, &m), ERR_NOT_FOUND);
    }
}

void test_api_table_refuses_what_is_not_an_address(void)
{
    struct api_match m;
    static const struct {
        const char *method, *path;
        enum err code;
    } cases[] = {
        {"GET", "/v1/jobs/", ERR_NOT_FOUND},       {"GET", "/v1/jobs/a%2Fb", ERR_NOT_FOUND}, {"GET", "/v1/jobs/a%00", ERR_NOT_FOUND},
        {"GET", "/v1/jobs/%4", ERR_BAD_REQUEST},   {"GET", "/v1/jobs/%zz", ERR_BAD_REQUEST}, {"GET", "/v1/jobs/a:cancel", ERR_METHOD},
        {"POST", "/v1/jobs/a:stop", ERR_NOT_FOUND}, {"GET", "/V1/jobs", ERR_NOT_FOUND},      {"GET", "", ERR_NOT_FOUND},
        {"GET", "//", ERR_NOT_FOUND},              {"HEAD", "/v1/jobs", OK},                 {"get", "/v1/jobs", ERR_METHOD},
        {"POST", "/v1/attempts/j/1:heartbeat", OK}, {"GET", "/v1/jobs/..%2f..", ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (api_match(cases[i].method, cases[i].path, &m) != cases[i].code)
            check_fail(__FILE__, __LINE__, "%s %s", cases[i].method, cases[i].path);
    CHECK_INT(api_match("DELETE", "/v1/jobs", &m), ERR_METHOD);
    CHECK_TEXT(m.allow, "POST, GET, HEAD");
    CHECK_INT(api_match("POST", "/v1/attempts/j%20k/12:finish", &m), OK);
    CHECK_TEXT(api_param(&m, "n"), "12");
    CHECK_TEXT(api_param(&m, "job"), "j k");
}

void test_api_table_builds_queries_and_minds_the_room(void)
{
    char path[32] = "/v1/jobs";
    CHECK_INT(api_query_add(path, sizeof path, "state", "a b"), OK);
    CHECK_INT(api_query_add(path, sizeof path, "x", "1"), OK);
    CHECK_TEXT(path, "/v1/jobs?state=a%20b&x=1");
    CHECK_INT(api_query_add(path, sizeof path, "limit", "1000"), ERR_TOO_LARGE);
    CHECK_INT(api_path(API_JOB_LIST, NULL, path, 8), ERR_TOO_LARGE);
    CHECK_INT(api_path(API_JOB_LIST, NULL, path, 9), OK);
}
