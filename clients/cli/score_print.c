/* score_print: see score_print.h. */
#include "clients/cli/score_print.h"

#include <math.h>

static const struct {
    const char *head, *key;
    int digits;
} columns[] = {{"DICE", "dice", 4}, {"IOU", "iou", 4}, {"PRECISION", "precision", 4}, {"RECALL", "recall", 4}, {"DICE/IMAGE", "dice_image", 4},
               {"NSD", "nsd", 4}, {"HD95", "hd95", 2}, {"ASSD", "assd", 2}, {"ECE", "ece", 4}, {"BRIER", "brier", 4}};
enum { SCORES = sizeof columns / sizeof columns[0], COLUMN_IMAGES = SCORES + 1, COLUMNS };

static void fill_scores(struct table *t, const json_t *from)
{
    for (int i = 0; i < SCORES; i++) {
        double value = json_number_at(from, columns[i].key);
        if (!isnan(value)) table_cell(t, i + 1, "%.*f", columns[i].digits, value);
    }
}

/* "6", or what is unusual about them: "4 (2 without it; 1 falsely found)". */
static void fill_images(struct table *t, const json_t *of_class)
{
    double none = json_number_at(of_class, "images_both_empty"), falsely = json_number_at(of_class, "images_truth_empty"), missed = json_number_at(of_class, "images_predicted_empty");
    char more[100] = "";
    size_t at = 0;
    const struct { double count; const char *what; } parts[] = {{none, "without it"}, {falsely, "falsely found"}, {missed, "missed"}};
    for (int i = 0; i < 3; i++)
        if (parts[i].count > 0) at += (size_t)snprintf(more + at, sizeof more - at, "%s%.0f %s", at ? "; " : " (", parts[i].count, parts[i].what);
    table_cell(t, COLUMN_IMAGES, "%.0f%s%s", json_number_at(of_class, "images_scored"), more, at ? ")" : "");
}

void score_print(const json_t *scores, FILE *to)
{
    const char *head[COLUMNS] = {"CLASS", [COLUMN_IMAGES] = "IMAGES"};
    struct table t;
    char id[61];
    size_t i;
    json_t *one;
    if (!json_is_object(scores)) return;
    for (int c = 0; c < SCORES; c++) head[c + 1] = columns[c].head;
    fprintf(to, "scores of the best weights, epoch %.0f, on %.0f validation images (NSD within %g pixels):\n", json_number_at(scores, "epoch") + 1,
            json_number_at(scores, "images"), json_number_at(scores, "nsd_tolerance"));
    table_init(&t, COLUMNS, head);
    table_next_row(&t);
    table_cell(&t, 0, "foreground");
    fill_scores(&t, json_object_get(scores, "foreground"));
    json_array_foreach(json_object_get(scores, "classes"), i, one) {
        table_next_row(&t);
        table_cell(&t, 0, "%.0f %.40s", json_number_at(one, "index"), json_text_at(one, "name"));
        fill_scores(&t, one);
        fill_images(&t, one);
    }
    table_print(&t, OUTPUT_TABLE, to);
    table_free(&t);
    json_array_foreach(json_object_get(scores, "worst_images"), i, one)
        fprintf(to, "%s%s %.4f", i ? ", " : "worst images by Dice: ", render_plain(json_text_at(one, "id"), id, sizeof id), json_number_at(one, "dice"));
    if (json_array_size(json_object_get(scores, "worst_images"))) fputc('\n', to);
}

static void fill_image(struct table *t, int at, const json_t *from)
{
    static const char *const keys[] = {"dice", "nsd", "hd95"};
    for (int k = 0; k < 3; k++) {
        double value = json_number_at(from, keys[k]);
        if (!isnan(value)) table_cell(t, at + k, k == 2 ? "%.2f" : "%.4f", value);
    }
}

void score_print_images(const json_t *reply, enum output output, FILE *to)
{
    static const char *const head[] = {"IMAGE", "CLASS", "DICE", "NSD", "HD95", "TRUE PIXELS", "PREDICTED"};
    struct table t;
    size_t i, k;
    json_t *image, *one;
    table_init(&t, 7, head);
    json_array_foreach(json_object_get(reply, "images"), i, image) {
        table_next_row(&t);
        table_cell(&t, 0, "%.60s", json_text_at(image, "id"));
        table_cell(&t, 1, "foreground");
        fill_image(&t, 2, image);
        json_array_foreach(json_object_get(image, "classes"), k, one) {
            if (!(json_number_at(one, "index") > 0)) continue; /* the background is in the JSON */
            table_next_row(&t);
            table_cell(&t, 0, "%.60s", json_text_at(image, "id"));
            table_cell(&t, 1, "%.0f %.40s", json_number_at(one, "index"), json_text_at(one, "name"));
            fill_image(&t, 2, one);
            table_cell(&t, 5, "%.0f", json_number_at(one, "truth_pixels"));
            table_cell(&t, 6, "%.0f", json_number_at(one, "predicted_pixels"));
        }
    }
    table_print(&t, output, to);
    table_free(&t);
}
