/* fuzz_manifest: any bytes as dataset.json: refused with words, or a manifest that keeps its promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/data/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct manifest m;
    struct err_note note = {0};
    if (manifest_parse((const char *)data, size, &m, &note)) {
        if (!note.detail[0] || m.items) abort();
        return 0;
    }
    size_t split[3] = {0};
    for (size_t i = 0; i < m.item_count; i++) {
        if (!m.items[i].id || m.items[i].image[0] == '/' || m.items[i].mask[0] == '/') abort();
        split[m.items[i].split]++;
    }
    if (split[SPLIT_TRAIN] != m.train_count || split[SPLIT_VAL] != m.val_count || !m.train_count || !m.val_count) abort();
    for (size_t raw = 0; raw < 65536; raw++)
        if (m.labels.class_of[raw] >= m.num_classes && m.labels.class_of[raw] < LABEL_UNMAPPED) abort();
    manifest_free(&m);
    return 0;
}
