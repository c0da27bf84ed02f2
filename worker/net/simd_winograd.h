/* simd_winograd: the transforms of F(4x4, 3x3), for stride 1, by the algorithm of Winograd (Lavin and Gray 2016, "Fast algorithms for
   convolutional neural networks"): 4x4 outputs from 6x6 inputs with 36 products where direct convolution has 144.
       y = A' [ (G g G') . (B' d B) ] A        and, transposed, the gradient of g: G' [ (B' d B) . (A y A') ] G
   Toom-Cook with the points 0, a, -a, b, -b and infinity; for a point p_i, with N_i = product of (p_i - p_j), j != i:
       G_i = (1, p_i, p_i^2) / N_i, last row (0, 0, 1);  A_i = (1, p_i, p_i^2, p_i^3), last row (0, 0, 0, 1);
       B'_i = coefficients of product of (x - p_j), j != i; last row: of the product over all five.
   Lavin and Gray take a, b = 1, 2. a, b = 5/8, 3/2 cost the same 12 operations, every constant of A and B is exact in float,
   and the error is 2.3 times smaller (relative, forward, 64 channels, normal numbers: 0.82e-6 against 1.89e-6; of the weight
   gradient 1.8e-6 against 4.0e-6): the best of all pairs of multiples of 1/8 up to 1 and of 1/4 up to 2.
   Included by kernel_simd.c only. One call transforms one vector of channels of one tile. */

enum { WINO_IN = 6, WINO_OUT = 4 };
#define WINO_A 0.625f
#define WINO_B 1.5f
#define WINO_A2 (WINO_A * WINO_A)
#define WINO_B2 (WINO_B * WINO_B)
/* 1 / N_i of 0, of a and -a, of b and -b */
#define WINO_R0 (1.0 / (double)(WINO_A2 * WINO_B2))
#define WINO_RA (1.0 / (double)(2 * WINO_A2 * (WINO_A2 - WINO_B2)))
#define WINO_RB (1.0 / (double)(2 * WINO_B2 * (WINO_B2 - WINO_A2)))

/* ---- one dimension -------------------------------------------------------------------------------------- */
/* B' d */
INLINE void winograd_b(const vec d[6], vec t[6])
{
    const vec a2 = vec_set(WINO_A2), b2 = vec_set(WINO_B2), both = vec_set(WINO_A2 * WINO_B2), sum = vec_set(WINO_A2 + WINO_B2);
    vec even = vec_fnma(b2, d[2], d[4]), odd = vec_fnma(b2, d[1], d[3]);
    t[0] = vec_fma(both, d[0], vec_fnma(sum, d[2], d[4]));
    t[1] = vec_fma(vec_set(WINO_A), odd, even);
    t[2] = vec_fnma(vec_set(WINO_A), odd, even);
    even = vec_fnma(a2, d[2], d[4]), odd = vec_fnma(a2, d[1], d[3]);
    t[3] = vec_fma(vec_set(WINO_B), odd, even);
    t[4] = vec_fnma(vec_set(WINO_B), odd, even);
    t[5] = vec_fma(both, d[1], vec_fnma(sum, d[3], d[5]));
}

/* A' m: four values from six */
INLINE void winograd_a(const vec m[6], vec y[4])
{
    vec s = vec_add(m[1], m[2]), d = vec_sub(m[1], m[2]), p = vec_add(m[3], m[4]), q = vec_sub(m[3], m[4]);
    y[0] = vec_add(vec_add(m[0], s), p);
    y[1] = vec_fma(vec_set(WINO_A), d, vec_mul(vec_set(WINO_B), q));
    y[2] = vec_fma(vec_set(WINO_A2), s, vec_mul(vec_set(WINO_B2), p));
    y[3] = vec_fma(vec_set(WINO_A * WINO_A2), d, vec_fma(vec_set(WINO_B * WINO_B2), q, m[5]));
}

/* A y: six values from four */
INLINE void winograd_a_transposed(const vec y[4], vec t[6])
{
    const vec a2 = vec_set(WINO_A2), b2 = vec_set(WINO_B2);
    vec even = vec_fma(a2, y[2], y[0]), odd = vec_fma(a2, y[3], y[1]);
    t[0] = y[0];
    t[1] = vec_fma(vec_set(WINO_A), odd, even);
    t[2] = vec_fnma(vec_set(WINO_A), odd, even);
    even = vec_fma(b2, y[2], y[0]), odd = vec_fma(b2, y[3], y[1]);
    t[3] = vec_fma(vec_set(WINO_B), odd, even);
    t[4] = vec_fnma(vec_set(WINO_B), odd, even);
    t[5] = y[3];
}

