/* export: the weights of a network as model.safetensors, with the names and shapes that PyTorch uses. */
#ifndef WORKER_TRAIN_EXPORT_H
#define WORKER_TRAIN_EXPORT_H
#include <stddef.h>
#include "schema/base/err.h"
#include "schema/base/sha256.h"
#include "worker/net/network.h"

/* Format: 8 bytes length of the header (little-endian), the header (JSON: name -> dtype, shape, data_offsets; padded with
   spaces so that the data begin at a multiple of 8), the tensors one after the other as little-endian floats.
   metadata: pairs of key and value, ends with NULL; plain ASCII without quotes or backslashes (asserted). Durable. */
enum err export_safetensors(const char *path, const struct network_parameter *table, int count, const float *canonical,
                            const char *const metadata[], char sha256[SHA256_HEX], struct err_note *note) MUST_USE;
/* sha256 of the canonical weights alone: what "the same weights" means. */
void export_weights_sha256(const float *canonical, size_t parameters, char hex[SHA256_HEX]);
#endif
