/* adapt: the moving part of adaptive and gradient strategies. With L the two losses of a step and w their weights:
 *
 *     uncertainty  w_i = exp(-s_i)/2; s by Adam on the sum of exp(-s_i) L_i / 2 + s_i / 2                     (Kendall et al. 2018)
 *     dwa          w = 2 softmax(r/T), r_i = L_i(epoch-1)/L_i(epoch-2); 1, 1 for two epochs                   (Liu et al. 2019)
 *     gradnorm     w_i -= lr sign(w_i n_i - G r_i^alpha) n_i, then sum 2; n_i = |g_i|, G = mean w_i n_i,
 *                  r_i = L_i/L_i(first) over their mean                                                       (Chen et al. 2018)
 *     famo         w_i = (z_i/L_i) / sum(z/L), z = softmax(x); x by Adam on how much log L fell in the step   (Liu et al. 2023)
 *     random       w = softmax of two normal numbers of (seed, step)                                          (Lin et al. 2022)
 *     loss_scale   w = alpha/mean(L_dice), (1-alpha)/mean(L_ce), running means
 *     gradient     balance.h of the running Gram
 * To add a method: its word in schema/job/method.h, its row in method_json.c, a function here, tests in test_adapt.c. */
#include "worker/train/adapt.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "worker/net/rng.h"

enum { STREAM_WEIGHTS = 0x77656967 /* "weig" */ };
static const double least_loss = 1e-8; /* a loss that has reached 0 is this small where it divides */

/* One step of Adam (0.9, 0.999, 1e-8) of the method's own two numbers down `slope`. */
static void descend(struct adapt *a, double lr, const double slope[2])
{
    a->updates++;
    for (int i = 0; i < 2; i++) {
        a->moment[i] = 0.9 * a->moment[i] + 0.1 * slope[i];
        a->square[i] = 0.999 * a->square[i] + 0.001 * slope[i] * slope[i];
        double m = a->moment[i] / (1 - pow(0.9, a->updates)), v = a->square[i] / (1 - pow(0.999, a->updates));
        a->state[i] -= lr * m / (sqrt(v) + 1e-8);
    }
}

static void softmax2(const double x[2], double z[2])
{
    double top = fmax(x[0], x[1]), e0 = exp(x[0] - top), e1 = exp(x[1] - top);
    z[0] = e0 / (e0 + e1);
    z[1] = e1 / (e0 + e1);
}

struct moment {
    uint64_t seed;
    int64_t step;
};

static void uncertainty(struct adapt *a, const struct loss_spec *loss, struct moment now, const double losses[2], double w[2])
{
    (void)now;
    double slope[2];
    for (int i = 0; i < 2; i++) {
        w[i] = exp(-a->state[i]) / 2;
        slope[i] = 0.5 - w[i] * losses[i];
    }
    descend(a, loss->params.lr, slope);
}

static void dwa(struct adapt *a, const struct loss_spec *loss, struct moment now, const double losses[2], double w[2])
{
    (void)now;
    w[0] = w[1] = 1;
    if (a->epochs >= 2) {
        double r[2];
        for (int i = 0; i < 2; i++)
            r[i] = a->epoch_mean[0][i] / fmax(a->epoch_mean[1][i], least_loss) / loss->params.temperature;
        softmax2(r, w);
        w[0] *= 2;
        w[1] *= 2;
    }
    for (int i = 0; i < 2; i++)
        a->epoch_sum[i] += losses[i];
    a->epoch_steps++;
}

static void gradnorm(struct adapt *a, const struct loss_spec *loss, struct moment now, const double losses[2], double w[2])
{
    (void)loss, (void)now, (void)losses;
    memcpy(w, a->weight, sizeof a->weight);
}

static void famo(struct adapt *a, const struct loss_spec *loss, struct moment now, const double losses[2], double w[2])
{
    (void)loss, (void)now;
    double z[2], sum = 0;
    softmax2(a->state, z);
    for (int i = 0; i < 2; i++) {
        a->before[i] = losses[i];
        w[i] = z[i] / (losses[i] + least_loss);
        sum += w[i];
    }
    w[0] /= sum;
    w[1] /= sum;
}

static void random_weights(struct adapt *a, const struct loss_spec *loss, struct moment now, const double losses[2], double w[2])
{
    (void)a, (void)loss, (void)losses;
    struct rng r;
    rng_start(&r, now.seed, STREAM_WEIGHTS, (uint32_t)now.step, (uint32_t)((uint64_t)now.step >> 32));
    double first = rng_normal(&r), second = rng_normal(&r);
    softmax2((const double[]){first, second}, w);
}

static void loss_scale(struct adapt *a, const struct loss_spec *loss, struct moment now, const double losses[2], double w[2])
{
    (void)now;
    double alpha = loss->alpha.value[0], decay = loss->params.decay;
    for (int i = 0; i < 2; i++) {
        a->mean[i] = a->steps > 0 ? decay * a->mean[i] + (1 - decay) * losses[i] : losses[i];
        w[i] = (i == LOSS_DICE_TERM ? alpha : 1 - alpha) / fmax(a->mean[i], least_loss);
    }
}

static void of_group(struct adapt *a, const struct loss_spec *loss, struct moment now, const double losses[2], double w[2])
{
    (void)loss, (void)now, (void)losses;
    memcpy(w, a->group[0].weight, sizeof a->group[0].weight);
}

