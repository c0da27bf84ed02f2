/* manifest_labels: the "labels" of dataset.json: what the raw values of a mask mean. */
#ifndef WORKER_DATA_MANIFEST_LABELS_H
#define WORKER_DATA_MANIFEST_LABELS_H
#include "worker/data/manifest.h"
#include "worker/data/manifest_json.h"

/* Fills manifest->labels from top["labels"]; num_classes is known by then. */
enum err manifest_read_labels(const json_t *top, struct manifest *manifest, struct err_note *note) MUST_USE;
#endif
