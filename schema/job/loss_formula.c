/* loss_formula: what the two losses of a job compute, as one line of text each; only the terms that its options bring. */
#include "schema/job/loss_formula.h"

#include "schema/base/err.h"

const char *loss_formula_dice(const struct loss_spec *loss)
{
    static const char *const formulas[2][2] = {
        {"1 - (2 I + nr) / (P + Y + dr), P = sum p", "1 - (2 I + nr) / (P + Y + dr), P = sum p^2"},
        {"1 - (2 I + nr) / (2 (P + Y - I) + dr), P = sum p", "1 - (2 I + nr) / (2 (P + Y - I) + dr), P = sum p^2"}};
    return formulas[loss->dice.jaccard][loss->dice.squared_pred];
}

const char *loss_formula_groups(const struct loss_spec *loss)
{
    static const char *const groups[2][2] = {
        {"one group a class and image; the mean of the groups", "one group a class and image; sum w L / sum w of the groups, w = class_weight"},
        {"one group a class over the whole batch; the mean of the groups", "one group a class over the whole batch; sum w L / sum w of the groups, w = class_weight"}};
    return groups[loss->dice.batch][loss->dice.class_weight];
}

static bool has_pos_weight(const struct loss_spec *loss)
{
    return loss->ce.pos_weight < 1 || loss->ce.pos_weight > 1;
}

bool loss_ce_is_plain(const struct loss_spec *loss)
{
    return loss->class_weight.kind == LOSS_UNWEIGHTED && loss->ce.include_background && !has_pos_weight(loss) && !(loss->ce.label_smoothing > 0) &&
           !(loss->ce.focal_gamma > 0) && !(loss->ce.top_k < 100);
}

void loss_formula_ce(const struct loss_spec *loss, char to[LOSS_FORMULA_BYTES])
{
    bool listed = loss->class_weight.kind != LOSS_UNWEIGHTED, background = loss->ce.include_background;
    bool weighted = listed || !background || has_pos_weight(loss), smooth = loss->ce.label_smoothing > 0;
    char top[96] = "";
    if (loss_ce_is_plain(loss)) {
        err_print(to, LOSS_FORMULA_BYTES, "mean over the pixels that are not ignored of -log of the probability of the true class");
        return;
    }
    if (loss->ce.top_k < 100) err_print(top, sizeof top, ", of these the %.6g percent of highest F in the batch", loss->ce.top_k);
    err_print(to, LOSS_FORMULA_BYTES, "sum F / %s over the pixels that are not ignored%s%s; F = %s%s; n_c = -log p_c, y the true class%s%s%s%s",
              listed || !background ? "sum w_y" : "their number", background ? "" : " nor background", top, loss->ce.focal_gamma > 0 ? "(1 - p_y)^focal_gamma " : "",
              smooth ? weighted ? "((1 - e) w_y n_y + e/C sum w_c n_c)" : "((1 - e) n_y + e/C sum n_c)" : weighted ? "w_y n_y" : "n_y",
              smooth ? ", e = label_smoothing" : "", listed ? ", w = class_weight" : "", background ? "" : ", w_0 = 0", has_pos_weight(loss) ? ", w_1 = pos_weight" : "");
}
