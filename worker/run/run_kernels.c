/* run_kernels: given, remembered or measured. */
#include "worker/run/run_kernels.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "schema/base/clock.h"
#include "schema/job/job_spec_json.h"
#include "worker/run/model_file.h"
#include "worker/train/durable_file.h"

enum { PATH_ROOM = 4096, JOB_BYTES_MAX = 1 << 20 };

static void name_resolved(const char *out_dir, char path[PATH_ROOM])
{
    err_print(path, PATH_ROOM, "%s/resolved.json", out_dir);
}

/* True: resolved.json is there, of the same job, and its kernels are now in `kernels`. */
static bool remember(const char *out_dir, const char *spec_hash, struct network_kernels *kernels)
{
    char path[PATH_ROOM], hash[SHA256_HEX] = "";
    struct job_spec *before = calloc(1, sizeof *before);
    struct err_list *errors = calloc(2, sizeof *errors);
    name_resolved(out_dir, path);
    json_t *json = json_load_file(path, 0, NULL);
    bool found = before && errors && json && job_spec_read(json, before, &errors[0], &errors[1]) == OK && before->kernels.given;
    if (found)
        job_spec_hash(before, hash);
    found = found && !strcmp(hash, spec_hash);
    if (found)
        model_kernels_of_spec(before, kernels);
    json_decref(json);
    free(errors);
    free(before);
    return found;
}

static enum err tune(struct run_kernels *rk, const struct network_config *config, struct err_note *warning, struct err_note *note)
{
    struct tune_table *table = calloc(1, sizeof *table);
    if (!table)
        return err_set(note, ERR_NO_MEMORY, "/kernels", "no memory for a table of timings");
    int64_t began_ms = clock_mono_ms();
    tuning_file_read(&rk->file, table);
    enum err e = network_tune(config, table, &rk->kernels, note);
    rk->tuned = true;
    rk->measured = table->count - table->known;
    rk->seconds = (double)(clock_mono_ms() - began_ms) / 1000;
    if (!e && tuning_file_append(&rk->file, table, warning))
        tuning_file_close(&rk->file);
    free(table);
    return e;
}

enum err run_kernels_choose(struct run_kernels *rk, const struct job_spec *spec, const char *spec_hash, const struct network_config *config, const char *out_dir,
                            bool resumes, struct err_note *warning, struct err_note *note)
{
    warning->detail[0] = '\0';
    if (spec->kernels.given)
        model_kernels_of_spec(spec, &rk->kernels);
    else if (!resumes || !remember(out_dir, spec_hash, &rk->kernels))
        return tune(rk, config, warning, note);
    return OK;
}

enum err run_kernels_write(const struct job_spec *spec, const char *out_dir, struct err_note *note)
{
    char path[PATH_ROOM];
    name_resolved(out_dir, path);
    json_t *json = job_spec_write(spec);
    char *text = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    enum err e = text ? durable_text(path, text, strlen(text), note) : err_set(note, ERR_NO_MEMORY, path, "no memory for the resolved job");
    free(text);
    json_decref(json);
    return e;
}
