/* test_manifest: dataset.json accepted and refused, each refusal with its exact words. */
#include "tests/check.h"
#include "worker/data/manifest.h"

#define HEAD "{\"name\": \"s\", \"channels\": 1, \"num_classes\": 2, \"classes\": [\"a\", \"b\"], "
#define LABELS "\"labels\": {\"kind\": \"values\", \"map\": {\"0\": 0, \"255\": 1}}, "
#define ITEMS                                                                                                               \
    "\"items\": [{\"id\": \"x\", \"image\": \"x.png\", \"mask\": \"mx.png\"}, {\"id\": \"y\", \"image\": \"y.png\", "       \
    "\"mask\": \"my.png\"}], "
#define SPLIT "\"split\": {\"train\": [\"x\"], \"val\": [\"y\"]}}"

static struct manifest *parse(const char *text)
{
    struct manifest *m = malloc(sizeof *m);
    struct err_note note;
    CHECK(m);
    if (manifest_parse(text, strlen(text), m, &note)) check_fail(__FILE__, __LINE__, "refused: %s", note.detail);
    return m;
}

static void drop(struct manifest *m)
{
    manifest_free(m);
    manifest_free(m);
    free(m);
}

void test_manifest_is_read_and_descriptions_are_accepted(void)
{
    struct manifest *m = parse(
        "{\"title\": \"T\", \"facts\": {\"labels\": [1]}, \"name\": \"s\", \"channels\": 3, \"num_classes\": 3, "
        "\"classes\": [\"a\", \"b\", \"c\"],"
        " \"labels\": {\"kind\": \"values\", \"map\": {\"0\": 0, \"300\": 2}, \"ignore\": [255, \"254\"]},"
        " \"items\": [{\"id\": \"x\", \"image\": \"i/x.png\", \"mask\": \"m/..x.png\", \"bytes\": 4, \"group\": \"g\"},"
        " {\"id\": \"z\", \"image\": \"z.png\", \"mask\": \"mz.png\"}, {\"id\": \"y\", \"image\": \"y.png\", \"mask\": "
        "\"my.png\", \"group\": \"g\"}],"
        " \"split\": {\"train\": [\"x\"], \"val\": [\"y\"]}}");
    CHECK_TEXT(m->name, "s");
    CHECK_INT(m->channels, 3);
    CHECK_INT(m->num_classes, 3);
    CHECK_TEXT(m->classes[2], "c");
    CHECK_INT(m->labels.class_of[0], 0);
    CHECK_INT(m->labels.class_of[300], 2);
    CHECK_INT(m->labels.class_of[255], LABEL_IGNORE);
    CHECK_INT(m->labels.class_of[254], LABEL_IGNORE);
    CHECK_INT(m->labels.class_of[1], LABEL_UNMAPPED);
    CHECK_INT(m->item_count, 3);
    CHECK_TEXT(m->items[0].mask, "m/..x.png");
    CHECK_INT(m->items[0].split, SPLIT_TRAIN);
    CHECK_INT(m->items[1].split, SPLIT_NONE);
    CHECK_INT(m->items[2].split, SPLIT_VAL);
    CHECK(m->items[1].group == NULL);
    CHECK_INT(m->groups_in_both, 1);
    drop(m);
}

void test_manifest_takes_thresholds_and_colours(void)
{
    struct manifest *m =
        parse(HEAD "\"labels\": {\"kind\": \"threshold\", \"threshold\": 127.5, \"ignore\": [9]}, " ITEMS SPLIT);
    CHECK_INT(m->labels.class_of[127], 0);
    CHECK_INT(m->labels.class_of[128], 1);
    CHECK_INT(m->labels.class_of[9], LABEL_IGNORE);
    drop(m);
    m = parse(HEAD
              "\"labels\": {\"kind\": \"rgb\", \"map\": {\"0,0,0\": 0, \"255, 0, 16\": 1}, \"ignore\": [\"1,1,1\"]}, " ITEMS
                  SPLIT);
    CHECK_INT(m->labels.colour_count, 3);
    CHECK_INT(m->labels.colours[2].rgb, 0xff0010);
    CHECK_INT(m->labels.colours[2].class_index, 1);
    drop(m);
}

