/* fuzz_image: any bytes as an image file: refused with words, or decoded within the limits. PNG checksums are mended first, so
   that the mutations reach the decoder. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "worker/data/image_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t number(const uint8_t *at)
{
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

static void mend_checksums(uint8_t *png, size_t size)
{
    for (size_t at = 8; size - at >= 12 && at < size;) {
        size_t length = number(png + at);
        if (length > size - at - 12) return;
        uint32_t crc = (uint32_t)crc32(0, png + at + 4, (uInt)length + 4);
        for (unsigned i = 0; i < 4; i++) png[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += length + 12;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    if (!copy) abort();
    memcpy(copy, data, size);
    if (size > 20) mend_checksums(copy, size);
    for (int purpose = IMAGE_PICTURE; purpose <= IMAGE_MASK; purpose++) {
        struct image image;
        struct err_note note = {0};
        enum err e = image_decode(copy, size, "f", (enum image_purpose)purpose, &image, &note);
        if (e && (!note.detail[0] || image.u8 || image.u16)) abort();
        if (!e && (image.channels != 1 && image.channels != 3)) abort();
        if (!e)
            for (size_t i = 0; i < image_values(&image); i++)
                if (image_value(&image, i) >> image.bits) abort();
        image_free(&image);
    }
    free(copy);
    return 0;
}
