/* simd_winograd_grad: backward of a 3x3 convolution by Winograd's algorithm: weight gradients, and on the way backward data. With the
   transform B' d B of the gradients d of the outputs, which backward data wants, the gradient of the weights is the sum over tiles, and over
   the products of a point, of (A x A') . (B' d B) at each of the 36 points, a small matrix product each, and G' ... G of that at the end,
   its taps turned round: x takes the part that the outputs have in F(4x4, 3x3). Included by kernel_simd.c only.

   The sums lie [36][outputs / PANEL][inputs][PANEL], to add to block by block. Where all tiles fit one block it goes chunk by chunk of
   inputs and outputs: one is finished at once, out of the cache, and its place used again. */

enum { WINO_CHUNK_INS = 8 * WINO_ROWS, WINO_CHUNK_OUTS = 64 }; /* with v3 36 * 48 * 64 floats are 432 KiB */

/* The sums u of `ins` inputs from `in` and `outs` outputs from `out` to the weights, the inputs of a block of channels in one go. */
INLINE void winograd_finish_by(bool strided, const struct winograd_pass *p, size_t in, size_t ins, size_t out, size_t outs, const float *u, float *d_w)
{
    size_t b = (size_t)p->block, wide;
    for (size_t o = 0; o < outs; o += wide) {
        wide = outs - o < WINO_PANEL ? VEC : WINO_PANEL;
        for (size_t v = 0; v < wide; v += VEC) {
            size_t to = out + o + v, run;
            float *taps = d_w + to / b * p->out.channels * 9 * b + to % b;
            const float *from = u + o * ins + v;
            for (size_t i = in; i < in + ins; i += run) {
                run = b - i % b < in + ins - i ? b - i % b : in + ins - i;
                float *first = taps + (i / b * 9 * b + i % b) * b;
                for (size_t n = 0; n < run; n++, from += wide) winograd_weight_gradient(strided, from, ins * outs, first + n * b, b * b);
            }
        }
    }
}

static void winograd_finish(const struct winograd_pass *p, size_t in, size_t ins, size_t out, size_t outs, const float *u, float *d_w)
{
    if (p->way == WINO_SAME) winograd_finish_by(false, p, in, ins, out, outs, u, d_w);
    else winograd_finish_by(true, p, in, ins, out, outs, u, d_w);
}

/* What the next block will read, asked for during the first chunk of this one. */
struct winograd_ahead {
    struct winograd_asked in, d_out;
};

/* Adds a block of tiles to the sums u of a chunk: x of its inputs, v of its outputs. */
static void winograd_sum(const struct winograd_pass *p, struct winograd_ahead next, struct winograd_product n, struct winograd_grid from,
                         struct winograd_grid to, size_t ins, size_t outs, const float *x, const float *v, float *u)
{
    size_t products[WINO_SHARED], a_term[WINO_SHARED], b_term[WINO_SHARED];
    n.a_term = a_term, n.b_term = b_term;
    for (size_t k = 0; k < WINO_ALL; k++) {
        n.terms = winograd_shared(p->way, k, products);
        for (int i = 0; i < n.terms; i++) a_term[i] = products[i] * from.apart, b_term[i] = products[i] * to.apart;
        winograd_ask(p, k, next.in);
        winograd_ask(p, k, next.d_out);
        for (size_t o = 0; o < outs; o += WINO_PANEL) {
            n.c_row = outs - o < WINO_PANEL ? VEC : WINO_PANEL;
            if (n.c_row == WINO_PANEL) winograd_panel(2, (int)ins, n, x, v + o, u + (k * outs + o) * ins);
            else winograd_panel(1, (int)ins, n, x, v + o, u + (k * outs + o) * ins);
        }
    }
}

/* Adds a block of `count` tiles to the sums u; with the last block come the weights. */
static void winograd_sums(const struct winograd_pass *p, struct winograd_ahead next, int count, bool first, bool last, const float *x, const float *v, float *u,
                          float *d_w)
{
    struct winograd_grid from = winograd_grid_of(count, p->out.channels), to = winograd_grid_of(count, p->in.channels);
    struct winograd_product n = {.depth = (size_t)count, .a_row = 1, .a_step = from.row, .b_step = to.row, .more = !first, .asks = true};
    size_t most_ins = first && last ? WINO_CHUNK_INS : p->out.channels, most_outs = first && last ? WINO_CHUNK_OUTS : p->in.channels;
    for (size_t o = 0; o < p->in.channels; o += most_outs) {
        size_t in = 0, outs = p->in.channels - o < most_outs ? p->in.channels - o : most_outs;
        for (size_t left = (p->out.channels + most_ins - 1) / most_ins; left > 0; left--) {
            size_t ins = (p->out.channels - in + left - 1) / left;
            winograd_sum(p, next, n, from, to, ins, outs, x + in, v + o, u);
            next.in.count = next.d_out.count = 0;
            if (last) winograd_finish(p, in, ins, o, outs, u, d_w);
            in += ins;
        }
    }
}

