/* handle_meta: what the server says about itself: page, health, version, figures, description, schemas, strategies, alpha. */
#include "server/handle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/buf.h"
#include "schema/base/clock.h"
#include "schema/base/json_text.h"
#include "schema/job/job_spec_json.h"
#include "schema/job/job_state.h"
#include "server/api_schema.h"
#include "server/json_body.h"

/* ---- the page ------------------------------------------------------------------------------------------------- */
#define PAGE_LINES \
    "curl -d @schema/examples/constant.json HOST/v1/jobs      submit a job: 201 and its address\n" \
    "curl \"HOST/v1/jobs/ID?wait=25\"                           its state, epoch, ETA, Dice, alpha\n" \
    "curl -N HOST/v1/jobs/ID/events                            what happens, as it happens\n" \
    "curl \"HOST/v1/jobs/ID/metrics?format=csv\"                what was measured\n" \
    "curl HOST/v1/jobs/ID/artifacts/model.safetensors -OJ      the model\n" \
    "curl -T archive.tar HOST/v1/datasets/NAME                 register a data set\n" \
    "curl HOST/v1/strategies                                   how the two losses can be combined\n" \
    "curl HOST/v1/openapi.json                                 every operation, every field\n"
static const char page_text[] =
    "Tandem " TANDEM_VERSION " trains Dice and cross-entropy together: segmentation jobs over HTTP.\n"
    "HOST is this address. With tokens, add -H \"Authorization: Bearer SECRET\".\n\n" PAGE_LINES;
static const char page_html[] =
    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Tandem</title>\n"
    "<h1>Tandem " TANDEM_VERSION "</h1>\n<p>trains Dice and cross-entropy together: segmentation jobs over HTTP. "
    "HOST is this address. With tokens, add <code>-H \"Authorization: Bearer SECRET\"</code>.</p>\n<pre>\n" PAGE_LINES "</pre>\n"
    "<p><a href=\"/v1/openapi.json\">openapi.json</a> <a href=\"/v1/schemas/job\">job schema</a> <a href=\"/v1/strategies\">strategies</a> "
    "<a href=\"/v1/jobs\">jobs</a> <a href=\"/v1/workers\">workers</a></p>\n</html>\n";

void handle_root(struct http_request *r)
{
    if (http_accepts(r, "text/html"))
        http_reply_static(r, 200, "text/html; charset=utf-8", page_html, sizeof page_html - 1);
    else
        http_reply_static(r, 200, "text/plain; charset=utf-8", page_text, sizeof page_text - 1);
    http_reply_header(r, "Vary", "Accept");
    http_finish(r);
}

/* ---- health --------------------------------------------------------------------------------------------------- */
static const char ok_text[] = "{\"status\":\"ok\"}";

void handle_livez(struct http_request *r)
{
    http_reply_static(r, 200, "application/json", ok_text, sizeof ok_text - 1);
    http_finish(r);
}

static void ready(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    if (reply->error || http_stopping(r))
        handle_refuse(r, ERR_BUSY, &reply->note);
    else
        handle_livez(r);
}

void handle_readyz(struct http_request *r)
{
    handle_posted(r, queue_counts(handle_app(r)->queue, ready, r));
}

void handle_version(struct http_request *r)
{
    handle_reply(r, 200, json_pack("{s:s, s:i}", "version", TANDEM_VERSION, "protocol", 1));
}

/* ---- figures ---------------------------------------------------------------------------------------------------- */
struct figure {
    const char *name, *type, *help;
    double value;
};

static enum err add_figures(struct buf *b, const struct figure *figures, size_t count)
{
    enum err e = OK;
    for (size_t i = 0; i < count && !e; i++) {
        char value[32];
        json_text_number(figures[i].value, 0, value);
        e = buf_printf(b, "# HELP tandem_%s %s\n# TYPE tandem_%s %s\ntandem_%s %s\n", figures[i].name, figures[i].help, figures[i].name,
                       figures[i].type, figures[i].name, value);
    }
    return e;
}

static enum err add_jobs(struct buf *b, const json_t *counts)
{
    const json_t *jobs = json_object_get(counts, "jobs");
    enum err e = buf_text(b, "# HELP tandem_jobs jobs by state\n# TYPE tandem_jobs gauge\n");
    for (int s = 0; s < JOB_STATE_COUNT && !e; s++) {
        const char *word = job_state_word((enum job_state)s);
        e = buf_printf(b, "tandem_jobs{state=\"%s\"} %lld\n", word, (long long)json_integer_value(json_object_get(jobs, word)));
    }
    return e;
}

