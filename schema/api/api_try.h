/* api_try: one try of a call; what api_call.c repeats, and nobody else includes. */
#ifndef SCHEMA_API_API_TRY_H
#define SCHEMA_API_API_TRY_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/api/api_call.h"
#include "schema/api/sse_read.h"

enum { API_POLL_MS = 100 }; /* bounds how late `stop` is seen */
struct api_tried {
    bool unsent;           /* no connection came about: the server cannot have seen it */
    int64_t retry_after_s; /* 0: the server said none */
};
/* To `address`, made by api_address. `events` NULL: not a stream; else it goes on after events->id. What the reply held is freed, but its
   tries (one more) and its sha256 (of the upload) stay. */
enum err api_try(struct api_client *client, const struct api_call *call, const char *address, struct sse_reader *events,
                 struct api_reply *reply, struct api_tried *tried, struct err_note *note) MUST_USE;
#endif
