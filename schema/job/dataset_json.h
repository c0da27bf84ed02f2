/* dataset_json: a job's data set as JSON: a registered name, {"path"}, or {"generate"}. */
#ifndef SCHEMA_JOB_DATASET_JSON_H
#define SCHEMA_JOB_DATASET_JSON_H
#include <jansson.h>
#include "schema/base/buf.h"
#include "schema/job/job_spec.h"

/* json NULL: ERR_KEY_MISSING, as a job without a data set is none. */
void dataset_spec_read(const json_t *json, struct dataset_spec *dataset, const char *pointer, struct err_list *errors);
enum err dataset_spec_print(const struct dataset_spec *dataset, struct buf *to) MUST_USE;
/* ^[a-z0-9][a-z0-9._-]{0,63}$: names of registered data sets. */
bool dataset_name_fits(const char *name);
/* Relative, 1 to 512 bytes, no empty, "." or ".." part, no control character. */
bool dataset_path_fits(const char *path);
/* The object under "generate" alone, as PUT /v1/datasets/{name} takes it. */
void dataset_generate_read(const json_t *json, struct dataset_generate *generate, const char *pointer, struct err_list *errors);
enum err dataset_generate_print(const struct dataset_generate *generate, struct buf *to) MUST_USE;
#endif
