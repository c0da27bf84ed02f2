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
        double m = sum[i] / n, v = square[i] / n - m * m;
        mean[i] = (double)shifts[i] + m;
        variance[i] = v > 0 ? v : v <= 0 ? 0 : v; /* keeps a NaN */
    }
}

/* y = (z - mean) * scale + beta, then the activation: the same expression decides the sign forward and backward. */
struct norm_line {
    vec mean, scale, beta, slope;
};
INLINE vec norm_y(struct norm_line l, vec z)
{
    return vec_fma(vec_sub(z, l.mean), l.scale, l.beta);
}
INLINE struct norm_line norm_line_of(const struct norm_shape *s, int v, const float *gamma, const float *beta, const float *stats)
{
    size_t at = (size_t)v * VEC;
    struct norm_line l = {vec_zero(), vec_set(1), vec_zero(), vec_set(s->slope)};
    if (s->norm == MODEL_NORM_NONE) return l;
    l.mean = vec_load(stats + at);
    l.scale = vec_mul(vec_load(gamma + at), vec_load(stats + (size_t)channels_padded(s->channels, s->block) + at));
    l.beta = vec_load(beta + at);
    return l;
}

static void norm_apply(const struct norm_shape *s, int v, const float *z, struct norm_line l, float *out)
{
    size_t step = (size_t)s->block, at = vector_at(v, s->pixels, s->block);
    for (size_t p = s->pixels; p-- > 0;) {
        vec y = norm_y(l, vec_load(z + at + p * step));
        vec_store(out + at + p * step, vec_max(vec_mul(y, l.slope), y)); /* 0 <= slope < 1 */
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
        r[first + i] = (float)(1 / sqrt(variance[i] + NORM_EPS));
    }
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
        norm_apply(s, v, z, norm_line_of(s, v, gamma, beta, stats), out);
    }
    if (s->norm != MODEL_NORM_GROUP) return;
    norm_join_groups(s, mean, variance);
    norm_write_stats(s, 0, vectors * VEC, mean, variance, stats);
    for (int v = 0; v < vectors; v++) norm_apply(s, v, z, norm_line_of(s, v, gamma, beta, stats), out);
}

/* First backward pass of one vector: the gradient behind the activation (stored when two are added), its sum, and its sum
   times (z - mean). */
INLINE void norm_gather_pixel(bool more, const float *z, float *d, const float *d_more, struct norm_line l, vec *sum, vec *product)
{
    vec a = vec_load(z), g = vec_load(d);
    if (more) g = vec_add(g, vec_load(d_more));
    g = vec_if(vec_greater(norm_y(l, a), vec_zero()), g, vec_mul(g, l.slope));
    if (more) vec_store(d, g);
    *sum = vec_add(*sum, g);
    *product = vec_fma(g, vec_sub(a, l.mean), *product);
}

