/* test_label_map: what raw mask values mean, and what is said of values that mean nothing. */
#include "tests/check.h"
#include "worker/data/label_map.h"

static struct image grey(uint8_t *values, uint32_t width, uint32_t height)
{
    return (struct image){width, height, 1, 8, values, NULL};
}

static struct label_map *map_of(enum label_kind kind, const uint32_t (*pairs)[2], size_t count)
{
    struct label_map *map = malloc(sizeof *map);
    struct err_note note;
    CHECK(map);
    label_map_init(map, kind);
    for (size_t i = 0; i < count; i++) CHECK(label_map_add(map, pairs[i][0], (uint8_t)pairs[i][1], "p", &note) == OK);
    return map;
}

void test_label_values_are_mapped_and_ignored_ones_marked(void)
{
    const uint32_t pairs[][2] = {{0, 1}, {255, 0}, {7, LABEL_IGNORE}};
    struct label_map *map = map_of(LABEL_VALUES, pairs, 3);
    uint8_t values[6] = {0, 255, 7, 7, 255, 0}, classes[6];
    struct image mask = grey(values, 3, 2);
    struct err_note note;
    CHECK(label_map_apply(map, &mask, "m.png", classes, &note) == OK);
    CHECK(!memcmp(classes, (uint8_t[]){1, 0, 255, 255, 0, 1}, 6));
    CHECK(label_map_add(map, 7, 1, "labels/map/7", &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "labels/map/7: value 7 is given two meanings");
    free(map);
}

void test_label_unmapped_values_are_named_with_their_counts(void)
{
    const uint32_t pairs[][2] = {{0, 0}, {127, 1}};
    struct label_map *map = map_of(LABEL_VALUES, pairs, 2);
    uint8_t values[10] = {0, 127, 128, 128, 128, 130, 0, 0, 0, 0}, classes[10];
    struct image mask = grey(values, 5, 2);
    struct err_note note;
    CHECK(label_map_apply(map, &mask, "masks/a.png", classes, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "masks/a.png: value 128 in 3 pixels is not named in labels.map or labels.ignore; nor is 1 other "
                            "(1 pixel)");
    CHECK_TEXT(note.pointer, "masks/a.png");
    CHECK_TEXT(note.found, "128 (3); 130 (1)");
    CHECK_TEXT(note.allowed, "0, 127");
    values[5] = 0;
    CHECK(label_map_apply(map, &mask, "masks/a.png", classes, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "masks/a.png: value 128 in 3 pixels is not named in labels.map or labels.ignore");
    free(map);
}

void test_label_values_of_16_bits_are_not_cut_to_8(void)
{
    const uint32_t pairs[][2] = {{0, 0}, {65535, 1}};
    struct label_map *map = map_of(LABEL_VALUES, pairs, 2);
    uint16_t values[4] = {0, 65535, 65535, 256};
    uint8_t classes[4];
    struct image mask = {2, 2, 1, 16, NULL, values};
    struct err_note note;
    CHECK(label_map_apply(map, &mask, "m.png", classes, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "m.png: value 256 in 1 pixel is not named in labels.map or labels.ignore");
    values[3] = 0;
    CHECK(label_map_apply(map, &mask, "m.png", classes, &note) == OK);
    CHECK(!memcmp(classes, (uint8_t[]){0, 1, 1, 0}, 4));
    free(map);
}

void test_label_threshold_copes_with_every_value_and_keeps_ignored_ones(void)
{
    const uint32_t pairs[][2] = {{5, LABEL_IGNORE}};
    struct label_map *map = map_of(LABEL_THRESHOLD, pairs, 1);
    label_map_threshold(map, 128);
    uint8_t values[12] = {3, 3, 3, 127, 127, 127, 128, 128, 128, 5, 5, 5},
            classes[4]; /* 3 equal channels, as a JPEG mask has */
    struct image mask = {2, 2, 3, 8, values, NULL};
    struct err_note note;
    CHECK(label_map_apply(map, &mask, "m.jpg", classes, &note) == OK);
    CHECK(!memcmp(classes, (uint8_t[]){0, 0, 1, 255}, 4));
    free(map);
}

void test_label_colours_are_mapped_and_a_stray_one_named(void)
{
    const uint32_t pairs[][2] = {{0xff0000, 1}, {0x000000, 0}, {0xffffff, LABEL_IGNORE}};
    struct label_map *map = map_of(LABEL_RGB, pairs, 3);
    uint8_t values[12] = {255, 0, 0, 0, 0, 0, 255, 255, 255, 1, 2, 3}, classes[4];
    struct image mask = {2, 2, 3, 8, values, NULL};
    struct err_note note;
    CHECK(label_map_apply(map, &mask, "m.png", classes, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "m.png: colour 1,2,3 in 1 pixel is not named in labels.map or labels.ignore");
    CHECK_TEXT(note.allowed, "0,0,0; 255,0,0; 255,255,255");
    memset(values + 9, 0, 3);
    CHECK(label_map_apply(map, &mask, "m.png", classes, &note) == OK);
    CHECK(!memcmp(classes, (uint8_t[]){1, 0, 255, 0}, 4));
    struct image grey_mask = grey(values, 4, 1);
    CHECK(label_map_apply(map, &grey_mask, "g.png", classes, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "g.png: labels.kind rgb needs a mask of 3 channels of 8 bits; this one has 1 of 8");
    map->kind = LABEL_VALUES;
    CHECK(label_map_apply(map, &mask, "m.png", classes, &note) == ERR_DATA);
    CHECK_TEXT(
        note.detail,
        "m.png: a colour mask (its 3 channels differ); labels.kind rgb maps colours, the other kinds need grey or palette");
    free(map);
}
