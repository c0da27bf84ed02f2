/* simd_winograd_strided: the transforms of a 3x3 convolution of stride 2 by Winograd's algorithm. In one dimension four outputs
       y[t] = g0 x[2t-1] + g1 x[2t] + g2 x[2t+1]
   are two taps (g0, g2) over the odd pixels, five of them for four outputs, which takes F(4, 2), and one tap over the even ones, which
   are products as they stand: nine products for twelve; in two dimensions 81 where direct convolution has 144. Products with the same
   weights (the four of the one tap) are one point of the 6x6 that weights have here as with stride 1.
   Backward data: the odd pixels are two taps (g2, g0) over five gradients, the even ones g1 times one: 81 products for 8x8 pixels.
   Toom-Cook with the points a, -a, b, -b and infinity; for a point p_i, with N_i = product of (p_i - p_j), j != i:
       G_i = (1, p_i) / N_i, last row (0, 1);  A_i = (1, p_i, p_i^2, p_i^3), last row (0, 0, 0, 1);
       B'_i = coefficients of product of (x - p_j), j != i; last row: of the product over all four.
   a, b = 3/8, 5/4 have the least error (relative, 64 channels, normal numbers: forward 0.47e-6, weight gradient 0.78e-6) of all pairs of
   multiples of 1/8 up to 1 and 2, and every constant of A and B is exact in float.
   Included by kernel_simd.c only. One call transforms one vector of channels of one tile.

   The 81 products, [9][9]: in each dimension the five of the two taps, then the four of the one tap. */

enum { WINO_TWO = 5 /* products of two taps */, WINO_SIDE = WINO_TWO + WINO_OUT, WINO_EDGE = 2 * WINO_OUT /* pixels of a tile, of the larger image */ };
#define WINO_C 0.375f
#define WINO_D 1.25f
#define WINO_C2 (WINO_C * WINO_C)
#define WINO_D2 (WINO_D * WINO_D)
/* 1 / N_i of a, of b; those of -a and -b are their negatives */
#define WINO_RC (1.0 / (double)(2 * WINO_C * (WINO_C2 - WINO_D2)))
#define WINO_RD (1.0 / (double)(2 * WINO_D * (WINO_D2 - WINO_C2)))

/* ---- F(4, 2) --------------------------------------------------------------------------------------------- */
/* B' d */
INLINE void winograd_two_b(const vec d[WINO_TWO], vec t[WINO_TWO])
{
    const vec c2 = vec_set(WINO_C2), d2 = vec_set(WINO_D2);
    vec odd = vec_fnma(d2, d[1], d[3]), even = vec_fnma(d2, d[0], d[2]);
    t[0] = vec_fma(vec_set(WINO_C), even, odd);
    t[1] = vec_fnma(vec_set(WINO_C), even, odd);
    odd = vec_fnma(c2, d[1], d[3]), even = vec_fnma(c2, d[0], d[2]);
    t[2] = vec_fma(vec_set(WINO_D), even, odd);
    t[3] = vec_fnma(vec_set(WINO_D), even, odd);
    t[4] = vec_fma(vec_set(WINO_C2 * WINO_D2), d[0], vec_fnma(vec_set(WINO_C2 + WINO_D2), d[2], d[4]));
}

/* A' m: four values from five */
INLINE void winograd_two_a(const vec m[WINO_TWO], vec y[WINO_OUT])
{
    vec s = vec_add(m[0], m[1]), d = vec_sub(m[0], m[1]), p = vec_add(m[2], m[3]), q = vec_sub(m[2], m[3]);
    y[0] = vec_add(s, p);
    y[1] = vec_fma(vec_set(WINO_C), d, vec_mul(vec_set(WINO_D), q));
    y[2] = vec_fma(vec_set(WINO_C2), s, vec_mul(vec_set(WINO_D2), p));
    y[3] = vec_fma(vec_set(WINO_C * WINO_C2), d, vec_fma(vec_set(WINO_D * WINO_D2), q, m[4]));
}

