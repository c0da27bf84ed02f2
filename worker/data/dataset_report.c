/* dataset_report: a data set's counts as a small table for a person. */
#include <stdlib.h>
#include <string.h>

#include "schema/base/buf.h"
#include "worker/data/dataset.h"

static void sizes_of(const struct dataset_split *split, char *text, size_t room)
{
    uint32_t w0 = UINT32_MAX, w1 = 0, h0 = UINT32_MAX, h1 = 0;
    for (size_t i = 0; i < split->count; i++) {
        const struct dataset_image *image = &split->images[i];
        if (image->width < w0) w0 = image->width;
        if (image->width > w1) w1 = image->width;
        if (image->height < h0) h0 = image->height;
        if (image->height > h1) h1 = image->height;
    }
    if (!split->count)
        err_print(text, room, "-");
    else if (w0 == w1 && h0 == h1)
        err_print(text, room, "%ux%u", w0, h0);
    else
        err_print(text, room, "%u..%ux%u..%u", w0, w1, h0, h1);
}

static enum err add_row(struct buf *to, const char *label, const uint64_t counts[2], const uint64_t totals[2])
{
    enum err e = buf_printf(to, "%-24.24s", label);
    for (unsigned s = 0; s < 2 && !e; s++)
        e = buf_printf(to, " %14llu (%6.2f %%)", (unsigned long long)counts[s],
                       totals[s] ? 100.0 * (double)counts[s] / (double)totals[s] : 0.0);
    return e ? e : buf_text(to, "\n");
}

static enum err add_warning(struct buf *to, size_t count, const char *what)
{
    return count ? buf_printf(to, "note: %zu %s\n", count, what) : OK;
}

static enum err add_classes(struct buf *to, const struct dataset *set)
{
    const struct dataset_split *s = set->splits;
    const uint64_t totals[2] = {s[0].pixels, s[1].pixels};
    enum err e = OK;
    for (unsigned k = 0; k < set->num_classes && !e; k++) {
        char label[MANIFEST_NAME_MAX + 16];
        err_print(label, sizeof label, "%u %s", k, set->classes[k]);
        e = add_row(to, label, (const uint64_t[2]){s[0].class_pixels[k], s[1].class_pixels[k]}, totals);
    }
    const uint64_t ignored[2] = {s[0].ignored_pixels, s[1].ignored_pixels};
    if (!e && ignored[0] + ignored[1]) e = add_row(to, "ignored", ignored, totals);
    for (unsigned k = 0; k < set->num_classes && !e; k++)
        if (s[0].pixels && !s[0].class_pixels[k])
            e = buf_printf(to, "note: class %u (%s) does not occur in the training split\n", k, set->classes[k]);
    return e;
}

enum err dataset_report(const struct dataset *set, char **text)
{
    const struct dataset_split *s = set->splits;
    char sizes[2][64];
    struct buf to;
    buf_init(&to, 1 << 20);
    for (unsigned i = 0; i < 2; i++) sizes_of(&s[i], sizes[i], sizeof sizes[i]);
    enum err e =
        buf_printf(&to, "data set %s: %u channel%s, %u classes\n%-24s %25s %25s\n%-24s %25zu %25zu\n%-24s %25s %25s\n",
                   set->name, set->channels, set->channels == 1 ? "" : "s", set->num_classes, "", "train", "val", "images",
                   s[0].count, s[1].count, "width x height", sizes[0], sizes[1]);
    if (!e) e = add_classes(&to, set);
    if (!e) e = add_warning(&to, set->empty_masks, "masks without any foreground pixel");
    if (!e) e = add_warning(&to, set->uniform_images, "images whose pixels are all alike");
    if (!e) e = add_warning(&to, set->unused_items, "items in neither split: not read");
    if (!e) e = add_warning(&to, set->groups_in_both, "groups with images in both splits: validation is not independent");
    *text = e ? NULL : buf_take(&to);
    buf_free(&to);
    return e;
}
