/* tuning_file: what network_tune measured, kept from job to job in a file that all jobs of a machine share. */
#ifndef WORKER_RUN_TUNING_FILE_H
#define WORKER_RUN_TUNING_FILE_H
#include "worker/net/tune.h"

/* A text file, one line a measurement: machine, block, rows, columns, ins, outs, kind, algorithm, samples, ns, prepare_ns.
   Lines are only ever appended, and the first of a case counts, so jobs that run side by side soon agree. `machine` keeps apart
   processors, instruction sets, libraries and versions of this program: folders are shared by unequal hosts. */
enum { TUNING_MACHINE_MAX = 65, TUNING_FILE_BYTES_MAX = 4 << 20 };
struct tuning_file {
    int fd; /* -1: none */
    char machine[TUNING_MACHINE_MAX];
};
/* Opens, or makes it; before the sandbox, which leaves the descriptor. A file that cannot be had costs time, not the job: fd -1,
   and `note` says why. path NULL: none. */
enum err tuning_file_open(struct tuning_file *file, const char *path, const char *isa, struct err_note *note) MUST_USE;
/* Fills `table` with this machine's lines (all known); lines of another form are skipped. */
void tuning_file_read(const struct tuning_file *file, struct tune_table *table);
/* Appends what was measured since. */
enum err tuning_file_append(const struct tuning_file *file, const struct tune_table *table, struct err_note *note) MUST_USE;
void tuning_file_close(struct tuning_file *file); /* may be called twice */
#endif
