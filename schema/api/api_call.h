/* api_call: the one HTTP client of agent and command line: an operation of api.tbl by name, JSON or a file in and out. */
#ifndef SCHEMA_API_API_CALL_H
#define SCHEMA_API_API_CALL_H
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "schema/api/api_table.h"
#include "schema/base/err.h"
#include "schema/base/sha256.h"

/* Intended use
     struct api_settings settings = {.program = "tandem"};
     struct api_client *client;
     api_client_new(&settings, &client, &note)
     struct api_call call = {.op = API_JOB_GET, .params = {{"id", id}, {"wait", "25"}}, .retry_ms = 60000};
     struct api_reply reply;
     enum err e = api_call(client, &call, &reply, &note);     reply.json is the body
     api_reply_free(&reply);
   Only http and https, no redirects followed, no signals used, certificates always checked, proxies as libcurl's
   environment says. What a server or a proxy answers is never trusted further than its JSON parses. */

/* Address, token and kept-alive connections. Threads may share one; a call that parks for long (heartbeat, events) has a
   connection to itself as long as it lasts. */
struct api_client;
struct api_settings {
    const char *server;      /* NULL: TANDEM_SERVER, else http://127.0.0.1:8080 */
    const char *token;       /* NULL: TANDEM_TOKEN, else the first line of the token file, else none is sent */
    const char *token_file;  /* NULL: TANDEM_TOKEN_FILE */
    const char *ca_file;     /* NULL: TANDEM_CA_FILE, else the system's */
    const char *program;     /* for User-Agent: "tandem", "tandem-worker" */
};
/* ERR_BAD_REQUEST for an address that is not http(s), ERR_IO for a token file that cannot be read. All strings are copied. */
enum err api_client_new(const struct api_settings *settings, struct api_client **client, struct err_note *note) MUST_USE;
void api_client_free(struct api_client *client); /* no call may be in flight; NULL is fine */
const char *api_client_server(const struct api_client *client); /* "http://127.0.0.1:8080", no slash at the end */

enum { API_CALL_PARAMS_MAX = 16, API_REPLY_BYTES_MAX = 64 << 20, API_TIMEOUT_MS = 30000 };
struct api_param {
    const char *name, *value; /* a {name} of the operation's path is filled (and escaped), any other goes into the query; NULL value: left out */
};
struct api_call {
    enum api_op op;
    struct api_param params[API_CALL_PARAMS_MAX]; /* ends at the first NULL name */
    /* the body: at most one of the three */
    const json_t *body;
    const char *body_text;       /* NUL-terminated JSON, sent as it is */
    const char *upload_path;     /* streamed with its length; its sha256 goes before it as Tandem-Sha256 */
    /* headers; NULL: not sent */
    const char *idempotency_key; /* of a submit: repeated as it is on every try */
    const char *lease_token;
    const char *if_none_match;
    const char *accept;          /* NULL: application/json */
    /* where a 2xx body goes: NULL into the reply, else into this file (written beside it, synced, renamed) */
    const char *download_path;
    const char *want_sha256;     /* of the download or of the upload, 64 hex digits; NULL: not checked. A mismatch is ERR_DIGEST: no
                                    file remains of a download, nothing is sent of an upload (reply.status is 0) */
    int64_t download_bytes_max;  /* 0: no limit; more is ERR_TOO_LARGE */
    /* time: */
    int64_t timeout_ms;          /* of one try; 0: API_TIMEOUT_MS, plus what a `wait` parameter asks for. Streams of files have no
                                    limit in all but end when under 100 bytes/s for as long */
    int64_t retry_ms;            /* 0: one try. Else no connection, 429 and 503 are tried again until this much has gone by;
                                    500, 502, 504 and a connection that broke too, where repeating is harmless: GET, PUT, an
                                    idempotency key, a Lease-Token, `repeatable`. Full-jitter back-off from 0.5 to 30 s, Retry-After honoured */
    bool repeatable;             /* the caller says that doing it twice does no harm (a seq or a claim key is in the body) */
    const atomic_bool *stop;     /* when it turns true the call ends with ERR_CANCELLED within 0.2 s; NULL: never */
};
struct api_reply {
    int status;                  /* HTTP status, 0 when no server answered */
    json_t *json;                /* the body when it is JSON (a problem too); NULL otherwise */
    char *text;                  /* the body as received, NUL-terminated; NULL when there is none or it went into a file */
    size_t bytes;                /* of the body */
    char etag[128], location[256], request_id[64];
    char sha256[SHA256_HEX];     /* of the downloaded or uploaded file */
    int tries;
};
/* OK for 2xx and 304. A problem reply gives the error of its first known code, with `note` filled from it (pointer, detail,
   found, allowed, nearest); no answer: ERR_UNREACHABLE with the address and the reason. The caller frees the reply in every case. */
enum err api_call(struct api_client *client, const struct api_call *call, struct api_reply *reply, struct err_note *note) MUST_USE;
void api_reply_free(struct api_reply *reply); /* may be called twice */
/* Every mistake of a problem reply (errors[]), or the problem itself when it lists none. */
void api_problem_read(const struct api_reply *reply, struct err_list *errors);

/* Server-sent events. `seen` is called for each event; its strings live until it returns; not 0 = stop, result OK. */
struct api_event {
    const char *id, *event, *data; /* "" when absent */
    size_t data_bytes;
};
typedef int api_event_fn(void *user, const struct api_event *event);
/* Reads a stream (API_JOB_EVENTS, API_EVENTS) after `last_id` (NULL or "": from its beginning) until `seen` says stop, the
   server ends it (OK) or an error. `last_id_out` (size 64, may be NULL) is kept at the last id handed to `seen`, so a
   caller can call again with it. Silence of 45 s (three pings) is ERR_UNREACHABLE. With call->retry_ms it reconnects by
   itself, after the last id, until that long has gone by without an event. */
enum err api_events(struct api_client *client, const struct api_call *call, const char *last_id, api_event_fn *seen, void *user,
                    char *last_id_out, struct err_note *note) MUST_USE;
#endif
