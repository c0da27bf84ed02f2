/* report_plot: a frame with two axes in SVG: values to places, round ticks, texts made safe. */
#ifndef SERVER_REPORT_PLOT_H
#define SERVER_REPORT_PLOT_H
#include <stdbool.h>
#include <stddef.h>
#include "schema/base/buf.h"

struct plot_range {
    double low, high; /* NaN until something was put in */
};
#define PLOT_NOTHING ((struct plot_range){(double)NAN, (double)NAN})
void plot_widen(struct plot_range *r, double x); /* NaN leaves it */

/* Pixels: the frame's corner and size within the picture. The ranges are given a little room when it is opened. */
struct plot {
    double left, top, width, height, picture_width, picture_height;
    struct plot_range x, y; /* y not used where rows are named */
};
double plot_x(const struct plot *p, double x);
double plot_y(const struct plot *p, double y);
/* <svg>, its title, vertical lines at round values of x with their numbers below; with_y: horizontal ones, too. */
enum err plot_open(struct plot *p, const char *title, bool with_y, struct buf *to) MUST_USE;
enum err plot_axis_names(const struct plot *p, const char *x, const char *y, struct buf *to) MUST_USE;
enum err plot_close(struct buf *to) MUST_USE;
/* Appends text for HTML and SVG: <>&" become entities. */
enum err plot_escape(struct buf *to, const char *text) MUST_USE;
/* "#0072b2": eight that colour-blind people can tell apart (Okabe and Ito), then again; dashes tell the rounds apart. */
const char *plot_colour(size_t i);
const char *plot_dashes(size_t i);
bool plot_again(size_t i); /* the colour was used before */
#endif
