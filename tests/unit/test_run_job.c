/* test_run_job: a job in one process from its file to its model, and the model back from its files. */
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>
#include "schema/job/image_scores.h"
#include "tests/check.h"
#include "worker/data/generate.h"
#include "worker/data/image_file.h"
#include "worker/data/write_png.h"
#include "worker/run/model_file.h"
#include "worker/run/predict_images.h"
#include "worker/run/run_failure.h"
#include "worker/run/run_job.h"

enum { SIZE = 48 };
static const char *const job =
    "{\"dataset\": \"lesions\", \"model\": {\"widths\": [8, 16]}, \"optimizer\": {\"type\": \"adam\", \"lr\": 0.01},"
    " \"training\": {\"epochs\": 6, \"steps_per_epoch\": 10, \"batch\": 4, \"patch\": [32, 32]}, \"validation\": {\"previews\": 2}}";

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void train(struct generator *g)
{
    *g = GENERATOR_DEFAULT;
    g->images = 10, g->size = SIZE, g->foreground = 0.2, g->noise = 0.03;
    CHECK_INT(generate_write_folder(g, "set", NULL), OK);
    CHECK_INT(mkdir("pictures", 0755), 0);
    CHECK_INT(mkdir("masks", 0755), 0);
    write_text("job.json", job);
    struct run_options o = {.job = "job.json", .data = "set", .out = "out", .events_fd = -1, .threads = 2};
    CHECK_INT(run_job(&o), EXIT_OK);
}

/* Dice of the foreground in a written mask against the truth. */
static double dice_of(const char *path, const uint8_t *truth)
{
    struct image mask;
    CHECK_INT(image_read(path, IMAGE_MASK, &mask, NULL), OK);
    CHECK(mask.width == SIZE && mask.height == SIZE && mask.channels == 1);
    double both = 0, all = 0;
    for (size_t i = 0; i < SIZE * SIZE; i++) {
        CHECK(image_value(&mask, i) <= 1);
        both += image_value(&mask, i) == 1 && truth[i] == 1;
        all += (image_value(&mask, i) == 1) + (truth[i] == 1);
    }
    image_free(&mask);
    return all > 0 ? 2 * both / all : 1;
}

void test_run_job_makes_a_model_whose_predictions_beat_chance(void)
{
    struct generator g;
    uint8_t pixels[SIZE * SIZE], truth[SIZE * SIZE];
    double dice = 0, chance = 0;
    train(&g);
    struct predict_options o = {.model = "out", .images = "out/pictures", .out = "out/masks", .overlap = -1, .threads = 2};
    CHECK_INT(mkdir("out/pictures", 0755), 0); /* below the one folder that the sandbox left writable */
    for (uint32_t i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "out/pictures/%u.png", i);
        CHECK_INT(generate_image(&g, i, pixels, truth), OK);
        CHECK_INT(write_png(path, SIZE, SIZE, 1, pixels, NULL), OK);
    }
    CHECK_INT(predict_images(&o, NULL, NULL), OK);
    for (uint32_t i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "out/masks/%u.png", i);
        CHECK_INT(generate_image(&g, i, pixels, truth), OK);
        double share = 0;
        for (size_t k = 0; k < SIZE * SIZE; k++)
            share += truth[k] / (double)(SIZE * SIZE);
        dice += dice_of(path, truth) / 4;
        chance += 2 * share / (share + 1) / 4; /* "everything is foreground" */
        snprintf(path, sizeof path, "out/masks/%u-colour.png", i);
        CHECK(access(path, R_OK) == 0);
    }
    if (!(dice > chance + 0.2))
        check_fail(__FILE__, __LINE__, "Dice on training images is %.3f, chance %.3f", dice, chance);
}

/* The model says by which kernels it was judged; a file that was changed by hand is refused, not computed some other way. */
void test_predict_computes_with_the_kernels_that_the_model_names(void)
{
    struct generator g;
    struct err_note note = {0};
    train(&g);
    CHECK_INT(mkdir("out/pictures", 0755), 0);
    struct predict_options o = {.model = "out", .images = "out/pictures", .out = "out/masks", .overlap = -1, .threads = 1};
    json_t *model = json_load_file("out/model.json", 0, NULL), *kernels = json_object_get(json_object_get(model, "spec"), "kernels");
    json_object_set_new(json_array_get(json_object_get(kernels, "layers"), 0), "layer", json_string("encoder.7.conv.0"));
    CHECK_INT(json_dump_file(model, "out/model.json", 0), 0);
    json_decref(model);
    CHECK_INT(predict_images(&o, NULL, &note), ERR_RANGE);
    CHECK(!strcmp(note.detail, "layer 0 is \"encoder.7.conv.0\" and the network's is encoder.0.conv.0"));
}

