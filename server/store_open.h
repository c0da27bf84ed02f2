/* store_open: the folder's lock, the kind of disk, the connection's settings, the check at start. */
#ifndef SERVER_STORE_OPEN_H
#define SERVER_STORE_OPEN_H
#include "server/store_db.h"

/* Makes the folder (0700) and takes FOLDER/lock for this process: ERR_BUSY with the holder's pid; ERR_IO. *fd stays open as long as the lock is wanted. */
enum err store_lock(const char *folder, int *fd, struct err_note *note) MUST_USE;
/* Is the folder on a network file system, where WAL and locks cannot be trusted? The name of it, or NULL. */
const char *store_network_fs(const char *folder);
/* Opens FOLDER/tandem.db as the one connection, sets it up and checks it. ERR_CORRUPT, ERR_IO. Fills db->db and db->is_wal. */
enum err store_connect(struct store_db *db, const struct store_settings *settings, struct err_note *note) MUST_USE;
void store_disconnect(struct store_db *db);
/* SQLite 3.7.0 to 3.51.2 but for 3.44.6 and 3.50.7: the WAL-reset fault, harmless with one connection. */
bool store_has_wal_reset_fault(int sqlite_version_number);
/* fsync of a folder, so that a new name in it survives a power cut. */
enum err store_sync_folder(const char *folder, struct err_note *note) MUST_USE;
/* The file that is given back to the disk when it is full. */
bool store_reserve_make(const char *folder, int64_t bytes);
void store_reserve_free(const char *folder);
#endif
