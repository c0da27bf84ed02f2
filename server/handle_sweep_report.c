/* handle_sweep_report: the trials of a sweep, and its report as JSON, Markdown or HTML. */
#include "server/handle.h"

#include <stdlib.h>
#include <string.h>
#include "schema/base/json_text.h"
#include "server/desk.h"
#include "server/must.h"
#include "server/queue_sweep.h"
#include "server/report.h"

enum { REPORT_BYTES_MAX = 32 << 20 };

void handle_sweep_trials(struct http_request *r)
{
    handle_posted(r, queue_sweep_trials(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), handle_done_200, r));
}

static enum err print_json(const json_t *report, struct buf *to)
{
    return json_text_write(report, to);
}

static const struct form {
    const char *word, *type;
    enum err (*print)(const json_t *report, struct buf *to);
} forms[] = {
    {"json", "application/json", print_json},
    {"md", "text/markdown; charset=utf-8", report_markdown},
    {"html", "text/html; charset=utf-8", report_html},
};
enum { FORMS = sizeof forms / sizeof forms[0] };

struct errand { /* a report on its way: pages of trials from the store to the desk, until it has all of them */
    struct http_request *request;
    const struct form *form;
    char *page;
    int64_t next;
    json_t *sweep, *trials;
    struct report_images *images;
};

static void free_errand(void *state)
{
    struct errand *e = state;
    free(e->page);
    json_decref(e->sweep);
    json_decref(e->trials);
    report_images_free(e->images);
    free(e);
}

/* ---- on the desk's thread ------------------------------------------------------------------------------------------- */
static void write_report(struct errand *e)
{
    struct buf text;
    buf_init(&text, REPORT_BYTES_MAX);
    json_t *results = json_pack("{s:O, s:O}", "sweep", e->sweep, "trials", e->trials), *report = report_make(results, e->images);
    enum err error = e->form->print(report, &text);
    size_t length = text.length;
    if (error)
        http_reply_err(e->request, error, NULL);
    else
        http_reply_take(e->request, 200, e->form->type, buf_take(&text), length);
    http_reply_header(e->request, "Vary", "Accept");
    buf_free(&text);
    json_decref(results);
    json_decref(report);
    http_finish(e->request);
}

static void ask_for_page(struct errand *e);

/* A trial's images are boiled down at once: all of them together would be more than a report may hold. */
static void take_page(void *context)
{
    struct errand *e = context;
    json_t *page = json_loads(e->page, 0, NULL), *one;
    size_t i;
    free(e->page);
    e->page = NULL;
    if (!e->sweep) e->sweep = json_incref(json_object_get(page, "sweep"));
    json_array_foreach(json_object_get(page, "trials"), i, one) {
        json_array_append(e->trials, json_object_get(one, "trial"));
        report_images_add(e->images, json_object_get(one, "images"));
    }
    json_decref(page);
    if (e->next < 0) write_report(e);
    else ask_for_page(e);
}

/* ---- on the store's ---------------------------------------------------------------------------------------------------- */
static void got_page(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    struct errand *e = http_state(r);
    if (handle_failed(r, reply)) return;
    e->next = reply->next;
    e->page = queue_take_json(reply, NULL);
    if (!desk_post(handle_app(r)->desk, take_page, e)) handle_refuse(r, ERR_BUSY, NULL);
}

static void ask_for_page(struct errand *e)
{
    struct http_request *r = e->request;
    handle_posted(r, queue_sweep_results(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), e->next, got_page, r));
}

static const struct form *form_of(struct http_request *r)
{
    const char *word = http_query(r, "format");
    if (!word) return http_accepts(r, "text/html") ? &forms[2] : http_accepts(r, "text/markdown") ? &forms[1] : &forms[0];
    for (int i = 0; i < FORMS; i++)
        if (!strcmp(forms[i].word, word)) return &forms[i];
    handle_refuse_word(r, "format", word, "json, md or html");
    return NULL;
}

void handle_sweep_report(struct http_request *r)
{
    const struct form *form = form_of(r);
    if (!form) return;
    struct errand *e = must_calloc(1, sizeof *e);
    *e = (struct errand){.request = r, .form = form, .next = -1, .trials = json_array(), .images = report_images_new()};
    http_set_state(r, e, free_errand);
    ask_for_page(e);
}
