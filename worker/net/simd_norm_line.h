/* simd_norm_line: one vector of a norm and its activation, as simd_norm's passes do it and as the layers that read through a norm
   do on their way (struct norm_before, backend.h). Included by kernel_simd.c only. */

/* y = (z - mean) * scale + beta, written as z * scale + shift: the same expression decides the sign forward and backward. */
struct norm_line {
    vec mean, scale, shift, slope;
};
INLINE vec norm_y(struct norm_line l, vec z)
{
    return vec_fma(z, l.scale, l.shift);
}
INLINE vec norm_activated(struct norm_line l, vec z)
{
    vec y = norm_y(l, z);
    return vec_max(vec_mul(y, l.slope), y); /* 0 <= slope < 1 */
}

INLINE struct norm_line norm_line_of(const struct norm_shape *s, int v, const float *gamma, const float *beta, const float *stats)
{
    size_t at = (size_t)v * VEC;
    struct norm_line l = {vec_zero(), vec_set(1), vec_zero(), vec_set(s->slope)};
    if (s->norm == MODEL_NORM_NONE) return l;
    l.mean = vec_load(stats + at);
    l.scale = vec_mul(vec_load(gamma + at), vec_load(stats + (size_t)channels_padded(s->channels, s->block) + at));
    l.shift = vec_fnma(l.mean, l.scale, vec_load(beta + at));
    return l;
}
/* Does it make vector v of what is read, or are there only its channels before that? */
INLINE bool norm_covers(const struct norm_before *n, int v)
{
    return n && v * VEC < channels_padded(n->shape->channels, n->shape->block);
}
INLINE struct norm_line norm_line_before(const struct norm_before *n, size_t sample, int v)
{
    return norm_line_of(n->shape, v, n->gamma, n->beta, (const float *)n->stats + sample * n->stats_apart);
}
