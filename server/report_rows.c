/* report_rows: charts with a line for each variant: the scores of its seeds, and its difference from the reference. */
#include <math.h>
#include <string.h>
#include "server/report_parts.h"
#include "server/report_plot.h"

enum { ROW = 26, LABELS = 190, PLOT_WIDTH = 300, TOP = 6 };

static struct plot frame(size_t rows, struct plot_range x)
{
    return (struct plot){.left = LABELS, .top = TOP, .width = PLOT_WIDTH, .height = (double)rows * ROW + 8, .picture_width = LABELS + PLOT_WIDTH + 16,
                         .picture_height = TOP + (double)rows * ROW + 34, .x = x};
}

static double row_y(size_t row)
{
    return TOP + (double)row * ROW + 17;
}

static enum err add_label(size_t row, const char *label, bool reference, struct buf *to)
{
    char cut[33];
    err_print(cut, sizeof cut, "%s", label);
    enum err e = buf_printf(to, "<text x=\"%d\" y=\"%.1f\" class=\"label%s\">", LABELS - 10, row_y(row) + 4, reference ? " reference" : "");
    if (!e) e = plot_escape(to, cut);
    return e ? e : buf_text(to, "</text>\n");
}

static enum err add_line(const char *class, double x1, double x2, double y1, double y2, struct buf *to)
{
    return buf_printf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, x2, y1, y2, class);
}

/* ---- seeds ------------------------------------------------------------------------------------------------------ */
static const json_t *score_of(const json_t *report, size_t variant, const char *score)
{
    return json_object_get(json_object_get(json_array_get(json_object_get(report, "variants"), variant), "scores"), score);
}

static enum err add_seeds(const struct plot *p, size_t row, const json_t *s, struct buf *to)
{
    const json_t *values = json_object_get(s, "values");
    double mean = report_number(s, "mean"), deviation = report_number(s, "deviation"), y = row_y(row);
    enum err e = OK;
    if (!isnan(deviation)) e = add_line("spread", plot_x(p, mean - deviation), plot_x(p, mean + deviation), y, y, to);
    for (size_t i = 0; i < json_array_size(values) && !e; i++)
        e = buf_printf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" class=\"dot\"/>\n", plot_x(p, json_number_value(json_array_get(values, i))), y);
    return e || isnan(mean) ? e : add_line("mean", plot_x(p, mean), plot_x(p, mean), y - 9, y + 9, to);
}

enum err report_chart_dots(const json_t *report, const char *score, struct buf *to)
{
    const json_t *variants = json_object_get(report, "variants");
    struct plot_range x = PLOT_NOTHING;
    size_t rows = json_array_size(variants);
    for (size_t v = 0; v < rows; v++) {
        const json_t *s = score_of(report, v, score);
        double mean = report_number(s, "mean"), deviation = report_number(s, "deviation");
        plot_widen(&x, report_number(s, "low"));
        plot_widen(&x, report_number(s, "high"));
        plot_widen(&x, mean - deviation);
        plot_widen(&x, mean + deviation);
    }
    if (isnan(x.low)) return OK;
    struct plot p = frame(rows, x);
    enum err e = plot_open(&p, score, false, to);
    for (size_t v = 0; v < rows && !e; v++) {
        const char *name = report_text(json_array_get(variants, v), "name");
        e = add_label(v, name, !strcmp(name, report_text(report, "reference")), to);
        if (!e) e = add_seeds(&p, v, score_of(report, v, score), to);
    }
    return e ? e : plot_close(to);
}

/* ---- differences -------------------------------------------------------------------------------------------------- */
/* Real or large differences have a colour: that of better, or of worse. */
static const char *class_of(const json_t *c)
{
    bool told = !strcmp(report_text(c, "word"), "real") || !strcmp(report_text(c, "word"), "large");
    return !told ? "noise" : report_number(c, "difference") * report_number(c, "better") > 0 ? "better" : "worse";
}

static enum err add_difference(const struct plot *p, size_t row, const json_t *c, struct buf *to)
{
    double d = report_number(c, "difference"), low = report_number(c, "low"), y = row_y(row);
    char class[32];
    err_print(class, sizeof class, "interval %s", class_of(c));
    enum err e = isnan(low) ? OK : add_line(class, plot_x(p, low), plot_x(p, report_number(c, "high")), y, y, to);
    return e ? e : buf_printf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" class=\"%s\"/>\n", plot_x(p, d), y, class_of(c));
}

/* Lines as in the chart of the seeds, so that both can stand side by side; that of the reference is empty. */
enum err report_chart_forest(const json_t *report, const char *score, struct buf *to)
{
    const json_t *variants = json_object_get(report, "variants");
    struct plot_range x = {0, 0};
    size_t rows = json_array_size(variants), shown = 0;
    char title[160];
    for (size_t v = 0; v < rows; v++) {
        const json_t *c = report_comparison(report, report_text(json_array_get(variants, v), "name"), score);
        shown += isnan(report_number(c, "difference")) ? 0 : 1;
        plot_widen(&x, report_number(c, "difference"));
        plot_widen(&x, report_number(c, "low"));
        plot_widen(&x, report_number(c, "high"));
    }
    if (!shown) return OK;
    struct plot p = frame(rows, x);
    err_print(title, sizeof title, "%s: difference from %s", score, report_text(report, "reference"));
    enum err e = plot_open(&p, title, false, to);
    if (!e) e = add_line("zero", plot_x(&p, 0), plot_x(&p, 0), p.top, p.top + p.height, to);
    for (size_t v = 0; v < rows && !e; v++) {
        const char *name = report_text(json_array_get(variants, v), "name");
        const json_t *c = report_comparison(report, name, score);
        e = add_label(v, name, !strcmp(name, report_text(report, "reference")), to);
        if (!e && !isnan(report_number(c, "difference"))) e = add_difference(&p, v, c, to);
    }
    return e ? e : plot_close(to);
}
