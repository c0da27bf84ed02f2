/* report_parts: what the files of a report share; nobody else includes it. */
#ifndef SERVER_REPORT_PARTS_H
#define SERVER_REPORT_PARTS_H
#include <stdbool.h>
#include "schema/job/image_scores.h"
#include "server/report.h"

/* ---- reading JSON (report.c) ---- */
const char *report_text(const json_t *object, const char *key); /* "" */
double report_number(const json_t *object, const char *key);    /* NaN when it is absent or null; texts of numbers are read */
double report_signed(double difference);                        /* for "%+.4f": what rounds to zero is +0, not "-0.0000"; NaN stays */
json_t *report_real(double x);                                  /* null for what is not finite. New reference */
const json_t *report_variant(const json_t *report, const char *name);                              /* NULL: there is none */
const json_t *report_comparison(const json_t *report, const char *variant, const char *score);     /* NULL: there is none */
void PRINTF_LIKE(2, 3) report_say(json_t *list, const char *format, ...);                          /* appends a sentence */
const char *report_plural(double count);                         /* what a counted noun ends in: "1 trial", "2 trials" */

/* ---- trials (report.c) ---- */
bool report_is_of(const json_t *trial, const char *variant);
bool report_counts(const json_t *trial);                       /* ran to its end, and the sweep did not let go of it */
double report_score(const json_t *trial, const char *score);   /* NaN: it has none that counts */

/* ---- scores (report_scores.c) ---- */
enum { REPORT_SCORES_MAX = IMAGE_SCORES_CLASSES_MAX + 8 }; /* Dice of every class that there can be, and the others */
struct report_judged { /* what is judged */
    const char *name, *what;
    int better; /* 1: more is better, -1: less is */
};
struct report_score {
    char name[97];
    const struct report_judged *row;
};
struct report_scores {
    struct report_score of[REPORT_SCORES_MAX];
    size_t count;
};
void report_find_scores(const json_t *trials, struct report_scores *scores); /* those that a trial told, in the table's order */
json_t *report_absent_scores(const struct report_scores *scores);           /* names of those that none told. New reference */

/* ---- images drawn anew (report_images.c) ---- */
/* Values of a score of trial `trial` with its validation images drawn with replacement, REPORT_REDRAWS of them; NULL where the trial
   told no images or the score does not follow from them. Draw r is of the same images in every trial that was validated on the same
   ones: *set (from 0) tells which. Made by report_images_draw, for these scores alone. */
enum { REPORT_REDRAWS = 1000 };
void report_images_draw(struct report_images *images, size_t trial, const struct report_scores *scores);
const double *report_images_drawn(const struct report_images *images, size_t trial, size_t score, int *set);
size_t report_images_units(const struct report_images *images, int set); /* what a draw of the set draws from: images, or groups of them */
void report_images_drop(struct report_images *images, size_t trial); /* what draw made; the images stay */

/* ---- parts of the report, each in a file of its name ---- */
void report_compare(json_t *report, const json_t *trials, const struct report_scores *scores, struct report_images *images); /* comparisons */
json_t *report_conflict(const json_t *trials, const char *variant);      /* what its jobs told of their gradients; null: nothing. New reference */
json_t *report_curves(const json_t *report, const json_t *trials);      /* the monitor over epochs. New reference */
void report_headline(json_t *report); /* can Dice and cross-entropy be trained together here, and how */
void report_words(json_t *report);    /* `answer`: what is real and what is noise; `notes`: what it does not show */

/* ---- charts: SVG in the page; nothing is written where there is nothing to show ---- */
enum err report_chart_dots(const json_t *report, const char *score, struct buf *to) MUST_USE;   /* report_rows.c: a line a variant, a dot a seed */
enum err report_chart_forest(const json_t *report, const char *score, struct buf *to) MUST_USE; /* report_rows.c: differences and intervals */
enum err report_chart_curves(const json_t *report, struct buf *to) MUST_USE;                    /* report_planes.c */
enum err report_chart_scatter(const json_t *report, const char *x_score, const char *y_score, struct buf *to) MUST_USE; /* report_planes.c */
#endif
