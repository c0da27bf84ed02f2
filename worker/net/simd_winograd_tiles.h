/* simd_winograd_tiles: the tiles of a 3x3 convolution by Winograd's algorithm, in blocks that stay in the cache: all tiles
   of all samples in one row; where they lie. Included by kernel_simd.c only. */

/* Stride 1, forward or backward data; stride 2 forward; stride 2 backward data. */
enum winograd_way { WINO_SAME, WINO_DOWN, WINO_BACK };
/* Weights are at 6x6 points; with stride 2 the point of the one tap serves four products in each dimension. */
enum { WINO_ALL = WINO_IN * WINO_IN, WINO_SHARED = WINO_OUT * WINO_OUT };

INLINE size_t winograd_side(enum winograd_way way)
{
    return way == WINO_SAME ? WINO_IN : WINO_SIDE;
}
INLINE size_t winograd_product_count(enum winograd_way way)
{
    return winograd_side(way) * winograd_side(way);
}

/* The products of point k, of all of them row by row; how many they are. */
INLINE int winograd_shared(enum winograd_way way, size_t k, size_t products[WINO_SHARED])
{
    size_t side = winograd_side(way), last = WINO_IN - 1, row = k / WINO_IN, column = k % WINO_IN;
    int count = 0;
    for (size_t r = row; r <= (row == last ? side - 1 : row); r++)
        for (size_t c = column; c <= (column == last ? side - 1 : column); c++) products[count++] = r * side + c;
    return count;
}

/* One side of a pass: a tile has edge x edge of its pixels. */
struct winograd_side {
    int rows, columns, edge;
    size_t channels, pixels;
};
/* One direction of a layer: from padded channels of one side to those of the other. */
struct winograd_pass {
    enum winograd_way way;
    int block, tile_columns, tiles; /* tiles: of one sample */
    struct winograd_side in, out;
};

static struct winograd_side winograd_side_of(struct shape s, int edge, int channels)
{
    return (struct winograd_side){s.dims[0], s.dims[1], edge, (size_t)channels, shape_pixels(s)};
}

static struct winograd_pass winograd_pass_of(const struct conv_shape *s, bool backward)
{
    int small = WINO_OUT, large = s->stride * WINO_OUT;
    struct winograd_side in = winograd_side_of(s->in, large, s->parts * channels_padded(s->in_channels, s->block));
    struct winograd_side out = winograd_side_of(s->out, small, channels_padded(s->out_channels, s->block));
    assert((s->stride == 1 || s->stride == 2) && s->in.rank == 2 && !s->image && s->block % VEC == 0);
    struct winograd_pass p = {.way = s->stride == 1 ? WINO_SAME : backward ? WINO_BACK : WINO_DOWN, .block = s->block};
    p.in = backward ? out : in, p.out = backward ? in : out;
    p.tile_columns = (out.columns + small - 1) / small;
    p.tiles = (out.rows + small - 1) / small * p.tile_columns;
    return p;
}

/* A transformed block of tiles: [products][tiles][channels], products a line of the cache further apart than they must be, and rows
   too where they would otherwise meet in a few sets of it. */
enum { WINO_TILES_MAX = 256, WINO_LINE = 16 /* floats of a line: transforms take its vectors one after the other */ };
INLINE struct winograd_grid winograd_grid_of(int tiles, size_t channels)
{
    struct winograd_grid g = {.row = channels % 128 ? channels : channels + WINO_LINE};
    g.apart = (size_t)tiles * g.row + WINO_LINE;
    return g;
}
INLINE size_t winograd_grid_count(const struct winograd_pass *p, int tiles, size_t channels)
{
    return winograd_product_count(p->way) * winograd_grid_of(tiles, channels).apart;
}

/* Tiles in a block, of `all`, in blocks as equal as can be. Few channels: inputs and outputs take 192 KiB of an L2 of half a mebibyte; with
   v4, whose L2 is larger, three rows of register tiles, or two where a tile has 81 products (with fewer the sums of weight gradients are read
   and written too often). Many: the weights do not fit there in any case and are read once for each block, so that inputs and outputs may be
   about as large. */
