/* simd_winograd_run: forward and backward data of a 3x3 convolution by Winograd's algorithm: a block of tiles is
   transformed, multiplied point by point, and transformed back. Included by kernel_simd.c only. */

/* ---- statistics ----------------------------------------------------------------------------------------- */
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

/* One vector of channels of a tile. `at`: first of the channels among all samples'. */
INLINE void winograd_count_tile(const struct winograd_moments *to, size_t at, int tile, bool last, int tall, int wide, vec y[WINO_OUT][WINO_OUT])
{
    if (tile == 0) vec_store(to->shift + at, y[0][0]);
    vec shift = vec_load(to->shift + at), s[WINO_OUT] UNSET, q[WINO_OUT] UNSET;
    for (int r = 0; r < WINO_OUT; r++) s[r] = q[r] = vec_zero();
    for (int r = 0; r < tall; r++)
        for (int c = 0; c < wide; c++) {
            vec a = vec_sub(y[r][c], shift);
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
        for (size_t c = 0; c < p->out.channels; c++) {
            size_t at = (size_t)i * p->out.channels + c;
            struct moments m = moments_of((double)from->shift[at], from->sum[at], from->square[at], (double)p->out.pixels);
            stats[c] = (float)m.mean;
            stats[p->out.channels + c] = deviation_inverse(m.variance);
        }
}

/* ---- forward, backward data ----------------------------------------------------------------------------- */
/* What a pass reads and writes; strides from sample to sample. */
struct winograd_ends {
    const float *in;
    size_t in_stride;
    const struct norm_before *norm; /* or NULL */
    const float *bias;              /* or NULL */
    float *out;
    size_t out_stride;
};

/* One vector of channels of a tile: outputs at y, and what is summed up of them. */
INLINE void winograd_write_vector(enum winograd_way way, const struct winograd_pass *p, const struct winograd_place *at, int tall, int wide, size_t channel,
                                  const float *m, size_t apart, const float *bias, const struct winograd_moments *moments, float *y)
{
    size_t step = (size_t)p->block, row = (size_t)p->out.columns * step;
    vec tile[WINO_OUT][WINO_OUT] UNSET;
    if (way == WINO_BACK) {
        winograd_back_output(m, apart, tall, wide, y, row, step);
        return;
    }
    if (way == WINO_SAME) winograd_output(m, apart, bias ? vec_load(bias + channel) : vec_zero(), tile);
    else winograd_strided_output(m, apart, bias ? vec_load(bias + channel) : vec_zero(), tile);
    if (moments->sum) winograd_count_tile(moments, (size_t)at->sample * p->out.channels + channel, at->tile, at->tile == p->tiles - 1, tall, wide, tile);
    winograd_tile_store(tall, wide, tile, y, row, step);
}

INLINE void winograd_write_way(enum winograd_way way, const struct winograd_pass *p, int count, const struct winograd_place *places, const float *m,
                               struct winograd_grid g, const struct winograd_ends *e, const struct winograd_moments *moments)
{
    const int edge = way == WINO_BACK ? WINO_EDGE : WINO_OUT;
    size_t planes[WINO_LINE / VEC] = {0};
    for (size_t line = 0; line < p->out.channels; line += WINO_LINE) {
        int vectors = winograd_line(&p->out, p->block, line, planes);
        for (int t = 0; t < count; t++) {
            const struct winograd_place *at = &places[t];
            float *to = e->out + (size_t)at->sample * e->out_stride + at->out.pixel * (size_t)p->block;
            const float *from = m + (size_t)t * g.row + line;
            bool whole = at->out.tall == edge && at->out.wide == edge;
            for (int i = 0; i < vectors; i++, from += VEC) {
                size_t channel = line + (size_t)i * VEC;
                if (whole) winograd_write_vector(way, p, at, edge, edge, channel, from, g.apart, e->bias, moments, to + planes[i]);
                else winograd_write_vector(way, p, at, at->out.tall, at->out.wide, channel, from, g.apart, e->bias, moments, to + planes[i]);
            }
        }
    }
}

static void winograd_write(const struct winograd_pass *p, int count, const struct winograd_place *places, const float *m, struct winograd_grid g,
                           const struct winograd_ends *e, const struct winograd_moments *moments)
{
    if (p->way == WINO_SAME) winograd_write_way(WINO_SAME, p, count, places, m, g, e, moments);
    else if (p->way == WINO_DOWN) winograd_write_way(WINO_DOWN, p, count, places, m, g, e, moments);
    else winograd_write_way(WINO_BACK, p, count, places, m, g, e, moments);
}

/* A block of tiles from its products v to pixels, by way of m; those that it will write are asked for, and `next`. */
static void winograd_block(const struct winograd_pass *p, const struct winograd_ends *e, int count, const struct winograd_place *places, struct winograd_asked next,
                           const float *v, const float *prepared, const struct winograd_moments *moments, float *m)
{
    size_t ins = p->in.channels, outs = p->out.channels, products[WINO_SHARED];
    struct winograd_grid from = winograd_grid_of(count, ins), to = winograd_grid_of(count, outs);
    const struct winograd_asked written = {&p->out, places, count, e->out_stride, e->out};
    for (size_t k = 0; k < WINO_ALL; k++) {
        winograd_ask(p, k, written);
        winograd_ask(p, k, next);
        winograd_multiply(count, ins, outs, winograd_shared(p->way, k, products), products, v, from, prepared + k * ins * outs, m, to);
    }
    winograd_write(p, count, places, m, to, e, moments);
}

static void winograd_run(const struct winograd_pass *p, int samples, const struct winograd_ends *e, const float *prepared, const struct winograd_moments *moments,
                         float *scratch)
{
    int all = samples * p->tiles, block = winograd_block_tiles(p, all), count = block < all ? block : all;
    struct winograd_place places[2][WINO_TILES_MAX] UNSET; /* of this block and of the next */
    winograd_places(p, 0, count, places[0]);
    for (int first = 0, now = 0, next; first < all; first += count, count = next, now = !now) {
        float *v = scratch, *m = v + winograd_grid_count(p, count, p->in.channels);
        next = all - first - count < block ? all - first - count : block;
        winograd_places(p, first + count, next, places[!now]);
        winograd_read(p, count, places[now], e->in_stride, e->in, e->norm, winograd_grid_of(count, p->in.channels), v);
        winograd_block(p, e, count, places[now], (struct winograd_asked){&p->in, places[!now], next, e->in_stride, e->in}, v, prepared, moments, m);
    }
}

static void winograd_forward(const struct conv_shape *s, int samples, size_t in_stride, const float *in, const struct norm_before *norm, const float *prepared,
                             const float *bias, size_t out_stride, float *out, size_t stats_stride, float *stats, float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    struct winograd_ends ends = {in, in_stride, norm, bias, out, out_stride};
    struct winograd_moments moments = {0};
    if (stats) moments = winograd_moments_at(scratch, p.out.channels, samples);
    winograd_run(&p, samples, &ends, prepared, &moments, scratch + winograd_moments_count(p.out.channels, samples));
    if (stats) winograd_stats(&p, samples, &moments, stats_stride, stats);
}

static void winograd_backward_data(const struct conv_shape *s, int samples, size_t out_stride, const float *d_out, const float *prepared,
                                   size_t in_stride, float *d_in, float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, true);
    struct winograd_ends ends = {d_out, out_stride, NULL, NULL, d_in, in_stride};
    winograd_run(&p, samples, &ends, prepared, &(struct winograd_moments){0}, scratch);
}