static void (*const methods[METHODS])(struct adapt *, const struct loss_spec *, struct moment, const double[2], double[2]) = {
    [METHOD_UNCERTAINTY] = uncertainty, [METHOD_DWA] = dwa, [METHOD_GRADNORM] = gradnorm, [METHOD_FAMO] = famo,
    [METHOD_RANDOM] = random_weights, [METHOD_LOSS_SCALE] = loss_scale,
};

void adapt_start(struct adapt *a, const struct loss_spec *loss)
{
    memset(a, 0, sizeof *a);
    a->weight[0] = a->weight[1] = 1;
    if (loss->method == METHOD_UNCERTAINTY)
        a->state[0] = a->state[1] = loss->params.init;
}

bool adapt_wants_gram(const struct adapt *a, const struct loss_spec *loss, int64_t step)
{
    return method_takes_gram(loss->method) && (a->group[0].seen < 1 || step % loss->gram.every == 0);
}

/* A weight never falls below this before they are brought to sum 2: a loss that is switched off would never come back. */
static const double least_weight = 0.01;

static void move_gradnorm(struct adapt *a, const struct loss_spec *loss, const struct gram *g, const double losses[2])
{
    double n[2] = {sqrt(g->dice), sqrt(g->ce)}, r[2], mean = (a->weight[0] * n[0] + a->weight[1] * n[1]) / 2;
    if (a->first[0] <= 0 && a->first[1] <= 0)
        for (int i = 0; i < 2; i++)
            a->first[i] = fmax(losses[i], least_loss);
    for (int i = 0; i < 2; i++)
        r[i] = fmax(losses[i], least_loss) / a->first[i];
    double rate = (r[0] + r[1]) / 2;
    for (int i = 0; i < 2; i++) {
        double off = a->weight[i] * n[i] - mean * pow(r[i] / rate, loss->params.alpha);
        a->weight[i] = fmax(a->weight[i] - loss->params.lr * (off > 0 ? n[i] : off < 0 ? -n[i] : 0), least_weight);
    }
    double sum = a->weight[0] + a->weight[1];
    a->weight[0] *= 2 / sum;
    a->weight[1] *= 2 / sum;
}

bool adapt_gram(struct adapt *a, const struct loss_spec *loss, int group, const struct gram *g, const double losses[2])
{
    assert(group >= 0 && group < ADAPT_GROUPS_MAX);
    struct adapt_group *at = &a->group[group];
    const double now[3] = {g->dice, g->both, g->ce}, keep = at->seen > 0 ? loss->gram.ema : 0;
    for (int i = 0; i < 3; i++)
        at->gram[i] = keep > 0 ? keep * at->gram[i] + (1 - keep) * now[i] : now[i];
    at->seen = 1;
    struct gram smooth = {at->gram[0], at->gram[1], at->gram[2]};
    if (loss->method == METHOD_GRADNORM) {
        move_gradnorm(a, loss, &smooth, losses);
        return gram_is_degenerate(&smooth);
    }
    struct balance_view view = {.alpha = loss->alpha.value[0], .loss = {losses[0], losses[1]}, .target = at->target};
    struct balance w = balance_of(loss->method, &loss->params, &smooth, &view);
    at->weight[0] = w.dice;
    at->weight[1] = w.ce;
    if (loss->method == METHOD_GRADVAC)
        at->target = balance_next_target(&loss->params, &smooth, at->target);
    return w.degenerate;
}

void adapt_weights(struct adapt *a, const struct loss_spec *loss, uint64_t seed, int64_t step, const double losses[2], double weights[2])
{
    struct moment now = {seed, step};
    assert(loss->method != METHOD_NONE);
    (methods[loss->method] ? methods[loss->method] : of_group)(a, loss, now, losses, weights);
    a->steps++;
}

bool adapt_looks_again(const struct loss_spec *loss)
{
    return loss->method == METHOD_FAMO;
}

/* d/dx_i of sum_j z_j d_j with z = softmax(x), d_j the fall of log L_j: the loss that fell more loses weight. */
void adapt_look_again(struct adapt *a, const struct loss_spec *loss, const double losses[2])
{
    double z[2], fell[2], slope[2];
    softmax2(a->state, z);
    for (int i = 0; i < 2; i++)
        fell[i] = log(a->before[i] + least_loss) - log(losses[i] + least_loss);
    for (int i = 0; i < 2; i++)
        slope[i] = z[i] * (fell[i] - (z[0] * fell[0] + z[1] * fell[1])) + loss->params.gamma * a->state[i];
    descend(a, loss->params.lr, slope);
}

void adapt_end_epoch(struct adapt *a, const struct loss_spec *loss)
{
    if (loss->method != METHOD_DWA || a->epoch_steps < 1)
        return; /* nothing was trained in it: warm-up, or every batch ignored */
    memcpy(a->epoch_mean[1], a->epoch_mean[0], sizeof a->epoch_mean[0]);
    for (int i = 0; i < 2; i++) {
        a->epoch_mean[0][i] = a->epoch_sum[i] / a->epoch_steps;
        a->epoch_sum[i] = 0;
    }
    a->epoch_steps = 0;
    a->epochs++;
}
