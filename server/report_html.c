/* report_html: the report as one page: the answer, charts drawn as SVG inside, tables; nothing is fetched. */
#include <math.h>
#include <string.h>
#include "server/report_parts.h"
#include "server/report_plot.h"

static enum err add_element(struct buf *to, const char *tag, const char *text)
{
    enum err e = buf_printf(to, "<%s>", tag);
    if (!e) e = plot_escape(to, text);
    return e ? e : buf_printf(to, "</%s>\n", tag);
}

static enum err add_number(struct buf *to, const char *format, double value)
{
    char text[32];
    err_print(text, sizeof text, "%s", "\xe2\x80\x93");
    if (!isnan(value)) err_print(text, sizeof text, !strcmp(format, "+") ? "%+.4f" : !strcmp(format, "0") ? "%.0f" : !strcmp(format, "2") ? "%.2f" : "%.4f", *format == '+' ? report_signed(value) : value);
    return buf_printf(to, "<td>%s</td>", text);
}

static enum err add_sentences(struct buf *to, const json_t *sentences)
{
    enum err e = buf_text(to, "<ul>\n");
    for (size_t i = 0; i < json_array_size(sentences) && !e; i++) e = add_element(to, "li", json_string_value(json_array_get(sentences, i)));
    return e ? e : buf_text(to, "</ul>\n");
}

static enum err add_heads(struct buf *to, const char *const *heads)
{
    enum err e = buf_text(to, "<div class=\"wide\"><table><tr>");
    for (; *heads && !e; heads++) e = add_element(to, "th", *heads);
    return e;
}

static enum err end_table(struct buf *to)
{
    return buf_text(to, "</table></div>\n");
}

/* ---- tables --------------------------------------------------------------------------------------------------------- */
static enum err add_variant_row(const json_t *report, const json_t *variant, struct buf *to)
{
    static const char *const counts[] = {"trials", "succeeded", "failed", "diverged", "pruned"};
    const json_t *scores = json_object_get(report, "scores");
    enum err e = buf_text(to, strcmp(report_text(variant, "name"), report_text(report, "reference")) ? "<tr>" : "<tr class=\"reference\">");
    if (!e) e = add_element(to, "th", report_text(variant, "name"));
    for (int k = 0; k < 5 && !e; k++) e = add_number(to, "0", report_number(variant, counts[k]));
    for (size_t s = 0; s < json_array_size(scores) && !e; s++) {
        const json_t *score = json_object_get(json_object_get(variant, "scores"), report_text(json_array_get(scores, s), "name"));
        double mean = report_number(score, "mean"), deviation = report_number(score, "deviation");
        e = isnan(mean) || isnan(deviation) ? add_number(to, "4", mean) : buf_printf(to, "<td>%.4f <small>&plusmn; %.4f</small></td>", mean, deviation);
    }
    return e ? e : buf_text(to, "</tr>\n");
}

static enum err add_variants(const json_t *report, struct buf *to)
{
    static const char *const heads[] = {"variant", "trials", "scored", "failed", "diverged", "pruned", NULL};
    const json_t *scores = json_object_get(report, "scores"), *variants = json_object_get(report, "variants");
    enum err e = add_element(to, "h2", "Scores: mean ± deviation over seeds, at the best epoch");
    if (!e) e = add_heads(to, heads);
    for (size_t s = 0; s < json_array_size(scores) && !e; s++) {
        const json_t *one = json_array_get(scores, s);
        e = buf_printf(to, "<th title=\"%s\">%s %s</th>", report_text(one, "what"), report_text(one, "name"), report_number(one, "better") > 0 ? "&uarr;" : "&darr;");
    }
    if (!e) e = buf_text(to, "</tr>\n");
    for (size_t v = 0; v < json_array_size(variants) && !e; v++) e = add_variant_row(report, json_array_get(variants, v), to);
    return e ? e : end_table(to);
}