static const struct {
    const char *text, *words;
} refused[] = {
    {"", "dataset.json: not JSON: line 1, column 0: '[' or '{' expected near end of file"},
    {"[]", "dataset.json#: must be an object, is a list"},
    {"{\"name\": \"a\", \"name\": \"b\"}",
     "dataset.json: not JSON: line 1, column 20: duplicate object key near '\"name\"'"},
    {"{}", "dataset.json#/name: this key is missing"},
    {"{\"name\": 3}", "dataset.json#/name: must be a text, is a whole number"},
    {"{\"name\": \"\"}", "dataset.json#/name: is empty"},
    {"{\"name\": \"a\\nb\"}", "dataset.json#/name: holds a control character"},
    {"{\"name\": \"a\"}", "dataset.json#/channels: this key is missing"},
    {"{\"name\": \"a\", \"channels\": 1.0}", "dataset.json#/channels: must be a whole number, is a number"},
    {"{\"name\": \"a\", \"channels\": 4}", "dataset.json#/channels: 4 is not in 1..3"},
    {"{\"name\": \"a\", \"channels\": 2}", "dataset.json#/channels: 2 is not one of 1 (grey) and 3 (colour)"},
    {"{\"name\": \"a\", \"channels\": 1, \"num_classes\": 1}", "dataset.json#/num_classes: 1 is not in 2..254"},
    {"{\"name\": \"a\", \"channels\": 1, \"num_classes\": 2, \"classes\": [\"a\"]}",
     "dataset.json#/classes: has 1 names; num_classes is 2"},
    {"{\"name\": \"a\", \"channels\": 1, \"num_classes\": 2, \"classes\": [\"a\", \"a\"]}",
     "dataset.json#/classes/1: \"a\" is the name of class 0 too"},
    {HEAD "\"x\": 1}", "dataset.json#/labels: this key is missing"},
    {HEAD "\"labels\": {}}", "dataset.json#/labels/kind: this key is missing"},
    {HEAD "\"labels\": {\"kind\": \"value\"}}", "dataset.json#/labels/kind: \"value\" is not one of values, threshold, rgb"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"0\": 0}, \"nearest\": true}}",
     "dataset.json#/labels/nearest: this key is not known here"},
    {HEAD "\"labels\": {\"kind\": \"values\"}}", "dataset.json#/labels/map: this key is missing"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {}}}", "dataset.json#/labels/map: is empty"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"a/b\": 0}}}",
     "dataset.json#/labels/map/a~1b: this key is not a whole number 0..65535"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"65536\": 0}}}",
     "dataset.json#/labels/map/65536: this key is not a whole number 0..65535"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"-1\": 0}}}",
     "dataset.json#/labels/map/-1: this key is not a whole number 0..65535"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"0\": \"a\"}}}",
     "dataset.json#/labels/map/0: must be a class index, is a text"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"0\": 2}}}",
     "dataset.json#/labels/map/0: class 2 does not exist; num_classes is 2"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"0\": 0, \"00\": 1}}}",
     "dataset.json#/labels/map/00: value 0 is given two meanings"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"0\": 0}, \"ignore\": [0]}}",
     "dataset.json#/labels/map/0: value 0 is given two meanings"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"0\": 0}, \"ignore\": 7}}",
     "dataset.json#/labels/ignore: must be a list, is a whole number"},
    {HEAD "\"labels\": {\"kind\": \"values\", \"map\": {\"0\": 0}, \"ignore\": [-1]}}",
     "dataset.json#/labels/ignore/0: is not a whole number 0..65535"},
    {HEAD "\"labels\": {\"kind\": \"rgb\", \"map\": {\"0,0\": 0}}}",
     "dataset.json#/labels/map/0,0: this key is not \"r,g,b\" with 0..255 each"},
    {HEAD "\"labels\": {\"kind\": \"rgb\", \"map\": {\"0,0,256\": 0}}}",
     "dataset.json#/labels/map/0,0,256: this key is not \"r,g,b\" with 0..255 each"},
    {HEAD "\"labels\": {\"kind\": \"threshold\"}}", "dataset.json#/labels/threshold: this key is missing"},
    {HEAD "\"labels\": {\"kind\": \"threshold\", \"threshold\": 0}}",
     "dataset.json#/labels/threshold: 0 is not above 0 and at most 65535"},
    {HEAD "\"labels\": {\"kind\": \"threshold\", \"threshold\": 1, \"map\": {}}}",
     "dataset.json#/labels/map: this key is not known here"},
    {HEAD LABELS "\"items\": []}", "dataset.json#/items: is empty"},
    {HEAD LABELS "\"items\": [3]}", "dataset.json#/items/0: must be an object, is a whole number"},
    {HEAD LABELS "\"items\": [{\"id\": \"x\", \"image\": \"x.png\"}]}", "dataset.json#/items/0/mask: this key is missing"},
    {HEAD LABELS "\"items\": [{\"id\": \"x\", \"image\": \"/x.png\", \"mask\": \"m\"}]}",
     "dataset.json#/items/0/image: \"/x.png\" is absolute; paths are relative to dataset.json"},
    {HEAD LABELS "\"items\": [{\"id\": \"x\", \"image\": \"x.png\", \"mask\": \"a/../../m\"}]}",
     "dataset.json#/items/0/mask: \"a/../../m\" leads out of the data folder"},
    {HEAD LABELS "\"items\": [{\"id\": \"x\", \"image\": \"x.png\", \"mask\": \"..\"}]}",
     "dataset.json#/items/0/mask: \"..\" leads out of the data folder"},
    {HEAD LABELS
     "\"items\": [{\"id\": \"x\", \"image\": \"x\", \"mask\": \"m\"}, {\"id\": \"x\", \"image\": \"y\", \"mask\": \"n\"}]}",
     "dataset.json#/items/1/id: \"x\" is item 0's id too"},
    {HEAD LABELS
     "\"items\": [{\"id\": \"x\", \"image\": \"x\", \"mask\": \"m\"}, {\"id\": \"y\", \"image\": \"x\", \"mask\": \"n\"}]}",
     "dataset.json#/items/1/image: \"x\" is item 0's image too"},
    {HEAD LABELS ITEMS "\"split\": []}", "dataset.json#/split: must be an object, is a list"},
    {HEAD LABELS ITEMS "\"split\": {\"train\": [\"x\"]}}", "dataset.json#/split/val: this key is missing"},
    {HEAD LABELS ITEMS "\"split\": {\"train\": [\"x\"], \"val\": []}}",
     "dataset.json#/split/val: is empty: there must be something to validate on"},
    {HEAD LABELS ITEMS "\"split\": {\"train\": [], \"val\": [\"x\"]}}",
     "dataset.json#/split/train: is empty: there must be something to train on"},
    {HEAD LABELS ITEMS "\"split\": {\"train\": [\"x\"], \"val\": [\"q\"]}}",
     "dataset.json#/split/val/0: no item has the id \"q\""},
    {HEAD LABELS ITEMS "\"split\": {\"train\": [\"x\"], \"val\": [7]}}",
     "dataset.json#/split/val/0: must be an item's id, is a whole number"},
    {HEAD LABELS ITEMS "\"split\": {\"train\": [\"x\"], \"val\": [\"y\", \"x\"]}}",
     "dataset.json#/split/val/1: id \"x\" is in split.train and in split.val"},
    {HEAD LABELS ITEMS "\"split\": {\"train\": [\"x\", \"x\"], \"val\": [\"y\"]}}",
     "dataset.json#/split/train/1: id \"x\" stands twice in split.train"},
    {HEAD LABELS ITEMS "\"split\": {\"train\": [\"x\"], \"val\": [\"y\"], \"test\": []}}",
     "dataset.json#/split/test: this key is not known here"},
};

void test_manifest_refusals_have_their_exact_words(void)
{
    struct manifest *m = malloc(sizeof *m);
    CHECK(m);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct err_note note = {0};
        if (manifest_parse(refused[i].text, strlen(refused[i].text), m, &note) != ERR_DATA)
            check_fail(__FILE__, __LINE__, "accepted: %s", refused[i].text);
        CHECK_TEXT(note.detail, refused[i].words);
        CHECK(!m->items && !m->classes);
        CHECK(manifest_parse(refused[i].text, strlen(refused[i].text), m, NULL) == ERR_DATA); /* nobody needs to listen */
    }
    free(m);
}

void test_manifest_cut_anywhere_is_refused(void)
{
    const char *text = HEAD LABELS ITEMS SPLIT;
    struct manifest *m = malloc(sizeof *m);
    struct err_note note;
    CHECK(m);
    for (size_t cut = 0; cut < strlen(text); cut++) CHECK(manifest_parse(text, cut, m, &note) == ERR_DATA);
    CHECK(manifest_parse(text, strlen(text), m, &note) == OK);
    drop(m);
}
