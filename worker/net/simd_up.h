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

/* Input pixels in tiles of up to UP_PIXELS: 12 sums of the 16 registers of v3. */
enum { UP_PIXELS = 6 };

/* How many of `left` pixels the next tile takes, so that tiles are as equal as can be. */
INLINE int up_tile_pixels(int left)
{
    int tiles = (left + UP_PIXELS - 1) / UP_PIXELS;
    return (left + tiles - 1) / tiles;
}

/* All go piece by piece of the input's pixels (OUTER_PIXELS), which stays in the second cache for all vectors of what they make; forward and
   backward data in it by chunks of the channels that are summed over, whose weights stay in the first. */
enum { UP_CHUNK = 16 * 1024 /* bytes of weights */ };
struct up_chunk {
    int blocks;           /* of channels */
    bool more;            /* adds to what is there; else to the bias, or to nothing */
    size_t plane, w_step; /* floats from a block to the next */
};
/* The chunk from block `first` of `blocks` on, of which each has `square` floats of weights that are wanted. */
INLINE struct up_chunk up_chunk_from(int first, int blocks, size_t square, size_t plane, size_t w_step)
{
    int most = UP_CHUNK / (int)(square * sizeof(float));
    return (struct up_chunk){blocks - first < most ? blocks - first : most, first > 0, plane, w_step};
}

/* Two output columns (dx 0 and 1) of `count` input pixels beside each other at x. */
INLINE void up_scatter(int count, struct up_chunk c, const float *x, const float *w, size_t b, vec bias, float *to)
{
    vec left[UP_PIXELS] UNSET, right[UP_PIXELS] UNSET;
    for (int p = 0; p < count; p++) {
        left[p] = c.more ? vec_load(to + (size_t)(2 * p) * b) : bias;
        right[p] = c.more ? vec_load(to + (size_t)(2 * p + 1) * b) : bias;
    }
    for (int ib = 0; ib < c.blocks; ib++, x += c.plane, w += c.w_step)
        for (size_t i = 0; i < b; i++) {
            vec wl = vec_load(w + i * b), wr = vec_load(w + (b + i) * b);
            for (int p = 0; p < count; p++) {
                vec a = vec_set(x[(size_t)p * b + i]);
                left[p] = vec_fma(a, wl, left[p]);
                right[p] = vec_fma(a, wr, right[p]);
            }
        }
    for (int p = 0; p < count; p++) {
        vec_store(to + (size_t)(2 * p) * b, left[p]);
        vec_store(to + (size_t)(2 * p + 1) * b, right[p]);
    }
}

/* A row of input pixels at x, to one vector of one of their output rows. Where a block is one vector the compiler knows how far pixels are
   apart: 4 % less time. */
static void up_scatter_row(struct up_chunk c, int columns, const float *x, const float *w, size_t b, vec bias, float *to)
{
    for (int first = 0, now; first < columns; first += now, x += (size_t)now * b, to += (size_t)(2 * now) * b) {
        now = up_tile_pixels(columns - first);
        switch (now) {
#define UP_CASE(n) case n: if (b == VEC) up_scatter(n, c, x, w, VEC, bias, to); else up_scatter(n, c, x, w, b, bias, to); break;
        UP_CASE(1) UP_CASE(2) UP_CASE(3) UP_CASE(4) UP_CASE(5) UP_CASE(6)
#undef UP_CASE
        default: assert(0);
        }
    }
}

/* Rows `first` to `end` - 1 of the input, to all their outputs. */
static void up_forward_piece(const struct up_shape *s, int first, int end, const float *in, const float *w, const float *bias, float *out)
{
    int columns = s->in.dims[1], block = s->block;
    struct up_plane narrow = up_plane_of(s->in_channels, block, s->in.dims[0], columns);
    struct up_plane wide = up_plane_of(s->out_channels, block, 2 * s->in.dims[0], 2 * columns);
    size_t b = (size_t)block, square = b * b, w_step = (size_t)wide.blocks * 4 * square;
    for (int v = 0; v < vectors_of(s->out_channels, block); v++) {
        size_t ob = (size_t)(v * VEC / block), sub = (size_t)(v * VEC % block);
        for (size_t dy = 0; dy < 2; dy++) {
            struct up_chunk c;
            for (int ib = 0; ib < narrow.blocks; ib += c.blocks) {
                c = up_chunk_from(ib, narrow.blocks, 2 * square, narrow.plane, w_step);
                for (size_t y = (size_t)first; y < (size_t)end; y++)
                    up_scatter_row(c, columns, in + (size_t)ib * narrow.plane + y * narrow.row, w + (size_t)ib * w_step + (ob * 4 + dy * 2) * square + sub, b,
                                   vec_load(bias + v * VEC), out + ob * wide.plane + (2 * y + dy) * wide.row + sub);
            }
        }
    }
}

static void up_forward(const struct up_shape *s, const void *in, const void *w, const void *bias, void *out)
{
    int rows = s->in.dims[0], step = outer_rows(s->in.dims[1]);
    for (int first = 0; first < rows; first += step) up_forward_piece(s, first, rows - first < step ? rows : first + step, in, w, bias, out);
}

