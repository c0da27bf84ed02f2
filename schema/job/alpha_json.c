/* alpha_json: reading and writing alpha; named schedules become keyframes here and nowhere else. */
#include "schema/job/alpha_json.h"

#include <math.h>
#include <string.h>

#include "schema/base/json_fields.h"
#include "schema/job/plateau_json.h"

static const char *const interps[] = {"hold", "linear", "cosine", "exponential", "sigmoid", "poly", NULL};
static const char *const units[] = {"epoch", "step", "fraction", NULL};
#define POINTS_FORM "[[t, alpha], ...] with t increasing, 1 to 64 points"

const char *alpha_interp_word(enum alpha_interp interp)
{
    return interps[interp];
}

const char *alpha_unit_word(enum alpha_unit unit)
{
    return units[unit];
}

/* What both forms have in common. */
#define CURVE_ROWS                                                                                                                  \
    {.name = "unit", .type = FIELD_WORD, FIELD_AT(struct alpha, unit), .words = units, .help = "what t counts"},                    \
    {.name = "repeat", .type = FIELD_REAL, FIELD_AT(struct alpha, repeat), .min = 0, .max = HUGE_VAL, .open_min = true,             \
     .nullable = true, .range_error = ERR_REPEAT_NONPOSITIVE, .help = "period, after which the curve begins again"},                \
    {.name = "mirror", .type = FIELD_BOOL, FIELD_AT(struct alpha, mirror), .help = "every second period runs backwards"},           \
    {.name = "power", .type = FIELD_REAL, FIELD_AT(struct alpha, power), .min = 0, .max = 1000, .open_min = true, .standard = 0.9,  \
     .help = "exponent of poly"},                                                                                                   \
    {.name = "k", .type = FIELD_REAL, FIELD_AT(struct alpha, k), .min = 0, .max = 1000, .open_min = true, .standard = 10,           \
     .help = "steepness of sigmoid"}

static enum err write_points(const void *from, struct buf *to)
{
    const struct alpha *a = from;
    enum err e = buf_text(to, "[");
    for (int i = 0; i < a->count && !e; i++) {
        e = buf_text(to, i ? ",[" : "[");
        if (!e) e = json_text_add_real(to, a->at[i]);
        if (!e) e = buf_text(to, ",");
        if (!e) e = json_text_add_real(to, a->value[i]);
        if (!e) e = buf_text(to, "]");
    }
    return e ? e : buf_text(to, "]");
}

static const struct field keyframe_fields[] = {
    {.name = "points", .type = FIELD_OTHER, .write = write_points, .allowed = POINTS_FORM, .help = "moments and values"},
    {.name = "interp", .type = FIELD_WORD, FIELD_AT(struct alpha, interp), .words = interps, .word_error = ERR_INTERP_UNKNOWN,
     .standard = ALPHA_LINEAR, .help = "the curve between two points"},
    CURVE_ROWS,
    {0}};

/* A named schedule: its word is the curve; start and end are points; `over` the length in its unit. */
struct named {
    struct alpha curve; /* first: CURVE_ROWS are its offsets */
    double start, end, over;
};
static const struct field named_fields[] = {
    {.name = "schedule", .type = FIELD_WORD, .offset = offsetof(struct named, curve.interp), .words = interps, .word_error = ERR_INTERP_UNKNOWN,
     .required = true, .help = "the curve"},
    {.name = "start", .type = FIELD_REAL, FIELD_AT(struct named, start), .min = 0, .max = 1, .range_error = ERR_ALPHA_RANGE, .required = true,
     .help = "alpha at the start"},
    {.name = "end", .type = FIELD_REAL, FIELD_AT(struct named, end), .min = 0, .max = 1, .range_error = ERR_ALPHA_RANGE, .required = true,
     .help = "alpha at the end"},
    {.name = "over", .type = FIELD_REAL, FIELD_AT(struct named, over), .min = 0, .max = HUGE_VAL, .open_min = true, .nullable = true,
     .help = "from start to end, in the unit; null: the whole job"},
    CURVE_ROWS,
    {0}};

