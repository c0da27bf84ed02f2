/* model_file: a trained model as a folder: model.json (what it is) and model.safetensors (its weights); written and read. */
#include "worker/run/model_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "schema/job/job_spec_json.h"
#include "worker/train/durable_file.h"
#include "worker/train/export.h"

enum { MODEL_JSON_BYTES_MAX = 4 << 20, HEADER_BYTES_MAX = 4 << 20 };

/* ---- spec to network --------------------------------------------------------------------------------- */
void model_network_config(const struct job_spec *spec, int channels, int num_classes, struct network_config *config)
{
    const struct model_spec *m = &spec->model;
    *config = (struct network_config){.rank = spec->training.rank, .in_channels = channels, .out_channels = job_spec_out_channels(spec, num_classes), .levels = m->levels,
                                      .convs = m->convs, .down = m->down, .norm = m->norm, .groups = m->groups, .activation = m->activation, .slope = (float)m->slope,
                                      .conv_bias = m->conv_bias, .batch = spec->training.batch, .gradients = 1};
    for (int i = 0; i < m->levels; i++)
        config->widths[i] = m->widths[i];
    for (int i = 0; i < spec->training.rank; i++)
        config->patch[i] = spec->training.patch[i];
}

void model_tile_config(const struct job_spec *spec, int channels, int num_classes, struct network_config *config)
{
    const struct validation_spec *v = &spec->validation;
    model_network_config(spec, channels, num_classes, config);
    config->inference_only = true;
    for (int i = 0; i < v->tile_rank; i++)
        config->patch[i] = v->tile[i];
}

static const char *algorithm_word(enum network_algorithm a)
{
    return a == ALGORITHM_WINOGRAD ? "winograd" : "direct";
}

static enum network_algorithm algorithm_of(const char *word)
{
    return !strcmp(word, "winograd") ? ALGORITHM_WINOGRAD : ALGORITHM_DIRECT;
}

void model_kernels_to_spec(const struct network_kernels *kernels, struct job_spec *spec)
{
    struct kernels_spec *to = &spec->kernels;
    *to = (struct kernels_spec){.given = true, .micro_batch = kernels->micro_batch, .count = kernels->layers < KERNELS_MAX ? kernels->layers : KERNELS_MAX};
    for (int i = 0; i < to->count; i++) {
        const struct network_layer_kernels *from = &kernels->layer[i];
        err_print(to->layers[i].layer, sizeof to->layers[i].layer, "%s", from->name);
        err_print(to->layers[i].forward, sizeof to->layers[i].forward, "%s", algorithm_word(from->forward));
        err_print(to->layers[i].backward_data, sizeof to->layers[i].backward_data, "%s", algorithm_word(from->backward_data));
        err_print(to->layers[i].backward_weights, sizeof to->layers[i].backward_weights, "%s", algorithm_word(from->backward_weights));
    }
}

void model_kernels_of_spec(const struct job_spec *spec, struct network_kernels *kernels)
{
    const struct kernels_spec *from = &spec->kernels;
    *kernels = (struct network_kernels){.micro_batch = from->micro_batch, .layers = from->count < NETWORK_LAYERS_MAX ? from->count : NETWORK_LAYERS_MAX};
    for (int i = 0; i < kernels->layers; i++) {
        struct network_layer_kernels *to = &kernels->layer[i];
        err_print(to->name, sizeof to->name, "%s", from->layers[i].layer);
        to->forward = algorithm_of(from->layers[i].forward);
        to->backward_data = algorithm_of(from->layers[i].backward_data);
        to->backward_weights = algorithm_of(from->layers[i].backward_weights);
    }
}

void model_tile_kernels(const struct job_spec *spec, struct network_kernels *kernels)
{
    model_kernels_of_spec(spec, kernels);
    if (spec->validation.tile_rank)
        kernels->micro_batch = 1; /* tiles may be few and large: every lane should have one */
}

/* ---- writing ----------------------------------------------------------------------------------------- */
static json_t *class_words(char **classes, unsigned count)
{
    json_t *list = json_array();
    for (unsigned k = 0; k < count; k++)
        json_array_append_new(list, json_string(classes[k]));
    return list;
}

/* Everything that somebody else's program needs to run the network, without our job spec. */
static json_t *architecture(const struct job_spec *spec, const struct network_config *c)
{
    json_t *resolved = job_spec_write(spec), *a = json_deep_copy(json_object_get(resolved, "model"));
    json_object_set_new(a, "in_channels", json_integer(c->in_channels));
    json_object_set_new(a, "out_channels", json_integer(c->out_channels));
    json_object_set_new(a, "output", json_string(c->out_channels == 1 ? "logit of class 1: sigmoid" : "logits of classes: softmax"));
    json_object_set_new(a, "upsampling", json_string("transposed convolution 2x2, stride 2; then concatenation [skip, up]"));
    json_object_set_new(a, "norm_eps", json_real(1e-5));
    json_decref(resolved);
    return a;
}

