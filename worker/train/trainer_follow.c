/* trainer_follow: alpha that follows the validation: what it watches, and what is said when it moves. */
#include <math.h>
#include "worker/train/trainer_parts.h"

enum err trainer_check_follow(const struct trainer *t, struct err_note *note)
{
    const struct plateau *p = &t->spec->loss.alpha.plateau;
    if (!p->on)
        return OK;
    if (t->c.set->splits[SPLIT_VAL].count == 0)
        return err_set(note, ERR_SPEC, "/loss/alpha/feedback", "the data set has no validation images: alpha would follow nothing");
    if (t->plateau_column < 0) {
        enum err e = err_set(note, ERR_SPEC, "/loss/alpha/monitor", "there is no series %s in this job", p->monitor);
        if (note)
            err_print(note->found, sizeof note->found, "%s", p->monitor);
        return e;
    }
    return OK;
}

void trainer_follow(struct trainer *t, const double *row)
{
    const struct plateau *p = &t->spec->loss.alpha.plateau;
    if (!p->on)
        return;
    double before = plateau_alpha(p, &t->plateau);
    if (!plateau_see(p, &t->plateau, row[t->plateau_column]))
        return;
    double alpha = plateau_alpha(p, &t->plateau);
    const char *better = p->mode == PLATEAU_MAX ? "risen above" : "fallen below";
    if (alpha < before || alpha > before)
        trainer_log(t, "info", "after epoch %lld/%d: %s has not %s its best of %.4g by more than %.4g for %d validation%s: alpha %.4g becomes %.4g", (long long)t->epoch + 1, t->spec->training.epochs, p->monitor,
                    better, t->plateau.seen ? t->plateau.best : NAN, p->threshold, p->patience, p->patience == 1 ? "" : "s", before, alpha);
}
