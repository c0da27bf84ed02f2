/* loss_pass_ce: the pixel loops of cross-entropy with options (loss_ce.c has the formulas), included by loss_pass.h.
   The plain mean never comes here. */

/* One block of pixels as cross-entropy sees them. */
struct NAME(ce_block) {
    REAL nll[BLOCK];    /* -log p_y */
    REAL smooth[BLOCK]; /* sum over classes of w_c (z_y - z_c), with label smoothing */
    REAL wrong[BLOCK];  /* 1 - p_y, without its cancellation */
};
/* The block adds to dz_k: scale (total p_k - t_k) + (k = y ? -pull : push p_k), t_k = own [k = y] + smoothing. */
struct NAME(ce_pull) {
    REAL scale[BLOCK], total[BLOCK], own[BLOCK], pull[BLOCK], push[BLOCK];
};
struct NAME(ce_numbers) {
    REAL weight[LOSS_CHANNELS_MAX], share[LOSS_CHANNELS_MAX], all; /* of a class; the sum of all weights */
    REAL certain, spread, gamma;                                   /* 1 - e, e/C */
};

static void NAME(ce_numbers_of)(const struct loss_options *o, struct NAME(ce_numbers) *to)
{
    int classes = o->channels == 1 ? 2 : o->channels;
    to->all = 0;
    for (int c = 0; c < classes; c++) {
        to->weight[c] = o->ce.weighted ? (REAL)o->ce.weight[c] : (REAL)1;
        to->share[c] = o->ce.weighted ? (REAL)o->ce.share[c] : (REAL)1;
        to->all += to->weight[c];
    }
    to->certain = (REAL)(1 - o->ce.label_smoothing);
    to->spread = (REAL)(o->ce.label_smoothing / classes);
    to->gamma = (REAL)o->ce.focal_gamma;
}

static int NAME(class_at)(const struct loss_options *o, uint8_t label, REAL valid)
{
    if (!(valid > 0))
        return 0;
    return o->channels == 1 ? label == 1 : label;
}

/* u^gamma; the usual 2 without a call. */
static REAL NAME(power)(REAL u, REAL gamma)
{
    return gamma < 2 || gamma > 2 ? POW(u, gamma) : u * u;
}

static void NAME(sigmoid_look)(const struct NAME(ce_numbers) *w, const REAL *logits, const uint8_t *labels, int n, struct NAME(ce_block) *b)
{
    for (int i = 0; i < n; i++) {
        REAL z = logits[i], e = EXP(z > 0 ? -z : z), one = (REAL)1 / ((REAL)1 + e);
        bool positive = labels[i] == 1;
        b->nll[i] = (z > 0 ? z : 0) - (positive ? z : 0) + LOG((REAL)1 + e);
        b->smooth[i] = positive ? w->weight[0] * z : -w->weight[1] * z;
        b->wrong[i] = (z > 0) == positive ? e * one : one;
    }
}

