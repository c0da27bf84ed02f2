/* handle_blobs: files in and out: artifacts of an attempt, data sets, downloads. */
#include "server/handle.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/buf.h"
#include "schema/base/json_fields.h"
#include "schema/base/json_text.h"
#include "schema/job/dataset_json.h"
#include "server/digest_header.h"
#include "server/json_body.h"
#include "server/must.h"

/* ---- downloads ------------------------------------------------------------------------------------------------- */
void handle_job_artifact(struct http_request *r)
{
    handle_posted(r, queue_artifact(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), http_param(r, "name"), handle_file, r));
}

void handle_worker_dataset(struct http_request *r)
{
    handle_posted(r, queue_dataset_blob(handle_app(r)->queue, http_param(r, "sha256"), handle_file, r));
}

static void lease_held(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (handle_failed(r, reply)) return;
    handle_posted(r, queue_artifact(handle_app(r)->queue, http_param(r, "job"), NULL, http_param(r, "name"), handle_file, r));
}

/* The lease that the path and Lease-Token name. False: refused and ended. */
static bool header_lease(struct http_request *r, struct queue_lease *lease)
{
    const char *token = http_header(r, "Lease-Token");
    struct err_note note = {0};
    if (token) return handle_lease(r, token, lease);
    handle_refuse(r, err_set(&note, ERR_BAD_REQUEST, "Lease-Token", "this header is missing: it proves that the job is yours"), &note);
    return false;
}

void handle_attempt_artifact_get(struct http_request *r)
{
    struct queue_lease lease;
    if (!header_lease(r, &lease)) return;
    handle_posted(r, queue_check_lease(handle_app(r)->queue, &lease, lease_held, r));
}

/* ---- uploads: what both kinds share -------------------------------------------------------------------------------- */
struct upload {
    struct blob_upload *blob;   /* while bytes arrive; NULL before the first and after the last */
    struct buf json;            /* a generator spec instead of an archive */
    bool is_json;
    char want_sha256[SHA256_HEX];
    struct queue_artifact_put put; /* artifacts: filled at the head; its strings live with the request */
    blob_done *stored;
};
enum { GENERATOR_BYTES_MAX = 65536 };

static void free_upload(void *state)
{
    struct upload *u = state;
    assert(!u->blob);
    buf_free(&u->json);
    free(u);
}

static struct upload *new_upload(struct http_request *r)
{
    struct upload *u = must_calloc(1, sizeof *u);
    buf_init(&u->json, GENERATOR_BYTES_MAX);
    http_set_state(r, u, free_upload);
    return u;
}

static void upload_room(void *context)
{
    http_sink_go(context);
}

static size_t upload_piece(struct http_request *r, const char *bytes, size_t length)
{
    struct upload *u = http_state(r);
    if (!u->blob) u->blob = blob_begin(handle_app(r)->blobs, http_route_of(r)->body_bytes_max, upload_room, r);
    return blob_piece(u->blob, bytes, length);
}

static void upload_broken(struct http_request *r)
{
    struct upload *u = http_state(r);
    if (u && u->blob) blob_abort(u->blob);
    if (u) u->blob = NULL;
    http_finish(r);
}

/* The sha256 that the head promises into `want`, "" when none. False: refused and ended. */
static bool read_digest(struct http_request *r, bool required, char want[SHA256_HEX])
{
    struct err_note note = {0};
    enum err e = digest_header_read(http_header(r, "Tandem-Sha256"), http_header(r, "Content-Digest"), want, &note);
    if (!e && required && !*want)
        e = err_set(&note, ERR_BAD_REQUEST, "Tandem-Sha256", "send Tandem-Sha256: HEX or Content-Digest: sha-256=:BASE64:");
    if (e) handle_refuse(r, e, &note);
    return !e;
}

/* The body is complete: file, then row. An empty body is a file of no bytes. */
static void store_upload(struct http_request *r, struct upload *u, blob_done *stored)
{
    struct blob_upload *blob = u->blob;
    if (!blob) blob = blob_begin(handle_app(r)->blobs, 0, upload_room, r);
    u->blob = NULL;
    blob_finish(blob, u->want_sha256, stored, r);
}

/* ---- PUT artifact ---------------------------------------------------------------------------------------------------- */
static const char *const kind_words[] = {"checkpoint", "model", "preview", "curve", "other", NULL};

static bool refuse_query(struct http_request *r, const char *name, const char *found, const char *allowed)
{
    struct err_note note = {0};
    err_set(&note, ERR_BAD_REQUEST, name, "\"%s\" is not %s", found, allowed);
    err_print(note.found, sizeof note.found, "%s", found);
    err_print(note.allowed, sizeof note.allowed, "%s", allowed);
    handle_refuse(r, ERR_BAD_REQUEST, &note);
    return false;
}

static bool read_kind(struct http_request *r, const char **kind)
{
    const char *given = http_query(r, "kind");
    *kind = "other";
    if (!given) return true;
    for (int i = 0; kind_words[i]; i++)
        if (!strcmp(kind_words[i], given)) *kind = kind_words[i];
    return !strcmp(*kind, given) || refuse_query(r, "kind", given, "one of: checkpoint, model, preview, curve, other");
}

static bool read_score(struct http_request *r, struct queue_artifact_put *put)
{
    const char *given = http_query(r, "score");
    char *end;
    if (!given) return true;
    put->has_score = true;
    put->score = strtod(given, &end);
    return (end != given && !*end && isfinite(put->score)) || refuse_query(r, "score", given, "a finite number");
}

