/* sse_read: server-sent events out of bytes that arrive in any pieces (the HTML standard's event stream, UTF-8). */
#ifndef SCHEMA_API_SSE_READ_H
#define SCHEMA_API_SSE_READ_H
#include "schema/api/api_call.h"
#include "schema/base/buf.h"

enum { SSE_LINE_BYTES_MAX = 1 << 20, SSE_EVENT_BYTES_MAX = 4 << 20, SSE_ID_MAX = 64 };
struct sse_reader {
    struct buf line, event, data;
    char id[SSE_ID_MAX];      /* of the last event handed over; a resume starts after it */
    char next_id[SSE_ID_MAX];
    bool after_cr, started;
    api_event_fn *seen;
    void *user;
    int stopped;              /* what `seen` returned */
};
void sse_reader_init(struct sse_reader *reader, api_event_fn *seen, void *user);
void sse_reader_free(struct sse_reader *reader);
void sse_reader_restart(struct sse_reader *reader); /* a new connection: half a line is forgotten, the id stays */
/* ERR_TOO_LARGE for a line or an event past its limit. After `stopped` nothing more is read. */
enum err sse_reader_add(struct sse_reader *reader, const char *bytes, size_t length) MUST_USE;
#endif
