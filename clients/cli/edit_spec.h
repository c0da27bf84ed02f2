/* edit_spec: `--set loss.alpha=0.8`: changes a job's JSON by a dotted path before it is sent. */
#ifndef CLIENTS_CLI_EDIT_SPEC_H
#define CLIENTS_CLI_EDIT_SPEC_H
#include <jansson.h>
#include "schema/base/err.h"

/* `setting` is path=value; the path's parts are keys, or numbers in arrays; objects on the way are made. The value is JSON if it
   reads as such, else a text. An array of jobs is changed job by job. ERR_BAD_REQUEST with the place in `note`. */
enum err edit_spec(json_t *job, const char *setting, struct err_note *note) MUST_USE;
#endif
