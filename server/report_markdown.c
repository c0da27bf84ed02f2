/* report_markdown: the report as a page of text. */
#include "server/report_parts.h"

#include <math.h>
#include <string.h>

static enum err add_cell(struct buf *to, int digits, double value)
{
    enum err e = buf_text(to, " | ");
    return e ? e : isnan(value) ? buf_text(to, "-") : buf_printf(to, "%.*f", digits, value);
}

static enum err add_signed(struct buf *to, double value)
{
    enum err e = buf_text(to, " | ");
    return e ? e : isnan(value) ? buf_text(to, "-") : buf_printf(to, "%+.4f", report_signed(value));
}

/* A label may hold a bar, which would end its cell. */
static enum err add_label(struct buf *to, const char *label)
{
    enum err e = buf_text(to, "| ");
    for (const char *c = label; *c && !e; c++) e = *c == '|' ? buf_text(to, "\\|") : buf_add(to, c, 1);
    return e;
}

static enum err add_list(struct buf *to, const char *title, const json_t *sentences)
{
    enum err e = buf_printf(to, "\n## %s\n\n", title);
    for (size_t i = 0; i < json_array_size(sentences) && !e; i++) e = buf_printf(to, "- %s\n", json_string_value(json_array_get(sentences, i)));
    return e;
}

static enum err add_variants(const json_t *report, struct buf *to)
{
    const json_t *scores = json_object_get(report, "scores"), *variants = json_object_get(report, "variants");
    enum err e = buf_text(to, "\n## Scores: mean ± deviation over seeds, at the best epoch\n\n| variant | trials | scored | failed | diverged | pruned");
    for (size_t s = 0; s < json_array_size(scores) && !e; s++)
        e = buf_printf(to, " | %s %s", report_text(json_array_get(scores, s), "name"), report_number(json_array_get(scores, s), "better") > 0 ? "↑" : "↓");
    if (!e) e = buf_text(to, " |\n|---|---|---|---|---|---");
    for (size_t s = 0; s < json_array_size(scores) && !e; s++) e = buf_text(to, "|---");
    if (!e) e = buf_text(to, "|\n");
    for (size_t v = 0; v < json_array_size(variants) && !e; v++) {
        static const char *const counts[] = {"trials", "succeeded", "failed", "diverged", "pruned"};
        const json_t *variant = json_array_get(variants, v);
        e = add_label(to, report_text(variant, "name"));
        for (int k = 0; k < 5 && !e; k++) e = add_cell(to, 0, report_number(variant, counts[k]));
        for (size_t s = 0; s < json_array_size(scores) && !e; s++) {
            const json_t *score = json_object_get(json_object_get(variant, "scores"), report_text(json_array_get(scores, s), "name"));
            double deviation = report_number(score, "deviation");
            e = add_cell(to, 4, report_number(score, "mean"));
            if (!e && !isnan(deviation)) e = buf_printf(to, " ± %.4f", deviation);
        }
        if (!e) e = buf_text(to, " |\n");
    }
    return e;
}

static enum err add_comparisons(const json_t *report, struct buf *to)
{
    const json_t *comparisons = json_object_get(report, "comparisons");
    enum err e = buf_printf(to, "\n## Against %s, seed by seed\n\n| variant | score | pairs | difference | 95 %% interval | p (Holm) | |\n|---|---|---|---|---|---|---|\n", report_text(report, "reference"));
    for (size_t i = 0; i < json_array_size(comparisons) && !e; i++) {
        const json_t *c = json_array_get(comparisons, i);
        double low = report_number(c, "low");
        e = add_label(to, report_text(c, "variant"));
        if (!e) e = buf_printf(to, " | %s", report_text(c, "score"));
        if (!e) e = add_cell(to, 0, report_number(c, "pairs"));
        if (!e) e = add_signed(to, report_number(c, "difference"));
        if (!e) e = add_signed(to, low);
        if (!e && !isnan(low)) e = buf_printf(to, " to %+.4f", report_signed(report_number(c, "high")));
        if (!e) e = add_cell(to, 4, report_number(c, "p_holm"));
        if (!e) e = buf_printf(to, " | %s |\n", report_text(c, "word"));
    }
    return e;
}

