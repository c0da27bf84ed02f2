/* simd_winograd_run: 3x3 convolution of stride 1 by Winograd's algorithm, tiles in blocks that stay in the cache: all tiles of
   all samples in one row; a block of them is transformed, multiplied point by point, and transformed back.
   Included by kernel_simd.c only.

   Prepared weights [36][outputs / PANEL][inputs][PANEL], for backward data with inputs and outputs exchanged and the taps
   turned round. */

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

/* A transformed block of tiles: [36][tiles][channels], points a line of the cache further apart than they must be, and rows
   too where they would otherwise meet in a few sets of it. */
enum { WINO_TILES_MAX = 256, WINO_LINE = 16 /* floats of a line: transforms take its vectors one after the other */ };
struct winograd_grid {
    size_t row, apart;
};
INLINE struct winograd_grid winograd_grid_of(int tiles, size_t channels)
{
    struct winograd_grid g = {.row = channels % 128 ? channels : channels + WINO_LINE};
    g.apart = (size_t)tiles * g.row + WINO_LINE;
    return g;
}
INLINE size_t winograd_grid_count(int tiles, size_t channels)
{
    return WINO_ALL * winograd_grid_of(tiles, channels).apart;
}

/* Tiles in a block, of `all`, in blocks as equal as can be. Few channels: inputs and outputs take 192 KiB of an L2 of half a
   mebibyte, 256 of the larger ones that come with v4. Many: the weights do not fit there in any case and are read once for each block, so that inputs and outputs may
   be as large as they are. */
static int winograd_block_tiles(size_t ins, size_t outs, int all)
{
    size_t weights = WINO_ALL * ins * outs, floats = WINO_ALL * (ins + outs), budget = (VEC == 16 ? 64 : 48) * 1024;
    size_t most = (weights > budget ? weights : budget) / floats / WINO_ROWS * WINO_ROWS;
    if (most < WINO_ROWS) most = WINO_ROWS;
    if (most > WINO_TILES_MAX) most = WINO_TILES_MAX;
    size_t blocks = ((size_t)all + most - 1) / most;
    return (int)(((size_t)all + blocks - 1) / blocks);
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
    vec_fence();
}

/* ---- tiles ---------------------------------------------------------------------------------------------- */
/* Where a tile lies: sample, first pixel of output, how many of its 4x4 outputs are inside the image, and which of its 6x6
   inputs are: rows top to bottom - 1, columns left to right - 1, the first of them at pixel `in`. */
struct winograd_place {
    int sample, tile; /* tile: of its sample */
    int tall, wide, top, bottom, left, right;
    size_t in, out;
};

static void winograd_places(const struct winograd_pass *p, int first, int count, struct winograd_place places[WINO_TILES_MAX])
{
    for (int t = 0; t < count; t++) {
        int sample = (first + t) / p->tiles, tile = (first + t) % p->tiles;
        int row = tile / p->tile_columns * WINO_OUT, column = tile % p->tile_columns * WINO_OUT, below = p->rows - row, beside = p->columns - column;
        struct winograd_place at = {.sample = sample, .tile = tile, .top = row == 0, .left = column == 0, .out = (size_t)(row * p->columns + column)};
        at.tall = below < WINO_OUT ? below : WINO_OUT;
        at.wide = beside < WINO_OUT ? beside : WINO_OUT;
        at.bottom = below + 1 < WINO_IN ? below + 1 : WINO_IN;
        at.right = beside + 1 < WINO_IN ? beside + 1 : WINO_IN;
        at.in = (size_t)((row - 1 + at.top) * p->columns + column - 1 + at.left);
        places[t] = at;
    }
}

/* Where the vectors of the line of channels from `line` on lie in a sample; how many they are. */
INLINE int winograd_line(const struct winograd_pass *p, size_t line, size_t channels, size_t at[WINO_LINE / VEC])
{
    int vectors = 0;
    for (size_t c = line; c < line + WINO_LINE && c < channels; c += VEC) at[vectors++] = vector_at((int)(c / VEC), p->pixels, p->block);
    return vectors;
}