/* G g: six values from three */
INLINE void winograd_g(const vec g[3], vec t[6])
{
    const vec ra = vec_set((float)WINO_RA), rb = vec_set((float)WINO_RB);
    vec even = vec_mul(ra, vec_fma(vec_set(WINO_A2), g[2], g[0])), odd = vec_mul(ra, vec_mul(vec_set(WINO_A), g[1]));
    t[0] = vec_mul(vec_set((float)WINO_R0), g[0]);
    t[1] = vec_add(even, odd);
    t[2] = vec_sub(even, odd);
    even = vec_mul(rb, vec_fma(vec_set(WINO_B2), g[2], g[0])), odd = vec_mul(rb, vec_mul(vec_set(WINO_B), g[1]));
    t[3] = vec_add(even, odd);
    t[4] = vec_sub(even, odd);
    t[5] = g[2];
}

/* G' u: three values from six */
INLINE void winograd_g_transposed(const vec u[6], vec g[3])
{
    const vec ra = vec_set((float)WINO_RA), rb = vec_set((float)WINO_RB);
    vec s = vec_mul(ra, vec_add(u[1], u[2])), d = vec_mul(ra, vec_sub(u[1], u[2]));
    vec p = vec_mul(rb, vec_add(u[3], u[4])), q = vec_mul(rb, vec_sub(u[3], u[4]));
    g[0] = vec_fma(vec_set((float)WINO_R0), u[0], vec_add(s, p));
    g[1] = vec_fma(vec_set(WINO_A), d, vec_mul(vec_set(WINO_B), q));
    g[2] = vec_fma(vec_set(WINO_A2), s, vec_fma(vec_set(WINO_B2), p, u[5]));
}

/* ---- two dimensions ------------------------------------------------------------------------------------- */
/* Six pixels of an input below each other, rows `row` apart; or what a norm makes of them on the way. Only rows top to bottom - 1 are
   inside the image, the first of them at x. Those `ahead` bytes on are asked for: they come into the second cache while the block
   before is multiplied, and into the first while the columns before these are. */
INLINE void winograd_input_column(const struct norm_line *norm, const float *x, size_t row, ptrdiff_t ahead, int top, int bottom, vec t[WINO_IN])
{
    vec d[WINO_IN] UNSET;
    for (int r = 0; r < WINO_IN; r++) {
        d[r] = vec_zero();
        if (r < top || r >= bottom) continue;
        const float *at = x + (size_t)(r - top) * row;
        d[r] = vec_load(at);
        vec_ask(at, ahead);
        if (norm) d[r] = norm_activated(*norm, d[r]);
    }
    winograd_b(d, t);
}

/* Columns that have been transformed, six of them, to 36 vectors at v, `apart` apart. */
INLINE void winograd_input_rows(vec column[WINO_IN][WINO_IN], float *v, size_t apart)
{
    vec_stride(apart);
    for (size_t r = 0; r < WINO_IN; r++, v += WINO_IN * apart) {
        vec d[WINO_IN] UNSET, t[WINO_IN] UNSET;
        for (size_t c = 0; c < WINO_IN; c++) d[c] = column[c][r];
        winograd_b(d, t);
        for (size_t c = 0; c < WINO_IN; c++) vec_store(v + c * apart, t[c]);
    }
}

/* Of a tile's pixels only `tall` rows and `wide` columns are inside the image. */
INLINE void winograd_tile_store(int tall, int wide, vec y[WINO_OUT][WINO_OUT], float *at, size_t row, size_t step)
{
    vec_stride(row);
    vec_stride(step);
    for (int r = 0; r < tall; r++)
        for (int c = 0; c < wide; c++) vec_store(at + (size_t)r * row + (size_t)c * step, y[r][c]);
}

/* 36 vectors at m, `apart` apart, and the bias to 4x4 pixels. */
INLINE void winograd_output(const float *m, size_t apart, vec bias, vec y[WINO_OUT][WINO_OUT])
{
    vec half[4][6] UNSET;
    vec_stride(apart);
    for (size_t c = 0; c < 6; c++) {
        vec d[6] UNSET, t[4] UNSET;
        for (size_t r = 0; r < 6; r++) d[r] = vec_load(m + (r * 6 + c) * apart);
        winograd_a(d, t);
        for (size_t r = 0; r < 4; r++) half[r][c] = t[r];
    }
    for (size_t r = 0; r < 4; r++) {
        vec t[4] UNSET;
        winograd_a(half[r], t);
        for (size_t c = 0; c < 4; c++) y[r][c] = vec_add(t[c], bias);
    }
}

/* 4x4 pixels to the 36 vectors that are multiplied by those of 6x6 others. */
INLINE void winograd_gradient(vec y[WINO_OUT][WINO_OUT], float *w, size_t apart)
{
    vec half[6][4] UNSET;
    vec_stride(apart);
    for (size_t c = 0; c < 4; c++) {
        vec d[4] UNSET, t[6] UNSET;
        for (size_t r = 0; r < 4; r++) d[r] = y[r][c];
        winograd_a_transposed(d, t);
        for (size_t r = 0; r < 6; r++) half[r][c] = t[r];
    }
    for (size_t r = 0; r < 6; r++, w += 6 * apart) {
        vec t[6] UNSET;
        winograd_a_transposed(half[r], t);
        for (size_t c = 0; c < 6; c++) vec_store(w + c * apart, t[c]);
    }
}
