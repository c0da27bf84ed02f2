/* loss_pass: the pixel loops of the two losses, included once for float and once for double (REAL, EXP, LOG, NAME).
 *
 * Pixels go by in blocks that stay in the first cache; each term of a block is laid out as an array, so that the loops
 * have neither branches nor dependencies. Sums are in double, over eight fixed partial sums, whatever the vector width. */

static double NAME(sum_block)(const REAL *terms)
{
    double part[8] = {0};
    for (int i = 0; i < BLOCK; i += 8)
        for (int k = 0; k < 8; k++)
            part[k] += (double)terms[i + k];
    return ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

/* valid: 1 where the label counts, 0 where it is ignored and past the end of the block. */
static void NAME(valid_block)(const struct loss_options *o, const uint8_t *labels, int n, REAL *valid)
{
    for (int i = 0; i < n; i++)
        valid[i] = labels[i] != LABEL_IGNORED && labels[i] != o->ignore_index ? 1 : 0;
    for (int i = n; i < BLOCK; i++)
        valid[i] = 0;
}

/* Adds one class of one block to its sums. p, y and valid have BLOCK entries, finite (or honestly NaN) wherever valid. */
static void NAME(dice_block)(const struct loss_options *o, const REAL *p, const REAL *y, const REAL *valid, struct dice_sums *sums)
{
    REAL both[BLOCK], mass[BLOCK], square[BLOCK], target[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        mass[i] = valid[i] > 0 ? p[i] : 0;
        target[i] = valid[i] * y[i];
        both[i] = mass[i] * y[i];
        square[i] = mass[i] * mass[i];
    }
    double p_sum = NAME(sum_block)(mass);
    sums->mass += p_sum;
    sums->predicted += o->dice.squared_pred ? NAME(sum_block)(square) : p_sum;
    sums->intersection += NAME(sum_block)(both);
    sums->target += NAME(sum_block)(target);
}

#include "worker/train/loss_pass_ce.h"

static void NAME(sigmoid_sums)(const struct loss_options *o, const REAL *logits, const uint8_t *labels, int n, REAL *prob, struct loss_sums *sums)
{
    REAL valid[BLOCK], y[BLOCK] = {0}, p[BLOCK] = {0}, ce[BLOCK] = {0};
    NAME(valid_block)(o, labels, n, valid);
    for (int i = 0; i < n; i++) {
        REAL z = logits[i], e = EXP(z > 0 ? -z : z), one = (REAL)1 / ((REAL)1 + e);
        y[i] = labels[i] == 1 ? 1 : 0;
        p[i] = z > 0 ? one : e * one;
        ce[i] = valid[i] > 0 ? (z > 0 ? z : 0) - z * y[i] + LOG((REAL)1 + e) : 0;
        prob[i] = p[i];
    }
    NAME(dice_block)(o, p, y, valid, &sums->dice[0]);
    if (ce_is_plain(&o->ce))
        sums->ce += NAME(sum_block)(ce);
    sums->valid += NAME(sum_block)(valid);
}

/* One block of softmax: prob gets the probabilities, lse the logarithm of the sum of exponentials. */
static void NAME(softmax_block)(int channels, const REAL *logits, size_t pixels, int n, REAL *prob, REAL *lse)
{
    REAL top[BLOCK], sum[BLOCK] = {0};
    for (int i = 0; i < n; i++)
        top[i] = logits[i];
    for (int c = 1; c < channels; c++) {
        const REAL *z = logits + (size_t)c * pixels;
        for (int i = 0; i < n; i++)
            top[i] = z[i] > top[i] ? z[i] : top[i];
    }
    for (int c = 0; c < channels; c++) {
        const REAL *z = logits + (size_t)c * pixels;
        REAL *p = prob + (size_t)c * pixels;
        for (int i = 0; i < n; i++) {
            REAL e = EXP(z[i] - top[i]);
            p[i] = e;
            sum[i] += e;
        }
    }
    for (int i = 0; i < n; i++) {
        lse[i] = top[i] + LOG(sum[i]);
        sum[i] = (REAL)1 / sum[i];
    }
    for (int c = 0; c < channels; c++) {
        REAL *p = prob + (size_t)c * pixels;
        for (int i = 0; i < n; i++)
            p[i] *= sum[i];
    }
}

static void NAME(softmax_sums)(const struct loss_options *o, const REAL *logits, const uint8_t *labels, size_t pixels, int n, REAL *prob, struct loss_sums *sums)
{
    REAL valid[BLOCK], ce[BLOCK] = {0}, right[BLOCK] = {0};
    NAME(valid_block)(o, labels, n, valid);
    for (int c = 0; c < o->channels; c++) { /* the right class's logit, before prob may overwrite it */
        const REAL *z = logits + (size_t)c * pixels;
        for (int i = 0; i < n; i++)
            right[i] = labels[i] == c ? z[i] : right[i];
    }
    NAME(softmax_block)(o->channels, logits, pixels, n, prob, ce);
    for (int i = 0; i < BLOCK; i++)
        ce[i] = valid[i] > 0 ? ce[i] - right[i] : 0;
    for (int c = 0; c < o->channels; c++) {
        REAL y[BLOCK] = {0}, p[BLOCK] = {0};
        for (int i = 0; i < n; i++) {
            y[i] = labels[i] == c ? 1 : 0;
            p[i] = prob[(size_t)c * pixels + (size_t)i];
        }
        NAME(dice_block)(o, p, y, valid, &sums->dice[c]);
    }
    if (ce_is_plain(&o->ce))
        sums->ce += NAME(sum_block)(ce);
    sums->valid += NAME(sum_block)(valid);
}

static void NAME(pass_sums)(const struct loss_options *o, const REAL *logits, const uint8_t *labels, size_t pixels, REAL *prob, REAL *terms, struct loss_sums *sums)
{
    bool plain = ce_is_plain(&o->ce);
    assert(o->channels >= 1 && o->channels <= LOSS_CHANNELS_MAX);
    assert(!ce_needs_terms(&o->ce) || terms);
    memset(sums, 0, sizeof *sums);
    for (size_t at = 0; at < pixels; at += BLOCK) {
        int n = pixels - at < BLOCK ? (int)(pixels - at) : BLOCK;
        if (!plain) /* before prob overwrites the logits */
            NAME(ce_sums)(o, logits + at, labels + at, pixels, n, terms ? terms + at : NULL, sums);
        if (o->channels == 1)
            NAME(sigmoid_sums)(o, logits + at, labels + at, n, prob + at, sums);
        else
            NAME(softmax_sums)(o, logits + at, labels + at, pixels, n, prob + at, sums);
    }
    if (plain)
        sums->ce_share = sums->valid;
    for (int c = 0; c < o->channels; c++)
        sums->dice[c].valid = sums->valid;
}

/* dz = w_d p (1-p) dp + w_ce (p - y) */
static void NAME(sigmoid_gradient)(const struct NAME(slope) *s, const REAL *prob, const uint8_t *labels, const REAL *valid, REAL ce, int n, REAL *out)
{
    for (int i = 0; i < n; i++) {
        REAL p = prob[i], y = labels[i] == 1 ? 1 : 0;
        REAL dp = s->one + s->y * y + s->p * p;
        out[i] = valid[i] > 0 ? p * ((REAL)1 - p) * dp + ce * (p - y) : 0;
    }
}

/* dz_c = w_d p_c (dp_c - sum_k p_k dp_k) + w_ce (p_c - [c = y]) */
static void NAME(softmax_gradient)(const struct NAME(slope) *s, int channels, const REAL *prob, const uint8_t *labels, size_t pixels, const REAL *valid,
                                   REAL ce, int n, REAL *out)
{
    REAL inner[BLOCK] = {0};
    for (int c = 0; c < channels; c++) {
        const REAL *p = prob + (size_t)c * pixels;
        for (int i = 0; i < n; i++) {
            REAL y = labels[i] == c ? 1 : 0;
            inner[i] += p[i] * (s[c].one + s[c].y * y + s[c].p * p[i]);
        }
    }
    for (int c = 0; c < channels; c++) {
        const REAL *p = prob + (size_t)c * pixels;
        REAL *g = out + (size_t)c * pixels;
        for (int i = 0; i < n; i++) {
            REAL y = labels[i] == c ? 1 : 0;
            REAL dp = s[c].one + s[c].y * y + s[c].p * p[i];
            g[i] = valid[i] > 0 ? p[i] * (dp - inner[i]) + ce * (p[i] - y) : 0;
        }
    }
}

static void NAME(pass_gradient)(const struct loss_options *o, const REAL *prob, const uint8_t *labels, size_t pixels, const struct loss_slopes *slopes,
                         const REAL *terms, double dice_weight, double ce_weight, REAL *out)
{
    bool plain = ce_is_plain(&o->ce);
    struct NAME(slope) s[LOSS_CHANNELS_MAX];
    for (int c = 0; c < o->channels; c++)
        s[c] = (struct NAME(slope)){(REAL)(dice_weight * slopes->dice[c].one), (REAL)(dice_weight * slopes->dice[c].y), (REAL)(dice_weight * slopes->dice[c].p)};
    REAL ce_all = (REAL)(ce_weight * slopes->ce), ce = plain ? ce_all : 0, more[LOSS_CHANNELS_MAX * BLOCK];
    for (size_t at = 0; at < pixels; at += BLOCK) {
        int n = pixels - at < BLOCK ? (int)(pixels - at) : BLOCK;
        REAL valid[BLOCK];
        NAME(valid_block)(o, labels + at, n, valid);
        if (!plain) /* before out overwrites the probabilities */
            NAME(ce_gradient)(o, slopes, ce_all, prob + at, labels + at, pixels, valid, terms ? terms + at : NULL, n, more);
        if (o->channels == 1)
            NAME(sigmoid_gradient)(s, prob + at, labels + at, valid, ce, n, out + at);
        else
            NAME(softmax_gradient)(s, o->channels, prob + at, labels + at, pixels, valid, ce, n, out + at);
        for (int c = 0; c < o->channels && !plain; c++)
            for (int i = 0; i < n; i++)
                out[(size_t)c * pixels + at + (size_t)i] += more[c * BLOCK + i];
    }
}
