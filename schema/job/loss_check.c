/* loss_check: which options of the two losses make no sense together, or not for that many classes. */
#include "schema/job/loss_check.h"

#include <string.h>

#include "schema/base/json_text.h"

struct place {
    const char *pointer;
    struct err_list *errors;
};

static struct err_note *refuse(const struct place *at, enum err code, const char *key, const char *found, const char *allowed, const char *detail)
{
    char pointer[192];
    err_print(pointer, sizeof pointer, "%s/%s", at->pointer, key);
    struct err_note *note = err_add(at->errors, code, pointer, "%s", detail);
    err_print(note->found, sizeof note->found, "%s", found);
    err_print(note->allowed, sizeof note->allowed, "%s", allowed);
    return note;
}

static void refuse_number(const struct place *at, enum err code, const char *key, double found, const char *allowed, const char *detail)
{
    char text[32];
    json_text_number(found, 0, text);
    refuse(at, code, key, text, allowed, detail);
}

static bool has_pos_weight(const struct loss_spec *loss)
{
    return loss->ce.pos_weight < 1 || loss->ce.pos_weight > 1;
}

/* Has any class a weight that a term uses? `background`: the term takes class 0. */
static bool weighs_something(const struct loss_spec *loss, bool background)
{
    for (int c = background ? 0 : 1; c < loss->class_weight.count; c++)
        if (c != loss->ignore_index && loss->class_weight.of[c] > 0) return true;
    return false;
}

static void refuse_all_zero(const struct loss_spec *loss, const struct place *at, const char *detail)
{
    char found[64] = "[";
    for (int c = 0; c < loss->class_weight.count; c++) {
        char number[32];
        size_t n = strlen(found);
        json_text_number(loss->class_weight.of[c], 0, number);
        err_print(found + n, sizeof found - n, "%s%s%s", c ? ", " : "", number, c + 1 == loss->class_weight.count ? "]" : "");
    }
    refuse(at, ERR_CLASS_WEIGHT_ALL_ZERO, "class_weight", found, "a number above 0 for a class that the term counts", detail);
}

static void check_weights(const struct loss_spec *loss, const struct place *at)
{
    const struct class_weight_spec *w = &loss->class_weight;
    if (loss->dice.class_weight && w->kind == LOSS_UNWEIGHTED)
        refuse(at, ERR_KEY_UNEXPECTED, "dice/class_weight", "true", "false, or class_weight \"balanced\" or a list", "there are no weights: class_weight is null");
    if (w->kind != LOSS_UNWEIGHTED && has_pos_weight(loss))
        refuse_number(at, ERR_POS_AND_CLASS_WEIGHT, "ce/pos_weight", loss->ce.pos_weight, "pos_weight 1, or class_weight null", "the foreground is weighed twice");
    if (w->kind != LOSS_LISTED) return;
    if (!weighs_something(loss, loss->ce.include_background))
        refuse_all_zero(loss, at, "every class that cross-entropy counts weighs 0");
    else if (loss->dice.class_weight && !weighs_something(loss, loss->include_background))
        refuse_all_zero(loss, at, "every class that Dice counts weighs 0");
}

static void check_channels(const struct loss_spec *loss, bool sigmoid, const struct place *at)
{
    if (!sigmoid && has_pos_weight(loss))
        refuse_number(at, ERR_POS_WEIGHT_MULTICLASS, "ce/pos_weight", loss->ce.pos_weight, "1; class_weight weighs classes under softmax", "only one sigmoid channel has a positive class");
    if (sigmoid && loss->dice.class_weight)
        refuse(at, ERR_CLASSES, "dice/class_weight", "true", "false, or activation softmax", "one sigmoid channel has one Dice: a weight changes nothing");
    if (sigmoid && !loss->ce.include_background)
        refuse(at, ERR_CLASSES, "ce/include_background", "false", "true; class_weight makes the background count less", "without background nothing is left to tell apart");
}

void loss_check(const struct loss_spec *loss, const char *pointer, struct err_list *errors)
{
    struct place at = {pointer, errors};
    check_weights(loss, &at);
    if (loss->ce.focal_gamma > 0 && loss->ce.top_k < 100)
        refuse_number(&at, ERR_FOCAL_AND_TOPK, "ce/top_k", loss->ce.top_k, "top_k 100, or focal_gamma 0", "both pick the hard pixels: choose one");
    if (loss->activation != LOSS_BY_CLASSES) check_channels(loss, loss->activation == LOSS_SIGMOID, &at);
}

void loss_check_classes(const struct loss_spec *loss, int classes, struct err_list *errors)
{
    struct place at = {"/loss", errors};
    const struct class_weight_spec *w = &loss->class_weight;
    int left = classes - 1 - (loss->ignore_index > 0);
    if (classes > LOSS_CLASSES_MAX) {
        struct err_note *note = err_add(errors, ERR_CLASSES, "/dataset", "the data set has %d classes", classes);
        err_print(note->allowed, sizeof note->allowed, "at most %d classes", LOSS_CLASSES_MAX);
    }
    if (w->kind == LOSS_LISTED && w->count != classes) {
        struct err_note *note = refuse(&at, ERR_CLASS_WEIGHT_LENGTH, "class_weight", "", "", "one weight a class, background among them");
        err_print(note->found, sizeof note->found, "%d weights", w->count);
        err_print(note->allowed, sizeof note->allowed, "%d weights", classes);
    }
    if (loss->activation == LOSS_BY_CLASSES) check_channels(loss, classes == 2, &at);
    if (!loss->ce.include_background && left < 2 && loss->activation != LOSS_SIGMOID && !(loss->activation == LOSS_BY_CLASSES && classes == 2))
        refuse(&at, ERR_CLASSES, "ce/include_background", "false", "true, or two classes more that count", "without background one class is left: nothing to tell apart");
}
