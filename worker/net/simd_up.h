/* simd_up: the 2x2 transposed convolution, stride 2: four small matrix products per input pixel. Weights
   [in/B][out/B][4][B in][B out], flipped [..][B out][B in]. Included by kernel_simd.c only. */

struct up_plane { /* of a wide (output) or narrow (input) activation */
    size_t row, plane; /* floats from a row, from a block of channels, to the next */
    int blocks;
};
INLINE struct up_plane up_plane_of(int channels, int block, int rows, int columns)
{
    size_t row = (size_t)columns * (size_t)block;
    return (struct up_plane){row, row * (size_t)rows, channels_padded(channels, block) / block};
}

/* Two output columns (dx 0 and 1) of `count` input pixels: out[2x + dx] = bias + sum over input channels. */
INLINE void up_tile(int count, const float *in, struct up_plane narrow, const float *w, size_t w_step, int block, vec bias, float *out)
{
    vec left[4], right[4];
    size_t b = (size_t)block;
    for (int p = 0; p < count; p++) left[p] = right[p] = bias;
    for (int ib = 0; ib < narrow.blocks; ib++) {
        const float *x = in + (size_t)ib * narrow.plane, *weights = w + (size_t)ib * w_step;
        for (size_t i = 0; i < b; i++) {
            vec wl = vec_load(weights + i * b), wr = vec_load(weights + (b + i) * b);
            for (int p = 0; p < count; p++) {
                vec a = vec_set(x[(size_t)p * b + i]);
                left[p] = vec_fma(a, wl, left[p]);
                right[p] = vec_fma(a, wr, right[p]);
            }
        }
    }
    for (int p = 0; p < count; p++) {
        vec_store(out + (size_t)(2 * p) * b, left[p]);
        vec_store(out + (size_t)(2 * p + 1) * b, right[p]);
    }
}

static void up_forward(const struct up_shape *s, const void *in, const void *w, const void *bias, void *out)
{
    int rows = s->in.dims[0], columns = s->in.dims[1], block = s->block;
    struct up_plane narrow = up_plane_of(s->in_channels, block, rows, columns), wide = up_plane_of(s->out_channels, block, 2 * rows, 2 * columns);
    size_t b = (size_t)block, square = b * b, w_block = (size_t)wide.blocks * 4 * square;
    for (int v = 0; v < vectors_of(s->out_channels, block); v++) {
        vec bv = vec_load((const float *)bias + v * VEC);
        size_t ob = (size_t)(v * VEC / block), sub = (size_t)(v * VEC % block);
        for (int y = 0; y < 2 * rows; y++) {
            const float *weights = (const float *)w + (ob * 4 + (size_t)(y % 2) * 2) * square + sub;
            const float *from = (const float *)in + (size_t)(y / 2) * narrow.row;
            float *to = (float *)out + ob * wide.plane + (size_t)y * wide.row + sub;
            int x = 0;
            for (; x + 4 <= columns; x += 4) up_tile(4, from + (size_t)x * b, narrow, weights, w_block, block, bv, to + (size_t)(2 * x) * b);
            for (; x < columns; x++) up_tile(1, from + (size_t)x * b, narrow, weights, w_block, block, bv, to + (size_t)(2 * x) * b);
        }
    }
}

/* `count` input pixels of `width` (1 or 2) vectors of input channels, w and to of the second `w_apart`, `apart` further. */
INLINE void up_gather(int count, int width, const float *d_out, struct up_plane wide, const float *w, size_t w_apart, int block, float *to, size_t apart)
{
    vec sum[2][4];
    size_t b = (size_t)block;
    for (int k = 0; k < width; k++)
        for (int p = 0; p < count; p++) sum[k][p] = vec_zero();
    for (int ob = 0; ob < wide.blocks; ob++)
        for (size_t tap = 0; tap < 4; tap++) {
            const float *d = d_out + (size_t)ob * wide.plane + tap / 2 * wide.row + tap % 2 * b, *weights = w + ((size_t)ob * 4 + tap) * b * b;
            for (size_t o = 0; o < b; o++) {
                vec weight[2];
                for (int k = 0; k < width; k++) weight[k] = vec_load(weights + o * b + (size_t)k * w_apart);
                for (int p = 0; p < count; p++) {
                    vec g = vec_set(d[(size_t)(2 * p) * b + o]);
                    for (int k = 0; k < width; k++) sum[k][p] = vec_fma(g, weight[k], sum[k][p]);
                }
            }
        }
    for (int k = 0; k < width; k++)
        for (int p = 0; p < count; p++) vec_store(to + (size_t)k * apart + (size_t)p * b, sum[k][p]);
}

