/* optimizer: Adam, AdamW and SGD with Nesterov momentum over one flat array, with the update rules of PyTorch.
 *
 *     adam   g += wd w;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  w -= lr/(1-b1^t) * m / (sqrt(v)/sqrt(1-b2^t) + eps)
 *     adamw  w *= 1 - lr wd, then as adam without wd
 *     sgd    g += wd w;  u = mu u + g;  w -= lr * (nesterov: g + mu u; else u)
 * Each weight is updated alone, so slices give the same bits as the whole. Where sqrt(v) and eps are both 0 (a weight that
 * never had a gradient, such as padding, under eps = 0) the update is 0 where PyTorch would make it NaN. */
#include "worker/train/optimizer.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 14 }; /* floats of one task: big enough to be worth handing out, small enough to share evenly */

static int pieces_of(size_t count)
{
    return (int)((count + PIECE - 1) / PIECE);
}

int optimizer_moment_count(const struct optimizer_spec *spec)
{
    return spec->type == OPTIMIZER_SGD ? 1 : 2;
}

enum err optimizer_init(struct optimizer *o, const struct optimizer_spec *spec, size_t count, struct err_note *note)
{
    *o = (struct optimizer){.spec = *spec, .count = count};
    for (int k = 0; k < optimizer_moment_count(spec); k++) {
        o->moments[k] = calloc(count ? count : 1, sizeof(float));
        if (!o->moments[k]) {
            optimizer_fini(o);
            return err_set(note, ERR_NO_MEMORY, "/optimizer", "no memory for %zu moments", count);
        }
    }
    if (spec->clip_norm > 0 && !(o->partial = calloc((size_t)pieces_of(count) + 1, sizeof(double)))) {
        optimizer_fini(o);
        return err_set(note, ERR_NO_MEMORY, "/optimizer", "no memory for the norm of %zu numbers", count);
    }
    return OK;
}

void optimizer_fini(struct optimizer *o)
{
    free(o->moments[0]);
    free(o->moments[1]);
    free(o->partial);
    o->moments[0] = o->moments[1] = NULL;
    o->partial = NULL;
}

/* What one step is, with everything that is the same for each weight worked out beforehand. */
struct step {
    const struct optimizer *o;
    float *weights;
    const float *gradient;
    float scale;        /* of the gradient: 1 unless clipped */
    float decay;        /* wd added to the gradient */
    float shrink;       /* factor of the weights (adamw) */
    float rate;         /* lr / (1 - b1^t), or lr */
    float root;         /* sqrt(1 - b2^t) */
};

static size_t piece_end(const struct optimizer *o, size_t begin)
{
    return o->count - begin < PIECE ? o->count : begin + PIECE;
}

static void adam_piece(void *context, int task, int lane)
{
    (void)lane;
    const struct step *s = context;
    const struct optimizer *o = s->o;
    size_t begin = (size_t)task * PIECE, end = piece_end(o, begin);
    float b1 = (float)o->spec.betas[0], b2 = (float)o->spec.betas[1], a1 = (float)(1 - o->spec.betas[0]), a2 = (float)(1 - o->spec.betas[1]);
    float eps = (float)o->spec.eps;
    float *restrict w = s->weights, *restrict m = o->moments[0], *restrict v = o->moments[1];
    const float *restrict gradient = s->gradient;
    for (size_t i = begin; i < end; i++) {
        float weight = w[i] * s->shrink;
        float g = gradient[i] * s->scale + s->decay * weight;
        m[i] = b1 * m[i] + a1 * g;
        v[i] = b2 * v[i] + a2 * g * g;
        float below = sqrtf(v[i]) / s->root + eps;
        float step = s->rate * (m[i] / (below == 0 ? 1.0f : below)); /* below 0: m is 0 as well */
        w[i] = weight - step;
    }
}

static void sgd_piece(void *context, int task, int lane)
{
    (void)lane;
    const struct step *s = context;
    const struct optimizer *o = s->o;
    size_t begin = (size_t)task * PIECE, end = piece_end(o, begin);
    float mu = (float)o->spec.momentum, ahead = o->spec.nesterov ? 1.0f : 0.0f;
    float *restrict w = s->weights, *restrict u = o->moments[0];
    const float *restrict gradient = s->gradient;
    for (size_t i = begin; i < end; i++) {
        float g = gradient[i] * s->scale + s->decay * w[i];
        u[i] = mu * u[i] + g;
        float along = ahead > 0 ? g + mu * u[i] : u[i];
        w[i] -= s->rate * along;
    }
}

static void norm_piece(void *context, int task, int lane)
{
    (void)lane;
    const struct step *s = context;
    size_t begin = (size_t)task * PIECE, end = piece_end(s->o, begin), at = begin;
    double part[8] = {0};
    for (; at + 8 <= end; at += 8)
        for (size_t k = 0; k < 8; k++)
            part[k] += (double)s->gradient[at + k] * (double)s->gradient[at + k];
    for (; at < end; at++)
        part[0] += (double)s->gradient[at] * (double)s->gradient[at];
    s->o->partial[task] = ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

static void each_piece(struct lanes *lanes, size_t count, void (*piece)(void *, int, int), void *context)
{
    if (lanes)
        lanes_run(lanes, pieces_of(count), piece, context);
    else
        for (int i = 0; i < pieces_of(count); i++)
            piece(context, i, 0);
}

/* l2 norm in double, over fixed pieces added in order. */
static double gradient_norm(const struct optimizer *o, struct lanes *lanes, const float *gradient)
{
    struct step s = {.o = o, .gradient = gradient};
    each_piece(lanes, o->count, norm_piece, &s);
    double sum = 0;
    for (int i = 0; i < pieces_of(o->count); i++)
        sum += o->partial[i];
    return sqrt(sum);
}

double optimizer_step(struct optimizer *o, struct lanes *lanes, double lr, float *weights, const float *gradient)
{
    const struct optimizer_spec *spec = &o->spec;
    double norm = 0;
    o->steps++;
    struct step s = {.o = o, .weights = weights, .gradient = gradient, .scale = 1, .shrink = 1, .decay = (float)spec->weight_decay, .rate = (float)lr, .root = 1};
    if (spec->clip_norm > 0) {
        norm = gradient_norm(o, lanes, gradient);
        double scale = spec->clip_norm / (norm + 1e-6); /* as torch.nn.utils.clip_grad_norm_ */
        s.scale = scale < 1 ? (float)scale : 1;
    }
    if (spec->type == OPTIMIZER_SGD) {
        each_piece(lanes, o->count, sgd_piece, &s);
        return norm;
    }
    if (spec->type == OPTIMIZER_ADAMW) {
        s.shrink = (float)(1 - lr * spec->weight_decay);
        s.decay = 0;
    }
    s.rate = (float)(lr / (1 - pow(spec->betas[0], (double)o->steps)));
    s.root = (float)sqrt(1 - pow(spec->betas[1], (double)o->steps));
    each_piece(lanes, o->count, adam_piece, &s);
    return norm;
}
