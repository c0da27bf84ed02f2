/* trainer_state: a trainer to and from a checkpoint: weights, moments, counters, best weights, curves so far. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "worker/train/checkpoint.h"
#include "worker/train/trainer_parts.h"

/* The carry: this, then history_rows * columns doubles, then the looks of the diagnosis. */
struct carry_head {
    uint32_t columns, rows;
    struct epoch_sums sums;
    struct adapt adapt;
    struct plateau_state plateau;
};

/* ---- arrays to canonical order ----------------------------------------------------------------------- */
static float *canonical_of(const struct trainer *t, const float *arena)
{
    float *to = malloc((t->parameters + 1) * sizeof *to);
    if (to)
        network_to_canonical(t->net, arena, to);
    return to;
}

static int gather(struct trainer *t, struct checkpoint *c)
{
    int all = (c->weights = canonical_of(t, network_weights_seen(t->net))) != NULL;
    c->optimizers = t->optimizers;
    for (int k = 0; k < t->optimizers; k++) {
        const struct optimizer *o = &t->optimizer[k];
        c->optimizer[k] = (struct checkpoint_optimizer){.type = (int32_t)o->spec.type, .moments = optimizer_moment_count(&o->spec), .steps = o->steps};
        for (int m = 0; m < c->optimizer[k].moments; m++)
            all &= (c->optimizer[k].moment[m] = canonical_of(t, o->moments[m])) != NULL;
    }
    struct carry_head head = {.columns = (uint32_t)t->columns, .rows = (uint32_t)t->history_rows, .sums = t->sums, .adapt = t->adapt, .plateau = t->plateau};
    size_t table = (size_t)(t->history_rows * t->columns) * sizeof(double);
    size_t looks = t->diagnosis ? diagnose_bytes(&t->diagnosis->book) : 0;
    c->carry_bytes = sizeof head + table + looks;
    c->carry = malloc(c->carry_bytes);
    if (!c->carry)
        return 0;
    memcpy(c->carry, &head, sizeof head);
    memcpy(c->carry + sizeof head, t->history, table);
    if (t->diagnosis)
        diagnose_save(&t->diagnosis->book, c->carry + sizeof head + table);
    return all;
}

static void fill_counters(const struct trainer *t, struct checkpoint *c)
{
    err_print(c->spec_hash, sizeof c->spec_hash, "%s", t->c.spec_hash);
    err_print(c->made_by, sizeof c->made_by, "%s", t->c.made_by);
    c->epoch = t->epoch;
    c->step_in_epoch = t->step_in_epoch;
    c->step = t->step;
    c->best_epoch = t->best_epoch;
    c->best_score = t->best_score;
    c->parameters = t->parameters;
    c->best = !t->best ? CHECKPOINT_BEST_NONE : t->best_is_now ? CHECKPOINT_BEST_SAME : CHECKPOINT_BEST_OTHER;
}

static void tell(const struct trainer *t, const char *path, const char *sha256, int64_t bytes, bool best)
{
    const struct trainer_calls *calls = &t->c.calls;
    struct trainer_checkpoint c = {.path = path, .sha256 = sha256, .bytes = bytes, .step = t->step, .epoch = t->epoch, .best = best, .score = t->best ? t->best_score : NAN};
    if (calls->checkpoint)
        calls->checkpoint(calls->context, &c);
}

/* checkpoint-best is the very file that checkpoint-last is at that moment: a second name, or where a file system has none, a
   second copy. */
static enum err name_best(const struct checkpoint *c, const char *last, const char *best, struct err_note *note)
{
    char part[4200];
    snprintf(part, sizeof part, "%s.part", best);
    unlink(part);
    if (link(last, part) == 0 && rename(part, best) == 0)
        return OK;
    unlink(part);
    return checkpoint_write(best, c, NULL, NULL, note);
}

static enum err write_both(struct trainer *t, struct checkpoint *c, const char *last, const char *best, bool new_best, struct err_note *note)
{
    char sha256[SHA256_HEX];
    int64_t bytes = 0;
    enum err e = checkpoint_write(last, c, sha256, &bytes, note);
    if (!e && new_best)
        e = name_best(c, last, best, note);
    if (e)
        return e;
    t->clock.last_checkpoint = trainer_now_s();
    tell(t, last, sha256, bytes, false);
    if (new_best)
        tell(t, best, sha256, bytes, true);
    return OK;
}

