/* manifest: dataset.json held to its rules: which files, what mask values mean, who trains and who validates. */
#ifndef WORKER_DATA_MANIFEST_H
#define WORKER_DATA_MANIFEST_H
#include "worker/data/label_map.h"

enum {
    MANIFEST_CHANNELS_MAX = 3,
    MANIFEST_NAME_MAX = 128, /* bytes of a name, id, group or class word */
    MANIFEST_PATH_MAX = 1024,
    MANIFEST_ITEMS_MAX = 1000000
};
#define MANIFEST_BYTES_MAX ((size_t)64 << 20)

enum manifest_split { SPLIT_TRAIN, SPLIT_VAL, SPLIT_NONE /* named by neither list: left out */ };

struct manifest_item {
    char *id, *image, *mask; /* paths relative to the folder of dataset.json */
    char *group;             /* what belongs together (a patient); NULL when not given */
    enum manifest_split split;
};
struct manifest {
    char name[MANIFEST_NAME_MAX + 1];
    unsigned channels;    /* 1 or 3 */
    unsigned num_classes; /* 2..LABEL_CLASSES_MAX */
    char **classes;       /* num_classes words */
    struct label_map labels;
    struct manifest_item *items; /* in the order of the file */
    size_t item_count, train_count, val_count;
    size_t groups_in_both; /* groups with items in both splits: worth a warning */
};

/* Reads `length` bytes of dataset.json. Mistakes are ERR_DATA with pointer "dataset.json#/split/val/3" (RFC 6901 after
   the hash), found and allowed filled where they help. Refused: duplicate keys, missing keys, unknown keys inside labels
   and split, wrong types, an id twice or in both splits or not among the items, an image named by two items, paths that
   are absolute or hold "..", class indices beyond num_classes. Other top-level and item keys are descriptions.
   On success the caller frees with manifest_free (80 KiB: keep it off small stacks); on error it is empty. */
enum err manifest_parse(const char *text, size_t length, struct manifest *manifest, struct err_note *note) MUST_USE;
/* The same for dataset.json in `folder` (from folder_open). */
enum err manifest_read(int folder, struct manifest *manifest, struct err_note *note) MUST_USE;
/* Deals the items that the split names into `folds` >= 2 parts anew; part `fold` validates, the others train. Items of one group stay
   together; one without a group is its own. The largest group first, each into the part with the fewest items; of equals the first. So
   without groups item i goes to part i % folds. ERR_DATA when there are fewer groups than folds. */
enum err manifest_fold(struct manifest *manifest, int fold, int folds, struct err_note *note) MUST_USE;
void manifest_free(struct manifest *manifest); /* may be called twice, and on {0} */
#endif
