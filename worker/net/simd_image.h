/* simd_image: the first layer's 3x3 convolution, straight from the packed image (one plane a channel, border of zeros).
   Weights [out/B][in][9][B out]. Included by kernel_simd.c only. */

/* `count` neighbouring pixels of one output vector: each weight is loaded once for all of them. */
INLINE void image_tile(int count, int channels, const float *in, size_t plane, size_t row, const float *w, size_t tap, vec bias, float *out, size_t step)
{
    vec sum[8];
    for (int p = 0; p < count; p++) sum[p] = bias;
    for (int c = 0; c < channels; c++)
        for (int k = 0; k < 9; k++) {
            const float *at = in + (size_t)c * plane + (size_t)(k / 3) * row + (size_t)(k % 3);
            vec weight = vec_load(w + (size_t)(c * 9 + k) * tap);
            for (int p = 0; p < count; p++) sum[p] = vec_fma(vec_set(at[p]), weight, sum[p]);
        }
    for (int p = 0; p < count; p++) {
        vec_ahead(out + (size_t)p * step);
        vec_store(out + (size_t)p * step, sum[p]);
    }
}

static void image_forward(const struct conv_shape *s, const float *in, const float *w, const float *bias, float *out)
{
    int rows = s->in.dims[0], columns = s->in.dims[1], block = s->block;
    size_t row = (size_t)columns + 2, plane = ((size_t)rows + 2) * row, step = (size_t)block;
    assert(s->stride == 1 && s->parts == 1);
    for (int v = 0; v < vectors_of(s->out_channels, block); v++) {
        float *to = out + vector_at(v, shape_pixels(s->out), block);
        const float *weights = w + (size_t)(v * VEC / block) * (size_t)s->in_channels * 9 * step + (size_t)(v * VEC % block);
        vec b = bias ? vec_load(bias + v * VEC) : vec_zero();
        for (int y = 0; y < rows; y++) {
            const float *from = in + (size_t)y * row;
            int x = 0;
            for (; x + 8 <= columns; x += 8, to += 8 * step) image_tile(8, s->in_channels, from + x, plane, row, weights, step, b, to, step);
            for (; x < columns; x++, to += step) image_tile(1, s->in_channels, from + x, plane, row, weights, step, b, to, step);
        }
    }
}

/* Adds one sample's part of the nine taps of one input channel and one output vector; sums over a row stay in registers. */
static void image_taps(const float *in, size_t row, const float *d_out, int rows, int columns, size_t step, float *d_w)
{
    for (int y = 0; y < rows; y++) {
        vec sum[9];
        for (int k = 0; k < 9; k++) sum[k] = vec_zero();
        for (int x = 0; x < columns; x++) {
            const float *at = in + (size_t)y * row + (size_t)x;
            vec d = vec_load(d_out + ((size_t)y * (size_t)columns + (size_t)x) * step);
            vec_ahead(d_out + ((size_t)y * (size_t)columns + (size_t)x) * step);
            for (int k = 0; k < 9; k++) sum[k] = vec_fma(vec_set(at[(size_t)(k / 3) * row + (size_t)(k % 3)]), d, sum[k]);
        }
        for (int k = 0; k < 9; k++) vec_store(d_w + (size_t)k * step, vec_add(vec_load(d_w + (size_t)k * step), sum[k]));
    }
}

static void image_weights_of_cotangent(const struct conv_shape *s, const struct batch *b, const float *in, const float *d_out, float *d_w, float *d_bias)
{
    int rows = s->in.dims[0], columns = s->in.dims[1], block = s->block;
    size_t row = (size_t)columns + 2, plane = ((size_t)rows + 2) * row, step = (size_t)block;
    memset(d_w, 0, 9 * (size_t)s->in_channels * (size_t)channels_padded(s->out_channels, block) * sizeof(float));
    for (int v = 0; v < vectors_of(s->out_channels, block); v++)
        for (int c = 0; c < s->in_channels; c++)
            for (size_t i = 0; i < (size_t)b->samples; i++)
                image_taps(in + i * b->value + (size_t)c * plane, row, d_out + i * batch_gradient_step(b) + vector_at(v, shape_pixels(s->out), block), rows, columns, step,
                           d_w + ((size_t)(v * VEC / block) * (size_t)s->in_channels + (size_t)c) * 9 * step + (size_t)(v * VEC % block));
    if (d_bias) channel_sums(d_out, b->samples, batch_gradient_step(b), s->out_channels, shape_pixels(s->out), block, d_bias);
}

static void image_backward_weights(const struct conv_shape *s, const struct batch *b, const float *in, const float *d_out, float *d_w, float *d_bias)
{
    for (int k = 0; k < b->cotangents; k++) {
        size_t leaf = (size_t)k * b->leaf_apart;
        image_weights_of_cotangent(s, b, in, d_out + batch_gradient(b, k, 0), d_w + leaf, d_bias ? d_bias + leaf : NULL);
    }
}
