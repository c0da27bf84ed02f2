/* blob: files named by their sha256: the thread that writes uploads to disk, and the door to read them. */
#ifndef SERVER_BLOB_H
#define SERVER_BLOB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"
#include "schema/base/sha256.h"

/* FOLDER/blobs/sha256/ab/abcd...; FOLDER/blobs/tmp/ while they arrive (swept at start). Order of an upload: bytes, fsync, rename,
   fsync of the folder, and only then the caller posts the row (queue_artifact_put, queue_dataset_put). A blob without a
   row is an orphan: freed at start, and when the last row that names it goes. */
struct blob_store;
enum err blob_store_open(const char *folder, struct blob_store **b, struct err_note *note) MUST_USE;
void blob_store_close(struct blob_store *b); /* finishes what is enqueued; joins */

/* ---- upload: one owner, calls never two at once; all callbacks come on the file thread and must be cheap ----- */
struct blob_upload;
/* `on_room(context)`: after blob_piece took less than it was given, there is room again.
   `bytes_max`: more than that is ERR_TOO_LARGE at the end. */
struct blob_upload *blob_begin(struct blob_store *b, uint64_t bytes_max, void (*on_room)(void *context), void *context);
/* Copies a prefix into the upload's buffer (256 KiB) and returns its length; 0 = wait for on_room. Never waits. */
size_t blob_piece(struct blob_upload *u, const char *bytes, size_t length);
/* The body is complete. done(context, OK, sha256, bytes) once the file is in its place and synced. `want_sha256` (hex; NULL or "" =
   any) differs: ERR_DIGEST. ERR_NO_SPACE, ERR_TOO_LARGE, ERR_IO. `u` is gone after this call. */
typedef void blob_done(void *context, enum err e, const char *sha256, int64_t bytes);
void blob_finish(struct blob_upload *u, const char *want_sha256, blob_done *done, void *context);
/* The client left: the part is removed. No callback comes after this returns. `u` is gone. */
void blob_abort(struct blob_upload *u);

/* ---- download: any thread ------------------------------------------------------------------------------------ */
/* An open descriptor (close it, or give it to http_reply_file). ERR_NOT_FOUND, ERR_IO. */
enum err blob_open(struct blob_store *b, const char *sha256, int *fd, int64_t *bytes) MUST_USE;
/* Reads the whole file: ERR_DIGEST when its bytes are not its name. Not for a library's thread: it takes long. */
enum err blob_verify(struct blob_store *b, const char *sha256) MUST_USE;
/* Removes files on the file thread, e.g. after the commit that took their last row. Absent ones are fine. */
void blob_remove_later(struct blob_store *b, const char *sha256);
/* The row for an upload has been written, or will not be (the queue says so, for artifacts and data sets): until then a finished upload
   is never removed. One call per finished upload. */
void blob_settled(struct blob_store *b, const char *sha256, bool has_row);
/* Calls back for every blob on disk (at start, to find orphans). */
void blob_each(struct blob_store *b, void (*each)(void *context, const char *sha256), void *context);
int64_t blob_free_bytes(struct blob_store *b); /* of the disk */
#endif
