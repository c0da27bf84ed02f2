/* test_generate: the same bytes from the same seed, the promised share of lesions, a folder that loads as the very same set. */
#include <math.h>
#include <sys/stat.h>

#include "schema/base/sha256.h"
#include "tests/check.h"
#include "worker/data/generate.h"
#include "worker/data/image_file.h"
#include "worker/data/preview.h"

void test_generate_makes_any_image_alone_from_its_seed(void)
{
    struct generator g = GENERATOR_DEFAULT;
    static uint8_t a[128 * 128], b[128 * 128], ca[128 * 128], cb[128 * 128];
    CHECK(generate_image(&g, 3, a, ca) == OK && generate_image(&g, 9, b, cb) == OK);
    CHECK(memcmp(a, b, sizeof a) != 0);
    CHECK(generate_image(&g, 3, b, cb) == OK);
    CHECK(!memcmp(a, b, sizeof a) && !memcmp(ca, cb, sizeof ca));
    g.seed = 2;
    CHECK(generate_image(&g, 3, b, cb) == OK);
    CHECK(memcmp(a, b, sizeof a) != 0 && memcmp(ca, cb, sizeof ca) != 0);
    g.seed = 1;
    g.noise = 0.2; /* a change of the noise leaves the lesions where they are */
    CHECK(generate_image(&g, 3, b, cb) == OK);
    CHECK(memcmp(a, b, sizeof a) != 0 && !memcmp(ca, cb, sizeof ca));
}

void test_generate_keeps_the_share_of_foreground(void)
{
    static const double shares[] = {0, 0.01, 0.03, 0.1, 0.3, 0.5};
    for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) {
        struct generator g = GENERATOR_DEFAULT;
        struct dataset set;
        struct err_note note;
        g.foreground = shares[k];
        CHECK(generate_dataset(&g, &set, &note) == OK);
        double lesion = (double)(set.splits[0].class_pixels[1] + set.splits[1].class_pixels[1]);
        double share = lesion / (double)(set.splits[0].pixels + set.splits[1].pixels);
        CHECK_NEAR(share, shares[k], 0.15 * shares[k] + 1e-9);
        CHECK_INT(set.splits[0].count, 52);
        CHECK_INT(set.splits[1].count, 12);
        CHECK_INT(set.empty_masks, k ? 8 : 64);
        dataset_free(&set);
    }
}

void test_generate_lesions_differ_from_their_surroundings_but_not_by_a_threshold(void)
{
    struct generator g = GENERATOR_DEFAULT;
    struct dataset set;
    struct err_note note;
    g.classes = 3;
    CHECK(generate_dataset(&g, &set, &note) == OK);
    double sum[3] = {0}, count[3] = {0}, brightest = 0, darkest = 1e9;
    for (size_t i = 0; i < set.splits[0].count; i++) {
        const struct dataset_image *image = &set.splits[0].images[i];
        for (size_t at = 0; at < (size_t)128 * 128; at++) {
            sum[image->classes[at]] += image->u8[at];
            count[image->classes[at]]++;
        }
        brightest = fmax(brightest, (double)image->mean[0]);
        darkest = fmin(darkest, (double)image->mean[0]);
    }
    CHECK(sum[1] / count[1] > sum[0] / count[0] + 30); /* class 1 is bright, class 2 dark */
    CHECK(sum[2] / count[2] < sum[0] / count[0] - 20);
    CHECK(brightest > darkest + 30); /* the light changes more between pictures than a lesion within one */
    dataset_free(&set);
}

static void check_same(const struct dataset *a, const struct dataset *b)
{
    CHECK_TEXT(a->name, b->name);
    CHECK_INT(a->num_classes, b->num_classes);
    for (unsigned k = 0; k < a->num_classes; k++) CHECK_TEXT(a->classes[k], b->classes[k]);
    for (unsigned s = 0; s < 2; s++) {
        CHECK_INT(a->splits[s].count, b->splits[s].count);
        for (size_t i = 0; i < a->splits[s].count; i++) {
            const struct dataset_image *p = &a->splits[s].images[i], *q = &b->splits[s].images[i];
            size_t plane = (size_t)p->height * p->width;
            CHECK_TEXT(p->id, q->id);
            CHECK(p->height == q->height && p->width == q->width);
            CHECK(!memcmp(p->u8, q->u8, plane) && !memcmp(p->classes, q->classes, plane));
            CHECK(!memcmp(p->table, q->table, sizeof *p->table));
        }
    }
}

