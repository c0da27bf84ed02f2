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
#include "worker/train/train_kernel.h"

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

/* What one step is. */
struct step {
    const struct optimizer *o;
    float *weights;
    const float *gradient;
    struct optimizer_pace pace;
};

static size_t piece_end(const struct optimizer *o, size_t begin)
{
    return o->count - begin < PIECE ? o->count : begin + PIECE;
}

static void update_piece(void *context, int task, int lane)
{
    (void)lane;
    const struct step *s = context;
    const struct optimizer *o = s->o;
    const struct train_kernel *kernel = train_kernel_pick();
    size_t begin = (size_t)task * PIECE, count = piece_end(o, begin) - begin;
    if (o->spec.type == OPTIMIZER_SGD)
        kernel->sgd(&s->pace, count, s->gradient + begin, s->weights + begin, o->moments[0] + begin);
    else
        kernel->adam(&s->pace, count, s->gradient + begin, s->weights + begin, o->moments[0] + begin, o->moments[1] + begin);
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

static struct optimizer_pace pace_of(const struct optimizer *o, double lr)
{
    const struct optimizer_spec *spec = &o->spec;
    struct optimizer_pace p = {.scale = 1, .shrink = 1, .decay = (float)spec->weight_decay, .rate = (float)lr, .root = 1, .momentum = (float)spec->momentum,
                               .nesterov = spec->nesterov, .epsilon = (float)spec->eps};
    if (spec->type == OPTIMIZER_SGD)
        return p;
    for (int k = 0; k < 2; k++) {
        p.keep[k] = (float)spec->betas[k];
        p.take[k] = (float)(1 - spec->betas[k]);
    }
    if (spec->type == OPTIMIZER_ADAMW) {
        p.shrink = (float)(1 - lr * spec->weight_decay);
        p.decay = 0;
    }
    p.rate = (float)(lr / (1 - pow(spec->betas[0], (double)o->steps)));
    p.root = (float)sqrt(1 - pow(spec->betas[1], (double)o->steps));
    return p;
}

double optimizer_step(struct optimizer *o, struct lanes *lanes, double lr, float *weights, const float *gradient)
{
    double norm = 0;
    o->steps++;
    struct step s = {.o = o, .weights = weights, .gradient = gradient, .pace = pace_of(o, lr)};
    if (o->spec.clip_norm > 0) {
        norm = gradient_norm(o, lanes, gradient);
        double scale = o->spec.clip_norm / (norm + 1e-6); /* as torch.nn.utils.clip_grad_norm_ */
        s.pace.scale = scale < 1 ? (float)scale : 1;
    }
    each_piece(lanes, o->count, update_piece, &s);
    return norm;
}
