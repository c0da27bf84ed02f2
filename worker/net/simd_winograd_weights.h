/* simd_winograd_weights: Winograd's transforms of 3x3 weights to 6x6 points and of their gradients back, of stride 1 and 2, and the
   prepared weights: [36][outputs / PANEL][inputs][PANEL], for backward data with inputs and outputs exchanged and the taps turned round.
   Included by kernel_simd.c only. */

/* ---- one vector ------------------------------------------------------------------------------------------ */
INLINE void winograd_weight_line(bool strided, const vec g[3], vec t[WINO_IN])
{
    if (strided) winograd_strided_g(g, t);
    else winograd_g(g, t);
}
INLINE void winograd_weight_gradient_line(bool strided, const vec u[WINO_IN], vec g[3])
{
    if (strided) winograd_strided_g_transposed(u, g);
    else winograd_g_transposed(u, g);
}

/* 3x3 weights, taps `tap` apart, to 36 vectors. */
INLINE void winograd_weight(bool strided, const float *g, size_t tap, float *u, size_t apart)
{
    vec half[6][3] UNSET;
    for (size_t c = 0; c < 3; c++) {
        vec d[3] UNSET, t[6] UNSET;
        for (size_t r = 0; r < 3; r++) d[r] = vec_load(g + (r * 3 + c) * tap);
        winograd_weight_line(strided, d, t);
        for (size_t r = 0; r < 6; r++) half[r][c] = t[r];
    }
    for (size_t r = 0; r < 6; r++, u += 6 * apart) {
        vec t[6] UNSET;
        winograd_weight_line(strided, half[r], t);
        for (size_t c = 0; c < 6; c++) vec_store_past(u + c * apart, t[c]);
    }
}

/* 36 vectors to the gradient of 3x3 weights, their taps turned round. */
INLINE void winograd_weight_gradient(bool strided, const float *u, size_t apart, float *g, size_t tap)
{
    vec half[3][6] UNSET;
    for (size_t c = 0; c < 6; c++) {
        vec d[6] UNSET, t[3] UNSET;
        for (size_t r = 0; r < 6; r++) d[r] = vec_load(u + (r * 6 + c) * apart);
        winograd_weight_gradient_line(strided, d, t);
        for (size_t r = 0; r < 3; r++) half[r][c] = t[r];
    }
    for (size_t r = 0; r < 3; r++) {
        vec t[3] UNSET;
        winograd_weight_gradient_line(strided, half[r], t);
        for (size_t c = 0; c < 3; c++) vec_store(g + (8 - r * 3 - c) * tap, t[c]);
    }
}

/* ---- a layer --------------------------------------------------------------------------------------------- */
static size_t winograd_weights_count(const struct conv_shape *s)
{
    struct winograd_pass p = winograd_pass_of(s, false);
    return WINO_ALL * p.in.channels * p.out.channels;
}

static int winograd_prepare_tasks(const struct conv_shape *s, bool backward)
{
    return (int)((winograd_pass_of(s, backward).out.channels + WINO_PANEL - 1) / WINO_PANEL);
}

/* A vector of VEC outputs `out` of input `in`, nine taps VEC apart: gathered for backward data, where a vector runs over
   what is the input of w. */
INLINE void winograd_taps(const struct winograd_pass *p, bool backward, const float *w, size_t in, size_t out, float taps[9 * VEC])
{
    size_t b = (size_t)p->block, from = backward ? out : in, to = backward ? in : out, from_blocks = (backward ? p->out : p->in).channels / b;
    const float *g = w + ((to / b * from_blocks + from / b) * 9 * b + from % b) * b + to % b;
    for (size_t k = 0; k < 9; k++, g += b * b)
        for (size_t i = 0; i < VEC; i++) {
            if (backward) taps[(8 - k) * VEC + i] = g[i * b];
            else taps[k * VEC + i] = g[i];
        }
}

/* One panel of outputs from `out` on. */
INLINE void winograd_prepare_panel(bool strided, const struct winograd_pass *p, bool backward, const float *w, size_t out, float *prepared)
{
    size_t ins = p->in.channels, wide = p->out.channels - out < WINO_PANEL ? VEC : WINO_PANEL;
    float taps[9 * VEC];
    for (size_t in = 0; in < ins; in++)
        for (size_t v = 0; v < wide; v += VEC) {
            winograd_taps(p, backward, w, in, out + v, taps);
            winograd_weight(strided, taps, VEC, prepared + out * ins + in * wide + v, ins * p->out.channels);
        }
}

static void winograd_prepare(const struct conv_shape *s, bool backward, const float *w, int first, int count, float *prepared)
{
    struct winograd_pass p = winograd_pass_of(s, backward);
    for (size_t o = (size_t)first * WINO_PANEL; o < (size_t)(first + count) * WINO_PANEL && o < p.out.channels; o += WINO_PANEL) {
        if (p.way == WINO_SAME) winograd_prepare_panel(false, &p, backward, w, o, prepared);
        else winograd_prepare_panel(true, &p, backward, w, o, prepared);
    }
    vec_fence();
}
