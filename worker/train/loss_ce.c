/* loss_ce: what cross-entropy is made of beyond the plain mean: weights, smoothing, focus, the hardest pixels.
 *
 * A pixel of class y, with n_c = -log p_c, weights w, shares s, C classes (two with one channel), e = label_smoothing:
 *     l = (1 - e) w_y n_y + e/C sum_c w_c n_c          F = (1 - p_y)^g l          CE = sum F / sum s_y   over what counts
 *     dl/dz_k = T p_k - t_k,  t_k = (1 - e) w_y [k = y] + e/C w_k,  T = sum_k t_k
 *     dF/dz_k = u^g dl/dz_k + g u^(g-1) l p_y (k = y ? -u : p_k),   u = 1 - p_y
 * class_weight gives w = s = the weights (PyTorch's CrossEntropyLoss); pos_weight gives w = (1, pos_weight) and s = 1 (its
 * BCEWithLogitsLoss); ce.include_background false sets w_0 = s_0 = 0. top_k: loss_hard.h.
 * The pixel loops are in loss_pass.h and loss_pass_ce.h, beside those of Dice: both need the same probabilities. */
#include "worker/train/loss_ce.h"

static double weight_of(const struct loss_spec *spec, int c)
{
    if (c == 0 && !spec->ce.include_background)
        return 0;
    return spec->class_weight.kind == LOSS_UNWEIGHTED ? 1 : spec->class_weight.of[c];
}

void ce_options_of(const struct loss_spec *spec, int channels, struct ce_options *o)
{
    int classes = channels == 1 ? 2 : channels;
    bool positive = channels == 1 && (spec->ce.pos_weight < 1 || spec->ce.pos_weight > 1);
    *o = (struct ce_options){.weighted = spec->class_weight.kind != LOSS_UNWEIGHTED || !spec->ce.include_background || positive,
                             .label_smoothing = spec->ce.label_smoothing, .focal_gamma = spec->ce.focal_gamma,
                             .top_percent = spec->ce.top_k < 100 ? spec->ce.top_k : 0};
    for (int c = 0; c < classes; c++)
        o->weight[c] = o->share[c] = weight_of(spec, c);
    if (positive)
        o->weight[1] = spec->ce.pos_weight;
}

bool ce_is_plain(const struct ce_options *o)
{
    return !o->weighted && !(o->label_smoothing > 0) && !ce_needs_terms(o);
}

bool ce_needs_terms(const struct ce_options *o)
{
    return o->focal_gamma > 0 || o->top_percent > 0;
}

double ce_mean(double sum, double share)
{
    return share > 0 ? sum / share : 0;
}

double ce_slope(double share)
{
    return share > 0 ? 1 / share : 0;
}
