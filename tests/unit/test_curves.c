/* test_curves: the table and the picture of a run, with holes where nothing was measured. */
#include <math.h>
#include "tests/check.h"
#include "worker/run/curves.h"

static const char *const names[] = {"epoch/loss/total", "epoch/loss/dice", "epoch/loss/ce", "epoch/alpha", "epoch/lr/ce", "val/dice", "val/dice/0", "val/dice/1", "epoch/grad/cos_p50/full"};
enum { COLUMNS = sizeof names / sizeof *names };

static char *text_of(const char *path)
{
    static char text[1 << 16];
    FILE *f = fopen(path, "r");
    CHECK(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

void test_curves_leave_out_what_a_strategy_does_not_have(void)
{
    const double values[3 * COLUMNS] = {0.9, 0.5, 0.4, 1, NAN, NAN, NAN, NAN, NAN, 0.7, 0.4, 0.3, 0.5, NAN, 0.8, 0.75, 0.8, NAN, 0.6, 0.3, 0.3, 0, NAN, 0.1, NAN, 0.1, NAN};
    struct trainer_history h = {.columns = COLUMNS, .names = names, .rows = 3, .values = values};
    CHECK_INT(curves_write_csv("c.csv", &h, NULL), OK);
    CHECK_TEXT(text_of("c.csv"), "epoch,epoch/loss/total,epoch/loss/dice,epoch/loss/ce,epoch/alpha,val/dice,val/dice/0,val/dice/1\n"
                                 "0,0.9,0.5,0.4,1,,,\n"
                                 "1,0.7,0.4,0.3,0.5,0.8,0.75,0.8\n"
                                 "2,0.6,0.3,0.3,0,0.1,,0.1\n");
}

void test_curves_have_the_fewest_digits_that_read_back_as_the_same_number(void)
{
    const double values[] = {0.1, 1.0 / 3, -0.1 - 0.2, 1e-5, 5e-324, 1.7976931348623157e308, (double)INFINITY};
    struct trainer_history h = {.columns = 1, .names = names, .rows = sizeof values / sizeof *values, .values = values};
    CHECK_INT(curves_write_csv("d.csv", &h, NULL), OK);
    char *text = text_of("d.csv");
    CHECK_TEXT(text, "epoch,epoch/loss/total\n0,0.1\n1,0.3333333333333333\n2,-0.30000000000000004\n3,1e-05\n"
                     "4,4.94065645841247e-324\n5,1.7976931348623157e+308\n6,inf\n");
    for (int64_t r = 0; r < h.rows; r++) {
        text = strchr(text, '\n') + 1;
        CHECK(!(strtod(strchr(text, ',') + 1, NULL) < values[r]) && !(strtod(strchr(text, ',') + 1, NULL) > values[r]));
    }
}

void test_curves_are_drawn_in_panels_with_names_escaped(void)
{
    const double values[2 * COLUMNS] = {0.9, 0.5, 0.4, 1, NAN, 0.5, 0.4, 0.6, 0.25, 0.7, 0.4, 0.3, 0.5, NAN, 0.8, 0.75, 0.8, 0.5};
    struct trainer_history h = {.columns = COLUMNS, .names = names, .rows = 2, .values = values};
    char background[] = "back <ground>", cell[] = "cell & wall", *classes[] = {background, cell};
    CHECK_INT(curves_write_svg("c.svg", "a \"title\" <b>", &h, classes, 2, NULL), OK);
    const char *svg = text_of("c.svg");
    CHECK_HAS(svg, "<svg xmlns=");
    CHECK_HAS(svg, "</svg>");
    CHECK_HAS(svg, "back &lt;ground>");
    CHECK_HAS(svg, "cell &amp; wall");
    CHECK_HAS(svg, "alpha (weight of Dice)");
    int lines = 0;
    for (const char *at = svg; (at = strstr(at, "<polyline")); at++)
        lines++;
    CHECK_INT(lines, 3 + 1 + 3 + 1);
    CHECK_HAS(svg, "cosine of the gradients");
    h.rows = 0; /* nothing yet: still a picture */
    CHECK_INT(curves_write_svg("e.svg", "", &h, classes, 2, NULL), OK);
    CHECK_HAS(text_of("e.svg"), "</svg>");
}