static int winograd_block_tiles(const struct winograd_pass *p, int all)
{
    size_t of_tile = winograd_product_count(p->way) * (p->in.channels + p->out.channels), weights = WINO_ALL * p->in.channels * p->out.channels;
    size_t few = VEC == 16 ? WINO_ROWS * (p->way == WINO_SAME ? 3 : 2) : 48 * 1024 / of_tile, many = (VEC == 16 ? weights * 5 / 8 : weights) / of_tile;
    size_t most = (few > many ? few : many) / WINO_ROWS * WINO_ROWS;
    if (most < WINO_ROWS) most = WINO_ROWS;
    if (most > WINO_TILES_MAX) most = WINO_TILES_MAX;
    size_t blocks = ((size_t)all + most - 1) / most;
    return (int)(((size_t)all + blocks - 1) / blocks);
}

/* Where a tile lies on one side: its first pixel, how many of its rows and columns are inside the image. */
struct winograd_spot {
    int row, column, tall, wide;
    size_t pixel;
};
INLINE struct winograd_spot winograd_spot_of(const struct winograd_side *s, int row, int column)
{
    int first = row * s->edge, left = column * s->edge, tall = s->rows - first, wide = s->columns - left;
    return (struct winograd_spot){first, left, tall < s->edge ? tall : s->edge, wide < s->edge ? wide : s->edge,
                                  (size_t)first * (size_t)s->columns + (size_t)left};
}
/* Sample, the tile's place among that one's. */
struct winograd_place {
    int sample, tile;
    struct winograd_spot in, out;
};

static void winograd_places(const struct winograd_pass *p, int first, int count, struct winograd_place places[WINO_TILES_MAX])
{
    int sample = first / p->tiles, tile = first % p->tiles, row = tile / p->tile_columns, column = tile % p->tile_columns;
    for (int t = 0; t < count; t++, tile++, column++) {
        if (column == p->tile_columns) column = 0, row++;
        if (tile == p->tiles) tile = row = 0, sample++;
        places[t] = (struct winograd_place){sample, tile, winograd_spot_of(&p->in, row, column), winograd_spot_of(&p->out, row, column)};
    }
}

/* Where the vectors of the line of channels from `line` on lie in a sample; how many they are. */
INLINE int winograd_line(const struct winograd_side *s, int block, size_t line, size_t at[WINO_LINE / VEC])
{
    int vectors = 0;
    for (size_t c = line; c < line + WINO_LINE && c < s->channels; c += VEC) at[vectors++] = vector_at((int)(c / VEC), s->pixels, block);
    return vectors;
}

/* Tiles of one side's tensor that will be wanted soon. */
struct winograd_asked {
    const struct winograd_side *side;
    const struct winograd_place *places;
    int count;
    size_t stride;
    const float *tensor;
};
/* Asks for the pixels of share `k` of 36 of these tiles, while point k is multiplied: what a step works on comes from memory, and the rows
   of a tile are too short for the processor to guess the next. */
INLINE void winograd_ask(const struct winograd_pass *p, size_t k, struct winograd_asked a)
{
    size_t step = (size_t)p->block, row = (size_t)a.side->columns * step;
    for (size_t t = k * (size_t)a.count / WINO_ALL; t < (k + 1) * (size_t)a.count / WINO_ALL; t++) {
        const struct winograd_spot *at = a.side == &p->in ? &a.places[t].in : &a.places[t].out;
        const float *tile = a.tensor + (size_t)a.places[t].sample * a.stride + at->pixel * step;
        for (size_t c = 0; c < a.side->channels; c += step, tile += a.side->pixels * step)
            for (size_t r = 0; r < (size_t)at->tall; r++)
                for (size_t f = 0; f < (size_t)at->wide * step; f += WINO_LINE) __builtin_prefetch(tile + r * row + f, 0, 2);
    }
}
