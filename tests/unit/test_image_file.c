/* test_image_file: PNG of every form, JPEG, and all that must be refused by name. */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/unit/make_jpeg.h"
#include "tests/unit/make_png.h"
#include "worker/data/exif.h"
#include "worker/data/image_file.h"
#include "worker/data/write_png.h"

enum { W = 13, H = 9 }; /* odd: rows of few bits end inside a byte, and Adam7 has ragged passes */

static uint32_t noise(uint32_t i)
{
    i = (i ^ 61u ^ i >> 16) * 9u;
    i = (i ^ i >> 4) * 0x27d4eb2du;
    return i ^ i >> 15;
}

static void fill(uint16_t *values, size_t count, unsigned depth)
{
    for (size_t i = 0; i < count; i++) values[i] = (uint16_t)(noise((uint32_t)i) & ((1u << depth) - 1));
}

static void check_values(const struct image *image, const uint16_t *values, unsigned channels, unsigned bits)
{
    CHECK_INT(image->width, W);
    CHECK_INT(image->height, H);
    CHECK_INT(image->channels, channels);
    CHECK_INT(image->bits, bits);
    for (size_t i = 0; i < image_values(image); i++) CHECK_INT(image_value(image, i), values[i]);
}

void test_png_of_every_grey_and_rgb_depth_keeps_its_raw_values(void)
{
    static const struct {
        unsigned type, depth;
    } kinds[] = {{MAKE_GREY, 1},  {MAKE_GREY, 2}, {MAKE_GREY, 4}, {MAKE_GREY, 8},
                 {MAKE_GREY, 16}, {MAKE_RGB, 8},  {MAKE_RGB, 16}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int variant = 0; variant < 4; variant++) {
            uint16_t values[W * H * 3];
            unsigned channels = make_png_channels(kinds[k].type);
            fill(values, W * H * channels, kinds[k].depth);
            struct buf png = make_png(&(struct png_recipe){.width = W,
                                                           .height = H,
                                                           .type = kinds[k].type,
                                                           .depth = kinds[k].depth,
                                                           .interlaced = variant & 1,
                                                           .values = values});
            struct image image;
            struct err_note note;
            CHECK(image_decode(png.data, png.length, "a.png", variant & 2 ? IMAGE_MASK : IMAGE_PICTURE, &image, &note) ==
                  OK);
            check_values(&image, values, channels, kinds[k].depth);
            image_free(&image);
            buf_free(&png);
        }
}

void test_png_palette_gives_indices_for_a_mask_and_colours_for_a_picture(void)
{
    for (unsigned depth = 1; depth <= 8; depth *= 2)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            uint16_t values[W * H], colours[W * H * 3];
            uint8_t palette[256 * 3];
            for (unsigned i = 0; i < sizeof palette; i++) palette[i] = (uint8_t)noise(i + 7);
            fill(values, W * H, depth);
            for (unsigned i = 0; i < W * H * 3; i++) colours[i] = palette[values[i / 3] * 3u + i % 3];
            const uint8_t transparent[1] = {0}; /* of index 0, as annotation tools write it: says nothing about a mask */
            struct png_recipe recipe = {.width = W,
                                        .height = H,
                                        .type = MAKE_PALETTE,
                                        .depth = depth,
                                        .interlaced = interlaced,
                                        .palette = palette,
                                        .palette_count = 1u << depth,
                                        .values = values};
            struct image image;
            struct err_note note;
            struct buf png = make_png(&recipe);
            CHECK(image_decode(png.data, png.length, "a.png", IMAGE_PICTURE, &image, &note) == OK);
            check_values(&image, colours, 3, 8);
            image_free(&image);
            buf_free(&png);
            recipe.trns = transparent;
            recipe.trns_length = 1;
            png = make_png(&recipe);
            CHECK(image_decode(png.data, png.length, "a.png", IMAGE_MASK, &image, &note) == OK);
            check_values(&image, values, 1, depth);
            image_free(&image);
            CHECK(image_decode(png.data, png.length, "a.png", IMAGE_PICTURE, &image, &note) == ERR_DATA);
            CHECK_HAS(note.detail, "a.png: transparent: alpha is 0 of 255 at column ");
            buf_free(&png);
        }
}

