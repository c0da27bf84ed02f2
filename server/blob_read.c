/* blob_read: the door to the files that are there: any thread may open, verify, list them and ask for room. */
#include "server/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "server/blob_inside.h"

enum err blob_open(struct blob_store *b, const char *sha256, int *fd, int64_t *bytes)
{
    char path[BLOB_PATH_BYTES];
    struct stat s;
    *fd = -1;
    if (!sha256_is_hex(sha256)) return ERR_NOT_FOUND;
    blob_path(b, sha256, path);
    int f = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (f < 0) return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    if (fstat(f, &s)) {
        close(f);
        return ERR_IO;
    }
    *fd = f;
    *bytes = s.st_size;
    return OK;
}

enum err blob_verify(struct blob_store *b, const char *sha256)
{
    char path[BLOB_PATH_BYTES], found[SHA256_HEX];
    if (!sha256_is_hex(sha256)) return ERR_NOT_FOUND;
    blob_path(b, sha256, path);
    enum err e = sha256_hex_of_file(path, found, NULL);
    return e ? e : strcmp(found, sha256) ? ERR_DIGEST : OK;
}

static void each_in(const char *folder, void (*each)(void *context, const char *sha256), void *context)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    while (d && (entry = readdir(d)))
        if (sha256_is_hex(entry->d_name)) each(context, entry->d_name);
    if (d) closedir(d);
}

void blob_each(struct blob_store *b, void (*each)(void *context, const char *sha256), void *context)
{
    char folder[BLOB_PATH_BYTES];
    for (int i = 0; i < 256; i++) {
        err_print(folder, sizeof folder, "%s/blobs/sha256/%02x", blob_folder(b), i);
        each_in(folder, each, context);
    }
}

int64_t blob_free_bytes(struct blob_store *b)
{
    struct statvfs v;
    return statvfs(blob_folder(b), &v) ? -1 : (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}
