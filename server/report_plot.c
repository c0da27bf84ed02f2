/* report_plot: see report_plot.h. */
#include "server/report_plot.h"

#include <math.h>
#include <stdio.h>

enum { TICKS = 5, COLOURS = 8 };
static const double room = 0.06; /* of the range, on both sides */

void plot_widen(struct plot_range *r, double x)
{
    if (isnan(x)) return;
    if (isnan(r->low) || x < r->low) r->low = x;
    if (isnan(r->high) || x > r->high) r->high = x;
}

static double place(const struct plot_range *r, double x)
{
    return r->high > r->low ? (x - r->low) / (r->high - r->low) : 0.5;
}

double plot_x(const struct plot *p, double x)
{
    return p->left + place(&p->x, x) * p->width;
}

double plot_y(const struct plot *p, double y)
{
    return p->top + (1 - place(&p->y, y)) * p->height;
}

const char *plot_colour(size_t i)
{
    static const char *const colours[COLOURS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#6b6b6b"};
    return colours[i % COLOURS];
}

const char *plot_dashes(size_t i)
{
    static const char *const dashes[] = {"none", "7 3", "2 3"};
    return dashes[i / COLOURS % 3];
}

bool plot_again(size_t i)
{
    return i >= COLOURS;
}

enum err plot_escape(struct buf *to, const char *text)
{
    enum err e = OK;
    for (const char *c = text; *c && !e; c++) {
        const char *entity = *c == '<' ? "&lt;" : *c == '>' ? "&gt;" : *c == '&' ? "&amp;" : *c == '"' ? "&quot;" : NULL;
        e = entity ? buf_text(to, entity) : buf_add(to, c, 1);
    }
    return e;
}

/* 1, 2 or 5 times a power of ten, so that about TICKS fit. */
static double round_step(const struct plot_range *r)
{
    double rough = (r->high - r->low) / TICKS, power = pow(10, floor(log10(rough))), factor = rough / power;
    return power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
}

/* As many decimals as the step has. */
static int decimals_of(double step)
{
    int n = (int)ceil(-log10(step) - 1e-9);
    return n < 0 ? 0 : n > 9 ? 9 : n;
}

static void open_range(struct plot_range *r)
{
    double width = r->high - r->low;
    if (!(width > 0)) width = fabs(r->high) > 0 ? fabs(r->high) * 0.1 : 1; /* one value: it stands in the middle */
    r->low -= room * width;
    r->high += room * width;
}

static enum err add_ticks(const struct plot *p, bool across, struct buf *to)
{
    const struct plot_range *r = across ? &p->x : &p->y;
    double step = round_step(r), first = ceil(r->low / step);
    int decimals = decimals_of(step);
    enum err e = OK;
    for (double k = first; k * step <= r->high && !e; k++) {
        double value = k * step + 0.0; /* no -0 */
        if (across)
            e = buf_printf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/><text x=\"%.1f\" y=\"%.1f\" class=\"tick\">%.*f</text>\n", plot_x(p, value),
                           plot_x(p, value), p->top, p->top + p->height, plot_x(p, value), p->top + p->height + 16, decimals, value);
        else
            e = buf_printf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/><text x=\"%.1f\" y=\"%.1f\" class=\"label\">%.*f</text>\n", p->left, p->left + p->width,
                           plot_y(p, value), plot_y(p, value), p->left - 7, plot_y(p, value) + 4, decimals, value);
    }
    return e;
}

enum err plot_open(struct plot *p, const char *title, bool with_y, struct buf *to)
{
    open_range(&p->x);
    if (with_y) open_range(&p->y);
    enum err e = buf_printf(to, "<svg viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\"><title>", p->picture_width, p->picture_height, p->picture_width, p->picture_height);
    if (!e) e = plot_escape(to, title);
    if (!e) e = buf_text(to, "</title>\n");
    if (!e) e = add_ticks(p, true, to);
    return e || !with_y ? e : add_ticks(p, false, to);
}

enum err plot_axis_names(const struct plot *p, const char *x, const char *y, struct buf *to)
{
    enum err e = buf_printf(to, "<text x=\"%.1f\" y=\"%.1f\" class=\"axis\">", p->left + p->width / 2, p->top + p->height + 34);
    if (!e) e = plot_escape(to, x);
    if (!e) e = buf_printf(to, "</text><text x=\"%.1f\" y=\"%.1f\" class=\"start\">", p->left, p->top - 8);
    if (!e) e = plot_escape(to, y);
    return e ? e : buf_text(to, "</text>\n");
}

enum err plot_close(struct buf *to)
{
    return buf_text(to, "</svg>\n");
}