void test_png_alpha_is_dropped_when_full_and_refused_when_not(void)
{
    for (unsigned k = 0; k < 8; k++) {
        unsigned type = k & 1 ? MAKE_RGBA : MAKE_GREY_ALPHA, depth = k & 2 ? 16 : 8, n = make_png_channels(type);
        uint16_t values[W * H * 4], kept[W * H * 3], full = (uint16_t)((1u << depth) - 1);
        size_t at = 0;
        fill(values, W * H * n, depth);
        for (size_t i = 0; i < W * H * n; i++) {
            if (i % n == n - 1)
                values[i] = full;
            else
                kept[at++] = values[i];
        }
        struct png_recipe recipe = {
            .width = W, .height = H, .type = type, .depth = depth, .interlaced = k >= 4, .values = values};
        struct buf png = make_png(&recipe);
        struct image image;
        struct err_note note;
        CHECK(image_decode(png.data, png.length, "a.png", IMAGE_MASK, &image, &note) == OK);
        check_values(&image, kept, n - 1, depth);
        image_free(&image);
        buf_free(&png);
        values[(2 * W + 5) * n + n - 1] = 3;
        png = make_png(&recipe);
        CHECK(image_decode(png.data, png.length, "cells/a.png", IMAGE_PICTURE, &image, &note) == ERR_DATA);
        CHECK_TEXT(note.detail,
                   depth == 8 ? "cells/a.png: transparent: alpha is 3 of 255 at column 5, row 2; flatten the image first"
                              : "cells/a.png: transparent: alpha is 3 of 65535 at column 5, row 2; flatten the image first");
        buf_free(&png);
    }
}

static void check_refused(const void *bytes, size_t length, const char *words)
{
    struct image image;
    struct err_note note = {0};
    enum err e = image_decode(bytes, length, "x/y", IMAGE_PICTURE, &image, &note);
    if (e != ERR_DATA) check_fail(__FILE__, __LINE__, "accepted: %s", words);
    CHECK_TEXT(note.detail, words);
    CHECK_TEXT(note.pointer, "x/y");
    CHECK(!image.u8 && !image.u16);
}

void test_png_bombs_are_refused_before_memory_is_taken(void)
{
    uint16_t values[W * H] = {0};
    struct png_recipe recipe = {.width = W, .height = H, .type = MAKE_GREY, .depth = 8, .values = values};
    static const struct {
        uint32_t width, height;
        const char *words;
    } cases[] = {
        {2000000000, 2000000000, "x/y: 2000000000x2000000000 pixels; at most 32768 a side are read"},
        {32769, 1, "x/y: 32769x1 pixels; at most 32768 a side are read"},
        {32768, 32768, "x/y: 32768x32768 pixels are 1073741824 bytes decoded; at most 536870912 are read"},
        {20000, 20000, "x/y: damaged PNG: its header claims 400000000 bytes of pixels, too many for a file of %zu bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        recipe.claimed_width = cases[i].width;
        recipe.claimed_height = cases[i].height;
        struct buf png = make_png(&recipe);
        char words[160];
        err_print(words, sizeof words, "%.*s%zu bytes", (int)strcspn(cases[i].words, "%"), cases[i].words, png.length);
        check_refused(png.data, png.length, strchr(cases[i].words, '%') ? words : cases[i].words);
        buf_free(&png);
    }
}

void test_png_cut_anywhere_or_with_any_byte_changed_never_harms(void)
{
    uint16_t values[W * H * 3];
    fill(values, W * H * 3, 8);
    struct buf png = make_png(
        &(struct png_recipe){.width = W, .height = H, .type = MAKE_RGB, .depth = 8, .interlaced = 1, .values = values});
    struct image image;
    struct err_note note;
    for (size_t cut = 0; cut < png.length; cut++) {
        unsigned char *part = malloc(cut + 1); /* exactly as long: reading past it is seen by the sanitizer */
        memcpy(part, png.data, cut);
        CHECK(image_decode(part, cut, "a.png", IMAGE_PICTURE, &image, &note) == ERR_DATA);
        free(part);
    }
    size_t refused = 0;
    for (size_t at = 0; at < png.length; at++) {
        png.data[at] = (char)(png.data[at] ^ 0x55);
        enum err e = image_decode(png.data, png.length, "a.png", IMAGE_PICTURE, &image, &note);
        CHECK(e == OK || e == ERR_DATA);
        refused += e == ERR_DATA;
        image_free(&image);
        png.data[at] = (char)(png.data[at] ^ 0x55);
    }
    CHECK_INT(refused, png.length); /* every byte is under a checksum */
    buf_free(&png);
}

void test_jpeg_grey_and_rgb_are_read(void)
{
    uint8_t pixels[64 * 48 * 3];
    for (int components = 1; components <= 3; components += 2)
        for (int progressive = 0; progressive < 2; progressive++) {
            for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i / 64 % 200 + 20); /* smooth: little is lost */
            unsigned char *bytes;
            unsigned long length;
            make_jpeg(64, 48, components, progressive, pixels, NULL, 0, &bytes, &length);
            struct image image;
            struct err_note note;
            CHECK(image_decode(bytes, length, "a.jpg", IMAGE_PICTURE, &image, &note) == OK);
            CHECK_INT(image.width, 64);
            CHECK_INT(image.height, 48);
            CHECK_INT(image.channels, components);
            CHECK_INT(image.bits, 8);
            for (size_t i = 0; i < image_values(&image); i++) CHECK_NEAR(image.u8[i], pixels[i], 6);
            image_free(&image);
            for (unsigned long cut = 2; cut < length; cut += 41) {
                CHECK(image_decode(bytes, cut, "a.jpg", IMAGE_PICTURE, &image, &note) == ERR_DATA);
                CHECK(!image.u8);
            }
            for (unsigned long at = 0; at < length; at += 7) {
                bytes[at] ^= 0x55;
                enum err e = image_decode(bytes, length, "a.jpg", IMAGE_PICTURE, &image, &note);
                CHECK(e == OK || e == ERR_DATA);
                image_free(&image);
                bytes[at] ^= 0x55;
            }
            free(bytes);
        }
}