/* ---- points ------------------------------------------------------------------------------------------ */
/* One [t, alpha] pair; false after a mistake. */
static bool read_point(const json_t *pair, struct alpha *a, int i, const char *pointer, struct err_list *errors)
{
    const json_t *t = json_array_get(pair, 0), *value = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_number(t) || !json_is_number(value)) {
        json_fields_refuse(errors, ERR_TYPE, pointer, pair, "[t, alpha], two numbers", "not a point");
        return false;
    }
    a->at[i] = json_number_value(t);
    a->value[i] = json_number_value(value);
    bool fits = a->value[i] >= 0 && a->value[i] <= 1;
    if (!fits) {
        char at[192];
        json_pointer_join(at, sizeof at, pointer, "1");
        json_fields_refuse(errors, ERR_ALPHA_RANGE, at, value, "a number from 0 to 1", "alpha is the weight of Dice");
    }
    if (i && a->at[i] <= a->at[i - 1]) {
        json_fields_refuse(errors, ERR_POINTS_ORDER, pointer, t, "t above that of the point before", "points go forward in time");
        fits = false;
    }
    return fits;
}

static void read_points(const json_t *points, struct alpha *a, const char *pointer, struct err_list *errors)
{
    size_t count = json_array_size(points);
    char at[192], index[16];
    a->count = 0;
    if (!points || !json_is_array(points) || !count)
        json_fields_refuse(errors, points && !json_is_array(points) ? ERR_TYPE : ERR_POINTS_EMPTY, pointer, points, POINTS_FORM, "there is no point");
    else if (count > ALPHA_POINTS_MAX)
        json_fields_refuse(errors, ERR_RANGE, pointer, points, POINTS_FORM, "too many points");
    else
        for (; a->count < (int)count; a->count++) {
            err_print(index, sizeof index, "%d", a->count);
            json_pointer_join(at, sizeof at, pointer, index);
            if (!read_point(json_array_get(points, (size_t)a->count), a, a->count, at, errors)) return;
        }
}

/* ---- what is only wrong together ---------------------------------------------------------------------- */
static void check_time(const struct alpha *a, int64_t epochs, int64_t steps, const char *pointer, struct err_list *errors)
{
    double first = a->at[0], last = a->at[a->count - 1];
    double end = a->unit == ALPHA_EPOCH ? (double)epochs : (double)epochs * (double)steps;
    struct err_note *note = NULL;
    if (a->unit == ALPHA_FRACTION) {
        if (first < 0 || last > 1) {
            note = err_add(errors, ERR_FRACTION_RANGE, pointer, "a fraction of the job");
            err_print(note->allowed, sizeof note->allowed, "t from 0 to 1");
        }
    } else if (first < 0) {
        note = err_add(errors, ERR_RANGE, pointer, "a moment before the start");
        err_print(note->allowed, sizeof note->allowed, "t of at least 0");
    } else if (last > end) {
        note = err_add(errors, ERR_POINTS_BEYOND_END, pointer, "the last point is never reached: the job ends at %s %.15g", units[a->unit], end);
        err_print(note->allowed, sizeof note->allowed, "t up to %.15g", end);
    }
    if (note) err_print(note->found, sizeof note->found, "%.15g", first < 0 ? first : last);
    else if (a->repeat > 0 && last > a->repeat) {
        note = err_add(errors, ERR_POINTS_BEYOND_END, pointer, "the last point is never reached: the curve begins again after %.15g", a->repeat);
        err_print(note->found, sizeof note->found, "%.15g", last);
        err_print(note->allowed, sizeof note->allowed, "t up to repeat");
    }
}

