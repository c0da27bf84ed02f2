/* balance: the weights of two gradients from three numbers, one short function a method.
 *
 * With a = |g1|^2, b = g1.g2, c = |g2|^2 and cos = b / sqrt(a c), the update is w1 g1 + w2 g2:
 *     pcgrad       1 - b/a, 1 - b/c in conflict (b < 0), else 1, 1                                  (Yu et al. 2020)
 *     upgrad       p1 - p2 b/a, p2 - p1 b/c in conflict, else p1, p2                                (Quinton, Rey 2024)
 *     dualproj     p1, p2, unless that mean opposes one gradient: then its weight grows until it is orthogonal (Lopez-Paz, Ranzato 2017)
 *     mgda         shortest point of the segment between the (normalised) gradients                 (Desideri 2012; Sener, Koltun 2018)
 *     cagrad       best worst-case descent within c |g_mean| of the mean                            (Liu et al. 2021)
 *     nash_mtl     1/sqrt(a (1+cos)), 1/sqrt(c (1+cos)): the bargaining solution                    (Navon et al. 2022)
 *     imtl_g       sqrt(c), sqrt(a), sum 1: equal projections                                       (Liu et al. 2021)
 *     aligned_mtl  sqrt(lambda) M^-1/2 p with M = [a b; b c]                                        (Senushkin et al. 2023)
 *     gradvac      pulled apart up to a running target cosine                                       (Wang et al. 2021)
 * To add a method: its word in schema/job/method.h, its row in method_json.c, its function and row here, a golden or property test. */
#include "worker/train/balance.h"
#include <assert.h>
#include <math.h>

struct problem {
    double a, b, c;
    const struct method_params *params;
    double p1, p2; /* preference, sum 1 */
    double loss[2], target;
};

static struct balance weights(double w1, double w2)
{
    return (struct balance){.dice = w1, .ce = w2};
}

static struct balance pcgrad(const struct problem *p)
{
    return p->b >= 0 ? weights(1, 1) : weights(1 - p->b / p->a, 1 - p->b / p->c);
}

static struct balance upgrad(const struct problem *p)
{
    return p->b >= 0 ? weights(p->p1, p->p2) : weights(p->p1 - p->p2 * p->b / p->a, p->p2 - p->p1 * p->b / p->c);
}

static struct balance dualproj(const struct problem *p)
{
    if (p->p1 * p->a + p->p2 * p->b < 0)
        return weights(-p->p2 * p->b / p->a, p->p2);
    if (p->p1 * p->b + p->p2 * p->c < 0)
        return weights(p->p1, -p->p1 * p->b / p->c);
    return weights(p->p1, p->p2);
}

/* The segment between g1/n1 and g2/n2; the weights of g1 and g2 themselves are brought to sum 1. */
static struct balance mgda(const struct problem *p)
{
    static const double least_loss = 1e-8;
    double n1 = 1, n2 = 1;
    enum mgda_normalize by = p->params->normalize;
    if (by == MGDA_LOSS || by == MGDA_LOSS_L2) {
        n1 *= fmax(p->loss[0], least_loss);
        n2 *= fmax(p->loss[1], least_loss);
    }
    if (by == MGDA_L2 || by == MGDA_LOSS_L2) {
        n1 *= sqrt(p->a);
        n2 *= sqrt(p->c);
    }
    double a = p->a / (n1 * n1), b = p->b / (n1 * n2), c = p->c / (n2 * n2);
    double share = (c - b) / (a + c - 2 * b);
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    double w1 = share / n1, w2 = (1 - share) / n2;
    return weights(w1 / (w1 + w2), w2 / (w1 + w2));
}

static double determinant(const struct problem *p)
{
    double n = sqrt(p->a * p->c);
    return (n - p->b) * (n + p->b);
}

/* Minimises x (a-c)/2 + K |g_x| over x in [0,1], g_x = x g1 + (1-x) g2 and K = c |g1 + g2| / 2 (its constants left out). With
   q = |g1 - g2|^2 the length is |g_x|^2 = q (x - x0)^2 + det/q, x0 = (c-b)/q; both x and 1-x are kept: one of them may be tiny. */
