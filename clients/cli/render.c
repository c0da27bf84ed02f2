/* render: everything that is drawn with characters. */
#include "clients/cli/render.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/err.h"
#include "schema/job/metric.h"

const char *render_plain(const char *text, char *to, size_t size)
{
    err_print(to, size, "%s", text ? text : "");
    for (char *c = to; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = '?';
    return to;
}

void table_init(struct table *t, int columns, const char *const *head)
{
    assert(columns <= TABLE_COLUMNS_MAX);
    *t = (struct table){.columns = columns};
    for (int c = 0; c < columns; c++) t->head[c] = head[c];
}

void table_next_row(struct table *t)
{
    size_t cells = (size_t)(t->rows + 1) * (size_t)t->columns;
    t->cells = realloc(t->cells, cells * sizeof *t->cells);
    assert(t->cells);
    memset(t->cells + (size_t)t->rows * (size_t)t->columns, 0, (size_t)t->columns * sizeof *t->cells);
    t->rows++;
}

void table_cell(struct table *t, int column, const char *format, ...)
{
    char text[CELL_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    render_plain(text, t->cells[(size_t)(t->rows - 1) * (size_t)t->columns + (size_t)column], CELL_MAX);
}

/* Characters on the screen, not bytes. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static const char *cell(const struct table *t, int row, int column)
{
    return row < 0 ? t->head[column] : t->cells[(size_t)row * (size_t)t->columns + (size_t)column];
}

static void print_csv_cell(const char *text, FILE *to)
{
    if (!strpbrk(text, ",\"\n\r")) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"') fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void print_csv(const struct table *t, FILE *to)
{
    for (int r = -1; r < t->rows; r++)
        for (int c = 0; c < t->columns; c++) {
            print_csv_cell(cell(t, r, c), to);
            fputc(c + 1 < t->columns ? ',' : '\n', to);
        }
}

void table_print(const struct table *t, enum output output, FILE *to)
{
    int widths[TABLE_COLUMNS_MAX] = {0};
    if (output == OUTPUT_CSV) {
        print_csv(t, to);
        return;
    }
    if (output == OUTPUT_NAME) {
        for (int r = 0; r < t->rows; r++) fprintf(to, "%s\n", cell(t, r, 0));
        return;
    }
    for (int r = -1; r < t->rows; r++)
        for (int c = 0; c < t->columns; c++)
            if (width_of(cell(t, r, c)) > widths[c]) widths[c] = width_of(cell(t, r, c));
    for (int r = -1; r < t->rows; r++)
        for (int c = 0; c < t->columns; c++) {
            const char *text = cell(t, r, c);
            bool last = c + 1 == t->columns;
            fprintf(to, "%s%*s%s", text, last ? 0 : widths[c] - width_of(text), "", last ? "\n" : "  ");
        }
}

void table_free(struct table *t)
{
    free(t->cells);
    t->cells = NULL;
    t->rows = 0;
}

void render_bar(double share, int width, char *to, size_t size)
{
    int full = share > 0 ? (int)(fmin(share, 1) * (width - 2) + 0.5) : 0;
    size_t n = 0;
    assert(size > (size_t)width);
    to[n++] = '[';
    for (int i = 0; i < width - 2; i++) to[n++] = i < full ? '#' : '.';
    to[n++] = ']';
    to[n] = 0;
}

void render_duration(double seconds, char *to, size_t size)
{
    if (!(seconds >= 0) || seconds > 1e9) {
        err_print(to, size, "?");
        return;
    }
    long s = (long)(seconds + 0.5);
    if (s < 60)
        err_print(to, size, "%ld s", s);
    else if (s < 3600)
        err_print(to, size, "%ld min %02ld s", s / 60, s % 60);
    else
        err_print(to, size, "%ld h %02ld min", s / 3600, s / 60 % 60);
}

void render_bytes(double bytes, char *to, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    while (bytes >= 1024 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    if (!(bytes >= 0))
        err_print(to, size, "?");
    else
        err_print(to, size, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

const char *render_counted(double count, const char *noun, char *to, size_t size)
{
    err_print(to, size, "%.0f %s%s", count, noun, count == 1 ? "" : "s");
    return to;
}

void render_curve(const double *values, size_t count, int columns, int rows, FILE *to)
{
    if (!count) return;
    int wide = (size_t)columns < count ? columns : (int)count, each = columns / wide;
    if (each > 4) each = 4;
    for (int r = rows; r >= 0; r--) {
        fprintf(to, "%5.2f |", (double)r / rows);
        for (int c = 0; c < wide; c++) {
            double value = values[(size_t)c * count / (size_t)wide];
            bool here = (int)floor(value * rows + 0.5) == r;
            for (int i = 0; i < each; i++) fputc(here ? '*' : ' ', to);
        }
        fputc('\n', to);
    }
    fputs("      +", to);
    for (int c = 0; c < wide * each; c++) fputc('-', to);
    fprintf(to, "\n       0%*zu\n", wide * each - 1, count - 1);
}

const char *json_text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

double json_number_at(const json_t *object, const char *key)
{
    double value = NAN;
    const json_t *json = json_object_get(object, key);
    return json && metric_value_read(json, &value) ? value : NAN;
}
