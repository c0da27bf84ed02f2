/* run_inside: a run under way, shared by the files that prepare it, tell of it and write what it made; nobody else includes it. */
#ifndef WORKER_RUN_RUN_INSIDE_H
#define WORKER_RUN_RUN_INSIDE_H
#include <jansson.h>
#include "schema/base/sha256.h"
#include "schema/job/job_spec_json.h"
#include "worker/run/json_lines.h"
#include "worker/run/progress_line.h"
#include "worker/run/run_job.h"
#include "worker/run/run_kernels.h"
#include "worker/train/trainer.h"

enum { RUN_PATH_BYTES = 4096 };

struct run { /* starts as zeros */
    const struct run_options *options;
    struct job_spec spec;
    struct err_list errors, warnings;
    char spec_hash[SHA256_HEX], made_by[128];
    struct dataset set;
    struct run_kernels kernels;
    struct network_kernels tile_kernels;
    struct network *net, *validation_net; /* the second NULL: the first validates, too */
    struct trainer *trainer;
    json_t *images; /* what each validation image scored; NULL: none was */
    struct json_lines *lines;
    struct progress_line shown;
    double last_progress_s;
};

/* run_prepare.c: from the job file to a trainer that can start: reads the job, loads its data, chooses kernels, builds the networks,
   writes resolved.json. ERR_SPEC (all mistakes in r->errors), ERR_DATA, ERR_IO, ERR_NO_MEMORY, ERR_NO_SPACE, ERR_CORRUPT (resume). */
enum err run_prepare(struct run *r, struct err_note *note) MUST_USE;

/* run_tell.c: to the parent as events, to a person as lines. level: "info", "warn", "error". */
void run_say(struct run *r, const char *level, const char *text);
struct trainer_calls run_trainer_calls(struct run *r); /* what the trainer says goes there, too */
void run_tell_start(struct run *r);                    /* after run_prepare */
void run_tell_failure(struct run *r, enum err e, const struct err_note *note);

/* run_products.c: after trainer_evaluate: the model, curves, previews, images.json and result.json, durable; then tells that it is
   done. ERR_IO, ERR_NO_SPACE, ERR_NO_MEMORY. */
enum err run_write_products(struct run *r, struct err_note *note) MUST_USE;
#endif
