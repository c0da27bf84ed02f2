/* loss_hard: the hardest pixels of a batch, included like loss_pass.h (REAL, NAME) by loss.c.
 *
 * Of the n pixels that count in cross-entropy, max(1, floor(n k / 100)) are kept: those of highest cross-entropy. Pixels tied
 * at the threshold share the places that are left, each with the same part, so that neither the order of the pixels nor the
 * number of lanes decides anything. */

/* Order-preserving key of a number >= 0; NaN above all. */
static uint64_t NAME(hard_key)(REAL x)
{
    uint64_t bits = 0;
    memcpy((char *)&bits + sizeof bits - sizeof x, &x, sizeof x);
    return bits & (UINT64_MAX >> 1);
}

/* The keep-th largest of the terms >= 0 (keep >= 1, no more than there are), eleven bits at a time from the top: three rounds
   for a float, whose lower half is empty, six for a double. */
static REAL NAME(hard_threshold)(const REAL *terms, size_t count, size_t keep)
{
    uint64_t prefix = 0, mask = 0;
    const int last = 64 - 8 * (int)sizeof(REAL);
    for (int shift = 53, top = 64; top > last; top = shift, shift = shift > 11 ? shift - 11 : 0) {
        size_t tally[2048] = {0}, above = 0;
        int bin = 2047;
        for (size_t i = 0; i < count; i++)
            if (!(terms[i] < 0) && (NAME(hard_key)(terms[i]) & mask) == prefix)
                tally[NAME(hard_key)(terms[i]) >> shift & 2047]++;
        for (; above + tally[bin] < keep; bin--)
            above += tally[bin];
        keep -= above;
        mask |= (uint64_t)2047 << shift;
        prefix = (prefix & ~((uint64_t)2047 << shift)) | (uint64_t)bin << shift;
    }
    REAL x;
    memcpy(&x, (const char *)&prefix + sizeof prefix - sizeof x, sizeof x);
    return x;
}

static bool NAME(hard_counts)(const struct loss_sums *sums, int samples)
{
    double all = 0;
    for (int i = 0; i < samples; i++)
        all += sums[i].ce;
    return isfinite(all);
}

void NAME(loss_keep_hardest)(const struct loss_options *o, const REAL *terms, const uint8_t *labels, int samples, size_t pixels, struct loss_sums *sums)
{
    size_t all = (size_t)samples * pixels, counted = 0, above = 0, at_it = 0;
    for (size_t i = 0; i < all; i++)
        counted += terms[i] < 0 ? 0 : 1;
    if (counted == 0 || !NAME(hard_counts)(sums, samples)) /* NaN must stay NaN */
        return;
    size_t keep = (size_t)floor((double)counted * o->ce.top_percent / 100);
    keep = keep > 1 ? keep : 1;
    REAL threshold = NAME(hard_threshold)(terms, all, keep);
    for (size_t i = 0; i < all; i++) {
        above += terms[i] > threshold;
        at_it += terms[i] >= threshold && terms[i] <= threshold;
    }
    double tied = (double)(keep - above) / (double)at_it;
    for (int s = 0; s < samples; s++) {
        const REAL *t = terms + (size_t)s * pixels;
        const uint8_t *label = labels + (size_t)s * pixels;
        double ce = 0, share = 0;
        for (size_t i = 0; i < pixels; i++) {
            double kept = t[i] > threshold ? 1 : t[i] < threshold ? 0 : tied;
            int y = t[i] < 0 ? 0 : o->channels == 1 ? label[i] == 1 : label[i];
            ce += kept * (double)t[i];
            share += kept * (o->ce.weighted ? o->ce.share[y] : 1);
        }
        sums[s].ce = ce;
        sums[s].ce_share = share;
        sums[s].hard = (struct loss_hard){(double)threshold, tied};
    }
}
