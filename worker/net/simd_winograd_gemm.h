/* simd_winograd_gemm: the products of Winograd's convolution: for each of the 36 points a small matrix product, from a register
   tile of WINO_ROWS rows by two vectors. Included by kernel_simd.c only. */

/* 12 sums, 2 loads and 6 broadcasts of the 16 registers of v2 and v3; 24 sums of the 32 of v4. */
enum { WINO_ROWS = VEC == 16 ? 12 : 6, WINO_PANEL = 2 * VEC, WINO_STEPS = 2 /* unrolled */ };

/* c[r][j] (+)= sum over k of a[r * a_row + k * a_step] * b[k * b_step + j]; rows of c `c_row` apart; and that for `terms` pairs of a
   and b, which lie a_term[] and b_term[] further on. */
struct winograd_product {
    size_t depth, a_row, a_step, b_step, c_row;
    bool more; /* adds to c */
    bool asks; /* for as many rows of c after these, one by one: adding to a c that the second cache does not hold is waiting for it */
    int terms;
    const size_t *a_term, *b_term;
};

INLINE void winograd_step(int rows, int vecs, size_t a_row, const float *a, const float *b, vec sum[WINO_ROWS][2])
{
    vec g[2] UNSET;
    for (int j = 0; j < vecs; j++) g[j] = vec_load(b + j * VEC);
    for (int r = 0; r < rows; r++) {
        vec x = vec_set(a[(size_t)r * a_row]);
        for (int j = 0; j < vecs; j++) sum[r][j] = vec_fma(x, g[j], sum[r][j]);
    }
}

INLINE void winograd_tile(int rows, int vecs, struct winograd_product p, const float *a, const float *b, float *c)
{
    vec sum[WINO_ROWS][2] UNSET;
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < vecs; j++) sum[r][j] = p.more ? vec_load(c + (size_t)r * p.c_row + j * VEC) : vec_zero();
    for (int t = 0; t < p.terms; t++) {
        const float *x = a + p.a_term[t], *y = b + p.b_term[t];
        size_t k = 0;
        for (; k + WINO_STEPS <= p.depth; k += WINO_STEPS) {
            for (int step = 0; step < WINO_STEPS; step++, x += p.a_step, y += p.b_step) winograd_step(rows, vecs, p.a_row, x, y, sum);
            if (p.asks && t == 0 && k < WINO_STEPS * (size_t)rows)
                for (int j = 0; j < vecs; j++) vec_ask(c + j * VEC, (ptrdiff_t)(((size_t)rows + k / WINO_STEPS) * p.c_row * sizeof *c));
        }
        for (; k < p.depth; k++, x += p.a_step, y += p.b_step) winograd_step(rows, vecs, p.a_row, x, y, sum);
    }
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < vecs; j++) vec_store(c + (size_t)r * p.c_row + j * VEC, sum[r][j]);
}

/* `rows` rows in tiles as equal as can be, one panel of one or two vectors. */
INLINE void winograd_panel(int vecs, int rows, struct winograd_product p, const float *a, const float *b, float *c)
{
    for (int left = (rows + WINO_ROWS - 1) / WINO_ROWS; left > 0; left--) {
        int now = (rows + left - 1) / left;
        switch (now) {
#define WINO_CASE(n) case n: winograd_tile(n, vecs, p, a, b, c); break;
        WINO_CASE(1) WINO_CASE(2) WINO_CASE(3) WINO_CASE(4) WINO_CASE(5) WINO_CASE(6)
#if VEC == 16
        WINO_CASE(7) WINO_CASE(8) WINO_CASE(9) WINO_CASE(10) WINO_CASE(11) WINO_CASE(12)
#endif
#undef WINO_CASE
        default: assert(0);
        }
        a += (size_t)now * p.a_row;
        c += (size_t)now * p.c_row;
        rows -= now;
    }
}

/* Floats from row to row and from product to product. */
struct winograd_grid {
    size_t row, apart;
};
/* m[rows][outs] = v[rows][ins] u, for `count` products of the same weights; u in panels [outs / PANEL][ins][PANEL], the last one maybe a
   single vector wide. */
static void winograd_multiply(int rows, size_t ins, size_t outs, int count, const size_t *products, const float *v, struct winograd_grid from, const float *u,
                              float *m, struct winograd_grid to)
{
    const size_t zero = 0;
    struct winograd_product p = {.depth = ins, .a_row = from.row, .a_step = 1, .c_row = to.row, .terms = 1, .a_term = &zero, .b_term = &zero};
    for (size_t o = 0; o < outs; o += WINO_PANEL) {
        p.b_step = outs - o < WINO_PANEL ? VEC : WINO_PANEL;
        for (int i = 0; i < count; i++) {
            const float *a = v + products[i] * from.apart;
            float *c = m + products[i] * to.apart + o;
            if (p.b_step == WINO_PANEL) winograd_panel(2, rows, p, a, u + o * ins, c);
            else winograd_panel(1, rows, p, a, u + o * ins, c);
        }
    }
}
