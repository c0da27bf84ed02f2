/* preview: panels side by side at a size that a person can look at. */
#include "worker/data/preview.h"

#include <stdlib.h>
#include <string.h>

#include "worker/data/write_png.h"

enum { SHOWN_MIN = 256, SHOWN_MAX = 1024, BAR = 8, PANELS = 3 };

uint32_t preview_colour(unsigned class_index)
{
    /* neighbours far apart in hue, none close to grey; the first is the usual red of an overlay */
    static const uint32_t colours[20] = {0xe6194b, 0x3cb44b, 0x4363d8, 0xffe119, 0xf58231, 0x42d4f4, 0xf032e6,
                                         0xbfef45, 0x911eb4, 0x469990, 0xfabed4, 0x9a6324, 0xfffac8, 0x800000,
                                         0xaaffc3, 0x808000, 0xffd8b1, 0x000075, 0xdcbeff, 0x00a080};
    return class_index == 0 ? 0 : colours[(class_index - 1) % 20];
}

/* What turns a raw value into 0..255: from the 0.5th to the 99.5th percentile over all channels. */
struct stretch {
    uint32_t low, high;
};

static uint32_t raw_at(const struct dataset_image *image, size_t at)
{
    return image->u8 ? image->u8[at] : image->u16[at];
}

static enum err find_stretch(const struct dataset_image *image, unsigned channels, struct stretch *s)
{
    size_t values = (size_t)image->height * image->width * channels, cut = values / 200, below = 0, above = 0;
    size_t *counts = calloc(65536, sizeof *counts);
    if (!counts) return ERR_NO_MEMORY;
    for (size_t i = 0; i < values; i++) counts[raw_at(image, i)]++;
    s->low = 0;
    s->high = 65535;
    while (s->low < 65535 && (below += counts[s->low]) <= cut) s->low++;
    while (s->high > s->low && (above += counts[s->high]) <= cut) s->high--;
    free(counts);
    return OK;
}

static uint8_t stretched(const struct stretch *s, uint32_t raw)
{
    if (raw <= s->low) return 0;
    if (raw >= s->high) return 255;
    return (uint8_t)((raw - s->low) * 255ull / (s->high - s->low));
}

/* The picture being made, and how its pixels map to the image's: source = shown * down / up. */
struct sheet {
    const struct dataset_image *image;
    unsigned channels;
    struct stretch stretch;
    uint32_t up, down, height, width; /* of one panel as shown */
    uint8_t *rgb;                     /* [height + 2*BAR][line][3] */
    size_t line;                      /* pixels of a whole line */
};

static void choose_scale(struct sheet *s)
{
    uint32_t side = s->image->height > s->image->width ? s->image->height : s->image->width;
    s->up = side < SHOWN_MIN ? (SHOWN_MIN + side - 1) / side : 1;
    s->down = side > SHOWN_MAX ? (side + SHOWN_MAX - 1) / SHOWN_MAX : 1;
    s->height = (s->image->height * s->up + s->down - 1) / s->down;
    s->width = (s->image->width * s->up + s->down - 1) / s->down;
    s->line = (size_t)PANELS * s->width + (PANELS + 1) * BAR;
}

static size_t source_of(const struct sheet *s, uint32_t y, uint32_t x)
{
    return (size_t)(y * s->down / s->up) * s->image->width + x * s->down / s->up;
}

static void show_pixel(const struct sheet *s, size_t at, uint8_t rgb[3])
{
    size_t plane = (size_t)s->image->height * s->image->width;
    for (unsigned c = 0; c < 3; c++)
        rgb[c] = stretched(&s->stretch, raw_at(s->image, (s->channels == 3 ? c * plane : 0) + at));
}

/* Whether a neighbour as shown (right or below, left or above) has another class. */
static int on_outline(const struct sheet *s, const uint8_t *classes, uint32_t y, uint32_t x)
{
    uint8_t own = classes[source_of(s, y, x)];
    return (x > 0 && classes[source_of(s, y, x - 1)] != own) || (y > 0 && classes[source_of(s, y - 1, x)] != own) ||
           (x + 1 < s->width && classes[source_of(s, y, x + 1)] != own) ||
           (y + 1 < s->height && classes[source_of(s, y + 1, x)] != own);
}

static void tint(uint8_t rgb[3], uint32_t colour, unsigned percent)
{
    for (unsigned c = 0; c < 3; c++) {
        unsigned own = rgb[c], other = colour >> (16 - 8 * c) & 255u;
        rgb[c] = (uint8_t)((own * (100 - percent) + other * percent) / 100);
    }
}

static void lay_over(const struct sheet *s, const uint8_t *classes, uint32_t y, uint32_t x, uint8_t rgb[3])
{
    enum { AREA_PERCENT = 45, HATCH = 4 };
    uint8_t k = classes[source_of(s, y, x)];
    if (k == LABEL_IGNORE) {
        if ((x + y) / HATCH % 2) tint(rgb, 0x909090, 80);
    } else if (k > 0) {
        tint(rgb, preview_colour(k), on_outline(s, classes, y, x) ? 100 : AREA_PERCENT);
    }
}

/* Panel number `panel`; classes NULL: the image alone. */
static void paint_panel(const struct sheet *s, unsigned panel, const uint8_t *classes)
{
    for (uint32_t y = 0; y < s->height; y++)
        for (uint32_t x = 0; x < s->width; x++) {
            uint8_t *rgb = s->rgb + ((y + BAR) * s->line + BAR + panel * (s->width + BAR) + x) * 3;
            show_pixel(s, source_of(s, y, x), rgb);
            if (classes) lay_over(s, classes, y, x, rgb);
        }
}

enum err preview_write(const char *path, const struct dataset_image *image, unsigned channels, const uint8_t *prediction,
                       struct err_note *note)
{
    struct sheet s = {.image = image, .channels = channels};
    choose_scale(&s);
    size_t bytes = (s.height + 2 * (size_t)BAR) * s.line * 3;
    s.rgb = malloc(bytes);
    enum err e = s.rgb ? find_stretch(image, channels, &s.stretch) : ERR_NO_MEMORY;
    if (e) {
        err_set(note, e, path, "%s: no memory for a preview", path);
    } else {
        memset(s.rgb, 255, bytes);
        paint_panel(&s, 0, NULL);
        paint_panel(&s, 1, image->classes);
        paint_panel(&s, 2, prediction);
        e = write_png(path, (uint32_t)s.line, s.height + 2 * BAR, 3, s.rgb, note);
    }
    free(s.rgb);
    return e;
}
