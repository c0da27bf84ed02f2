/* plateau_json: reading and writing alpha that follows the validation. */
#include "schema/job/plateau_json.h"

#include <string.h>

#include "schema/job/plateau_check.h"

static const char *const feedbacks[] = {"plateau", NULL};
static const char *const modes[] = {"max", "min", NULL};
static void read_monitor(const json_t *value, void *to, const char *pointer, struct err_list *errors)
{
    static const char allowed[] = "val/ and one of dice, iou, precision, recall, dice_image, iou_image, precision_image, recall_image, nsd, hd95, assd, ece, ece_image, brier, "
                                  "brier_image; or one class of it: val/dice/1";
    enum plateau_mode mode;
    const char *text = json_string_value(value);
    if (text && strlen(text) < PLATEAU_MONITOR_BYTES && plateau_monitor(text, &mode)) {
        memcpy(to, text, strlen(text) + 1);
        return;
    }
    struct err_note *note = json_fields_refuse(errors, text ? ERR_MONITOR_UNKNOWN : ERR_TYPE, pointer, value, allowed, text ? "no score of a validation" : "not a text");
    const char *nearest = text ? err_nearest(text, plateau_monitors) : NULL;
    if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
}

static enum err write_monitor(const void *from, struct buf *to)
{
    return json_text_add_string(to, from, strlen(from));
}

static enum err write_feedback(const void *from, struct buf *to)
{
    (void)from;
    return json_text_add_string(to, feedbacks[0], strlen(feedbacks[0]));
}

#define ROW(member, field_type, ...) {.name = #member, .type = field_type, FIELD_AT(struct plateau, member), __VA_ARGS__}
const struct field plateau_fields[] = {
    {.name = "feedback", .type = FIELD_OTHER, .write = write_feedback, .allowed = "\"plateau\"", .help = "alpha moves when validation stalls"},
    ROW(monitor, FIELD_OTHER, .read = read_monitor, .write = write_monitor, .help = "the score that is watched"),
    ROW(mode, FIELD_WORD, .words = modes, .help = "max: larger is better; when it is not said, as the monitor improves"),
    ROW(patience, FIELD_INT, .min = 1, .max = 100000, .standard = 5, .range_error = ERR_PATIENCE, .help = "validations in a row without improvement that make a stall"),
    ROW(threshold, FIELD_REAL, .min = 0, .max = 1e6, .standard = 0.002, .help = "an improvement is more than this above the best (max) or below it (min): a difference, not a share"),
    ROW(cooldown, FIELD_INT, .min = 0, .max = 100000, .standard = 2, .help = "validations after a stall that count for the best alone"),
    ROW(from, FIELD_REAL, .min = 0, .max = 1, .range_error = ERR_ALPHA_RANGE, .required = true, .help = "alpha until the first stall"),
    ROW(to, FIELD_REAL, .min = 0, .max = 1, .range_error = ERR_ALPHA_RANGE, .required = true, .help = "where alpha stays once it is there"),
    ROW(delta, FIELD_REAL, .min = -1, .max = 1, .required = true, .help = "what a stall adds to alpha"),
    {0}};

static void check_way(const struct plateau *p, const char *pointer, struct err_list *errors)
{
    char at[192];
    bool same = !(p->from < p->to) && !(p->from > p->to), down = p->to < p->from;
    if (!same && (down ? p->delta < 0 : p->delta > 0)) return;
    json_pointer_join(at, sizeof at, pointer, same ? "to" : "delta");
    struct err_note *note = err_add(errors, ERR_RANGE, at, "%s", same ? "from and to are the same: nothing can move"
                                    : p->delta < 0 || p->delta > 0    ? "a stall would move alpha away from to"
                                                                      : "a stall would move nothing");
    json_text_number(same ? p->to : p->delta, 0, note->found);
    err_print(note->allowed, sizeof note->allowed, "%s", same ? "another number than from" : down ? "a number from -1 to below 0" : "a number above 0 and up to 1");
}

void plateau_read(const json_t *json, struct plateau *p, const char *pointer, struct err_list *errors)
{
    char at[192];
    size_t before = errors->count + errors->dropped;
    struct plateau read = {.on = true, .monitor = "val/dice"};
    const json_t *word = json_object_get(json, "feedback");
    const char *text = json_string_value(word);
    json_pointer_join(at, sizeof at, pointer, "feedback");
    if (!text || strcmp(text, feedbacks[0])) {
        struct err_note *note = json_fields_refuse(errors, text ? ERR_WORD_UNKNOWN : ERR_TYPE, at, word, "plateau", text ? "unknown word" : "not a word");
        const char *nearest = text ? err_nearest(text, feedbacks) : NULL;
        if (nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
        return;
    }
    json_fields_default(plateau_fields, &read);
    json_fields_read(json, plateau_fields, &read, pointer, errors);
    if (errors->count + errors->dropped == before) check_way(&read, pointer, errors);
    if (errors->count + errors->dropped > before) return;
    if (!json_object_get(json, "mode")) plateau_monitor(read.monitor, &read.mode);
    *p = read;
}

enum err plateau_print(const struct plateau *p, struct buf *to)
{
    return json_fields_print(plateau_fields, p, to);
}