void test_run_job_leaves_a_model_that_says_what_it_is(void)
{
    struct generator g;
    train(&g);
    json_t *j = json_load_file("out/model.json", 0, NULL);
    CHECK_TEXT(json_string_value(json_object_get(j, "format")), "tandem-model");
    CHECK(json_is_object(json_object_get(j, "loss_resolved")) && json_is_object(json_object_get(j, "normalisation")));
    const json_t *weights = json_object_get(j, "weights");
    char hex[SHA256_HEX];
    CHECK_INT(sha256_hex_of_file("out/model.safetensors", hex, NULL), OK);
    CHECK_TEXT(json_string_value(json_object_get(weights, "sha256")), hex);
    json_t *result = json_load_file("out/result.json", 0, NULL);
    CHECK(sha256_is_hex(json_string_value(json_object_get(result, "weights_sha256"))));
    CHECK(json_number_value(json_object_get(json_object_get(result, "best"), "val/dice")) == json_number_value(json_object_get(result, "best_score")));
    const json_t *scores = json_object_get(result, "scores"), *foreground = json_object_get(scores, "foreground"), *one = json_array_get(json_object_get(scores, "classes"), 1);
    CHECK(json_integer_value(json_object_get(scores, "epoch")) == json_integer_value(json_object_get(result, "best_epoch")));
    CHECK(json_number_value(json_object_get(foreground, "dice")) == json_number_value(json_object_get(result, "best_score")));
    CHECK(json_number_value(json_object_get(one, "nsd")) > 0 && json_number_value(json_object_get(one, "ece")) > 0 && json_number_value(json_object_get(one, "brier")) > 0);
    CHECK_INT(json_integer_value(json_object_get(one, "images_scored")), json_integer_value(json_object_get(scores, "images")));
    CHECK(json_is_integer(json_object_get(one, "images_truth_empty")) && !json_object_get(foreground, "images_without_foreground"));
    json_decref(result);
    json_decref(j);

    struct model_file model;
    struct err_note note = {0};
    CHECK_INT(model_file_read("out", &model, &note), OK);
    CHECK(model.channels == 1 && model.num_classes == 2 && model.out_channels == 1);
    struct network_config config;
    struct network *net;
    model_network_config(&model.spec, model.channels, model.num_classes, &config);
    config.inference_only = true;
    config.widths[1] = 24; /* not what the weights were made for */
    CHECK_INT(network_new(&config, &net, &note), OK);
    CHECK_INT(model_file_load_weights("out", net, &note), ERR_CORRUPT);
    CHECK_HAS(note.detail, "tensor encoder.1.conv.0.weight");
    network_free(net);
    model_file_free(&model);
}

/* The columns of images.json are those of the best weights: what follows from them is what the epoch's scores say. */
void test_run_job_tells_every_validation_image_and_the_worst_ones(void)
{
    struct generator g;
    struct image_scores s;
    struct err_list errors = {0};
    double both = 0, all = 0, dice = 0, nsd = 0, lowest = 1;
    train(&g);
    json_t *images = json_load_file("out/images.json", 0, NULL), *result = json_load_file("out/result.json", 0, NULL);
    CHECK_INT(image_scores_read(images, "", &s, &errors), OK);
    CHECK_INT(s.classes, 2);
    CHECK(s.epoch == json_integer_value(json_object_get(result, "best_epoch")) && s.images >= 2 && !s.of[0].nsd && s.of[1].nsd);
    for (size_t i = 0; i < s.images; i++) {
        both += s.of[1].both[i];
        all += s.of[1].predicted[i] + s.of[1].truth[i];
        dice += image_score(&s, i, IMAGE_DICE) / (double)s.images;
        nsd += image_score(&s, i, IMAGE_NSD) / (double)s.images;
        lowest = fmin(lowest, image_score(&s, i, IMAGE_DICE));
        CHECK_NEAR(s.of[0].truth[i] + s.of[1].truth[i], SIZE * SIZE, 0);
    }
    const json_t *best = json_object_get(result, "best"), *worst = json_array_get(json_object_get(json_object_get(result, "scores"), "worst_images"), 0);
    CHECK_NEAR(2 * both / all, json_number_value(json_object_get(best, "val/dice")), 0);
    CHECK_NEAR(dice, json_number_value(json_object_get(best, "val/dice_image")), 1e-14);
    CHECK_NEAR(nsd, json_number_value(json_object_get(best, "val/nsd")), 1e-14);
    CHECK_NEAR(json_number_value(json_object_get(worst, "dice")), lowest, 0);
    image_scores_free(&s);
    json_decref(images);
    json_decref(result);
}

