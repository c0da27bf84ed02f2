/* api_table: the operations of api.tbl: which one a request means, and which address an operation has. */
#ifndef SCHEMA_API_API_TABLE_H
#define SCHEMA_API_API_TABLE_H
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"

enum api_op {
#define X(op, method, path, role, body_max) API_##op,
#include "schema/api/api.tbl"
#undef X
    API_OP_COUNT
};
enum api_role { API_ANYONE, API_SUBMIT, API_WORKER, API_ADMIN };
enum { API_PARAMS_MAX = 3, API_PARAM_BYTES = 256, API_PATH_BYTES = 1024 };

struct api_row {
    const char *name;    /* "JOB_GET"; in lower case the operationId of openapi.json */
    const char *method, *path;
    enum api_role role;  /* the least role that may; ADMIN may all */
    int64_t body_max;    /* bytes; 0 = no body */
};
/* What a request line means. Values are percent-decoded and never empty; they hold no '/', no control character. */
struct api_match {
    enum api_op op;
    int count;
    struct {
        char name[16];
        char value[API_PARAM_BYTES + 1];
    } params[API_PARAMS_MAX];
    char allow[64];      /* "GET, HEAD, POST" after ERR_METHOD */
};

const struct api_row *api_row(enum api_op op);
/* `path` as it stands in the request line, still percent-encoded, without the query. HEAD is matched as GET.
   OK; ERR_NOT_FOUND; ERR_METHOD (a path that is there, with other methods: `allow`); ERR_BAD_REQUEST (broken % escape). */
enum err api_match(const char *method, const char *path, struct api_match *match) MUST_USE;
const char *api_param(const struct api_match *match, const char *name); /* must be one of the path's names */
/* The path of an operation, its parameters in the order of the path, percent-encoded. ERR_TOO_LARGE when `size` does not do. */
enum err api_path(enum api_op op, const char *const *params, char *path, size_t size) MUST_USE;
/* Appends "?key=value" or "&key=value", both percent-encoded, to a path. */
enum err api_query_add(char *path, size_t size, const char *key, const char *value) MUST_USE;
/* Everything but A-Z a-z 0-9 - . _ ~ becomes %XX. */
enum err api_encode(const char *text, char *to, size_t size) MUST_USE;
#endif