/* A directory of one entry: orientation. */
static const uint8_t exif_turned[] = {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};

void test_jpeg_of_four_inks_or_turned_by_exif_is_refused(void)
{
    uint8_t pixels[16 * 16 * 4] = {0};
    unsigned char *bytes;
    unsigned long length;
    make_jpeg(16, 16, 4, 0, pixels, NULL, 0, &bytes, &length);
    check_refused(bytes, length, "x/y: a JPEG of 4 components (CMYK or unknown): store it as grey or RGB");
    free(bytes);
    make_jpeg(16, 16, 3, 0, pixels, exif_turned, sizeof exif_turned, &bytes, &length);
    check_refused(bytes, length,
                  "x/y: its Exif orientation is 6 (shown turned or mirrored); store the pixels upright and drop the tag");
    free(bytes);
    uint16_t values[W * H] = {0};
    struct buf png = make_png(&(struct png_recipe){.width = W,
                                                   .height = H,
                                                   .type = MAKE_GREY,
                                                   .depth = 8,
                                                   .values = values,
                                                   .exif = exif_turned,
                                                   .exif_length = sizeof exif_turned});
    check_refused(png.data, png.length,
                  "x/y: its Exif orientation is 6 (shown turned or mirrored); store the pixels upright and drop the tag");
    buf_free(&png);
}