/* Backward data takes tiles over the ends of rows: where the 2x2 outputs of input pixels start, one after the other from pixel p on. */
struct up_walk {
    int column, columns;
    size_t at, b, row;
};
INLINE struct up_walk up_walk_from(int p, int columns, struct up_plane wide, size_t b)
{
    return (struct up_walk){p % columns, columns, (size_t)(p / columns * 2) * wide.row + (size_t)(p % columns * 2) * b, b, wide.row};
}
INLINE size_t up_next(struct up_walk *w)
{
    size_t at = w->at;
    w->at += 2 * w->b;
    if (++w->column == w->columns) w->column = 0, w->at += w->row; /* of two output rows the second is theirs, too */
    return at;
}

/* `count` input pixels of `width` (1 or 2) vectors of input channels, w and to of the second `w_apart`, `apart` further; d: the
   first output of each pixel. */
INLINE void up_gather(int count, int width, struct up_chunk c, const float *const d[UP_PIXELS], size_t d_row, const float *w, size_t w_apart, size_t b,
                      float *to, size_t apart)
{
    vec sum[2][UP_PIXELS] UNSET;
    for (int k = 0; k < width; k++)
        for (int p = 0; p < count; p++) sum[k][p] = c.more ? vec_load(to + (size_t)k * apart + (size_t)p * b) : vec_zero();
    for (int ob = 0; ob < c.blocks; ob++)
        for (size_t tap = 0; tap < 4; tap++) {
            size_t first = (size_t)ob * c.plane + tap / 2 * d_row + tap % 2 * b;
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

/* Pixels `first` to `end` - 1, the first at `to`, of one or two vectors. */
static void up_gather_pixels(bool two, struct up_chunk c, int columns, struct up_plane wide, int first, int end, const float *d_out, const float *w,
                             size_t w_apart, size_t b, float *to, size_t apart)
{
    struct up_walk walk = up_walk_from(first, columns, wide, b);
    for (int now; first < end; first += now, to += (size_t)now * b) {
        const float *d[UP_PIXELS] UNSET;
        now = up_tile_pixels(end - first);
        for (int p = 0; p < now; p++) d[p] = d_out + up_next(&walk);
        switch (now) {
#define UP_CASE(n) case n: if (two) up_gather(n, 2, c, d, wide.row, w, w_apart, b, to, apart); else up_gather(n, 1, c, d, wide.row, w, 0, b, to, 0); break;
        UP_CASE(1) UP_CASE(2) UP_CASE(3) UP_CASE(4) UP_CASE(5) UP_CASE(6)
#undef UP_CASE
        default: assert(0);
        }
    }
}

/* A piece of the input's gradient, of all its channels. */
static void up_data_piece(const struct up_shape *s, int first, int end, const float *d_out, const float *flipped, float *d_in)
{
    int columns = s->in.dims[1], block = s->block, vectors = vectors_of(s->in_channels, block);
    struct up_plane wide = up_plane_of(s->out_channels, block, 2 * s->in.dims[0], 2 * columns);
    size_t b = (size_t)block, step = 4 * b * b, w_block = (size_t)wide.blocks * step;
    for (int v = 0; v < vectors; v += 2) {
        size_t at = vector_at(v, shape_pixels(s->in), block), next = vector_at(v + 1, shape_pixels(s->in), block);
        size_t w_at = vector_at(v, w_block / b, block), w_next = vector_at(v + 1, w_block / b, block); /* rows of B in */
        struct up_chunk c;
        for (int ob = 0; ob < wide.blocks; ob += c.blocks) {
            c = up_chunk_from(ob, wide.blocks, 2 * step, wide.plane, step);
            up_gather_pixels(v + 1 < vectors, c, columns, wide, first, end, d_out + (size_t)ob * wide.plane, flipped + w_at + (size_t)ob * step, w_next - w_at,
                             b, d_in + at + (size_t)first * b, next - at);
        }
    }
}

static void up_backward_data(const struct up_shape *s, const void *d_out, const void *flipped, void *d_in)
{
    int pixels = (int)shape_pixels(s->in);
    for (int first = 0, end; first < pixels; first = end) {
        end = pixels - first < OUTER_PIXELS ? pixels : first + OUTER_PIXELS;
        up_data_piece(s, first, end, d_out, flipped, d_in);
    }
}

/* Adds one sample's part. A pair of vectors is one vector of two neighbouring columns, one line of the cache with v3. */
static void up_sample_weights(const struct up_shape *s, const float *in, const float *d_out, float *d_w)
{
    int rows = s->in.dims[0], columns = s->in.dims[1], block = s->block, step = outer_rows(columns);
    struct up_plane narrow = up_plane_of(s->in_channels, block, rows, columns), wide = up_plane_of(s->out_channels, block, 2 * rows, 2 * columns);
    size_t b = (size_t)block, square = b * b;
    struct outer n = {.columns = columns, .x_row = narrow.row, .x_step = b, .d_row = 2 * wide.row, .d_step = 2 * b};
    for (int y = 0; y < rows; y += step)
        for (int v = 0; v < vectors_of(s->out_channels, block); v++) {
            size_t at = vector_at(v, 4 * shape_pixels(s->in), block), w_at = vector_at(v, 4 * b, block); /* rows of B out */
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