static void may_upload(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (!handle_failed(r, reply)) http_sink_go(r);
}

static void artifact_begin(struct http_request *r)
{
    struct upload *u = new_upload(r);
    struct queue_artifact_put *put = &u->put;
    put->name = http_param(r, "name");
    if (!header_lease(r, &put->lease) || !read_kind(r, &put->kind) || !read_score(r, put)) return;
    if (!handle_query(r, "step", 0, INT64_MAX, -1, &put->step) || !handle_query(r, "epoch", 0, INT64_MAX, -1, &put->epoch)) return;
    if (!read_digest(r, true, u->want_sha256)) return;
    handle_posted(r, queue_check_lease(handle_app(r)->queue, &put->lease, may_upload, r));
}

const struct http_sink sink_attempt_artifact_put = {artifact_begin, upload_piece, upload_broken};

static void artifact_stored(void *context, enum err e, const char *sha256, int64_t bytes)
{
    struct http_request *r = context;
    struct upload *u = http_state(r);
    if (e) {
        handle_refuse(r, e, NULL);
        return;
    }
    u->put.sha256 = sha256;
    u->put.bytes = bytes;
    handle_posted(r, queue_artifact_put(handle_app(r)->queue, &u->put, handle_done_201, r));
}

void handle_attempt_artifact_put(struct http_request *r)
{
    store_upload(r, http_state(r), artifact_stored);
}

/* ---- data sets -------------------------------------------------------------------------------------------------------- */
void handle_dataset_list(struct http_request *r)
{
    handle_posted(r, queue_datasets(handle_app(r)->queue, handle_done_200, r));
}

void handle_dataset_get(struct http_request *r)
{
    handle_posted(r, queue_dataset(handle_app(r)->queue, http_param(r, "name"), handle_done_200, r));
}

static void dataset_begin(struct http_request *r)
{
    struct upload *u = new_upload(r);
    if (read_digest(r, false, u->want_sha256)) http_sink_go(r);
}

/* No archive begins with '{', and curl -d says nothing useful in Content-Type: the first byte decides. */
static size_t dataset_piece(struct http_request *r, const char *bytes, size_t length)
{
    struct upload *u = http_state(r);
    struct err_note note = {0};
    if (!u->blob && !u->json.length && length && bytes[0] == '{') u->is_json = true;
    if (!u->is_json) return upload_piece(r, bytes, length);
    if (!buf_add(&u->json, bytes, length)) return length;
    handle_refuse(r, err_set(&note, ERR_TOO_LARGE, "", "a generator spec has at most %d bytes", GENERATOR_BYTES_MAX), &note);
    return length;
}

const struct http_sink sink_dataset_put = {dataset_begin, dataset_piece, upload_broken};

static void dataset_stored(void *context, enum err e, const char *sha256, int64_t bytes)
{
    struct http_request *r = context;
    if (e) {
        handle_refuse(r, e, NULL);
        return;
    }
    struct queue_dataset_put put = {.name = http_param(r, "name"), .sha256 = sha256, .bytes = bytes, .token_id = http_caller(r)->id};
    handle_posted(r, queue_dataset_put(handle_app(r)->queue, &put, handle_done_201, r));
}

static const struct field generator_fields[] = {{.name = "generate", .type = FIELD_OTHER, .required = true}, {0}};

/* {"generate": {...}} resolved, as text; the caller frees it. NULL: `errors` or `note` say why. */
static char *resolve_generator(const struct buf *text, struct err_list *errors, struct err_note *note)
{
    struct dataset_generate generate = {0};
    json_t *body = NULL;
    char *resolved = NULL;
    if (json_of_text(text->data, text->length, JSON_DEPTH_MAX, &body, note)) return NULL;
    json_fields_read(body, generator_fields, &generate, "", errors);
    dataset_generate_read(json_object_get(body, "generate"), &generate, "/generate", errors);
    json_decref(body);
    if (errors->count) return NULL;
    struct buf out;
    buf_init(&out, GENERATOR_BYTES_MAX);
    if (dataset_generate_print(&generate, &out)) err_set(note, ERR_NO_MEMORY, "", "no memory");
    resolved = buf_take(&out);
    buf_free(&out);
    return resolved;
}

static void put_generator(struct http_request *r, const struct upload *u)
{
    struct err_note note = {0};
    struct err_list errors = {0};
    char *generate = resolve_generator(&u->json, &errors, &note);
    struct queue_dataset_put put = {.name = http_param(r, "name"), .generate_json = generate, .token_id = http_caller(r)->id};
    if (generate)
        handle_posted(r, queue_dataset_put(handle_app(r)->queue, &put, handle_done_201, r));
    else if (errors.count)
        handle_refuse_all(r, &errors);
    else
        handle_refuse(r, note.code, &note);
    free(generate);
}

void handle_dataset_put(struct http_request *r)
{
    struct upload *u = http_state(r);
    struct err_note note = {0};
    if (u->is_json)
        put_generator(r, u);
    else if (!u->blob)
        handle_refuse(r, err_set(&note, ERR_BAD_REQUEST, "", "the body is empty: send one archive, or {\"generate\": {...}}"), &note);
    else
        store_upload(r, u, dataset_stored);
}
