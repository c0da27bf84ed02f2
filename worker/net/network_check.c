/* network_check: which networks can be built; each refusal names the field as the job spec does. */
#include "worker/net/network_inside.h"

static enum err refuse(struct err_note *note, enum err code, const char *pointer, long found, const char *allowed)
{
    if (note) {
        err_set(note, code, pointer, "%ld is not possible here: %s", found, allowed);
        err_print(note->found, sizeof note->found, "%ld", found);
        err_print(note->allowed, sizeof note->allowed, "%s", allowed);
    }
    return code;
}

static enum err check_between(const char *pointer, int found, int low, int high, struct err_note *note)
{
    char allowed[64];
    if (found >= low && found <= high) return OK;
    err_print(allowed, sizeof allowed, "%d to %d", low, high);
    return refuse(note, ERR_RANGE, pointer, found, allowed);
}

static enum err check_widths(const struct network_config *c, struct err_note *note)
{
    for (int i = 0; i < c->levels; i++) {
        char pointer[32], allowed[64];
        err_print(pointer, sizeof pointer, "/model/widths/%d", i);
        enum err e = check_between(pointer, c->widths[i], 1, NETWORK_CHANNELS_MAX, note);
        if (e) return e;
        if (c->norm != MODEL_NORM_GROUP || c->widths[i] % c->groups == 0) continue;
        err_print(allowed, sizeof allowed, "multiples of the %d groups of the norm", c->groups);
        return refuse(note, ERR_RANGE, pointer, c->widths[i], allowed);
    }
    return OK;
}

/* Every level halves the patch; and a norm over a single pixel would leave nothing of it. */
static enum err check_patch(const struct network_config *c, struct err_note *note)
{
    int step = 1 << (c->levels - 1);
    long coarsest = 1;
    for (int i = 0; i < c->rank; i++) {
        char pointer[32], allowed[96];
        err_print(pointer, sizeof pointer, "/training/patch/%d", i);
        err_print(allowed, sizeof allowed, "multiples of %d, from %d to 16384 (%d levels halve it %d times)", step, step, c->levels, c->levels - 1);
        if (c->patch[i] < 1 || c->patch[i] > 16384 || c->patch[i] % step) return refuse(note, ERR_RANGE, pointer, c->patch[i], allowed);
        coarsest *= c->patch[i] / step;
    }
    if (coarsest == 1 && c->norm != MODEL_NORM_NONE)
        return refuse(note, ERR_RANGE, "/training/patch", c->patch[0], "a patch of more than one pixel at the coarsest level, for the norm");
    return OK;
}

enum err config_check(const struct network_config *c, struct err_note *note)
{
    enum err e;
    if (c->rank == 3) return refuse(note, ERR_NOT_BUILT, "/training/patch", c->rank, "patches of two dimensions (volumes are not built yet)");
    const struct {
        const char *pointer;
        int found, low, high;
    } rows[] = {
        {"/training/patch", c->rank, 2, 2},
        {"in_channels", c->in_channels, 1, NETWORK_CHANNELS_MAX},
        {"out_channels", c->out_channels, 1, 256},
        {"/model/widths", c->levels, 1, NETWORK_LEVELS_MAX},
        {"/model/convs", c->convs, 1, NETWORK_CONVS_MAX},
        {"/model/groups", c->norm == MODEL_NORM_GROUP ? c->groups : 1, 1, NETWORK_CHANNELS_MAX},
        {"/training/batch", c->inference_only ? 1 : c->batch, 1, NETWORK_BATCH_MAX},
        {"gradients", c->inference_only ? 1 : c->gradients, 1, NETWORK_GRADIENTS_MAX},
        {"/training/threads", c->lanes, 0, LANES_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if ((e = check_between(rows[i].pointer, rows[i].found, rows[i].low, rows[i].high, note))) return e;
    if (c->activation == MODEL_LEAKY_RELU && !(c->slope >= 0 && c->slope < 1))
        return err_set(note, ERR_RANGE, "/model/slope", "%g is not possible: 0 up to but not 1", (double)c->slope);
    if ((e = check_widths(c, note))) return e;
    return check_patch(c, note);
}
