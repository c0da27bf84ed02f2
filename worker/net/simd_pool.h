/* simd_pool: 2x2 maximum and its gradient. Included by kernel_simd.c only. */

/* x replaces the maximum so far when it is larger or NaN (backend_ref's rule, which is PyTorch's). */
INLINE vec_mask pool_wins(vec x, vec best)
{
    return vec_either(vec_greater(x, best), vec_nan(x));
}

static void pool_forward(const struct pool_shape *s, const void *in, void *out)
{
    size_t b = (size_t)s->block, rows = (size_t)s->in.dims[0] / 2, columns = (size_t)s->in.dims[1] / 2, pixels = shape_pixels(s->in);
    for (int v = 0; v < vectors_of(s->channels, s->block); v++)
        for (size_t y = 0; y < rows; y++) {
            const float *from = (const float *)in + vector_at(v, pixels, s->block) + 4 * y * columns * b;
            float *to = (float *)out + vector_at(v, pixels / 4, s->block) + y * columns * b;
            for (size_t x = 0; x < columns; x++, from += 2 * b, to += b) {
                vec best = vec_load(from), next[3] = {vec_load(from + b), vec_load(from + 2 * columns * b), vec_load(from + (2 * columns + 1) * b)};
                for (int k = 0; k < 3; k++) best = vec_if(pool_wins(next[k], best), next[k], best);
                vec_store(to, best);
            }
        }
}

static void pool_backward(const struct pool_shape *s, const void *in, const void *d_out, void *d_in)
{
    size_t b = (size_t)s->block, rows = (size_t)s->in.dims[0] / 2, columns = (size_t)s->in.dims[1] / 2, pixels = shape_pixels(s->in);
    const size_t at[4] = {0, b, 2 * columns * b, (2 * columns + 1) * b};
    for (int v = 0; v < vectors_of(s->channels, s->block); v++)
        for (size_t y = 0; y < rows; y++) {
            size_t first = vector_at(v, pixels, s->block) + 4 * y * columns * b;
            const float *from = (const float *)in + first, *d = (const float *)d_out + vector_at(v, pixels / 4, s->block) + y * columns * b;
            float *to = (float *)d_in + first;
            for (size_t x = 0; x < columns; x++, from += 2 * b, to += 2 * b, d += b) {
                vec best = vec_load(from), g = vec_load(d), part[4] = {g, vec_zero(), vec_zero(), vec_zero()};
                for (int k = 1; k < 4; k++) {
                    vec next = vec_load(from + at[k]);
                    vec_mask wins = pool_wins(next, best);
                    best = vec_if(wins, next, best);
                    for (int j = 0; j < k; j++) part[j] = vec_if(wins, vec_zero(), part[j]);
                    part[k] = vec_if(wins, g, vec_zero());
                }
                for (int k = 0; k < 4; k++) vec_store(to + at[k], vec_add(vec_load(to + at[k]), part[k]));
            }
        }
}