static enum err add_conflict_rows(const json_t *variant, struct buf *to)
{
    static const char *const numbers[] = {"conflict_rate", "cos_median", "ratio_first", "ratio_last"};
    const json_t *conflict = json_object_get(variant, "conflict");
    enum err e = OK;
    const char *level;
    json_t *one;
    json_object_foreach(json_object_get(conflict, "levels"), level, one) {
        e = add_label(to, report_text(variant, "name"));
        if (!e) e = buf_printf(to, " | %s", level);
        for (int k = 0; k < 4 && !e; k++) e = add_cell(to, 3, report_number(one, numbers[k]));
        if (!e) e = add_cell(to, 3, report_number(conflict, "alpha_effective"));
        if (!e) e = add_cell(to, 0, report_number(conflict, "trials"));
        if (!e) e = buf_text(to, " |\n");
        if (e) break;
    }
    return e;
}

static enum err add_conflict(const json_t *report, struct buf *to)
{
    const json_t *variants = json_object_get(report, "variants");
    bool told = false;
    for (size_t v = 0; v < json_array_size(variants); v++) told = told || json_is_object(json_object_get(json_array_get(variants, v), "conflict"));
    if (!told) return OK;
    enum err e = buf_text(to, "\n## Gradients of the two losses: medians over the trials\n\nIn conflict: cosine below 0. Ratio: length of Dice's gradient over that of cross-entropy's, in the first and the last"
                              " quarter of the diagnosed steps.\n\n| variant | level | steps in conflict | median cosine | ratio first | ratio last | effective alpha | trials |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t v = 0; v < json_array_size(variants) && !e; v++) e = add_conflict_rows(json_array_get(variants, v), to);
    return e;
}

static enum err add_cost(const json_t *report, struct buf *to)
{
    const json_t *list = json_object_get(json_object_get(report, "timing"), "variants");
    enum err e = buf_printf(to, "\n## Cost\n\n| variant | processor seconds a step | times %s |\n|---|---|---|\n", report_text(report, "reference"));
    for (size_t i = 0; i < json_array_size(list) && !e; i++) {
        const json_t *t = json_array_get(list, i);
        e = add_label(to, report_text(t, "name"));
        if (!e) e = add_cell(to, 4, report_number(t, "step_processor_s"));
        if (!e) e = add_cell(to, 2, report_number(t, "relative"));
        if (!e) e = buf_text(to, " |\n");
    }
    return e;
}

static enum err add_repeat(const json_t *report, struct buf *to)
{
    const json_t *repeat = json_object_get(report, "repeat"), *seeds = json_object_get(repeat, "seeds");
    enum err e = buf_printf(to, "\n## To repeat it\n\nSeed%s", report_plural((double)json_array_size(seeds)));
    for (size_t i = 0; i < json_array_size(seeds) && !e; i++) e = buf_printf(to, "%s %lld", i ? "," : "", (long long)json_integer_value(json_array_get(seeds, i)));
    return e ? e : buf_printf(to, "; sweep %s; spec hash %s.\n", report_text(json_object_get(report, "run"), "sweep"), report_text(repeat, "spec_hash"));
}

enum err report_markdown(const json_t *report, struct buf *to)
{
    const char *name = report_text(report, "name");
    enum err e = buf_printf(to, "# %s\n", *name ? name : "Sweep");
    if (!e) e = add_list(to, "Can Dice and cross-entropy be trained together here, and how?", json_object_get(report, "headline"));
    if (!e) e = add_list(to, "What is real and what is noise", json_object_get(report, "answer"));
    if (!e) e = add_variants(report, to);
    if (!e) e = add_comparisons(report, to);
    if (!e) e = add_conflict(report, to);
    if (!e) e = add_cost(report, to);
    if (!e) e = add_list(to, "What it does not show", json_object_get(report, "notes"));
    return e ? e : add_repeat(report, to);
}