static enum err add_comparisons(const json_t *report, struct buf *to)
{
    static const char *const heads[] = {"variant", "score", "pairs", "difference", "95 % from", "to", "p (Holm)", "images drawn", "", NULL};
    static const char *const keys[] = {"difference", "low", "high"};
    const json_t *comparisons = json_object_get(report, "comparisons");
    enum err e = buf_text(to, "<details><summary>All comparisons with the reference, seed by seed</summary>");
    if (!e) e = add_heads(to, heads);
    if (!e) e = buf_text(to, "</tr>\n");
    for (size_t i = 0; i < json_array_size(comparisons) && !e; i++) {
        const json_t *c = json_array_get(comparisons, i);
        e = buf_text(to, "<tr>");
        if (!e) e = add_element(to, "th", report_text(c, "variant"));
        if (!e) e = add_element(to, "td", report_text(c, "score"));
        if (!e) e = add_number(to, "0", report_number(c, "pairs"));
        for (int k = 0; k < 3 && !e; k++) e = add_number(to, "+", report_number(c, keys[k]));
        if (!e) e = add_number(to, "4", report_number(c, "p_holm"));
        if (!e) e = buf_printf(to, "<td>%s</td><td>%s</td></tr>\n", json_is_true(json_object_get(c, "over_images")) ? "yes" : "no", report_text(c, "word"));
    }
    if (!e) e = end_table(to);
    return e ? e : buf_text(to, "</details>\n");
}

static enum err add_conflict(const json_t *report, struct buf *to)
{
    static const char *const heads[] = {"variant", "level", "steps in conflict", "median cosine", "ratio first", "ratio last", "effective alpha", "trials", NULL};
    static const char *const numbers[] = {"conflict_rate", "cos_median", "ratio_first", "ratio_last"};
    const json_t *variants = json_object_get(report, "variants");
    enum err e = OK;
    bool any = false;
    for (size_t v = 0; v < json_array_size(variants) && !e; v++) {
        const json_t *conflict = json_object_get(json_array_get(variants, v), "conflict");
        const char *level;
        json_t *one;
        json_object_foreach(json_object_get(conflict, "levels"), level, one) {
            if (!any) e = buf_text(to, "<h2>Gradients of the two losses</h2>\n<p>Medians over the trials. In conflict: cosine below 0. Ratio: length of Dice's gradient over that of"
                                       " cross-entropy's, in the first and the last quarter of the diagnosed steps.</p>\n");
            if (!any && !e) e = add_heads(to, heads);
            if (!any && !e) e = buf_text(to, "</tr>\n");
            any = true;
            if (!e) e = buf_text(to, "<tr>");
            if (!e) e = add_element(to, "th", report_text(json_array_get(variants, v), "name"));
            if (!e) e = add_element(to, "td", level);
            for (int k = 0; k < 4 && !e; k++) e = add_number(to, "4", report_number(one, numbers[k]));
            if (!e) e = add_number(to, "2", report_number(conflict, "alpha_effective"));
            if (!e) e = add_number(to, "0", report_number(conflict, "trials"));
            if (!e) e = buf_text(to, "</tr>\n");
            if (e) break;
        }
    }
    return e || !any ? e : end_table(to);
}

static enum err add_cost(const json_t *report, struct buf *to)
{
    static const char *const heads[] = {"variant", "processor seconds a step", "times the reference", NULL};
    const json_t *list = json_object_get(json_object_get(report, "timing"), "variants");
    enum err e = add_element(to, "h2", "Cost");
    if (!e) e = add_heads(to, heads);
    if (!e) e = buf_text(to, "</tr>\n");
    for (size_t i = 0; i < json_array_size(list) && !e; i++) {
        const json_t *t = json_array_get(list, i);
        e = buf_text(to, "<tr>");
        if (!e) e = add_element(to, "th", report_text(t, "name"));
        if (!e) e = add_number(to, "4", report_number(t, "step_processor_s"));
        if (!e) e = add_number(to, "2", report_number(t, "relative"));
        if (!e) e = buf_text(to, "</tr>\n");
    }
    return e ? e : end_table(to);
}

/* ---- charts ---------------------------------------------------------------------------------------------------------- */
/* What its heading promises is a chart: where none was written since `from`, a sentence says why. */
static enum err or_say_why(struct buf *to, size_t from, const char *why)
{
    return to->length > from ? OK : add_element(to, "p", why);
}

