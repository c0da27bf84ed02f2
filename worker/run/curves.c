/* curves: what the epochs of a run have come to, as a table (CSV) and as a picture (SVG). */
#include "worker/run/curves.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "schema/base/buf.h"
#include "schema/base/json_text.h"
#include "worker/train/durable_file.h"

enum { TEXT_MAX = 256 << 20, WIDTH = 760, PANEL = 210, LEFT = 60, RIGHT = 180, TOP = 34, BOTTOM = 26, LINES_MAX = 24, PANELS = 4 };

static double at(const struct trainer_history *h, int64_t row, int column)
{
    return h->values[row * h->columns + column];
}

static int has_values(const struct trainer_history *h, int column)
{
    for (int64_t r = 0; r < h->rows; r++)
        if (!isnan(at(h, r, column)))
            return 1;
    return 0;
}

static int column_of(const struct trainer_history *h, const char *name)
{
    for (int i = 0; i < h->columns; i++)
        if (!strcmp(h->names[i], name))
            return has_values(h, i) ? i : -1;
    return -1;
}

/* "" where there is no value. */
static enum err add_value(struct buf *b, double value)
{
    char text[32] = "";
    if (!isnan(value))
        json_text_number(value, 0, text);
    return buf_printf(b, ",%s", text);
}

static enum err finish(struct buf *b, enum err e, const char *path, struct err_note *note)
{
    e = e ? err_set(note, e, path, "%s would be too long", path) : durable_text(path, b->data, b->length, note);
    buf_free(b);
    return e;
}

enum err curves_write_csv(const char *path, const struct trainer_history *h, struct err_note *note)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    enum err e = buf_text(&b, "epoch");
    for (int i = 0; i < h->columns && !e; i++)
        if (has_values(h, i))
            e = buf_printf(&b, ",%s", h->names[i]);
    for (int64_t r = 0; r < h->rows && !e; r++) {
        e = buf_printf(&b, "\n%lld", (long long)r);
        for (int i = 0; i < h->columns && !e; i++)
            if (has_values(h, i))
                e = add_value(&b, at(h, r, i));
    }
    if (!e)
        e = buf_text(&b, "\n");
    return finish(&b, e, path, note);
}

/* ---- the picture ------------------------------------------------------------------------------------- */
struct line {
    int column;
    char label[96];
};
struct panel {
    const char *title;
    int count;
    struct line lines[LINES_MAX];
    double low, high;
};
/* Told apart by people who see colours differently, too (Okabe and Ito). */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#000000"};

static enum err add_escaped(struct buf *b, const char *text)
{
    enum err e = OK;
    for (; *text && !e; text++)
        e = *text == '<' ? buf_text(b, "&lt;") : *text == '&' ? buf_text(b, "&amp;") : (unsigned char)*text < ' ' ? buf_text(b, " ") : buf_add(b, text, 1);
    return e;
}

static void add_line(struct panel *p, const struct trainer_history *h, const char *name, const char *label)
{
    int column = column_of(h, name);
    if (column < 0 || p->count == LINES_MAX)
        return;
    p->lines[p->count].column = column;
    err_print(p->lines[p->count].label, sizeof p->lines[p->count].label, "%s", label);
    p->count++;
}

static void fit_range(struct panel *p, const struct trainer_history *h)
{
    p->low = INFINITY;
    p->high = -INFINITY;
    for (int k = 0; k < p->count; k++)
        for (int64_t r = 0; r < h->rows; r++) {
            double v = at(h, r, p->lines[k].column);
            if (isnan(v))
                continue;
            p->low = fmin(p->low, v);
            p->high = fmax(p->high, v);
        }
    p->low = fmin(p->low, p->high > 1 ? 0 : p->low);
    if (p->high - p->low < 1e-9) {
        p->low -= 0.05;
        p->high += 0.05;
    }
}

static double x_of(const struct trainer_history *h, int64_t row)
{
    return LEFT + (h->rows > 1 ? (double)row / (double)(h->rows - 1) : 0.5) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct panel *p, int top, double value)
{
    return top + TOP + (p->high - value) / (p->high - p->low) * (PANEL - TOP - BOTTOM);
}