static json_t *describe(const struct job_spec *spec, const struct dataset *set, const struct network *net, const char *weights_sha256, size_t parameters, const json_t *about)
{
    const struct network_config *c = network_config(net);
    json_t *weights = json_pack("{s:s, s:s, s:I, s:s}", "file", "model.safetensors", "sha256", weights_sha256, "parameters", (json_int_t)parameters, "dtype", "F32");
    json_t *normalisation = json_pack("{s:s, s:s, s:f}", "kind", "zscore", "over", "all pixels of an image, each channel by itself", "added_to_std", 1e-6);
    return json_pack("{s:s, s:i, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:O}", "format", "tandem-model", "version", MODEL_FILE_VERSION, "program", "tandem " TANDEM_VERSION,
                     "dataset", set->name, "channels", (json_int_t)set->channels, "num_classes", (json_int_t)set->num_classes, "classes", class_words(set->classes, set->num_classes),
                     "architecture", architecture(spec, c), "normalisation", normalisation, "weights", weights, "loss_resolved", loss_resolved_write(spec), "spec", job_spec_write(spec),
                     "training", about);
}

enum err model_file_write(const char *out_dir, const struct job_spec *spec, const struct dataset *set, const struct network *net, const float *weights, const json_t *about,
                          struct err_note *note)
{
    char path[DURABLE_PATH_MAX], sha256[SHA256_HEX];
    const char *const metadata[] = {"program", "tandem " TANDEM_VERSION, "described_by", "model.json", NULL};
    int count;
    const struct network_parameter *table = network_parameters(net, &count);
    err_print(path, sizeof path, "%s/model.safetensors", out_dir);
    enum err e = export_safetensors(path, table, count, weights, metadata, sha256, note);
    if (e)
        return e;
    json_t *json = describe(spec, set, net, sha256, table[count - 1].offset + table[count - 1].count, about);
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    err_print(path, sizeof path, "%s/model.json", out_dir);
    e = text ? durable_text(path, text, strlen(text), note) : err_set(note, ERR_NO_MEMORY, path, "no memory for %s", path);
    free(text);
    json_decref(json);
    return e;
}

/* ---- reading ----------------------------------------------------------------------------------------- */
static enum err read_file(const char *path, size_t bytes_max, char **bytes, size_t *length, struct err_note *note)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(fd, "rb") : NULL;
    *bytes = NULL;
    if (!f || fstat(fd, &st) < 0) {
        if (fd >= 0 && !f)
            close(fd);
        if (f)
            fclose(f);
        return err_set(note, ERR_IO, path, "cannot read %s: %s", path, strerror(errno));
    }
    enum err e = OK;
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size > bytes_max)
        e = err_set(note, ERR_CORRUPT, path, "%s is no file of at most %zu bytes", path, bytes_max);
    else if (!(*bytes = malloc((size_t)st.st_size + 1)))
        e = err_set(note, ERR_NO_MEMORY, path, "no memory for %s", path);
    else if (fread(*bytes, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        e = err_set(note, ERR_IO, path, "cannot read all of %s", path);
    fclose(f);
    if (!e) {
        *length = (size_t)st.st_size;
        (*bytes)[*length] = '\0';
    }
    return e;
}

static enum err take_words(const json_t *list, struct model_file *model)
{
    if (!json_is_array(list) || json_array_size(list) != (size_t)model->num_classes)
        return ERR_CORRUPT;
    model->classes = calloc((size_t)model->num_classes, sizeof *model->classes);
    for (int k = 0; model->classes && k < model->num_classes; k++) {
        const char *word = json_string_value(json_array_get(list, (size_t)k));
        model->classes[k] = word ? strdup(word) : NULL;
        if (!model->classes[k])
            return ERR_CORRUPT;
    }
    return model->classes ? OK : ERR_NO_MEMORY;
}

static enum err take_model(const json_t *json, const char *path, struct model_file *model, struct err_note *note)
{
    struct err_list *errors = calloc(2, sizeof *errors);
    const char *format = json_string_value(json_object_get(json, "format")), *name = json_string_value(json_object_get(json, "dataset"));
    if (!errors)
        return err_set(note, ERR_NO_MEMORY, path, "no memory for %s", path);
    enum err e = OK;
    if (!format || strcmp(format, "tandem-model") != 0 || json_integer_value(json_object_get(json, "version")) != MODEL_FILE_VERSION)
        e = err_set(note, ERR_CORRUPT, path, "%s is not a tandem-model of version %d", path, MODEL_FILE_VERSION);
    else if (job_spec_read(json_object_get(json, "spec"), &model->spec, &errors[0], &errors[1]) != OK)
        e = err_set(note, ERR_CORRUPT, path, "%s: /spec%s: %s", path, errors->notes[0].pointer, errors->notes[0].detail);
    free(errors);
    if (e)
        return e;
    json_int_t channels = json_integer_value(json_object_get(json, "channels")), classes = json_integer_value(json_object_get(json, "num_classes"));
    if (channels < 1 || channels > MANIFEST_CHANNELS_MAX || classes < 2 || classes > LABEL_CLASSES_MAX)
        return err_set(note, ERR_CORRUPT, path, "%s: channels or num_classes is out of range", path);
    err_print(model->dataset_name, sizeof model->dataset_name, "%s", name ? name : "");
    model->channels = (int)channels;
    model->num_classes = (int)classes;
    model->out_channels = job_spec_out_channels(&model->spec, model->num_classes);
    e = take_words(json_object_get(json, "classes"), model);
    return e ? err_set(note, e, path, "%s: classes is not a list of %d words", path, model->num_classes) : OK;
}

enum err model_file_read(const char *dir, struct model_file *model, struct err_note *note)
{
    char path[DURABLE_PATH_MAX], *bytes;
    size_t length = 0;
    json_error_t where;
    memset(model, 0, sizeof *model);
    err_print(path, sizeof path, "%s/model.json", dir);
    enum err e = read_file(path, MODEL_JSON_BYTES_MAX, &bytes, &length, note);
    if (!e) {
        json_t *json = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &where);
        e = json ? take_model(json, path, model, note) : err_set(note, ERR_CORRUPT, path, "%s: line %d: %s", path, where.line, where.text);
        json_decref(json);
    }
    free(bytes);
    if (e)
        model_file_free(model);
    return e;
}

