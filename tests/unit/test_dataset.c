/* test_dataset: folders become data sets with exact numbers; wrong ones are refused with names and counts; real sets load. */
#include <math.h>
#include <sys/stat.h>

#include "tests/check.h"
#include "tests/unit/make_png.h"
#include "worker/data/dataset.h"

static void write_manifest(const char *folder, unsigned channels, const char *labels)
{
    char path[300], text[2000];
    snprintf(text, sizeof text,
             "{\"name\": \"two\", \"channels\": %u, \"num_classes\": 2, \"classes\": [\"out\", \"in\"], \"labels\": %s,"
             "\"items\": [{\"id\": \"a\", \"image\": \"a.png\", \"mask\": \"ma.png\"}, {\"id\": \"b\", \"image\": "
             "\"b.png\", \"mask\": \"mb.png\"}],"
             "\"split\": {\"train\": [\"a\"], \"val\": [\"b\"]}}",
             channels, labels);
    snprintf(path, sizeof path, "%s/dataset.json", folder);
    make_file(path, text, strlen(text));
}

#define BINARY "{\"kind\": \"values\", \"map\": {\"0\": 0, \"255\": 1}, \"ignore\": [9]}"

/* a: 4x3 with some of each; b: 2x2 uniform, empty mask. */
static void write_two(const char *folder)
{
    static const uint8_t a[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 200},
                         ma[12] = {0, 0, 255, 255, 0, 9, 255, 0, 0, 0, 0, 255};
    static const uint8_t b[4] = {50, 50, 50, 50}, mb[4] = {0, 0, 0, 0};
    char path[300];
    CHECK(mkdir(folder, 0755) == 0);
    write_manifest(folder, 1, BINARY);
    snprintf(path, sizeof path, "%s/a.png", folder), make_grey_png(path, 4, 3, a);
    snprintf(path, sizeof path, "%s/ma.png", folder), make_grey_png(path, 4, 3, ma);
    snprintf(path, sizeof path, "%s/b.png", folder), make_grey_png(path, 2, 2, b);
    snprintf(path, sizeof path, "%s/mb.png", folder), make_grey_png(path, 2, 2, mb);
}

void test_dataset_normalises_like_the_formula_and_counts_classes(void)
{
    struct dataset set;
    struct err_note note;
    write_two("s");
    CHECK(dataset_load("s", 0, &set, &note) == OK);
    CHECK_TEXT(set.name, "two");
    CHECK_INT(set.splits[SPLIT_TRAIN].count, 1);
    CHECK_INT(set.splits[SPLIT_VAL].count, 1);
    const struct dataset_image *a = &set.splits[SPLIT_TRAIN].images[0], *b = &set.splits[SPLIT_VAL].images[0];
    double mean = 266.0 / 12, squares = 385 + 121 + 40000, std = sqrt(squares / 12 - mean * mean);
    CHECK_NEAR((double)a->mean[0], mean, 1e-5);
    CHECK_NEAR((double)a->divisor[0], std + 1e-6, 1e-4);
    CHECK_NEAR((double)dataset_value(a, 0, 11), (200 - mean) / (std + 1e-6), 1e-6);
    for (size_t i = 0; i < 12; i++) /* the table holds the very bits of the formula */
        CHECK(dataset_value(a, 0, i) == ((float)a->u8[i] - a->mean[0]) / a->divisor[0]);
    CHECK(!memcmp(a->classes, (uint8_t[]){0, 0, 1, 1, 0, 255, 1, 0, 0, 0, 0, 1}, 12));
    CHECK_INT(a->class_pixels[0], 7);
    CHECK_INT(a->class_pixels[1], 4);
    CHECK_INT(a->ignored_pixels, 1);
    CHECK_INT(a->row_foreground[1], 2);
    CHECK_INT(a->row_foreground[3], 4);
    CHECK(dataset_value(b, 0, 3) == 0); /* uniform: zeros, not NaN */
    CHECK_INT(set.uniform_images, 1);
    CHECK_INT(set.empty_masks, 1);
    CHECK_INT(set.bytes, 2 * (12 + 4));
    CHECK_INT(set.splits[SPLIT_TRAIN].with_foreground_count, 1);
    CHECK_INT(set.splits[SPLIT_VAL].with_foreground_count, 0);
    dataset_free(&set);
    dataset_free(&set);
}