static enum err draw_frame(struct buf *b, const struct panel *p, int top, int64_t rows)
{
    enum err e = buf_printf(b, "<text x='%d' y='%d' font-weight='bold'>%s</text>\n", LEFT, top + TOP - 12, p->title);
    for (int i = 0; i <= 4 && !e; i++) {
        double value = p->low + (p->high - p->low) * i / 4, y = y_of(p, top, value);
        e = buf_printf(b, "<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' stroke='#ddd'/><text x='%d' y='%.1f' text-anchor='end'>%.3g</text>\n", LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, value);
    }
    if (!e)
        e = buf_printf(b, "<text x='%d' y='%d'>epoch 0</text><text x='%d' y='%d' text-anchor='end'>%lld</text>\n", LEFT, top + PANEL - 8, WIDTH - RIGHT, top + PANEL - 8, (long long)(rows - 1));
    return e;
}

static enum err draw_line(struct buf *b, const struct panel *p, const struct trainer_history *h, int top, int k)
{
    const char *colour = colours[(size_t)k % (sizeof colours / sizeof *colours)];
    enum err e = buf_printf(b, "<polyline fill='none' stroke='%s' stroke-width='1.8' points='", colour);
    for (int64_t r = 0; r < h->rows && !e; r++) {
        double v = at(h, r, p->lines[k].column);
        if (isfinite(v))
            e = buf_printf(b, "%.1f,%.1f ", x_of(h, r), y_of(p, top, v));
    }
    int y = top + TOP + 6 + 16 * k;
    if (!e)
        e = buf_printf(b, "'/>\n<rect x='%d' y='%d' width='10' height='10' fill='%s'/><text x='%d' y='%d'>", WIDTH - RIGHT + 12, y - 9, colour, WIDTH - RIGHT + 28, y);
    if (!e)
        e = add_escaped(b, p->lines[k].label);
    return e ? e : buf_text(b, "</text>\n");
}

static enum err draw_panel(struct buf *b, struct panel *p, const struct trainer_history *h, int top)
{
    fit_range(p, h);
    enum err e = draw_frame(b, p, top, h->rows);
    for (int k = 0; k < p->count && !e; k++)
        e = draw_line(b, p, h, top, k);
    return e;
}

static int choose_panels(struct panel panels[PANELS], const struct trainer_history *h, char *const *classes, int num_classes)
{
    int used = 0;
    struct panel losses = {.title = "loss (mean of the epoch's steps)"}, alpha = {.title = "alpha (weight of Dice)"}, dice = {.title = "validation Dice"},
                 cosine = {.title = "cosine of the gradients of Dice and CE (median)"};
    add_line(&losses, h, "epoch/loss/total", "total");
    add_line(&losses, h, "epoch/loss/dice", "Dice");
    add_line(&losses, h, "epoch/loss/ce", "cross-entropy");
    add_line(&alpha, h, "epoch/alpha", "alpha");
    add_line(&dice, h, "val/dice", "foreground mean");
    for (int k = 0; k < num_classes; k++) {
        char name[40];
        snprintf(name, sizeof name, "val/dice/%d", k);
        add_line(&dice, h, name, classes[k]);
    }
    add_line(&cosine, h, "epoch/grad/cos_p50/full", "all weights");
    add_line(&cosine, h, "epoch/grad/cos_p50/last_layer", "last layer");
    add_line(&cosine, h, "epoch/grad/cos_p50/logits", "logits");
    if (losses.count)
        panels[used++] = losses;
    if (alpha.count)
        panels[used++] = alpha;
    if (dice.count)
        panels[used++] = dice;
    if (cosine.count)
        panels[used++] = cosine;
    return used;
}

enum err curves_write_svg(const char *path, const char *title, const struct trainer_history *h, char *const *classes, int num_classes, struct err_note *note)
{
    struct buf b;
    struct panel panels[PANELS];
    int count = choose_panels(panels, h, classes, num_classes);
    buf_init(&b, TEXT_MAX);
    enum err e = buf_printf(&b, "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' font-family='sans-serif' font-size='12'>\n<rect width='100%%' height='100%%' fill='white'/>\n<text x='%d' y='22' font-size='15'>",
                            WIDTH, 30 + count * PANEL, LEFT);
    if (!e)
        e = add_escaped(&b, title);
    if (!e)
        e = buf_text(&b, "</text>\n");
    for (int i = 0; i < count && !e; i++)
        e = draw_panel(&b, &panels[i], h, 30 + i * PANEL);
    if (!e)
        e = buf_text(&b, "</svg>\n");
    return finish(&b, e, path, note);
}
