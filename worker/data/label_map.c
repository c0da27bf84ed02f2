/* label_map: tables from raw mask values to classes, and the complaint about what they do not name. */
#include "worker/data/label_map.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void label_map_init(struct label_map *map, enum label_kind kind)
{
    map->kind = kind;
    map->colour_count = 0;
    memset(map->class_of, LABEL_UNMAPPED, sizeof map->class_of);
}

/* Where `rgb` is or belongs in the sorted colours. */
static size_t colour_place(const struct label_map *map, uint32_t rgb)
{
    size_t low = 0, high = map->colour_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (map->colours[middle].rgb < rgb)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint8_t class_of_colour(const struct label_map *map, uint32_t rgb)
{
    size_t at = colour_place(map, rgb);
    return at < map->colour_count && map->colours[at].rgb == rgb ? map->colours[at].class_index : LABEL_UNMAPPED;
}

/* 128, or 255,0,16 for a colour. */
static void print_raw(const struct label_map *map, uint32_t raw, char text[16])
{
    if (map->kind == LABEL_RGB)
        snprintf(text, 16, "%u,%u,%u", raw >> 16 & 255u, raw >> 8 & 255u, raw & 255u);
    else
        snprintf(text, 16, "%u", raw);
}

enum err label_map_add(struct label_map *map, uint32_t raw, uint8_t class_index, const char *pointer, struct err_note *note)
{
    char text[16];
    print_raw(map, raw, text);
    if (map->kind != LABEL_RGB) {
        assert(raw < 65536);
        if (map->class_of[raw] != LABEL_UNMAPPED)
            return err_set(note, ERR_DATA, pointer, "%s: value %s is given two meanings", pointer, text);
        map->class_of[raw] = class_index;
        return OK;
    }
    size_t at = colour_place(map, raw);
    if (at < map->colour_count && map->colours[at].rgb == raw)
        return err_set(note, ERR_DATA, pointer, "%s: colour %s is given two meanings", pointer, text);
    if (map->colour_count == LABEL_COLOURS_MAX)
        return err_set(note, ERR_DATA, pointer, "%s: more than %d colours", pointer, LABEL_COLOURS_MAX);
    memmove(map->colours + at + 1, map->colours + at, (map->colour_count - at) * sizeof *map->colours);
    map->colours[at] = (struct label_colour){raw, class_index};
    map->colour_count++;
    return OK;
}

void label_map_threshold(struct label_map *map, uint32_t threshold)
{
    for (uint32_t raw = 0; raw < 65536; raw++)
        if (map->class_of[raw] == LABEL_UNMAPPED) map->class_of[raw] = raw >= threshold;
}

static uint32_t colour_at(const struct image *mask, size_t pixel)
{
    const uint8_t *p = mask->u8 + pixel * 3;
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* What was met and is not in the table: the first kinds of it by value, each with its count. */
struct strays {
    struct {
        uint32_t raw;
        size_t count;
    } kinds[64];
    size_t kind_count, pixels, other_pixels; /* other_pixels: of kinds past the 64th */
};

static void stray_add(struct strays *s, uint32_t raw)
{
    size_t at = 0;
    s->pixels++;
    while (at < s->kind_count && s->kinds[at].raw < raw) at++;
    if (at < s->kind_count && s->kinds[at].raw == raw) {
        s->kinds[at].count++;
        return;
    }
    if (s->kind_count == sizeof s->kinds / sizeof *s->kinds) {
        s->other_pixels++;
        return;
    }
    memmove(s->kinds + at + 1, s->kinds + at, (s->kind_count - at) * sizeof *s->kinds);
    s->kinds[at].raw = raw;
    s->kinds[at].count = 1;
    s->kind_count++;
}

static void add_text(char *to, size_t size, const char *text)
{
    size_t length = strlen(to);
    if (length + strlen(text) < size) memcpy(to + length, text, strlen(text) + 1);
}

static void print_allowed(const struct label_map *map, char *to, size_t size)
{
    enum { SHOWN = 20 };
    char text[16];
    size_t shown = 0;
    size_t end = map->kind == LABEL_RGB ? map->colour_count : 65536;
    for (size_t i = 0; i < end; i++) {
        if (map->kind != LABEL_RGB && map->class_of[i] == LABEL_UNMAPPED) continue;
        if (shown == SHOWN) {
            add_text(to, size, ", ...");
            return;
        }
        print_raw(map, map->kind == LABEL_RGB ? map->colours[i].rgb : (uint32_t)i, text);
        if (shown++) add_text(to, size, map->kind == LABEL_RGB ? "; " : ", ");
        add_text(to, size, text);
    }
}

static enum err complain(const struct label_map *map, const struct strays *s, const char *name, struct err_note *note)
{
    if (!note) return ERR_DATA;
    const char *what = map->kind == LABEL_RGB ? "colour" : "value";
    char text[16], more[96] = "";
    print_raw(map, s->kinds[0].raw, text);
    size_t first = s->kinds[0].count, kinds = s->kind_count - 1, rest = s->pixels - first;
    if (kinds)
        snprintf(more, sizeof more, "; nor %s %s%zu other%s (%zu pixel%s)", kinds > 1 ? "are" : "is",
                 s->other_pixels ? "at least " : "", kinds, kinds > 1 ? "s" : "", rest, rest > 1 ? "s" : "");
    err_set(note, ERR_DATA, name, "%s: %s %s in %zu pixel%s is not named in labels.map or labels.ignore%s", name, what, text,
            first, first > 1 ? "s" : "", more);
    for (size_t i = 0; i < s->kind_count && i < 8; i++) {
        char one[48];
        print_raw(map, s->kinds[i].raw, text);
        snprintf(one, sizeof one, "%s%s (%zu)", i ? "; " : "", text, s->kinds[i].count);
        add_text(note->found, sizeof note->found, one);
    }
    print_allowed(map, note->allowed, sizeof note->allowed);
    return ERR_DATA;
}

static enum err check_channels(const struct label_map *map, struct image *mask, const char *name, struct err_note *note)
{
    if (map->kind == LABEL_RGB) {
        if (mask->channels == 3 && mask->u8) return OK;
        return err_set(note, ERR_DATA, name,
                       "%s: labels.kind rgb needs a mask of 3 channels of 8 bits; this one has %u of %u", name,
                       mask->channels, mask->bits);
    }
    if (mask->channels == 1 || image_drop_equal_channels(mask)) return OK;
    return err_set(
        note, ERR_DATA, name,
        "%s: a colour mask (its 3 channels differ); labels.kind rgb maps colours, the other kinds need grey or palette",
        name);
}

enum err label_map_apply(const struct label_map *map, struct image *mask, const char *name, uint8_t *classes,
                         struct err_note *note)
{
    enum err e = check_channels(map, mask, name, note);
    if (e) return e;
    struct strays strays = {0};
    size_t pixels = (size_t)mask->width * mask->height;
    for (size_t i = 0; i < pixels; i++) {
        uint32_t raw = map->kind == LABEL_RGB ? colour_at(mask, i) : image_value(mask, i);
        uint8_t k = map->kind == LABEL_RGB ? class_of_colour(map, raw) : map->class_of[raw];
        if (k == LABEL_UNMAPPED) stray_add(&strays, raw);
        classes[i] = k;
    }
    return strays.pixels ? complain(map, &strays, name, note) : OK;
}
