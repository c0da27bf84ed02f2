/* manifest_fold: cross-validation: a data set's items dealt into folds, what belongs together never apart. */
#include <stdlib.h>
#include <string.h>

#include "worker/data/manifest.h"

enum { FOLDS_MAX = 64 };
struct bundle { /* the items of one group */
    const char *group;
    size_t first, count; /* its first item: which tells bundles of one size apart */
};

static int by_group(const void *a, const void *b)
{
    const struct manifest_item *const *x = a, *const *y = b;
    int order = strcmp((*x)->group, (*y)->group);
    return order ? order : (*x > *y) - (*x < *y);
}

static int by_size(const void *a, const void *b)
{
    const struct bundle *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : (x->first > y->first) - (x->first < y->first);
}

/* Each item without a group, then each run of equal groups. Returns how many bundles. */
static size_t bundle_items(struct manifest *m, struct manifest_item **grouped, struct bundle *bundles)
{
    size_t count = 0, with_group = 0;
    for (size_t i = 0; i < m->item_count; i++) {
        struct manifest_item *item = &m->items[i];
        if (item->split == SPLIT_NONE) continue;
        if (item->group) grouped[with_group++] = item;
        else bundles[count++] = (struct bundle){NULL, i, 1};
    }
    qsort(grouped, with_group, sizeof(struct manifest_item *), by_group);
    for (size_t k = 0; k < with_group; k++) {
        if (!k || strcmp(grouped[k]->group, grouped[k - 1]->group)) bundles[count++] = (struct bundle){grouped[k]->group, (size_t)(grouped[k] - m->items), 0};
        bundles[count - 1].count++;
    }
    qsort(bundles, count, sizeof *bundles, by_size);
    return count;
}

static void place(struct manifest *m, const struct bundle *bundle, enum manifest_split split)
{
    if (!bundle->group) m->items[bundle->first].split = split;
    for (size_t i = bundle->first; bundle->group && i < m->item_count; i++)
        if (m->items[i].split != SPLIT_NONE && m->items[i].group && !strcmp(m->items[i].group, bundle->group)) m->items[i].split = split;
    *(split == SPLIT_VAL ? &m->val_count : &m->train_count) += bundle->count;
}

enum err manifest_fold(struct manifest *m, int fold, int folds, struct err_note *note)
{
    size_t held[FOLDS_MAX] = {0};
    struct manifest_item **grouped = calloc(m->item_count + 1, sizeof *grouped);
    struct bundle *bundles = calloc(m->item_count + 1, sizeof *bundles);
    size_t count = grouped && bundles ? bundle_items(m, grouped, bundles) : 0;
    enum err e = grouped && bundles ? OK : err_set(note, ERR_NO_MEMORY, "dataset.json", "no memory");
    if (!e && (folds > FOLDS_MAX || count < (size_t)folds)) {
        e = err_set(note, ERR_DATA, "dataset.json#/items", "dataset.json: %zu groups cannot make %d folds", count, folds);
        if (note) err_print(note->allowed, sizeof note->allowed, "at most as many folds as groups; an item without a group is one");
    }
    m->train_count = m->val_count = m->groups_in_both = 0;
    for (size_t b = 0; b < count && !e; b++) {
        int least = 0;
        for (int f = 1; f < folds; f++)
            if (held[f] < held[least]) least = f;
        held[least] += bundles[b].count;
        place(m, &bundles[b], least == fold ? SPLIT_VAL : SPLIT_TRAIN);
    }
    free(grouped);
    free(bundles);
    return e;
}
