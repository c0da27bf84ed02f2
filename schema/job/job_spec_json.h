/* job_spec_json: JSON <-> job_spec; THE reader that server, worker and clients share. */
#ifndef SCHEMA_JOB_JOB_SPEC_JSON_H
#define SCHEMA_JOB_JOB_SPEC_JSON_H
#include <jansson.h>
#include "schema/base/buf.h"
#include "schema/job/job_spec.h"

enum { JOB_TEXT_BYTES_MAX = 1 << 20 }; /* of a resolved spec or loss: what was sent, and every default */

/* Reads and checks a whole spec. Collects every mistake (code, pointer, found, allowed, nearest) in `errors` and every
   remark (W_ words: alpha_end, adam_ignores_scale, dice_only, equivalent, decay_twice, cost, sign_theorem, plateau_unreachable,
   monitor_mode) in `warnings` as notes whose `nearest`
   holds the warning's word. Returns OK when there is no error, else ERR_SPEC. `json` stays the caller's. */
enum err job_spec_read(const json_t *json, struct job_spec *spec, struct err_list *errors, struct err_list *warnings) MUST_USE;
/* The same from text (at most `length` bytes, depth 16, no duplicate keys): ERR_BAD_JSON with line and column. */
enum err job_spec_parse(const char *text, size_t length, struct job_spec *spec, struct err_list *errors, struct err_list *warnings) MUST_USE;
/* The resolved spec as one line of text, every default in place; reading it again gives the same struct. */
enum err job_spec_print(const struct job_spec *spec, struct buf *to) MUST_USE;
json_t *job_spec_write(const struct job_spec *spec); /* as a tree: new reference, never NULL */
enum err job_tags_print(const struct job_spec *spec, struct buf *to) MUST_USE; /* the array of that key */
/* The remarks as [{code, pointer, detail}]. */
enum err job_warnings_print(const struct err_list *warnings, struct buf *to) MUST_USE;
/* The loss block as it was understood: defaults filled, sugar expanded to keyframes, equivalences in words. */
enum err loss_resolved_print(const struct job_spec *spec, struct buf *to) MUST_USE;
json_t *loss_resolved_write(const struct job_spec *spec); /* as a tree: new reference, never NULL */
/* sha256 of the resolved spec without name, project, tags, notes, priority, attempts, timeout, threads and kernels:
   two jobs with the same hash train the same thing. */
void job_spec_hash(const struct job_spec *spec, char hex[65]);
/* {"epochs": E, "alpha": [...], "keyframes"}, one value an epoch, from {"alpha":..., "epochs":E, "steps_per_epoch":S, "every_epochs":V}.
   Unit step: the first step's, and "steps": {"every_steps": k, "alpha"} has every k-th step, at most 1000. A plateau has no curve
   before it is trained, but two bounds: {"epochs", "bounds": {"never_stalls", "always_stalls"}, "plateau"}; V epochs from one
   validation to the next. */
enum err alpha_preview(const json_t *request, json_t **reply, struct err_list *errors) MUST_USE;
/* One row a strategy: word, formula, parameters with default and range, built or not. New reference. */
json_t *strategies_write(void);
#endif