static enum err add_all(struct buf *b, struct app *app, const json_t *counts)
{
    struct store_counters store;
    struct http_counters http = {0};
    store_count(app->store, &store);
    if (app->http) http_count(app->http, &http);
    const json_t *workers = json_object_get(counts, "workers");
    const struct figure figures[] = {
        {"uptime_seconds", "gauge", "since the daemon started", (double)(clock_mono_ms() - app->started_mono_ms) / 1000},
        {"workers_alive", "gauge", "workers heard of within a lease", json_number_value(json_object_get(workers, "alive"))},
        {"workers_known", "gauge", "workers ever registered and kept", json_number_value(json_object_get(workers, "known"))},
        {"queue_oldest_age_seconds", "gauge", "how long the oldest queued job waits", json_number_value(json_object_get(counts, "oldest_queued_s"))},
        {"http_requests_total", "counter", "requests answered", (double)http.requests},
        {"http_refused_total", "counter", "requests refused at their head", (double)http.refused},
        {"http_parked", "gauge", "long-polls that wait", (double)http.parked},
        {"http_streams", "gauge", "event streams that are open", (double)http.streams},
        {"http_connections", "gauge", "connections that are open", (double)http.connections},
        {"store_commands_total", "counter", "commands run by the store", (double)store.commands},
        {"store_batches_total", "counter", "commits", (double)store.batches},
        {"store_batch_max", "gauge", "most commands in one commit", (double)store.batch_max},
        {"store_commit_seconds_total", "counter", "time spent in commits", (double)store.commit_ns / 1e9},
        {"store_waiting", "gauge", "commands that wait", (double)store.waiting},
        {"store_wal_bytes", "gauge", "size of the write-ahead log", (double)store.wal_bytes},
        {"disk_free_bytes", "gauge", "free space where the blobs are", (double)blob_free_bytes(app->blobs)},
    };
    enum err e = buf_printf(b, "# HELP tandem_build_info version\n# TYPE tandem_build_info gauge\ntandem_build_info{version=\"%s\"} 1\n", TANDEM_VERSION);
    if (!e) e = add_jobs(b, counts);
    return e ? e : add_figures(b, figures, sizeof figures / sizeof figures[0]);
}

static void counted(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    struct buf b;
    if (handle_failed(r, reply)) return;
    json_t *counts = json_loads(reply->json, 0, NULL);
    buf_init(&b, 65536);
    enum err e = add_all(&b, handle_app(r), counts);
    json_decref(counts);
    size_t length = b.length;
    if (e)
        http_reply_err(r, e, NULL);
    else
        http_reply_take(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_take(&b), length);
    buf_free(&b);
    http_finish(r);
}

void handle_metrics(struct http_request *r)
{
    handle_posted(r, queue_counts(handle_app(r)->queue, counted, r));
}

/* ---- description ------------------------------------------------------------------------------------------------- */
static void send_document(struct http_request *r, const struct api_document *document, const char *type)
{
    char quoted[80];
    err_print(quoted, sizeof quoted, "\"%s\"", document->etag);
    if (http_not_modified(r, document->etag))
        http_reply_empty(r, 304);
    else
        http_reply_static(r, 200, type, document->text, document->length);
    http_reply_header(r, "ETag", quoted);
    http_finish(r);
}

void handle_openapi(struct http_request *r)
{
    send_document(r, api_schema_openapi(), "application/json");
}

void handle_schema(struct http_request *r)
{
    struct err_note note = {0};
    const struct api_document *schema = api_schema_find(http_param(r, "name"), &note);
    if (schema)
        send_document(r, schema, "application/schema+json");
    else
        handle_refuse(r, ERR_NOT_FOUND, &note);
}

void handle_strategies(struct http_request *r)
{
    handle_reply(r, 200, strategies_write());
}

void handle_alpha_preview(struct http_request *r)
{
    struct err_note note = {0};
    struct err_list errors = {0};
    json_t *body = NULL, *reply = NULL;
    enum err e = http_json_body(r, &body, &note);
    if (e) {
        handle_refuse(r, e, &note);
        return;
    }
    if (alpha_preview(body, &reply, &errors))
        handle_refuse_all(r, &errors);
    else
        handle_reply(r, 200, reply);
    json_decref(body);
}

void handle_backup(struct http_request *r)
{
    handle_posted(r, queue_backup(handle_app(r)->queue, handle_done_200, r));
}
