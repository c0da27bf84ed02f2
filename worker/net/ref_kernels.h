/* ref_kernels: the kernels in plain C for one element type; backend_ref.c includes this once with REAL float, once with double. */
#ifndef REAL
#error "backend_ref.c defines REAL and NAME"
#endif

static void NAME(image_pack)(int channels, struct shape s, const void *plain, void *packed)
{
    memcpy(packed, plain, (size_t)channels * shape_pixels(s) * sizeof(REAL));
}

/* ---- 3x3 convolution --------------------------------------------------------------------------------- */
struct NAME(tap) { /* one weight: which input and output channel it joins, and where in the window */
    size_t in, out, weight;
    int dy, dx;
};

static struct NAME(tap) NAME(conv_tap)(const struct conv_shape *s, int o, int i, int k)
{
    size_t b = (size_t)s->block, in = (size_t)i, in_padded = (size_t)(s->parts * s->in_channels), out = (size_t)o, weight;
    if (s->image) {
        weight = ((out / b * in_padded + in) * 9 + (size_t)k) * b + out % b;
    } else {
        in = (size_t)(i / s->in_channels * channels_padded(s->in_channels, s->block) + i % s->in_channels);
        in_padded = (size_t)(s->parts * channels_padded(s->in_channels, s->block));
        weight = (((out / b * (in_padded / b) + in / b) * 9 + (size_t)k) * b + in % b) * b + out % b;
    }
    return (struct NAME(tap)){in, out, weight, k / 3 - 1, k % 3 - 1};
}

/* Calls for each row of the output the tap reaches: `in` and `out` point at the first of `count` pixels, `in_step` and
   `out_step` apart. what: 0 forward, 1 backward data, 2 backward weights. */
static void NAME(conv_tap_rows)(const struct conv_shape *s, struct NAME(tap) t, int what, REAL *in, REAL *out, REAL *w)
{
    int rows = s->out.dims[0], columns = s->out.dims[1], in_rows = s->in.dims[0], in_columns = s->in.dims[1];
    int in_block = s->image ? 1 : s->block;
    int first = t.dx < 0; /* the left border is outside, for both strides */
    int last = in_columns - 1 - t.dx < 0 ? -1 : (in_columns - 1 - t.dx) / s->stride;
    if (last > columns - 1) last = columns - 1;
    size_t in_step = (size_t)(s->stride * in_block), out_step = (size_t)s->block;
    double sum = 0;
    for (int y = 0; y < rows; y++) {
        int v = y * s->stride + t.dy, u = first * s->stride + t.dx;
        if (v < 0 || v >= in_rows || last < first) continue;
        REAL *a = in + activation_at(t.in, (size_t)(v * in_columns + u), shape_pixels(s->in), in_block);
        REAL *z = out + activation_at(t.out, (size_t)(y * columns + first), shape_pixels(s->out), s->block);
        size_t count = (size_t)(last - first + 1);
        if (what == 0)
            for (size_t x = 0; x < count; x++) z[x * out_step] += *w * a[x * in_step];
        else if (what == 1)
            for (size_t x = 0; x < count; x++) a[x * in_step] += *w * z[x * out_step];
        else
            for (size_t x = 0; x < count; x++) sum += (double)a[x * in_step] * (double)z[x * out_step];
    }
    if (what == 2) *w += (REAL)sum;
}

static void NAME(conv_all)(const struct conv_shape *s, int what, REAL *in, REAL *out, REAL *w)
{
    for (int o = 0; o < s->out_channels; o++)
        for (int i = 0; i < s->parts * s->in_channels; i++)
            for (int k = 0; k < 9; k++) {
                struct NAME(tap) t = NAME(conv_tap)(s, o, i, k);
                NAME(conv_tap_rows)(s, t, what, in, out, w + t.weight);
            }
}

static void NAME(conv_forward_one)(const struct conv_shape *s, const void *in, const void *w, const void *bias, REAL *z)
{
    size_t pixels = shape_pixels(s->out), count = activation_count(1, s->out_channels, s->out, s->block);
    for (size_t i = 0; i < count; i++) {
        size_t channel = i / (pixels * (size_t)s->block) * (size_t)s->block + i % (size_t)s->block;
        z[i] = bias && channel < (size_t)s->out_channels ? ((const REAL *)bias)[channel] : 0;
    }
    NAME(conv_all)(s, 0, UNCONST(in), z, UNCONST(w));
}

