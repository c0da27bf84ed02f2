/* label_map: turns a mask's raw values (or colours) into class indices; what is not mapped is an error, never a guess. */
#ifndef WORKER_DATA_LABEL_MAP_H
#define WORKER_DATA_LABEL_MAP_H
#include "worker/data/image.h"

enum {
    LABEL_IGNORE = 255,   /* in a class map: this pixel counts nowhere */
    LABEL_UNMAPPED = 254, /* inside the table only */
    LABEL_CLASSES_MAX = 254,
    LABEL_COLOURS_MAX = 1024
};

/* values: raw value -> class by table. threshold: raw >= threshold is class 1, else 0. rgb: colour 0xRRGGBB -> class. */
enum label_kind { LABEL_VALUES, LABEL_THRESHOLD, LABEL_RGB };

struct label_colour {
    uint32_t rgb;        /* 0xRRGGBB */
    uint8_t class_index; /* or LABEL_IGNORE */
};
struct label_map {
    enum label_kind kind;
    uint8_t class_of[65536]; /* values and threshold: class, LABEL_IGNORE or LABEL_UNMAPPED */
    struct label_colour colours[LABEL_COLOURS_MAX]; /* rgb: sorted */
    size_t colour_count;
};

void label_map_init(struct label_map *map, enum label_kind kind); /* everything unmapped */
/* Maps a raw value (0..65535) or a colour to a class or to LABEL_IGNORE. ERR_DATA if it is mapped already or the table
   is full; `pointer` stands in the note. */
enum err label_map_add(struct label_map *map, uint32_t raw, uint8_t class_index, const char *pointer,
                       struct err_note *note) MUST_USE;
/* threshold kind: fills the table; values mapped before (to ignore) stay. */
void label_map_threshold(struct label_map *map, uint32_t threshold);
/* Writes width*height class indices (LABEL_IGNORE for ignored values) to `classes`. A mask of three channels must have
   equal ones for values and threshold, and rgb needs three of 8 bits: else ERR_DATA. An unmapped value is ERR_DATA naming
   `name`, the lowest unmapped value with its count, and all of them (up to eight) with counts in `found`.
   Equal channels of `mask` are reduced to one in place. */
enum err label_map_apply(const struct label_map *map, struct image *mask, const char *name, uint8_t *classes,
                         struct err_note *note) MUST_USE;
#endif
