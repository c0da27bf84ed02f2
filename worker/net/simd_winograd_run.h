/* simd_winograd_run: forward and backward data of a 3x3 convolution of stride 1 by Winograd's algorithm: a block of tiles is
   transformed, multiplied point by point, and transformed back. Included by kernel_simd.c only.

   Prepared weights [36][outputs / PANEL][inputs][PANEL], for backward data with inputs and outputs exchanged and the taps
   turned round. */

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
        for (size_t c = 0; c < p->outs; c++) {
            size_t at = (size_t)i * p->outs + c;
            struct moments m = moments_of((double)from->shift[at], from->sum[at], from->square[at], (double)p->pixels);
            stats[c] = (float)m.mean;
            stats[p->outs + c] = deviation_inverse(m.variance);
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
INLINE void winograd_write_vector(const struct winograd_pass *p, struct winograd_place at, int tall, int wide, size_t channel, const float *m, size_t apart,
                                  const float *bias, const struct winograd_moments *moments, float *y)
{
    size_t step = (size_t)p->block, row = (size_t)p->columns * step;
    vec tile[WINO_OUT][WINO_OUT] UNSET;
    winograd_output(m, apart, bias ? vec_load(bias + channel) : vec_zero(), tile);
    if (moments->sum) winograd_count_tile(moments, (size_t)at.sample * p->outs + channel, at.tile, at.tile == p->tiles - 1, tall, wide, tile);
    winograd_tile_store(tall, wide, tile, y, row, step);
}

static void winograd_write(const struct winograd_pass *p, int count, const struct winograd_place *places, const float *m, struct winograd_grid g,
                           const struct winograd_ends *e, const struct winograd_moments *moments)
{
    size_t planes[WINO_LINE / VEC] = {0};
    for (size_t line = 0; line < p->outs; line += WINO_LINE) {
        int vectors = winograd_line(p, line, p->outs, planes);
        for (int t = 0; t < count; t++) {
            struct winograd_place at = places[t];
            float *to = e->out + (size_t)at.sample * e->out_stride + at.out * (size_t)p->block;
            const float *from = m + (size_t)t * g.row + line;
            bool whole = at.tall == WINO_OUT && at.wide == WINO_OUT;
            for (int i = 0; i < vectors; i++, from += VEC) {
                size_t channel = line + (size_t)i * VEC;
                if (whole) winograd_write_vector(p, at, WINO_OUT, WINO_OUT, channel, from, g.apart, e->bias, moments, to + planes[i]);
                else winograd_write_vector(p, at, at.tall, at.wide, channel, from, g.apart, e->bias, moments, to + planes[i]);
            }
        }
    }
}

static void winograd_run(const struct winograd_pass *p, int samples, const struct winograd_ends *e, const float *prepared, const struct winograd_moments *moments,
                         float *scratch)
{
    int all = samples * p->tiles, block = winograd_block_tiles(p->ins, p->outs, all), count = block < all ? block : all;
    struct winograd_place places[2][WINO_TILES_MAX] UNSET; /* of this block and of the next */
    winograd_places(p, 0, count, places[0]);
    for (int first = 0, now = 0, next; first < all; first += count, count = next, now = !now) {
        struct winograd_grid from = winograd_grid_of(count, p->ins), to = winograd_grid_of(count, p->outs);
        float *v = scratch, *m = v + winograd_grid_count(count, p->ins);
        next = all - first - count < block ? all - first - count : block;
        winograd_places(p, first + count, next, places[!now]);
        winograd_read(p, count, places[now], e->in_stride, e->in, e->norm, from, v);
        for (size_t k = 0; k < WINO_ALL; k++) {
            winograd_fetch(p, k, count, places[now], p->outs, e->out_stride, e->out);
            winograd_fetch(p, k, next, places[!now], p->ins, e->in_stride, e->in);
            winograd_multiply(count, p->ins, p->outs, v + k * from.apart, from.row, prepared + k * p->ins * p->outs, m + k * to.apart, to.row);
        }
        winograd_write(p, count, places[now], m, to, e, moments);
    }
}

static void winograd_forward(const struct conv_shape *s, int samples, size_t in_stride, const float *in, const struct norm_before *norm, const float *prepared,
                             const float *bias, size_t out_stride, float *out, size_t stats_stride, float *stats, float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    struct winograd_ends ends = {in, in_stride, norm, bias, out, out_stride};
    struct winograd_moments moments = {0};
    if (stats) moments = winograd_moments_at(scratch, p.outs, samples);
    winograd_run(&p, samples, &ends, prepared, &moments, scratch + winograd_moments_count(p.outs, samples));
    if (stats) winograd_stats(&p, samples, &moments, stats_stride, stats);
}

static void winograd_backward_data(const struct conv_shape *s, int samples, size_t out_stride, const float *d_out, const float *prepared,
                                   size_t in_stride, float *d_in, float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, true);
    struct winograd_ends ends = {d_out, out_stride, NULL, NULL, d_in, in_stride};
    winograd_run(&p, samples, &ends, prepared, &(struct winograd_moments){0}, scratch);
}
