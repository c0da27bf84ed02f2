/* exif: finds tag 0x0112 in the first directory of an Exif block. */
#include "worker/data/exif.h"

#include <stdint.h>
#include <string.h>

static uint32_t number(const unsigned char *at, unsigned bytes, int big_endian)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++) value = value << 8 | at[big_endian ? i : bytes - 1 - i];
    return value;
}

unsigned exif_orientation(const unsigned char *block, size_t length)
{
    enum { HEADER = 8, ENTRY = 12, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };
    if (length < HEADER) return 1;
    int big_endian = !memcmp(block, "MM\0*", 4);
    if (!big_endian && memcmp(block, "II*\0", 4)) return 1;
    size_t at = number(block + 4, 4, big_endian);
    if (at > length || length - at < 2) return 1;
    size_t entries = number(block + at, 2, big_endian);
    at += 2;
    for (size_t i = 0; i < entries && length - at >= ENTRY; i++, at += ENTRY) {
        if (number(block + at, 2, big_endian) != TAG_ORIENTATION) continue;
        if (number(block + at + 2, 2, big_endian) != TYPE_SHORT) return 1;
        unsigned value = number(block + at + 8, 2, big_endian);
        return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}

enum err exif_check(const unsigned char *block, size_t length, const char *name, struct err_note *note)
{
    unsigned orientation = exif_orientation(block, length);
    if (orientation == 1) return OK;
    return err_set(note, ERR_DATA, name,
                   "%s: its Exif orientation is %u (shown turned or mirrored); store the pixels upright and drop the tag",
                   name, orientation);
}
