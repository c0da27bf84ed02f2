/* diagnostics_json: reading and writing loss.diagnostics: how often and where the two gradients are compared. */
#include "schema/job/diagnostics_json.h"

#include <string.h>

#include "schema/job/method_json.h"

#define LEVELS_ALLOWED "a list of one or more of: logits, last_layer, full"

static void read_level(const json_t *one, bool *at, const char *pointer, struct err_list *errors)
{
    const char *word = json_string_value(one);
    for (int k = 0; word && k < GRAM_LEVELS; k++)
        if (!strcmp(word, gram_level_words[k])) {
            at[k] = true;
            return;
        }
    struct err_note *note = json_fields_refuse(errors, ERR_GRAM_LEVEL, pointer, one, "one of: logits, last_layer, full", "no such level");
    const char *nearest = word ? err_nearest(word, gram_level_words) : NULL;
    if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
}

static void read_levels(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    bool at[GRAM_LEVELS] = {false};
    char where[192], index[24];
    if (!json_is_array(value)) {
        json_fields_refuse(errors, ERR_TYPE, pointer, value, LEVELS_ALLOWED, "not a list");
        return;
    }
    if (json_array_size(value) == 0)
        json_fields_refuse(errors, ERR_GRAM_LEVEL, pointer, value, LEVELS_ALLOWED, "there is nowhere to compare the gradients; every 0 turns the comparison off");
    for (size_t i = 0; i < json_array_size(value); i++) {
        err_print(index, sizeof index, "%zu", i);
        json_pointer_join(where, sizeof where, pointer, index);
        read_level(json_array_get(value, i), at, where, errors);
    }
    memcpy(to, at, sizeof at);
}

static enum err write_levels(const void *from, struct buf *to)
{
    const bool *at = from;
    const char *comma = "";
    enum err e = buf_text(to, "[");
    for (int k = 0; k < GRAM_LEVELS && !e; k++) {
        if (!at[k]) continue;
        e = buf_printf(to, "%s\"%s\"", comma, gram_level_words[k]);
        comma = ",";
    }
    return e ? e : buf_text(to, "]");
}

static bool is_on(const void *base)
{
    return ((const struct diagnostics_spec *)base)->every > 0;
}

const struct field diagnostics_fields[] = {
    {.name = "every", .type = FIELD_INT, FIELD_AT(struct diagnostics_spec, every), .min = 0, .max = 1000000, .standard = 100, .range_error = ERR_EVERY_RANGE,
     .help = "steps from one comparison to the next; 0: never"},
    {.name = "dense_steps", .type = FIELD_INT, FIELD_AT(struct diagnostics_spec, dense_steps), .min = 0, .max = 1000000, .standard = 50, .range_error = ERR_EVERY_RANGE,
     .applies = is_on, .help = "so many steps at the start are all compared: that is where conflict is"},
    {.name = "level", .type = FIELD_OTHER, .offset = offsetof(struct diagnostics_spec, at), .size = GRAM_LEVELS * sizeof(bool), .read = read_levels, .write = write_levels,
     .allowed = LEVELS_ALLOWED, .applies = is_on, .help = "where the two gradients are compared"},
    {.name = "blocks", .type = FIELD_BOOL, FIELD_AT(struct diagnostics_spec, blocks), .standard = 1, .applies = is_on, .help = "level full: also block by block"},
    {0}};

/* Off, there is nothing to say about how; and blocks are parts of the full gradient. */
static void check(const json_t *json, struct diagnostics_spec *d, const char *pointer, struct err_list *errors)
{
    char at[192];
    const json_t *blocks = json_object_get(json, "blocks");
    for (const struct field *f = diagnostics_fields + 1; f->name && d->every == 0; f++) {
        json_pointer_join(at, sizeof at, pointer, f->name);
        if (json_object_get(json, f->name))
            json_fields_refuse(errors, ERR_KEY_UNEXPECTED, at, json_object_get(json, f->name), "every of at least 1, or every 0 alone", "every 0 turns the comparison off");
    }
    if (d->every == 0) return;
    json_pointer_join(at, sizeof at, pointer, "blocks");
    if (!d->at[GRAM_FULL] && json_is_true(blocks))
        json_fields_refuse(errors, ERR_GRAM_LEVEL, at, blocks, "false, or level full", "only at level full does each block have gradients of its own");
    d->blocks &= d->at[GRAM_FULL];
}

void diagnostics_read(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    struct diagnostics_spec *d = to;
    size_t before = errors->count + errors->dropped;
    if (json_is_null(value)) {
        d->every = 0;
        return;
    }
    json_fields_read(value, diagnostics_fields, d, pointer, errors);
    if (json_is_object(value) && errors->count + errors->dropped == before) check(value, d, pointer, errors);
}

enum err diagnostics_print(const void *from, struct buf *to)
{
    return json_fields_print(diagnostics_fields, from, to);
}