static struct balance cagrad(const struct problem *t)
{
    double kappa = t->params->c, slope = (t->a - t->c) / 2, q = t->a + t->c - 2 * t->b, least_squared = determinant(t) / q;
    double k = kappa * sqrt(t->a + 2 * t->b + t->c) / 2, room = k * k * q - slope * slope;
    bool one_is_better = slope + k * sqrt(t->a) < k * sqrt(t->c);
    double x = one_is_better, rest = !one_is_better, length = sqrt(one_is_better ? t->a : t->c), least = one_is_better ? slope + k * length : k * length;
    if (room > 0) {
        double u = -copysign(sqrt(slope * slope * least_squared / (q * room)), slope), in = u + (t->c - t->b) / q, out = (t->a - t->b) / q - u;
        double there = sqrt(q * u * u + least_squared);
        if (in > 0 && out > 0 && in * slope + k * there < least) {
            x = in;
            rest = out;
            length = there;
        }
    }
    double by = t->params->rescale == 1 ? 1 + kappa * kappa : t->params->rescale == 2 ? 1 + kappa : 1;
    return weights((0.5 + k / length * x) / by, (0.5 + k / length * rest) / by);
}

/* Its update is sqrt(2) long whatever the gradients are, so max_norm is one factor. */
static struct balance nash_mtl(const struct problem *p)
{
    double one = 1 + p->b / sqrt(p->a * p->c), most = p->params->max_norm;
    double by = most > 0 && most < sqrt(2) ? most / sqrt(2) : 1;
    return weights(by / sqrt(p->a * one), by / sqrt(p->c * one));
}

static struct balance imtl_g(const struct problem *p)
{
    double n1 = sqrt(p->a), n2 = sqrt(p->c);
    return weights(n2 / (n1 + n2), n1 / (n1 + n2));
}

static struct balance aligned_mtl(const struct problem *p)
{
    double trace = p->a + p->c, long_ = (trace + hypot(p->a - p->c, 2 * p->b)) / 2;
    double det = determinant(p), root = sqrt(det);
    double shared = p->params->scale == ALIGNED_RMSE ? trace / 2 : det / long_; /* of two, the reference's median is the smaller */
    double by = sqrt(shared) / (root * sqrt(trace + 2 * root));
    return weights(by * ((p->c + root) * p->p1 - p->b * p->p2), by * ((p->a + root) * p->p2 - p->b * p->p1));
}

static struct balance gradvac(const struct problem *p)
{
    double n1 = sqrt(p->a), n2 = sqrt(p->c), cosine = p->b / (n1 * n2), aim = p->target;
    if (cosine >= aim)
        return weights(1, 1);
    double straight = sqrt((1 - aim) * (1 + aim));
    double turn = (aim * sqrt((1 - cosine) * (1 + cosine)) - cosine * straight) / straight;
    return weights(1 + n2 / n1 * turn, 1 + n1 / n2 * turn);
}

static struct balance (*const methods[METHODS])(const struct problem *) = {
    [METHOD_PCGRAD] = pcgrad, [METHOD_UPGRAD] = upgrad, [METHOD_MGDA] = mgda, [METHOD_CAGRAD] = cagrad, [METHOD_NASH_MTL] = nash_mtl,
    [METHOD_IMTL_G] = imtl_g, [METHOD_ALIGNED_MTL] = aligned_mtl, [METHOD_GRADVAC] = gradvac, [METHOD_DUALPROJ] = dualproj,
};

double gram_cosine(const struct gram *g)
{
    double cosine = g->both / (sqrt(g->dice) * sqrt(g->ce));
    return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

bool gram_is_degenerate(const struct gram *g)
{
    return g->dice < 1e-20 || g->ce < 1e-20 || fabs(gram_cosine(g)) > 1 - 1e-12;
}

struct balance balance_of(enum loss_method method, const struct method_params *params, const struct gram *g, const struct balance_view *view)
{
    assert(method_is_gradient(method) && methods[method]);
    bool degenerate = gram_is_degenerate(g);
    struct problem p = {.a = g->dice, .b = g->both, .c = g->ce, .params = params, .p1 = view->alpha, .p2 = 1 - view->alpha,
                        .loss = {view->loss[0], view->loss[1]}, .target = view->target};
    if (degenerate) {
        p.a = p.c = p.loss[0] = p.loss[1] = 1;
        p.b = 0;
        p.target = 0;
    }
    struct balance w = methods[method](&p);
    w.degenerate = degenerate;
    return w;
}

double balance_next_target(const struct method_params *params, const struct gram *g, double target)
{
    return gram_is_degenerate(g) ? target : (1 - params->beta) * target + params->beta * gram_cosine(g);
}