/* A y: five values from four */
INLINE void winograd_two_a_transposed(const vec y[WINO_OUT], vec t[WINO_TWO])
{
    vec even = vec_fma(vec_set(WINO_C2), y[2], y[0]), odd = vec_fma(vec_set(WINO_C2), y[3], y[1]);
    t[0] = vec_fma(vec_set(WINO_C), odd, even);
    t[1] = vec_fnma(vec_set(WINO_C), odd, even);
    even = vec_fma(vec_set(WINO_D2), y[2], y[0]), odd = vec_fma(vec_set(WINO_D2), y[3], y[1]);
    t[2] = vec_fma(vec_set(WINO_D), odd, even);
    t[3] = vec_fnma(vec_set(WINO_D), odd, even);
    t[4] = y[3];
}

INLINE void winograd_two_g(vec one, vec two, vec t[WINO_TWO])
{
    const vec rc = vec_set((float)WINO_RC), rd = vec_set((float)WINO_RD);
    t[0] = vec_mul(rc, vec_fma(vec_set(WINO_C), two, one));
    t[1] = vec_mul(rc, vec_sub(vec_mul(vec_set(WINO_C), two), one));
    t[2] = vec_mul(rd, vec_fma(vec_set(WINO_D), two, one));
    t[3] = vec_mul(rd, vec_sub(vec_mul(vec_set(WINO_D), two), one));
    t[4] = two;
}

/* ---- two dimensions: taps two by two, two by one, one by two, one by one ------------------------------------- */
/* A patch of an input: rows `top` to `bottom - 1` and columns `left` to `right - 1` are inside the image, the first of these pixels at x. */
struct winograd_window {
    const struct norm_line *norm; /* or NULL */
    const float *x;
    size_t row, step;
    int top, bottom, left, right;
    ptrdiff_t ahead; /* bytes from a pixel to that of the next patch */
};
INLINE vec winograd_seen(struct winograd_window w, int r, int c)
{
    if (r < w.top || r >= w.bottom || c < w.left || c >= w.right) return vec_zero();
    const float *at = w.x + (size_t)(r - w.top) * w.row + (size_t)(c - w.left) * w.step;
    vec d = vec_load(at);
    vec_ask(at, w.ahead);
    return w.norm ? norm_activated(*w.norm, d) : d;
}

/* Where product r, c lies. */
INLINE float *winograd_strided_at(float *v, size_t apart, int r, int c)
{
    return v + (size_t)(r * WINO_SIDE + c) * apart;
}

/* Two taps by two: five columns that have been transformed, across. */
INLINE void winograd_two_across(vec half[WINO_TWO][WINO_TWO], float *v, size_t apart)
{
    for (int r = 0; r < WINO_TWO; r++) {
        vec d[WINO_TWO] UNSET, t[WINO_TWO] UNSET;
        for (int c = 0; c < WINO_TWO; c++) d[c] = half[c][r];
        winograd_two_b(d, t);
        for (int c = 0; c < WINO_TWO; c++) vec_store(winograd_strided_at(v, apart, r, c), t[c]);
    }
}

/* Nine by nine pixels, the first odd in both directions, to their products. */
INLINE void winograd_strided_input(struct winograd_window w, float *v, size_t apart)
{
    vec half[WINO_TWO][WINO_TWO] UNSET, d[WINO_TWO] UNSET, t[WINO_TWO] UNSET;
    vec_stride(apart);
    for (int c = 0; c < WINO_TWO; c++) {
        for (int r = 0; r < WINO_TWO; r++) d[r] = winograd_seen(w, 2 * r, 2 * c);
        winograd_two_b(d, half[c]);
    }
    winograd_two_across(half, v, apart);
    for (int c = 0; c < WINO_OUT; c++) {
        for (int r = 0; r < WINO_TWO; r++) d[r] = winograd_seen(w, 2 * r, 2 * c + 1);
        winograd_two_b(d, t);
        for (int r = 0; r < WINO_TWO; r++) vec_store(winograd_strided_at(v, apart, r, WINO_TWO + c), t[r]);
    }
    for (int r = 0; r < WINO_OUT; r++) {
        for (int c = 0; c < WINO_TWO; c++) d[c] = winograd_seen(w, 2 * r + 1, 2 * c);
        winograd_two_b(d, t);
        for (int c = 0; c < WINO_TWO; c++) vec_store(winograd_strided_at(v, apart, WINO_TWO + r, c), t[c]);
        for (int c = 0; c < WINO_OUT; c++) vec_store(winograd_strided_at(v, apart, WINO_TWO + r, WINO_TWO + c), winograd_seen(w, 2 * r + 1, 2 * c + 1));
    }
}