static void up_backward_data(const struct up_shape *s, const void *d_out, const void *flipped, void *d_in)
{
    int rows = s->in.dims[0], columns = s->in.dims[1], block = s->block, vectors = vectors_of(s->in_channels, block);
    struct up_plane narrow = up_plane_of(s->in_channels, block, rows, columns), wide = up_plane_of(s->out_channels, block, 2 * rows, 2 * columns);
    size_t b = (size_t)block, w_block = (size_t)wide.blocks * 4 * b * b;
    for (int v = 0; v < vectors; v += 2) {
        bool two = v + 1 < vectors;
        size_t at = vector_at(v, shape_pixels(s->in), block), next = vector_at(v + 1, shape_pixels(s->in), block);
        size_t w_at = (size_t)(v * VEC / block) * w_block + (size_t)(v * VEC % block);
        size_t w_next = (size_t)((v + 1) * VEC / block) * w_block + (size_t)((v + 1) * VEC % block);
        const float *w = (const float *)flipped + w_at;
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < columns; x += x + 4 <= columns ? 4 : 1) {
                const float *d = (const float *)d_out + (size_t)(2 * y) * wide.row + (size_t)(2 * x) * b;
                float *to = (float *)d_in + at + (size_t)y * narrow.row + (size_t)x * b;
                bool four = x + 4 <= columns;
                if (two && four) up_gather(4, 2, d, wide, w, w_next - w_at, block, to, next - at);
                else if (two) up_gather(1, 2, d, wide, w, w_next - w_at, block, to, next - at);
                else if (four) up_gather(4, 1, d, wide, w, 0, block, to, 0);
                else up_gather(1, 1, d, wide, w, 0, block, to, 0);
            }
    }
}

/* Adds one sample's part. A pair of vectors is one vector of two neighbouring columns, one line of the cache with v3. */
static void up_sample_weights(const struct up_shape *s, const float *in, const float *d_out, float *d_w)
{
    int rows = s->in.dims[0], columns = s->in.dims[1], block = s->block, step = outer_rows(columns);
    struct up_plane narrow = up_plane_of(s->in_channels, block, rows, columns), wide = up_plane_of(s->out_channels, block, 2 * rows, 2 * columns);
    size_t b = (size_t)block, square = b * b;
    struct outer n = {.columns = columns, .x_row = narrow.row, .x_step = b, .d_row = 2 * wide.row, .d_step = 2 * b};
    for (int v = 0; v < vectors_of(s->out_channels, block); v++) {
        size_t at = vector_at(v, 4 * shape_pixels(s->in), block), w_at = vector_at(v, 4 * b, block); /* rows of B out */
        for (int y = 0; y < rows; y += step)
            for (size_t ib = 0; ib < (size_t)narrow.blocks; ib++)
                for (size_t dy = 0; dy < 2; dy++) {
                    n.rows = rows - y < step ? rows - y : step;
                    outer_block(true, n, b, in + ib * narrow.plane + (size_t)y * narrow.row, d_out + at + ((size_t)(2 * y) + dy) * wide.row, b,
                                d_w + (ib * (size_t)wide.blocks * 4 + 2 * dy) * square + w_at, square);
                }
    }
}

static void up_weights_of_cotangent(const struct up_shape *s, const struct batch *batch, const float *in, const float *d_out, float *d_w, float *d_bias)
{
    memset(d_w, 0, 4 * (size_t)channels_padded(s->in_channels, s->block) * (size_t)channels_padded(s->out_channels, s->block) * sizeof(float));
    for (size_t i = 0; i < (size_t)batch->samples; i++) up_sample_weights(s, in + i * batch->value, d_out + i * batch->gradient, d_w);
    channel_sums(d_out, batch->samples, batch->gradient, s->out_channels, 4 * shape_pixels(s->in), s->block, d_bias);
}

static void up_backward_weights(const struct up_shape *s, const struct batch *b, const void *in, const void *d_out, void *d_w, void *d_bias)
{
    for (int k = 0; k < b->cotangents; k++) {
        size_t leaf = (size_t)k * b->leaf_apart;
        up_weights_of_cotangent(s, b, in, (const float *)d_out + batch_gradient(b, k, 0), (float *)d_w + leaf, (float *)d_bias + leaf);
    }
}
