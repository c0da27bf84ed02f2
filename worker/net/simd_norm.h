/* simd_norm: normalisation and activation fused, forward and backward: two passes over the data each, the second one
   backwards through the plane so that it starts in what the cache still holds. Included by kernel_simd.c only. */

enum { NORM_SAMPLES = 16 /* pixels whose mean shifts the sums: any value near the mean will do */ };

static void plane_moments(const float *z, size_t pixels, int block, double *mean, double *variance)
{
    size_t step = (size_t)block, samples = pixels < NORM_SAMPLES ? pixels : NORM_SAMPLES;
    double sum[VEC] = {0}, square[VEC] = {0}, n = (double)pixels;
    vec shift = vec_zero();
    for (size_t i = 0; i < samples; i++) shift = vec_add(shift, vec_load(z + i * (pixels / samples) * step));
    shift = vec_mul(shift, vec_set(1 / (float)samples));
    for (size_t first = 0; first < pixels; first += CHUNK) {
        size_t last = first + CHUNK < pixels ? first + CHUNK : pixels, p = first;
        vec s[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()}, q[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        for (; p + 4 <= last; p += 4)
            for (int u = 0; u < 4; u++) {
                vec a = vec_sub(vec_load(z + (p + (size_t)u) * step), shift);
                vec_ahead(z + (p + (size_t)u) * step);
                s[u] = vec_add(s[u], a);
                q[u] = vec_fma(a, a, q[u]);
            }
        for (; p < last; p++) {
            vec a = vec_sub(vec_load(z + p * step), shift);
            s[0] = vec_add(s[0], a);
            q[0] = vec_fma(a, a, q[0]);
        }
        drain(sum, s[0], s[1], s[2], s[3]);
        drain(square, q[0], q[1], q[2], q[3]);
    }
    float shifts[VEC];
    vec_store(shifts, shift);
    for (int i = 0; i < VEC; i++) {
        struct moments m = moments_of((double)shifts[i], sum[i], square[i], n);
        mean[i] = m.mean, variance[i] = m.variance;
    }
}

static void norm_apply(const struct norm_shape *s, int v, const float *z, struct norm_line l, float *out)
{
    size_t step = (size_t)s->block, at = vector_at(v, s->pixels, s->block);
    for (size_t p = s->pixels; p-- > 0;) {
        size_t pixel = at + p * step;
        vec_ahead_down(z + pixel);
        vec_ahead_down(out + pixel);
        vec_store(out + pixel, norm_activated(l, vec_load(z + pixel)));
    }
}

/* Group statistics out of those of its channels, all over the same number of pixels. */
static void norm_join_groups(const struct norm_shape *s, double *mean, double *variance)
{
    int group = s->channels / s->groups;
    for (int first = 0; first < s->channels; first += group) {
        double m = 0, v = 0;
        for (int c = first; c < first + group; c++) m += mean[c] / group;
        for (int c = first; c < first + group; c++) v += (variance[c] + (mean[c] - m) * (mean[c] - m)) / group;
        for (int c = first; c < first + group; c++) mean[c] = m, variance[c] = v;
    }
}

static void norm_write_stats(const struct norm_shape *s, int first, int count, const double *mean, const double *variance, float *stats)
{
    float *r = stats + channels_padded(s->channels, s->block);
    for (int i = 0; i < count; i++) {
        stats[first + i] = (float)mean[i];
        r[first + i] = deviation_inverse(variance[i]);
    }
}

static void norm_again(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, const void *stats, void *out)
{
    for (int v = 0; v < vectors_of(s->channels, s->block); v++) norm_apply(s, v, z, norm_line_of(s, v, gamma, beta, stats), out);
}

static void norm_forward(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, void *stats, void *out)
{
    int vectors = vectors_of(s->channels, s->block);
    double mean[NETWORK_CHANNELS_MAX], variance[NETWORK_CHANNELS_MAX];
    for (int v = 0; v < vectors; v++) {
        if (s->norm != MODEL_NORM_NONE)
            plane_moments((const float *)z + vector_at(v, s->pixels, s->block), s->pixels, s->block, mean + v * VEC, variance + v * VEC);
        if (s->norm == MODEL_NORM_GROUP) continue;
        if (s->norm == MODEL_NORM_INSTANCE) norm_write_stats(s, v * VEC, VEC, mean + v * VEC, variance + v * VEC, stats);
        if (out) norm_apply(s, v, z, norm_line_of(s, v, gamma, beta, stats), out);
    }
    if (s->norm != MODEL_NORM_GROUP) return;
    norm_join_groups(s, mean, variance);
    norm_write_stats(s, 0, vectors * VEC, mean, variance, stats);
    if (out) norm_again(s, z, gamma, beta, stats, out);
}

/* Gradients that lie behind the same z: one, or those of both cotangents, which then share the reading of z and the activation's
   sign. Each has sums of its own and gets the bits that it would get alone. */
enum { NORM_MOST = 2, NORM_CHAINS = 2 /* of sums: with two gradients eight registers */ };
struct norm_gradients {
    float *d[NORM_MOST];
    const float *more[NORM_MOST]; /* a second gradient of the same outputs; all NULL: none */
};
struct norm_sums { /* of each channel: of the gradient behind the activation, and of its product with z - mean */
    double sum[NETWORK_CHANNELS_MAX], product[NETWORK_CHANNELS_MAX];
};

/* First backward pass, one pixel `at` floats on: the gradient behind the activation (stored when two are added) and its sums. */
INLINE void norm_gather_pixel(int count, bool more, const float *z, struct norm_gradients g, size_t at, struct norm_line l, vec sum[NORM_MOST],
                              vec product[NORM_MOST])
{
    vec zz = vec_load(z + at), apart = vec_sub(zz, l.mean);
    vec_mask positive = vec_greater(norm_y(l, zz), vec_zero());
    vec_ahead(z + at);
    for (int k = 0; k < count; k++) {
        vec d = vec_load(g.d[k] + at);
        vec_ahead(g.d[k] + at);
        if (more) vec_ahead(g.more[k] + at);
        if (more) d = vec_add(d, vec_load(g.more[k] + at));
        d = vec_if(positive, d, vec_mul(d, l.slope));
        if (more) vec_store(g.d[k] + at, d);
        sum[k] = vec_add(sum[k], d);
        product[k] = vec_fma(d, apart, product[k]);
    }
}

INLINE void norm_gather(int count, bool more, const float *z, struct norm_gradients g, size_t pixels, size_t step, struct norm_line l, int first_channel,
                        struct norm_sums *sums)
{
    for (size_t first = 0; first < pixels; first += CHUNK) {
        size_t last = first + CHUNK < pixels ? first + CHUNK : pixels, p = first;
        vec s[NORM_CHAINS][NORM_MOST] UNSET, q[NORM_CHAINS][NORM_MOST] UNSET;
        for (int u = 0; u < NORM_CHAINS; u++)
            for (int k = 0; k < count; k++) s[u][k] = q[u][k] = vec_zero();
        for (; p + NORM_CHAINS <= last; p += NORM_CHAINS)
            for (size_t u = 0; u < NORM_CHAINS; u++) norm_gather_pixel(count, more, z, g, (p + u) * step, l, s[u], q[u]);
        for (; p < last; p++) norm_gather_pixel(count, more, z, g, p * step, l, s[0], q[0]);
        for (int k = 0; k < count; k++) {
            drain(sums[k].sum + first_channel, s[0][k], s[1][k], vec_zero(), vec_zero());
            drain(sums[k].product + first_channel, q[0][k], q[1][k], vec_zero(), vec_zero());
        }
    }
}

/* Second pass: d_z = d * scale + (z - mean) * a + b. */
INLINE void norm_scatter(int count, bool more, const float *z, struct norm_gradients g, size_t pixels, size_t step, struct norm_line l, const vec a[NORM_MOST],
                         const vec b[NORM_MOST])
{
    for (size_t p = pixels; p-- > 0;) {
        vec zz = vec_load(z + p * step), apart = vec_sub(zz, l.mean);
        vec_mask positive = vec_greater(norm_y(l, zz), vec_zero());
        vec_ahead_down(z + p * step);
        for (int k = 0; k < count; k++) {
            vec d = vec_load(g.d[k] + p * step);
            vec_ahead_down(g.d[k] + p * step);
            if (!more) d = vec_if(positive, d, vec_mul(d, l.slope));
            vec_store(g.d[k] + p * step, vec_fma(d, l.scale, vec_fma(apart, a[k], b[k])));
        }
    }
}

/* a and b of the second pass from the two sums of each channel (backend.h's formula, written out):
   with r = 1/deviation, d_gamma = r * product, d_beta = sum; means over the group of gamma * d_beta and gamma * d_gamma. */
static void norm_factors(const struct norm_shape *s, const float *gamma, const float *stats, const double *sum, const double *product, int first, int count,
                         float *a, float *b)
{
    int group = s->norm == MODEL_NORM_GROUP ? s->channels / s->groups : 1;
    const float *r = stats + channels_padded(s->channels, s->block);
    for (int c = first; c < first + count; c += group) {
        double mean_h = 0, mean_hx = 0, n = (double)s->pixels * group;
        for (int i = c; i < c + group; i++) {
            mean_h += (double)gamma[i] * sum[i] / n;
            mean_hx += (double)gamma[i] * (double)r[i] * product[i] / n;
        }
        for (int i = c; i < c + group; i++) {
            a[i] = (float)(-(double)r[i] * (double)r[i] * mean_hx);
            b[i] = (float)(-(double)r[i] * mean_h);
        }
    }
}

INLINE struct norm_gradients norm_gradients_at(struct norm_gradients g, size_t at)
{
    for (int k = 0; k < NORM_MOST; k++) {
        if (g.d[k]) g.d[k] += at;
        if (g.more[k]) g.more[k] += at;
    }
    return g;
}

/* One vector of channels, forms of the loops for one gradient and for two, with a second gradient to add and without. */
static void norm_gather_vector(const struct norm_shape *s, int v, int count, const float *z, struct norm_gradients g, struct norm_line l,
                               struct norm_sums *sums)
{
    size_t step = (size_t)s->block, at = vector_at(v, s->pixels, s->block);
    bool more = g.more[0] != NULL;
    for (int k = 0; k < count; k++)
        for (int i = v * VEC; i < (v + 1) * VEC; i++) sums[k].sum[i] = sums[k].product[i] = 0;
    z += at, g = norm_gradients_at(g, at);
    if (count == 1 && more) norm_gather(1, true, z, g, s->pixels, step, l, v * VEC, sums);
    else if (count == 1) norm_gather(1, false, z, g, s->pixels, step, l, v * VEC, sums);
    else if (more) norm_gather(2, true, z, g, s->pixels, step, l, v * VEC, sums);
    else norm_gather(2, false, z, g, s->pixels, step, l, v * VEC, sums);
}

static void norm_scatter_vector(const struct norm_shape *s, int v, int count, const float *z, struct norm_gradients g, struct norm_line l,
                                float a[NORM_MOST][NETWORK_CHANNELS_MAX], float b[NORM_MOST][NETWORK_CHANNELS_MAX])
{
    size_t step = (size_t)s->block, at = vector_at(v, s->pixels, s->block);
    bool more = g.more[0] != NULL;
    vec av[NORM_MOST] UNSET, bv[NORM_MOST] UNSET;
    for (int k = 0; k < count; k++) av[k] = vec_load(a[k] + v * VEC), bv[k] = vec_load(b[k] + v * VEC);
    z += at, g = norm_gradients_at(g, at);
    if (count == 1 && more) norm_scatter(1, true, z, g, s->pixels, step, l, av, bv);
    else if (count == 1) norm_scatter(1, false, z, g, s->pixels, step, l, av, bv);
    else if (more) norm_scatter(2, true, z, g, s->pixels, step, l, av, bv);
    else norm_scatter(2, false, z, g, s->pixels, step, l, av, bv);
}

static void activation_backward(const struct norm_shape *s, const float *z, float *d, const float *d_more)
{
    size_t count = (size_t)channels_padded(s->channels, s->block) * s->pixels;
    vec slope = vec_set(s->slope);
    for (size_t i = 0; i < count; i += VEC) {
        vec g = vec_load(d + i);
        if (d_more) g = vec_add(g, vec_load(d_more + i));
        vec_store(d + i, vec_if(vec_greater(vec_load(z + i), vec_zero()), g, vec_mul(g, slope)));
    }
}

/* One sample, `count` gradients: d becomes d_z in place; `sums` are filled. */
static void norm_backward_sample(const struct norm_shape *s, int count, const float *z, const float *gamma, const float *beta, const float *stats,
                                 struct norm_gradients g, struct norm_sums *sums)
{
    int vectors = vectors_of(s->channels, s->block);
    float a[NORM_MOST][NETWORK_CHANNELS_MAX] UNSET, b[NORM_MOST][NETWORK_CHANNELS_MAX] UNSET;
    bool each = s->norm == MODEL_NORM_INSTANCE;
    for (int v = 0; v < vectors; v++) {
        struct norm_line l = norm_line_of(s, v, gamma, beta, stats);
        norm_gather_vector(s, v, count, z, g, l, sums);
        if (!each) continue;
        for (int k = 0; k < count; k++) norm_factors(s, gamma, stats, sums[k].sum, sums[k].product, v * VEC, VEC, a[k], b[k]);
        norm_scatter_vector(s, v, count, z, g, l, a, b);
    }
    if (each) return;
    for (int k = 0; k < count; k++) {
        for (int c = s->channels; c < vectors * VEC; c++) a[k][c] = b[k][c] = 0; /* padding belongs to no group */
        norm_factors(s, gamma, stats, sums[k].sum, sums[k].product, 0, s->channels, a[k], b[k]);
    }
    for (int v = 0; v < vectors; v++) norm_scatter_vector(s, v, count, z, g, norm_line_of(s, v, gamma, beta, stats), a, b);
}

static void norm_backward(const struct norm_shape *s, const struct batch *batch, const void *z, const void *gamma, const void *beta, const void *stats,
                          void *d_out, const void *d_more, void *d_gamma, void *d_beta)
{
    int padded = channels_padded(s->channels, s->block), count = batch->cotangents;
    struct norm_sums sums[NORM_MOST] UNSET;
    assert(count <= NORM_MOST);
    for (int i = 0; i < batch->samples; i++) {
        const float *zi = (const float *)z + (size_t)i * batch->value, *si = (const float *)stats + (size_t)i * batch->stats;
        struct norm_gradients g = {{NULL}, {NULL}};
        for (int k = 0; k < count; k++) {
            g.d[k] = (float *)d_out + batch_gradient(batch, k, i);
            if (d_more) g.more[k] = (const float *)d_more + batch_gradient(batch, k, i);
            if (s->norm == MODEL_NORM_NONE) activation_backward(s, zi, g.d[k], g.more[k]);
        }
        if (s->norm == MODEL_NORM_NONE) continue;
        norm_backward_sample(s, count, zi, gamma, beta, si, g, sums);
        for (int k = 0; k < count; k++) {
            float *to_gamma = (float *)d_gamma + (size_t)k * batch->leaf_apart, *to_beta = (float *)d_beta + (size_t)k * batch->leaf_apart;
            for (int c = 0; c < padded; c++) {
                to_gamma[c] = (i ? to_gamma[c] : 0) + (float)(sums[k].product[c] * (double)si[padded + c]);
                to_beta[c] = (i ? to_beta[c] : 0) + (float)sums[k].sum[c];
            }
        }
    }
}
