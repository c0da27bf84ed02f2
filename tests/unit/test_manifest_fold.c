/* test_manifest_fold: folds hold every item once for validation, and no group on both sides. */
#include "tests/check.h"
#include "worker/data/generate.h"
#include "worker/data/manifest.h"

enum { ITEMS = 11 };
/* p1 has four items, p2 and p3 two each, three have none; the last of p1 is left out by the split. */
static const char *const groups[ITEMS] = {"p1", NULL, "p2", "p1", "p3", NULL, "p1", "p2", "p3", NULL, "p1"};

static void parse(struct manifest *m)
{
    char text[4096];
    struct err_note note;
    size_t n = (size_t)snprintf(text, sizeof text, "{\"name\": \"s\", \"channels\": 1, \"num_classes\": 2, \"classes\": [\"a\", \"b\"], \"labels\": {\"kind\": \"values\", \"map\": {\"0\": 0, \"1\": 1}}, \"items\": [");
    for (int i = 0; i < ITEMS; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s{\"id\": \"%d\", \"image\": \"i%d\", \"mask\": \"m%d\"", i ? ", " : "", i, i, i);
        n += (size_t)snprintf(text + n, sizeof text - n, groups[i] ? ", \"group\": \"%s\"}" : "}", groups[i]);
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "], \"split\": {\"train\": [\"0\", \"1\", \"2\", \"3\", \"4\", \"5\", \"6\"], \"val\": [\"7\", \"8\", \"9\"]}}");
    if (manifest_parse(text, n, m, &note)) check_fail(__FILE__, __LINE__, "%s %s", note.pointer, note.detail);
}

void test_fold_validates_every_item_once_and_keeps_groups_together(void)
{
    static struct manifest m;
    int validated[ITEMS] = {0};
    for (int fold = 0; fold < 3; fold++) {
        parse(&m);
        CHECK(m.groups_in_both > 0); /* its own split tears p2 and p3 */
        CHECK_INT(manifest_fold(&m, fold, 3, NULL), OK);
        CHECK_INT(m.groups_in_both, 0);
        CHECK_INT(m.train_count + m.val_count, 10);
        CHECK(m.val_count >= 3 && m.val_count <= 4);
        for (int i = 0; i < ITEMS; i++)
            for (int k = 0; k < ITEMS; k++)
                if (groups[i] && groups[k] && !strcmp(groups[i], groups[k]) && m.items[i].split != SPLIT_NONE && m.items[k].split != SPLIT_NONE)
                    CHECK_INT(m.items[i].split, m.items[k].split);
        for (int i = 0; i < ITEMS; i++) validated[i] += m.items[i].split == SPLIT_VAL;
        CHECK_INT(m.items[10].split, SPLIT_NONE);
        manifest_free(&m);
    }
    for (int i = 0; i < 10; i++) CHECK_INT(validated[i], 1);
}

void test_fold_of_fewer_groups_than_folds_is_refused(void)
{
    static struct manifest m;
    struct err_note note = {0};
    parse(&m);
    CHECK_INT(manifest_fold(&m, 0, 7, &note), ERR_DATA);
    CHECK_TEXT(note.detail, "dataset.json: 6 groups cannot make 7 folds");
    manifest_free(&m);
}

/* The pictures of a generated set are dealt as the same set read from files would be: picture i to fold i % folds. */
void test_fold_of_a_generated_set_is_that_of_its_files(void)
{
    struct generator g = GENERATOR_DEFAULT;
    struct dataset made, read;
    struct err_note note;
    g.images = 7;
    g.size = 32;
    CHECK_INT(generate_write_folder(&g, "set", &note), OK);
    CHECK_INT(generate_dataset_fold(&g, 1, 3, &made, &note), OK);
    CHECK_INT(dataset_load_fold("set", 0, 1, 3, &read, &note), OK);
    for (int s = 0; s < 2; s++) {
        CHECK_INT(made.splits[s].count, s == SPLIT_VAL ? 2 : 5);
        CHECK_INT(read.splits[s].count, made.splits[s].count);
        for (size_t i = 0; i < made.splits[s].count; i++) CHECK_TEXT(read.splits[s].images[i].id, made.splits[s].images[i].id);
    }
    dataset_free(&made);
    dataset_free(&read);
}
