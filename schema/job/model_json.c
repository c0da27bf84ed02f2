/* model_json: the words of the model block. */
#include "schema/job/model_json.h"

#include <string.h>

static const char *const types[] = {"unet", NULL};
static const char *const downs[] = {"maxpool", "stride", NULL};
static const char *const norms[] = {"instance", "group", "none", "batch", NULL};
static const char *const activations[] = {"leaky_relu", "relu", NULL};
enum { NORM_BATCH = MODEL_NORM_NONE + 1 };

static void read_type(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    (void)to;
    const char *text = json_string_value(value);
    if (text && !strcmp(text, types[0])) return;
    struct err_note *note = json_fields_refuse(errors, text ? ERR_MODEL_UNKNOWN : ERR_TYPE, pointer, value, "unet", "no such model");
    const char *nearest = text ? err_nearest(text, types) : NULL;
    err_print(note->nearest, sizeof note->nearest, "%s", nearest ? nearest : text ? types[0] : "");
}

static enum err write_type(const void *from, struct buf *to)
{
    (void)from;
    return json_text_add_string(to, types[0], strlen(types[0]));
}

/* "batch" is a known norm: its statistics come with the breadth of the core. */
static void read_norm(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    const char *text = json_string_value(value), *nearest;
    int i = 0;
    while (text && norms[i] && strcmp(norms[i], text)) i++;
    if (text && i < NORM_BATCH) {
        *(enum model_norm *)to = (enum model_norm)i;
        return;
    }
    static const char allowed[] = "one of: instance, group, none";
    struct err_note *note;
    if (!text)
        note = json_fields_refuse(errors, ERR_TYPE, pointer, value, allowed, "not a word");
    else if (i == NORM_BATCH)
        note = json_fields_refuse(errors, ERR_NOT_BUILT, pointer, value, allowed, "a known norm, not built yet");
    else
        note = json_fields_refuse(errors, ERR_WORD_UNKNOWN, pointer, value, allowed, "unknown word");
    nearest = text && i > NORM_BATCH ? err_nearest(text, norms) : NULL;
    if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
}

static enum err write_norm(const void *from, struct buf *to)
{
    const char *word = norms[*(const enum model_norm *)from];
    return json_text_add_string(to, word, strlen(word));
}

#define ROW(member_name, field_type, ...) {.name = #member_name, .type = field_type, FIELD_AT(struct model_spec, member_name), __VA_ARGS__}
const struct field model_fields[] = {
    {.name = "type", .type = FIELD_OTHER, .read = read_type, .write = write_type, .help = "the family"},
    {.name = "widths", .type = FIELD_INT, .offset = offsetof(struct model_spec, widths), .size = sizeof(int), .min = 1, .max = 1024,
     .array_min = 2, .array_max = WIDTHS_MAX, .count_offset = offsetof(struct model_spec, levels), .help = "channels of each level, finest first"},
    ROW(convs, FIELD_INT, .min = 1, .max = 4, .help = "convolutions a block"),
    ROW(down, FIELD_WORD, .words = downs, .help = "how a level halves"),
    ROW(norm, FIELD_OTHER, .read = read_norm, .write = write_norm, .help = "instance, group or none"),
    ROW(groups, FIELD_INT, .min = 1, .max = 1024, .help = "norm group: must divide every width"),
    ROW(activation, FIELD_WORD, .words = activations, .help = "after every norm"),
    ROW(slope, FIELD_REAL, .min = 0, .max = 1, .open_max = true, .help = "leaky_relu below 0"),
    ROW(conv_bias, FIELD_BOOL, .help = "a bias in 3x3 convolutions, too"),
    {0}};