/* One block is all there is: a chunk's sums become weights before the next chunk takes their place. */
static size_t winograd_sums_count(const struct winograd_pass *p, int tiles, int all)
{
    size_t ins = p->out.channels, outs = p->in.channels;
    if (tiles < all) return WINO_ALL * ins * outs;
    return WINO_ALL * (ins < WINO_CHUNK_INS ? ins : WINO_CHUNK_INS) * (outs < WINO_CHUNK_OUTS ? outs : WINO_CHUNK_OUTS);
}

static size_t winograd_scratch_count(const struct conv_shape *s, int samples, int cotangents)
{
    struct winograd_pass p = winograd_pass_of(s, true);
    int all = samples * p.tiles, tiles = winograd_block_tiles(&p, all);
    size_t forward = winograd_moments_count(p.out.channels > p.in.channels ? p.out.channels : p.in.channels, samples);
    size_t sums = (size_t)cotangents * winograd_sums_count(&p, tiles, all);
    size_t gradients = (size_t)(cotangents > 1 ? cotangents : 1) * winograd_grid_count(&p, tiles, p.in.channels);
    return gradients + winograd_grid_count(&p, tiles, p.out.channels) + (forward > sums ? forward : sums);
}

/* A block of tiles of one gradient: its products to v, and backward data, by way of m. What will be read after it is asked for: the
   next gradient, after the last the inputs. */
static void winograd_backward_block(const struct winograd_pass *p, const struct winograd_backward *b, int c, int count, const struct winograd_place *places, float *v,
                                    float *m)
{
    const float *d = b->d_out + (size_t)c * b->out_apart;
    struct winograd_ends ends = {d, b->out_stride, NULL, NULL, b->d_in ? b->d_in + (size_t)c * b->d_in_apart : NULL, b->d_in_stride};
    const struct winograd_moments none = {0};
    struct winograd_asked next = {&p->out, places, count, b->in_stride, b->in};
    if (c + 1 < b->cotangents) next = (struct winograd_asked){&p->in, places, count, b->out_stride, d + b->out_apart};
    winograd_read(p, count, places, b->out_stride, d, NULL, winograd_grid_of(count, p->in.channels), v);
    if (b->d_in) winograd_block(p, &ends, count, places, next, v, b->prepared, &none, m);
}

/* What is asked for while the sums of gradient c are made, of the `count` tiles of the next block. Backward data of a gradient asks for the
   next gradient and for the inputs (above), which leaves the first gradient to the last sums; without it the sums ask for all. */
static struct winograd_ahead winograd_ahead_of(const struct winograd_pass *p, const struct winograd_backward *b, int c, int count, const struct winograd_place *places)
{
    struct winograd_asked in = {&p->out, places, count, b->in_stride, b->in}, d_out = {&p->in, places, count, b->out_stride, b->d_out};
    if (b->d_in || c) in.count = 0;
    if (!b->d_in) d_out.tensor += (size_t)c * b->out_apart;
    else if (c + 1 < b->cotangents) d_out.count = 0;
    return (struct winograd_ahead){in, d_out};
}

static void winograd_backward(const struct conv_shape *s, const struct winograd_backward *b, float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, true);
    int all = b->samples * p.tiles, block = winograd_block_tiles(&p, all), count = block < all ? block : all, both = b->cotangents;
    size_t sums = winograd_sums_count(&p, block, all);
    struct winograd_place places[2][WINO_TILES_MAX] UNSET; /* of this block and of the next */
    winograd_places(&p, 0, count, places[0]);
    for (int first = 0, now = 0, next; first < all; first += count, count = next, now = !now) {
        size_t grid = winograd_grid_count(&p, count, p.in.channels);
        float *v = scratch + (size_t)both * sums, *x = v + (size_t)both * grid;
        next = all - first - count < block ? all - first - count : block;
        winograd_places(&p, first + count, next, places[!now]);
        for (int c = 0; c < both; c++) winograd_backward_block(&p, b, c, count, places[now], v + (size_t)c * grid, x);
        winograd_read_tiles(&p, count, places[now], b->in_stride, b->in, b->norm, winograd_grid_of(count, p.out.channels), x);
        for (int c = 0; c < both; c++) {
            struct winograd_ahead ahead = winograd_ahead_of(&p, b, c, next, places[!now]);
            winograd_sums(&p, ahead, count, first == 0, first + count == all, x, v + (size_t)c * grid, scratch + (size_t)c * sums, b->d_w[c]);
        }
    }
    for (int c = 0; c < both; c++)
        if (b->d_bias && b->d_bias[c])
            channel_sums(b->d_out + (size_t)c * b->out_apart, b->samples, b->out_stride, s->out_channels, p.in.pixels, p.block, b->d_bias[c]);
}
