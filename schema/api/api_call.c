/* api_call: a call until it is answered: what is tried again, and when; event streams. */
#include "schema/api/api_call.h"

#include <string.h>

#include "schema/api/api_request.h"
#include "schema/api/api_try.h"
#include "schema/api/sse_read.h"
#include "schema/base/clock.h"

static bool try_again(const struct api_call *call, const struct api_reply *reply, enum err e, const struct api_tried *tried)
{
    if (e == OK || e == ERR_CANCELLED || call->retry_ms <= 0) return false;
    bool harmless = strcmp(api_row(call->op)->method, "POST") || call->idempotency_key || call->lease_token || call->repeatable;
    if (reply->status == 0) return e == ERR_UNREACHABLE && (harmless || tried->unsent);
    if (reply->status == 429 || reply->status == 503) return true;
    return harmless && (reply->status == 500 || reply->status == 502 || reply->status == 504);
}

/* false when the call was stopped meanwhile */
static bool sleep_or_stop(int64_t ms, const atomic_bool *stop)
{
    for (int64_t until = clock_mono_ms() + ms, now; (now = clock_mono_ms()) < until;) {
        if (stop && *stop) return false;
        clock_sleep_ms(until - now < API_POLL_MS ? until - now : API_POLL_MS);
    }
    return !(stop && *stop);
}

enum err api_call(struct api_client *client, const struct api_call *call, struct api_reply *reply, struct err_note *note)
{
    char address[API_ADDRESS_MAX];
    memset(reply, 0, sizeof *reply);
    enum err e = api_address(api_client_server(client), call->op, call->params, address);
    if (e) return err_set(note, e, api_row(call->op)->path, "a parameter is too long");
    if (call->upload_path) e = sha256_hex_of_file(call->upload_path, reply->sha256, note);
    if (!e && call->upload_path && call->want_sha256 && strcmp(reply->sha256, call->want_sha256))
        return err_set(note, ERR_DIGEST, call->upload_path, "the file has another content than was promised");
    int64_t started = clock_mono_ms();
    while (!e) {
        struct api_tried tried;
        e = api_try(client, call, address, NULL, reply, &tried, note);
        int64_t left = started + call->retry_ms - clock_mono_ms();
        if (!try_again(call, reply, e, &tried) || left <= 0) break;
        int64_t wait = api_backoff_ms(reply->tries - 1, tried.retry_after_s, api_dice());
        if (!sleep_or_stop(wait < left ? wait : left, call->stop)) {
            e = err_set(note, ERR_CANCELLED, api_client_server(client), "the call was stopped");
            break;
        }
        e = OK;
    }
    return e;
}

enum err api_events(struct api_client *client, const struct api_call *call, const char *last_id, api_event_fn *seen, void *user,
                    char *last_id_out, struct err_note *note)
{
    char address[API_ADDRESS_MAX];
    enum err e = api_address(api_client_server(client), call->op, call->params, address);
    if (e) return err_set(note, e, api_row(call->op)->path, "a parameter is too long");
    struct sse_reader events;
    struct api_reply reply = {0};
    sse_reader_init(&events, seen, user);
    if (last_id && strlen(last_id) < SSE_ID_MAX) strcpy(events.id, last_id);
    for (int64_t heard = clock_mono_ms();;) {
        struct api_tried tried;
        char before[SSE_ID_MAX];
        strcpy(before, events.id);
        sse_reader_restart(&events);
        e = api_try(client, call, address, &events, &reply, &tried, note);
        if (strcmp(before, events.id)) { /* news came: the patience and the back-off begin anew */
            heard = clock_mono_ms();
            reply.tries = 1;
        }
        int64_t left = heard + call->retry_ms - clock_mono_ms(), wait = api_backoff_ms(reply.tries - 1, tried.retry_after_s, api_dice());
        if (!try_again(call, &reply, e, &tried) || left <= 0 || !sleep_or_stop(wait < left ? wait : left, call->stop)) break;
    }
    if (last_id_out) strcpy(last_id_out, events.id);
    sse_reader_free(&events);
    api_reply_free(&reply);
    return e;
}
