/* simd_winograd_run: 3x3 convolution of stride 1 by Winograd's algorithm, samples and tiles in blocks that stay in the cache:
   all tiles of the samples in one row, a block of them is transformed, multiplied point by point, and transformed back.
   Included by kernel_simd.c only.

   Prepared weights [36][outputs / PANEL][inputs][PANEL], for backward data with inputs and outputs exchanged and the taps
   turned round. v [36][tiles][inputs] and m [36][tiles][outputs]; WINO_APART floats between points, so that the 36 lines of
   a vector lie in different sets of the cache. */

enum { WINO_APART = 16 };

/* One direction of a layer: `ins` padded channels to `outs`. */
struct winograd_pass {
    int block, rows, columns, tile_rows, tile_columns, tiles; /* tiles: of one sample */
    size_t ins, outs, pixels;
};

static struct winograd_pass winograd_pass_of(const struct conv_shape *s, bool backward)
{
    size_t ins = (size_t)s->parts * (size_t)channels_padded(s->in_channels, s->block), outs = (size_t)channels_padded(s->out_channels, s->block);
    struct winograd_pass p = {.block = s->block, .rows = s->in.dims[0], .columns = s->in.dims[1], .ins = ins, .outs = outs, .pixels = shape_pixels(s->in)};
    assert(s->stride == 1 && s->in.rank == 2 && !s->image && s->block % VEC == 0);
    if (backward) p.ins = outs, p.outs = ins;
    p.tile_rows = (p.rows + WINO_OUT - 1) / WINO_OUT;
    p.tile_columns = (p.columns + WINO_OUT - 1) / WINO_OUT;
    p.tiles = p.tile_rows * p.tile_columns;
    return p;
}

/* Tiles in a block. Few channels: v and m stay in half a mebibyte of L2. Many: the weights do not fit in any case, and are
   read once for each block: v and m may be as large as they are. */
static int winograd_block_tiles(size_t ins, size_t outs, int all)
{
    size_t weights = WINO_ALL * ins * outs, floats = WINO_ALL * (ins + outs), budget = 96 * 1024;
    if (budget < weights) budget = weights;
    size_t tiles = budget / floats / WINO_ROWS * WINO_ROWS;
    if (tiles < WINO_ROWS) tiles = WINO_ROWS;
    return (size_t)all < tiles ? all : (int)tiles;
}

INLINE size_t winograd_apart(int tiles, size_t channels)
{
    return (size_t)tiles * channels + WINO_APART;
}

/* ---- weights -------------------------------------------------------------------------------------------- */
static size_t winograd_weights_count(const struct conv_shape *s)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    return WINO_ALL * p.ins * p.outs;
}

static int winograd_prepare_tasks(const struct conv_shape *s, bool backward)
{
    return (int)((winograd_pass_of(s, backward).outs + WINO_PANEL - 1) / WINO_PANEL);
}

/* A vector of VEC outputs `out` of input `in`, nine taps VEC apart: gathered for backward data, where a vector runs over
   what is the input of w. */
INLINE void winograd_taps(const struct winograd_pass *p, bool backward, const float *w, size_t in, size_t out, float taps[9 * VEC])
{
    size_t b = (size_t)p->block, from = backward ? out : in, to = backward ? in : out, from_blocks = (backward ? p->outs : p->ins) / b;
    const float *g = w + ((to / b * from_blocks + from / b) * 9 * b + from % b) * b + to % b;
    for (size_t k = 0; k < 9; k++, g += b * b)
        for (size_t i = 0; i < VEC; i++) {
            if (backward) taps[(8 - k) * VEC + i] = g[i * b];
            else taps[k * VEC + i] = g[i];
        }
}

static void winograd_prepare(const struct conv_shape *s, bool backward, const float *w, int first, int count, float *prepared)
{
    struct winograd_pass p = winograd_pass_of(s, backward);
    float taps[9 * VEC];
    for (size_t o = (size_t)first * WINO_PANEL; o < (size_t)(first + count) * WINO_PANEL && o < p.outs; o += WINO_PANEL) {
        size_t wide = p.outs - o < WINO_PANEL ? VEC : WINO_PANEL;
        for (size_t in = 0; in < p.ins; in++)
            for (size_t v = 0; v < wide; v += VEC) {
                winograd_taps(&p, backward, w, in, o + v, taps);
                winograd_weight(taps, VEC, prepared + o * p.ins + in * wide + v, p.ins * p.outs);
            }
    }
}

/* ---- tiles ---------------------------------------------------------------------------------------------- */
/* Where a tile lies: its sample and first pixel of output, and how many of its 4x4 are inside the image. */
struct winograd_place {
    int sample, row, column, tall, wide;
};

INLINE struct winograd_place winograd_place_of(const struct winograd_pass *p, int tile)
{
    struct winograd_place at = {.sample = tile / p->tiles};
    tile -= at.sample * p->tiles;
    at.row = tile / p->tile_columns * WINO_OUT;
    at.column = tile % p->tile_columns * WINO_OUT;
    at.tall = p->rows - at.row < WINO_OUT ? p->rows - at.row : WINO_OUT;
    at.wide = p->columns - at.column < WINO_OUT ? p->columns - at.column : WINO_OUT;
    return at;
}

