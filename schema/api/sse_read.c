/* sse_read: lines end at LF, CR or CRLF; an empty line hands the event over; ": ..." is a ping. */
#include "schema/api/sse_read.h"

#include <string.h>

void sse_reader_init(struct sse_reader *reader, api_event_fn *seen, void *user)
{
    memset(reader, 0, sizeof *reader);
    buf_init(&reader->line, SSE_LINE_BYTES_MAX);
    buf_init(&reader->event, SSE_ID_MAX);
    buf_init(&reader->data, SSE_EVENT_BYTES_MAX);
    reader->seen = seen;
    reader->user = user;
}

void sse_reader_free(struct sse_reader *reader)
{
    buf_free(&reader->line);
    buf_free(&reader->event);
    buf_free(&reader->data);
}

void sse_reader_restart(struct sse_reader *reader)
{
    buf_reset(&reader->line);
    buf_reset(&reader->event);
    buf_reset(&reader->data);
    strcpy(reader->next_id, reader->id);
    reader->after_cr = reader->started = false;
}

static void hand_over(struct sse_reader *reader)
{
    strcpy(reader->id, reader->next_id);
    if (reader->data.length) { /* without data there is no event, but the id counts */
        const struct api_event event = {reader->id, reader->event.length ? reader->event.data : "message", reader->data.data,
                                        reader->data.length - 1};
        reader->data.data[reader->data.length - 1] = 0; /* the last line's LF is not part of it */
        reader->stopped = reader->seen(reader->user, &event);
    }
    buf_reset(&reader->event);
    buf_reset(&reader->data);
}

static enum err take_line(struct sse_reader *reader)
{
    char *line = reader->line.length ? reader->line.data : NULL;
    if (!line) {
        hand_over(reader);
        return OK;
    }
    char *value = strchr(line, ':');
    enum err e = OK;
    if (value != line) { /* a line that starts with ':' is a comment */
        if (value) *value++ = 0;
        if (value && *value == ' ') value++;
        if (!value) value = line + strlen(line);
        if (!strcmp(line, "data")) {
            e = buf_text(&reader->data, value);
            if (!e) e = buf_text(&reader->data, "\n");
        } else if (!strcmp(line, "event")) {
            buf_reset(&reader->event);
            e = buf_text(&reader->event, value);
        } else if (!strcmp(line, "id") && strlen(value) < SSE_ID_MAX) {
            strcpy(reader->next_id, value);
        }
    }
    buf_reset(&reader->line);
    return e;
}

enum err sse_reader_add(struct sse_reader *reader, const char *bytes, size_t length)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* a byte order mark may come first */
    enum err e = OK;
    for (size_t i = 0; i < length && !e && !reader->stopped; i++) {
        char c = bytes[i];
        if (c == '\n' && reader->after_cr) {
            reader->after_cr = false;
            continue;
        }
        reader->after_cr = c == '\r';
        if (c == '\r' || c == '\n') {
            e = take_line(reader);
            reader->started = true;
            continue;
        }
        e = buf_add(&reader->line, &c, 1);
        if (!e && !reader->started && reader->line.length == 3 && !memcmp(reader->line.data, mark, 3)) buf_reset(&reader->line);
    }
    return e;
}
