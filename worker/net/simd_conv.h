/* simd_conv: weight gradients of the blocked 3x3 convolution, for the small images that oneDNN has only reference code for.
   Weights [out/B][in/B][9][B in][B out]. Included by kernel_simd.c only. */

/* Output positions that a tap, `offset` -1 to 1, finds inside an input of `in` positions: first to last, both included. */
struct reach {
    int first, last;
};
INLINE struct reach reach_of(int offset, int stride, int in, int out)
{
    int last = in - 1 - offset < 0 ? -1 : (in - 1 - offset) / stride;
    return (struct reach){offset < 0, last < out - 1 ? last : out - 1};
}

/* One tap, one block of input channels, one output vector: BLOCK sums stay in registers over a row. */
INLINE void conv_square(int block, const struct conv_shape *s, int dy, int dx, const float *in, const float *d_out, float *d_w)
{
    struct reach rows = reach_of(dy, s->stride, s->in.dims[0], s->out.dims[0]), columns = reach_of(dx, s->stride, s->in.dims[1], s->out.dims[1]);
    size_t b = (size_t)block;
    for (size_t i = 0; i < b; i++) vec_store(d_w + i * b, vec_zero());
    for (int y = rows.first; y <= rows.last; y++) {
        vec sum[16];
        for (int i = 0; i < block; i++) sum[i] = vec_zero();
        for (int c = columns.first; c <= columns.last; c++) {
            const float *x = in + (size_t)((y * s->stride + dy) * s->in.dims[1] + c * s->stride + dx) * b;
            vec g = vec_load(d_out + (size_t)(y * s->out.dims[1] + c) * b);
            for (int i = 0; i < block; i++) sum[i] = vec_fma(vec_set(x[i]), g, sum[i]);
        }
        for (size_t i = 0; i < b; i++) vec_store(d_w + i * b, vec_add(vec_load(d_w + i * b), sum[i]));
    }
}

static void conv_backward_weights(const struct conv_shape *s, const float *in, const float *d_out, float *d_w, float *d_bias)
{
    size_t b = (size_t)s->block, in_blocks = (size_t)s->parts * (size_t)(channels_padded(s->in_channels, s->block) / s->block);
    assert(s->block == 8 || s->block == 16);
    for (size_t v = 0; v < (size_t)vectors_of(s->out_channels, s->block); v++)
        for (size_t ib = 0; ib < in_blocks; ib++)
            for (int k = 0; k < 9; k++) {
                size_t ob = v * VEC / b, sub = v * VEC % b;
                const float *x = in + ib * shape_pixels(s->in) * b, *d = d_out + vector_at((int)v, shape_pixels(s->out), s->block);
                float *to = d_w + ((ob * in_blocks + ib) * 9 + (size_t)k) * b * b + sub;
                if (s->block == 8) conv_square(8, s, k / 3 - 1, k % 3 - 1, x, d, to);
                else conv_square(16, s, k / 3 - 1, k % 3 - 1, x, d, to);
            }
    if (d_bias) channel_sums(d_out, s->out_channels, shape_pixels(s->out), s->block, d_bias);
}
