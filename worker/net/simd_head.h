/* simd_head: the 1x1 convolution to plain logits, a strip of pixels at a time so that the activations are read from memory
   once, or made through the norm before the head once. Included by kernel_simd.c only. */

enum { STRIP = 128, STRIP_FLOATS = 4096 /* of more than 32 channels: shorter strips */ };
static_assert((int)STRIP_FLOATS >= (int)NETWORK_CHANNELS_MAX, "a strip of one pixel of the widest network");
static size_t strip_pixels(const struct head_shape *s)
{
    size_t fit = STRIP_FLOATS / (size_t)channels_padded(s->channels, s->block);
    return fit > STRIP ? STRIP : fit > VEC ? fit / VEC * VEC : fit;
}

/* The inputs of a strip: where they lie, or in a room of their own, vector by vector, `step` floats from pixel to pixel. */
struct head_strip {
    const struct head_shape *s;
    size_t first, count, step; /* pixels */
    const float *in;           /* of the sample; or NULL: in the room */
    float *room;
};
INLINE const float *head_vector(const struct head_strip *strip, int v)
{
    if (!strip->in) return strip->room + (size_t)v * strip->count * VEC;
    return strip->in + vector_at(v, strip->s->pixels, strip->s->block) + strip->first * strip->step;
}

static struct head_strip head_strip_of(const struct head_shape *s, size_t first, const float *in, const struct norm_before *norm, size_t sample, float *room)
{
    size_t left = s->pixels - first, most = strip_pixels(s), step = (size_t)s->block;
    struct head_strip strip = {.s = s, .first = first, .count = left < most ? left : most, .step = step, .in = in, .room = room};
    if (!norm) return strip;
    for (int v = 0; v < vectors_of(s->channels, s->block); v++) {
        struct norm_line l = norm_line_before(norm, sample, v);
        const float *z = head_vector(&strip, v);
        for (size_t p = 0; p < strip.count; p++) {
            vec_ahead(z + p * step);
            vec_store(room + ((size_t)v * strip.count + p) * VEC, norm_activated(l, vec_load(z + p * step)));
        }
    }
    strip.in = NULL, strip.step = VEC;
    return strip;
}

/* Pixels p to p + count - 1 of a strip, of one output channel; sum[] is theirs. */
INLINE void head_pixels(int count, const struct head_strip *strip, size_t p, const float *weights, vec sum[VEC])
{
    for (int i = 0; i < count; i++) sum[i] = vec_zero();
    for (int v = 0; v < vectors_of(strip->s->channels, strip->s->block); v++) {
        const float *at = head_vector(strip, v) + p * strip->step;
        vec weight = vec_load(weights + v * VEC);
        for (int i = 0; i < count; i++) sum[i] = vec_fma(vec_load(at + (size_t)i * strip->step), weight, sum[i]);
    }
}

static void head_strip_forward(const struct head_strip *strip, const float *weights, float bias, float *to)
{
    size_t p = 0;
    vec sum[VEC];
    for (; p + VEC <= strip->count; p += VEC) {
        head_pixels(VEC, strip, p, weights, sum);
        vec_store(to + p, vec_add(vec_sums(sum), vec_set(bias)));
    }
    for (; p < strip->count; p++) {
        head_pixels(1, strip, p, weights, sum);
        to[p] = vec_sum(sum[0]) + bias;
    }
}

static void head_forward(const struct head_shape *s, const void *in, const struct norm_before *norm, const void *w, const void *bias, void *logits)
{
    size_t padded = (size_t)channels_padded(s->channels, s->block);
    float room[STRIP_FLOATS] UNSET;
    for (size_t first = 0; first < s->pixels; first += strip_pixels(s)) {
        struct head_strip strip = head_strip_of(s, first, in, norm, 0, room);
        for (size_t o = 0; o < (size_t)s->out_channels; o++)
            head_strip_forward(&strip, (const float *)w + o * padded, ((const float *)bias)[o], (float *)logits + o * s->pixels + first);
    }
}

