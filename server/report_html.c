/* report_html: the report as one page: tables, and charts drawn as SVG inside; nothing is fetched. */
#include "server/report.h"

#include <math.h>
#include <string.h>

enum { ROW = 26, LABEL_WIDTH = 230, PLOT_WIDTH = 520, MARGIN = 34 };

static enum err add_escaped(struct buf *to, const char *text)
{
    enum err e = OK;
    for (const char *c = text; *c && !e; c++) {
        const char *entity = *c == '<' ? "&lt;" : *c == '>' ? "&gt;" : *c == '&' ? "&amp;" : *c == '"' ? "&quot;" : NULL;
        e = entity ? buf_text(to, entity) : buf_add(to, c, 1);
    }
    return e;
}

static enum err add_element(struct buf *to, const char *tag, const char *text)
{
    enum err e = buf_printf(to, "<%s>", tag);
    if (!e) e = add_escaped(to, text);
    return e ? e : buf_printf(to, "</%s>\n", tag);
}

static enum err add_number(struct buf *to, int digits, double value)
{
    enum err e = buf_text(to, "<td>");
    if (!e) e = isnan(value) ? buf_text(to, "&ndash;") : buf_printf(to, "%.*f", digits, value);
    return e ? e : buf_text(to, "</td>");
}

static enum err add_list(struct buf *to, const char *title, const json_t *sentences)
{
    enum err e = add_element(to, "h2", title);
    if (!e) e = buf_text(to, "<ul>\n");
    for (size_t i = 0; i < json_array_size(sentences) && !e; i++) e = add_element(to, "li", json_string_value(json_array_get(sentences, i)));
    return e ? e : buf_text(to, "</ul>\n");
}

/* ---- charts ------------------------------------------------------------------------------------------------------- */
struct axis { /* values to pixels */
    double low, high;
};

static void widen(struct axis *a, double x)
{
    if (isnan(x)) return;
    if (isnan(a->low) || x < a->low) a->low = x;
    if (isnan(a->high) || x > a->high) a->high = x;
}

static double pixel(const struct axis *a, double x)
{
    double width = a->high - a->low;
    return LABEL_WIDTH + (width > 0 ? (x - a->low) / width : 0.5) * PLOT_WIDTH;
}

static enum err open_chart(struct buf *to, struct axis *a, size_t rows, const char *title)
{
    double room = 0.05 * (a->high - a->low);
    int height = (int)rows * ROW + MARGIN + 20;
    a->low -= room;
    a->high += room;
    enum err e = buf_printf(to, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\"><title>", LABEL_WIDTH + PLOT_WIDTH + 20, height, LABEL_WIDTH + PLOT_WIDTH + 20, height);
    if (!e) e = add_escaped(to, title);
    if (!e) e = buf_text(to, "</title>\n");
    for (int t = 0; t <= 4 && !e; t++) {
        double x = a->low + (a->high - a->low) * t / 4;
        e = buf_printf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"8\" y2=\"%d\" class=\"grid\"/><text x=\"%.1f\" y=\"%d\" class=\"tick\">%.4g</text>\n", pixel(a, x), pixel(a, x),
                       (int)rows * ROW + 14, pixel(a, x), (int)rows * ROW + MARGIN, x);
    }
    return e;
}

static enum err add_row_label(struct buf *to, size_t row, const char *label)
{
    enum err e = buf_printf(to, "<text x=\"%d\" y=\"%d\" class=\"label\">", LABEL_WIDTH - 10, (int)row * ROW + 26);
    char cut[40];
    err_print(cut, sizeof cut, "%s", label);
    if (!e) e = add_escaped(to, cut);
    return e ? e : buf_text(to, "</text>\n");
}

/* One line a variant: a dot for every seed, a bar at the mean. */
static enum err add_dots(const json_t *report, const char *score, struct buf *to)
{
    const json_t *variants = json_object_get(report, "variants");
    struct axis a = {(double)NAN, (double)NAN};
    size_t rows = json_array_size(variants);
    for (size_t v = 0; v < rows; v++) {
        const json_t *s = json_object_get(json_object_get(json_array_get(variants, v), "scores"), score);
        widen(&a, report_number(s, "low"));
        widen(&a, report_number(s, "high"));
    }
    if (isnan(a.low)) return OK;
    enum err e = add_element(to, "h3", score);
    if (!e) e = open_chart(to, &a, rows, score);
    for (size_t v = 0; v < rows && !e; v++) {
        const json_t *s = json_object_get(json_object_get(json_array_get(variants, v), "scores"), score), *values = json_object_get(s, "values");
        double mean = report_number(s, "mean"), y = (double)v * ROW + 22;
        e = add_row_label(to, v, report_text(json_array_get(variants, v), "name"));
        if (!e && !isnan(mean)) e = buf_printf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"mean\"/>\n", pixel(&a, mean), pixel(&a, mean), y - 9, y + 9);
        for (size_t i = 0; i < json_array_size(values) && !e; i++)
            e = buf_printf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" class=\"dot\"/>\n", pixel(&a, json_number_value(json_array_get(values, i))), y);
    }
    return e ? e : buf_text(to, "</svg>\n");
}