static enum err add_planes(const json_t *report, struct buf *to)
{
    const char *monitor = report_text(report, "monitor");
    enum err e = add_element(to, "h2", "Over the epochs: mean of the seeds; of few variants their range, too");
    size_t from = to->length;
    if (!e) e = report_chart_curves(report, to);
    if (!e) e = or_say_why(to, from, "No chart: a curve needs two epochs of a trial that ran to its end.");
    if (!e) e = add_element(to, "h2", "Overlap against calibration: a large dot a variant, a small one a seed");
    from = to->length;
    if (!e) e = report_chart_scatter(report, "val/ece", monitor, to);
    return e ? e : or_say_why(to, from, "No chart: no variant has both scores of a trial that ran to its end.");
}

static enum err add_score(const json_t *report, const json_t *score, struct buf *to)
{
    enum err e = buf_printf(to, "<h3>%s <small>%s, %s is better</small></h3>\n<div class=\"pair\">", report_text(score, "name"), report_text(score, "what"),
                            report_number(score, "better") > 0 ? "more" : "less");
    size_t from = to->length;
    if (!e) e = report_chart_dots(report, report_text(score, "name"), to);
    if (!e) e = report_chart_forest(report, report_text(score, "name"), to);
    if (!e) e = or_say_why(to, from, "No chart: no trial that ran to its end has this score.");
    return e ? e : buf_text(to, "</div>\n");
}

/* val/dice/1: of one class; these are folded away. */
static bool of_one_class(const json_t *score)
{
    const char *slash = strrchr(report_text(score, "name"), '/');
    return slash && slash[1] >= '0' && slash[1] <= '9';
}

static enum err add_rows(const json_t *report, struct buf *to)
{
    const json_t *scores = json_object_get(report, "scores");
    bool any = false;
    for (size_t s = 0; s < json_array_size(scores); s++) any = any || of_one_class(json_array_get(scores, s));
    if (!json_array_size(scores)) return OK; /* the answer says so */
    enum err e = buf_text(to, "<h2>Score by score</h2>\n<p>Left: a dot a seed, the bar at their mean, a line for their deviation. Right: the difference from ");
    if (!e) e = plot_escape(to, report_text(report, "reference"));
    if (!e) e = buf_text(to, ", with its 95 % interval from five seeds on; <b class=\"better\">better</b> and <b class=\"worse\">worse</b> where it is real or large, grey where it is not.</p>\n");
    for (size_t s = 0; s < json_array_size(scores) && !e; s++)
        if (!of_one_class(json_array_get(scores, s))) e = add_score(report, json_array_get(scores, s), to);
    if (!e && any) e = buf_text(to, "<details><summary>Dice of single classes</summary>\n");
    for (size_t s = 0; s < json_array_size(scores) && !e; s++)
        if (of_one_class(json_array_get(scores, s))) e = add_score(report, json_array_get(scores, s), to);
    return e || !any ? e : buf_text(to, "</details>\n");
}