void test_exif_blocks_of_any_content_are_read_within_their_length(void)
{
    CHECK_INT(exif_orientation(exif_turned, sizeof exif_turned), 6);
    for (size_t cut = 0; cut < sizeof exif_turned; cut++) {
        unsigned char *part = malloc(cut + 1);
        memcpy(part, exif_turned, cut);
        unsigned orientation = exif_orientation(part, cut);
        CHECK(orientation == 1 || (orientation == 6 && cut >= 22));
        free(part);
    }
    const uint8_t big_endian[] = {'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 3, 0, 0};
    CHECK_INT(exif_orientation(big_endian, sizeof big_endian), 3);
}

void test_other_formats_are_refused_by_their_name(void)
{
    uint8_t bytes[400] = {0};
    check_refused(bytes, 0, "x/y: the file is empty");
    check_refused(bytes, sizeof bytes, "x/y: not an image that is known here; PNG and JPEG are read");
    static const struct {
        size_t at;
        const char *magic, *words;
    } cases[] = {
        {0, "GIF89a", "x/y: this is GIF, which is not read here; convert it to PNG"},
        {0, "II*", "x/y: this is TIFF, which is not read here; convert it to PNG"},
        {344, "n+1", "x/y: this is NIfTI, which is not read here; convert it to PNG"},
        {0, "\x1f\x8b", "x/y: this is gzip (a .nii.gz?), which is not read here; convert it to PNG"},
        {0, "BM", "x/y: this is BMP, which is not read here; convert it to PNG"},
        {128, "DICM", "x/y: this is DICOM, which is not read here; convert it to PNG"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(bytes, 0, sizeof bytes);
        memcpy(bytes + cases[i].at, cases[i].magic, strlen(cases[i].magic));
        check_refused(bytes, sizeof bytes, cases[i].words);
    }
}

void test_files_are_never_read_from_outside_the_folder(void)
{
    CHECK(mkdir("in", 0755) == 0 && mkdir("in/sub", 0755) == 0 && mkdir("out", 0755) == 0);
    make_file("out/secret.png", "x", 1);
    make_file("in/sub/a.txt", "abc", 3);
    CHECK(symlink("../out/secret.png", "in/link.png") == 0 && symlink("../out", "in/away") == 0);
    CHECK(symlink("/etc/passwd", "in/absolute.png") == 0 && symlink("sub/a.txt", "in/near.txt") == 0);
    CHECK(mkfifo("in/pipe.png", 0644) == 0);
    int folder;
    struct err_note note;
    CHECK(folder_open("in", &folder, &note) == OK);
    static const struct {
        const char *path, *words;
    } refused[] = {
        {"../out/secret.png", "../out/secret.png: leads out of the data folder"},
        {"/etc/passwd", "/etc/passwd: leads out of the data folder"},
        {"link.png", "link.png: leads out of the data folder"},
        {"absolute.png", "absolute.png: leads out of the data folder"},
        {"away/secret.png", "away/secret.png: leads out of the data folder"},
        {"sub/../../out/secret.png", "sub/../../out/secret.png: leads out of the data folder"},
        {"none.png", "none.png: no such file"},
        {"sub", "sub: not a regular file"},
        {"pipe.png", "pipe.png: not a regular file"},
    };
    char *bytes;
    size_t length;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CHECK(folder_read_file(folder, refused[i].path, 100, &bytes, &length, &note) == ERR_DATA);
        CHECK_TEXT(note.detail, refused[i].words);
    }
    CHECK(folder_read_file(folder, "near.txt", 3, &bytes, &length, &note) == OK); /* a link that stays inside is fine */
    CHECK_TEXT(bytes, "abc");
    CHECK_INT(length, 3);
    free(bytes);
    CHECK(folder_read_file(folder, "near.txt", 2, &bytes, &length, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "near.txt: 3 bytes; at most 2 are read");
    close(folder);
    CHECK(folder_open("nowhere", &folder, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "nowhere: cannot open this folder: No such file or directory");
}

void test_png_written_is_read_back_and_the_same_every_time(void)
{
    uint8_t pixels[W * H * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)noise((uint32_t)i);
    for (unsigned channels = 1; channels <= 3; channels += 2) {
        struct image image;
        struct err_note note;
        struct buf first, second;
        CHECK(write_png("a.png", W, H, channels, pixels, &note) == OK);
        CHECK(image_read("a.png", IMAGE_PICTURE, &image, &note) == OK);
        CHECK_INT(image.channels, channels);
        CHECK(!memcmp(image.u8, pixels, image_values(&image)));
        image_free(&image);
        buf_init(&first, 1 << 20);
        buf_init(&second, 1 << 20);
        CHECK(write_png_to_buf(&first, W, H, channels, pixels) == OK &&
              write_png_to_buf(&second, W, H, channels, pixels) == OK);
        CHECK(first.length == second.length && !memcmp(first.data, second.data, first.length));
        buf_free(&first);
        buf_free(&second);
        buf_init(&first, 40);
        CHECK(write_png_to_buf(&first, W, H, channels, pixels) == ERR_TOO_LARGE);
        buf_free(&first);
    }
    struct err_note note;
    CHECK(write_png("nowhere/a.png", W, H, 1, pixels, &note) == ERR_IO);
    CHECK_TEXT(note.detail, "nowhere/a.png: cannot be written: No such file or directory");
}
