/* predict_images: a trained model over a folder of pictures: a mask of class indices and a coloured one for each. */
#include "worker/run/predict_images.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "worker/data/image_file.h"
#include "worker/data/preview.h"
#include "worker/data/write_png.h"
#include "worker/run/model_file.h"
#include "worker/train/predict.h"

enum { PATH_ROOM = 4096 + 300 };

struct job {
    const struct predict_options *o;
    struct model_file model;
    struct network *net;
    struct predictor *predictor;
    FILE *say;
};

static enum err open_model(struct job *j, struct err_note *note)
{
    struct network_config config;
    struct network_kernels kernels;
    enum err e = model_file_read(j->o->model, &j->model, note);
    if (e)
        return e;
    model_tile_config(&j->model.spec, j->model.channels, j->model.num_classes, &config);
    config.lanes = j->o->threads;
    config.backend = j->o->backend;
    if (j->model.spec.kernels.given) { /* what validation judged, at its speed */
        model_tile_kernels(&j->model.spec, &kernels);
        config.kernels = &kernels;
    }
    e = network_new(&config, &j->net, note);
    if (!e)
        e = model_file_load_weights(j->o->model, j->net, note);
    if (!e)
        e = predictor_new(j->net, j->o->overlap >= 0 ? j->o->overlap : j->model.spec.validation.tile_overlap, &j->predictor, note);
    return e;
}

/* A picture in the model's number of channels. */
static enum err read_picture(const struct job *j, const char *path, struct image *image, struct err_note *note)
{
    enum err e = image_read(path, IMAGE_PICTURE, image, note);
    if (e || (int)image->channels == j->model.channels || (j->model.channels == 1 && image_drop_equal_channels(image)))
        return e;
    e = err_set(note, ERR_DATA, path, "%s has %u channels, the model reads %d", path, image->channels, j->model.channels);
    image_free(image);
    return e;
}

/* The path of an output: OUT/STEM and `end`. */
static void name_output(const struct job *j, const char *path, const char *end, char *to, size_t size)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    err_print(to, size, "%s/%.*s%s", j->o->out, dot && dot != base ? (int)(dot - base) : (int)strlen(base), base, end);
}

static enum err write_masks(const struct job *j, const char *path, const struct dataset_image *image, const uint8_t *classes, struct err_note *note)
{
    char to[PATH_ROOM];
    size_t pixels = (size_t)image->height * image->width;
    uint8_t *rgb = malloc(3 * pixels);
    if (!rgb)
        return err_set(note, ERR_NO_MEMORY, path, "no memory for the colours of %s", path);
    for (size_t i = 0; i < pixels; i++) {
        uint32_t colour = preview_colour(classes[i]);
        rgb[3 * i] = (uint8_t)(colour >> 16);
        rgb[3 * i + 1] = (uint8_t)(colour >> 8 & 0xff);
        rgb[3 * i + 2] = (uint8_t)(colour & 0xff);
    }
    name_output(j, path, ".png", to, sizeof to);
    enum err e = write_png(to, image->width, image->height, 1, classes, note);
    name_output(j, path, "-colour.png", to, sizeof to);
    if (!e)
        e = write_png(to, image->width, image->height, 3, rgb, note);
    free(rgb);
    return e;
}

static void tell(const struct job *j, const char *path, const uint8_t *classes, size_t pixels)
{
    size_t count[256] = {0};
    if (!j->say)
        return;
    for (size_t i = 0; i < pixels; i++)
        count[classes[i]]++;
    fprintf(j->say, "%s:", path);
    for (int k = 0; k < j->model.num_classes; k++)
        fprintf(j->say, " %s %.2f%%", j->model.classes[k], 100 * (double)count[k] / (double)pixels);
    fputc('\n', j->say);
}

static enum err predict_one(struct job *j, const char *path, struct err_note *note)
{
    struct image picture;
    struct dataset one = {0};
    enum err e = read_picture(j, path, &picture, note);
    if (e)
        return e;
    size_t pixels = (size_t)picture.width * picture.height;
    uint8_t *classes = calloc(pixels, 1);
    e = classes ? dataset_start(&one, "", (unsigned)j->model.channels, (unsigned)j->model.num_classes, (const char *const *)j->model.classes) : ERR_NO_MEMORY;
    if (!e)
        e = dataset_add(&one, SPLIT_VAL, path, &picture, classes);
    image_free(&picture);
    if (e)
        e = err_set(note, e, path, "no memory for %s", path);
    else
        e = predict_image(j->predictor, &one.splits[SPLIT_VAL].images[0], classes, note);
    if (!e)
        e = write_masks(j, path, &one.splits[SPLIT_VAL].images[0], classes, note);
    if (!e)
        tell(j, path, classes, pixels);
    dataset_free(&one);
    free(classes);
    return e;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static enum err predict_folder(struct job *j, struct err_note *note)
{
    struct dirent **names;
    char path[PATH_ROOM];
    struct stat st;
    if (stat(j->o->images, &st) == 0 && S_ISREG(st.st_mode))
        return predict_one(j, j->o->images, note);
    int count = scandir(j->o->images, &names, not_hidden, alphasort), done = 0;
    if (count < 0)
        return err_set(note, ERR_DATA, j->o->images, "cannot read %s: %s", j->o->images, strerror(errno));
    enum err e = OK;
    for (int i = 0; i < count; i++) {
        err_print(path, sizeof path, "%s/%s", j->o->images, names[i]->d_name);
        if (!e && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            e = predict_one(j, path, note);
            done++;
        }
        free(names[i]);
    }
    free(names);
    if (!e && done == 0)
        e = err_set(note, ERR_DATA, j->o->images, "there is no file in %s", j->o->images);
    return e;
}

enum err predict_images(const struct predict_options *options, FILE *say, struct err_note *note)
{
    struct job j = {.o = options, .say = say};
    enum err e = OK;
    if (mkdir(options->out, 0755) < 0 && errno != EEXIST)
        e = err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, options->out, "cannot make %s: %s", options->out, strerror(errno));
    if (!e)
        e = open_model(&j, note);
    if (!e)
        e = predict_folder(&j, note);
    predictor_free(j.predictor);
    network_free(j.net);
    model_file_free(&j.model);
    return e;
}
