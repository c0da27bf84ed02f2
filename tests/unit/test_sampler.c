/* test_sampler: the same sample in any order, everywhere inside the image, turned as said, padded as the reference pads. */
#include <math.h>

#include "tests/check.h"
#include "worker/data/generate.h"
#include "worker/data/sampler.h"

enum { P = 16 };

static struct dataset generated(uint32_t images, uint32_t size, double foreground)
{
    struct generator g = GENERATOR_DEFAULT;
    struct dataset set;
    struct err_note note;
    g.images = images;
    g.size = size;
    g.foreground = foreground;
    CHECK(generate_dataset(&g, &set, &note) == OK);
    return set;
}

/* One image whose raw values are its own positions (x + 10*y), classes likewise below 2. */
static struct dataset counted(uint32_t height, uint32_t width)
{
    const char *const classes[] = {"a", "b"};
    struct dataset set;
    uint8_t pixels[256], map[256];
    struct image image = {width, height, 1, 8, pixels, NULL};
    CHECK(height * width <= 256);
    for (uint32_t i = 0; i < height * width; i++) {
        pixels[i] = (uint8_t)(i % width + 10 * (i / width));
        map[i] = (uint8_t)(i % 2);
    }
    CHECK(dataset_start(&set, "counted", 1, 2, classes) == OK);
    CHECK(dataset_add(&set, SPLIT_TRAIN, "x", &image, map) == OK);
    CHECK(dataset_finish(&set) == OK);
    return set;
}

void test_sampler_gives_the_same_sample_in_any_order(void)
{
    struct dataset set = generated(10, 48, 0.05);
    struct sampler s = {.set = &set,
                        .seed = 5,
                        .batch = 4,
                        .patch_height = P,
                        .patch_width = P,
                        .oversample_foreground = 0.5,
                        .mirror = 1,
                        .rotate90 = 1};
    enum { STEPS = 6 };
    static float pixels[STEPS * 4][P * P], again[P * P];
    static uint8_t classes[STEPS * 4][P * P], classes_again[P * P];
    CHECK(sampler_check(&s, NULL) == OK);
    for (uint32_t n = 0; n < STEPS * 4; n++) sampler_read(&s, 3, n / 4, n % 4, pixels[n], classes[n]);
    for (uint32_t n = STEPS * 4; n-- > 0;) {
        sampler_read(&s, 3, n / 4, n % 4, again, classes_again);
        CHECK(!memcmp(again, pixels[n], sizeof again) && !memcmp(classes_again, classes[n], sizeof classes_again));
    }
    unsigned same_epoch = 0, same_seed = 0;
    struct sampler other = s;
    other.seed = 6;
    for (uint32_t n = 0; n < STEPS * 4; n++) {
        sampler_read(&s, 4, n / 4, n % 4, again, classes_again);
        same_epoch += !memcmp(again, pixels[n], sizeof again);
        sampler_read(&other, 3, n / 4, n % 4, again, classes_again);
        same_seed += !memcmp(again, pixels[n], sizeof again);
    }
    CHECK(same_epoch == 0 && same_seed == 0);
    dataset_free(&set);
}

void test_sampler_draws_known_places(void)
{
    struct dataset set = counted(12, 20);
    struct sampler s = {.set = &set, .seed = 1, .batch = 2, .patch_height = 4, .patch_width = 4, .mirror = 1, .rotate90 = 1};
    /* golden: a change here changes every training run of the same seed */
    static const struct augment_place want[4] = {{3, 4, 2, 0, 1}, {5, 1, 0, 1, 1}, {2, 10, 0, 0, 1}, {1, 4, 0, 0, 1}};
    for (uint32_t n = 0; n < 4; n++) {
        struct sample_place p = sampler_place(&s, 0, n / 2, n % 2);
        if (p.at.top != want[n].top || p.at.left != want[n].left || p.at.quarter_turns != want[n].quarter_turns ||
            p.at.mirror_vertical != want[n].mirror_vertical || p.at.mirror_horizontal != want[n].mirror_horizontal)
            check_fail(__FILE__, __LINE__, "sample %u: {%u, %u, %u, %d, %d}", n, p.at.top, p.at.left, p.at.quarter_turns,
                       p.at.mirror_vertical, p.at.mirror_horizontal);
    }
    dataset_free(&set);
}

void test_sampler_draws_images_places_and_turns_evenly(void)
{
    struct dataset set = generated(5, 20, 0.05); /* 4 train */
    struct sampler s = {.set = &set, .seed = 9, .batch = 8, .patch_height = P, .patch_width = P, .mirror = 1, .rotate90 = 1};
    enum { DRAWS = 8000 };
    unsigned images[4] = {0}, tops[5] = {0}, lefts[5] = {0}, turns[4] = {0}, mirrors[4] = {0};
    for (uint32_t n = 0; n < DRAWS; n++) {
        struct sample_place p = sampler_place(&s, 0, n / 8, n % 8);
        CHECK(p.image < 4 && p.at.top <= 4 && p.at.left <= 4 && !p.foreground);
        images[p.image]++;
        tops[p.at.top]++;
        lefts[p.at.left]++;
        turns[p.at.quarter_turns]++;
        mirrors[p.at.mirror_vertical * 2 + p.at.mirror_horizontal]++;
    }
    for (unsigned i = 0; i < 4; i++) { /* 5 standard deviations of a binomial share of 1/4 are 194 */
        CHECK_NEAR(images[i], DRAWS / 4.0, 194);
        CHECK_NEAR(turns[i], DRAWS / 4.0, 194);
        CHECK_NEAR(mirrors[i], DRAWS / 4.0, 194);
    }
    for (unsigned i = 0; i < 5; i++) {
        CHECK_NEAR(tops[i], DRAWS / 5.0, 179);
        CHECK_NEAR(lefts[i], DRAWS / 5.0, 179);
    }
    dataset_free(&set);
}

