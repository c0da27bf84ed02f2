/* json_body: a request's body as JSON: no duplicate keys, no deep nesting, no bytes after it. */
#ifndef SERVER_JSON_BODY_H
#define SERVER_JSON_BODY_H
#include <jansson.h>
#include "schema/base/json_text.h"
#include "server/http.h"

/* JSON_DEPTH_MAX is the depth that bodies may have. */
/* The caller owns *json. ERR_BAD_JSON with "line L column C: ..." in the note. */
enum err json_of_text(const char *text, size_t length, int depth_max, json_t **json, struct err_note *note) MUST_USE;
/* The same of the request's body (its size is the route's business). An empty body is ERR_BAD_JSON. */
enum err http_json_body(const struct http_request *r, json_t **json, struct err_note *note) MUST_USE;
#endif