void test_generate_folder_loads_as_the_very_same_set(void)
{
    for (uint32_t classes = 2; classes <= 4; classes += 2) {
        struct generator g = GENERATOR_DEFAULT;
        struct dataset made, loaded;
        struct err_note note;
        const char *folder = classes == 2 ? "two" : "four";
        g.images = 7;
        g.size = 40;
        g.classes = classes;
        CHECK(generate_dataset(&g, &made, &note) == OK);
        CHECK(generate_write_folder(&g, folder, &note) == OK);
        if (dataset_load(folder, 0, &loaded, &note)) check_fail(__FILE__, __LINE__, "%s", note.detail);
        check_same(&made, &loaded);
        CHECK(generate_write_folder(&g, folder, &note) == ERR_DATA);
        CHECK_HAS(note.detail, "/dataset.json: stands there already; choose another folder");
        dataset_free(&made);
        dataset_free(&loaded);
    }
    struct image mask;
    struct err_note note;
    CHECK(image_read("two/masks/00000.png", IMAGE_MASK, &mask, &note) == OK);
    for (size_t i = 0; i < image_values(&mask); i++) CHECK(mask.u8[i] == 0 || mask.u8[i] == 255);
    image_free(&mask);
}

void test_generate_refuses_what_it_cannot_draw(void)
{
    static const struct {
        struct generator g;
        const char *words;
    } cases[] = {
        {{1, 128, 2, 0.1, 0.1, 1, 1}, "generate: images is 1, not in 2..100000"},
        {{64, 8, 2, 0.1, 0.1, 1, 1}, "generate: size is 8, not in 16..4096"},
        {{64, 128, 9, 0.1, 0.1, 1, 1}, "generate: classes is 9, not in 2..8"},
        {{64, 128, 2, 0.6, 0.1, 1, 1}, "generate: foreground is 0.6, not in 0..0.5"},
        {{64, 128, 2, 0.1, (double)NAN, 1, 1}, "generate: noise is nan, not in 0..1"},
        {{64, 128, 2, 0.1, 0.1, 17, 1}, "generate: blur is 17, not in 0..16"},
        {{100000, 4096, 2, 0.1, 0.1, 1, 1},
         "generate: 100000 images of 4096x4096 are 3355443200000 bytes; at most 68719476736"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dataset set;
        struct err_note note;
        CHECK(generate_dataset(&cases[i].g, &set, &note) == ERR_RANGE);
        CHECK_TEXT(note.detail, cases[i].words);
    }
    struct generator smallest = {2, 16, 8, 0.5, 1, 16, 0};
    struct dataset set;
    CHECK(generate_dataset(&smallest, &set, NULL) == OK);
    CHECK_INT(set.splits[SPLIT_VAL].count, 1);
    dataset_free(&set);
}

void test_preview_shows_three_panels_in_colour(void)
{
    uint8_t pixels[12 * 10], classes[12 * 10], prediction[12 * 10] = {0};
    const char *const names[] = {"a", "b"};
    struct image image = {12, 10, 1, 8, pixels, NULL}, shown;
    struct dataset set;
    struct err_note note;
    for (unsigned i = 0; i < 120; i++) {
        pixels[i] = (uint8_t)(100 + i);
        classes[i] = i % 12 < 4 ? 1 : i / 12 == 9 ? LABEL_IGNORE : 0;
    }
    prediction[5 * 12 + 6] = 1;
    CHECK(dataset_start(&set, "s", 1, 2, names) == OK && dataset_add(&set, SPLIT_VAL, "x", &image, classes) == OK);
    CHECK(preview_write("p.png", &set.splits[SPLIT_VAL].images[0], 1, prediction, &note) == OK);
    CHECK(image_read("p.png", IMAGE_PICTURE, &shown, &note) == OK);
    enum { UP = 22, BAR = 8, PANEL = 12 * UP }; /* 256/12 rounded up */
    CHECK_INT(shown.width, 3 * PANEL + 4 * BAR);
    CHECK_INT(shown.height, 10 * UP + 2 * BAR);
    const uint8_t *row = shown.u8 + (size_t)(BAR + 5 * UP + UP / 2) * shown.width * 3; /* the middle of image row 5 */
#define PIXEL(panel, column) (row + (BAR + (panel) * (PANEL + BAR) + (column)*UP + UP / 2) * 3)
    CHECK(row[0] == 255 && row[1] == 255 && row[2] == 255);
    CHECK(PIXEL(0, 2)[0] == PIXEL(0, 2)[1] && PIXEL(0, 2)[0] < PIXEL(0, 9)[0]); /* grey, brighter to the right */
    CHECK(PIXEL(1, 2)[0] > PIXEL(1, 2)[1] + 40);                                /* truth: red over columns 0..3 */
    CHECK(PIXEL(1, 6)[0] == PIXEL(0, 6)[0]);
    CHECK(PIXEL(2, 2)[0] == PIXEL(0, 2)[0]);
    CHECK(PIXEL(2, 6)[0] > PIXEL(2, 6)[1] + 40);
    const uint8_t *outline = row + (BAR + (PANEL + BAR) + 4 * UP - 1) * 3; /* last column of the truth's class 1 */
    CHECK_INT((uint32_t)outline[0] << 16 | (uint32_t)outline[1] << 8 | outline[2], preview_colour(1));
    image_free(&shown);
    dataset_free(&set);
}