/* A block of tiles of the input to v. */
static void winograd_read(const struct winograd_pass *p, int count, const struct winograd_place *places, size_t stride, const float *in,
                          struct winograd_grid g, float *v)
{
    size_t step = (size_t)p->block, row = (size_t)p->columns * step, planes[WINO_LINE / VEC] = {0};
    for (size_t line = 0; line < p->ins; line += WINO_LINE) {
        int vectors = winograd_line(p, line, p->ins, planes);
        for (int t = 0; t < count; t++) {
            struct winograd_place at = places[t];
            bool whole = at.bottom - at.top == WINO_IN && at.right - at.left == WINO_IN;
            const float *x = in + (size_t)at.sample * stride + at.in * step;
            float *to = v + (size_t)t * g.row + line;
            for (int i = 0; i < vectors; i++, to += VEC) {
                if (whole) winograd_input(x + planes[i], row, step, to, g.apart);
                else winograd_input_edge(x + planes[i], row, step, at.top, at.bottom, at.left, at.right, to, g.apart);
            }
        }
    }
}

/* What the norm that follows wants to know of the outputs: sums over the pixels of a sample, of each channel, about the first pixel,
   in float over WINO_DRAIN tiles, then in double. A tile counts at its place in the sample, so that blocks do not show in the sums. */
enum { WINO_DRAIN = 16 /* tiles; 256 pixels */ };
struct winograd_moments {
    double *sum, *square;           /* [samples][outs]; NULL: nobody asked */
    float *shift, *part, *part_square;
};

/* Floats, in whole lines of the cache. */
static size_t winograd_moments_count(size_t outs, int samples)
{
    return ((2 * sizeof(double) / sizeof(float) + 3) * outs * (size_t)samples + WINO_LINE - 1) / WINO_LINE * WINO_LINE;
}

static struct winograd_moments winograd_moments_at(float *scratch, size_t outs, int samples)
{
    size_t count = outs * (size_t)samples;
    double *sums = (double *)(void *)scratch;
    float *floats = (float *)(void *)(sums + 2 * count);
    memset(scratch, 0, winograd_moments_count(outs, samples) * sizeof(float));
    return (struct winograd_moments){sums, sums + count, floats, floats + count, floats + 2 * count};
}

/* The pixels of one vector of channels of a tile, as they have just been written. `at`: first of the channels among all samples'. */
INLINE void winograd_count_tile(const struct winograd_moments *to, size_t at, int tile, bool last, int tall, int wide, const float *y, size_t row, size_t step)
{
    if (tile == 0) vec_store(to->shift + at, vec_load(y));
    vec shift = vec_load(to->shift + at), s[WINO_OUT] UNSET, q[WINO_OUT] UNSET;
    for (int r = 0; r < WINO_OUT; r++) s[r] = q[r] = vec_zero();
    for (int r = 0; r < tall; r++)
        for (int c = 0; c < wide; c++) {
            vec a = vec_sub(vec_load(y + (size_t)r * row + (size_t)c * step), shift);
            s[r] = vec_add(s[r], a);
            q[r] = vec_fma(a, a, q[r]);
        }
    vec sum = vec_add(vec_load(to->part + at), vec_add(vec_add(s[0], s[1]), vec_add(s[2], s[3])));
    vec square = vec_add(vec_load(to->part_square + at), vec_add(vec_add(q[0], q[1]), vec_add(q[2], q[3])));
    if (last || tile % WINO_DRAIN == WINO_DRAIN - 1) {
        drain(to->sum + at, sum, vec_zero(), vec_zero(), vec_zero());
        drain(to->square + at, square, vec_zero(), vec_zero(), vec_zero());
        sum = square = vec_zero();
    }
    vec_store(to->part + at, sum);
    vec_store(to->part_square + at, square);
}

/* stats: mean and 1/sqrt(variance + eps) of each channel, `stride` floats from sample to sample. */
static void winograd_stats(const struct winograd_pass *p, int samples, const struct winograd_moments *from, size_t stride, float *stats)
{
    for (int i = 0; i < samples; i++, stats += stride)
        for (size_t c = 0; c < p->outs; c++) {
            size_t at = (size_t)i * p->outs + c;
            struct moments m = moments_of((double)from->shift[at], from->sum[at], from->square[at], (double)p->pixels);
            stats[c] = (float)m.mean;
            stats[p->outs + c] = deviation_inverse(m.variance);
        }
}