/* Five by five gradients to the products of backward data. */
INLINE void winograd_back_input(struct winograd_window w, float *v, size_t apart)
{
    vec half[WINO_TWO][WINO_TWO] UNSET;
    vec_stride(apart);
    for (int c = 0; c < WINO_TWO; c++) {
        vec d[WINO_TWO] UNSET;
        for (int r = 0; r < WINO_TWO; r++) d[r] = winograd_seen(w, r, c);
        winograd_two_b(d, half[c]);
        if (c == WINO_OUT) continue;
        for (int r = 0; r < WINO_TWO; r++) vec_store(winograd_strided_at(v, apart, r, WINO_TWO + c), half[c][r]);
        for (int r = 0; r < WINO_OUT; r++) vec_store(winograd_strided_at(v, apart, WINO_TWO + r, WINO_TWO + c), d[r]);
    }
    winograd_two_across(half, v, apart);
    for (int r = 0; r < WINO_OUT; r++) {
        vec d[WINO_TWO] UNSET, t[WINO_TWO] UNSET;
        for (int c = 0; c < WINO_TWO; c++) d[c] = winograd_seen(w, r, c);
        winograd_two_b(d, t);
        for (int c = 0; c < WINO_TWO; c++) vec_store(winograd_strided_at(v, apart, WINO_TWO + r, c), t[c]);
    }
}

/* What two taps make down a column, or across a row, of the products at m: four pixels, `next` floats from product to product. */
INLINE void winograd_two_pixels(const float *m, size_t next, vec y[WINO_OUT])
{
    vec d[WINO_TWO] UNSET;
    for (int i = 0; i < WINO_TWO; i++) d[i] = vec_load(m + (size_t)i * next);
    winograd_two_a(d, y);
}

/* 4x4 pixels of two taps by two. */
INLINE void winograd_two_output(const float *m, size_t apart, vec y[WINO_OUT][WINO_OUT])
{
    vec half[WINO_OUT][WINO_TWO] UNSET;
    for (int c = 0; c < WINO_TWO; c++) {
        vec t[WINO_OUT] UNSET;
        winograd_two_pixels(m + (size_t)c * apart, WINO_SIDE * apart, t);
        for (int r = 0; r < WINO_OUT; r++) half[r][c] = t[r];
    }
    for (int r = 0; r < WINO_OUT; r++) winograd_two_a(half[r], y[r]);
}

/* The products at m and the bias to 4x4 pixels. */
INLINE void winograd_strided_output(const float *m, size_t apart, vec bias, vec y[WINO_OUT][WINO_OUT])
{
    const float *one_down = m + WINO_TWO * WINO_SIDE * apart;
    vec t[WINO_OUT] UNSET;
    vec_stride(apart);
    winograd_two_output(m, apart, y);
    for (int c = 0; c < WINO_OUT; c++) {
        winograd_two_pixels(m + (size_t)(WINO_TWO + c) * apart, WINO_SIDE * apart, t);
        for (int r = 0; r < WINO_OUT; r++) y[r][c] = vec_add(y[r][c], vec_add(t[r], bias));
    }
    for (int r = 0; r < WINO_OUT; r++, one_down += WINO_SIDE * apart) {
        winograd_two_pixels(one_down, apart, t);
        for (int c = 0; c < WINO_OUT; c++) y[r][c] = vec_add(y[r][c], vec_add(t[c], vec_load(one_down + (size_t)(WINO_TWO + c) * apart)));
    }
}