/* d_in of one vector of a strip, which starts at d_in. */
static void head_strip_data(const struct head_strip *strip, int v, const float *w, const float *d, float *d_in)
{
    const struct head_shape *s = strip->s;
    size_t padded = (size_t)channels_padded(s->channels, s->block);
    for (size_t p = 0; p < strip->count; p++) {
        vec sum = vec_zero();
        for (int o = 0; o < s->out_channels; o++)
            sum = vec_fma(vec_set(d[(size_t)o * s->pixels + p]), vec_load(w + (size_t)o * padded + (size_t)(v * VEC)), sum);
        vec_ahead(d_in + p * (size_t)s->block);
        vec_store(d_in + p * (size_t)s->block, sum);
    }
}

/* Adds the strip's part of d_w of one output channel and one vector. */
static void head_strip_weights(const float *in, const float *d, size_t count, size_t step, float *d_w)
{
    vec sum[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    size_t p = 0;
    for (; p + 4 <= count; p += 4)
        for (size_t u = 0; u < 4; u++) sum[u] = vec_fma(vec_set(d[p + u]), vec_load(in + (p + u) * step), sum[u]);
    for (; p < count; p++) sum[0] = vec_fma(vec_set(d[p]), vec_load(in + p * step), sum[0]);
    vec_store(d_w, vec_add(vec_load(d_w), vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3]))));
}

/* Adds one sample's part to d_w. */
static void head_sample(const struct head_shape *s, size_t sample, const float *in, const struct norm_before *norm, const float *w, const float *d, float *d_in,
                        float *d_w)
{
    size_t padded = (size_t)channels_padded(s->channels, s->block);
    float room[STRIP_FLOATS] UNSET;
    for (size_t first = 0; first < s->pixels; first += strip_pixels(s)) {
        struct head_strip strip = head_strip_of(s, first, in, norm, sample, room);
        for (int v = 0; v < vectors_of(s->channels, s->block); v++) {
            head_strip_data(&strip, v, w, d + first, d_in + vector_at(v, s->pixels, s->block) + first * (size_t)s->block);
            for (size_t o = 0; o < (size_t)s->out_channels; o++)
                head_strip_weights(head_vector(&strip, v), d + o * s->pixels + first, strip.count, strip.step, d_w + o * padded + (size_t)(v * VEC));
        }
    }
}

/* In eight chains: one waits for each addition. */
static double head_sum(const float *d, size_t count)
{
    double part[8] = {0};
    size_t p = 0;
    for (; p + 8 <= count; p += 8)
        for (size_t i = 0; i < 8; i++) part[i] += (double)d[p + i];
    for (; p < count; p++) part[0] += (double)d[p];
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

static void head_backward(const struct head_shape *s, const struct batch *b, const void *in, const struct norm_before *norm, const void *w, const void *d_logits,
                          void *d_in, void *d_w, void *d_bias)
{
    size_t padded = (size_t)channels_padded(s->channels, s->block), outs = (size_t)s->out_channels;
    for (int k = 0; k < b->cotangents; k++) {
        const float *d = (const float *)d_logits + (size_t)k * b->logits_apart;
        float *to = (float *)d_w + (size_t)k * b->leaf_apart, *to_bias = (float *)d_bias + (size_t)k * b->leaf_apart;
        memset(to, 0, outs * padded * sizeof(float));
        for (int i = 0; i < b->samples; i++)
            head_sample(s, (size_t)i, (const float *)in + (size_t)i * b->value, norm, w, d + (size_t)i * b->logits, (float *)d_in + batch_gradient(b, k, i), to);
        for (size_t o = 0; o < outs; o++) {
            double sum = 0;
            for (size_t i = 0; i < (size_t)b->samples; i++) sum += head_sum(d + i * b->logits + o * s->pixels, s->pixels);
            to_bias[o] = (float)sum;
        }
    }
}