static void NAME(conv_forward)(struct conv *c, int lane, const struct batch *b, void *scratch, const void *in, const struct norm_before *norm, const void *w,
                               const void *bias, void *out, void *stats)
{
    (void)lane, (void)scratch;
    assert(!stats && !norm);
    for (size_t i = 0; i < (size_t)b->samples; i++)
        NAME(conv_forward_one)(&c->shape, (const REAL *)in + i * b->value, w, bias, (REAL *)out + i * b->value);
}

static void NAME(conv_backward_data)(struct conv *c, int lane, const struct batch *b, void *scratch, const void *d_out, const void *w, void *d_in)
{
    const struct conv_shape *s = &c->shape;
    (void)lane, (void)scratch;
    for (size_t i = 0; i < (size_t)batch_gradients(b); i++) {
        REAL *to = (REAL *)d_in + i * b->gradient;
        memset(to, 0, activation_count(s->parts, s->in_channels, s->in, s->block) * sizeof(REAL));
        NAME(conv_all)(s, 1, to, (REAL *)UNCONST(d_out) + i * b->gradient, UNCONST(w));
    }
}

/* Adds to sums. */
static void NAME(channel_sums)(int channels, int block, size_t pixels, const REAL *values, REAL *sums)
{
    for (int i = 0; i < channels; i++) {
        double sum = 0;
        for (size_t p = 0; p < pixels; p++) sum += (double)values[activation_at((size_t)i, p, pixels, block)];
        sums[i] += (REAL)sum;
    }
}

static void NAME(conv_backward_weights)(struct conv *c, int lane, const struct batch *b, void *scratch, const void *in, const struct norm_before *norm,
                                        const void *d_out, void *d_w, void *d_bias)
{
    assert(!norm);
    const struct conv_shape *s = &c->shape;
    size_t in_padded = (size_t)s->parts * (size_t)(s->image ? s->in_channels : channels_padded(s->in_channels, s->block));
    size_t out_padded = (size_t)channels_padded(s->out_channels, s->block);
    (void)lane, (void)scratch;
    for (int k = 0; k < b->cotangents; k++) {
        REAL *to = (REAL *)d_w + (size_t)k * b->leaf_apart, *to_bias = d_bias ? (REAL *)d_bias + (size_t)k * b->leaf_apart : NULL;
        memset(to, 0, 9 * in_padded * out_padded * sizeof(REAL));
        if (to_bias) memset(to_bias, 0, out_padded * sizeof(REAL));
        for (int i = 0; i < b->samples; i++) {
            REAL *d = (REAL *)UNCONST(d_out) + batch_gradient(b, k, i);
            NAME(conv_all)(s, 2, (REAL *)UNCONST(in) + (size_t)i * b->value, d, to);
            if (to_bias) NAME(channel_sums)(s->out_channels, s->block, shape_pixels(s->out), d, to_bias);
        }
    }
}

/* ---- 2x2 transposed convolution ---------------------------------------------------------------------- */
static size_t NAME(up_weight)(const struct up_shape *s, size_t i, size_t o, size_t k)
{
    size_t b = (size_t)s->block, out_blocks = (size_t)channels_padded(s->out_channels, s->block) / b;
    return (((i / b * out_blocks + o / b) * 4 + k) * b + i % b) * b + o % b;
}

static size_t NAME(up_pixel)(const struct up_shape *s, size_t p, size_t k)
{
    size_t columns = (size_t)s->in.dims[1], y = p / columns * 2 + k / 2, x = p % columns * 2 + k % 2;
    return y * columns * 2 + x;
}

static void NAME(up_all)(const struct up_shape *s, int what, REAL *in, REAL *out, REAL *w)
{
    size_t pixels = shape_pixels(s->in);
    for (size_t i = 0; i < (size_t)s->in_channels; i++)
        for (size_t o = 0; o < (size_t)s->out_channels; o++)
            for (size_t k = 0; k < 4; k++) {
                REAL *weight = w + NAME(up_weight)(s, i, o, k);
                double sum = 0;
                for (size_t p = 0; p < pixels; p++) {
                    REAL *a = in + activation_at(i, p, pixels, s->block);
                    REAL *z = out + activation_at(o, NAME(up_pixel)(s, p, k), 4 * pixels, s->block);
                    if (what == 0) *z += *weight * *a;
                    else if (what == 1) *a += *weight * *z;
                    else sum += (double)*a * (double)*z;
                }
                if (what == 2) *weight += (REAL)sum;
            }
}

