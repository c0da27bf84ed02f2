/* plateau: the rule of a stall; see plateau.h. */
#include "schema/job/plateau.h"

#include <assert.h>
#include <math.h>

double plateau_alpha(const struct plateau *p, const struct plateau_state *s)
{
    assert(p->on);
    double alpha = p->from + s->moves * p->delta; /* one rounding however many the moves: 1 - 3 * 0.1 is 0.7 */
    double left = p->delta < 0 ? alpha - p->to : p->to - alpha;
    return left < 1e-12 ? p->to : alpha; /* 1 - 2 * 0.35 is 0.3 and a bit: it has arrived */
}

static bool improves(const struct plateau *p, const struct plateau_state *s, double value)
{
    if (isnan(value)) return false;
    return !s->seen || (p->mode == PLATEAU_MAX ? value > s->best + p->threshold : value < s->best - p->threshold);
}

bool plateau_see(const struct plateau *p, struct plateau_state *s, double value)
{
    assert(p->on && p->patience >= 1);
    if (improves(p, s, value)) {
        s->seen = 1;
        s->best = value;
        s->bad = 0;
    } else
        s->bad++;
    if (s->cooldown > 0) {
        s->cooldown--;
        s->bad = 0;
    }
    if (s->bad < p->patience) return false;
    s->bad = 0;
    s->cooldown = p->cooldown;
    s->moves++;
    return true;
}

void plateau_always(const struct plateau *p, int64_t epochs, int64_t every_epochs, double *alpha)
{
    struct plateau_state s = {0};
    for (int64_t e = 0; e < epochs; e++) {
        alpha[e] = plateau_alpha(p, &s);
        if ((e + 1) % every_epochs == 0) plateau_see(p, &s, 0); /* the same value for ever: only the first is better than nothing */
    }
}

int64_t plateau_chances(int64_t epochs, int64_t every_epochs)
{
    return (epochs - 1) / every_epochs;
}