/* ---- the page ---------------------------------------------------------------------------------------------------------- */
static const char style[] =
    "<style>:root{--ink:#1b1f24;--paper:#fff;--soft:#f3f6fa;--line:#dfe3e8;--grey:#6b7480;--good:#00794f;--bad:#c2410c;--dot:#0072b2}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#14181d;--soft:#1e252d;--line:#343c46;--grey:#98a2ae;--good:#2fbf8f;--bad:#f4824a;--dot:#56b4e9}}"
    "body{font:15px/1.55 system-ui,sans-serif;max-width:1060px;margin:2em auto;padding:0 1.2em;color:var(--ink);background:var(--paper)}"
    "h1{margin-bottom:0}h2{margin:1.8em 0 .4em}h3{margin:1.2em 0 .2em}h3 small,.sub{font-weight:400;color:var(--grey)}"
    ".answer{background:var(--soft);border-left:4px solid var(--dot);padding:.8em 1.2em;border-radius:4px}.answer h2{margin:0 0 .3em}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}"
    "td,th{padding:.25em .7em;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}th:first-child{text-align:left}"
    "tr.reference{background:var(--soft)}td small{color:var(--grey)}summary{cursor:pointer;margin:.8em 0}.pair{display:flex;flex-wrap:wrap;gap:8px}"
    "svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}.label{text-anchor:end}text.reference{font-weight:700}"
    ".tick,.axis{text-anchor:middle}svg .tick,svg .axis{fill:var(--grey)}.start{text-anchor:start}.grid{stroke:var(--line)}.zero{stroke:var(--grey);stroke-dasharray:4 3}"
    ".mean{stroke:var(--dot);stroke-width:3}.spread{stroke:var(--dot);stroke-width:7;stroke-opacity:.18}.dot{fill:var(--dot);fill-opacity:.6}.interval{stroke-width:3}"
    "line.better{stroke:var(--good)}line.worse{stroke:var(--bad)}line.noise{stroke:var(--grey)}circle.better{fill:var(--good)}circle.worse{fill:var(--bad)}"
    "circle.noise{fill:var(--grey)}b.better{color:var(--good)}b.worse{color:var(--bad)}.band{fill-opacity:.12}.curve{fill:none;stroke-width:2}"
    ".small{fill-opacity:.45}.large{stroke:var(--paper);stroke-width:1.5}.ring{fill:var(--paper);stroke-width:3.5}code{font-size:13px;word-break:break-all}</style>\n";

static enum err add_head(const json_t *report, struct buf *to)
{
    const char *name = *report_text(report, "name") ? report_text(report, "name") : "Sweep";
    const json_t *outcomes = json_object_get(report, "outcomes");
    double variants = (double)json_array_size(json_object_get(report, "variants")), trials = report_number(outcomes, "trials"),
           seeds = (double)json_array_size(json_object_get(json_object_get(report, "repeat"), "seeds"));
    enum err e = buf_text(to, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">");
    if (!e) e = add_element(to, "title", name);
    if (!e) e = buf_text(to, style);
    if (!e) e = add_element(to, "h1", name);
    if (!e) e = buf_printf(to, "<p class=\"sub\">%.0f variant%s, %.0f seed%s, %.0f trial%s, %.0f scored; compared with ", variants,
                           report_plural(variants), seeds, report_plural(seeds), trials, report_plural(trials), report_number(outcomes, "succeeded"));
    if (!e) e = plot_escape(to, report_text(report, "reference"));
    if (!e) e = buf_text(to, "</p>\n<section class=\"answer\"><h2>Can Dice and cross-entropy be trained together here, and how?</h2>\n");
    if (!e) e = add_sentences(to, json_object_get(report, "headline"));
    return e ? e : buf_text(to, "</section>\n");
}

static enum err add_repeat(const json_t *report, struct buf *to)
{
    const json_t *repeat = json_object_get(report, "repeat"), *seeds = json_object_get(repeat, "seeds");
    enum err e = buf_printf(to, "<h2>To repeat it</h2>\n<p>Seed%s", report_plural((double)json_array_size(seeds)));
    for (size_t i = 0; i < json_array_size(seeds) && !e; i++) e = buf_printf(to, "%s %lld", i ? "," : "", (long long)json_integer_value(json_array_get(seeds, i)));
    if (!e) e = buf_text(to, "; sweep <code>");
    if (!e) e = plot_escape(to, report_text(json_object_get(report, "run"), "sweep"));
    return e ? e : buf_printf(to, "</code>; spec hash <code>%s</code>. Its <code>spec</code> as the body of another submit gives the same trials.</p>\n</html>\n", report_text(repeat, "spec_hash"));
}

enum err report_html(const json_t *report, struct buf *to)
{
    static enum err (*const parts[])(const json_t *report, struct buf *to) = {add_planes, add_rows, add_variants, add_comparisons, add_conflict, add_cost};
    enum err e = add_head(report, to);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && !e; i++) e = parts[i](report, to);
    if (!e) e = add_element(to, "h2", "What is real and what is noise");
    if (!e) e = add_sentences(to, json_object_get(report, "answer"));
    if (!e) e = add_element(to, "h2", "What it does not show");
    if (!e) e = add_sentences(to, json_object_get(report, "notes"));
    return e ? e : add_repeat(report, to);
}
