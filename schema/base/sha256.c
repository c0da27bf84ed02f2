/* sha256: a thin door to nettle. */
#include "schema/base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void sha256_start(struct sha256 *s)
{
    sha256_init(&s->inner);
}

void sha256_add(struct sha256 *s, const void *bytes, size_t length)
{
    sha256_update(&s->inner, length, bytes);
}

void sha256_end(struct sha256 *s, unsigned char digest[SHA256_BYTES])
{
    sha256_digest(&s->inner, SHA256_BYTES, digest);
}

void sha256_end_hex(struct sha256 *s, char hex[SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_BYTES];
    sha256_end(s, digest);
    for (int i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[SHA256_HEX - 1] = 0;
}

void sha256_hex_of(const void *bytes, size_t length, char hex[SHA256_HEX])
{
    struct sha256 s;
    sha256_start(&s);
    sha256_add(&s, bytes, length);
    sha256_end_hex(&s, hex);
}

enum err sha256_hex_of_file(const char *path, char hex[SHA256_HEX], struct err_note *note)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_set(note, ERR_IO, path, "cannot open: %s", strerror(errno));
    struct sha256 s;
    char block[65536];
    ssize_t n;
    sha256_start(&s);
    while ((n = read(fd, block, sizeof block)) > 0) sha256_add(&s, block, (size_t)n);
    int failed = n < 0 ? errno : 0;
    close(fd);
    if (failed) return err_set(note, ERR_IO, path, "cannot read: %s", strerror(failed));
    sha256_end_hex(&s, hex);
    return OK;
}

int sha256_is_hex(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}