static void NAME(up_forward)(const struct up_shape *s, const void *in, const void *w, const void *bias, void *out)
{
    size_t pixels = 4 * shape_pixels(s->in);
    memset(out, 0, pixels * (size_t)channels_padded(s->out_channels, s->block) * sizeof(REAL));
    for (size_t o = 0; o < (size_t)s->out_channels; o++)
        for (size_t p = 0; p < pixels; p++) ((REAL *)out)[activation_at(o, p, pixels, s->block)] = ((const REAL *)bias)[o];
    NAME(up_all)(s, 0, UNCONST(in), out, UNCONST(w));
}

static void NAME(up_backward_data)(const struct up_shape *s, const void *d_out, const void *w, void *d_in)
{
    memset(d_in, 0, activation_count(1, s->in_channels, s->in, s->block) * sizeof(REAL));
    NAME(up_all)(s, 1, d_in, UNCONST(d_out), UNCONST(w));
}

static void NAME(up_backward_weights)(const struct up_shape *s, const struct batch *b, const void *in, const void *d_out, void *d_w, void *d_bias)
{
    size_t in_padded = (size_t)channels_padded(s->in_channels, s->block), out_padded = (size_t)channels_padded(s->out_channels, s->block);
    for (int k = 0; k < b->cotangents; k++) {
        REAL *to = (REAL *)d_w + (size_t)k * b->leaf_apart, *to_bias = (REAL *)d_bias + (size_t)k * b->leaf_apart;
        memset(to, 0, 4 * in_padded * out_padded * sizeof(REAL));
        memset(to_bias, 0, out_padded * sizeof(REAL));
        for (int i = 0; i < b->samples; i++) {
            REAL *d = (REAL *)UNCONST(d_out) + batch_gradient(b, k, i);
            NAME(up_all)(s, 2, (REAL *)UNCONST(in) + (size_t)i * b->value, d, to);
            NAME(channel_sums)(s->out_channels, s->block, 4 * shape_pixels(s->in), d, to_bias);
        }
    }
}

/* ---- normalisation and activation -------------------------------------------------------------------- */
static void NAME(norm_stats)(const struct norm_shape *s, const REAL *z, REAL *stats)
{
    int group = s->norm == MODEL_NORM_GROUP ? s->channels / s->groups : 1;
    double n = (double)s->pixels * group;
    for (int first = 0; first < s->channels; first += group) {
        double mean = 0, variance = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int c = first; c < first + group; c++)
                for (size_t p = 0; p < s->pixels; p++) {
                    double v = (double)z[activation_at((size_t)c, p, s->pixels, s->block)];
                    if (pass == 0) mean += v / n;
                    else variance += (v - mean) * (v - mean) / n;
                }
        for (int c = first; c < first + group; c++) {
            stats[c] = (REAL)mean;
            stats[channels_padded(s->channels, s->block) + c] = (REAL)(1 / sqrt(variance + NORM_EPS));
        }
    }
}

/* y = scale * z + shift of channel c. */
static void NAME(norm_line)(const struct norm_shape *s, int c, const REAL *gamma, const REAL *beta, const REAL *stats, REAL *scale, REAL *shift)
{
    *scale = 1;
    *shift = 0;
    if (s->norm == MODEL_NORM_NONE) return;
    *scale = gamma[c] * stats[channels_padded(s->channels, s->block) + c];
    *shift = beta[c] - stats[c] * *scale;
}

static void NAME(norm_again)(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, const void *stats, void *out)
{
    for (int c = 0; c < channels_padded(s->channels, s->block); c++) {
        REAL scale, shift;
        if (c < s->channels) NAME(norm_line)(s, c, gamma, beta, stats, &scale, &shift);
        else scale = shift = 0;
        for (size_t p = 0; p < s->pixels; p++) {
            size_t i = activation_at((size_t)c, p, s->pixels, s->block);
            REAL y = ((const REAL *)z)[i] * scale + shift;
            ((REAL *)out)[i] = y > 0 ? y : (REAL)s->slope * y;
        }
    }
}

static void NAME(norm_forward)(const struct norm_shape *s, const void *z, const void *gamma, const void *beta, void *stats, void *out)
{
    if (s->norm != MODEL_NORM_NONE) NAME(norm_stats)(s, z, stats);
    if (out) NAME(norm_again)(s, z, gamma, beta, stats, out);
}