enum err trainer_save(struct trainer *t, bool new_best, struct err_note *note)
{
    struct checkpoint c = {0};
    char last[4100], best[4100];
    enum profile_kind before = profile_phase(network_profile(t->net), PROFILE_CHECKPOINT);
    snprintf(last, sizeof last, "%.4000s/checkpoint-last", t->c.out_dir);
    snprintf(best, sizeof best, "%.4000s/checkpoint-best", t->c.out_dir);
    fill_counters(t, &c);
    enum err e = gather(t, &c) ? OK : err_set(note, ERR_NO_MEMORY, last, "no memory for a checkpoint of %zu parameters", t->parameters);
    c.best_weights = c.best == CHECKPOINT_BEST_OTHER ? t->best : NULL;
    if (!e)
        e = write_both(t, &c, last, best, new_best, note);
    c.best_weights = NULL; /* the trainer's */
    checkpoint_free(&c);
    profile_phase(network_profile(t->net), before);
    return e;
}

/* ---- back -------------------------------------------------------------------------------------------- */
static enum err restore_carry(struct trainer *t, const struct checkpoint *c, const char *path, struct err_note *note)
{
    struct carry_head head;
    if (c->carry_bytes < sizeof head)
        return err_set(note, ERR_CORRUPT, path, "%s lacks the curves", path);
    memcpy(&head, c->carry, sizeof head);
    size_t table = sizeof head + (size_t)head.rows * head.columns * sizeof(double);
    if (head.columns != (uint32_t)t->columns || head.rows > (uint32_t)t->spec->training.epochs || c->carry_bytes < table)
        return err_set(note, ERR_CORRUPT, path, "%s holds curves of another data set", path);
    if (t->diagnosis ? !diagnose_restore(&t->diagnosis->book, c->carry + table, c->carry_bytes - table) : c->carry_bytes != table)
        return err_set(note, ERR_CORRUPT, path, "%s holds another diagnosis than this job has", path);
    t->sums = head.sums;
    t->adapt = head.adapt;
    t->plateau = head.plateau;
    t->history_rows = head.rows;
    memcpy(t->history, c->carry + sizeof head, (size_t)head.rows * head.columns * sizeof(double));
    return OK;
}

static enum err restore_optimizers(struct trainer *t, const struct checkpoint *c, const char *path, struct err_note *note)
{
    for (int k = 0; k < t->optimizers; k++) {
        struct optimizer *o = &t->optimizer[k];
        if (c->optimizers != t->optimizers || c->optimizer[k].type != (int32_t)o->spec.type || c->optimizer[k].moments != optimizer_moment_count(&o->spec))
            return err_set(note, ERR_CORRUPT, path, "%s holds other optimizers than this job has", path);
        o->steps = c->optimizer[k].steps;
        for (int m = 0; m < c->optimizer[k].moments; m++)
            network_from_canonical(t->net, c->optimizer[k].moment[m], o->moments[m]);
    }
    return OK;
}

enum err trainer_restore(struct trainer *t, const char *path, struct err_note *note)
{
    struct checkpoint c;
    enum err e = checkpoint_read(path, t->c.spec_hash, t->parameters, &c, note);
    if (e)
        return e;
    if (c.epoch > t->spec->training.epochs || c.step_in_epoch > t->spec->training.steps_per_epoch)
        e = err_set(note, ERR_CORRUPT, path, "%s stands at epoch %lld, past the end of this job", path, (long long)c.epoch);
    if (!e)
        e = restore_optimizers(t, &c, path, note);
    if (!e)
        e = restore_carry(t, &c, path, note);
    if (!e && c.best != CHECKPOINT_BEST_NONE) {
        const float *from = c.best == CHECKPOINT_BEST_SAME ? c.weights : c.best_weights;
        t->best = malloc((t->parameters + 1) * sizeof *t->best);
        if (t->best)
            memcpy(t->best, from, t->parameters * sizeof *t->best);
        else
            e = err_set(note, ERR_NO_MEMORY, path, "no memory for the best weights");
    }
    if (!e) {
        network_set_parameters(t->net, c.weights);
        t->epoch = c.epoch;
        t->step_in_epoch = c.step_in_epoch;
        t->step = c.step;
        t->best_epoch = c.best_epoch;
        t->best_score = c.best_score;
        t->best_is_now = c.best == CHECKPOINT_BEST_SAME;
        if (strcmp(c.made_by, t->c.made_by) != 0)
            trainer_log(t, "warn", "the checkpoint was made by \"%s\", this is \"%s\": the last bits of the weights may differ from a run that never moved", c.made_by, t->c.made_by);
    }
    checkpoint_free(&c);
    return e;
}