/* What the training split counts is what the model file says, and what the reader of a spec cannot know. */
void test_run_job_balances_the_classes_by_the_training_split(void)
{
    static const char text[] = "{\"dataset\": {\"generate\": {\"images\": 6, \"size\": 32, \"classes\": 3, \"foreground\": 0.3}}, \"model\": {\"widths\": [4, 8]},"
                               " \"loss\": {\"strategy\": \"constant\", \"class_weight\": \"balanced\", \"dice\": {\"class_weight\": true}, \"ce\": {\"top_k\": 50}},"
                               " \"training\": {\"epochs\": 1, \"steps_per_epoch\": 1, \"batch\": 2, \"patch\": [16, 16]}}";
    struct generator g = GENERATOR_DEFAULT;
    struct dataset set;
    write_text("job.json", text);
    struct run_options o = {.job = "job.json", .out = "out", .events_fd = -1, .threads = 1};
    CHECK_INT(run_job(&o), EXIT_OK);
    g.images = 6, g.size = 32, g.classes = 3, g.foreground = 0.3, g.noise = 0.1, g.seed = 7;
    CHECK_INT(generate_dataset(&g, &set, NULL), OK);
    json_t *j = json_load_file("out/model.json", 0, NULL);
    const json_t *resolved = json_object_get(j, "loss_resolved"), *weights = json_object_get(resolved, "class_weights");
    CHECK_TEXT(json_string_value(json_object_get(resolved, "class_weight")), "balanced");
    CHECK_INT(json_array_size(weights), 3);
    double sum = 0, first = json_number_value(json_array_get(weights, 0));
    for (size_t c = 0; c < 3; c++) {
        double w = json_number_value(json_array_get(weights, c));
        CHECK_NEAR(w / first, (double)set.splits[0].class_pixels[0] / (double)set.splits[0].class_pixels[c], 1e-9);
        sum += w;
    }
    CHECK_NEAR(sum, 3, 1e-9);
    json_decref(j);
    dataset_free(&set);
}

/* Only the data set tells how many classes there are, so this is refused here: what was found and what is allowed goes with it. */
void test_run_job_says_what_of_the_job_its_data_set_does_not_allow(void)
{
    struct generator g = GENERATOR_DEFAULT;
    char said[4096] = "";
    g.images = 10, g.size = SIZE;
    CHECK_INT(generate_write_folder(&g, "set", NULL), OK);
    write_text("job.json", "{\"dataset\": \"set\", \"validation\": {\"monitor\": \"val/dice/2\"}}");
    struct run_options o = {.job = "job.json", .data = "set", .out = "out", .events_fd = open("events", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), .threads = 1};
    CHECK_INT(run_job(&o), EXIT_DATA);
    int fd = open("events", O_RDONLY | O_CLOEXEC);
    CHECK(read(fd, said, sizeof said - 1) > 0);
    CHECK_HAS(said, "\"message\":\"job.json: /validation/monitor: the data set has 2 classes; found val/dice/2; allowed a class from 0 to 1\"");
    close(fd);
}

void test_run_job_refuses_files_that_are_no_model(void)
{
    struct model_file model;
    struct err_note note = {0};
    CHECK_INT(model_file_read(".", &model, &note), ERR_IO);
    write_text("model.json", "{\"format\": \"tandem-model\", \"version\": 1, \"spec\": {\"dataset\": \"x\", \"loss\": {\"strategy\": \"none\"}}}");
    CHECK_INT(model_file_read(".", &model, &note), ERR_CORRUPT);
    CHECK_HAS(note.detail, "/spec/loss/strategy");
    write_text("model.json", "{\"format\": \"tandem-model\", \"version\": 99}");
    CHECK_INT(model_file_read(".", &model, &note), ERR_CORRUPT);
    CHECK_HAS(note.detail, "version 1");
    write_text("model.json", "{]");
    CHECK_INT(model_file_read(".", &model, &note), ERR_CORRUPT);
}