/* A tile of inputs at the border: what is outside the image is 0. */
INLINE void winograd_input_edge(const struct winograd_pass *p, struct winograd_place at, const float *plane, float *v, size_t apart)
{
    float patch[WINO_ALL * VEC];
    for (int r = 0; r < WINO_IN; r++)
        for (int c = 0; c < WINO_IN; c++) {
            int y = at.row + r - 1, x = at.column + c - 1;
            bool inside = y >= 0 && y < p->rows && x >= 0 && x < p->columns;
            vec value = inside ? vec_load(plane + (size_t)(y * p->columns + x) * (size_t)p->block) : vec_zero();
            vec_store(patch + (r * WINO_IN + c) * VEC, value);
        }
    winograd_input(patch, WINO_IN * VEC, VEC, v, apart);
}

/* Tiles first to first + count - 1 of the input to v. */
static void winograd_read(const struct winograd_pass *p, int first, int count, size_t stride, const float *in, float *v)
{
    size_t apart = winograd_apart(count, p->ins), row = (size_t)p->columns * (size_t)p->block;
    for (size_t c = 0; c < p->ins; c += VEC)
        for (int t = 0; t < count; t++) {
            struct winograd_place at = winograd_place_of(p, first + t);
            const float *plane = in + (size_t)at.sample * stride + vector_at((int)(c / VEC), p->pixels, p->block);
            float *to = v + (size_t)t * p->ins + c;
            if (at.row > 0 && at.column > 0 && at.row + WINO_IN - 1 <= p->rows && at.column + WINO_IN - 1 <= p->columns)
                winograd_input(plane + (size_t)(at.row - 1) * row + (size_t)(at.column - 1) * (size_t)p->block, row, (size_t)p->block, to, apart);
            else winograd_input_edge(p, at, plane, to, apart);
        }
}

INLINE void winograd_output_edge(struct winograd_place at, const float *m, size_t apart, vec bias, float *y, size_t row, size_t step)
{
    float patch[WINO_OUT * WINO_OUT * VEC];
    winograd_output(m, apart, bias, patch, WINO_OUT * VEC, VEC);
    for (int r = 0; r < at.tall; r++)
        for (int c = 0; c < at.wide; c++) vec_store(y + (size_t)r * row + (size_t)c * step, vec_load(patch + (r * WINO_OUT + c) * VEC));
}

static void winograd_write(const struct winograd_pass *p, int first, int count, const float *m, const float *bias, size_t stride, float *out)
{
    size_t apart = winograd_apart(count, p->outs), step = (size_t)p->block, row = (size_t)p->columns * step;
    for (size_t c = 0; c < p->outs; c += VEC) {
        vec add = bias ? vec_load(bias + c) : vec_zero();
        for (int t = 0; t < count; t++) {
            struct winograd_place at = winograd_place_of(p, first + t);
            float *to = out + (size_t)at.sample * stride + vector_at((int)(c / VEC), p->pixels, p->block) + (size_t)at.row * row + (size_t)at.column * step;
            const float *from = m + (size_t)t * p->outs + c;
            if (at.tall == WINO_OUT && at.wide == WINO_OUT) winograd_output(from, apart, add, to, row, step);
            else winograd_output_edge(at, from, apart, add, to, row, step);
        }
    }
}

/* ---- forward, backward data ----------------------------------------------------------------------------- */
/* Floats of a block of tiles, of inputs and outputs. */
static size_t winograd_tiles_count(const struct winograd_pass *p, int samples)
{
    int tiles = winograd_block_tiles(p->ins, p->outs, samples * p->tiles);
    return WINO_ALL * (winograd_apart(tiles, p->ins) + winograd_apart(tiles, p->outs));
}

static void winograd_run(const struct winograd_pass *p, int samples, size_t in_stride, const float *in, const float *prepared, const float *bias,
                         size_t out_stride, float *out, float *scratch)
{
    int all = samples * p->tiles, block = winograd_block_tiles(p->ins, p->outs, all);
    for (int first = 0; first < all; first += block) {
        int count = all - first < block ? all - first : block;
        float *v = scratch, *m = scratch + WINO_ALL * winograd_apart(count, p->ins);
        winograd_read(p, first, count, in_stride, in, v);
        for (size_t k = 0; k < WINO_ALL; k++)
            winograd_multiply(count, p->ins, p->outs, v + k * winograd_apart(count, p->ins), prepared + k * p->ins * p->outs,
                              m + k * winograd_apart(count, p->outs));
        winograd_write(p, first, count, m, bias, out_stride, out);
    }
}

static void winograd_forward(const struct conv_shape *s, int samples, size_t in_stride, const float *in, const float *prepared, const float *bias,
                             size_t out_stride, float *out, float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    winograd_run(&p, samples, in_stride, in, prepared, bias, out_stride, out, scratch);
}

static void winograd_backward_data(const struct conv_shape *s, int samples, size_t out_stride, const float *d_out, const float *prepared,
                                   size_t in_stride, float *d_in, float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, true);
    winograd_run(&p, samples, out_stride, d_out, prepared, NULL, in_stride, d_in, scratch);
}
