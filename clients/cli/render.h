/* render: tables, bars, curves and amounts as text. */
#ifndef CLIENTS_CLI_RENDER_H
#define CLIENTS_CLI_RENDER_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV, OUTPUT_NAME };
enum { TABLE_COLUMNS_MAX = 16, CELL_MAX = 160 };

/* Rows of text cells. As a table the columns are as wide as they must be; as CSV cells are quoted where needed; as names only
   the first column is printed. Control characters never reach the terminal. */
struct table {
    int columns, rows;
    const char *head[TABLE_COLUMNS_MAX]; /* borrowed */
    char (*cells)[CELL_MAX];             /* rows * columns */
};
void table_init(struct table *t, int columns, const char *const *head);
/* The next row's cells are set one after the other, in printf's way. */
void table_cell(struct table *t, int column, const char *format, ...) __attribute__((format(printf, 3, 4)));
void table_next_row(struct table *t); /* before the first cell of each row */
void table_print(const struct table *t, enum output output, FILE *to);
void table_free(struct table *t);

/* "[#####.....]" of `width` characters for a share from 0 to 1. */
void render_bar(double share, int width, char *to, size_t size);
void render_duration(double seconds, char *to, size_t size); /* "1 h 02 min", "3 min 05 s", "12 s" */
void render_bytes(double bytes, char *to, size_t size);      /* "1.5 MiB" */
const char *render_counted(double count, const char *noun, char *to, size_t size); /* "1 trial", "3 trials"; `to` */
/* Values in [0,1] as a chart of `rows` lines with their axis, at most `columns` wide. */
void render_curve(const double *values, size_t count, int columns, int rows, FILE *to);
/* A text without control characters; "" for NULL. */
const char *render_plain(const char *text, char *to, size_t size);

/* Look-ups that never fail: NULL object, missing or other key. */
const char *json_text_at(const json_t *object, const char *key); /* "" */
double json_number_at(const json_t *object, const char *key);    /* NaN; "NaN" and infinities are read, too */
#endif