void test_dataset_of_16_bits_is_normalised_by_the_same_formula(void)
{
    uint16_t values[12];
    struct dataset set;
    struct err_note note;
    write_two("s");
    for (size_t i = 0; i < 12; i++) values[i] = (uint16_t)(65535 - i * 5000);
    struct buf png =
        make_png(&(struct png_recipe){.width = 4, .height = 3, .type = MAKE_GREY, .depth = 16, .values = values});
    make_file("s/a.png", png.data, png.length);
    buf_free(&png);
    CHECK(dataset_load("s", 0, &set, &note) == OK);
    const struct dataset_image *a = &set.splits[SPLIT_TRAIN].images[0];
    CHECK(a->u16 && !a->u8);
    double mean = 65535 - 5.5 * 5000, std = 5000 * sqrt((12 * 12 - 1) / 12.0);
    for (size_t i = 0; i < 12; i++) CHECK_NEAR((double)dataset_value(a, 0, i), (values[i] - mean) / std, 1e-6);
    dataset_free(&set);
}

static void check_refused(const char *folder, const char *words)
{
    struct dataset set;
    struct err_note note = {0};
    if (dataset_load(folder, 0, &set, &note) != ERR_DATA) check_fail(__FILE__, __LINE__, "accepted: %s", words);
    CHECK_TEXT(note.detail, words);
    CHECK(!set.classes && !set.splits[0].images);
}

