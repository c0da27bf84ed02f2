/* simd_winograd_read: reading a block of tiles: pixels of an input or of a gradient, the input's maybe through the norm before it.
   Included by kernel_simd.c only. */

/* ---- stride 1: tiles beside each other share the columns in which they overlap ------------------------------- */
enum { WINO_STRIP = 2, WINO_STRIP_COLUMNS = WINO_STRIP * WINO_OUT + WINO_IN - WINO_OUT };
INLINE int winograd_strip(const struct winograd_place *places, int left)
{
    int count = 1;
    while (count < left && count < WINO_STRIP && places[count].in.column) count++;
    return count;
}

/* The columns of `count` tiles beside each other, of one vector of channels: x is its plane. */
INLINE void winograd_strip_columns(const struct winograd_pass *p, struct winograd_spot first, int count, const struct norm_line *norm, const float *x,
                                   vec columns[WINO_STRIP_COLUMNS][WINO_IN])
{
    int top = first.row == 0, below = p->in.rows - first.row + 1, bottom = below < WINO_IN ? below : WINO_IN;
    size_t step = (size_t)p->block, row = (size_t)p->in.columns * step;
    ptrdiff_t ahead = (ptrdiff_t)(WINO_STRIP * WINO_OUT * step * sizeof *x); /* the next strip */
    x += (size_t)(first.row - 1 + top) * row;
    for (int c = 0; c < count * WINO_OUT + WINO_IN - WINO_OUT; c++) {
        int column = first.column - 1 + c;
        if (column < 0 || column >= p->in.columns)
            for (int r = 0; r < WINO_IN; r++) columns[c][r] = vec_zero();
        else if (top == 0 && bottom == WINO_IN) winograd_input_column(norm, x + (size_t)column * step, row, ahead, 0, WINO_IN, columns[c]);
        else winograd_input_column(norm, x + (size_t)column * step, row, ahead, top, bottom, columns[c]);
    }
}

INLINE void winograd_read_strip(const struct winograd_pass *p, struct winograd_spot at, int strip, const struct norm_line *norm, const float *x,
                                struct winograd_grid g, float *to)
{
    vec columns[WINO_STRIP_COLUMNS][WINO_IN] UNSET;
    winograd_strip_columns(p, at, strip, norm, x, columns);
    for (int n = 0; n < strip; n++, to += g.row) winograd_input_rows(columns + n * WINO_OUT, to, g.apart);
}

/* ---- stride 2: a window for each tile ------------------------------------------------------------------------ */
INLINE void winograd_window_products(enum winograd_way way, struct winograd_window w, float *v, size_t apart)
{
    if (way == WINO_DOWN) winograd_strided_input(w, v, apart);
    else winograd_back_input(w, v, apart);
}

/* Forward a patch begins one pixel before its tile. */
INLINE void winograd_read_window(enum winograd_way way, const struct winograd_pass *p, struct winograd_spot at, const struct norm_line *norm, const float *x,
                                 struct winograd_grid g, float *to)
{
    const int lead = way == WINO_DOWN, reads = way == WINO_DOWN ? WINO_SIDE : WINO_TWO;
    size_t step = (size_t)p->block, row = (size_t)p->in.columns * step;
    int below = p->in.rows - at.row + lead, right = p->in.columns - at.column + lead;
    struct winograd_window w = {norm, x, row, step, lead && at.row == 0, below, lead && at.column == 0, right, (ptrdiff_t)((size_t)p->in.edge * step * sizeof *x)};
    w.x += (size_t)(at.row - lead + w.top) * row + (size_t)(at.column - lead + w.left) * step;
    struct winograd_window whole = w; /* the compiler sees that no pixel of it is outside */
    whole.top = whole.left = 0, whole.bottom = whole.right = reads;
    if (!w.top && !w.left && below >= reads && right >= reads) winograd_window_products(way, whole, to, g.apart);
    else winograd_window_products(way, w, to, g.apart);
}

/* ---- a block --------------------------------------------------------------------------------------------------- */
INLINE void winograd_read_some(enum winograd_way way, const struct winograd_pass *p, struct winograd_spot at, int strip, const struct norm_line *norm, const float *x,
                               struct winograd_grid g, float *to)
{
    if (way == WINO_SAME) winograd_read_strip(p, at, strip, norm, x, g, to);
    else winograd_read_window(way, p, at, norm, x, g, to);
}

