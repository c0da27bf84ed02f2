/* make_archive: ustar headers, zip records, zlib. */
#include "tests/unit/make_archive.h"

#include <zlib.h>

#include "tests/check.h"

static void add(struct buf *to, const void *bytes, size_t length)
{
    if (length) CHECK(buf_add(to, bytes, length) == OK);
}

static void add_tar(struct buf *to, const struct archive_member *m)
{
    char head[512] = {0};
    unsigned sum = 0;
    CHECK(strlen(m->name) < 100);
    memcpy(head, m->name, strlen(m->name));
    snprintf(head + 100, 8, "%07o", 0777);
    snprintf(head + 108, 8, "%07o", 0);
    snprintf(head + 116, 8, "%07o", 0);
    snprintf(head + 124, 12, "%011llo", (unsigned long long)(m->claimed ? m->claimed : m->length));
    snprintf(head + 136, 12, "%011o", 0);
    memset(head + 148, ' ', 8);
    head[156] = m->type;
    if (m->link) snprintf(head + 157, 100, "%s", m->link);
    memcpy(head + 257, "ustar\00000", 8);
    for (unsigned i = 0; i < 512; i++) sum += (unsigned char)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    add(to, head, 512);
    add(to, m->bytes, m->length);
    memset(head, 0, sizeof head);
    add(to, head, (512 - m->length % 512) % 512);
}

static struct buf tar_of(const struct archive_member *members, size_t count)
{
    static const char end[1024];
    struct buf to;
    buf_init(&to, (size_t)1 << 28);
    for (size_t i = 0; i < count; i++) add_tar(&to, &members[i]);
    add(&to, end, sizeof end);
    return to;
}

void make_tar(const char *path, const struct archive_member *members, size_t count)
{
    struct buf tar = tar_of(members, count);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(tar.data, 1, tar.length, file) == tar.length && !fclose(file));
    buf_free(&tar);
}

void make_tar_gz(const char *path, const struct archive_member *members, size_t count)
{
    struct buf tar = tar_of(members, count);
    gzFile file = gzopen(path, "wb");
    CHECK(file && gzwrite(file, tar.data, (unsigned)tar.length) == (int)tar.length && gzclose(file) == Z_OK);
    buf_free(&tar);
}

static void add_le(struct buf *to, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        const uint8_t byte = (uint8_t)(value >> 8 * i);
        add(to, &byte, 1);
    }
}

/* A raw deflate stream of the bytes; the caller frees. */
static Bytef *deflated(const void *bytes, size_t length, uLong *packed_length)
{
    z_stream z = {0};
    CHECK(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    uLong room = deflateBound(&z, (uLong)length);
    Bytef *packed = malloc(room);
    CHECK(packed);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)length;
    z.next_out = packed;
    z.avail_out = (uInt)room;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    *packed_length = z.total_out;
    deflateEnd(&z);
    return packed;
}

/* The 26 bytes that a local header and its directory entry have in common. */
static void add_common(struct buf *to, const struct archive_member *m, uLong packed)
{
    add_le(to, 20, 2);
    add_le(to, 1u << 11, 2); /* names are UTF-8 */
    add_le(to, 8, 2);
    add_le(to, 0, 2);
    add_le(to, 33, 2); /* the first day of 1980 */
    add_le(to, (uint32_t)crc32(0, m->bytes, (uInt)m->length), 4);
    add_le(to, (uint32_t)packed, 4);
    add_le(to, (uint32_t)(m->claimed ? m->claimed : m->length), 4);
    add_le(to, (uint32_t)strlen(m->name), 2);
    add_le(to, 0, 2);
}

void make_zip(const char *path, const struct archive_member *members, size_t count)
{
    struct buf to, directory;
    buf_init(&to, (size_t)1 << 28);
    buf_init(&directory, (size_t)1 << 20);
    for (size_t i = 0; i < count; i++) {
        uLong length;
        uint32_t at = (uint32_t)to.length;
        Bytef *packed = deflated(members[i].bytes ? members[i].bytes : "", members[i].length, &length);
        add(&to, "PK\3\4", 4);
        add_common(&to, &members[i], length);
        add(&to, members[i].name, strlen(members[i].name));
        add(&to, packed, length);
        free(packed);
        add(&directory, "PK\1\2\x14\0", 6);
        add_common(&directory, &members[i], length);
        add(&directory, "\0\0\0\0\0\0\0\0\0", 10); /* comment, disk, attributes within and without */
        add_le(&directory, at, 4);
        add(&directory, members[i].name, strlen(members[i].name));
    }
    uint32_t start = (uint32_t)to.length;
    add(&to, directory.data, directory.length);
    add(&to, "PK\5\6\0\0\0\0", 8);
    add_le(&to, (uint32_t)count, 2);
    add_le(&to, (uint32_t)count, 2);
    add_le(&to, (uint32_t)directory.length, 4);
    add_le(&to, start, 4);
    add_le(&to, 0, 2);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(to.data, 1, to.length, file) == to.length && !fclose(file));
    buf_free(&to);
    buf_free(&directory);
}