static void check_curve(const struct alpha *a, const char *pointer, struct err_list *errors)
{
    char at[192];
    for (int i = 0; a->interp == ALPHA_EXPONENTIAL && i < a->count; i++)
        if (!(a->value[i] > 0)) {
            struct err_note *note = err_add(errors, ERR_EXP_NONPOSITIVE, pointer, "an exponential curve never reaches 0");
            err_print(note->found, sizeof note->found, "%.15g", a->value[i]);
            err_print(note->allowed, sizeof note->allowed, "every alpha above 0");
            break;
        }
    if (a->mirror && !(a->repeat > 0)) {
        json_pointer_join(at, sizeof at, pointer, "mirror");
        err_add(errors, ERR_KEY_UNEXPECTED, at, "nothing repeats: mirror needs repeat");
    }
}

static void read_named(const json_t *json, struct alpha *a, const char *pointer, struct err_list *errors)
{
    struct named named = {.curve = *a, .over = 0};
    json_fields_read(json, named_fields, &named, pointer, errors);
    *a = named.curve;
    a->count = 2;
    a->at[1] = named.over > 0 ? named.over : 1;
    a->value[0] = named.start;
    a->value[1] = named.end;
    const json_t *unit = json_object_get(json, "unit");
    if (named.over > 0) return;
    if (unit && a->unit != ALPHA_FRACTION) {
        char at[192];
        json_pointer_join(at, sizeof at, pointer, "over");
        err_add(errors, ERR_KEY_MISSING, at, "a schedule in the unit %s says over how many", units[a->unit]);
    }
    a->unit = ALPHA_FRACTION;
}

/* What has no curve yet is one point: alpha until the first stall. */
static void read_feedback(const json_t *json, struct alpha *a, const char *pointer, struct err_list *errors)
{
    plateau_read(json, &a->plateau, pointer, errors);
    a->value[0] = a->plateau.from;
}

static void read_keyframes(const json_t *json, struct alpha *a, const char *pointer, struct err_list *errors)
{
    char at[192];
    size_t before = errors->count;
    json_pointer_join(at, sizeof at, pointer, "points");
    json_fields_read(json, keyframe_fields, a, pointer, errors);
    /* {"sart": 1}: an unknown key has been named already; that the points are missing would only be noise */
    if (errors->count == before || json_object_get(json, "points")) read_points(json_object_get(json, "points"), a, at, errors);
}

void alpha_read(const json_t *json, int64_t epochs, int64_t steps_per_epoch, struct alpha *a, const char *pointer, struct err_list *errors)
{
    struct alpha read;
    size_t before = errors->count + errors->dropped;
    alpha_constant(&read, 0.5);
    if (json_is_number(json)) {
        double value = json_number_value(json);
        if (value >= 0 && value <= 1)
            alpha_constant(a, value);
        else
            json_fields_refuse(errors, ERR_ALPHA_RANGE, pointer, json, "a number from 0 to 1", "alpha is the weight of Dice");
        return;
    }
    if (!json_is_object(json)) {
        json_fields_refuse(errors, ERR_ALPHA_TYPE, pointer, json, "a number from 0 to 1, or an object with points, schedule or feedback", "not an alpha");
        return;
    }
    if (json_object_get(json, "feedback"))
        read_feedback(json, &read, pointer, errors);
    else if (json_object_get(json, "schedule"))
        read_named(json, &read, pointer, errors);
    else
        read_keyframes(json, &read, pointer, errors);
    if (errors->count + errors->dropped > before) return;
    char at[192];
    json_pointer_join(at, sizeof at, pointer, json_object_get(json, "schedule") ? "over" : "points");
    check_time(&read, epochs, steps_per_epoch, at, errors);
    check_curve(&read, pointer, errors);
    if (errors->count + errors->dropped == before) *a = read;
}

enum err alpha_print(const struct alpha *a, struct buf *to)
{
    return a->plateau.on ? plateau_print(&a->plateau, to) : json_fields_print(keyframe_fields, a, to);
}
