/* report_planes: charts with two axes: the monitored score over epochs, and two scores against each other. */
#include <math.h>
#include <string.h>
#include "server/report_parts.h"
#include "server/report_plot.h"

enum { LEGEND_ROW = 18, LEGEND_WIDTH = 230, BANDS_MAX = 6 /* more of them hide each other */ };

static struct plot frame(double width, double height)
{
    return (struct plot){.left = 58, .top = 26, .width = width, .height = height, .picture_width = 58 + width + 16 + LEGEND_WIDTH, .picture_height = 26 + height + 44,
                         .x = PLOT_NOTHING, .y = PLOT_NOTHING};
}

static size_t place_of(const json_t *report, const char *variant)
{
    const json_t *variants = json_object_get(report, "variants");
    size_t v = 0;
    while (v < json_array_size(variants) && strcmp(report_text(json_array_get(variants, v), "name"), variant)) v++;
    return v;
}

/* A dot of variant v; a ring where the colour has come before. */
static enum err add_dot(double x, double y, size_t v, struct buf *to)
{
    return buf_printf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"6.5\" style=\"%s:%s\" class=\"%s\"/>\n", x, y, plot_again(v) ? "stroke" : "fill", plot_colour(v),
                      plot_again(v) ? "ring" : "large");
}

static enum err add_line(double x, double y, size_t v, struct buf *to)
{
    return buf_printf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"3\" stroke-dasharray=\"%s\"/>\n", x - 11, x + 11, y, y,
                      plot_colour(v), plot_dashes(v));
}

/* The n-th line of the legend is of variant v, whose mark in the chart `mark` draws. */
static enum err add_legend(const struct plot *p, size_t n, size_t v, enum err (*mark)(double x, double y, size_t v, struct buf *to), const char *name, struct buf *to)
{
    double x = p->left + p->width + 29, y = p->top + 6 + (double)n * LEGEND_ROW;
    char cut[31];
    err_print(cut, sizeof cut, "%s", name);
    enum err e = mark(x, y, v, to);
    if (!e) e = buf_printf(to, "<text x=\"%.1f\" y=\"%.1f\" class=\"start\">", x + 17, y + 4);
    if (!e) e = plot_escape(to, cut);
    return e ? e : buf_text(to, "</text>\n");
}

static void fit_legend(struct plot *p, size_t entries)
{
    double needed = p->top + (double)entries * LEGEND_ROW + 12;
    if (needed > p->picture_height) p->picture_height = needed;
}

