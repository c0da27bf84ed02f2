/* archive_unpack: an uploaded tar or zip into a folder: regular files and folders only, nothing outside or past a limit. */
#ifndef WORKER_DATA_ARCHIVE_UNPACK_H
#define WORKER_DATA_ARCHIVE_UNPACK_H
#include <stdint.h>
#include "schema/base/err.h"

struct archive_limits {
    uint64_t entries;    /* files and folders */
    uint64_t bytes;      /* of all files together */
    uint64_t file_bytes; /* of one file */
    uint64_t ratio;      /* unpacked bytes for each byte of the archive, past the first 16 MiB */
};
/* 1,000,000 entries, 64 GiB, 4 GiB a file, 200:1 (PNG and JPEG hardly deflate; raw masks rarely pass 100:1). */
extern const struct archive_limits archive_limits_default;

/* Unpacks tar (plain, gz, bz2, xz, zst) or zip at `archive` into the existing folder `folder`. An entry that is a link or
   a device, absolute, holds "..", stands there already, or passes a limit stops everything: ERR_DATA naming the entry;
   what was written stays and is the caller's to remove. ERR_IO, ERR_NO_SPACE. Modes are 0644 and 0755, less the umask.
   *root (the caller frees) is the folder that holds dataset.json: `folder` or its only sub-folder; ERR_DATA if neither. */
enum err archive_unpack(const char *archive, const char *folder, const struct archive_limits *limits, char **root,
                        struct err_note *note) MUST_USE;
#endif
