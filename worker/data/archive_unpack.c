/* archive_unpack: libarchive reads; each entry is judged before anything of it is written, and counted while it is. */
#include "worker/data/archive_unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRY_PATH_MAX = 1024, DEPTH_MAX = 32 };
#define RATIO_FREE_BYTES ((uint64_t)16 << 20) /* small archives may deflate as well as they like */

const struct archive_limits archive_limits_default = {
    .entries = 1000000, .bytes = (uint64_t)64 << 30, .file_bytes = (uint64_t)4 << 30, .ratio = 200};

struct job {
    struct archive *archive;
    const char *name; /* of the archive, for errors */
    const struct archive_limits *limits;
    struct err_note *note;
    int folder;
    uint64_t archive_bytes, entries, bytes;
};

static enum err refuse(const struct job *job, const char *entry, const char *why)
{
    return err_set(job->note, ERR_DATA, job->name, "%s: entry \"%.200s\" %s; nothing of it is used", job->name, entry, why);
}

static enum err complain_errno(const struct job *job, const char *entry)
{
    return err_set(job->note, errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_IO, job->name,
                   "%s: \"%.200s\" cannot be written: %s", job->name, entry, strerror(errno));
}

/* What desktop systems put into archives beside the files that were meant. */
static int is_litter(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    return !strncmp(path, "__MACOSX/", 9) || !strncmp(base, "._", 2) || !strcmp(base, ".DS_Store");
}

static enum err check_path(const struct job *job, const char *path)
{
    int depth = 0;
    if (!path || !*path) return refuse(job, "", "has no name");
    if (path[0] == '/') return refuse(job, path, "has an absolute path");
    if (strlen(path) > ENTRY_PATH_MAX) return refuse(job, path, "has a path that is too long");
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        if (!strncmp(part, "..", 2) && (part[2] == '/' || part[2] == 0))
            return refuse(job, path, "leads out of the folder (\"..\")");
        depth++;
    }
    return depth > DEPTH_MAX ? refuse(job, path, "lies too many folders deep") : OK;
}

static enum err check_kind(const struct job *job, struct archive_entry *entry, const char *path)
{
    if (archive_entry_hardlink(entry)) return refuse(job, path, "is a hard link");
    if (archive_entry_symlink(entry)) return refuse(job, path, "is a symbolic link");
    if (archive_entry_is_encrypted(entry) > 0) return refuse(job, path, "is encrypted");
    mode_t type = archive_entry_filetype(entry);
    return type == AE_IFREG || type == AE_IFDIR ? OK : refuse(job, path, "is neither a file nor a folder");
}

/* Whether `more` bytes may be added to a file that has `file_bytes`: asked of a header's claim and of what really comes. */
static enum err check_bytes(const struct job *job, const char *path, uint64_t file_bytes, uint64_t more)
{
    const struct archive_limits *l = job->limits;
    if (more > l->file_bytes || file_bytes + more > l->file_bytes) return refuse(job, path, "is larger than a file may be");
    if (more > l->bytes || job->bytes + more > l->bytes)
        return refuse(job, path, "makes the archive larger than it may be unpacked");
    uint64_t total = job->bytes + more;
    if (total > RATIO_FREE_BYTES && total / l->ratio > job->archive_bytes)
        return refuse(job, path, "unpacks to far more than the archive holds");
    return OK;
}

/* Opens the folder that `path` lies in, making folders on the way; *base is the last part. Nothing here ever is a link:
   none is unpacked, and O_NOFOLLOW would refuse it. */
