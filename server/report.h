/* report: what a sweep has shown: means over seeds, paired comparisons with the reference, which differences are real, in words. */
#ifndef SERVER_REPORT_H
#define SERVER_REPORT_H
#include <jansson.h>
#include "schema/base/buf.h"

/* What the trials told of single images, small enough to hold for all of them. */
struct report_images;
struct report_images *report_images_new(void);
void report_images_free(struct report_images *images); /* NULL is fine */
/* Of the next trial: the JSON of schema/job/image_scores.h, or null (also for one that is malformed). */
void report_images_add(struct report_images *images, const json_t *scores);

/* `results`: {sweep, trials} as queue_sweep_results gives them, all pages in one; `images` of every trial in that order. The report as
   JSON (openapi.json: SweepReport). What depends on who ran it when (ids, attempts, seconds) stands under `run` and `timing` alone:
   everything else is the same bits for the same scores. New reference. */
json_t *report_make(const json_t *results, struct report_images *images);
/* The same as Markdown, and as a page of HTML that needs nothing else (charts are SVG inside). */
enum err report_markdown(const json_t *report, struct buf *to) MUST_USE;
enum err report_html(const json_t *report, struct buf *to) MUST_USE;
#endif