INLINE void winograd_read_way(enum winograd_way way, const struct winograd_pass *p, int count, const struct winograd_place *places, size_t stride, const float *in,
                              const struct norm_before *norm, struct winograd_grid g, float *v)
{
    size_t planes[WINO_LINE / VEC] = {0};
    for (size_t line = 0; line < p->in.channels; line += WINO_LINE) {
        int vectors = winograd_line(&p->in, p->block, line, planes);
        for (int t = 0, strip; t < count; t += strip) {
            const float *x = in + (size_t)places[t].sample * stride;
            strip = way == WINO_SAME ? winograd_strip(places + t, count - t) : 1;
            for (int i = 0; i < vectors; i++) {
                float *to = v + (size_t)t * g.row + line + (size_t)i * VEC;
                if (norm_covers(norm, (int)(line / VEC) + i)) {
                    struct norm_line l = norm_line_before(norm, (size_t)places[t].sample, (int)(line / VEC) + i);
                    winograd_read_some(way, p, places[t].in, strip, &l, x + planes[i], g, to);
                } else winograd_read_some(way, p, places[t].in, strip, NULL, x + planes[i], g, to);
            }
        }
    }
}

/* Tiles of the input to v; with a norm `in` is its z. */
static void winograd_read(const struct winograd_pass *p, int count, const struct winograd_place *places, size_t stride, const float *in,
                          const struct norm_before *norm, struct winograd_grid g, float *v)
{
    if (p->way == WINO_SAME) winograd_read_way(WINO_SAME, p, count, places, stride, in, norm, g, v);
    else if (p->way == WINO_DOWN) winograd_read_way(WINO_DOWN, p, count, places, stride, in, norm, g, v);
    else winograd_read_way(WINO_BACK, p, count, places, stride, in, NULL, g, v);
}

/* ---- what a weight gradient reads of the inputs: tiles that do not overlap -------------------------------------- */
INLINE void winograd_tile_products(bool strided, struct winograd_window w, float *v, size_t apart)
{
    if (strided) {
        winograd_back_tile(w, v, apart);
        return;
    }
    vec tile[WINO_OUT][WINO_OUT] UNSET;
    for (int r = 0; r < WINO_OUT; r++)
        for (int c = 0; c < WINO_OUT; c++) tile[r][c] = winograd_seen(w, r, c);
    winograd_gradient(tile, v, apart);
}

INLINE void winograd_read_tile(bool strided, const struct winograd_pass *p, struct winograd_spot at, const struct norm_line *norm, const float *x,
                               struct winograd_grid g, float *to)
{
    const int edge = strided ? WINO_EDGE : WINO_OUT;
    size_t step = (size_t)p->block, row = (size_t)p->out.columns * step;
    struct winograd_window w = {norm, x + at.pixel * step, row, step, 0, at.tall, 0, at.wide, (ptrdiff_t)((size_t)edge * step * sizeof *x)}, whole = w;
    whole.bottom = whole.right = edge;
    if (at.tall == edge && at.wide == edge) winograd_tile_products(strided, whole, to, g.apart);
    else winograd_tile_products(strided, w, to, g.apart);
}

/* Tiles of the input to v; p is a pass backwards; with a norm `in` is its z. */
INLINE void winograd_read_tiles_by(bool strided, const struct winograd_pass *p, int count, const struct winograd_place *places, size_t stride, const float *in,
                                   const struct norm_before *norm, struct winograd_grid g, float *v)
{
    size_t planes[WINO_LINE / VEC] = {0};
    for (size_t line = 0; line < p->out.channels; line += WINO_LINE) {
        int vectors = winograd_line(&p->out, p->block, line, planes);
        for (int t = 0; t < count; t++) {
            const float *x = in + (size_t)places[t].sample * stride;
            for (int i = 0; i < vectors; i++) {
                float *to = v + (size_t)t * g.row + line + (size_t)i * VEC;
                if (norm_covers(norm, (int)(line / VEC) + i)) {
                    struct norm_line l = norm_line_before(norm, (size_t)places[t].sample, (int)(line / VEC) + i);
                    winograd_read_tile(strided, p, places[t].out, &l, x + planes[i], g, to);
                } else winograd_read_tile(strided, p, places[t].out, NULL, x + planes[i], g, to);
            }
        }
    }
}

static void winograd_read_tiles(const struct winograd_pass *p, int count, const struct winograd_place *places, size_t stride, const float *in,
                                const struct norm_before *norm, struct winograd_grid g, float *v)
{
    if (p->way == WINO_SAME) winograd_read_tiles_by(false, p, count, places, stride, in, norm, g, v);
    else winograd_read_tiles_by(true, p, count, places, stride, in, norm, g, v);
}
