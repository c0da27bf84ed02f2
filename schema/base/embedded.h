/* embedded: the bytes of schema/sql, schema/examples and openapi.json inside the program (made by the Makefile). */
#ifndef SCHEMA_BASE_EMBEDDED_H
#define SCHEMA_BASE_EMBEDDED_H
#include <stddef.h>
struct embedded_file {
    const char *path; /* "schema/sql/0001_jobs.sql" */
    const unsigned char *bytes; /* followed by a NUL that is not counted */
    size_t length;
};
extern const struct embedded_file embedded_files[]; /* sorted by path; ends with path == NULL */
#endif
