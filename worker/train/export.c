/* export: the weights of a network as model.safetensors, with the names and shapes that PyTorch uses. */
#include "worker/train/export.h"
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "schema/base/buf.h"
#include "worker/train/durable_file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are written as they lie in memory");
enum { HEADER_MAX = 1 << 20 };

static int is_plain(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
            return 0;
    return 1;
}

static enum err add_metadata(struct buf *b, const char *const metadata[])
{
    enum err e = buf_text(b, "{\"__metadata__\":{\"format\":\"pt\"");
    for (int i = 0; !e && metadata && metadata[i]; i += 2) {
        assert(is_plain(metadata[i]) && is_plain(metadata[i + 1]));
        e = buf_printf(b, ",\"%s\":\"%s\"", metadata[i], metadata[i + 1]);
    }
    return e ? e : buf_text(b, "}");
}

static enum err add_tensor(struct buf *b, const struct network_parameter *p)
{
    enum err e = buf_printf(b, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[", p->name);
    for (int k = 0; !e && k < p->rank; k++)
        e = buf_printf(b, "%s%d", k ? "," : "", p->dims[k]);
    return e ? e : buf_printf(b, "],\"data_offsets\":[%zu,%zu]}", p->offset * sizeof(float), (p->offset + p->count) * sizeof(float));
}

static enum err make_header(struct buf *b, const struct network_parameter *table, int count, const char *const metadata[])
{
    enum err e = add_metadata(b, metadata);
    for (int i = 0; !e && i < count; i++)
        e = add_tensor(b, &table[i]);
    if (!e)
        e = buf_text(b, "}");
    while (!e && b->length % 8)
        e = buf_text(b, " ");
    return e;
}

enum err export_safetensors(const char *path, const struct network_parameter *table, int count, const float *canonical,
                            const char *const metadata[], char sha256[SHA256_HEX], struct err_note *note)
{
    struct buf header;
    struct durable_file f;
    buf_init(&header, HEADER_MAX);
    enum err e = make_header(&header, table, count, metadata);
    if (e) {
        buf_free(&header);
        return err_set(note, e, path, "no room for the header of %s", path);
    }
    uint64_t length = header.length;
    size_t floats = count ? table[count - 1].offset + table[count - 1].count : 0;
    durable_open(&f, path);
    durable_write(&f, &length, sizeof length);
    durable_write(&f, header.data, header.length);
    durable_write(&f, canonical, floats * sizeof(float));
    buf_free(&header);
    return durable_commit(&f, sha256, note);
}

void export_weights_sha256(const float *canonical, size_t parameters, char hex[SHA256_HEX])
{
    sha256_hex_of(canonical, parameters * sizeof *canonical, hex);
}
