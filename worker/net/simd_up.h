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

/* Backward data takes input pixels in tiles of up to UP_PIXELS, over the ends of rows: 12 sums of the 16 registers of v3. */
enum { UP_PIXELS = 6 };

/* How many of `left` pixels the next tile takes, so that tiles are as equal as can be. */
INLINE int up_tile_pixels(int left)
{
    int tiles = (left + UP_PIXELS - 1) / UP_PIXELS;
    return (left + tiles - 1) / tiles;
}
/* Where the 2x2 outputs of input pixel p start. */
INLINE size_t up_wide_at(int p, int columns, struct up_plane wide, size_t b)
{
    return (size_t)(p / columns * 2) * wide.row + (size_t)(p % columns * 2) * b;
}

/* `count` input pixels of `width` (1 or 2) vectors of input channels, w and to of the second `w_apart`, `apart` further; d: the
   first output of each pixel. */
INLINE void up_gather(int count, int width, const float *const d[UP_PIXELS], struct up_plane wide, const float *w, size_t w_apart, size_t b, float *to,
                      size_t apart)
{
    vec sum[2][UP_PIXELS] UNSET;
    for (int k = 0; k < width; k++)
        for (int p = 0; p < count; p++) sum[k][p] = vec_zero();
    for (int ob = 0; ob < wide.blocks; ob++)
        for (size_t tap = 0; tap < 4; tap++) {
            size_t first = (size_t)ob * wide.plane + tap / 2 * wide.row + tap % 2 * b;
            for (size_t o = first; o < first + b; o++, w += b) {
                vec weight[2] UNSET;
                for (int k = 0; k < width; k++) weight[k] = vec_load(w + (size_t)k * w_apart);
                for (int p = 0; p < count; p++) {
                    vec g = vec_set(d[p][o]);
                    for (int k = 0; k < width; k++) sum[k][p] = vec_fma(g, weight[k], sum[k][p]);
                }
            }
        }
    for (int k = 0; k < width; k++)
        for (int p = 0; p < count; p++) vec_store(to + (size_t)k * apart + (size_t)p * b, sum[k][p]);
}

/* All pixels of one or two vectors. */
static void up_gather_pixels(bool two, const struct up_shape *s, const float *d_out, const float *w, size_t w_apart, float *to, size_t apart)
{
    int columns = s->in.dims[1], pixels = (int)shape_pixels(s->in);
    struct up_plane wide = up_plane_of(s->out_channels, s->block, 2 * s->in.dims[0], 2 * columns);
    size_t b = (size_t)s->block;
    for (int first = 0, now; first < pixels; first += now, to += (size_t)now * b) {
        const float *d[UP_PIXELS] UNSET;
        now = up_tile_pixels(pixels - first);
        for (int p = 0; p < now; p++) d[p] = d_out + up_wide_at(first + p, columns, wide, b);
        switch (now) {
#define UP_CASE(n) case n: if (two) up_gather(n, 2, d, wide, w, w_apart, b, to, apart); else up_gather(n, 1, d, wide, w, 0, b, to, 0); break;
        UP_CASE(1) UP_CASE(2) UP_CASE(3) UP_CASE(4) UP_CASE(5) UP_CASE(6)
#undef UP_CASE
        default: assert(0);
        }
    }
}

static void up_backward_data(const struct up_shape *s, const void *d_out, const void *flipped, void *d_in)
{
    int block = s->block, vectors = vectors_of(s->in_channels, block);
    size_t b = (size_t)block, w_block = (size_t)(channels_padded(s->out_channels, block) / block) * 4 * b * b;
    for (int v = 0; v < vectors; v += 2) {
        size_t at = vector_at(v, shape_pixels(s->in), block), next = vector_at(v + 1, shape_pixels(s->in), block);
        size_t w_at = vector_at(v, w_block / b, block), w_next = vector_at(v + 1, w_block / b, block); /* rows of B in */
        up_gather_pixels(v + 1 < vectors, s, d_out, (const float *)flipped + w_at, w_next - w_at, (float *)d_in + at, next - at);
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
                    n.ahead = ib ? 0 : 2 * (size_t)step * wide.row;
                    outer_block(true, n, b, in + ib * narrow.plane + (size_t)y * narrow.row, d_out + at + ((size_t)(2 * y) + dy) * wide.row, b,
                                d_w + (ib * (size_t)wide.blocks * 4 + 2 * dy) * square + w_at, square);
                }
    }
}

static void up_weights_of_cotangent(const struct up_shape *s, const struct batch *batch, const float *in, const float *d_out, float *d_w, float *d_bias)
{
    memset(d_w, 0, 4 * (size_t)channels_padded(s->in_channels, s->block) * (size_t)channels_padded(s->out_channels, s->block) * sizeof(float));
    for (size_t i = 0; i < (size_t)batch->samples; i++) up_sample_weights(s, in + i * batch->value, d_out + i * batch_gradient_step(batch), d_w);
    channel_sums(d_out, batch->samples, batch_gradient_step(batch), s->out_channels, 4 * shape_pixels(s->in), s->block, d_bias);
}

static void up_backward_weights(const struct up_shape *s, const struct batch *b, const void *in, const void *d_out, void *d_w, void *d_bias)
{
    for (int k = 0; k < b->cotangents; k++) {
        size_t leaf = (size_t)k * b->leaf_apart;
        up_weights_of_cotangent(s, b, in, (const float *)d_out + batch_gradient(b, k, 0), (float *)d_w + leaf, (float *)d_bias + leaf);
    }
}
