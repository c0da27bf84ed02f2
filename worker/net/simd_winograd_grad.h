/* simd_winograd_grad: weight gradients of 3x3 convolutions of stride 1 by Winograd's algorithm: the sum over tiles of
   (B' d B) . (A y A') at each of the 36 points, a small matrix product each, and G' ... G of that at the end.
   Included by kernel_simd.c only.

   The sums of one panel of outputs and a chunk of inputs lie together, [36][inputs][PANEL]. Where all tiles fit one block a
   chunk is finished at once and its place used again; otherwise each has a place of its own to add to, block by block. */

enum { WINO_CHUNK = 4 * WINO_ROWS }; /* inputs: with v3 36 * 24 * 16 floats are 54 KiB of L2 */

INLINE void winograd_gradient_edge(const struct winograd_pass *p, struct winograd_place at, const float *y, float *w, size_t apart)
{
    float patch[WINO_OUT * WINO_OUT * VEC];
    for (int r = 0; r < WINO_OUT; r++)
        for (int c = 0; c < WINO_OUT; c++) {
            bool inside = r < at.tall && c < at.wide;
            vec value = inside ? vec_load(y + (size_t)(r * p->columns + c) * (size_t)p->block) : vec_zero();
            vec_store(patch + (r * WINO_OUT + c) * VEC, value);
        }
    winograd_gradient(patch, WINO_OUT * VEC, VEC, w, apart);
}

/* Tiles first to first + count - 1 of the gradient of the outputs to w. */
static void winograd_read_gradient(const struct winograd_pass *p, int first, int count, size_t stride, const float *d_out, float *w)
{
    size_t apart = winograd_apart(count, p->outs), step = (size_t)p->block, row = (size_t)p->columns * step;
    for (size_t c = 0; c < p->outs; c += VEC)
        for (int t = 0; t < count; t++) {
            struct winograd_place at = winograd_place_of(p, first + t);
            const float *y = d_out + (size_t)at.sample * stride + vector_at((int)(c / VEC), p->pixels, p->block) + (size_t)at.row * row + (size_t)at.column * step;
            float *to = w + (size_t)t * p->outs + c;
            if (at.tall == WINO_OUT && at.wide == WINO_OUT) winograd_gradient(y, row, step, to, apart);
            else winograd_gradient_edge(p, at, y, to, apart);
        }
}

/* The sums u of `ins` inputs from `in` and one panel from `out` to the weights. */
static void winograd_finish(const struct winograd_pass *p, size_t in, size_t ins, size_t out, size_t wide, const float *u, float *d_w)
{
    size_t b = (size_t)p->block;
    for (size_t i = in; i < in + ins; i++)
        for (size_t o = out; o < out + wide; o += VEC)
            winograd_weight_gradient(u + (i - in) * wide + (o - out), ins * wide, d_w + ((o / b * (p->ins / b) + i / b) * 9 * b + i % b) * b + o % b, b * b);
}

/* Adds a block of `count` tiles to the sums u; with the last block come the weights. */
static void winograd_sum(const struct winograd_pass *p, int count, bool first, bool last, const float *v, const float *w, float *u, float *d_w)
{
    struct winograd_product n = {.depth = (size_t)count, .a_row = 1, .a_step = p->ins, .b_step = p->outs, .more = !first};
    for (size_t o = 0; o < p->outs; o += WINO_PANEL) {
        n.c_row = p->outs - o < WINO_PANEL ? VEC : WINO_PANEL;
        size_t in = 0;
        for (size_t left = (p->ins + WINO_CHUNK - 1) / WINO_CHUNK; left > 0; left--) {
            size_t ins = (p->ins - in + left - 1) / left;
            for (size_t k = 0; k < WINO_ALL; k++) {
                const float *a = v + k * winograd_apart(count, p->ins) + in, *b = w + k * winograd_apart(count, p->outs) + o;
                if (n.c_row == WINO_PANEL) winograd_panel(2, (int)ins, n, a, b, u + k * ins * WINO_PANEL);
                else winograd_panel(1, (int)ins, n, a, b, u + k * ins * VEC);
            }
            if (last) winograd_finish(p, in, ins, o, n.c_row, u, d_w);
            if (!first || !last) u += WINO_ALL * ins * n.c_row;
            in += ins;
        }
    }
}

static size_t winograd_sums_count(const struct winograd_pass *p, int samples)
{
    bool one = winograd_block_tiles(p->ins, p->outs, samples * p->tiles) == samples * p->tiles;
    return WINO_ALL * (one ? (size_t)WINO_CHUNK * WINO_PANEL : p->ins * p->outs);
}

static size_t winograd_scratch_count(const struct conv_shape *s, int samples)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    return winograd_tiles_count(&p, samples) + 2 * winograd_sums_count(&p, samples);
}

static void winograd_backward_weights(const struct conv_shape *s, int samples, int cotangents, size_t in_stride, const float *in, size_t out_stride,
                                      const float *d_out, size_t cotangent_stride, float *const d_w[], float *const d_bias[], float *scratch)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    int all = samples * p.tiles, block = winograd_block_tiles(p.ins, p.outs, all);
    for (int first = 0; first < all; first += block) {
        int count = all - first < block ? all - first : block;
        float *v = scratch, *w = v + WINO_ALL * winograd_apart(count, p.ins), *u = scratch + winograd_tiles_count(&p, samples);
        winograd_read(&p, first, count, in_stride, in, v);
        for (int c = 0; c < cotangents; c++, u += winograd_sums_count(&p, samples)) {
            winograd_read_gradient(&p, first, count, out_stride, d_out + (size_t)c * cotangent_stride, w);
            winograd_sum(&p, count, first == 0, first + count == all, v, w, u, d_w[c]);
        }
    }
    for (int c = 0; c < cotangents; c++)
        if (d_bias && d_bias[c]) channel_sums(d_out + (size_t)c * cotangent_stride, samples, out_stride, s->out_channels, p.pixels, p.block, d_bias[c]);
}