/* The products of backward data at m to those `tall` rows and `wide` columns of 8x8 pixels that are inside the image. */
INLINE void winograd_back_output(const float *m, size_t apart, int tall, int wide, float *at, size_t row, size_t step)
{
    const float *one_down = m + WINO_TWO * WINO_SIDE * apart;
    vec y[WINO_OUT][WINO_OUT] UNSET, t[WINO_OUT] UNSET;
    vec_stride(apart);
    vec_stride(row);
    vec_stride(step);
    winograd_two_output(m, apart, y);
    for (int r = 0; r < WINO_OUT; r++)
        for (int c = 0; c < WINO_OUT; c++)
            if (2 * r + 1 < tall && 2 * c + 1 < wide) vec_store(at + (size_t)(2 * r + 1) * row + (size_t)(2 * c + 1) * step, y[r][c]);
    for (int c = 0; c < WINO_OUT; c++) {
        winograd_two_pixels(m + (size_t)(WINO_TWO + c) * apart, WINO_SIDE * apart, t);
        for (int r = 0; r < WINO_OUT; r++)
            if (2 * r + 1 < tall && 2 * c < wide) vec_store(at + (size_t)(2 * r + 1) * row + (size_t)(2 * c) * step, t[r]);
    }
    for (int r = 0; 2 * r < tall && r < WINO_OUT; r++, one_down += WINO_SIDE * apart) {
        float *to = at + (size_t)(2 * r) * row;
        winograd_two_pixels(one_down, apart, t);
        for (int c = 0; c < WINO_OUT; c++) {
            if (2 * c + 1 < wide) vec_store(to + (size_t)(2 * c + 1) * step, t[c]);
            if (2 * c < wide) vec_store(to + (size_t)(2 * c) * step, vec_load(one_down + (size_t)(WINO_TWO + c) * apart));
        }
    }
}

/* 8x8 pixels of an input, the first even in both directions, to what is multiplied by the products of winograd_back_input. */
INLINE void winograd_back_tile(struct winograd_window w, float *v, size_t apart)
{
    vec half[WINO_TWO][WINO_OUT] UNSET, d[WINO_OUT] UNSET, t[WINO_TWO] UNSET;
    vec_stride(apart);
    for (int c = 0; c < WINO_OUT; c++) {
        for (int r = 0; r < WINO_OUT; r++) d[r] = winograd_seen(w, 2 * r + 1, 2 * c + 1);
        winograd_two_a_transposed(d, t);
        for (int r = 0; r < WINO_TWO; r++) half[r][c] = t[r];
    }
    for (int r = 0; r < WINO_TWO; r++) {
        winograd_two_a_transposed(half[r], t);
        for (int c = 0; c < WINO_TWO; c++) vec_store(winograd_strided_at(v, apart, r, c), t[c]);
    }
    for (int c = 0; c < WINO_OUT; c++) {
        for (int r = 0; r < WINO_OUT; r++) d[r] = winograd_seen(w, 2 * r + 1, 2 * c);
        winograd_two_a_transposed(d, t);
        for (int r = 0; r < WINO_TWO; r++) vec_store(winograd_strided_at(v, apart, r, WINO_TWO + c), t[r]);
    }
    for (int r = 0; r < WINO_OUT; r++) {
        for (int c = 0; c < WINO_OUT; c++) d[c] = winograd_seen(w, 2 * r, 2 * c + 1);
        winograd_two_a_transposed(d, t);
        for (int c = 0; c < WINO_TWO; c++) vec_store(winograd_strided_at(v, apart, WINO_TWO + r, c), t[c]);
        for (int c = 0; c < WINO_OUT; c++) vec_store(winograd_strided_at(v, apart, WINO_TWO + r, WINO_TWO + c), winograd_seen(w, 2 * r, 2 * c));
    }
}

/* ---- weights: at 6x6 points, in each dimension the five of the two taps, then the one tap -------------------- */
INLINE void winograd_strided_g(const vec g[3], vec t[WINO_IN])
{
    winograd_two_g(g[0], g[2], t);
    t[WINO_TWO] = g[1];
}
INLINE void winograd_strided_g_transposed(const vec u[WINO_IN], vec g[3])
{
    const vec rc = vec_set((float)WINO_RC), rd = vec_set((float)WINO_RD), c = vec_set((float)(WINO_RC * (double)WINO_C)), d = vec_set((float)(WINO_RD * (double)WINO_D));
    g[0] = vec_fma(rc, vec_sub(u[0], u[1]), vec_mul(rd, vec_sub(u[2], u[3])));
    g[1] = u[WINO_TWO];
    g[2] = vec_fma(c, vec_add(u[0], u[1]), vec_fma(d, vec_add(u[2], u[3]), u[4]));
}