/* ---- curves ----------------------------------------------------------------------------------------------------- */
static double at(const json_t *curve, const char *key, size_t i)
{
    const json_t *value = json_array_get(json_object_get(curve, key), i);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static enum err add_points(const struct plot *p, const json_t *curve, const char *key, bool backward, struct buf *to)
{
    size_t n = json_array_size(json_object_get(curve, "epochs"));
    enum err e = OK;
    for (size_t i = 0; i < n && !e; i++) {
        size_t k = backward ? n - 1 - i : i;
        e = buf_printf(to, "%.1f,%.1f ", plot_x(p, at(curve, "epochs", k) + 1), plot_y(p, at(curve, key, k)));
    }
    return e;
}

static enum err add_band(const struct plot *p, const json_t *curve, size_t v, struct buf *to)
{
    enum err e = buf_text(to, "<polygon points=\"");
    if (!e) e = add_points(p, curve, "low", false, to);
    if (!e) e = add_points(p, curve, "high", true, to);
    return e ? e : buf_printf(to, "\" fill=\"%s\" class=\"band\"/>\n", plot_colour(v));
}

static enum err add_curve(const struct plot *p, const json_t *curve, size_t v, struct buf *to)
{
    enum err e = buf_text(to, "<polyline points=\"");
    if (!e) e = add_points(p, curve, "mean", false, to);
    return e ? e : buf_printf(to, "\" stroke=\"%s\" stroke-dasharray=\"%s\" class=\"curve\"/>\n", plot_colour(v), plot_dashes(v));
}

enum err report_chart_curves(const json_t *report, struct buf *to)
{
    const json_t *curves = json_object_get(report, "curves"), *list = json_object_get(curves, "variants");
    struct plot p = frame(560, 300);
    size_t count = json_array_size(list), longest = 0;
    for (size_t c = 0; c < count; c++) {
        const json_t *one = json_array_get(list, c);
        size_t n = json_array_size(json_object_get(one, "epochs"));
        longest = n > longest ? n : longest;
        for (size_t i = 0; i < n; i++) {
            plot_widen(&p.x, at(one, "epochs", i) + 1);
            plot_widen(&p.y, at(one, "low", i));
            plot_widen(&p.y, at(one, "high", i));
        }
    }
    if (longest < 2 || isnan(p.y.low)) return OK;
    fit_legend(&p, count);
    enum err e = plot_open(&p, "validation curves", true, to);
    if (!e) e = plot_axis_names(&p, "epoch", report_text(curves, "score"), to);
    for (size_t c = 0; c < count && count <= BANDS_MAX && !e; c++) e = add_band(&p, json_array_get(list, c), place_of(report, report_text(json_array_get(list, c), "name")), to);
    for (size_t c = 0; c < count && !e; c++) {
        const char *name = report_text(json_array_get(list, c), "name");
        e = add_curve(&p, json_array_get(list, c), place_of(report, name), to);
        if (!e) e = add_legend(&p, c, place_of(report, name), add_line, name, to);
    }
    return e ? e : plot_close(to);
}

/* ---- two scores --------------------------------------------------------------------------------------------------- */
struct pair { /* of one variant */
    const json_t *x, *y; /* its two scores */
    const char *name;
};

static struct pair pair_of(const json_t *report, size_t v, const char *x_score, const char *y_score)
{
    const json_t *variant = json_array_get(json_object_get(report, "variants"), v), *scores = json_object_get(variant, "scores");
    return (struct pair){json_object_get(scores, x_score), json_object_get(scores, y_score), report_text(variant, "name")};
}

/* A small dot a seed, where both scores have all of them, and a large one at the means. */
static enum err add_pair(const struct plot *p, const struct pair *one, size_t v, struct buf *to)
{
    const json_t *x = json_object_get(one->x, "values"), *y = json_object_get(one->y, "values");
    double mean_x = report_number(one->x, "mean"), mean_y = report_number(one->y, "mean");
    enum err e = OK;
    for (size_t i = 0; i < json_array_size(x) && json_array_size(x) == json_array_size(y) && !e; i++)
        e = buf_printf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\" class=\"small\"/>\n", plot_x(p, json_number_value(json_array_get(x, i))),
                       plot_y(p, json_number_value(json_array_get(y, i))), plot_colour(v));
    return e ? e : add_dot(plot_x(p, mean_x), plot_y(p, mean_y), v, to);
}

enum err report_chart_scatter(const json_t *report, const char *x_score, const char *y_score, struct buf *to)
{
    struct plot p = frame(420, 300);
    size_t rows = json_array_size(json_object_get(report, "variants")), shown = 0;
    for (size_t v = 0; v < rows; v++) {
        struct pair one = pair_of(report, v, x_score, y_score);
        if (isnan(report_number(one.x, "mean")) || isnan(report_number(one.y, "mean"))) continue;
        static const char *const ends[] = {"low", "high"};
        for (int k = 0; k < 2; k++) {
            plot_widen(&p.x, report_number(one.x, ends[k]));
            plot_widen(&p.y, report_number(one.y, ends[k]));
        }
        shown++;
    }
    if (!shown) return OK;
    fit_legend(&p, shown);
    enum err e = plot_open(&p, "two scores against each other", true, to);
    if (!e) e = plot_axis_names(&p, x_score, y_score, to);
    shown = 0;
    for (size_t v = 0; v < rows && !e; v++) {
        struct pair one = pair_of(report, v, x_score, y_score);
        if (isnan(report_number(one.x, "mean")) || isnan(report_number(one.y, "mean"))) continue;
        e = add_pair(&p, &one, v, to);
        if (!e) e = add_legend(&p, shown++, v, add_dot, one.name, to);
    }
    return e ? e : plot_close(to);
}
