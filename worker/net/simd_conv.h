/* simd_conv: weight gradients: sums over pixels of (input channel) x (output channel), for the blocked 3x3 convolution and,
   with other steps, for the transposed one. Included by kernel_simd.c only.
   Weights [out/B][in/B][9][B in][B out]. */

/* A register tile: OUTER_INS input channels times two vectors of output channels; with v3 that is 8 sums for 2 loads and 4
   broadcasts a pixel (measured 83-100 GFLOP/s on one core of 105 where oneDNN 2.6's jit:avx2 has 70-75). */
enum { OUTER_INS = VEC == 16 ? 8 : 4 };

/* Which pixels are paired: `columns` of `rows`, and how far apart they lie in x (input) and d (gradient of the output). */
struct outer {
    int rows, columns;
    size_t x_row, x_step, d_row, d_step;
    size_t ahead; /* the d of the next piece lies so far on, which is asked for; 0: it has been */
};

/* A piece of so many pixels is taken through all inputs and taps while it is in the L1: 8 KiB of d and 16 of x with stride 2. */
enum { OUTER_PIXELS = 128 };
INLINE int outer_rows(int columns)
{
    return columns >= OUTER_PIXELS ? 1 : OUTER_PIXELS / columns;
}

/* Adds the products of a piece: OUTER_INS input channels at x, `outs` (1 or 2) vectors at d and d + d_apart; rows of weights
   at w, w + b ... and at w_apart behind. The piece is summed in registers, pieces are summed in w. */
INLINE void outer_tile(int outs, struct outer n, size_t b, const float *x, const float *d, size_t d_apart, float *w, size_t w_apart)
{
    vec sum[OUTER_INS][2];
    for (int i = 0; i < OUTER_INS; i++)
        for (int o = 0; o < outs; o++) sum[i][o] = vec_zero();
    for (int y = 0; y < n.rows; y++) {
        const float *xp = x + (size_t)y * n.x_row, *dp = d + (size_t)y * n.d_row;
        for (int c = 0; c < n.columns; c++, xp += n.x_step, dp += n.d_step) {
            vec g[2];
            for (int o = 0; o < outs; o++) g[o] = vec_load(dp + (size_t)o * d_apart);
            for (int o = 0; n.ahead && o < outs; o++) vec_ask(dp + (size_t)o * d_apart, (ptrdiff_t)(n.ahead * sizeof(float)));
            for (int i = 0; i < OUTER_INS; i++)
                for (int o = 0; o < outs; o++) sum[i][o] = vec_fma(vec_set(xp[i]), g[o], sum[i][o]);
        }
    }
    for (int i = 0; i < OUTER_INS; i++)
        for (int o = 0; o < outs; o++) {
            float *to = w + (size_t)o * w_apart + (size_t)i * b;
            vec_store(to, vec_add(vec_load(to), sum[i][o]));
        }
}

/* A whole block of input channels against one or two vectors. */
static void outer_block(bool two, struct outer n, size_t b, const float *x, const float *d, size_t d_apart, float *w, size_t w_apart)
{
    for (size_t i = 0; i < b; i += OUTER_INS, n.ahead = 0) {
        if (two) outer_tile(2, n, b, x + i, d, d_apart, w + i * b, w_apart);
        else outer_tile(1, n, b, x + i, d, 0, w + i * b, 0);
    }
}

/* Output positions that a tap, `offset` -1 to 1, finds inside an input of `in` positions: first, and how many. */
INLINE void reach_of(int offset, int stride, int in, int out, int *first, int *count)
{
    int last = in - 1 - offset < 0 ? -1 : (in - 1 - offset) / stride;
    if (last > out - 1) last = out - 1;
    *first = offset < 0;
    *count = last < *first ? 0 : last - *first + 1;
}

/* A piece of a sample, output rows `first` to `last` - 1, through tap k of one block of inputs. */
static void conv_tap_weights(const struct conv_shape *s, int first, int last, int k, bool two, const float *in, const float *d_out, size_t d_apart, float *w,
                             size_t w_apart)
{
    int dy = k / 3 - 1, dx = k % 3 - 1, x, top, bottom;
    size_t b = (size_t)s->block, in_row = (size_t)s->in.dims[1] * b, out_row = (size_t)s->out.dims[1] * b, stride = (size_t)s->stride;
    struct outer n = {.x_row = stride * in_row, .x_step = stride * b, .d_row = out_row, .d_step = b};
    reach_of(dy, s->stride, s->in.dims[0], s->out.dims[0], &top, &n.rows);
    reach_of(dx, s->stride, s->in.dims[1], s->out.dims[1], &x, &n.columns);
    bottom = top + n.rows < last ? top + n.rows : last;
    if (top < first) top = first;
    n.rows = bottom - top;
    if (n.rows <= 0 || !n.columns) return;
    outer_block(two, n, b, in + (size_t)(top * s->stride + dy) * in_row + (size_t)(x * s->stride + dx) * b, d_out + (size_t)top * out_row + (size_t)x * b,
                d_apart, w, w_apart);
}

/* Adds one sample's part of one or two vectors of outputs, whose gradient is at d_out. */
static void conv_vector_weights(const struct conv_shape *s, bool two, const float *in, const float *d_out, size_t d_apart, float *w, size_t w_apart)
{
    size_t b = (size_t)s->block, in_blocks = (size_t)(s->parts * channels_padded(s->in_channels, s->block)) / b, plane = shape_pixels(s->in) * b;
    int step = outer_rows(s->out.dims[1]), rows = s->out.dims[0];
    for (int y = 0; y < rows; y += step)
        for (size_t ib = 0; ib < in_blocks; ib++)
            for (int k = 0; k < 9; k++)
                conv_tap_weights(s, y, y + step < rows ? y + step : rows, k, two, in + ib * plane, d_out, d_apart, w + (ib * 9 + (size_t)k) * b * b, w_apart);
}

static void conv_weights_of_cotangent(const struct conv_shape *s, const struct batch *batch, const float *in, const float *d_out, float *d_w, float *d_bias)
{
    int block = s->block, vectors = vectors_of(s->out_channels, block);
    size_t rows = 9 * (size_t)(s->parts * channels_padded(s->in_channels, block)), pixels = shape_pixels(s->out); /* rows of B out */
    assert(block % OUTER_INS == 0);
    memset(d_w, 0, rows * (size_t)vectors * VEC * sizeof(float));
    for (int v = 0; v < vectors; v += 2) {
        size_t at = vector_at(v, pixels, block), w_at = vector_at(v, rows, block);
        for (size_t i = 0; i < (size_t)batch->samples; i++)
            conv_vector_weights(s, v + 1 < vectors, in + i * batch->value, d_out + i * batch_gradient_step(batch) + at, vector_at(v + 1, pixels, block) - at, d_w + w_at,
                                vector_at(v + 1, rows, block) - w_at);
    }
    if (d_bias) channel_sums(d_out, batch->samples, batch_gradient_step(batch), s->out_channels, pixels, block, d_bias);
}

static void conv_backward_weights(const struct conv_shape *s, const struct batch *b, const float *in, const float *d_out, float *d_w, float *d_bias)
{
    for (int k = 0; k < b->cotangents; k++) {
        size_t leaf = (size_t)k * b->leaf_apart;
        conv_weights_of_cotangent(s, b, in, d_out + batch_gradient(b, k, 0), d_w + leaf, d_bias ? d_bias + leaf : NULL);
    }
}
