/* handle_images: what single validation images of a job scored, the worst first. */
#include "server/handle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "schema/job/image_scores.h"
#include "server/desk.h"
#include "server/must.h"

enum { LIMIT_USUAL = 20, LIMIT_MAX = 1000 };
static const struct order {
    const char *word;
    enum image_measure measure;
    int worst; /* -1: the lowest value is the worst, 1: the highest; 0: as the split has them */
} orders[] = {{"dice", IMAGE_DICE, -1}, {"nsd", IMAGE_NSD, -1}, {"hd95", IMAGE_HD95, 1}, {"split", IMAGE_DICE, 0}};
enum { ORDERS = sizeof orders / sizeof orders[0] };
static const char *const measure_words[IMAGE_MEASURES] = {[IMAGE_DICE] = "dice", [IMAGE_NSD] = "nsd", [IMAGE_HD95] = "hd95"};

struct errand { /* from the store to the desk */
    struct http_request *request;
    const struct order *order;
    int64_t limit;
    char *scores;
};

static void free_errand(void *state)
{
    free(((struct errand *)state)->scores);
    free(state);
}

/* ---- on the desk's thread ----------------------------------------------------------------------------------------- */
struct place {
    double badness; /* NaN: no value, behind all others */
    size_t image;
};

static int by_badness(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (isnan(x->badness) != isnan(y->badness)) return isnan(x->badness) ? 1 : -1;
    if (x->badness > y->badness || x->badness < y->badness) return x->badness > y->badness ? -1 : 1;
    return (x->image > y->image) - (x->image < y->image);
}

static void add_measures(json_t *to, const struct image_scores *s, size_t image, const size_t *class_at)
{
    for (enum image_measure m = 0; m < IMAGE_MEASURES; m++) {
        double x = class_at ? image_score_of_class(s, *class_at, image, m) : image_score(s, image, m);
        json_object_set_new(to, measure_words[m], isnan(x) ? json_null() : json_real(x));
    }
}

static json_t *image_row(const struct image_scores *s, size_t image)
{
    json_t *classes = json_array(), *row = json_pack("{s:O}", "id", json_array_get(s->ids, image));
    add_measures(row, s, image, NULL);
    for (size_t k = 0; k < s->classes; k++) {
        json_t *one = json_pack("{s:i, s:s, s:I, s:I}", "index", s->of[k].index, "name", s->of[k].name, "truth_pixels", (json_int_t)s->of[k].truth[image],
                                "predicted_pixels", (json_int_t)s->of[k].predicted[image]);
        add_measures(one, s, image, &k);
        json_array_append_new(classes, one);
    }
    json_object_set_new(row, "classes", classes);
    return row;
}

static json_t *image_rows(const struct image_scores *s, const struct order *order, int64_t limit)
{
    struct place *places = must_calloc(s->images + 1, sizeof *places);
    json_t *rows = json_array();
    for (size_t i = 0; i < s->images; i++) places[i] = (struct place){order->worst ? order->worst * image_score(s, i, order->measure) : 0, i};
    qsort(places, s->images, sizeof *places, by_badness);
    for (size_t i = 0; i < s->images && (int64_t)i < limit; i++) json_array_append_new(rows, image_row(s, places[i].image));
    free(places);
    return rows;
}

static void answer(void *context)
{
    struct errand *e = context;
    struct image_scores s = {0};
    struct err_list errors = {0};
    json_t *json = json_loads(e->scores, JSON_DECODE_ANY, NULL), *reply;
    if (json_is_null(json))
        reply = json_pack("{s:n, s:i, s:s, s:[]}", "epoch", "of", 0, "order", e->order->word, "images");
    else if (image_scores_read(json, "/images", &s, &errors))
        reply = NULL; /* was checked when it came in */
    else
        reply = json_pack("{s:I, s:I, s:s, s:o}", "epoch", (json_int_t)s.epoch, "of", (json_int_t)s.images, "order", e->order->word, "images", image_rows(&s, e->order, e->limit));
    if (reply) handle_reply(e->request, 200, reply);
    else handle_refuse(e->request, ERR_CORRUPT, NULL);
    image_scores_free(&s);
    json_decref(json);
}

static void got_scores(void *context, struct queue_reply *reply)
{
    struct http_request *r = context;
    struct errand *e = http_state(r);
    if (handle_failed(r, reply)) return;
    e->scores = queue_take_json(reply, NULL);
    if (!desk_post(handle_app(r)->desk, answer, e)) handle_refuse(r, ERR_BUSY, NULL);
}

static const struct order *order_of(struct http_request *r)
{
    const char *word = http_query(r, "order");
    if (!word) return &orders[0];
    for (int i = 0; i < ORDERS; i++)
        if (!strcmp(orders[i].word, word)) return &orders[i];
    handle_refuse_word(r, "order", word, "dice, nsd or hd95 (the worst first), or split");
    return NULL;
}

void handle_job_images(struct http_request *r)
{
    int64_t limit;
    const struct order *order = order_of(r);
    if (!order || !handle_query(r, "limit", 1, LIMIT_MAX, LIMIT_USUAL, &limit)) return;
    struct errand *e = must_calloc(1, sizeof *e);
    *e = (struct errand){.request = r, .order = order, .limit = limit};
    http_set_state(r, e, free_errand);
    handle_posted(r, queue_images(handle_app(r)->queue, http_param(r, "id"), handle_owner(r), got_scores, r));
}