void model_file_free(struct model_file *model)
{
    for (int k = 0; model->classes && k < model->num_classes; k++)
        free(model->classes[k]);
    free(model->classes);
    model->classes = NULL;
}

/* One tensor of the header against the network's table; *at is where its floats begin among the data. */
static int tensor_fits(const json_t *tensor, const struct network_parameter *p, uint64_t data_bytes, uint64_t *at)
{
    const char *dtype = json_string_value(json_object_get(tensor, "dtype"));
    const json_t *shape = json_object_get(tensor, "shape"), *offsets = json_object_get(tensor, "data_offsets");
    int fits = dtype && !strcmp(dtype, "F32") && json_array_size(shape) == (size_t)p->rank && json_array_size(offsets) == 2;
    for (int k = 0; fits && k < p->rank; k++)
        fits = json_integer_value(json_array_get(shape, (size_t)k)) == p->dims[k];
    json_int_t begin = json_integer_value(json_array_get(offsets, 0)), end = json_integer_value(json_array_get(offsets, 1));
    fits = fits && begin >= 0 && end >= begin && (uint64_t)end <= data_bytes && (uint64_t)(end - begin) == p->count * sizeof(float);
    *at = (uint64_t)begin;
    return fits;
}

static enum err take_tensors(const json_t *header, const char *data, uint64_t data_bytes, struct network *net, const char *path, struct err_note *note)
{
    int count;
    const struct network_parameter *table = network_parameters(net, &count);
    size_t floats = table[count - 1].offset + table[count - 1].count, named = json_object_size(header) - (json_object_get(header, "__metadata__") ? 1 : 0);
    if (named != (size_t)count)
        return err_set(note, ERR_CORRUPT, path, "%s holds %zu tensors, this network has %d", path, named, count);
    float *canonical = calloc(floats, sizeof *canonical);
    if (!canonical)
        return err_set(note, ERR_NO_MEMORY, path, "no memory for %zu weights", floats);
    enum err e = OK;
    for (int i = 0; i < count && !e; i++) {
        uint64_t at;
        if (tensor_fits(json_object_get(header, table[i].name), &table[i], data_bytes, &at))
            memcpy(canonical + table[i].offset, data + at, table[i].count * sizeof(float));
        else
            e = err_set(note, ERR_CORRUPT, path, "%s: tensor %s is missing or has another type or shape than model.json says", path, table[i].name);
    }
    if (!e)
        network_set_parameters(net, canonical);
    free(canonical);
    return e;
}

enum err model_file_load_weights(const char *dir, struct network *net, struct err_note *note)
{
    char path[DURABLE_PATH_MAX], *bytes;
    size_t length = 0;
    uint64_t header_bytes = 0;
    err_print(path, sizeof path, "%s/model.safetensors", dir);
    enum err e = read_file(path, (size_t)16 << 30, &bytes, &length, note);
    if (!e) {
        if (length >= sizeof header_bytes)
            memcpy(&header_bytes, bytes, sizeof header_bytes);
        json_t *header = NULL;
        if (header_bytes > 0 && header_bytes <= HEADER_BYTES_MAX && header_bytes <= length - sizeof header_bytes)
            header = json_loadb(bytes + sizeof header_bytes, header_bytes, JSON_REJECT_DUPLICATES, NULL);
        size_t before = sizeof header_bytes + header_bytes;
        e = json_is_object(header) ? take_tensors(header, bytes + before, length - before, net, path, note) : err_set(note, ERR_CORRUPT, path, "%s is not a safetensors file", path);
        json_decref(header);
    }
    free(bytes);
    return e;
}
