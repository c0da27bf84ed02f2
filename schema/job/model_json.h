/* model_json: the model block of a job as rows. */
#ifndef SCHEMA_JOB_MODEL_JSON_H
#define SCHEMA_JOB_MODEL_JSON_H
#include "schema/base/json_fields.h"
#include "schema/job/job_spec.h"

extern const struct field model_fields[]; /* rows of struct model_spec */
#endif
