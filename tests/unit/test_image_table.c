/* test_image_table: which images are named as the worst, and that a lack of memory is told. */
#include <stdint.h>
#include "tests/allocation_count.h"
#include "tests/check.h"
#include "worker/run/image_table.h"

/* Dice 0.5, none, 0.25, 0.25, 1. */
static json_t *table_of_five(void)
{
    json_t *table = json_loads("{\"epoch\": 4, \"empty\": \"nan\", \"ids\": [\"a\", \"b\", \"c\", \"d\", \"e\"], \"classes\": [{\"index\": 1, \"name\": \"cell\","
                               " \"both\": [2, 0, 1, 1, 4], \"predicted\": [4, 0, 4, 4, 4], \"truth\": [4, 0, 4, 4, 4],"
                               " \"nsd\": [0.5, null, null, 0.25, 1]}]}", 0, NULL);
    CHECK(table);
    return table;
}

void test_image_table_names_the_worst_images_lowest_first(void)
{
    json_t *table = table_of_five(), *worst;
    struct err_note note = {0};
    CHECK_INT(image_table_worst(table, &worst, &note), OK);
    char *text = json_dumps(worst, JSON_COMPACT);
    CHECK_TEXT(text, "[{\"id\":\"c\",\"dice\":0.25,\"nsd\":null},"
                     "{\"id\":\"d\",\"dice\":0.25,\"nsd\":0.25},{\"id\":\"a\",\"dice\":0.5,\"nsd\":0.5},{\"id\":\"e\",\"dice\":1.0,\"nsd\":1.0}]");
    free(text);
    json_decref(worst);
    json_decref(table);
}

void test_image_table_tells_a_lack_of_memory(void)
{
    json_t *table = table_of_five(), *worst = table;
    struct err_note note = {0};
    allocation_refuse_from(5 * 5 * sizeof(double)); /* the columns, not the list of classes */
    enum err e = image_table_worst(table, &worst, &note);
    allocation_refuse_from(SIZE_MAX);
    CHECK_INT(e, ERR_NO_MEMORY);
    CHECK(!worst);
    CHECK_TEXT(note.detail, "no memory for the scores of 5 images");
    json_decref(table);
}
