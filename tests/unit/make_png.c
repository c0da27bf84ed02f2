/* make_png: chunks, filter 0, Adam7. */
#include "tests/unit/make_png.h"

#include <zlib.h>

#include "tests/check.h"

unsigned make_png_channels(unsigned type)
{
    return type == MAKE_RGB ? 3 : type == MAKE_RGBA ? 4 : type == MAKE_GREY_ALPHA ? 2 : 1;
}

static void add(struct buf *to, const void *bytes, size_t length)
{
    CHECK(buf_add(to, bytes, length) == OK);
}

static void add_number(struct buf *to, uint32_t n)
{
    const uint8_t bytes[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    add(to, bytes, 4);
}

static void add_chunk(struct buf *to, const char *type, const void *data, size_t length)
{
    add_number(to, (uint32_t)length);
    size_t start = to->length;
    add(to, type, 4);
    if (length) add(to, data, length);
    add_number(to, (uint32_t)crc32(0, (const Bytef *)to->data + start, (uInt)(to->length - start)));
}

/* The pixels x0, x0+dx, ... of every row y0, y0+dy, ..., each row after its filter byte. */
static void add_pass(struct buf *to, const struct png_recipe *r, uint32_t x0, uint32_t y0, uint32_t dx, uint32_t dy)
{
    unsigned channels = make_png_channels(r->type);
    if (x0 >= r->width) return;
    for (uint32_t y = y0; y < r->height; y += dy) {
        unsigned bits = 0, filled = 0;
        add(to, "", 1);
        for (uint32_t x = x0; x < r->width; x += dx)
            for (unsigned c = 0; c < channels; c++) {
                uint16_t v = r->values[((size_t)y * r->width + x) * channels + c];
                if (r->depth == 16) {
                    const uint8_t both[2] = {(uint8_t)(v >> 8), (uint8_t)v};
                    add(to, both, 2);
                    continue;
                }
                bits = bits << r->depth | v;
                filled += r->depth;
                if (filled < 8) continue;
                const uint8_t byte = (uint8_t)bits;
                add(to, &byte, 1);
                bits = filled = 0;
            }
        if (filled) {
            const uint8_t byte = (uint8_t)(bits << (8 - filled));
            add(to, &byte, 1);
        }
    }
}

static void add_pixels(struct buf *to, const struct png_recipe *r)
{
    static const uint8_t adam7[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                        {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    struct buf raw;
    buf_init(&raw, (size_t)1 << 28);
    if (r->interlaced)
        for (unsigned p = 0; p < 7; p++) add_pass(&raw, r, adam7[p][0], adam7[p][1], adam7[p][2], adam7[p][3]);
    else
        add_pass(&raw, r, 0, 0, 1, 1);
    uLongf length = compressBound((uLong)raw.length);
    Bytef *packed = malloc(length);
    CHECK(packed && compress(packed, &length, (const Bytef *)raw.data, (uLong)raw.length) == Z_OK);
    add_chunk(to, "IDAT", packed, length);
    free(packed);
    buf_free(&raw);
}

struct buf make_png(const struct png_recipe *r)
{
    struct buf to, head;
    buf_init(&to, (size_t)1 << 28);
    buf_init(&head, 64);
    add(&to, "\x89PNG\r\n\x1a\n", 8);
    add_number(&head, r->claimed_width ? r->claimed_width : r->width);
    add_number(&head, r->claimed_height ? r->claimed_height : r->height);
    const uint8_t rest[5] = {(uint8_t)r->depth, (uint8_t)r->type, 0, 0, r->interlaced != 0};
    add(&head, rest, 5);
    add_chunk(&to, "IHDR", head.data, head.length);
    buf_free(&head);
    if (r->exif) add_chunk(&to, "eXIf", r->exif, r->exif_length);
    if (r->palette) add_chunk(&to, "PLTE", r->palette, r->palette_count * 3);
    if (r->trns) add_chunk(&to, "tRNS", r->trns, r->trns_length);
    add_pixels(&to, r);
    add_chunk(&to, "IEND", NULL, 0);
    return to;
}

void make_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, length, file) == length);
    CHECK(fclose(file) == 0);
}

void make_grey_png(const char *path, uint32_t width, uint32_t height, const uint8_t *pixels)
{
    size_t count = (size_t)width * height;
    uint16_t *values = malloc(count * sizeof *values);
    CHECK(values);
    for (size_t i = 0; i < count; i++) values[i] = pixels[i];
    struct buf png =
        make_png(&(struct png_recipe){.width = width, .height = height, .type = MAKE_GREY, .depth = 8, .values = values});
    make_file(path, png.data, png.length);
    buf_free(&png);
    free(values);
}
