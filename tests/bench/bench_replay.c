/* bench_replay: trains a job and writes down what a peer needs to train on the very same numbers: first weights, every crop, the
   validation images, and our losses and scores to hold against its own. tests/bench/replay_torch.py is the peer.
   usage: bench_replay JOB.json DATA OUT [FROM]    (JOB: two classes, one output channel; OUT: an existing empty folder)
   FROM: a folder with the peer's own draws, weights.f32, crops.f32 and crops.u8 in the form that OUT gets (replay_draw.py): the job
   starts from those weights and learns from those crops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/job/job_spec_json.h"
#include "worker/data/sampler.h"
#include "worker/run/model_file.h"
#include "worker/train/strategy.h"
#include "worker/train/trainer.h"

enum { JOB_BYTES_MAX = 1 << 20, PATH_ROOM = 4096 };
static const char *out_dir;
static FILE *given_images, *given_classes; /* the crops of FROM, in the order of steps and slots; NULL: ours */
static const struct training_spec *training;

static void die(const char *what, const struct err_note *note)
{
    fprintf(stderr, "bench_replay: %s: %s\n", what, note ? note->detail : "cannot be written or read");
    exit(1);
}

static FILE *create(const char *name)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/%s", out_dir, name);
    FILE *f = fopen(path, "wb");
    if (!f) die(path, NULL);
    return f;
}

static void put(FILE *f, const void *from, size_t size, size_t count)
{
    if (fwrite(from, size, count, f) != count) die(out_dir, NULL);
}

static void close_file(FILE *f)
{
    if (fclose(f)) die(out_dir, NULL);
}

static void read_job(const char *path, struct job_spec *spec)
{
    static char text[JOB_BYTES_MAX];
    static struct err_list errors, warnings;
    FILE *f = fopen(path, "rb");
    size_t length = f ? fread(text, 1, sizeof text, f) : 0;
    if (f) fclose(f);
    if (!length) die(path, NULL);
    if (job_spec_parse(text, length, spec, &errors, &warnings)) die(path, &errors.notes[0]);
}

static FILE *open_in(const char *folder, const char *name)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f) die(path, NULL);
    return f;
}

/* The linker puts this in the place of sampler_read (Makefile): lanes call it at once, so each asks for its own crop by place. */
struct sample_place __real_sampler_read(const struct sampler *sampler, uint32_t epoch, uint32_t step, uint32_t slot, float *pixels, uint8_t *classes);
struct sample_place __wrap_sampler_read(const struct sampler *sampler, uint32_t epoch, uint32_t step, uint32_t slot, float *pixels, uint8_t *classes);
struct sample_place __wrap_sampler_read(const struct sampler *sampler, uint32_t epoch, uint32_t step, uint32_t slot, float *pixels, uint8_t *classes)
{
    if (!given_images) return __real_sampler_read(sampler, epoch, step, slot, pixels, classes);
    size_t count = (size_t)sampler->patch_height * sampler->patch_width, values = count * sampler->set->channels;
    long crop = (long)(((size_t)epoch * (size_t)training->steps_per_epoch + step) * sampler->batch + slot);
    ssize_t got = pread(fileno(given_images), pixels, values * sizeof *pixels, crop * (long)(values * sizeof *pixels));
    if (got != (ssize_t)(values * sizeof *pixels) || pread(fileno(given_classes), classes, count, crop * (long)count) != (ssize_t)count) die("a crop of FROM", NULL);
    return (struct sample_place){0};
}

static void take_weights(struct network *net, const char *folder)
{
    int count;
    const struct network_parameter *table = network_parameters(net, &count);
    size_t all = table[count - 1].offset + table[count - 1].count;
    float *weights = malloc(all * sizeof *weights);
    FILE *f = open_in(folder, "weights.f32");
    if (!weights || fread(weights, sizeof *weights, all, f) != all || fgetc(f) != EOF) die("weights.f32 of FROM", NULL);
    network_set_parameters(net, weights);
    close_file(f);
    free(weights);
}

static void write_weights(struct network *net)
{
    int count;
    const struct network_parameter *table = network_parameters(net, &count);
    size_t all = table[count - 1].offset + table[count - 1].count;
    float *weights = malloc(all * sizeof *weights);
    FILE *f = create("weights.f32"), *names = create("weights.txt");
    if (!weights) die("weights", NULL);
    network_get_parameters(net, weights);
    put(f, weights, sizeof *weights, all);
    for (int i = 0; i < count; i++) {
        fprintf(names, "%s %zu %zu", table[i].name, table[i].offset, table[i].count);
        for (int d = 0; d < table[i].rank; d++) fprintf(names, " %d", table[i].dims[d]);
        fputc('\n', names);
    }
    close_file(f);
    close_file(names);
    free(weights);
}

