/* report: what a sweep has shown: means over seeds, paired comparisons with the reference, which differences are real, in words. */
#ifndef SERVER_REPORT_H
#define SERVER_REPORT_H
#include <jansson.h>
#include "schema/base/buf.h"

/* `results` as queue_sweep_results gives it. The report as JSON (openapi.json: SweepReport). What depends on who ran it when (ids,
   attempts, seconds) stands under `run` and `timing` alone: everything else is the same bits for the same scores. New reference. */
json_t *report_make(const json_t *results);
/* The same as Markdown, and as a page of HTML that needs nothing else (charts are SVG inside). */
enum err report_markdown(const json_t *report, struct buf *to) MUST_USE;
enum err report_html(const json_t *report, struct buf *to) MUST_USE;

/* ---- between the report's own files ---- */
/* Adds `answer` (what is real and what is noise) and `notes` (what it does not show), sentences both. */
void report_words(json_t *report);
const char *report_text(const json_t *object, const char *key); /* "" */
double report_number(const json_t *object, const char *key);    /* NaN when it is absent or null */
#endif