/* With h = d_y * gamma, x = (z - mean) * r and means over the group: d_z = r * (h - mean(h) - x * mean(h * x)). */
static void NAME(norm_backward_group)(const struct norm_shape *s, int first, int group, const REAL *z, const REAL *gamma, const REAL *stats,
                                      REAL *d, REAL *d_gamma, REAL *d_beta)
{
    double mean_h = 0, mean_hx = 0, n = (double)s->pixels * group, mean = (double)stats[first];
    double r = (double)stats[channels_padded(s->channels, s->block) + first];
    for (int c = first; c < first + group; c++) {
        double sum = 0, sum_x = 0;
        for (size_t p = 0; p < s->pixels; p++) {
            size_t i = activation_at((size_t)c, p, s->pixels, s->block);
            sum += (double)d[i];
            sum_x += (double)d[i] * ((double)z[i] - mean) * r;
        }
        d_beta[c] += (REAL)sum;
        d_gamma[c] += (REAL)sum_x;
        mean_h += sum * (double)gamma[c] / n;
        mean_hx += sum_x * (double)gamma[c] / n;
    }
    for (int c = first; c < first + group; c++)
        for (size_t p = 0; p < s->pixels; p++) {
            size_t i = activation_at((size_t)c, p, s->pixels, s->block);
            d[i] = (REAL)(r * ((double)d[i] * (double)gamma[c] - mean_h - ((double)z[i] - mean) * r * mean_hx));
        }
}

/* Adds to d_gamma and d_beta. */
static void NAME(norm_backward_one)(const struct norm_shape *s, const REAL *z, const void *gamma, const void *beta, const void *stats, REAL *d,
                                    const REAL *d_more, REAL *d_gamma, REAL *d_beta)
{
    for (int c = 0; c < channels_padded(s->channels, s->block); c++) {
        REAL scale = 0, shift = 0;
        if (c < s->channels) NAME(norm_line)(s, c, gamma, beta, stats, &scale, &shift);
        for (size_t p = 0; p < s->pixels; p++) {
            size_t i = activation_at((size_t)c, p, s->pixels, s->block);
            REAL g = d_more ? d[i] + d_more[i] : d[i];
            d[i] = c >= s->channels ? 0 : z[i] * scale + shift > 0 ? g : (REAL)s->slope * g;
        }
    }
    if (s->norm == MODEL_NORM_NONE) return;
    int group = s->norm == MODEL_NORM_GROUP ? s->channels / s->groups : 1;
    for (int first = 0; first < s->channels; first += group) NAME(norm_backward_group)(s, first, group, z, gamma, stats, d, d_gamma, d_beta);
}

static void NAME(norm_backward)(const struct norm_shape *s, const struct batch *b, const void *z, const void *gamma, const void *beta,
                                const void *stats, void *d_out, const void *d_more, void *d_gamma, void *d_beta)
{
    bool norm = s->norm != MODEL_NORM_NONE;
    size_t bytes = (size_t)channels_padded(s->channels, s->block) * sizeof(REAL);
    for (int k = 0; k < b->cotangents; k++) {
        REAL *to_gamma = norm ? (REAL *)d_gamma + (size_t)k * b->leaf_apart : NULL, *to_beta = norm ? (REAL *)d_beta + (size_t)k * b->leaf_apart : NULL;
        if (norm) memset(to_gamma, 0, bytes), memset(to_beta, 0, bytes);
        for (int i = 0; i < b->samples; i++)
            NAME(norm_backward_one)(s, (const REAL *)z + (size_t)i * b->value, gamma, beta, (const REAL *)stats + (size_t)i * b->stats,
                                    (REAL *)d_out + batch_gradient(b, k, i), d_more ? (const REAL *)d_more + batch_gradient(b, k, i) : NULL, to_gamma, to_beta);
    }
}

/* ---- pooling ----------------------------------------------------------------------------------------- */
/* Index of the largest of the four inputs of output pixel p; a NaN counts as largest. */
static size_t NAME(pool_winner)(const struct pool_shape *s, const REAL *in, size_t c, size_t p)
{
    size_t columns = (size_t)s->in.dims[1], half = columns / 2, best = 0;
    REAL most = 0;
    for (size_t k = 0; k < 4; k++) {
        size_t i = activation_at(c, (p / half * 2 + k / 2) * columns + p % half * 2 + k % 2, shape_pixels(s->in), s->block);
        if (k == 0 || in[i] > most || in[i] != in[i]) {
            best = i;
            most = in[i];
        }
    }
    return best;
}

static void NAME(pool_forward)(const struct pool_shape *s, const void *in, void *out)
{
    size_t pixels = shape_pixels(s->in) / 4;
    for (size_t c = 0; c < (size_t)channels_padded(s->channels, s->block); c++)
        for (size_t p = 0; p < pixels; p++)
            ((REAL *)out)[activation_at(c, p, pixels, s->block)] = ((const REAL *)in)[NAME(pool_winner)(s, in, c, p)];
}

