/* simd_winograd_tiles: the tiles of a 3x3 convolution of stride 1 by Winograd's algorithm, in blocks that stay in the cache: all tiles
   of all samples in one row; where they lie, and reading a block of them. Included by kernel_simd.c only. */

/* One direction of a layer: `ins` padded channels to `outs`. */
struct winograd_pass {
    int block, rows, columns, tile_columns, tiles; /* tiles: of one sample */
    size_t ins, outs, pixels;
};

static struct winograd_pass winograd_pass_of(const struct conv_shape *s, bool backward)
{
    size_t ins = (size_t)s->parts * (size_t)channels_padded(s->in_channels, s->block), outs = (size_t)channels_padded(s->out_channels, s->block);
    struct winograd_pass p = {.block = s->block, .rows = s->in.dims[0], .columns = s->in.dims[1], .ins = ins, .outs = outs, .pixels = shape_pixels(s->in)};
    assert(s->stride == 1 && s->in.rank == 2 && !s->image && s->block % VEC == 0);
    if (backward) p.ins = outs, p.outs = ins;
    p.tile_columns = (p.columns + WINO_OUT - 1) / WINO_OUT;
    p.tiles = (p.rows + WINO_OUT - 1) / WINO_OUT * p.tile_columns;
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
   mebibyte, 256 of the larger ones that come with v4. Many: the weights do not fit there in any case and are read once for each
   block, so that inputs and outputs may be as large as they are. */
static int winograd_block_tiles(size_t ins, size_t outs, int all)
{
    size_t weights = WINO_ALL * ins * outs, floats = WINO_ALL * (ins + outs), budget = (VEC == 16 ? 64 : 48) * 1024;
    size_t most = (weights > budget ? weights : budget) / floats / WINO_ROWS * WINO_ROWS;
    if (most < WINO_ROWS) most = WINO_ROWS;
    if (most > WINO_TILES_MAX) most = WINO_TILES_MAX;
    size_t blocks = ((size_t)all + most - 1) / most;
    return (int)(((size_t)all + blocks - 1) / blocks);
}

/* Where a tile lies: sample, its place among that one's tiles, first pixel of output, how many of its 4x4 outputs are inside the image. */
struct winograd_place {
    int sample, tile, row, column, tall, wide;
    size_t out;
};

static void winograd_places(const struct winograd_pass *p, int first, int count, struct winograd_place places[WINO_TILES_MAX])
{
    int sample = first / p->tiles, tile = first % p->tiles, row = tile / p->tile_columns * WINO_OUT, column = tile % p->tile_columns * WINO_OUT;
    for (int t = 0; t < count; t++, tile++, column += WINO_OUT) {
        if (column >= p->columns) column = 0, row += WINO_OUT;
        if (tile == p->tiles) tile = row = 0, sample++;
        places[t] = (struct winograd_place){.sample = sample, .tile = tile, .row = row, .column = column,
                                            .tall = p->rows - row < WINO_OUT ? p->rows - row : WINO_OUT,
                                            .wide = p->columns - column < WINO_OUT ? p->columns - column : WINO_OUT,
                                            .out = (size_t)row * (size_t)p->columns + (size_t)column};
    }
}

/* Where the vectors of the line of channels from `line` on lie in a sample; how many they are. */
INLINE int winograd_line(const struct winograd_pass *p, size_t line, size_t channels, size_t at[WINO_LINE / VEC])
{
    int vectors = 0;
    for (size_t c = line; c < line + WINO_LINE && c < channels; c += VEC) at[vectors++] = vector_at((int)(c / VEC), p->pixels, p->block);
    return vectors;
}

/* Tiles beside each other, which share the columns in which they overlap. */
enum { WINO_STRIP = 2, WINO_STRIP_COLUMNS = WINO_STRIP * WINO_OUT + WINO_IN - WINO_OUT };
INLINE int winograd_strip(const struct winograd_place *places, int left)
{
    int count = 1;
    while (count < left && count < WINO_STRIP && places[count].column) count++;
    return count;
}

/* The columns of `count` tiles beside each other, of one vector of channels: x is its plane. */
INLINE void winograd_strip_columns(const struct winograd_pass *p, struct winograd_place first, int count, const struct norm_line *norm, const float *x,
                                   vec columns[WINO_STRIP_COLUMNS][WINO_IN])
{
    int top = first.row == 0, below = p->rows - first.row + 1, bottom = below < WINO_IN ? below : WINO_IN;
    size_t step = (size_t)p->block, row = (size_t)p->columns * step;
    ptrdiff_t ahead = (ptrdiff_t)(WINO_STRIP * WINO_OUT * step * sizeof *x); /* the next strip */
    x += (size_t)(first.row - 1 + top) * row;
    for (int c = 0; c < count * WINO_OUT + WINO_IN - WINO_OUT; c++) {
        int column = first.column - 1 + c;
        if (column < 0 || column >= p->columns)
            for (int r = 0; r < WINO_IN; r++) columns[c][r] = vec_zero();
        else if (top == 0 && bottom == WINO_IN) winograd_input_column(norm, x + (size_t)column * step, row, ahead, 0, WINO_IN, columns[c]);
        else winograd_input_column(norm, x + (size_t)column * step, row, ahead, top, bottom, columns[c]);
    }
}

/* A block of tiles of the input to v; with a norm `in` is its z. */
static void winograd_read(const struct winograd_pass *p, int count, const struct winograd_place *places, size_t stride, const float *in,
                          const struct norm_before *norm, struct winograd_grid g, float *v)
{
    vec columns[WINO_STRIP_COLUMNS][WINO_IN] UNSET;
    size_t planes[WINO_LINE / VEC] = {0};
    for (size_t line = 0; line < p->ins; line += WINO_LINE) {
        int vectors = winograd_line(p, line, p->ins, planes);
        for (int t = 0, strip; t < count; t += strip) {
            const float *x = in + (size_t)places[t].sample * stride;
            strip = winograd_strip(places + t, count - t);
            for (int i = 0; i < vectors; i++) {
                float *to = v + (size_t)t * g.row + line + (size_t)i * VEC;
                if (norm) {
                    struct norm_line l = norm_line_before(norm, (size_t)places[t].sample, (int)(line / VEC) + i);
                    winograd_strip_columns(p, places[t], strip, &l, x + planes[i], columns);
                } else winograd_strip_columns(p, places[t], strip, NULL, x + planes[i], columns);
                for (int n = 0; n < strip; n++, to += g.row) winograd_input_rows(columns + n * WINO_OUT, to, g.apart);
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
