/* plateau_check: the scores that may be a monitor, and what is wrong or odd about a plateau beside the rest of its job.
   To add a monitor: its word and its row here, a column of that name in worker/train/trainer_validate.c, its word in README.md. */
#include "schema/job/plateau_check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { EVERY_VALIDATION = -1 };
const char *const plateau_monitors[] = {"val/dice", "val/iou", "val/precision", "val/recall", "val/dice_image", "val/iou_image", "val/precision_image", "val/recall_image",
                                        "val/nsd", "val/hd95", "val/assd", "val/ece", "val/ece_image", "val/brier", "val/brier_image", NULL};
/* The same, in their order: which way each improves, and the word of validation.scores that makes it at every validation. */
static const struct monitor {
    enum plateau_mode mode;
    int scores; /* enum validation_score */
} monitors[] = {
    {PLATEAU_MAX, EVERY_VALIDATION}, {PLATEAU_MAX, EVERY_VALIDATION}, {PLATEAU_MAX, EVERY_VALIDATION}, {PLATEAU_MAX, EVERY_VALIDATION},
    {PLATEAU_MAX, EVERY_VALIDATION}, {PLATEAU_MAX, EVERY_VALIDATION}, {PLATEAU_MAX, EVERY_VALIDATION}, {PLATEAU_MAX, EVERY_VALIDATION},
    {PLATEAU_MAX, VALIDATION_SURFACE}, {PLATEAU_MIN, VALIDATION_SURFACE}, {PLATEAU_MIN, VALIDATION_SURFACE},
    {PLATEAU_MIN, VALIDATION_CALIBRATION}, {PLATEAU_MIN, VALIDATION_CALIBRATION}, {PLATEAU_MIN, VALIDATION_CALIBRATION}, {PLATEAU_MIN, VALIDATION_CALIBRATION},
};
_Static_assert(sizeof monitors / sizeof monitors[0] == sizeof plateau_monitors / sizeof plateau_monitors[0] - 1, "a row for each word");

/* "val/dice/1" is val/dice of class 1; -1: of all. NULL: no such series. */
static const struct monitor *find(const char *text, int *of_class)
{
    for (int i = 0; plateau_monitors[i]; i++) {
        size_t n = strlen(plateau_monitors[i]), digits;
        if (strncmp(text, plateau_monitors[i], n)) continue;
        *of_class = -1;
        if (!text[n]) return &monitors[i];
        digits = text[n] == '/' ? strspn(text + n + 1, "0123456789") : 0;
        if (digits < 1 || digits > 3 || text[n + 1 + digits]) continue;
        if (digits > 1 && text[n + 1] == '0') continue; /* no series is called val/dice/01 */
        *of_class = atoi(text + n + 1);
        return &monitors[i];
    }
    return NULL;
}

bool plateau_monitor(const char *text, enum plateau_mode *mode)
{
    int of_class;
    const struct monitor *m = find(text, &of_class);
    if (m) *mode = m->mode;
    return m != NULL;
}

/* A class that is never scored would stall for ever: the background has no borders and no calibration of its own (score_set.c), an
   ignored class nothing. */
static void check_scored(const struct job_spec *spec, const struct monitor *m, int of_class, struct err_list *errors)
{
    const char *monitor = spec->loss.alpha.plateau.monitor;
    bool background = of_class == 0 && m->scores != EVERY_VALIDATION, ignored = of_class >= 0 && of_class == spec->loss.ignore_index;
    if (!background && !ignored) return;
    struct err_note *note = err_add(errors, ERR_MONITOR_UNKNOWN, "/loss/alpha/monitor", "%s", ignored ? "loss.ignore_index leaves this class out of all scores" : "the background has no such score");
    err_print(note->found, sizeof note->found, "\"%s\"", monitor);
    err_print(note->allowed, sizeof note->allowed, "%.*s, or another class of it", (int)(strrchr(monitor, '/') - monitor), monitor);
}

void plateau_check(const struct job_spec *spec, struct err_list *errors)
{
    static const char *const words[VALIDATION_SCORES] = {"surface", "calibration"};
    const struct plateau *p = &spec->loss.alpha.plateau;
    int of_class;
    if (!p->on) return;
    const struct monitor *m = find(p->monitor, &of_class);
    assert(m);
    check_scored(spec, m, of_class, errors);
    bool made = m->scores == EVERY_VALIDATION;
    for (int i = 0; i < spec->validation.score_count; i++) made |= (int)spec->validation.scores[i] == m->scores;
    if (made) return;
    struct err_note *note = err_add(errors, ERR_MONITOR_UNKNOWN, "/loss/alpha/monitor", "a score that is made once, of the best weights");
    err_print(note->found, sizeof note->found, "\"%s\"", p->monitor);
    err_print(note->allowed, sizeof note->allowed, "a score of every validation, or \"%s\" in validation.scores", words[m->scores]);
}

void plateau_check_classes(const struct job_spec *spec, int classes, struct err_list *errors)
{
    const struct plateau *p = &spec->loss.alpha.plateau;
    int of_class;
    if (!p->on || !find(p->monitor, &of_class) || of_class < classes) return;
    struct err_note *note = err_add(errors, ERR_RANGE, "/loss/alpha/monitor", "the data set has %d classes", classes);
    err_print(note->found, sizeof note->found, "%s", p->monitor);
    err_print(note->allowed, sizeof note->allowed, "a class from 0 to %d", classes - 1);
}

/* ---- remarks ------------------------------------------------------------------------------------------------ */
static struct err_note *remark(struct err_list *warnings, const char *word, const char *pointer)
{
    struct err_note *note = err_add(warnings, OK, pointer, "%s", "");
    err_print(note->nearest, sizeof note->nearest, "%s", word);
    return note;
}

/* The last epoch's alpha when every validation that may stall does. */
static double furthest(const struct plateau *p, int64_t epochs, int64_t every_epochs)
{
    struct plateau_state s = {0};
    for (int64_t i = plateau_chances(epochs, every_epochs); i > 0; i--) plateau_see(p, &s, 0);
    return plateau_alpha(p, &s);
}

void plateau_warn(const struct job_spec *spec, struct err_list *warnings)
{
    const struct plateau *p = &spec->loss.alpha.plateau;
    enum plateau_mode mode;
    if (!p->on) return;
    int64_t chances = plateau_chances(spec->training.epochs, spec->validation.every_epochs);
    double last = furthest(p, spec->training.epochs, spec->validation.every_epochs);
    if (chances <= p->patience) {
        struct err_note *note = remark(warnings, "plateau_unreachable", "/loss/alpha/patience");
        err_print(note->detail, sizeof note->detail, "alpha can never move: the first stall takes %d validations, one to set the best and %d that do not improve on it; before the last epoch begins there are %lld",
                  p->patience + 1, p->patience, (long long)chances);
    } else if (p->delta < 0 ? last > p->to : last < p->to) {
        struct err_note *note = remark(warnings, "alpha_end", "/loss/alpha");
        err_print(note->detail, sizeof note->detail, "even if every validation stalls, the last epoch trains with alpha %.4g, not %.4g", last, p->to);
    }
    if (plateau_monitor(p->monitor, &mode) && mode != p->mode) {
        struct err_note *note = remark(warnings, "monitor_mode", "/loss/alpha/mode");
        err_print(note->detail, sizeof note->detail, "%s is better when it is %s: alpha would move while it improves", p->monitor, mode == PLATEAU_MAX ? "large" : "small");
    }
}
