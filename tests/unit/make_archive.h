/* make_archive: tar and zip archives for tests, honest and hostile, built by hand. */
#ifndef TESTS_UNIT_MAKE_ARCHIVE_H
#define TESTS_UNIT_MAKE_ARCHIVE_H
#include <stdint.h>
#include "schema/base/buf.h"

struct archive_member {
    const char *name;
    char type;        /* '0' file, '1' hard link, '2' symbolic link, '3' device, '5' folder, '6' pipe */
    const char *link; /* target of a link */
    const void *bytes;
    size_t length;
    uint64_t claimed; /* size in the header when it is not `length` */
};

void make_tar(const char *path, const struct archive_member *members, size_t count);
void make_tar_gz(const char *path, const struct archive_member *members, size_t count);
/* Files and folders (name ending with "/") only; deflated. */
void make_zip(const char *path, const struct archive_member *members, size_t count);
#endif