static enum err open_parent(const struct job *job, char *path, int *parent, char **base)
{
    int at = dup(job->folder);
    if (at < 0) return complain_errno(job, path);
    for (char *slash; (slash = strchr(path, '/')); path = slash + 1) {
        *slash = 0;
        if (*path == 0 || !strcmp(path, ".")) continue;
        if (mkdirat(at, path, 0755) && errno != EEXIST) {
            close(at);
            return complain_errno(job, path);
        }
        int next = openat(at, path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        if (next < 0) return complain_errno(job, path);
        at = next;
    }
    *parent = at;
    *base = path;
    return OK;
}

static enum err write_block(const struct job *job, int fd, const char *path, const char *block, size_t length)
{
    while (length) {
        ssize_t n = write(fd, block, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return complain_errno(job, path);
        block += n;
        length -= (size_t)n;
    }
    return OK;
}

static enum err complain_archive(const struct job *job)
{
    const char *words = archive_error_string(job->archive);
    return err_set(job->note, ERR_DATA, job->name, "%s: not a readable tar or zip: %s", job->name,
                   words ? words : "damaged");
}

static enum err write_content(struct job *job, int fd, const char *path)
{
    char block[65536];
    uint64_t file_bytes = 0;
    for (;;) {
        la_ssize_t n = archive_read_data(job->archive, block, sizeof block); /* holes come as zeros and count */
        if (n == 0) return OK;
        if (n < 0) return complain_archive(job);
        enum err e = check_bytes(job, path, file_bytes, (uint64_t)n);
        if (!e) e = write_block(job, fd, path, block, (size_t)n);
        if (e) return e;
        file_bytes += (uint64_t)n;
        job->bytes += (uint64_t)n;
    }
}

static enum err write_file(struct job *job, int parent, const char *base, const char *path)
{
    int fd = openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST) return refuse(job, path, "occurs twice");
    if (fd < 0) return complain_errno(job, path);
    enum err e = write_content(job, fd, path);
    if (close(fd) && !e) e = complain_errno(job, path);
    return e;
}

static enum err unpack_entry(struct job *job, struct archive_entry *entry)
{
    const char *path = archive_entry_pathname(entry);
    char copy[ENTRY_PATH_MAX + 1], *base;
    int parent;
    if (++job->entries > job->limits->entries) return refuse(job, path ? path : "", "is one more than the archive may hold");
    enum err e = check_path(job, path);
    if (!e) e = check_kind(job, entry, path);
    if (!e && is_litter(path)) return OK;
    if (!e && archive_entry_size_is_set(entry)) {
        la_int64_t claim = archive_entry_size(entry);
        e = claim < 0 ? refuse(job, path, "has a negative size") : check_bytes(job, path, 0, (uint64_t)claim);
    }
    if (!e) {
        memcpy(copy, path, strlen(path) + 1);
        e = open_parent(job, copy, &parent, &base);
    }
    if (e) return e;
    if (archive_entry_filetype(entry) == AE_IFREG)
        e = *base ? write_file(job, parent, base, path) : refuse(job, path, "is a file with the name of a folder");
    else if (*base && strcmp(base, ".") && mkdirat(parent, base, 0755) && errno != EEXIST)
        e = complain_errno(job, path);
    close(parent);
    return e;
}

static enum err unpack_all(struct job *job)
{
    for (;;) {
        struct archive_entry *entry;
        int r = archive_read_next_header(job->archive, &entry);
        if (r == ARCHIVE_EOF)
            return job->entries ? OK : err_set(job->note, ERR_DATA, job->name, "%s: the archive is empty", job->name);
        if (r < ARCHIVE_WARN) return complain_archive(job);
        enum err e = unpack_entry(job, entry);
        if (e) return e;
    }
}

static enum err open_archive(struct job *job)
{
    struct stat about;
    if (stat(job->name, &about)) return err_set(job->note, ERR_IO, job->name, "%s: %s", job->name, strerror(errno));
    job->archive_bytes = (uint64_t)about.st_size;
    job->archive = archive_read_new();
    if (!job->archive) return err_set(job->note, ERR_NO_MEMORY, job->name, "%s: no memory to read it", job->name);
    archive_read_support_format_tar(job->archive);
    archive_read_support_format_zip(job->archive);
    archive_read_support_filter_gzip(job->archive);
    archive_read_support_filter_bzip2(job->archive);
    archive_read_support_filter_xz(job->archive);
    archive_read_support_filter_zstd(job->archive);
    return archive_read_open_filename(job->archive, job->name, 65536) == ARCHIVE_OK ? OK : complain_archive(job);
}

static int holds_manifest(const char *folder)
{
    char path[8192];
    err_print(path, sizeof path, "%s/dataset.json", folder);
    return !access(path, F_OK);
}

/* `folder`, or its only sub-folder. */
static enum err find_root(const char *name, const char *folder, char **root, struct err_note *note)
{
    char path[8192] = "";
    size_t folders = 0;
    DIR *list = opendir(folder);
    if (!list) return err_set(note, ERR_IO, folder, "%s: %s", folder, strerror(errno));
    for (struct dirent *d; (d = readdir(list));) {
        struct stat about;
        if (d->d_name[0] == '.' || fstatat(dirfd(list), d->d_name, &about, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(about.st_mode))
            continue;
        if (!folders++) err_print(path, sizeof path, "%s/%s", folder, d->d_name);
    }
    closedir(list);
    if (holds_manifest(folder))
        *root = strdup(folder);
    else if (folders == 1 && holds_manifest(path))
        *root = strdup(path);
    else
        return err_set(note, ERR_DATA, name, "%s: holds no dataset.json, neither at its top nor in its only folder", name);
    return *root ? OK : err_set(note, ERR_NO_MEMORY, name, "%s: no memory", name);
}

enum err archive_unpack(const char *archive, const char *folder, const struct archive_limits *limits, char **root,
                        struct err_note *note)
{
    assert(limits->ratio > 0);
    struct job job = {.name = archive, .limits = limits, .note = note};
    *root = NULL;
    /* libarchive passes names through the locale; in "C" it would lose all that are not ASCII */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = utf8 ? uselocale(utf8) : (locale_t)0;
    job.folder = open(folder, O_DIRECTORY | O_CLOEXEC);
    enum err e = job.folder >= 0 ? open_archive(&job) : err_set(note, ERR_IO, folder, "%s: %s", folder, strerror(errno));
    if (!e) e = unpack_all(&job);
    if (job.archive) archive_read_free(job.archive);
    if (job.folder >= 0) close(job.folder);
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return e ? e : find_root(archive, folder, root, note);
}
