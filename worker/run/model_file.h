/* model_file: a trained model as a folder: model.json (what it is) and model.safetensors (its weights); written and read. */
#ifndef WORKER_RUN_MODEL_FILE_H
#define WORKER_RUN_MODEL_FILE_H
#include <jansson.h>
#include "schema/base/sha256.h"
#include "schema/job/job_spec.h"
#include "worker/data/dataset.h"
#include "worker/net/network.h"

enum { MODEL_FILE_VERSION = 1 };

/* What a folder says about its model. */
struct model_file {
    struct job_spec spec;      /* the job that made it, resolved */
    char dataset_name[MANIFEST_NAME_MAX + 1];
    int channels, num_classes, out_channels;
    char **classes;            /* num_classes words */
};

/* The network that `spec` asks for on data of that form. gradients 0: inference only. Refused as network_new refuses. */
void model_network_config(const struct job_spec *spec, int channels, int num_classes, struct network_config *config);
/* The inference network of validation and prediction: tiles as validation.tile says, else of the training patch. */
void model_tile_config(const struct job_spec *spec, int channels, int num_classes, struct network_config *config);
/* spec->kernels from what runs (all of it), and back; `kernels` is filled from a given block. */
void model_kernels_to_spec(const struct network_kernels *kernels, struct job_spec *spec);
void model_kernels_of_spec(const struct job_spec *spec, struct network_kernels *kernels);
/* The same for the network of model_tile_config. */
void model_tile_kernels(const struct job_spec *spec, struct network_kernels *kernels);

/* Writes both files into `out_dir`, durable, weights first. weights: canonical. `about` (borrowed object) becomes the key "training". */
enum err model_file_write(const char *out_dir, const struct job_spec *spec, const struct dataset *set, const struct network *net,
                          const float *weights, const json_t *about, struct err_note *note) MUST_USE;
/* Reads model.json. ERR_IO, ERR_CORRUPT (not such a file, another version, a spec that is refused). The caller frees. */
enum err model_file_read(const char *dir, struct model_file *model, struct err_note *note) MUST_USE;
void model_file_free(struct model_file *model);
/* Reads model.safetensors into `net`: every tensor by name, type and shape; others in the file are an error.
   ERR_IO, ERR_CORRUPT naming the tensor, ERR_NO_MEMORY. */
enum err model_file_load_weights(const char *dir, struct network *net, struct err_note *note) MUST_USE;
#endif
