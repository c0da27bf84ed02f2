/* alpha: keyframes and the six curves between them.
   u = (t - t0) / (t1 - t0) between two neighbours (t0, a0) and (t1, a1):
     hold         a0
     linear       a0 + (a1 - a0) u
     cosine       a1 + (a0 - a1) (1 + cos(pi u)) / 2
     exponential  a0^(1-u) a1^u                        both above 0
     sigmoid      a0 + (a1 - a0) s(u), s(u) = 1/(1 + exp(-k (u - 1/2))) stretched to run from 0 to 1
     poly         a1 + (a0 - a1) (1 - u)^power
   To add a curve: a word in alpha_json.c, a value in the enum, a row in `curves`, golden numbers in tests/vectors/alpha. */
#include "schema/job/alpha.h"

#include <assert.h>
#include <math.h>

void alpha_constant(struct alpha *a, double value)
{
    *a = (struct alpha){.count = 1, .value = {value}, .interp = ALPHA_LINEAR, .unit = ALPHA_EPOCH, .power = 0.9, .k = 10};
}

static double hold(const struct alpha *a, double a0, double a1, double u)
{
    (void)a, (void)a1, (void)u;
    return a0;
}

static double linear(const struct alpha *a, double a0, double a1, double u)
{
    (void)a;
    return a0 + (a1 - a0) * u;
}

static double cosine(const struct alpha *a, double a0, double a1, double u)
{
    (void)a;
    return a1 + (a0 - a1) * (1 + cos(3.14159265358979323846 * u)) / 2;
}

static double exponential(const struct alpha *a, double a0, double a1, double u)
{
    (void)a;
    return pow(a0, 1 - u) * pow(a1, u);
}

static double sigmoid(const struct alpha *a, double a0, double a1, double u)
{
    double low = 1 / (1 + exp(a->k / 2)), high = 1 / (1 + exp(-a->k / 2)), s = 1 / (1 + exp(-a->k * (u - 0.5)));
    return a0 + (a1 - a0) * (s - low) / (high - low);
}

static double poly(const struct alpha *a, double a0, double a1, double u)
{
    return a1 + (a0 - a1) * pow(1 - u, a->power);
}

static double (*const curves[])(const struct alpha *, double a0, double a1, double u) = {
    [ALPHA_HOLD] = hold,       [ALPHA_LINEAR] = linear,   [ALPHA_COSINE] = cosine,
    [ALPHA_EXPONENTIAL] = exponential, [ALPHA_SIGMOID] = sigmoid, [ALPHA_POLY] = poly,
};

/* Time folded into the first period: t - P*floor(t/P); in odd periods P minus that when mirrored. */
static double fold(const struct alpha *a, double t)
{
    if (!(a->repeat > 0)) return t;
    double period = floor(t / a->repeat), rest = t - a->repeat * period;
    return a->mirror && fmod(period, 2) != 0 ? a->repeat - rest : rest;
}

double alpha_at_time(const struct alpha *a, double t)
{
    assert(a->count >= 1 && a->count <= ALPHA_POINTS_MAX);
    t = fold(a, t);
    int last = a->count - 1, i = 0;
    if (t <= a->at[0]) return a->value[0];
    if (t >= a->at[last]) return a->value[last];
    while (t >= a->at[i + 1]) i++;
    double value = curves[a->interp](a, a->value[i], a->value[i + 1], (t - a->at[i]) / (a->at[i + 1] - a->at[i]));
    return value < 0 ? 0 : value > 1 ? 1 : value; /* rounding may step over by an ulp */
}

double alpha_at(const struct alpha *a, int64_t epoch, int64_t epochs, int64_t step)
{
    double t = (double)epoch;
    if (a->unit == ALPHA_STEP) t = (double)step;
    if (a->unit == ALPHA_FRACTION) t = (double)epoch / (double)epochs;
    return alpha_at_time(a, t);
}

bool alpha_is_constant(const struct alpha *a)
{
    for (int i = 1; i < a->count; i++)
        if (a->value[i] != a->value[0]) return false;
    return !a->plateau.on;
}