/* One line a variant: the difference, and its interval where it was tested. */
static enum err add_forest(const json_t *report, const char *score, struct buf *to)
{
    const json_t *all = json_object_get(report, "comparisons");
    struct axis a = {0, 0};
    size_t rows = 0;
    char title[160];
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *c = json_array_get(all, i);
        if (strcmp(report_text(c, "score"), score) || isnan(report_number(c, "difference"))) continue;
        rows++;
        widen(&a, report_number(c, "difference"));
        widen(&a, report_number(c, "low"));
        widen(&a, report_number(c, "high"));
    }
    if (!rows) return OK;
    err_print(title, sizeof title, "%s: difference from %s", score, report_text(report, "reference"));
    enum err e = add_element(to, "h3", title);
    if (!e) e = open_chart(to, &a, rows, title);
    if (!e) e = buf_printf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"8\" y2=\"%d\" class=\"zero\"/>\n", pixel(&a, 0), pixel(&a, 0), (int)rows * ROW + 14);
    rows = 0;
    for (size_t i = 0; i < json_array_size(all) && !e; i++) {
        const json_t *c = json_array_get(all, i);
        double d = report_number(c, "difference"), low = report_number(c, "low"), y = (double)rows * ROW + 22;
        if (strcmp(report_text(c, "score"), score) || isnan(d)) continue;
        e = add_row_label(to, rows, report_text(c, "variant"));
        if (!e && !isnan(low)) e = buf_printf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"interval\"/>\n", pixel(&a, low), pixel(&a, report_number(c, "high")), y, y);
        if (!e) e = buf_printf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" class=\"%s\"/>\n", pixel(&a, d), y, !strcmp(report_text(c, "word"), "real") ? "real" : "dot");
        rows++;
    }
    return e ? e : buf_text(to, "</svg>\n");
}

/* ---- tables --------------------------------------------------------------------------------------------------------- */
static enum err add_variants(const json_t *report, struct buf *to)
{
    static const char *const counts[] = {"trials", "succeeded", "failed", "diverged", "pruned"};
    const json_t *scores = json_object_get(report, "scores"), *variants = json_object_get(report, "variants");
    enum err e = add_element(to, "h2", "Scores: mean ± deviation over seeds, at the best epoch");
    if (!e) e = buf_text(to, "<table><tr><th>variant</th><th>trials</th><th>scored</th><th>failed</th><th>diverged</th><th>pruned</th>");
    for (size_t s = 0; s < json_array_size(scores) && !e; s++) e = add_element(to, "th", report_text(json_array_get(scores, s), "name"));
    if (!e) e = buf_text(to, "</tr>\n");
    for (size_t v = 0; v < json_array_size(variants) && !e; v++) {
        const json_t *variant = json_array_get(variants, v);
        e = buf_text(to, "<tr>");
        if (!e) e = add_element(to, "th", report_text(variant, "name"));
        for (int k = 0; k < 5 && !e; k++) e = add_number(to, 0, report_number(variant, counts[k]));
        for (size_t s = 0; s < json_array_size(scores) && !e; s++) {
            const json_t *score = json_object_get(json_object_get(variant, "scores"), report_text(json_array_get(scores, s), "name"));
            double mean = report_number(score, "mean"), deviation = report_number(score, "deviation");
            e = isnan(mean) ? add_number(to, 4, mean) : isnan(deviation) ? add_number(to, 4, mean) : buf_printf(to, "<td>%.4f &plusmn; %.4f</td>", mean, deviation);
        }
        if (!e) e = buf_text(to, "</tr>\n");
    }
    return e ? e : buf_text(to, "</table>\n");
}

static enum err add_cost(const json_t *report, struct buf *to)
{
    const json_t *list = json_object_get(json_object_get(report, "timing"), "variants");
    enum err e = add_element(to, "h2", "Cost");
    if (!e) e = buf_text(to, "<table><tr><th>variant</th><th>s a step</th><th>relative</th></tr>\n");
    for (size_t i = 0; i < json_array_size(list) && !e; i++) {
        const json_t *t = json_array_get(list, i);
        e = buf_text(to, "<tr>");
        if (!e) e = add_element(to, "th", report_text(t, "name"));
        if (!e) e = add_number(to, 4, report_number(t, "s_per_step"));
        if (!e) e = add_number(to, 2, report_number(t, "relative"));
        if (!e) e = buf_text(to, "</tr>\n");
    }
    return e ? e : buf_text(to, "</table>\n");
}

static const char style[] =
    "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#1b1f24;background:#fff}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:right}"
    "th:first-child{text-align:left}svg text{font:12px system-ui,sans-serif;fill:#1b1f24}.label{text-anchor:end}.tick{text-anchor:middle;fill:#666}"
    ".grid{stroke:#e3e3e3}.zero{stroke:#666;stroke-dasharray:4 3}.mean{stroke:#0b57a4;stroke-width:3}.dot{fill:#0b57a4;fill-opacity:.55}"
    ".interval{stroke:#0b57a4;stroke-width:3}.real{fill:#b3261e}</style>\n";

enum err report_html(const json_t *report, struct buf *to)
{
    const json_t *scores = json_object_get(report, "scores");
    const char *name = *report_text(report, "name") ? report_text(report, "name") : "Sweep";
    enum err e = buf_text(to, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">");
    if (!e) e = add_element(to, "title", name);
    if (!e) e = buf_text(to, style);
    if (!e) e = add_element(to, "h1", name);
    if (!e) e = add_list(to, "What it says", json_object_get(report, "answer"));
    if (!e) e = add_variants(report, to);
    for (size_t s = 0; s < json_array_size(scores) && !e; s++) {
        e = add_dots(report, report_text(json_array_get(scores, s), "name"), to);
        if (!e) e = add_forest(report, report_text(json_array_get(scores, s), "name"), to);
    }
    if (!e) e = add_cost(report, to);
    if (!e) e = add_list(to, "What it does not show", json_object_get(report, "notes"));
    if (!e) e = buf_text(to, "<p>Repeat it: sweep <code>");
    if (!e) e = add_escaped(to, report_text(json_object_get(report, "run"), "sweep"));
    return e ? e : buf_printf(to, "</code>, spec hash <code>%s</code></p>\n</html>\n", report_text(json_object_get(report, "repeat"), "spec_hash"));
}
