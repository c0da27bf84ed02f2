/* test_score_print: the table of scores and the sentences of the verdict that tandem get shows. */
#include "clients/cli/score_print.h"
#include "clients/cli/verdict_print.h"
#include "tests/check.h"

static char *printed(const char *scores)
{
    char *text = NULL;
    size_t size;
    json_t *json = json_loads(scores, 0, NULL);
    FILE *to = open_memstream(&text, &size);
    score_print(json, to);
    fclose(to);
    json_decref(json);
    return text;
}

void test_cli_shows_scores_class_by_class_and_says_what_images_lack(void)
{
    char *text = printed("{\"epoch\": 11, \"images\": 6, \"nsd_tolerance\": 1, \"empty\": \"nan\", \"foreground\": {\"dice\": 0.75, \"hd95\": 3.25, \"ece\": 0.0123},"
                         " \"classes\": [{\"index\": 0, \"name\": \"cell\", \"dice\": 0.9, \"images_scored\": 6, \"images_both_empty\": 0},"
                         " {\"index\": 1, \"name\": \"edge\\u001b[31m\", \"dice\": 0.75, \"nsd\": 0.5, \"images_scored\": 4, \"images_both_empty\": 2, \"images_truth_empty\": 1, \"images_predicted_empty\": 0}],"
                         " \"worst_images\": [{\"id\": \"b\", \"dice\": 0.25, \"nsd\": null}, {\"id\": \"a\", \"dice\": 0.5, \"nsd\": 0.125}]}");
    CHECK_HAS(text, "scores of the best weights, epoch 12, on 6 validation images (NSD within 1 pixels):\n");
    CHECK_HAS(text, "CLASS        DICE    IOU  PRECISION  RECALL  DICE/IMAGE  NSD     HD95  ASSD  ECE     BRIER  IMAGES\n");
    CHECK_HAS(text, "foreground   0.7500                                              3.25        0.0123 ");
    CHECK_HAS(text, "0 cell       0.9000");
    CHECK_HAS(text, "1 edge?[31m  0.7500                                      0.5000");
    CHECK_HAS(text, "4 (2 without it; 1 falsely found)\n");
    CHECK_HAS(text, "worst images by Dice: b 0.2500, a 0.5000\n");
    free(text);
}

void test_cli_shows_no_table_where_nothing_was_validated(void)
{
    char *text = printed("null");
    CHECK_TEXT(text, "");
    free(text);
}

static char *verdict_printed(const char *result)
{
    char *text = NULL;
    size_t size;
    json_t *json = json_loads(result, 0, NULL);
    FILE *to = open_memstream(&text, &size);
    verdict_print(json, "gradients", to);
    fclose(to);
    json_decref(json);
    return text;
}

void test_cli_shows_what_the_gradients_said_and_every_alarm(void)
{
    char *none = verdict_printed("{\"best_score\": 0.5}"), *calm = verdict_printed("{\"verdict\": {\"text\": \"In 52 compared steps\\u001b[31m\", \"alarm\": null}}"),
         *alarm = verdict_printed("{\"verdict\": {\"text\": \"In 52 compared steps\", \"alarm\": \"at step 7\"}}");
    CHECK_TEXT(none, "");
    CHECK_TEXT(calm, "gradients  In 52 compared steps?[31m\n");
    CHECK_TEXT(alarm, "gradients  In 52 compared steps\ngradients  ALARM: at step 7\n");
    free(none), free(calm), free(alarm);
}
