/* download: a part file beside the wanted one, a digest on the way. */
#include "schema/api/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "schema/base/uuid.h"

void download_start(struct download *d, const char *path, int64_t bytes_max)
{
    memset(d, 0, sizeof *d);
    d->path = path;
    d->bytes_max = bytes_max;
    d->fd = -1;
}

/* errno after a failed call, with the reason in words. A file size limit is a full disk, too. */
static enum err failed(struct download *d, const char *path)
{
    enum err e = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ERR_NO_SPACE : ERR_IO;
    err_print(d->reason, sizeof d->reason, "%.180s: %s", path, strerror(errno));
    return e;
}

static enum err open_part(struct download *d)
{
    char random[17];
    random_hex(random, 8);
    int n = snprintf(d->part, sizeof d->part, "%s.part-%s", d->path, random);
    if (n < 0 || (size_t)n >= sizeof d->part) return ERR_TOO_LARGE;
    d->fd = open(d->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); /* mkstemp's 0600 would surprise who asked for the file */
    sha256_start(&d->digest);
    if (d->fd >= 0) return OK;
    d->part[0] = 0;
    return failed(d, d->path);
}

enum err download_add(struct download *d, const char *bytes, size_t length)
{
    enum err e = d->fd < 0 ? open_part(d) : OK;
    if (e) return e;
    d->bytes += length;
    if (d->bytes_max && d->bytes > (size_t)d->bytes_max) {
        err_print(d->reason, sizeof d->reason, "more than the %lld bytes that were announced", (long long)d->bytes_max);
        return ERR_TOO_LARGE;
    }
    sha256_add(&d->digest, bytes, length);
    while (length) {
        ssize_t n = write(d->fd, bytes, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed(d, d->part);
        bytes += n;
        length -= (size_t)n;
    }
    return OK;
}

enum err download_finish(struct download *d, const char *want, char hex[SHA256_HEX], struct err_note *note)
{
    enum err e = d->fd < 0 ? open_part(d) : OK; /* an empty body is a file, too */
    if (e) return err_set(note, e, d->path, "%s", d->reason);
    sha256_end_hex(&d->digest, hex);
    if (want && strcmp(want, hex)) {
        err_set(note, ERR_DIGEST, d->path, "the bytes received have another sha256");
        if (note) {
            err_print(note->found, sizeof note->found, "%s", hex);
            err_print(note->allowed, sizeof note->allowed, "%s", want);
        }
        return ERR_DIGEST;
    }
    if (fsync(d->fd) || rename(d->part, d->path)) {
        e = failed(d, d->path);
        return err_set(note, e, d->path, "%s", d->reason);
    }
    d->part[0] = 0;
    return OK;
}

void download_drop(struct download *d)
{
    if (d->fd >= 0) close(d->fd);
    d->fd = -1;
    if (*d->part) unlink(d->part);
    d->part[0] = 0;
}
