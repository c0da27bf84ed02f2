/* image_file: opens below a folder, reads whole files with a limit, and knows formats by their first bytes. */
#include "worker/data/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/data/read_jpeg.h"
#include "worker/data/read_png.h"

enum { FORMAT_OTHER, FORMAT_PNG, FORMAT_JPEG };
/* Formats people do have, told apart by content, so that the refusal can say which it is. */
static const struct format {
    size_t at, length;
    const char *magic, *name;
    int reader;
} formats[] = {
    {0, 8, "\x89PNG\r\n\x1a\n", "PNG", FORMAT_PNG},
    {0, 3, "\xff\xd8\xff", "JPEG", FORMAT_JPEG},
    {0, 4, "GIF8", "GIF", FORMAT_OTHER},
    {0, 4, "II*\0", "TIFF", FORMAT_OTHER},
    {0, 4, "MM\0*", "TIFF", FORMAT_OTHER},
    {0, 4, "II+\0", "BigTIFF", FORMAT_OTHER},
    {0, 4, "MM\0+", "BigTIFF", FORMAT_OTHER},
    {344, 4, "n+1\0", "NIfTI", FORMAT_OTHER},
    {344, 4, "ni1\0", "NIfTI (a header without its image)", FORMAT_OTHER},
    {4, 4, "n+2\0", "NIfTI-2", FORMAT_OTHER},
    {0, 2, "\x1f\x8b", "gzip (a .nii.gz?)", FORMAT_OTHER},
    {0, 2, "BM", "BMP", FORMAT_OTHER},
    {8, 4, "WEBP", "WebP", FORMAT_OTHER},
    {0, 8, "\0\0\0\x0cjP  ", "JPEG 2000", FORMAT_OTHER},
    {0, 4, "\xff\x4f\xff\x51", "JPEG 2000", FORMAT_OTHER},
    {128, 4, "DICM", "DICOM", FORMAT_OTHER},
    {0, 6, "\x93NUMPY", "NumPy", FORMAT_OTHER},
    {0, 8, "\x89HDF\r\n\x1a\n", "HDF5", FORMAT_OTHER},
    {0, 10, "ObjectType", "MetaImage", FORMAT_OTHER},
    {0, 4, "PK\x03\x04", "a zip archive", FORMAT_OTHER},
};

static const struct format *recognise(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct format *f = &formats[i];
        if (length >= f->at + f->length && !memcmp(bytes + f->at, f->magic, f->length)) return f;
    }
    return NULL;
}

enum err image_decode(const void *bytes, size_t length, const char *name, enum image_purpose purpose, struct image *image,
                      struct err_note *note)
{
    *image = (struct image){0};
    if (length == 0) return err_set(note, ERR_DATA, name, "%s: the file is empty", name);
    const struct format *format = recognise(bytes, length);
    if (!format) return err_set(note, ERR_DATA, name, "%s: not an image that is known here; PNG and JPEG are read", name);
    switch (format->reader) {
    case FORMAT_PNG: return read_png(bytes, length, name, purpose, image, note);
    case FORMAT_JPEG: return read_jpeg(bytes, length, name, image, note);
    default:
        return err_set(note, ERR_DATA, name, "%s: this is %s, which is not read here; convert it to PNG", name,
                       format->name);
    }
}

enum err folder_open(const char *path, int *folder, struct err_note *note)
{
    *folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*folder >= 0) return OK;
    return err_set(note, ERR_DATA, path, "%s: cannot open this folder: %s", path, strerror(errno));
}

/* Opens for reading; a FIFO in the place of a file must not make us wait. */
static enum err open_beneath(int folder, const char *path, int *fd, struct err_note *note)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    *fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
    if (*fd >= 0) return OK;
    switch (errno) {
    case EXDEV: return err_set(note, ERR_DATA, path, "%s: leads out of the data folder", path);
    case ENOENT: return err_set(note, ERR_DATA, path, "%s: no such file", path);
    case EACCES:
    case ELOOP:
    case ENOTDIR:
    case ENAMETOOLONG: return err_set(note, ERR_DATA, path, "%s: cannot be opened: %s", path, strerror(errno));
    default: return err_set(note, ERR_IO, path, "%s: cannot be opened: %s", path, strerror(errno));
    }
}

/* Reads all of `fd`, which must be a regular file; a file that grows while it is read is cut at its first size. */
static enum err read_all(int fd, const char *path, size_t bytes_max, char **bytes, size_t *length, struct err_note *note)
{
    struct stat about;
    if (fstat(fd, &about)) return err_set(note, ERR_IO, path, "%s: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode)) return err_set(note, ERR_DATA, path, "%s: not a regular file", path);
    if ((uint64_t)about.st_size > bytes_max)
        return err_set(note, ERR_DATA, path, "%s: %lld bytes; at most %zu are read", path, (long long)about.st_size,
                       bytes_max);
    size_t size = (size_t)about.st_size, got = 0;
    char *all = malloc(size + 1);
    if (!all) return err_set(note, ERR_NO_MEMORY, path, "%s: no memory for %zu bytes", path, size);
    while (got < size) {
        ssize_t n = read(fd, all + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            free(all);
            return err_set(note, ERR_IO, path, "%s: %s", path, strerror(errno));
        }
        if (n == 0) break;
        got += (size_t)n;
    }
    all[got] = 0;
    *bytes = all;
    *length = got;
    return OK;
}

enum err folder_read_file(int folder, const char *path, size_t bytes_max, char **bytes, size_t *length,
                          struct err_note *note)
{
    int fd = -1;
    *bytes = NULL;
    *length = 0;
    enum err e = open_beneath(folder, path, &fd, note);
    if (e) return e;
    e = read_all(fd, path, bytes_max, bytes, length, note);
    close(fd);
    return e;
}

enum err image_read_beneath(int folder, const char *path, enum image_purpose purpose, struct image *image,
                            struct err_note *note)
{
    char *bytes;
    size_t length;
    *image = (struct image){0};
    enum err e = folder_read_file(folder, path, IMAGE_FILE_BYTES_MAX, &bytes, &length, note);
    if (e) return e;
    e = image_decode(bytes, length, path, purpose, image, note);
    free(bytes);
    return e;
}

enum err image_read(const char *path, enum image_purpose purpose, struct image *image, struct err_note *note)
{
    char *bytes = NULL;
    size_t length = 0;
    *image = (struct image){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return err_set(note, ERR_DATA, path, "%s: cannot be opened: %s", path, strerror(errno));
    enum err e = read_all(fd, path, IMAGE_FILE_BYTES_MAX, &bytes, &length, note);
    close(fd);
    if (!e) e = image_decode(bytes, length, path, purpose, image, note);
    free(bytes);
    return e;
}
