/* test_predict: images of many sizes through tiles: the same bits one by one and together, for any number of lanes. */
#include "tests/check.h"
#include "worker/data/dataset.h"
#include "worker/train/predict.h"

enum { IMAGES = 7, SIDE_MAX = 80, CHANNELS = 1 };
static struct dataset set;

/* Sizes below, at and above a tile of 32 x 48: from one tile to a dozen. */
static void make_images(void)
{
    static const uint32_t sizes[IMAGES][2] = {{32, 48}, {80, 80}, {16, 20}, {33, 49}, {32, 48}, {64, 31}, {1, 70}};
    const char *const classes[] = {"background", "lesion"};
    static uint8_t pixels[SIDE_MAX * SIDE_MAX], labels[SIDE_MAX * SIDE_MAX];
    CHECK_INT(dataset_start(&set, "mixed", CHANNELS, 2, classes), OK);
    for (int i = 0; i < IMAGES; i++) {
        uint32_t height = sizes[i][0], width = sizes[i][1];
        char name[16];
        for (uint32_t k = 0; k < height * width; k++) pixels[k] = (uint8_t)(k * 2654435761u >> 24 ^ (unsigned)i);
        struct image image = {.width = width, .height = height, .channels = 1, .bits = 8, .u8 = pixels};
        snprintf(name, sizeof name, "image-%d", i);
        CHECK_INT(dataset_add(&set, SPLIT_VAL, name, &image, labels), OK);
    }
}

static struct network *make_network(int lanes)
{
    struct network_config c = {.rank = 2, .in_channels = CHANNELS, .out_channels = 1, .levels = 2, .widths = {8, 16}, .convs = 1, .norm = MODEL_NORM_INSTANCE,
                               .activation = MODEL_RELU, .patch = {32, 48}, .batch = 1, .gradients = 1, .lanes = lanes, .inference_only = true};
    struct network *net;
    CHECK_INT(network_new(&c, &net, NULL), OK);
    network_init(net, 4);
    return net;
}

struct seen {
    int calls[IMAGES];
    float probabilities[IMAGES][SIDE_MAX * SIDE_MAX];
    uint8_t classes[IMAGES][SIDE_MAX * SIDE_MAX];
    int asked, stop_after;
};

static struct seen *new_seen(int stop_after)
{
    static struct seen s;
    memset(&s, 0, sizeof s);
    s.stop_after = stop_after;
    return &s;
}

static size_t pixels_of(size_t index)
{
    const struct dataset_image *image = &set.splits[SPLIT_VAL].images[index];
    return (size_t)image->height * image->width;
}

static void take_image(void *context, size_t index, const float *probabilities, const uint8_t *classes)
{
    struct seen *s = context;
    size_t n = pixels_of(index);
    s->calls[index]++;
    memcpy(s->probabilities[index], probabilities, n * sizeof(float));
    memcpy(s->classes[index], classes, n);
}

static bool stop_later(void *context)
{
    struct seen *s = context;
    return s->stop_after && ++s->asked > s->stop_after;
}

static bool run(int lanes, double overlap, struct seen *s)
{
    struct network *net = make_network(lanes);
    struct predictor *p;
    struct predict_calls calls = {.context = s, .image = take_image, .stop = stop_later};
    bool stopped;
    CHECK_INT(predictor_new(net, overlap, &p, NULL), OK);
    CHECK_INT(predict_set(p, set.splits[SPLIT_VAL].images, IMAGES, &calls, &stopped, NULL), OK);
    predictor_free(p);
    network_free(net);
    return stopped;
}

void test_predict_set_gives_each_image_the_bits_it_has_alone_on_any_number_of_lanes(void)
{
    make_images();
    for (int lanes = 1; lanes <= 3; lanes++) {
        struct network *net = make_network(1);
        struct predictor *p;
        struct seen *s = new_seen(0);
        CHECK_INT(predictor_new(net, 0.5, &p, NULL), OK);
        CHECK(!run(lanes, 0.5, s));
        for (size_t i = 0; i < IMAGES; i++) {
            uint8_t *alone = malloc(pixels_of(i));
            size_t foreground = 0;
            CHECK_INT(predict_image(p, &set.splits[SPLIT_VAL].images[i], alone, NULL), OK);
            CHECK_INT(s->calls[i], 1);
            if (memcmp(alone, s->classes[i], pixels_of(i)) != 0) check_fail(__FILE__, __LINE__, "%d lanes, image %zu: other classes together than alone", lanes, i);
            for (size_t k = 0; k < pixels_of(i); k++) {
                CHECK_INT(s->classes[i][k], s->probabilities[i][k] > 0.5f);
                foreground += s->classes[i][k];
            }
            if (pixels_of(i) > 1000) CHECK(foreground > 0 && foreground < pixels_of(i)); /* untrained weights decide both ways */
            free(alone);
        }
        predictor_free(p);
        network_free(net);
    }
    dataset_free(&set);
}

void test_predict_set_without_overlap_still_covers_every_pixel(void)
{
    make_images();
    struct seen *s = new_seen(0);
    CHECK(!run(2, 0, s));
    for (size_t i = 0; i < IMAGES; i++)
        for (size_t k = 0; k < pixels_of(i); k++)
            if (!(s->probabilities[i][k] > 0 && s->probabilities[i][k] < 1)) check_fail(__FILE__, __LINE__, "image %zu, pixel %zu: %g", i, k, (double)s->probabilities[i][k]);
    dataset_free(&set);
}

void test_predict_set_stops_between_groups_when_told(void)
{
    make_images();
    struct seen *s = new_seen(1);
    int called = 0;
    CHECK(run(1, 0.5, s));
    for (int i = 0; i < IMAGES; i++) called += s->calls[i];
    CHECK(called >= 1 && called < IMAGES); /* one group of four tiles: the first image, and a part of the second */
    dataset_free(&set);
}