void test_sampler_cuts_the_promised_share_around_foreground(void)
{
    struct dataset set = generated(20, 64, 0.01);
    static float pixels[P * P];
    static uint8_t classes[P * P];
    for (double f = 0; f <= 1; f += 0.25) {
        struct sampler s = {.set = &set,
                            .seed = 2,
                            .batch = 5,
                            .patch_height = P,
                            .patch_width = P,
                            .oversample_foreground = f,
                            .mirror = 1};
        unsigned cut = 0;
        for (uint32_t n = 0; n < 200; n++) {
            struct sample_place p = sampler_read(&s, 1, n / 5, n % 5, pixels, classes);
            cut += p.foreground != 0;
            unsigned foreground = 0;
            for (unsigned i = 0; i < P * P; i++) foreground += classes[i] == 1;
            if (p.foreground) CHECK(foreground > 0);
        }
        CHECK_INT(cut, (int)(200 * f));
    }
    dataset_free(&set);
}

void test_sampler_reaches_each_foreground_pixel_of_an_image(void)
{
    struct dataset set = counted(9, 7); /* foreground: every second pixel, 31 of them */
    struct sampler s = {.set = &set, .seed = 3, .batch = 1, .patch_height = 1, .patch_width = 1, .oversample_foreground = 1};
    unsigned hits[63] = {0};
    for (uint32_t n = 0; n < 2000; n++) {
        struct sample_place p = sampler_place(&s, 0, n, 0);
        hits[p.at.top * 7 + p.at.left]++;
    }
    for (unsigned i = 0; i < 63; i++) CHECK(i % 2 ? hits[i] > 20 : hits[i] == 0);
    dataset_free(&set);
}

static void check_crop(const struct dataset *set, struct augment_place place, uint32_t h, uint32_t w, const int *want)
{
    const struct dataset_image *image = &set->splits[SPLIT_TRAIN].images[0];
    float pixels[36];
    uint8_t classes[36];
    augment_crop(image, 1, &place, h, w, pixels, classes);
    for (uint32_t i = 0; i < h * w; i++) {
        if (want[i] < 0) {
            CHECK(pixels[i] == 0 && classes[i] == LABEL_IGNORE);
            continue;
        }
        CHECK(pixels[i] == image->table[0][want[i]]);
        CHECK_INT(classes[i], (want[i] / 10 * (int)image->width + want[i] % 10) % 2);
    }
}

void test_augment_turns_and_mirrors_like_numpy(void)
{
    struct dataset set = counted(5, 8);
    check_crop(&set, (struct augment_place){1, 2, 0, 0, 0}, 2, 3, (const int[]){12, 13, 14, 22, 23, 24});
    check_crop(&set, (struct augment_place){1, 2, 0, 1, 0}, 2, 3, (const int[]){22, 23, 24, 12, 13, 14});
    check_crop(&set, (struct augment_place){1, 2, 0, 0, 1}, 2, 3, (const int[]){14, 13, 12, 24, 23, 22});
    check_crop(&set, (struct augment_place){1, 2, 0, 1, 1}, 2, 3, (const int[]){24, 23, 22, 14, 13, 12});
    check_crop(&set, (struct augment_place){0, 0, 1, 0, 0}, 2, 2, (const int[]){1, 11, 0, 10}); /* rot90 of 0 1 / 10 11 */
    check_crop(&set, (struct augment_place){0, 0, 2, 0, 0}, 2, 2, (const int[]){11, 10, 1, 0});
    check_crop(&set, (struct augment_place){0, 0, 3, 0, 0}, 2, 2, (const int[]){10, 0, 11, 1});
    check_crop(&set, (struct augment_place){0, 0, 1, 1, 0}, 2, 2, (const int[]){0, 10, 1, 11}); /* then rows reversed */
    dataset_free(&set);
}

void test_augment_pads_small_images_with_zero_and_ignored(void)
{
    struct dataset set = counted(2, 3);
    check_crop(&set, (struct augment_place){0, 0, 0, 0, 0}, 3, 4,
               (const int[]){0, 1, 2, -1, 10, 11, 12, -1, -1, -1, -1, -1});
    check_crop(&set, (struct augment_place){0, 0, 0, 1, 1}, 3, 4,
               (const int[]){-1, -1, -1, -1, -1, 12, 11, 10, -1, 2, 1, 0});
    check_crop(&set, (struct augment_place){0, 0, 1, 0, 0}, 3, 3, (const int[]){2, 12, -1, 1, 11, -1, 0, 10, -1});
    dataset_free(&set);
}

void test_sampler_says_why_it_cannot_work(void)
{
    struct dataset set = generated(6, 32, 0);
    struct sampler s = {.set = &set, .batch = 1, .patch_height = 8, .patch_width = 16, .rotate90 = 1};
    struct err_note note;
    CHECK(sampler_check(&s, &note) == ERR_RANGE);
    CHECK_TEXT(note.detail, "rotate90 needs a square patch; this one is 8x16");
    CHECK_TEXT(note.pointer, "/augmentation/rotate90");
    s.rotate90 = 0;
    CHECK(sampler_check(&s, &note) == OK);
    s.oversample_foreground = 0.3;
    CHECK(sampler_check(&s, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "no training mask has a foreground pixel to cut a patch around");
    s.oversample_foreground = (double)NAN;
    CHECK(sampler_check(&s, &note) == ERR_RANGE);
    dataset_free(&set);
    const struct dataset none = {.channels = 1};
    s.set = &none;
    CHECK(sampler_check(&s, &note) == ERR_DATA);
    CHECK_TEXT(note.detail, "the data set has no training image");
}