static void NAME(pool_backward)(const struct pool_shape *s, const void *in, const void *d_out, void *d_in)
{
    size_t pixels = shape_pixels(s->in) / 4;
    for (size_t c = 0; c < (size_t)channels_padded(s->channels, s->block); c++)
        for (size_t p = 0; p < pixels; p++)
            ((REAL *)d_in)[NAME(pool_winner)(s, in, c, p)] += ((const REAL *)d_out)[activation_at(c, p, pixels, s->block)];
}

/* ---- head -------------------------------------------------------------------------------------------- */
static void NAME(head_forward)(const struct head_shape *s, const void *in, const struct norm_before *norm, const void *w, const void *bias, void *logits)
{
    assert(!norm);
    int padded = channels_padded(s->channels, s->block);
    for (int o = 0; o < s->out_channels; o++)
        for (size_t p = 0; p < s->pixels; p++) {
            double sum = (double)((const REAL *)bias)[o];
            for (int c = 0; c < s->channels; c++)
                sum += (double)((const REAL *)w)[o * padded + c] * (double)((const REAL *)in)[activation_at((size_t)c, p, s->pixels, s->block)];
            ((REAL *)logits)[(size_t)o * s->pixels + p] = (REAL)sum;
        }
}

/* Adds to d_w and d_bias. */
static void NAME(head_backward_one)(const struct head_shape *s, const REAL *in, const REAL *w, const REAL *d, REAL *d_in, REAL *d_w, REAL *d_bias)
{
    int padded = channels_padded(s->channels, s->block);
    memset(d_in, 0, (size_t)padded * s->pixels * sizeof(REAL));
    for (int o = 0; o < s->out_channels; o++) {
        NAME(channel_sums)(1, 1, s->pixels, d + (size_t)o * s->pixels, d_bias + o);
        for (int c = 0; c < s->channels; c++) {
            double sum = 0;
            for (size_t p = 0; p < s->pixels; p++) {
                size_t i = activation_at((size_t)c, p, s->pixels, s->block);
                sum += (double)d[(size_t)o * s->pixels + p] * (double)in[i];
                d_in[i] += w[o * padded + c] * d[(size_t)o * s->pixels + p];
            }
            d_w[o * padded + c] += (REAL)sum;
        }
    }
}

static void NAME(head_backward)(const struct head_shape *s, const struct batch *b, const void *in, const struct norm_before *norm, const void *w,
                                const void *d_logits, void *d_in, void *d_w, void *d_bias)
{
    assert(!norm);
    size_t outs = (size_t)s->out_channels;
    for (int k = 0; k < b->cotangents; k++) {
        REAL *to = (REAL *)d_w + (size_t)k * b->leaf_apart, *to_bias = (REAL *)d_bias + (size_t)k * b->leaf_apart;
        memset(to, 0, outs * (size_t)channels_padded(s->channels, s->block) * sizeof(REAL));
        memset(to_bias, 0, outs * sizeof(REAL));
        for (int i = 0; i < b->samples; i++)
            NAME(head_backward_one)(s, (const REAL *)in + (size_t)i * b->value, w, (const REAL *)d_logits + (size_t)k * b->logits_apart + (size_t)i * b->logits,
                                    (REAL *)d_in + batch_gradient(b, k, i), to, to_bias);
    }
}

static void NAME(add)(void *to, const void *from, size_t count)
{
    for (size_t i = 0; i < count; i++) ((REAL *)to)[i] += ((const REAL *)from)[i];
}

struct backend NAME(backend_ref)(int block)
{
    return (struct backend){
        .name = "ref", .block = block, .element_bytes = sizeof(REAL), .image_count = ref_image_count, .image_pack = NAME(image_pack),
        .conv_new = ref_conv_new, .conv_free = ref_conv_free, .conv_scratch_bytes = ref_conv_scratch_bytes, .conv_prepared_count = ref_conv_prepared_count,
        .conv_choice = ref_conv_choice,
        .conv_forward = NAME(conv_forward), .conv_backward_data = NAME(conv_backward_data), .conv_backward_weights = NAME(conv_backward_weights),
        .up_forward = NAME(up_forward), .up_backward_data = NAME(up_backward_data), .up_backward_weights = NAME(up_backward_weights),
        .norm_forward = NAME(norm_forward), .norm_again = NAME(norm_again), .norm_backward = NAME(norm_backward), .pool_forward = NAME(pool_forward),
        .pool_backward = NAME(pool_backward), .head_forward = NAME(head_forward), .head_backward = NAME(head_backward), .add = NAME(add),
    };
}