void test_dataset_refusals_name_file_value_count_and_sizes(void)
{
    static const uint8_t stray[12] = {0, 0, 128, 128, 0, 0, 0, 0, 0, 0, 0, 255};
    check_refused("nowhere", "nowhere: cannot open this folder: No such file or directory");
    CHECK(mkdir("empty", 0755) == 0);
    check_refused("empty", "dataset.json: no such file");
    write_two("value");
    make_grey_png("value/ma.png", 4, 3, stray);
    check_refused("value", "ma.png: value 128 in 2 pixels is not named in labels.map or labels.ignore");
    write_two("size");
    make_grey_png("size/ma.png", 3, 4, stray);
    check_refused("size", "ma.png: the mask is 3x4 pixels, its image a.png is 4x3");
    write_two("missing");
    CHECK(remove("missing/mb.png") == 0);
    check_refused("missing", "mb.png: no such file");
    write_two("grey");
    write_manifest("grey", 3, BINARY);
    check_refused("grey", "a.png: 1 channel; dataset.json says channels is 3: store it as RGB");
    write_two("colour");
    uint16_t values[36];
    for (size_t i = 0; i < 36; i++) values[i] = (uint16_t)i;
    struct buf png = make_png(&(struct png_recipe){.width = 4, .height = 3, .type = MAKE_RGB, .depth = 8, .values = values});
    make_file("colour/a.png", png.data, png.length);
    buf_free(&png);
    check_refused("colour", "a.png: 3 channels that differ; dataset.json says channels is 1");
    for (size_t i = 0; i < 36; i++) values[i] = (uint16_t)(i / 3);
    png = make_png(&(struct png_recipe){.width = 4, .height = 3, .type = MAKE_RGB, .depth = 8, .values = values});
    make_file("colour/a.png", png.data, png.length);
    buf_free(&png);
    struct dataset set;
    struct err_note note;
    CHECK(dataset_load("colour", 0, &set, &note) == OK); /* grey stored as RGB */
    CHECK_INT(set.splits[SPLIT_TRAIN].images[0].u8[11], 11);
    struct dataset_image alone;
    CHECK(dataset_image_read("colour/a.png", 1, &alone, &note) == OK); /* the same pixels without a mask */
    CHECK(!memcmp(alone.u8, set.splits[SPLIT_TRAIN].images[0].u8, 12) && !memcmp(alone.table, set.splits[SPLIT_TRAIN].images[0].table, 1024));
    dataset_image_free(&alone);
    CHECK(dataset_image_read("colour/ma.png", 3, &alone, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "colour/ma.png: 1 channel; the model takes 3: store it as RGB");
    dataset_free(&set);
    CHECK(dataset_load("colour", 30, &set, &note) == ERR_NO_MEMORY);
    CHECK_TEXT(note.detail, "b.png: with this image the data set holds 32 bytes; the limit is 30");
}

void test_dataset_check_lists_every_mistake_and_counts_the_rest(void)
{
    static const uint8_t stray[12] = {0, 0, 128, 128, 0, 0, 0, 0, 0, 0, 0, 255};
    struct err_list mistakes = {0};
    struct dataset set;
    char *text;
    write_two("s");
    CHECK(dataset_check("s", &set, &mistakes) == OK);
    CHECK_INT(mistakes.count, 0);
    CHECK_INT(set.bytes, 0);
    CHECK(!set.splits[0].images[0].u8 && !set.splits[0].images[0].classes);
    CHECK(dataset_report(&set, &text) == OK);
    CHECK_HAS(text, "data set two: 1 channel, 2 classes\n");
    CHECK_HAS(text, "width x height                                 4x3                       2x2\n");
    CHECK_HAS(text, "1 in                                  4 ( 33.33 %)              0 (  0.00 %)\n");
    CHECK_HAS(text, "ignored                               1 (  8.33 %)              0 (  0.00 %)\n");
    CHECK_HAS(text, "note: 1 masks without any foreground pixel\n");
    free(text);
    dataset_free(&set);
    make_grey_png("s/ma.png", 4, 3, stray);
    make_file("s/b.png", "GIF89a", 6);
    CHECK(dataset_check("s", &set, &mistakes) == ERR_DATA);
    CHECK_INT(mistakes.count, 2);
    CHECK_TEXT(mistakes.notes[0].detail, "ma.png: value 128 in 2 pixels is not named in labels.map or labels.ignore");
    CHECK_TEXT(mistakes.notes[0].found, "128 (2)");
    CHECK_TEXT(mistakes.notes[1].detail, "b.png: this is GIF, which is not read here; convert it to PNG");
    dataset_free(&set);
    mistakes = (struct err_list){0};
    CHECK(dataset_check("nowhere", &set, &mistakes) == ERR_DATA);
    CHECK_INT(mistakes.count, 1);
    dataset_free(&set);
}

/* The shares that the real sets' own dataset.json states under facts.class_fraction, of the pixels that are not ignored. */
static void check_real(const char *name, size_t train, size_t val, const double *shares, unsigned classes, double ignored)
{
    const char *folder = check_data(name);
    struct dataset set;
    struct err_note note;
    if (!folder) check_skip("no %s: set TANDEM_DATA", name);
    if (dataset_load(folder, 0, &set, &note)) check_fail(__FILE__, __LINE__, "%s", note.detail);
    const struct dataset_split *s = set.splits;
    CHECK_INT(s[SPLIT_TRAIN].count, train);
    CHECK_INT(s[SPLIT_VAL].count, val);
    CHECK_INT(set.num_classes, classes);
    double all = (double)(s[0].pixels + s[1].pixels), valid = all - (double)(s[0].ignored_pixels + s[1].ignored_pixels);
    CHECK_NEAR((all - valid) / all, ignored, 6e-6);
    for (unsigned k = 0; k < classes; k++)
        CHECK_NEAR((double)(s[0].class_pixels[k] + s[1].class_pixels[k]) / valid, shares[k], 6e-6);
    for (size_t i = 0; i < s[0].count; i += 7) { /* mean 0, deviation 1, by a plain sum over the floats */
        const struct dataset_image *image = &s[0].images[i];
        size_t plane = (size_t)image->height * image->width;
        for (unsigned c = 0; c < set.channels; c++) {
            double sum = 0, squares = 0;
            for (size_t at = 0; at < plane; at++) {
                double v = (double)dataset_value(image, c, at);
                sum += v;
                squares += v * v;
            }
            CHECK_NEAR(sum / (double)plane, 0, 1e-6);
            CHECK_NEAR(squares / (double)plane, 1, 1e-6);
        }
    }
    dataset_free(&set);
}

void test_dataset_isbi2012_loads_with_its_class_shares(void)
{
    check_real("isbi2012", 25, 5, (const double[]){0.21963, 0.78037}, 2, 0);
}

void test_dataset_chasedb1_loads_with_its_class_shares(void)
{
    check_real("chasedb1", 20, 8, (const double[]){0.93066, 0.06934}, 2, 0);
}

void test_dataset_camvid_loads_with_its_class_shares(void)
{
    const double shares[] = {0.15557, 0.24712, 0.00868, 0.32451, 0.05479, 0.1168,
                             0.00975, 0.01764, 0.04978, 0.00681, 0.00855};
    check_real("camvid_small", 61, 20, shares, 11, 0.03294);
}

void test_dataset_of_volumes_is_refused_by_name(void)
{
    const char *folder = check_data("hippocampus");
    if (!folder) check_skip("no hippocampus: set TANDEM_DATA");
    check_refused(folder, "images/001.nii.gz: this is gzip (a .nii.gz?), which is not read here; convert it to PNG");
}