INLINE void norm_gather(bool more, const float *z, float *d, const float *d_more, size_t pixels, size_t step, struct norm_line l, double *sum, double *product)
{
    for (size_t first = 0; first < pixels; first += CHUNK) {
        size_t last = first + CHUNK < pixels ? first + CHUNK : pixels, p = first;
        vec s[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()}, q[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        for (; p + 4 <= last; p += 4)
            for (size_t u = 0; u < 4; u++) norm_gather_pixel(more, z + (p + u) * step, d + (p + u) * step, more ? d_more + (p + u) * step : NULL, l, &s[u], &q[u]);
        for (; p < last; p++) norm_gather_pixel(more, z + p * step, d + p * step, more ? d_more + p * step : NULL, l, &s[0], &q[0]);
        drain(sum, s[0], s[1], s[2], s[3]);
        drain(product, q[0], q[1], q[2], q[3]);
    }
}

/* Second pass: d_z = d * scale + (z - mean) * a + b. */
INLINE void norm_scatter(bool more, const float *z, float *d, size_t pixels, size_t step, struct norm_line l, vec a, vec b)
{
    for (size_t p = pixels; p-- > 0;) {
        vec zz = vec_load(z + p * step), g = vec_load(d + p * step);
        if (!more) g = vec_if(vec_greater(norm_y(l, zz), vec_zero()), g, vec_mul(g, l.slope));
        vec_store(d + p * step, vec_fma(g, l.scale, vec_fma(vec_sub(zz, l.mean), a, b)));
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

static void norm_scatter_vector(const struct norm_shape *s, int v, bool more, const float *z, float *d, struct norm_line l, const float *a, const float *b)
{
    size_t step = (size_t)s->block, at = vector_at(v, s->pixels, s->block);
    if (more) norm_scatter(true, z + at, d + at, s->pixels, step, l, vec_load(a), vec_load(b));
    else norm_scatter(false, z + at, d + at, s->pixels, step, l, vec_load(a), vec_load(b));
}

static void norm_gather_vector(const struct norm_shape *s, int v, const float *z, float *d, const float *d_more, struct norm_line l, double *sum, double *product)
{
    size_t step = (size_t)s->block, at = vector_at(v, s->pixels, s->block);
    for (int i = 0; i < VEC; i++) sum[i] = product[i] = 0;
    if (d_more) norm_gather(true, z + at, d + at, d_more + at, s->pixels, step, l, sum, product);
    else norm_gather(false, z + at, d + at, NULL, s->pixels, step, l, sum, product);
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

/* One sample and one cotangent; overwrites or adds to d_gamma and d_beta. */
static void norm_backward_one(const struct norm_shape *s, bool adds, const float *z, const float *gamma, const float *beta, const float *stats, float *d_out,
                              const float *d_more, float *d_gamma, float *d_beta)
{
    int vectors = vectors_of(s->channels, s->block), padded = vectors * VEC;
    double sum[NETWORK_CHANNELS_MAX] = {0}, product[NETWORK_CHANNELS_MAX] = {0};
    float a[NETWORK_CHANNELS_MAX] = {0}, b[NETWORK_CHANNELS_MAX] = {0};
    bool each = s->norm == MODEL_NORM_INSTANCE;
    if (s->norm == MODEL_NORM_NONE) {
        activation_backward(s, z, d_out, d_more);
        return;
    }
    for (int v = 0; v < vectors; v++) {
        struct norm_line l = norm_line_of(s, v, gamma, beta, stats);
        norm_gather_vector(s, v, z, d_out, d_more, l, sum + v * VEC, product + v * VEC);
        if (!each) continue;
        norm_factors(s, gamma, stats, sum, product, v * VEC, VEC, a, b);
        norm_scatter_vector(s, v, d_more, z, d_out, l, a + v * VEC, b + v * VEC);
    }
    if (!each) {
        norm_factors(s, gamma, stats, sum, product, 0, s->channels, a, b);
        for (int v = 0; v < vectors; v++) norm_scatter_vector(s, v, d_more, z, d_out, norm_line_of(s, v, gamma, beta, stats), a + v * VEC, b + v * VEC);
    }
    for (int c = 0; c < padded; c++) {
        d_gamma[c] = (adds ? d_gamma[c] : 0) + (float)(product[c] * (double)stats[padded + c]);
        d_beta[c] = (adds ? d_beta[c] : 0) + (float)sum[c];
    }
}

static void norm_backward(const struct norm_shape *s, const struct batch *b, const void *z, const void *gamma, const void *beta, const void *stats,
                          void *d_out, const void *d_more, void *d_gamma, void *d_beta)
{
    bool norm = s->norm != MODEL_NORM_NONE;
    for (int k = 0; k < b->cotangents; k++)
        for (int i = 0; i < b->samples; i++) {
            size_t leaf = (size_t)k * b->leaf_apart, at = batch_gradient(b, k, i);
            norm_backward_one(s, i > 0, (const float *)z + (size_t)i * b->value, gamma, beta, (const float *)stats + (size_t)i * b->stats,
                              (float *)d_out + at, d_more ? (const float *)d_more + at : NULL, norm ? (float *)d_gamma + leaf : NULL,
                              norm ? (float *)d_beta + leaf : NULL);
        }
}