static void NAME(softmax_look)(const struct loss_options *o, const struct NAME(ce_numbers) *w, const REAL *logits, const uint8_t *labels, size_t pixels, int n,
                               struct NAME(ce_block) *b)
{
    REAL top[BLOCK] = {0}, sum[BLOCK] = {0}, right[BLOCK] = {0};
    for (int c = 0; c < o->channels; c++) {
        const REAL *z = logits + (size_t)c * pixels;
        for (int i = 0; i < n; i++) {
            top[i] = c == 0 || z[i] > top[i] ? z[i] : top[i];
            right[i] = labels[i] == c ? z[i] : right[i];
        }
    }
    memset(b, 0, sizeof *b);
    for (int c = 0; c < o->channels; c++) {
        const REAL *z = logits + (size_t)c * pixels;
        for (int i = 0; i < n; i++) {
            REAL e = EXP(z[i] - top[i]);
            sum[i] += e;
            b->wrong[i] += labels[i] == c ? 0 : e;
            b->smooth[i] += w->weight[c] * (right[i] - z[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        b->nll[i] = top[i] + LOG(sum[i]) - right[i];
        b->wrong[i] /= sum[i];
    }
}

/* Adds a block to the sums. terms (may be NULL) gets each pixel's cross-entropy before any focus, -1 where it does not count. */
static void NAME(ce_sums)(const struct loss_options *o, const REAL *logits, const uint8_t *labels, size_t pixels, int n, REAL *terms, struct loss_sums *sums)
{
    REAL valid[BLOCK], ce[BLOCK] = {0}, share[BLOCK] = {0};
    struct NAME(ce_block) b;
    struct NAME(ce_numbers) w;
    NAME(ce_numbers_of)(o, &w);
    NAME(valid_block)(o, labels, n, valid);
    if (o->channels == 1)
        NAME(sigmoid_look)(&w, logits, labels, n, &b);
    else
        NAME(softmax_look)(o, &w, logits, labels, pixels, n, &b);
    for (int i = 0; i < n; i++) {
        int y = NAME(class_at)(o, labels[i], valid[i]);
        REAL l = w.certain * w.weight[y] * b.nll[i] + w.spread * (w.all * b.nll[i] + b.smooth[i]);
        share[i] = valid[i] > 0 ? w.share[y] : 0;
        ce[i] = share[i] > 0 ? (w.gamma > 0 ? NAME(power)(b.wrong[i], w.gamma) * l : l) : 0;
        if (terms)
            terms[i] = share[i] > 0 ? (l < 0 ? 0 : l) : -1;
    }
    sums->ce += NAME(sum_block)(ce);
    sums->ce_share += NAME(sum_block)(share);
}

/* 1 - p_y from the probabilities. */
static void NAME(wrong_block)(const struct loss_options *o, const REAL *prob, const uint8_t *labels, size_t pixels, int n, REAL *wrong)
{
    for (int i = 0; i < n; i++)
        wrong[i] = o->channels > 1 ? 0 : labels[i] == 1 ? (REAL)1 - prob[i] : prob[i];
    for (int c = 0; c < o->channels && o->channels > 1; c++)
        for (int i = 0; i < n; i++)
            wrong[i] += labels[i] == c ? 0 : prob[(size_t)c * pixels + (size_t)i];
}

static void NAME(ce_pulls)(const struct loss_options *o, const struct NAME(ce_numbers) *w, const struct loss_hard *hard, REAL slope, const uint8_t *labels,
                           const REAL *valid, const REAL *wrong, const REAL *terms, int n, struct NAME(ce_pull) *to)
{
    REAL threshold = (REAL)hard->threshold, tied = (REAL)hard->tied;
    for (int i = 0; i < n; i++) {
        int y = NAME(class_at)(o, labels[i], valid[i]);
        REAL keep = valid[i] > 0 && w->share[y] > 0 ? slope : 0, u = wrong[i];
        if (o->ce.top_percent > 0)
            keep *= terms[i] > threshold ? (REAL)1 : terms[i] < threshold ? 0 : tied;
        to->own[i] = w->certain * w->weight[y];
        to->total[i] = to->own[i] + w->spread * w->all;
        to->scale[i] = keep;
        to->pull[i] = to->push[i] = 0;
        if (w->gamma > 0) {
            to->scale[i] *= NAME(power)(u, w->gamma);
            to->pull[i] = w->gamma * to->scale[i] * terms[i] * ((REAL)1 - u);
            to->push[i] = u > 0 ? to->pull[i] / u : 0;
        }
    }
}

/* What a block's cross-entropy adds to the gradient; slope: its weight over the sum of shares. to: [channels][BLOCK] */
static void NAME(ce_gradient)(const struct loss_options *o, const struct loss_slopes *slopes, REAL slope, const REAL *prob, const uint8_t *labels, size_t pixels,
                              const REAL *valid, const REAL *terms, int n, REAL *to)
{
    REAL wrong[BLOCK];
    struct NAME(ce_pull) b;
    struct NAME(ce_numbers) w;
    NAME(ce_numbers_of)(o, &w);
    NAME(wrong_block)(o, prob, labels, pixels, n, wrong);
    NAME(ce_pulls)(o, &w, &slopes->hard, slope, labels, valid, wrong, terms, n, &b);
    for (int c = 0; c < o->channels; c++) {
        int k = o->channels == 1 ? 1 : c; /* the class of this logit */
        const REAL *p = prob + (size_t)c * pixels;
        REAL smoothing = w.spread * w.weight[k];
        for (int i = 0; i < n; i++) {
            bool own = labels[i] == k;
            REAL target = own ? b.own[i] + smoothing : smoothing;
            REAL g = b.scale[i] * (b.total[i] * p[i] - target) + (own ? -b.pull[i] : b.push[i] * p[i]);
            to[c * BLOCK + i] = valid[i] > 0 ? g : 0;
        }
    }
}