static void winograd_write(const struct winograd_pass *p, int count, const struct winograd_place *places, const float *m, struct winograd_grid g,
                           const float *bias, size_t stride, float *out, const struct winograd_moments *moments)
{
    size_t step = (size_t)p->block, row = (size_t)p->columns * step, planes[WINO_LINE / VEC] = {0};
    for (size_t line = 0; line < p->outs; line += WINO_LINE) {
        int vectors = winograd_line(p, line, p->outs, planes);
        for (int t = 0; t < count; t++) {
            struct winograd_place at = places[t];
            float *to = out + (size_t)at.sample * stride + at.out * step;
            const float *from = m + (size_t)t * g.row + line;
            bool whole = at.tall == WINO_OUT && at.wide == WINO_OUT, last = at.tile == p->tiles - 1;
            for (int i = 0; i < vectors; i++, from += VEC) {
                vec add = bias ? vec_load(bias + line + (size_t)i * VEC) : vec_zero();
                float *y = to + planes[i];
                size_t channel = (size_t)at.sample * p->outs + line + (size_t)i * VEC;
                if (whole) winograd_output(from, g.apart, add, y, row, step);
                else winograd_output_edge(from, g.apart, add, at.tall, at.wide, y, row, step);
                if (!moments->sum) continue;
                if (whole) winograd_count_tile(moments, channel, at.tile, last, WINO_OUT, WINO_OUT, y, row, step);
                else winograd_count_tile(moments, channel, at.tile, last, at.tall, at.wide, y, row, step);
            }
        }
    }
}

/* Asks for the pixels of the tiles of share `k` of 36, of one tensor, while point k is multiplied: what a step works on comes
   from memory, and the rows of a tile are too short for the processor to guess the next. */
INLINE void winograd_fetch(const struct winograd_pass *p, size_t k, int count, const struct winograd_place *places, size_t channels, size_t stride,
                           const float *tensor)
{
    size_t step = (size_t)p->block, row = (size_t)p->columns * step;
    for (size_t t = k * (size_t)count / WINO_ALL; t < (k + 1) * (size_t)count / WINO_ALL; t++) {
        const float *tile = tensor + (size_t)places[t].sample * stride + places[t].out * step;
        for (size_t c = 0; c < channels; c += step, tile += p->pixels * step)
            for (size_t r = 0; r < (size_t)places[t].tall; r++)
                for (size_t f = 0; f < (size_t)places[t].wide * step; f += WINO_LINE) __builtin_prefetch(tile + r * row + f, 0, 2);
    }
}

/* ---- forward, backward data ----------------------------------------------------------------------------- */
static void winograd_run(const struct winograd_pass *p, int samples, size_t in_stride, const float *in, const float *prepared, const float *bias,
                         size_t out_stride, float *out, const struct winograd_moments *moments, float *scratch)
{
    int all = samples * p->tiles, block = winograd_block_tiles(p->ins, p->outs, all), count = block < all ? block : all;
    struct winograd_place places[2][WINO_TILES_MAX] UNSET; /* of this block and of the next */
    winograd_places(p, 0, count, places[0]);
    for (int first = 0, now = 0, next; first < all; first += count, count = next, now = !now) {
        struct winograd_grid from = winograd_grid_of(count, p->ins), to = winograd_grid_of(count, p->outs);
        float *v = scratch, *m = v + winograd_grid_count(count, p->ins);
        next = all - first - count < block ? all - first - count : block;
        winograd_places(p, first + count, next, places[!now]);
        winograd_read(p, count, places[now], in_stride, in, from, v);
        for (size_t k = 0; k < WINO_ALL; k++) {
            winograd_fetch(p, k, count, places[now], p->outs, out_stride, out);
            winograd_fetch(p, k, next, places[!now], p->ins, in_stride, in);
            winograd_multiply(count, p->ins, p->outs, v + k * from.apart, from.row, prepared + k * p->ins * p->outs, m + k * to.apart, to.row);
        }
        winograd_write(p, count, places[now], m, to, bias, out_stride, out, moments);
    }
}

static void winograd_forward(const struct conv_shape *s, int samples, size_t in_stride, const float *in, const float *prepared, const float *bias,
                             size_t out_stride, float *out, size_t stats_stride, float *stats, float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    struct winograd_moments moments = {0};
    if (stats) moments = winograd_moments_at(scratch, p.outs, samples);
    winograd_run(&p, samples, in_stride, in, prepared, bias, out_stride, out, &moments, scratch + winograd_moments_count(p.outs, samples));
    if (stats) winograd_stats(&p, samples, &moments, stats_stride, stats);
}

static void winograd_backward_data(const struct conv_shape *s, int samples, size_t out_stride, const float *d_out, const float *prepared,
                                   size_t in_stride, float *d_in, float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, true);
    winograd_run(&p, samples, out_stride, d_out, prepared, NULL, in_stride, d_in, &(struct winograd_moments){0}, scratch);
}
