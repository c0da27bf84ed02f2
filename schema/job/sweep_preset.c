/* sweep_preset: ready-made lists of losses, one row a member.
   To add a member: a row; README's list of what is compared. What the job reader does not take yet is named as not built. */
#include <assert.h>
#include <string.h>

#include "schema/job/job_spec_json.h"
#include "schema/job/sweep_spec.h"

/* The loss of each member; everything else of a loss block (activation, dice, ce, class weights ...) stays the base's. */
static const struct member {
    const char *preset, *name, *loss;
} members[] = {
    {"loss_comparison", "dice only", "{\"strategy\": \"constant\", \"alpha\": 1}"},
    {"loss_comparison", "ce only", "{\"strategy\": \"constant\", \"alpha\": 0}"},
    {"loss_comparison", "constant 0.5", "{\"strategy\": \"constant\", \"alpha\": 0.5}"},
    {"loss_comparison", "linear 1 to 0", "{\"strategy\": \"scheduled\", \"alpha\": {\"schedule\": \"linear\", \"start\": 1, \"end\": 0}}"},
    {"loss_comparison", "separate simultaneous", "{\"strategy\": \"separate_optimizers\", \"optimizers\": {\"mode\": \"simultaneous\"}}"},
    {"loss_comparison", "separate alternating", "{\"strategy\": \"separate_optimizers\", \"optimizers\": {\"mode\": \"alternating\"}}"},
    {"loss_comparison", "separate alternating_batches", "{\"strategy\": \"separate_optimizers\", \"optimizers\": {\"mode\": \"alternating_batches\"}}"},
    {"loss_comparison", "uncertainty", "{\"strategy\": \"adaptive\", \"method\": \"uncertainty\"}"},
    {"loss_comparison", "random", "{\"strategy\": \"adaptive\", \"method\": \"random\"}"},
    {"loss_comparison", "pcgrad", "{\"strategy\": \"gradient\", \"method\": \"pcgrad\"}"},
    {"loss_comparison", "cagrad", "{\"strategy\": \"gradient\", \"method\": \"cagrad\"}"},
    {"loss_comparison", "nash_mtl", "{\"strategy\": \"gradient\", \"method\": \"nash_mtl\"}"},
    {"loss_comparison", "mgda", "{\"strategy\": \"gradient\", \"method\": \"mgda\"}"},
};
enum { MEMBERS = sizeof members / sizeof members[0] };

const char *const *sweep_preset_words(void)
{
    static const char *const words[] = {"loss_comparison", NULL};
    return words;
}

const char *sweep_preset_reference(const char *preset)
{
    (void)preset; /* of the only one */
    return "constant 0.5";
}

/* What says how the two losses are combined belongs to the member, the rest of the block to the base. New reference. */
static json_t *loss_of(const struct member *m, const json_t *base)
{
    static const char *const strategy_keys[] = {"strategy", "alpha", "lambda_dice", "lambda_ce", "optimizers", "method", "params", "gram", "warmup_epochs", NULL};
    json_t *loss = json_deep_copy(json_object_get(base, "loss")), *own = json_loads(m->loss, 0, NULL);
    assert(own);
    if (!json_is_object(loss)) {
        json_decref(loss);
        loss = json_object();
    }
    for (int i = 0; strategy_keys[i]; i++) json_object_del(loss, strategy_keys[i]);
    json_object_update(own, loss);
    json_decref(loss);
    return own;
}

/* Does the job reader say of the member that it is not built? Asked of the reader itself, so that it is built the day it is taken. */
static bool is_built(const struct member *m)
{
    static const char *const unknown[] = {"not_built_yet", "key_unknown", "strategy_unknown", NULL};
    struct job_spec spec;
    struct err_list errors = {0}, warnings = {0};
    json_t *job = json_pack("{s:{s:{}}, s:o}", "dataset", "generate", "loss", json_loads(m->loss, 0, NULL));
    assert(job);
    enum err e = job_spec_read(job, &spec, &errors, &warnings);
    json_decref(job);
    for (size_t i = 0; e && i < errors.count; i++)
        for (int w = 0; unknown[w]; w++)
            if (!strcmp(err_word(errors.notes[i].code), unknown[w])) return false;
    return true;
}

/* Two optimizers are two of the base's, cross-entropy's with a tenth of the rate, as it is without one: else another optimizer would be
   compared and not another way to mix. Such a job may have none beside them. */
static void share_optimizer(json_t *set, const json_t *base)
{
    json_t *own = json_object_get(base, "optimizer"), *both = json_object_get(json_object_get(set, "/loss"), "optimizers");
    if (!own || !both) return;
    if (json_is_object(own)) {
        const json_t *lr = json_object_get(own, "lr");
        json_t *ce = json_deep_copy(own);
        if (json_is_number(lr)) json_object_set_new(ce, "lr", json_real(json_number_value(lr) / 10));
        json_object_set(both, "dice", own);
        json_object_set_new(both, "ce", ce);
    }
    json_object_set_new(set, "/optimizer", json_null());
}

json_t *sweep_preset_axis(const char *preset, const json_t *base, json_t *not_built)
{
    json_t *list = json_array();
    for (int i = 0; i < MEMBERS; i++) {
        const struct member *m = &members[i];
        if (strcmp(m->preset, preset)) continue;
        if (!is_built(m)) {
            json_array_append_new(not_built, json_string(m->name));
            continue;
        }
        json_t *set = json_pack("{s:o}", "/loss", loss_of(m, base));
        share_optimizer(set, base);
        json_array_append_new(list, json_pack("{s:s, s:o}", "name", m->name, "set", set));
    }
    return json_pack("{s:o}", "list", list);
}
