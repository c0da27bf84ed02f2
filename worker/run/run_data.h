/* run_data: the data set of a job in memory: from a folder, from an uploaded archive, or generated. */
#ifndef WORKER_RUN_RUN_DATA_H
#define WORKER_RUN_RUN_DATA_H
#include "schema/job/job_spec.h"
#include "worker/data/dataset.h"

/* `data`: a folder with dataset.json; a folder that holds the set under the name that the job gives it; or an archive, which
   is unpacked below `out_dir` and removed again. NULL is fine for a generated set. The caller frees with dataset_free.
   ERR_DATA, ERR_IO, ERR_NO_MEMORY, ERR_NO_SPACE, ERR_SPEC. */
enum err run_data_load(const struct job_spec *job, const char *data, const char *out_dir, struct dataset *set, struct err_note *note) MUST_USE;
/* Removes a folder and all in it, following no link. */
void run_data_remove(const char *folder);
#endif
