/* simd_winograd_grad: weight gradients of 3x3 convolutions by Winograd's algorithm: the sum over tiles, and over the products of a
   point, of (B' d B) . (A y A') at each of the 36 points, a small matrix product each, and G' ... G of that at the end.
   Included by kernel_simd.c only.

   The sums of a chunk of inputs and outputs lie together, [36][outputs / PANEL][inputs][PANEL]. Where all tiles fit one block
   a chunk is finished at once and its place used again; otherwise each has a place of its own to add to, block by block. */

enum { WINO_CHUNK_INS = 8 * WINO_ROWS, WINO_CHUNK_OUTS = 64 }; /* with v3 36 * 48 * 64 floats are 432 KiB */

/* The sums u of `ins` inputs from `in` and `outs` outputs from `out` to the weights. */
INLINE void winograd_finish_by(bool strided, const struct winograd_pass *p, size_t in, size_t ins, size_t out, size_t outs, const float *u, float *d_w)
{
    size_t b = (size_t)p->block;
    for (size_t o = 0; o < outs; o += WINO_PANEL) {
        size_t wide = outs - o < WINO_PANEL ? VEC : WINO_PANEL;
        for (size_t i = 0; i < ins; i++)
            for (size_t v = 0; v < wide; v += VEC) {
                size_t to = out + o + v, from = in + i;
                float *taps = d_w + ((to / b * (p->in.channels / b) + from / b) * 9 * b + from % b) * b + to % b;
                winograd_weight_gradient(strided, u + o * ins + i * wide + v, ins * outs, taps, b * b);
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
    const struct winograd_place *places;
    int count; /* of tiles; 0: nothing */
    const float *in, *d_out;
    size_t in_stride, out_stride;
};

/* Adds a block of tiles to the sums u of a chunk. */
static void winograd_sum(const struct winograd_pass *p, struct winograd_ahead next, struct winograd_product n, struct winograd_grid from,
                         struct winograd_grid to, size_t ins, size_t outs, const float *v, const float *w, float *u)
{
    size_t products[WINO_SHARED], a_term[WINO_SHARED], b_term[WINO_SHARED];
    n.a_term = a_term, n.b_term = b_term;
    for (size_t k = 0; k < WINO_ALL; k++) {
        n.terms = winograd_shared(p->way, k, products);
        for (int i = 0; i < n.terms; i++) a_term[i] = products[i] * from.apart, b_term[i] = products[i] * to.apart;
        winograd_fetch(p, &p->in, k, next.count, next.places, next.in_stride, next.in);
        winograd_fetch(p, &p->out, k, next.count, next.places, next.out_stride, next.d_out);
        for (size_t o = 0; o < outs; o += WINO_PANEL) {
            n.c_row = outs - o < WINO_PANEL ? VEC : WINO_PANEL;
            if (n.c_row == WINO_PANEL) winograd_panel(2, (int)ins, n, v, w + o, u + (k * outs + o) * ins);
            else winograd_panel(1, (int)ins, n, v, w + o, u + (k * outs + o) * ins);
        }
    }
}

/* Adds a block of `count` tiles to the sums u, chunk by chunk; with the last block come the weights. */
static void winograd_sums(const struct winograd_pass *p, struct winograd_ahead next, int count, bool first, bool last, const float *v, const float *w, float *u,
                          float *d_w)
{
    struct winograd_grid from = winograd_grid_of(count, p->in.channels), to = winograd_grid_of(count, p->out.channels);
    struct winograd_product n = {.depth = (size_t)count, .a_row = 1, .a_step = from.row, .b_step = to.row, .more = !first};
    for (size_t o = 0; o < p->out.channels; o += WINO_CHUNK_OUTS) {
        size_t in = 0, outs = p->out.channels - o < WINO_CHUNK_OUTS ? p->out.channels - o : WINO_CHUNK_OUTS;
        for (size_t left = (p->in.channels + WINO_CHUNK_INS - 1) / WINO_CHUNK_INS; left > 0; left--) {
            size_t ins = (p->in.channels - in + left - 1) / left;
            winograd_sum(p, next, n, from, to, ins, outs, v + in, w + o, u);
            next.count = 0;
            if (last) winograd_finish(p, in, ins, o, outs, u, d_w);
            if (!first || !last) u += WINO_ALL * ins * outs;
            in += ins;
        }
    }
}

/* One block is all there is: a chunk's sums become weights before the next chunk takes their place. */
static size_t winograd_sums_count(const struct winograd_pass *p, int tiles, int all)
{
    if (tiles < all) return WINO_ALL * p->in.channels * p->out.channels;
    return WINO_ALL * (p->in.channels < WINO_CHUNK_INS ? p->in.channels : WINO_CHUNK_INS) * (p->out.channels < WINO_CHUNK_OUTS ? p->out.channels : WINO_CHUNK_OUTS);
}

static size_t winograd_scratch_count(const struct conv_shape *s, int samples)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    int all = samples * p.tiles, tiles = winograd_block_tiles(&p, all);
    size_t forward = winograd_moments_count(p.out.channels, samples), weights = 2 * winograd_sums_count(&p, tiles, all);
    return winograd_grid_count(&p, tiles, p.in.channels) + winograd_grid_count(&p, tiles, p.out.channels) + (forward > weights ? forward : weights);
}

static void winograd_backward_weights(const struct conv_shape *s, int samples, int cotangents, size_t in_stride, const float *in,
                                      const struct norm_before *norm, size_t out_stride, const float *d_out, size_t cotangent_stride, float *const d_w[],
                                      float *const d_bias[], float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    int all = samples * p.tiles, block = winograd_block_tiles(&p, all);
    size_t sums = winograd_sums_count(&p, block, all);
    struct winograd_place places[2][WINO_TILES_MAX] UNSET; /* of this block and of the next */
    int count = block < all ? block : all;
    winograd_places(&p, 0, count, places[0]);
    for (int first = 0, now = 0, next; first < all; first += count, count = next, now = !now) {
        float *u = scratch, *v = scratch + 2 * sums, *w = v + winograd_grid_count(&p, count, p.in.channels);
        next = all - first - count < block ? all - first - count : block;
        winograd_places(&p, first + count, next, places[!now]);
        winograd_read(&p, count, places[now], in_stride, in, norm, winograd_grid_of(count, p.in.channels), v);
        for (int c = 0; c < cotangents; c++, u += sums) {
            const float *d = d_out + (size_t)c * cotangent_stride;
            struct winograd_ahead ahead = {places[!now], next, in, d, in_stride, out_stride};
            winograd_read_gradient(&p, count, places[now], out_stride, d, winograd_grid_of(count, p.out.channels), w);
            winograd_sums(&p, ahead, count, first == 0, first + count == all, v, w, u, d_w[c]);
        }
    }
    for (int c = 0; c < cotangents; c++)
        if (d_bias && d_bias[c]) channel_sums(d_out + (size_t)c * cotangent_stride, samples, out_stride, s->out_channels, p.out.pixels, p.block, d_bias[c]);
}