static void write_crops(const struct dataset *set, const struct job_spec *spec)
{
    const struct training_spec *t = &spec->training;
    struct sampler s = {.set = set, .seed = (uint64_t)spec->seed, .batch = (uint32_t)t->batch, .patch_height = (uint32_t)t->patch[0], .patch_width = (uint32_t)t->patch[1],
                        .oversample_foreground = t->oversample_foreground, .mirror = spec->augmentation.mirror, .rotate90 = spec->augmentation.rotate90};
    size_t pixels = (size_t)t->patch[0] * (size_t)t->patch[1];
    float *image = malloc(pixels * set->channels * sizeof *image);
    uint8_t *labels = malloc(pixels);
    FILE *images = create("crops.f32"), *classes = create("crops.u8");
    if (!image || !labels) die("crops", NULL);
    for (int step = 0; step < t->epochs * t->steps_per_epoch; step++)
        for (int slot = 0; slot < t->batch; slot++) {
            sampler_read(&s, (uint32_t)(step / t->steps_per_epoch), (uint32_t)(step % t->steps_per_epoch), (uint32_t)slot, image, labels);
            put(images, image, sizeof *image, pixels * set->channels);
            put(classes, labels, 1, pixels);
        }
    close_file(images);
    close_file(classes);
    free(image);
    free(labels);
}

static void write_validation(const struct dataset *set)
{
    const struct dataset_split *val = &set->splits[SPLIT_VAL];
    FILE *values = create("val.f32"), *classes = create("val.u8"), *sizes = create("val.txt");
    for (size_t i = 0; i < val->count; i++) {
        const struct dataset_image *image = &val->images[i];
        size_t pixels = (size_t)image->height * image->width;
        fprintf(sizes, "%u %u\n", image->height, image->width);
        for (unsigned c = 0; c < set->channels; c++)
            for (size_t k = 0; k < pixels; k++) put(values, &(float){dataset_value(image, c, k)}, sizeof(float), 1);
        put(classes, image->classes, 1, pixels);
    }
    close_file(values);
    close_file(classes);
    close_file(sizes);
}

static void take_points(void *context, const struct trainer_point *points, size_t count)
{
    for (size_t i = 0; i < count; i++) fprintf(context, "%s\t%lld\t%.17g\n", points[i].name, (long long)points[i].step, points[i].value);
}

/* A network for training, or for validation in tiles of its own. */
static struct network *make_network(const struct job_spec *spec, const struct dataset *set, bool tiles)
{
    struct network_config config;
    struct network_kernels kernels;
    struct network *net;
    struct err_note note;
    if (tiles) model_tile_config(spec, (int)set->channels, (int)set->num_classes, &config);
    else model_network_config(spec, (int)set->channels, (int)set->num_classes, &config);
    config.gradients = strategy_gradients(&spec->loss);
    config.lanes = spec->training.threads;
    if (spec->kernels.given && !tiles) {
        model_kernels_of_spec(spec, &kernels);
        config.kernels = &kernels;
    }
    if (network_new(&config, &net, &note)) die("network", &note);
    return net;
}

int main(int argc, char **argv)
{
    static struct job_spec spec;
    struct dataset set;
    struct err_note note;
    struct trainer *trainer;
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: bench_replay JOB.json DATA OUT [FROM]\n");
        return 64;
    }
    out_dir = argv[3];
    read_job(argv[1], &spec);
    if (dataset_load(argv[2], 0, &set, &note)) die(argv[2], &note);
    struct network *net = make_network(&spec, &set, false), *tiles = spec.validation.tile_rank ? make_network(&spec, &set, true) : NULL;
    FILE *points = create("points.tsv");
    struct trainer_config config = {.spec = &spec, .set = &set, .net = net, .validation_net = tiles, .out_dir = out_dir, .made_by = "bench_replay",
                                    .spec_hash = "0000000000000000000000000000000000000000000000000000000000000000", .calls = {.context = points, .points = take_points}};
    if (trainer_new(&config, &trainer, &note)) die("trainer", &note);
    if (argc == 5) {
        training = &spec.training;
        given_images = open_in(argv[4], "crops.f32");
        given_classes = open_in(argv[4], "crops.u8");
        take_weights(net, argv[4]);
    }
    write_weights(net);
    write_crops(&set, &spec);
    write_validation(&set);
    if (trainer_run(trainer, &note)) die("training", &note);
    close_file(points);
    trainer_free(trainer);
    network_free(tiles);
    network_free(net);
    dataset_free(&set);
    return 0;
}
