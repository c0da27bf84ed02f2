/* durable_file: a file that is there whole or not at all: written beside its name, synced, renamed, the folder synced. */
#include "worker/train/durable_file.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void remember(struct durable_file *f)
{
    if (!f->failed)
        f->failed = errno ? errno : EIO;
}

void durable_open(struct durable_file *f, const char *path)
{
    memset(f, 0, sizeof *f);
    sha256_start(&f->sum);
    int wrote = snprintf(f->path, sizeof f->path, "%s", path), part = snprintf(f->part, sizeof f->part, "%s.part", path);
    if (wrote < 0 || part < 0 || (size_t)part >= sizeof f->part) {
        f->failed = ENAMETOOLONG;
        return;
    }
    f->file = fopen(f->part, "wbe");
    if (!f->file)
        remember(f);
}

void durable_write(struct durable_file *f, const void *bytes, size_t length)
{
    if (f->failed || length == 0)
        return;
    sha256_add(&f->sum, bytes, length);
    f->bytes += (int64_t)length;
    if (fwrite(bytes, 1, length, f->file) != length)
        remember(f);
}

static void sync_folder_of(struct durable_file *f)
{
    char folder[DURABLE_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", f->path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        remember(f);
    if (fd >= 0)
        close(fd);
}

static enum err failure(const struct durable_file *f, struct err_note *note)
{
    int full = f->failed == ENOSPC || f->failed == EDQUOT || f->failed == EFBIG;
    return err_set(note, full ? ERR_NO_SPACE : ERR_IO, f->path, "cannot write %s: %s", f->path, strerror(f->failed));
}

enum err durable_commit(struct durable_file *f, char sha256[SHA256_HEX], struct err_note *note)
{
    char hex[SHA256_HEX];
    if (!f->failed && (fflush(f->file) || fsync(fileno(f->file)) < 0))
        remember(f);
    if (f->file && fclose(f->file))
        remember(f);
    if (!f->failed && rename(f->part, f->path) < 0)
        remember(f);
    if (f->failed) {
        if (f->file)
            unlink(f->part);
        return failure(f, note);
    }
    sync_folder_of(f);
    sha256_end_hex(&f->sum, hex);
    if (sha256)
        memcpy(sha256, hex, SHA256_HEX);
    return f->failed ? failure(f, note) : OK;
}

enum err durable_text(const char *path, const char *text, size_t length, struct err_note *note)
{
    struct durable_file f;
    durable_open(&f, path);
    durable_write(&f, text, length);
    return durable_commit(&f, NULL, note);
}
