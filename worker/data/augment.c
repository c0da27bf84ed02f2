/* augment: one pass over the patch; each of its pixels asks where in the image it came from. */
#include "worker/data/augment.h"

#include <assert.h>

/* Patch pixel (y, x) comes from image position origin + y*row + x*column, each step one of the four directions. */
struct walk {
    int64_t top, left;                 /* of patch pixel (0, 0) */
    int64_t row_down, row_right;       /* a patch row further */
    int64_t column_down, column_right; /* a patch column further */
};

/* Undoes the place's mirrors and turns. With a square crop a of side n, numpy.rot90 once counter-clockwise is
   b[y][x] = a[x][n-1-y]; so its pixel (0,0) came from (0, n-1), a row further is one to the left, a column one down. */
static struct walk walk_of(const struct augment_place *place, uint32_t height, uint32_t width)
{
    struct walk w = {place->top, place->left, 1, 0, 0, 1};
    for (unsigned turn = 0; turn < place->quarter_turns; turn++) { /* b[y][x] = a[x][n-1-y] on the walk so far */
        int64_t last = width - 1;
        w = (struct walk){w.top + last * w.column_down, w.left + last * w.column_right, -w.column_down, -w.column_right,
                          w.row_down, w.row_right};
    }
    if (place->mirror_vertical) {
        w.top += (height - 1) * w.row_down;
        w.left += (height - 1) * w.row_right;
        w.row_down = -w.row_down;
        w.row_right = -w.row_right;
    }
    if (place->mirror_horizontal) {
        w.top += (width - 1) * w.column_down;
        w.left += (width - 1) * w.column_right;
        w.column_down = -w.column_down;
        w.column_right = -w.column_right;
    }
    return w;
}

static void read_row(const struct dataset_image *image, unsigned channels, const struct walk *w, uint32_t y, size_t plane,
                     uint32_t width, float *pixels, uint8_t *classes)
{
    int64_t down = w->top + y * w->row_down, right = w->left + y * w->row_right;
    for (uint32_t x = 0; x < width; x++, down += w->column_down, right += w->column_right) {
        if (down >= image->height || right >= image->width) {
            for (unsigned c = 0; c < channels; c++) pixels[c * plane + x] = 0.0f;
            classes[x] = LABEL_IGNORE;
            continue;
        }
        size_t at = (size_t)down * image->width + (size_t)right;
        for (unsigned c = 0; c < channels; c++) pixels[c * plane + x] = dataset_value(image, c, at);
        classes[x] = image->classes[at];
    }
}

void augment_crop(const struct dataset_image *image, unsigned channels, const struct augment_place *place, uint32_t height,
                  uint32_t width, float *pixels, uint8_t *classes)
{
    assert(place->quarter_turns < 4 && (place->quarter_turns == 0 || height == width));
    struct walk w = walk_of(place, height, width);
    size_t plane = (size_t)height * width;
    for (uint32_t y = 0; y < height; y++)
        read_row(image, channels, &w, y, plane, width, pixels + (size_t)y * width, classes + (size_t)y * width);
}
