/* simd_head: the 1x1 convolution to plain logits, a strip of pixels at a time so that the activations are read from memory
   once. Included by kernel_simd.c only. */

enum { STRIP = 128 };

/* `count` neighbouring pixels of one output channel; sum[] is theirs. */
INLINE void head_pixels(int count, const struct head_shape *s, const float *in, const float *weights, vec sum[VEC])
{
    int vectors = vectors_of(s->channels, s->block);
    size_t step = (size_t)s->block;
    for (int i = 0; i < count; i++) sum[i] = vec_zero();
    for (int v = 0; v < vectors; v++) {
        const float *at = in + vector_at(v, s->pixels, s->block);
        vec weight = vec_load(weights + v * VEC);
        for (int i = 0; i < count; i++) sum[i] = vec_fma(vec_load(at + (size_t)i * step), weight, sum[i]);
    }
}

static void head_forward(const struct head_shape *s, const void *in, const void *w, const void *bias, void *logits)
{
    int vectors = vectors_of(s->channels, s->block);
    size_t step = (size_t)s->block, padded = (size_t)vectors * VEC;
    for (size_t first = 0; first < s->pixels; first += STRIP)
        for (int o = 0; o < s->out_channels; o++) {
            const float *weights = (const float *)w + (size_t)o * padded;
            float b = ((const float *)bias)[o], *to = (float *)logits + (size_t)o * s->pixels;
            size_t p = first, last = first + STRIP < s->pixels ? first + STRIP : s->pixels;
            vec sum[VEC];
            for (; p + VEC <= last; p += VEC) {
                head_pixels(VEC, s, (const float *)in + p * step, weights, sum);
                vec_store(to + p, vec_add(vec_sums(sum), vec_set(b)));
            }
            for (; p < last; p++) {
                head_pixels(1, s, (const float *)in + p * step, weights, sum);
                to[p] = vec_sum(sum[0]) + b;
            }
        }
}

/* d_in of one strip and one vector. */
static void head_strip_data(const struct head_shape *s, int v, const float *w, const float *d, size_t first, size_t last, float *d_in)
{
    size_t padded = (size_t)channels_padded(s->channels, s->block);
    for (size_t p = first; p < last; p++) {
        vec sum = vec_zero();
        for (int o = 0; o < s->out_channels; o++)
            sum = vec_fma(vec_set(d[(size_t)o * s->pixels + p]), vec_load(w + (size_t)o * padded + (size_t)(v * VEC)), sum);
        vec_store(d_in + p * (size_t)s->block, sum);
    }
}

/* Adds the strip's part of d_w of one output channel and one vector. */
static void head_strip_weights(const float *in, const float *d, size_t first, size_t last, size_t step, float *d_w)
{
    vec sum[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    size_t p = first;
    for (; p + 4 <= last; p += 4)
        for (size_t u = 0; u < 4; u++) sum[u] = vec_fma(vec_set(d[p + u]), vec_load(in + (p + u) * step), sum[u]);
    for (; p < last; p++) sum[0] = vec_fma(vec_set(d[p]), vec_load(in + p * step), sum[0]);
    vec_store(d_w, vec_add(vec_load(d_w), vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3]))));
}

/* Adds one sample's part to d_w. */
static void head_sample(const struct head_shape *s, const float *in, const float *w, const float *d, float *d_in, float *d_w)
{
    int vectors = vectors_of(s->channels, s->block);
    size_t step = (size_t)s->block, padded = (size_t)vectors * VEC;
    for (size_t first = 0; first < s->pixels; first += STRIP) {
        size_t last = first + STRIP < s->pixels ? first + STRIP : s->pixels;
        for (int v = 0; v < vectors; v++) {
            size_t at = vector_at(v, s->pixels, s->block);
            head_strip_data(s, v, w, d, first, last, d_in + at);
            for (int o = 0; o < s->out_channels; o++)
                head_strip_weights(in + at, d + (size_t)o * s->pixels, first, last, step, d_w + (size_t)o * padded + (size_t)(v * VEC));
        }
    }
}

static void head_backward(const struct head_shape *s, const struct batch *b, const void *in, const void *w, const void *d_logits, void *d_in, void *d_w,
                          void *d_bias)
{
    size_t padded = (size_t)channels_padded(s->channels, s->block), outs = (size_t)s->out_channels;
    for (int k = 0; k < b->cotangents; k++) {
        const float *d = (const float *)d_logits + (size_t)k * b->logits_apart;
        float *to = (float *)d_w + (size_t)k * b->leaf_apart, *to_bias = (float *)d_bias + (size_t)k * b->leaf_apart;
        memset(to, 0, outs * padded * sizeof(float));
        for (int i = 0; i < b->samples; i++)
            head_sample(s, (const float *)in + (size_t)i * b->value, w, d + (size_t)i * b->logits, (float *)d_in + batch_gradient(b, k, i), to);
        for (size_t o = 0; o < outs; o++) {
            double sum = 0;
            for (size_t i = 0; i < (size_t)b->samples; i++)
                for (size_t p = 0; p < s->pixels; p++) sum += (double)d[i * b->logits + o * s->pixels + p];
            to_bias[o] = (float)sum;
        }
    }
}
