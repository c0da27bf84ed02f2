/* api_schema: openapi.json as it is embedded, and the JSON Schemas that are cut from it. */
#ifndef SERVER_API_SCHEMA_H
#define SERVER_API_SCHEMA_H
#include <stddef.h>
#include "schema/base/err.h"

struct api_document {
    const char *text;
    size_t length;
    char etag[65]; /* sha256 */
};
/* Before the first request, from one thread: parses and cuts. */
void api_schema_init(void);
const struct api_document *api_schema_openapi(void);
/* "job", "loss", ...: complete in itself ($defs). NULL with a note that names the nearest. */
const struct api_document *api_schema_find(const char *name, struct err_note *note);
#endif
