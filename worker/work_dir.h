/* work_dir: the folders a worker works in: the shared cache, and a folder of its own that is swept when it died. */
#ifndef WORKER_WORK_DIR_H
#define WORKER_WORK_DIR_H
#include "schema/base/err.h"

enum { WORK_DIR_BYTES = 1024 };
struct work_dir {
    char cache[WORK_DIR_BYTES];   /* DIR/blobs: archives by sha256, shared */
    char tuning[WORK_DIR_BYTES];  /* DIR/tuning.txt: how fast which kernel is here, shared by all jobs */
    char own[WORK_DIR_BYTES];     /* DIR/work/run-XXXXXX: this process's */
    int lock;                     /* held as long as the process lives */
};
/* `dir` NULL: $XDG_CACHE_HOME/tandem, ~/.cache/tandem, /var/tmp/tandem-UID. Removes what dead workers left. ERR_IO, ERR_NO_SPACE. */
enum err work_dir_open(const char *dir, struct work_dir *work, struct err_note *note) MUST_USE;
void work_dir_close(struct work_dir *work);
#endif
